"""A stream of the Lab Streaming Layer worn like a sensor: connected, logged, replayed, lost."""

from __future__ import annotations

import asyncio
import threading
import time
import uuid
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sensor_bench import Bench, signal

from kinefed.datasets.errors import DataError, OutsideError, UsageError
from kinefed.datasets.types import RecordingRef
from kinefed.sensors import LogWriter, make_driver, read_log, record
from kinefed.sensors.decoder import Refusal, Samples
from kinefed.sensors.drivers.lsl import PACKET, pack
from kinefed.sensors.hub import Hub
from kinefed.sensors.lsl import Inlet
from kinefed.sensors.lsl_network import need_pylsl
from kinefed.sensors.lsl_sender import LslSender
from kinefed.sensors.radio import Radio
from kinefed.sensors.records import LinkEvent, Packet
from kinefed.sensors.session import Session
from kinefed.sensors.worn import Worn
from kinefed.sensors.worn_file import read_worn, write_worn

NS = 10**9
REF = RecordingRef("S01", "s01", "walk", 1)
RATE_HZ = 200.0
CHANNELS = "EMG2=emg.soleus.r, GX=gyro.shank.r.x"


class Sender:
    """Another program: sends in real time from a thread of its own."""

    def __init__(self, name: str, rate_hz: float = RATE_HZ) -> None:
        pylsl = need_pylsl()
        info = pylsl.StreamInfo(name, "EMG", 3, rate_hz, pylsl.cf_double64, f"{name}-{rate_hz}")
        table = info.desc().append_child("channels")
        for label, unit in (("GX", "deg/s"), ("TRIG", ""), ("EMG2", "microvolts")):
            channel = table.append_child("channel")
            channel.append_child_value("label", label)
            channel.append_child_value("unit", unit)
        self._outlet, self._ended = pylsl.StreamOutlet(info), threading.Event()
        self.sent: list[list[float]] = []
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Sender:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._ended.set()
        self._thread.join()
        del self._outlet

    def _run(self) -> None:
        begin = time.monotonic()
        while not self._ended.wait(0.01):
            due = round((time.monotonic() - begin) * RATE_HZ)
            rows = [[float(i % 90), 1.0, float(i % 1000)] for i in range(len(self.sent), due)]
            if rows:
                self._outlet.push_chunk(rows)
                self.sent += rows


@pytest.fixture
def worn() -> Worn:
    name = f"test-{uuid.uuid4().hex[:8]}"
    return Worn("amp", "lsl", {"stream": name, "channels": CHANNELS, "rate_hz": RATE_HZ})


def stream_of(worn: Worn) -> str:
    return str(worn.settings["stream"])


async def until(condition, seconds: float = 10.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)


def test_it_is_recorded_and_its_log_gives_the_same_bits(worn: Worn, tmp_path: Path) -> None:
    log = tmp_path / "amp.kfpl"

    async def scene() -> list:
        async with Hub(Radio(), [worn.sensor()]) as hub:
            assert hub.connected == 1
            await asyncio.sleep(1.5)
        return hub.drain()

    with Sender(stream_of(worn)) as sender:
        records = asyncio.run(scene())
    with LogWriter(log, (worn,)) as file:
        for each in records:
            file.write(each)
    recording, session = record(records, (worn,), REF)
    stream = recording.streams["amp-stream"]
    assert stream.channels == ("emg.soleus.r", "gyro.shank.r.x")
    assert stream.units == ("V", "rad/s")
    assert recording.gaps == ()
    assert session.health["amp"].lost == session.health["amp"].refused == 0
    # EMG is taken from the nearest sample: each value is one that was sent.
    emg = np.round(stream.column("emg.soleus.r") * 1e6).astype(int)
    assert len(emg) > 200
    values = {round(row[2]) for row in sender.sent}
    assert set(emg.tolist()) <= values
    assert np.quantile(np.diff(emg), (0.1, 0.5, 0.9)).tolist() == [1.0, 1.0, 1.0]
    again = read_log(log)
    assert again.sensors == (worn,)
    made, _ = record(again.records, again.sensors, REF)
    assert made.streams["amp-stream"].data.tobytes() == stream.data.tobytes()


def test_a_sender_that_ends_is_lost_and_its_successor_found(worn: Worn, monkeypatch) -> None:
    monkeypatch.setattr("kinefed.sensors.lsl_link.GRACE_S", 0.3)

    async def scene() -> list:
        with Sender(stream_of(worn)):
            hub = Hub(Radio(find_s=3.0), [worn.sensor()])
            await hub.__aenter__()
            await asyncio.sleep(0.5)
        ended = time.monotonic()
        await until(lambda: not hub.links["amp"].connected)
        assert time.monotonic() - ended < 1.0
        with Sender(stream_of(worn)):
            await until(lambda: hub.links["amp"].connected)
            await asyncio.sleep(0.6)
            await hub.__aexit__(None, None, None)
        return hub.drain()

    records = asyncio.run(scene())
    states = [each.state.value for each in records if isinstance(each, LinkEvent)]
    assert [s for s in states if s != "retrying"] == ["connected", "lost", "connected", "stopped"]
    recording, session = record(records, (worn,), REF)
    # All of the time between the two senders is one gap, by their stamps.
    (gap,) = recording.gaps
    at = [r.arrival_ns / NS for r in records if isinstance(r, Packet)]
    pause = int(np.argmax(np.diff(at)))
    assert gap.end_s - gap.start_s == pytest.approx(at[pause + 1] - at[pause], abs=0.06)
    assert session.health["amp"].reconnections == 1


@pytest.mark.parametrize(
    ("change", "rate_hz", "told"),
    [
        ({"channels": "EMG2=emg.soleus.r, EMG7=emg.soleus.l"}, RATE_HZ, "no channel for emg"),
        ({}, 500.0, "the stream has 500 Hz, its settings say 200"),
    ],
)
def test_a_stream_that_does_not_fit_is_refused(worn, change, rate_hz, told) -> None:
    sensor = Worn("amp", "lsl", {**worn.settings, **change}).sensor()

    async def scene() -> None:
        async with Hub(Radio(), [sensor]):
            pass

    with Sender(stream_of(worn), rate_hz), pytest.raises(DataError, match=told) as caught:
        asyncio.run(scene())
    assert caught.value.where == "sensor amp"
    assert caught.value.next_step


def test_a_stream_that_is_not_there_is_said_with_what_to_do(worn: Worn) -> None:
    async def scene() -> None:
        async with Hub(Radio(find_s=0.3), [worn.sensor()]):
            pass

    with pytest.raises(OutsideError, match="there is none of this name") as caught:
        asyncio.run(scene())
    assert caught.value.exit_code == 4
    assert "Start the program" in str(caught.value.next_step)


def test_worn_sensors_go_out_with_none_where_samples_were_lost() -> None:
    name = f"dot-{uuid.uuid4().hex[:8]}"
    dot = Worn(name, "movella-dot", place="shank.r")
    bench, session = Bench("movella-dot"), Session((dot,))
    # As if it had been measured in the last seconds.
    begin_ns = time.monotonic_ns() - 4 * NS
    sender = LslSender((dot, Worn("nowhere", "thingy")))
    assert sender.names == (f"kinefed-{name}-imu",)
    with Inlet(sender.names[0]) as inlet:
        assert inlet.channels == tuple(f"{k}.shank.r.{a}" for k in ("acc", "gyro") for a in "xyz")
        assert inlet.rate_hz == 60.0
        for value in bench.sensor.take(3.0):
            if 1.0 < value.ready_s < 2.0:
                continue
            at_ns = begin_ns + round((value.ready_s + 0.004) * NS)
            for heard in session.take(Packet(name, at_ns, value.characteristic, value.data)):
                sender.hear(heard)
        parts, end = [], time.monotonic() + 5.0
        while sum(len(p.host_ns) for p in parts) < 175 and time.monotonic() < end:
            timed = inlet.pull(0.1)
            parts += [] if timed is None else [timed]
    values = np.vstack([part.samples.values for part in parts])
    taken_s = (np.concatenate([part.host_ns for part in parts]) - begin_ns) / NS
    lost = np.isnan(values).all(axis=1)
    assert not np.isnan(values[~lost]).any()
    assert taken_s[lost][[0, -1]].tolist() == pytest.approx([1.0, 2.0], abs=0.05)
    for column, label in ((1, "acc.y"), (5, "gyro.z")):
        # The link's 4 ms are all that is left between both times.
        truth = signal(label, taken_s[~lost] - 0.004)
        assert values[~lost, column] == pytest.approx(truth, abs=0.4)


def test_the_worn_file_holds_it(worn: Worn, tmp_path: Path) -> None:
    assert read_worn(write_worn(tmp_path / "worn.toml", [worn])) == (worn,)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({}, "needs the setting 'stream'"),
        ({"stream": "x", "rate_hz": 100}, "needs the setting 'channels'"),
        ({"stream": "x", "rate_hz": 0, "channels": "emg.soleus.r"}, "rate_hz is 0"),
        ({"stream": "", "rate_hz": 10, "channels": "emg.soleus.r"}, "stream is empty"),
        ({"stream": "x", "rate_hz": 10, "channels": "E1=emg.nose.r"}, "emg.nose.r"),
        ({"stream": "x", "rate_hz": 10, "channels": "a=emg.soleus.r,b=emg.soleus.r"}, "twice"),
        ({"stream": "x", "rate_hz": 10, "channels": "", "mode": "y"}, "no setting 'mode'"),
        ({"stream": "x", "rate_hz": 10, "channels": ""}, "not in the table"),
    ],
)
def test_wrong_settings_are_refused_with_what_there_is(options, told) -> None:
    with pytest.raises(UsageError, match=told) as caught:
        make_driver("lsl", **options)
    assert caught.value.next_step


def test_long_chunks_become_packets_that_a_log_can_hold() -> None:
    driver = make_driver("lsl", stream="x", rate_hz=1000, channels=CHANNELS)
    decoder, host = driver.make_decoder(), 10**12 + np.arange(4000) * 10**6
    values = np.random.default_rng(0).normal(0.0, 1e-4, (4000, 2))
    parts = pack(host, values)
    assert len(parts) > 1
    assert max(map(len, parts)) < 2**16
    items = [item for part in parts for item in decoder.feed(PACKET, part, int(host[-1]))]
    assert np.concatenate([item.device_ns for item in items]).tolist() == host.tolist()
    assert np.vstack([item.values for item in items]).tobytes() == values.tobytes()
    assert sum(item.lost for item in items) == 0
    assert not decoder.refused


def test_a_pause_in_the_stamps_is_a_loss() -> None:
    driver = make_driver("lsl", stream="x", rate_hz=100, channels="emg.soleus.r")
    decoder, host = driver.make_decoder(), 10**12 + np.arange(300) * 10**7
    host = np.delete(host, np.arange(100, 200))
    (part,) = pack(host, np.zeros((200, 1)))
    (item,) = decoder.feed(PACKET, part, int(host[-1]))
    assert item.lost == 100
    assert item.index[-1] == 299
    decoder.feed(PACKET, pack(host, np.full((200, 1), np.nan))[0], int(host[-1]))
    decoder.feed(PACKET, pack(host, np.zeros((200, 1)))[0], int(host[-1]) + 9000 * NS)
    decoder.feed(PACKET, part[:-1], int(host[-1]))
    decoder.feed(PACKET, b"", int(host[-1]))
    assert decoder.refused == {
        Refusal.NOT_FINITE: 1,
        Refusal.OUT_OF_RANGE: 1,
        Refusal.BAD_LENGTH: 1,
        Refusal.TOO_SHORT: 1,
    }


@settings(max_examples=200)
@given(
    st.lists(
        st.one_of(
            st.binary(max_size=80),
            st.builds(
                lambda steps, cut, tail: (
                    pack(10**12 + np.cumsum(np.array(steps)), np.ones((len(steps), 2)))[0][:cut]
                    + tail
                ),
                st.lists(st.integers(-(10**9), 10**10), min_size=1, max_size=5),
                st.one_of(st.just(999), st.integers(0, 130)),
                st.one_of(st.just(b""), st.binary(max_size=9)),
            ),
        ),
        max_size=12,
    )
)
def test_no_bytes_whatever_raise(values: list[bytes]) -> None:
    decoder = make_driver("lsl", stream="x", rate_hz=100, channels=CHANNELS).make_decoder()
    last = -1
    for value in values:
        before = sum(decoder.refused.values())
        items = decoder.feed(PACKET, value, 10**12)
        assert items or sum(decoder.refused.values()) == before + 1
        for item in items:
            assert isinstance(item, Samples)
            assert np.isfinite(item.values).all()
            assert (np.diff(item.index, prepend=last) > 0).all()
            last = int(item.index[-1])
