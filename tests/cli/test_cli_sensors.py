"""`kinefed sensors` over emulated radios; failures are one sentence and exit code 4."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shutil
import signal
import sys
import threading
import time
import tomllib
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cli_run import Run

from kinefed.datasets import (
    DataError,
    DataReason,
    Dataset,
    DatasetInfo,
    Recording,
    RecordingRef,
    Stream,
    Subject,
    write_dataset,
)
from kinefed.sensors.streaming import stream
from kinefed.sensors.virtual.bluez import BlueZ, Strictness
from kinefed.sensors.virtual.bus_objects import BlueZError
from kinefed.sensors.virtual.central import Central
from kinefed.sensors.virtual.peripheral import Peripheral
from kinefed.sensors.virtual.person import swinging, virtual_person
from kinefed.sensors.worn import Worn
from kinefed.sensors.worn_file import read_worn, write_worn

linux = pytest.mark.skipif(
    sys.platform != "linux" or shutil.which("dbus-daemon") is None,
    reason="needs Linux with dbus-daemon",
)
WORN = """
format = 1

[[sensor]]
name = "shank.r"
driver = "movella-dot"
address = "F0:00:00:00:00:01"
place = "shank.r"
settings = { mode = "custom-5", rate_hz = 60 }

[[sensor]]
name = "calf"
driver = "myo"
address = "F0:00:00:00:00:02"
electrodes = { 1 = "tibialis_anterior.r", 4 = "soleus.r" }
"""


@pytest.fixture
def worn(tmp_path: Path) -> Path:
    path = tmp_path / "worn.toml"
    path.write_text(WORN)
    return path


def test_simulated_sensors_are_found_and_written_down(kinefed: Run, tmp_path: Path) -> None:
    path = tmp_path / "found.toml"
    result = kinefed("sensors", "scan", "--simulate", "--seconds", 0.5, "--write", path, "--json")
    assert result.code == 0, result.err
    drivers = sorted(row["driver"] for row in result.json["sensors"])
    assert drivers == ["movella-dot"] * 4 + ["myo"]
    found = read_worn(path)
    assert len({each.address for each in found}) == 5
    assert {each.driver_id for each in found} == {"movella-dot", "myo"}


def test_a_check_measures_every_stream(kinefed: Run, worn: Path) -> None:
    result = kinefed("sensors", "check", "--simulate", "--worn", worn, "--seconds", 1.5, "--json")
    assert result.code == 0, result.out + result.err
    rows = {(row["sensor"], row["stream"]): row for row in result.json["streams"]}
    assert set(rows) == {("shank.r", "imu"), ("calf", "emg"), ("calf", "imu")}
    for row in rows.values():
        assert row["sound"]
        assert row["measured_hz"] == pytest.approx(row["nominal_hz"], rel=0.05)
        assert row["battery"] == 80.0
        assert "firmware" in row["device"]
    table = kinefed("sensors", "check", "--simulate", "--worn", worn, "--seconds", 1)
    assert "Hz" in table.out
    assert "shank.r: connected" in table.err


def test_sensors_of_a_scan_can_be_checked_before_anybody_has_said_where_they_sit(
    kinefed: Run, tmp_path: Path
) -> None:
    found = tmp_path / "worn.toml"
    assert kinefed("sensors", "scan", "--simulate", "--seconds", 1, "--write", found).code == 0
    result = kinefed("sensors", "check", "--worn", found, "--simulate", "--seconds", 2, "--json")
    assert result.code == 0, result.err
    assert len(result.json["streams"]) == 6


def test_what_is_recorded_goes_out_by_lsl_as_well(kinefed: Run, tmp_path: Path) -> None:
    from kinefed.sensors.lsl import Inlet

    name, rows, done = f"tag-{uuid.uuid4().hex[:8]}", [], threading.Event()
    write_worn(tmp_path / "worn.toml", [Worn(name, "movella-dot", place="shank.r")])

    def receive() -> None:
        with Inlet(f"kinefed-{name}-imu", timeout_s=30.0) as inlet:
            while not done.is_set():
                if (timed := inlet.pull(0.2)) is not None:
                    rows.extend(timed.samples.values)

    receiving = threading.Thread(target=receive)
    receiving.start()
    try:
        result = kinefed("sensors", "record", "--worn", tmp_path / "worn.toml", "--simulate",
                         "--seconds", 4, "--lsl", "--out", tmp_path / "me", "--json")  # fmt: skip
    finally:
        done.set()
        receiving.join()
    assert result.code == 0, result.err
    assert f"sent by LSL: kinefed-{name}-imu" in result.err
    assert len(rows) > 60
    dataset = Dataset.open(tmp_path / "me")
    kept = dataset.load(dataset.refs[0]).streams[f"{name}-imu"].data
    assert np.isfinite(rows).all()
    # It swings about one axis: the same movement, though not at the same times.
    assert np.ptp(rows, axis=0) == pytest.approx(np.ptp(kept, axis=0), rel=0.2, abs=1e-3)


def test_dots_are_given_one_clock_and_the_file_says_so(
    kinefed: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []
    wait = asyncio.sleep

    async def sleep(seconds: float, *more: Any) -> None:
        """Let the emulated sensors' clocks pass what nobody wants to wait for."""
        if seconds > 10.0:
            slept.append(seconds)
            Peripheral.ahead_s += seconds
            return
        await wait(seconds, *more)

    monkeypatch.setattr(Peripheral, "ahead_s", 0.0, raising=False)
    monkeypatch.setattr("kinefed.cli.sensor_sync.asyncio.sleep", sleep)
    before = Peripheral.__init__

    def made(self: Peripheral, *words: Any, **options: Any) -> None:
        before(self, *words, **options)
        self._clock = lambda: time.monotonic() + Peripheral.ahead_s

    monkeypatch.setattr(Peripheral, "__init__", made)
    out = tmp_path / "synced.toml"
    result = kinefed("sensors", "sync", "--simulate", "--out", out, "--json")
    assert result.code == 0, result.err
    assert result.json["synchronised"] == ["pelvis", "thigh.r", "shank.r", "foot.r"]
    assert slept == [14.0]
    worn = read_worn(out)
    assert [each.settings.get("synced") for each in worn] == [True] * 4 + [None]
    assert kinefed("sensors", "sync", "--simulate", "--out", out).code == 3


def test_an_electrode_that_is_off_fails_the_check_and_is_named(
    kinefed: Run, tmp_path: Path
) -> None:
    worn = [Worn("band", "myo", electrodes={1: "soleus.r", 2: "tibialis_anterior.r"})]
    times = np.arange(6000) / 1000.0
    rng = np.random.default_rng(0)
    emg = np.column_stack([np.zeros(6000), 1e-4 * rng.standard_normal(6000)])
    names = ("emg.soleus.r", "emg.tibialis_anterior.r")
    ref = RecordingRef("S01", "s01", "rest", 1)
    imu = tuple(f"{kind}.pelvis.{axis}" for kind in ("acc", "gyro") for axis in "xyz")
    still = np.column_stack([np.sin(times[::10] + i) + 9.8 * (i == 2) for i in range(6)])
    streams = {
        "emg": Stream("emg", 1000.0, 0.0, names, ("V", "V"), emg),
        "imu": Stream("imu", 100.0, 0.0, imu, ("m/s^2",) * 3 + ("rad/s",) * 3, still),
    }
    write_dataset(tmp_path / "me", DatasetInfo("me"), [Subject("S01")], [Recording(ref, streams)])
    write_worn(tmp_path / "worn.toml", worn)
    words = ["sensors", "check", "--worn", tmp_path / "worn.toml", "--simulate", tmp_path / "me",
             "--seconds", 4]  # fmt: skip
    result = kinefed(*words, "--json")
    assert result.code == 4
    (band,) = (row for row in result.json["streams"] if row["stream"] == "emg")
    assert band["channels"] == {"emg.soleus.r": ["flat"]}
    assert band["fault"] == "1 of its channels at fault"
    told = "emg.soleus.r no signal: the electrode or its lead is off"
    assert result.err.count(told) == 2  # when it was seen, and at the end


def test_a_recording_is_made_again_from_its_log_to_the_bit(
    kinefed: Run, worn: Path, tmp_path: Path
) -> None:
    out = tmp_path / "made"
    result = kinefed(
        "sensors", "record", "--simulate", "--worn", worn, "--seconds", 1.2, "--out", out,
        "--person", "P7", "--task", "squat", "--mass-kg", 70, "--json",
    )  # fmt: skip
    assert result.code == 0, result.err
    told = result.json
    assert told["stopped"] == "time"
    dataset = Dataset.open(out)
    assert dataset.subjects["P7"].mass_kg == 70.0
    recording = dataset.load(RecordingRef("P7", "s01", "squat", 1))
    assert set(recording.streams) == {"shank.r-imu", "calf-emg"}
    assert recording.sensors == {"shank.r": "Movella DOT", "calf": "Thalmic Myo"}
    log = Path(told["log"])
    again = kinefed("sensors", "replay", log, "--compare", out, "--json")
    assert again.code == 0, again.err
    assert again.json["different"] == []
    assert again.json["torn_bytes"] == 0
    # A changed byte is found: the comparison can fail.
    data = dataset.load(dataset.refs[0]).streams["calf-emg"].data.copy()
    data[3, 0] += 1e-6
    streams = dict(recording.streams)
    old = streams["calf-emg"]
    streams["calf-emg"] = Stream(old.name, old.rate_hz, old.start_s, old.channels, old.units, data)
    changed = Recording(recording.ref, streams, gaps=recording.gaps, sensors=recording.sensors)
    write_dataset(tmp_path / "changed", DatasetInfo("x"), [Subject("P7")], [changed])
    other = kinefed("sensors", "replay", log, "--compare", tmp_path / "changed")
    assert other.code == 3
    assert "differs in calf-emg" in other.err
    # A log that a crash tore gives what is whole.
    cut = tmp_path / "cut.kfpl"
    cut.write_bytes(log.read_bytes()[:-5])
    torn = kinefed("sensors", "replay", cut, "--out", tmp_path / "cut", "--json")
    assert torn.code == 0
    assert torn.json["torn_bytes"] > 0
    assert Dataset.open(tmp_path / "cut").refs


def test_nothing_is_recorded_over(kinefed: Run, worn: Path, tmp_path: Path) -> None:
    (tmp_path / "made").mkdir()
    result = kinefed("sensors", "record", "--simulate", "--worn", worn, "--out", tmp_path / "made")
    assert result.code == 3
    assert "there already" in result.err
    (tmp_path / "new.kfpl").write_bytes(b"mine")
    result = kinefed("sensors", "record", "--simulate", "--worn", worn, "--out", tmp_path / "new")
    assert result.code == 3
    assert (tmp_path / "new.kfpl").read_bytes() == b"mine"


@pytest.mark.skipif(sys.platform == "win32", reason="sends a signal")
def test_ctrl_c_leaves_a_whole_recording(kinefed: Run, worn: Path, tmp_path: Path) -> None:
    out, log = tmp_path / "made", tmp_path / "made.kfpl"
    done = threading.Event()

    def press() -> None:
        # When some packets are out of the program's hands.
        while not done.wait(0.05):
            if log.exists() and log.stat().st_size > 20_000:
                os.kill(os.getpid(), signal.SIGINT)
                return

    thread = threading.Thread(target=press)
    thread.start()
    try:
        result = kinefed("sensors", "record", "--simulate", "--worn", worn, "--out", out, "--json")
    finally:
        done.set()
        thread.join()
    assert result.code == 0, result.err
    assert result.json["stopped"] == "interrupted"
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert kinefed("sensors", "replay", log, "--compare", out).code == 0


def test_a_person_of_a_dataset_is_worn(kinefed: Run, tmp_path: Path) -> None:
    sensors = (Worn("thigh", "movella-dot", place="thigh.l"),)
    swing = swinging(sensors, 4.0).streams["swing"]
    columns = [i for i, c in enumerate(swing.channels) if not c.startswith("force")]
    imu = Stream(
        "imu",
        swing.rate_hz,
        0.0,
        tuple(swing.channels[i] for i in columns),
        ("m/s^2",) * 3 + ("rad/s",) * 3,
        swing.data[:, columns],
    )
    ref = RecordingRef("P1", "s01", "swing", 1)
    bare = Recording(
        RecordingRef("P1", "s01", "aaa", 1),
        {"f": Stream("f", 10.0, 0.0, ("force.load_cell",), ("N",), np.ones((4, 1)))},
    )
    folder = tmp_path / "people"
    write_dataset(folder, DatasetInfo("x"), [Subject("P1")], [bare, Recording(ref, {"imu": imu})])
    made = tmp_path / "made"
    result = kinefed(
        "sensors", "record", "--simulate", folder, "--seconds", 1, "--out", made, "--json"
    )
    assert result.code == 0, result.err
    (row,) = result.json["streams"]
    assert (row["sensor"], row["stream"]) == ("thigh.l", "imu")
    named = kinefed(
        "sensors", "check", "--simulate", folder, "--recording", "P1/s01/aaa_01", "--seconds", 1
    )
    assert named.code == 3
    assert "neither IMU nor muscle" in named.err


# Failures of a real radio, each by the Bluetooth service of a private D-Bus.


class Forbidden(BlueZ):
    async def _start_discovery(self, _message: Any) -> tuple[str, list[object]]:
        raise BlueZError("org.freedesktop.DBus.Error.AccessDenied", "Rejected send message")


@contextlib.contextmanager
def bluetooth(
    strictness: Strictness | None = None,
    sensors: tuple[Worn, ...] = (),
    later: Callable[[Any], Any] | None = None,
    forbidden: bool = False,
) -> Iterator[None]:
    """A Bluetooth service that the command finds, in a thread of its own."""
    ready, end = threading.Event(), threading.Event()
    failed: list[BaseException] = []

    async def scene() -> None:
        if forbidden:
            from kinefed.sensors.virtual.air import Air
            from kinefed.sensors.virtual.dbus import private_bus

            async with private_bus() as address:
                air = Air()
                central = Central(air)
                await central.start()
                service = Forbidden(central)
                await service.start(address)
                ready.set()
                await asyncio.to_thread(end.wait)
                await service.stop()
                air.close()
            return
        async with virtual_person(
            swinging(sensors, 4.0)
            if sensors
            else swinging((Worn("x", "movella-dot", place="shank.r"),), 4.0),
            sensors,
            bus=True,
            strictness=strictness or Strictness(),
        ) as person:
            task = None if later is None else asyncio.create_task(later(person))
            ready.set()
            await asyncio.to_thread(end.wait)
            if task is not None:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

    def run() -> None:
        try:
            asyncio.run(scene())
        except BaseException as error:
            failed.append(error)
            ready.set()

    thread = threading.Thread(target=run)
    thread.start()
    assert ready.wait(10.0)
    try:
        yield
    finally:
        end.set()
        thread.join()
    assert not failed, failed


SENSORS = (
    Worn("shank.r", "movella-dot", place="shank.r"),
    Worn("calf", "myo", electrodes={1: "tibialis_anterior.r", 4: "soleus.r"}),
)


@linux
@pytest.mark.parametrize(
    ("service", "sentence", "step"),
    [
        ({"strictness": Strictness(adapter=False)}, "no Bluetooth LE adapter", "Plug one in"),
        ({"strictness": Strictness(powered=False)}, "switched off", "Switch it on"),
        ({"forbidden": True}, "may not use Bluetooth", "group 'bluetooth'"),
        ({}, "shank.r: it was not found", "bring it nearer"),
        (
            {"sensors": SENSORS, "strictness": Strictness(slots=0)},
            "shank.r: it was found but refused",
            "5 to 7 connections",
        ),
    ],
    ids=["no adapter", "powered off", "no permission", "not found", "refused"],
)
def test_each_failure_is_one_sentence_with_what_to_do(
    kinefed: Run,
    worn: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    service: dict[str, Any],
    sentence: str,
    step: str,
) -> None:
    monkeypatch.setattr("bleak_retry_connector.BLEAK_DBUS_BACKOFF_TIME", 0.01)
    with bluetooth(**service):
        result = kinefed(
            "sensors", "record", "--worn", worn, "--find", 0.5, "--out", tmp_path / "x",
            "--seconds", 1,
        )  # fmt: skip
    assert result.code == 4, result.err
    last = result.err.strip().splitlines()[-1]
    assert last.startswith("error: ")
    assert sentence in last
    assert step in last
    assert "Traceback" not in result.err
    # Nothing is left that would be in the way of the next try.
    assert sorted(p.name for p in tmp_path.iterdir()) == ["worn.toml"]


@linux
def test_no_bluetooth_service_is_said(
    kinefed: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", f"unix:path={tmp_path}/none")
    result = kinefed("sensors", "scan", "--seconds", 0.2)
    assert result.code == 4
    assert "systemctl start bluetooth" in result.err


@linux
def test_a_sensor_that_is_lost_for_good_ends_the_recording_whole(
    kinefed: Run, worn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(stream.__kwdefaults__, "patience_s", 0.5)

    async def vanish(person: Any) -> None:
        peripheral = person.peripherals["calf"]
        while not (peripheral.connected and sum(peripheral.sent.values()) > 60):
            await asyncio.sleep(0.02)
        await peripheral.drop(advertise=False)

    with bluetooth(sensors=SENSORS, later=vanish):
        result = kinefed(
            "sensors", "record", "--worn", worn, "--find", 0.3, "--out", tmp_path / "made",
            "--seconds", 20,
        )  # fmt: skip
    assert result.code == 4, result.err
    last = result.err.strip().splitlines()[-1]
    assert "calf: the connection broke (away for 0.5 s)" in last
    assert "charge it" in last
    recording = Dataset.open(tmp_path / "made").load(RecordingRef("S01", "s01", "task", 1))
    assert {"shank.r-imu", "calf-emg"} == set(recording.streams)
    # The one that stayed was recorded to the end.
    assert recording.streams["shank.r-imu"].duration_s > recording.streams["calf-emg"].duration_s
    same = kinefed("sensors", "replay", tmp_path / "made.kfpl", "--compare", tmp_path / "made")
    assert same.code == 0


def test_without_a_list_of_sensors_the_use_is_wrong(kinefed: Run, tmp_path: Path) -> None:
    result = kinefed("sensors", "record", "--out", tmp_path / "x")
    assert result.code == 2
    assert "--worn" in result.err


# worn.toml


def test_a_worn_file_says_everything_and_comes_back(tmp_path: Path, worn: Path) -> None:
    found = read_worn(worn)
    assert found == (
        Worn(
            "shank.r", "movella-dot", {"mode": "custom-5", "rate_hz": 60}, "F0:00:00:00:00:01",
            "shank.r",
        ),
        Worn(
            "calf", "myo", {}, "F0:00:00:00:00:02",
            electrodes={1: "tibialis_anterior.r", 4: "soleus.r"},
        ),
    )  # fmt: skip
    found = (found[0], replace(found[1], adapter="hci1", delay_ms=2.5))
    assert read_worn(write_worn(tmp_path / "again.toml", found)) == found
    assert tuple(Worn.from_dict(each.to_dict()) for each in found) == found
    with pytest.raises(DataError, match="there already"):
        write_worn(tmp_path / "again.toml", found)


@pytest.mark.parametrize(
    ("change", "reason", "words"),
    [
        (("format = 1", "format = 2"), DataReason.BAD_FORMAT, "format"),
        (("format = 1", ""), DataReason.BAD_FORMAT, "format"),
        (("[[sensor]]", "[[sensors]]"), DataReason.BAD_FORMAT, "sensors"),
        (('name = "calf"', 'name = "../x"'), DataReason.BAD_FORMAT, "folder name"),
        (('driver = "myo"', 'driver = "trigno"'), DataReason.BAD_FORMAT, "no driver"),
        (('driver = "myo"', 'driver = "none.toml"'), DataReason.BAD_FORMAT, "no such profile"),
        (('place = "shank.r"', 'place = "knee.r"'), DataReason.BAD_FORMAT, "knee"),
        (('place = "shank.r"', 'plaze = "shank.r"'), DataReason.BAD_FORMAT, "plaze"),
        (("rate_hz = 60", "rate_hz = 120"), DataReason.BAD_FORMAT, "120"),
        (("rate_hz = 60", "speed = 60"), DataReason.BAD_FORMAT, "speed"),
        (("4 = ", "x = "), DataReason.BAD_FORMAT, "electrodes"),
        (('"soleus.r"', "4"), DataReason.BAD_FORMAT, "electrodes"),
        (('name = "calf"', 'name = "shank.r"'), DataReason.DUPLICATE, "one name"),
        (("00:02", "00:01"), DataReason.DUPLICATE, "one address"),
        (('"calf"', '"calf'), DataReason.BAD_FORMAT, "TOML"),
    ],
)
def test_a_wrong_worn_file_says_what_and_where(
    kinefed: Run, worn: Path, change: tuple[str, str], reason: DataReason, words: str
) -> None:
    assert change[0] in WORN
    worn.write_text(WORN.replace(*change))
    with pytest.raises(DataError) as caught:
        read_worn(worn)
    assert caught.value.reason is reason
    assert words in str(caught.value)
    assert str(worn) in caught.value.where
    assert caught.value.next_step
    assert kinefed("sensors", "check", "--simulate", "--worn", worn).code == 3


def test_a_missing_or_empty_worn_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="scan --write") as caught:
        read_worn(tmp_path / "none.toml")
    assert caught.value.reason is DataReason.NOT_FOUND
    (tmp_path / "empty.toml").write_text("format = 1\n")
    with pytest.raises(DataError) as caught:
        read_worn(tmp_path / "empty.toml")
    assert caught.value.reason is DataReason.EMPTY


def test_own_firmware_is_found_beside_the_worn_file(tmp_path: Path) -> None:
    import kinefed.sensors.drivers

    profile = Path(kinefed.sensors.drivers.__path__[0]) / "reference_imu.toml"
    shutil.copy(profile, tmp_path / "mine.toml")
    worn = tmp_path / "worn.toml"
    worn.write_text('format = 1\n[[sensor]]\nname = "me"\ndriver = "mine.toml"\nplace = "foot.l"\n')
    (found,) = read_worn(worn)
    assert found.driver().streams[0].rate_hz == 100.0


def test_the_examples_of_the_page_work(
    kinefed: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worked example of docs/sensors.md, word for word."""
    monkeypatch.chdir(tmp_path)
    page = (Path(__file__).parents[2] / "docs/sensors.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```toml\n(format = 1.*?)```", page, re.DOTALL)
    tomllib.loads(example)
    worn = tmp_path / "worn.toml"
    worn.write_text(example)
    assert len(read_worn(worn)) >= 3
    made = tmp_path / "made"
    commands = re.findall(r"^(kinefed sensors \S+.*--simulate.*)$", page, re.MULTILINE)
    assert {line.split()[2] for line in commands} >= {"check", "record"}
    for line in commands:
        words = line.split()[1:]
        words = [
            str(worn) if w == "worn.toml" else str(made) if w == "data/me" else w for w in words
        ]
        at = words.index("--seconds") + 1 if "--seconds" in words else None
        if at is not None:
            words[at] = "1"
        result = kinefed(*words)
        assert result.code == 0, (line, result.err)
    (replay,) = re.findall(r"^(kinefed sensors replay .*)$", page, re.MULTILINE)
    words = [w.replace("data/me", str(made)) for w in replay.split()[1:]]
    assert kinefed(*words).code == 0
    assert "same" in kinefed(*words).err


@pytest.mark.parametrize("command", ["scan", "check", "record", "replay", "sync"])
def test_every_sensor_command_has_help_and_json(kinefed: Run, command: str) -> None:
    result = kinefed("sensors", command, "--help")
    assert result.code == 0
    assert "--json" in result.out
    assert f"Usage: kinefed sensors {command}" in result.out


@pytest.mark.parametrize("suffix", [".edf", ".bdf"])
def test_a_recording_goes_out_as_edf_and_comes_back(
    kinefed: Run, tmp_path: Path, suffix: str
) -> None:
    data = np.linspace(-1.0, 1.0, 300)[:, None]
    ref = RecordingRef("P1", "s01", "push", 1)
    recording = Recording(ref, {"f": Stream("f", 100.0, 0.25, ("force.load_cell",), ("N",), data)})
    write_dataset(tmp_path / "d", DatasetInfo("d"), [Subject("P1", mass_kg=70.0)], [recording])
    file = tmp_path / f"x{suffix}"
    out = kinefed("data", "export", tmp_path / "d", "P1/s01/push_01", file, "--json")
    assert out.json == {"file": str(file), "recording": "P1/s01/push_01"}
    assert kinefed("data", "import", "edf", file, tmp_path / "again").code == 0
    again = Dataset.open(tmp_path / "again")
    assert again.subjects["P1"].mass_kg == 70.0
    assert again.load(ref).streams["f"].data == pytest.approx(data, abs=2e-5)
    assert kinefed("data", "export", tmp_path / "d", "P1/s01/push_01", file).code == 3
    other = kinefed("data", "export", tmp_path / "d", "P1/s01/push_01", tmp_path / "x.csv")
    assert other.code == 2
    assert ".bdf" in other.err
