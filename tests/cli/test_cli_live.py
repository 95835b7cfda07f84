"""`kinefed live` over emulated sensors, on one leg of a virtual person."""

from __future__ import annotations

import contextlib
import csv
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from cli_run import Run

from kinefed.cli.calibration_person import perform
from kinefed.client.live import ANY, ConstantTask, LiveConfig, LiveEngine, SensorFeed, layouts_of
from kinefed.client.live.angles import LiveAngles
from kinefed.client.live.table import CsvOutlet
from kinefed.datasets import DatasetInfo, write_dataset
from kinefed.models import ModelBundle, Scaling, build, seeded
from kinefed.sensors import read_log
from kinefed.sensors.alignment import align
from kinefed.sensors.calibration import Calibration, calibrated
from kinefed.sensors.orientation import imus_of
from kinefed.sensors.worn import Worn
from kinefed.sensors.worn_file import write_worn
from kinefed.signals import LegSpec
from kinefed.simulations.cohort.outfit import dress
from kinefed.simulations.cohort.people import sample_people
from kinefed.simulations.cohort.radio import LinkConfig

pytest.importorskip("bumble")
PLACES = ("pelvis", "thigh.r", "shank.r", "foot.r")
OUTPUTS = ("torque.hip", "torque.knee")
WORN = tuple(
    Worn(place, "movella-dot", place=place, address=f"F0:00:00:00:00:{i + 1:02X}")
    for i, place in enumerate(PLACES)
)
ANGLES = LegSpec(
    tuple(f"{kind}.{a}" for kind in ("angle", "velocity") for a in ("hip_flexion", "knee_flexion")),
    OUTPUTS,
)
THIGH = LegSpec(tuple(f"gyro.thigh.{axis}" for axis in "xyz"), OUTPUTS[:1])


def bundle(spec: LegSpec) -> ModelBundle:
    """A network that learnt nothing: where numbers go is looked at, not how good they are."""
    n, outputs = spec.n_channels, len(spec.outputs)
    module = seeded(
        0,
        lambda: build(
            "zhang2023lstm", n_channels=n, n_outputs=outputs, n_times=20, sample_rate_hz=100.0
        ),
    )
    scaling = Scaling(np.zeros(n), np.ones(n), np.zeros(outputs), np.ones(outputs), 0)
    return ModelBundle.of(module, spec, scaling)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a wearer has: a model, worn.toml, calibration.toml; and the wearer, as a dataset."""
    folder = tmp_path_factory.mktemp("home")
    person = sample_people(1, 5)[0]
    outfit = dress(person.rigid_body(), 100.0, (5, 0), 0)
    wired = LinkConfig(loss=0.0, skew_ppm=0.0, offset_s=0.0)
    done = perform(person, outfit, [("squat", 9.0), ("walk_normal", 20.0)], link=wired)
    begin, end = done.phases["stand"]
    imus = {p: each for p, each in imus_of(done.recording).items() if p in PLACES}
    sits = align(imus, (begin + 0.5, end - 0.5), done.phases["squat"], done.phases["walk_normal"])
    Calibration(datetime.now(UTC), calibrated(WORN, sits)).save(folder / "calibration.toml")
    write_worn(folder / "worn.toml", WORN)
    write_dataset(folder / "people", DatasetInfo("wearer"), [person.subject], [done.recording])
    for name, spec in (("angles", ANGLES), ("thigh", THIGH)):
        bundle(spec).save(folder / f"{name}.safetensors")
    return folder


def worn(home: Path) -> list[object]:
    return ["live", "--simulate", home / "people", "--worn", home / "worn.toml", "--no-view"]


def with_angles(home: Path) -> list[object]:
    model, calibration = home / "angles.safetensors", home / "calibration.toml"
    return [*worn(home), "--model", model, "--calibration", calibration]


def test_angles_of_worn_imus_become_torque_and_the_log_gives_it_again(
    kinefed: Run, home: Path, tmp_path: Path
) -> None:
    out, log = tmp_path / "torque.csv", tmp_path / "session.kfpl"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(5.0)
        address = f"udp://127.0.0.1:{receiver.getsockname()[1]}"
        result = kinefed(*with_angles(home), "--seconds", 4, "--out", out, "--log", log,
                         "--mass-kg", 70, "--outlet", address, "--json")  # fmt: skip
        assert result.code == 0, result.err
        datagram = json.loads(receiver.recv(4096))
    assert datagram["joints"] == ["torque.hip.r", "torque.knee.r"]
    found = result.json
    assert found["stopped"] == "time"
    assert found["sides"] == ["r"]
    assert found["processing_ms"]["p50"] > 0.0
    assert all(stream["received"] > 100 for stream in found["streams"].values())
    assert found["channels_at_fault"] == {}
    rows = list(csv.DictReader(out.read_text().splitlines()))
    assert len(rows) == sum(found["outputs"].values())
    torques = [row["torque.knee_nm_per_kg"] for row in rows if row["status"] == "ok"]
    assert len(torques) > 100
    assert len(set(torques)) > 50
    # Orientations settle first: no angle is made up for the models meanwhile, not for one output.
    first = next(i for i, row in enumerate(rows) if row["status"] != "starting")
    assert float(rows[first]["time_s"]) > 1.0
    assert {row["status"] for row in rows[first : first + 20]} == {"ok"}
    read = read_log(log)
    streams = layouts_of(WORN)
    angles = LiveAngles(Calibration.load(home / "calibration.toml").alignments, streams)
    engine = LiveEngine(
        streams + angles.layouts,
        {ANY: [ModelBundle.load(home / "angles.safetensors")]},
        LiveConfig(mass_kg=70.0),
        ConstantTask(),
    )
    feed, again = SensorFeed(WORN, engine, angles), tmp_path / "again.csv"
    table = CsvOutlet(again, OUTPUTS)
    for record in read.records:
        for output in feed.take(record):
            table.send(output)
    table.close()
    lines = again.read_text().splitlines()
    # The session's last ticks came after its last packet.
    assert 0 <= len(rows) + 1 - len(lines) < 20
    assert out.read_text().splitlines()[: len(lines)] == lines


def test_a_model_of_a_task_that_needs_less_stands_behind(kinefed: Run, home: Path) -> None:
    """Without a calibration there are no angles: the model behind is all there is.

    It runs frame by frame here, which the engine's own tests compare with windows.
    """
    less, more = home / "thigh.safetensors", home / "angles.safetensors"
    result = kinefed(*worn(home), "--model", more, "--model", less, "--seconds", 2, "--json",
                     "--stateful")  # fmt: skip
    assert result.code == 0, result.err
    assert "lacks angle.hip_flexion" in result.err
    assert "ok" in result.json["outputs"]
    assert "model 1 of 'any' lacks" in result.json["unfit"][0]


def test_what_the_model_lacks_is_named_before_anything_is_connected(
    kinefed: Run, home: Path
) -> None:
    result = kinefed(*worn(home), "--model", home / "angles.safetensors")
    assert result.code == 3
    assert "lacks angle.hip_flexion" in result.err
    assert "--calibration" in result.err
    assert "connecting" not in result.err


@pytest.mark.parametrize(
    ("more", "code", "told"),
    [
        (["--outlet", "tcp://x:1"], 2, "is no outlet"),
        (["--outlet", "udp://127.0.0.1"], 2, "is no outlet"),
        (["--outlet", "ws://127.0.0.1:9090"], 2, "--mass-kg"),
        (["--out", "there.csv"], 3, "there already"),
        (["--log", "there.csv"], 3, "there already"),
        (["--calibration", "there.csv"], 3, "Calibrate again"),
        (["--model", "there.csv"], 3, "there.csv"),
    ],
)
def test_wrong_wishes_are_refused_and_nothing_is_written_over(
    kinefed: Run, home: Path, tmp_path: Path, more: list[str], code: int, told: str
) -> None:
    mine = tmp_path / "there.csv"
    mine.write_text("mine")
    words = [mine if word == "there.csv" else word for word in more]
    result = kinefed(*with_angles(home), "--seconds", 1, *words)
    assert result.code == code, result.err
    assert told in result.err
    assert mine.read_text() == "mine"


def test_another_sensor_than_was_calibrated_is_refused(
    kinefed: Run, home: Path, tmp_path: Path
) -> None:
    calibration = tmp_path / "calibration.toml"
    text = (home / "calibration.toml").read_text()
    calibration.write_text(text.replace("F0:00:00:00:00:03", "F0:00:00:00:00:77"))
    result = kinefed(*worn(home), "--model", home / "angles.safetensors",
                     "--calibration", calibration)  # fmt: skip
    assert result.code == 3
    assert "another sensor is on shank.r" in result.err


def test_tasks_are_learnt_and_told(kinefed: Run, home: Path, tmp_path: Path) -> None:
    people, tasks, out = tmp_path / "people", tmp_path / "tasks.json", tmp_path / "torque.csv"
    made = kinefed("data", "simulate", people, "--people", 3, "--tasks", "walk_normal,squat",
                   "--minutes", 0.2, "--seed", 5, "--mvc")  # fmt: skip
    assert made.code == 0, made.err
    result = kinefed("tasks", "--data", people, "--out", tasks, "--json")
    assert result.code == 0, result.err
    assert result.json["right"] > 0.9
    assert set(result.json["right_by_task"]) == {"walk_normal", "squat"}
    assert kinefed("tasks", "--data", people, "--out", tasks).code == 3
    result = kinefed(*worn(home), "--model", home / "thigh.safetensors", "--tasks", tasks,
                     "--seconds", 8, "--out", out, "--json")  # fmt: skip
    assert result.code == 0, result.err
    rows = list(csv.DictReader(out.read_text().splitlines()))
    # The wearer stands, then squats.
    assert {row["task"] for row in rows} <= {"any", "squat", "walk_normal"}
    assert rows[0]["task"] == "any"
    assert sum(row["task"] == "squat" for row in rows) > 100


def test_ros_and_lsl_are_told_of_the_end_too(kinefed: Run, home: Path) -> None:
    from websockets.sync.server import ServerConnection, serve

    from kinefed.sensors.lsl import Inlet

    messages: list[dict[str, object]] = []
    rows: list[np.ndarray] = []
    done = threading.Event()

    def keep(connection: ServerConnection) -> None:
        messages.extend(json.loads(text) for text in connection)

    def receive() -> None:
        with Inlet("kinefed-torque-r", timeout_s=30.0) as inlet:
            while not done.is_set():
                if (timed := inlet.pull(0.2)) is not None:
                    rows.extend(timed.samples.values)

    with serve(keep, "127.0.0.1", 0) as server:
        listening, pulling = (threading.Thread(target=t) for t in (server.serve_forever, receive))
        listening.start()
        pulling.start()
        address = f"ws://127.0.0.1:{server.socket.getsockname()[1]}"
        try:
            result = kinefed(*worn(home), "--model", home / "thigh.safetensors", "--seconds", 3,
                             "--mass-kg", 70, "--outlet", address, "--outlet", "lsl")  # fmt: skip
        finally:
            done.set()
            pulling.join()
            server.shutdown()
            listening.join()
    assert result.code == 0, result.err
    states = [m["msg"] for m in messages if m["op"] == "publish"]
    assert len(states) > 200
    *_, before, _, state, whole = states
    assert before["effort"]
    assert (state["name"], state["effort"]) == ([], [])
    assert json.loads(whole["data"])["status"] == "stopped"
    assert len(rows) > 50
    assert np.isfinite(rows[-2]).all()
    assert np.isnan(rows[-1]).all()


def test_a_stream_of_another_program_becomes_torque_without_bluetooth(
    kinefed: Run, home: Path, tmp_path: Path
) -> None:
    from kinefed.sensors.lsl import Outlet

    channels, name = [f"gyro.thigh.r.{axis}" for axis in "xyz"], f"test-{uuid.uuid4().hex[:8]}"
    settings = {"stream": name, "rate_hz": 100, "channels": ", ".join(channels)}
    worn_file, out, log = (tmp_path / n for n in ("worn.toml", "torque.csv", "session.kfpl"))
    write_worn(worn_file, [Worn("other", "lsl", settings)])
    outlet, done = Outlet(name, "Motion", 100.0, channels), threading.Event()

    def send() -> None:
        begin_ns, count = time.monotonic_ns(), 0
        while not done.wait(0.01):
            due = (time.monotonic_ns() - begin_ns) // 10**7
            at = np.arange(count, due)
            values = np.column_stack([np.sin(at / 15.0 + axis) for axis in range(3)])
            outlet.push(values, begin_ns + at * 10**7)
            count = due

    sending = threading.Thread(target=send)
    sending.start()
    try:
        result = kinefed("live", "--worn", worn_file, "--model", home / "thigh.safetensors",
                         "--seconds", 3, "--out", out, "--log", log, "--json")  # fmt: skip
    finally:
        done.set()
        sending.join()
    assert result.code == 0, result.err
    assert result.json["streams"]["other-stream"]["lost"] == 0
    rows = list(csv.DictReader(out.read_text().splitlines()))
    torques = [row["torque.hip_nm_per_kg"] for row in rows if row["status"] == "ok"]
    assert len(torques) > 150
    assert len(set(torques)) > 100
    replayed = kinefed("sensors", "replay", log, "--json")
    assert replayed.json["streams"]["other-stream"] > 200


@pytest.mark.skipif(sys.platform == "win32", reason="opens a pseudo-terminal")
def test_a_terminal_shows_sensors_and_torques_and_is_left_clean(home: Path) -> None:
    import pty

    ours, theirs = pty.openpty()
    words = [w for w in worn(home) if w != "--no-view"]
    command = [Path(sys.executable).with_name("kinefed"), *words,
               "--model", home / "thigh.safetensors", "--seconds", 3]  # fmt: skip
    environment = os.environ | {"TERM": "xterm-256color", "COLUMNS": "120", "LINES": "50"}
    with subprocess.Popen(list(map(str, command)), stderr=theirs, env=environment) as process:
        os.close(theirs)
        shown = b""
        # Linux ends a terminal without writers with an error.
        with contextlib.suppress(OSError):
            while part := os.read(ours, 65_536):
                shown += part
    os.close(ours)
    assert process.returncode == 0
    text = shown.decode()
    assert "connecting pelvis (1 of 4)" in text
    # Tables of sensors and of torques, drawn over and over in place.
    assert text.count("4 of 4 sensors connected") > 10
    for word in ("shank.r", "rate (Hz)", "battery (%)", "hip.r", "N m/kg", "\x1b[32mok"):
        assert word in text, word
    last = text[text.rindex("sensors connected") :]
    # It goes away at the end, with a line of what was in its place.
    assert "\x1b[2K" in last
    assert "% ok" in last
    assert text.rindex("\x1b[?25h") > text.rindex("\x1b[?25l")


@pytest.mark.skipif(sys.platform == "win32", reason="sends a signal")
def test_ctrl_c_ends_it_with_whole_files(kinefed: Run, home: Path, tmp_path: Path) -> None:
    out, log, done = tmp_path / "torque.csv", tmp_path / "session.kfpl", threading.Event()
    received: list[dict[str, object]] = []
    receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    receiver.bind(("127.0.0.1", 0))
    receiver.settimeout(0.2)
    address = f"udp://127.0.0.1:{receiver.getsockname()[1]}"

    def press() -> None:
        while not done.wait(0.05):
            if out.exists() and out.stat().st_size > 20_000:
                os.kill(os.getpid(), signal.SIGINT)
                return

    def receive() -> None:
        """Read as it comes: the socket holds some hundred datagrams and loses the rest."""
        while True:
            ended = done.is_set()
            with contextlib.suppress(TimeoutError):
                while True:
                    received.append(json.loads(receiver.recv(4096)))
            if ended:
                return

    threads = [threading.Thread(target=each) for each in (press, receive)]
    for thread in threads:
        thread.start()
    try:
        result = kinefed(*with_angles(home), "--out", out, "--log", log, "--json",
                         "--outlet", address)  # fmt: skip
    finally:
        done.set()
        for thread in threads:
            thread.join()
        receiver.close()
    assert result.code == 0, result.err
    assert result.json["stopped"] == "interrupted"
    assert len(out.read_text().splitlines()) == 1 + sum(result.json["outputs"].values())
    assert read_log(log).torn == 0
    # Receivers are told that no torque follows; the table holds the outputs of the engine alone.
    given = sum(result.json["outputs"].values())
    assert len(received) == given + 1
    assert received[-1]["status"] == "stopped"
    assert received[-1]["torque_nm_per_kg"] == [None, None]
    assert received[-1]["time_ns"] > received[-2]["time_ns"]
