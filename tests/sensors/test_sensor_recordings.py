"""Recordings and pipelines from sensors: live, from a log, and from the air, all the same."""

import asyncio

import numpy as np
import pytest
from radio_bench import studio, until
from sensor_bench import NS, Bench, signal

from kinefed.datasets.errors import DataError
from kinefed.datasets.store import Dataset, write_dataset
from kinefed.datasets.types import DatasetInfo, RecordingRef, Subject
from kinefed.sensors.hub import Hub
from kinefed.sensors.packet_log import LogWriter, read_log
from kinefed.sensors.recorder import EvenStream, LivePipeline, record
from kinefed.sensors.records import LinkEvent, LinkState, Packet
from kinefed.sensors.session import Session
from kinefed.sensors.timeline import Timed
from kinefed.sensors.virtual.air import Pace
from kinefed.sensors.worn import Worn
from kinefed.signals import BandPass, LowPass, Pipeline, Rectify

REF = RecordingRef("S01", "home", "walk", 1)
DOT = Worn("shank", "movella-dot", place="shank.r")
MYO = Worn("band", "myo", electrodes={1: "tibialis_anterior.r", 3: "soleus.r"})


def packets(worn, seconds, lose=lambda value: False, delay=0.004):
    """What arrives from an emulated sensor, without a radio."""
    bench = Bench(worn.driver_id, **worn.settings)
    return [
        Packet(worn.name, round((v.ready_s + delay) * NS), v.characteristic, v.data)
        for v in bench.sensor.take(seconds)
        if not lose(v)
    ]


def session_of(*worn, **options):
    records = [record for each in worn for record in packets(each, 6.0, **options)]
    return sorted(records, key=lambda record: record.arrival_ns)


def test_a_recording_holds_what_was_measured_where_it_was_worn():
    # The armband is switched on later, and its samples lie beside the even times.
    records = packets(DOT, 6.0) + packets(MYO, 6.0, lambda v: v.ready_s < 1.0, delay=0.0057)
    records.sort(key=lambda each: each.arrival_ns)
    recording, session = record(records, (DOT, MYO), REF)
    assert set(recording.streams) == {"shank-imu", "band-emg"}
    imu = recording.streams["shank-imu"]
    assert imu.channels == tuple(f"{k}.shank.r.{a}" for k in ("acc", "gyro") for a in "xyz")
    assert recording.sensors == {"shank.r": "Movella DOT", "band": "Thalmic Myo"}
    assert recording.gaps == ()
    # Time zero is the first arrival: 4 ms after the first sample.
    for channel in ("acc.shank.r.y", "gyro.shank.r.z"):
        kind, axis = channel.split(".")[0], channel[-1]
        truth = signal(f"{kind}.{axis}", imu.time_s + 0.004 - 0.004)
        assert imu.column(channel) == pytest.approx(truth, abs=0.2)
    emg = recording.streams["band-emg"]
    assert emg.channels == ("emg.tibialis_anterior.r", "emg.soleus.r")
    assert emg.units == ("V", "V")
    # Counts are written as microvolts, each of them as it came.
    counts = emg.data * 1e6
    assert counts == pytest.approx(np.round(counts))
    assert np.ptp(counts) > 50
    assert emg.start_s == pytest.approx(1.0, abs=0.01)
    assert session.health["band"].received == pytest.approx(1250, abs=4)
    assert session.health["band"].loss == 0.0


def test_the_dataset_folder_takes_it(tmp_path):
    recording, _ = record(session_of(DOT, MYO), (DOT, MYO), REF)
    write_dataset(tmp_path / "own", DatasetInfo("own"), [Subject("S01")], [recording])
    back = Dataset.open(tmp_path / "own").load(REF)
    for name, stream in recording.streams.items():
        assert (back.streams[name].data == stream.data).all()
        assert back.streams[name].rate_hz == stream.rate_hz


def test_a_gap_is_marked_as_long_as_it_was():
    lost = session_of(DOT, lose=lambda v: 2.0 < v.ready_s < 3.0)
    recording, session = record(lost, (DOT,), REF)
    (gap,) = recording.gaps
    assert gap.stream == "shank-imu"
    assert (gap.start_s, gap.end_s) == (pytest.approx(2.0, abs=0.04), pytest.approx(3.0, abs=0.04))
    stream = recording.streams["shank-imu"]
    inside = (stream.time_s >= gap.start_s) & (stream.time_s <= gap.end_s)
    assert session.health["shank"].lost == 59
    # Even times lie between the samples, so one more of them is in the gap.
    assert inside.sum() == 60
    # Held, not interpolated: one value all along.
    assert np.ptp(stream.data[inside], axis=0).max() == 0.0
    assert np.ptp(stream.data[~inside], axis=0).min() > 0.0


def test_a_reconnection_of_a_sensor_without_clock_is_a_gap():
    records = session_of(MYO, lose=lambda v: 2.0 < v.ready_s < 3.5)
    at = next(i for i, r in enumerate(records) if r.arrival_ns > 3.4 * NS)
    records.insert(at, LinkEvent("band", records[at].arrival_ns - 1, LinkState.LOST))
    recording, session = record(records, (MYO,), REF)
    (gap,) = recording.gaps
    assert (gap.start_s, gap.end_s) == (pytest.approx(2.0, abs=0.03), pytest.approx(3.5, abs=0.03))
    assert session.health["band"].reconnections == 1


def test_a_pipeline_gives_the_same_live_and_offline():
    pipeline = Pipeline((BandPass(20.0, 90.0), Rectify(), LowPass(6.0)))
    records = session_of(MYO)
    recording, _ = record(records, (MYO,), REF)
    offline = pipeline.apply(recording.streams["band-emg"])
    spec = MYO.driver().stream("emg")
    live = LivePipeline(pipeline, EvenStream(MYO, spec, records[0].arrival_ns))
    session, parts = Session((MYO,)), []
    for each in records:
        for heard in session.take(each):
            if isinstance(heard.item, Timed) and heard.item.samples.stream == "emg":
                prepared = live.push(heard.item)
                assert prepared.whole
                parts.append(prepared.values)
    online = np.vstack(parts)
    assert online.shape == offline.data.shape
    assert np.abs(online - offline.data).max() < 1e-5 * np.abs(offline.data).max()


def test_a_pipeline_is_told_of_a_gap():
    records = session_of(DOT, lose=lambda v: 2.0 < v.ready_s < 3.0)
    spec = DOT.driver().stream("imu")
    live = LivePipeline(Pipeline(()), EvenStream(DOT, spec, records[0].arrival_ns))
    session, whole = Session((DOT,)), []
    for each in records:
        for heard in session.take(each):
            prepared = live.push(heard.item)
            whole.append(prepared.whole)
            assert np.isfinite(prepared.values).all()
    assert whole.count(False) == 1


def test_nothing_recorded_is_said():
    with pytest.raises(DataError, match="no samples"):
        record([], (DOT,), REF)
    with pytest.raises(DataError, match="no samples"):
        # No electrode has a muscle, and the IMU no place.
        record(session_of(Worn("band", "myo")), (Worn("band", "myo"),), REF)


def test_over_the_air_into_a_log_and_back_bit_for_bit(tmp_path):
    async def scene():
        async with studio() as place:
            worn = []
            for each in (DOT, MYO):
                sensor = await place.add(each.name, each.driver_id)
                worn.append(
                    Worn(each.name, each.driver_id, {}, sensor.address, each.place, each.electrodes)
                )
            with LogWriter(tmp_path / "x.kfpl", worn) as log:
                async with Hub(place.radio, [each.sensor() for each in worn]) as hub:
                    place.air.pace = Pace(interval_s=0.03, miss=0.05)
                    await asyncio.sleep(0.6)
                    place.air.pace = Pace()
                    await place.peripherals["shank"].drop()
                    await until(lambda: not hub.links["shank"].connected)
                    await until(lambda: hub.links["shank"].connected)
                    await asyncio.sleep(0.3)
                records = hub.drain()
                for each in records:
                    log.write(each)
        return worn, records

    worn, records = asyncio.run(scene())
    log = read_log(tmp_path / "x.kfpl")
    assert list(log.sensors) == worn
    assert list(log.records) == records
    live, session = record(records, worn, REF)
    again, _ = record(log.records, log.sensors, REF)
    for name, stream in live.streams.items():
        assert stream.data.tobytes() == again.streams[name].data.tobytes()
        assert stream.start_s == again.streams[name].start_s
    assert live.gaps == again.gaps
    (gap,) = [g for g in live.gaps if g.stream == "shank-imu"]
    inside = round((gap.end_s - gap.start_s) * 60.0) + 1
    assert inside == pytest.approx(session.health["shank"].lost, abs=2)
    assert session.health["shank"].reconnections == 1
    assert session.health["band"].battery.percent == 80.0
