"""Sensors' packets through the engine: live, again from the log, and offline from a recording."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np
import pytest
from live_worlds import NS, make_bundle, offline

from kinefed.client.live import ANY, LiveConfig, LiveEngine, Output, SensorFeed, Status, layouts_of
from kinefed.client.live.drive import drive
from kinefed.client.live.outlets import CallbackOutlet
from kinefed.datasets import RecordingRef
from kinefed.models import ModelBundle
from kinefed.models.runner import Backend
from kinefed.sensors import LinkEvent, LinkState, LogWriter, Packet, Record, Worn, read_log, record
from kinefed.sensors.virtual import EMULATORS
from kinefed.signals import LegSpec

REF = RecordingRef("S01", "s01", "walk", 1)
AXES = "xyz"
SPEC = LegSpec(
    tuple(f"{kind}.{site}.{axis}" for site in ("thigh", "shank") for kind in ("acc", "gyro")
          for axis in AXES),
    ("torque.knee",),
    ("envelope.soleus",),
)  # fmt: skip
LESS = LegSpec(tuple(f"gyro.thigh.{axis}" for axis in AXES), ("torque.knee",))
WORN = (
    Worn("thigh", "movella-dot", {"mode": "rate"}, place="thigh.r"),
    Worn("shank", "movella-dot", {"mode": "rate"}, place="shank.r"),
    Worn("band", "myo", electrodes={3: "soleus.r"}),
)
LIVE = LiveConfig(backend=Backend.TORCH, sides=("r",))
REFERENCE = {"emg.soleus.r": 4e-5}


def sent(seconds: float, drop: tuple[float, float] | None = None, jitter_s: float = 0.0) -> list:
    """What three sensors send; the shank loses its link for a while."""
    rng = np.random.default_rng(1)
    records: list[Record] = []
    for number, worn in enumerate(WORN):
        driver = worn.driver()

        def felt(label: str, times_s: np.ndarray, number: int = number) -> np.ndarray:
            size = {"emg": 30.0, "quat": 0.5}.get(label.split(".")[0], 3.0)
            return size * np.sin(2 * np.pi * times_s * (1 + number) + len(label))

        sensor = EMULATORS[worn.driver_id](felt)
        values = []
        for write in driver.setup:
            values += sensor.written(write.characteristic, write.value, 0.0)
        for uuid in driver.notifies:
            sensor.subscribed(uuid, True, 0.0)
        for write in driver.start:
            values += sensor.written(write.characteristic, write.value, 0.0)
        at_ns = 0
        for value in [*values, *sensor.take(seconds)]:
            lost = worn.name == "shank" and drop and drop[0] <= value.ready_s < drop[1]
            late_s = 0.005 + jitter_s * rng.random()
            # A link may be late, but it keeps the order of one sensor.
            at_ns = max(at_ns + 1, 3 * NS + round((value.ready_s + late_s) * NS))
            if not lost:
                records.append(Packet(worn.name, at_ns, value.characteristic, value.data))
    if drop:
        for at_s, state in ((drop[0], LinkState.LOST), (drop[1], LinkState.CONNECTED)):
            records.append(LinkEvent("shank", 3 * NS + round(at_s * NS), state, ""))
    return sorted(records, key=lambda r: r.arrival_ns)


@pytest.fixture(scope="module")
def models() -> list[ModelBundle]:
    recording, _ = record(sent(2.0), WORN, REF)
    return [make_bundle(recording, spec, reference=REFERENCE) for spec in (SPEC, LESS)]


def feed_of(models: list[ModelBundle], worn: tuple[Worn, ...] = WORN) -> SensorFeed:
    engine = LiveEngine(layouts_of(worn), {ANY: models}, LIVE, emg_reference=REFERENCE)
    return SensorFeed(worn, engine)


def run(feed: SensorFeed, records: list[Record]) -> list[Output]:
    return [output for each in records for output in feed.take(each)]


def test_a_replay_gives_the_same_bits(tmp_path: Path, models: list[ModelBundle]) -> None:
    records = sent(4.0, drop=(1.5, 2.6), jitter_s=0.03)
    path = tmp_path / "walk.kfpl"
    live: list[Output] = []
    feed = feed_of(models)
    rng = np.random.default_rng(2)
    with LogWriter(path, WORN) as log:
        for i, each in enumerate(records):
            log.write(each)
            live += feed.take(each)
            gap_ns = records[i + 1].arrival_ns - each.arrival_ns if i + 1 < len(records) else 0
            for share in sorted(rng.random(3)):  # a live loop asks at any time
                live += feed.advance(each.arrival_ns + int(share * gap_ns))
    kept = read_log(path)
    again = run(feed_of(models, kept.sensors), list(kept.records))
    assert repr(again) == repr(live)
    assert {o.status for o in live} == {*Status} - {Status.HELD, Status.STOPPED}
    assert len(live) > 390


def test_with_nothing_late_or_lost_live_is_offline(models: list[ModelBundle]) -> None:
    records = sent(3.0)
    recording, session = record(records, WORN, REF)
    assert sum(h.lost for h in session.health.values()) == 0
    outputs = run(feed_of(models), records)
    times, torque = offline(models[0], recording, reference=REFERENCE)["r"]
    full = [o for o in outputs if o.status is Status.OK]
    assert len(full) > 270
    for output in full:
        frame = int(np.argmin(np.abs(times - (output.time_s - output.age_s))))
        assert times[frame] == pytest.approx(output.time_s - output.age_s, abs=1e-6)
        np.testing.assert_allclose(output.torque_nm_per_kg, torque[frame], atol=1e-5, rtol=0)


def test_the_loop_asks_in_time_and_gives_what_a_replay_gives(models: list[ModelBundle]) -> None:
    """Records come while the loop sleeps, on a clock that runs twenty times as fast."""
    records = sent(1.5, jitter_s=0.02)
    begin_ns = records[0].arrival_ns
    got: list[Output] = []
    logged: list[Record] = []

    class Source:
        def __init__(self) -> None:
            self.next = 0

        def drain(self) -> list[Record]:
            first, now_ns = self.next, clock()
            while self.next < len(records) and records[self.next].arrival_ns <= now_ns:
                self.next += 1
            return records[first : self.next]

        async def wait(self) -> None:
            due = records[self.next].arrival_ns if self.next < len(records) else begin_ns + 9 * NS
            await asyncio.sleep(max(0.0, (due - clock()) / NS / 20))

    async def session() -> int:
        stop = asyncio.Event()
        asyncio.get_running_loop().call_later(2.0 / 20 + 1.0, stop.set)
        return await drive(
            Source(),
            feed_of(models),
            [CallbackOutlet(got.append)],
            on_record=logged.append,
            clock=clock,
            stop=stop,
        )

    loop = asyncio.new_event_loop()
    t0 = loop.time()

    def clock() -> int:
        return begin_ns + round((loop.time() - t0) * 20 * NS)

    try:
        count = loop.run_until_complete(session())
    finally:
        loop.close()
    assert logged == records
    assert count == len(got)
    feed = feed_of(models)
    wanted = run(feed, records) + feed.advance(begin_ns + 60 * NS)
    assert len(got) > 200
    assert repr(got) == repr(wanted[: len(got)])
