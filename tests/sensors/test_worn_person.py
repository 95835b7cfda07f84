"""A whole person of a recording is worn, sends real packets, and comes back as it was."""

import asyncio
import shutil
import sys
import time

import numpy as np
import pytest

from kinefed.datasets.errors import DataError, DataReason, UsageError
from kinefed.datasets.types import Recording, RecordingRef, Stream
from kinefed.sensors.hub import Hub
from kinefed.sensors.link import GRACE_S
from kinefed.sensors.recorder import record
from kinefed.sensors.records import LinkEvent, LinkState
from kinefed.sensors.session import Session
from kinefed.sensors.timeline import Timed
from kinefed.sensors.virtual.air import Pace
from kinefed.sensors.virtual.person import SWING_RAD, default_worn, swinging, virtual_person
from kinefed.sensors.virtual.sensor import Quirks
from kinefed.sensors.virtual.wearing import orientation, wear
from kinefed.sensors.worn import Worn

BUSES = [False, True]
if sys.platform != "linux" or shutil.which("dbus-daemon") is None:
    BUSES.remove(True)
REF = RecordingRef("S01", "home", "swing", 1)
DOT = Worn("shank", "movella-dot", place="shank.r")
MYO = Worn("band", "myo", place="shank.r", electrodes={1: "soleus.r", 6: "tibialis_anterior.r"})


def measured_person(seconds=20.0):
    """IMUs and raw EMG of slow waves whose every value is known, and one that starts late."""
    t = np.arange(round(seconds * 200)) / 200.0
    acc = np.column_stack([2 * np.sin(2 * t), 3 * np.cos(t), 9.81 + np.sin(3 * t)])
    gyro = np.column_stack([np.sin(t), 2 * np.cos(2 * t), 0.5 * np.sin(4 * t)])
    names = tuple(f"{k}.shank.r.{a}" for k in ("acc", "gyro") for a in "xyz")
    imu = Stream("imu", 200.0, 0.0, names, ("m/s^2",) * 3 + ("rad/s",) * 3, np.hstack([acc, gyro]))
    te = np.arange(round((seconds - 0.5) * 1000)) / 1000.0 + 0.5
    emg = np.column_stack([4e-4 * np.sin(2 * np.pi * 7 * te), 2e-4 * np.sin(2 * np.pi * 11 * te)])
    muscles = Stream(
        "emg", 1000.0, 0.5, ("emg.soleus.r", "emg.tibialis_anterior.r"), ("V", "V"), emg
    )
    return Recording(REF, {"imu": imu, "emg": muscles})


async def listen(person, seconds):
    async with Hub(person.radio, [each.sensor() for each in person.worn]) as hub:
        assert hub.connected == len(person.worn)
        await asyncio.sleep(seconds)
    return hub.drain()


@pytest.mark.parametrize("bus", BUSES)
def test_what_is_worn_comes_back_to_the_steps_of_the_sensors(bus):
    recording = measured_person()
    worn = (
        DOT,
        MYO,
        Worn("cuff", "gforce", electrodes={1: "soleus.r", 2: "tibialis_anterior.r"}),
        Worn("tag", "thingy", place="shank.r"),
    )

    async def scene():
        async with virtual_person(recording, worn, bus=bus) as person:
            return person, await listen(person, 1.5)

    person, records = asyncio.run(scene())
    session = Session(person.worn)
    parts = {}
    for each in records:
        for heard in session.take(each):
            if isinstance(heard.item, Timed):
                parts.setdefault((heard.sensor, heard.item.samples.stream), []).append(heard.item)
    assert not any(health.refused or health.lost for health in session.health.values())
    # Step of the sensor, and what it moves while the packet waits for this program.
    late_s = 0.03
    # A real armband's scale is unknown: counts of it are compared by their proportions.
    myo = np.vstack([part.samples.values for part in parts["band", "emg"]])[:, [0, 5]]
    top = np.abs(myo).max(axis=0)
    assert top == pytest.approx([100.0, 50.0], rel=0.1)
    assert (myo == np.round(myo)).all()
    steps = {"shank": 1e-6, "band": 9.81 / 2048, "tag": 9.81 / 1024, "cuff": 2.5 / 1200 / 2047}
    for name, stream in (("shank", "imu"), ("band", "imu"), ("tag", "imu"), ("cuff", "emg")):
        spec = next(w for w in worn if w.name == name).driver().stream(stream)
        timed = parts[name, stream]
        values = np.vstack([part.samples.values for part in timed])
        times = np.concatenate([part.host_ns for part in timed]) * 1e-9 - person.begin_s
        labels = [channel.label for channel in spec.channels]
        for label in ("acc.x", "gyro.y") if stream == "imu" else ("emg.1", "emg.2"):
            channel = {
                "emg.1": "emg.soleus.r",
                "emg.2": "emg.tibialis_anterior.r",
            }.get(label, f"{label.split('.')[0]}.shank.r.{label[-1]}")
            source = recording.find(channel)
            truth = np.interp(times, source.time_s, source.column(channel))
            got = values[:, labels.index(label)]
            speed = np.abs(np.gradient(source.column(channel)) * source.rate_hz).max()
            inside = times > 0.6
            assert inside.sum() > 20
            error = np.abs(got - truth)[inside]
            assert error.max() < steps[name] + late_s * speed, (name, label)
            assert np.corrcoef(got[inside], truth[inside])[0, 1] > 0.97, (name, label)
        if stream == "imu":
            assert {"quat.w", "quat.x"} <= set(labels) or name == "tag"


@pytest.mark.parametrize("bus", BUSES)
def test_a_worn_recording_is_recorded_again(bus):
    """The way round: recording, packets over the air, recording."""
    source = swinging([DOT, MYO])

    async def scene():
        async with virtual_person(source, (DOT, MYO), bus=bus, pace=Pace(0.0075)) as person:
            return await listen(person, 1.2)

    records = asyncio.run(scene())
    again, session = record(records, (DOT, MYO), REF)
    assert set(again.streams) == {"shank-imu", "band-emg", "band-imu"}
    assert again.gaps == ()
    acc = again.streams["shank-imu"].data[:, :3]
    assert np.linalg.norm(acc, axis=1) == pytest.approx(9.80665, abs=0.02)
    assert np.ptp(acc[:, 1]) > 1.0
    assert session.health["shank"].battery.percent == 80.0


def test_a_program_that_was_busy_does_not_take_its_sensors_for_dead():
    async def scene():
        source = swinging([DOT])
        async with virtual_person(source, (DOT,), pace=Pace(0.03)) as person:
            async with Hub(person.radio, [each.sensor() for each in person.worn]) as hub:
                # Past the time in which a sensor may be silent at first.
                await asyncio.sleep(GRACE_S + 0.3)
                time.sleep(2.0 * DOT.driver().silence_s)
                # What was sent meanwhile takes its time to come.
                person.air.blackout(0.2)
                await asyncio.sleep(0.5)
            return hub.drain()

    events = [r.state for r in asyncio.run(scene()) if isinstance(r, LinkEvent)]
    assert events == [LinkState.CONNECTED, LinkState.STOPPED]


def test_orientations_follow_a_movement_whose_angle_is_known():
    swing = swinging([DOT], 20.0).streams["swing"]
    turn = orientation(*np.split(swing.data[:, :6].copy(), 2, axis=1), swing.rate_hz)
    angle = SWING_RAD * np.sin(2 * np.pi * 0.5 * swing.time_s)
    roll, pitch, yaw = turn.as_euler("xyz").T
    assert roll[200:-200] == pytest.approx(angle[200:-200], abs=0.02)
    assert np.abs(pitch).max() < 0.01
    assert np.abs(yaw).max() < 0.01


def test_what_a_recording_lacks_is_made_of_what_it_has():
    """Orientation, field and free acceleration agree with one another at any time."""
    person = swinging([DOT], 20.0)
    sensor = wear(person, [DOT], 0.0)["shank"]
    times = np.linspace(0.0, 19.9, 997)
    labels = dict.fromkeys(("acc", "mag", "free_acc", "euler"), "xyz") | {"quat": "wxyz"}
    got = {
        k: np.column_stack([sensor.signal(f"{k}.{a}", times) for a in axes])
        for k, axes in labels.items()
    }
    assert np.linalg.norm(got["quat"], axis=1) == pytest.approx(1.0, abs=1e-3)
    # No jump to the other quaternion of the same rotation.
    assert np.abs(np.diff(got["quat"], axis=0)).max() < 0.1
    assert np.linalg.norm(got["mag"], axis=1) == pytest.approx(1.0, abs=1e-3)
    # A swing about its own axis: the sensor feels nothing but gravity.
    assert np.abs(got["free_acc"]).max() < 0.5
    assert np.ptp(got["acc"][:, 1]) > 8.0
    assert np.ptp(got["euler"][:, 0]) == pytest.approx(2 * SWING_RAD, abs=0.02)
    with pytest.raises(UsageError, match="delta_quat"):
        sensor.signal("delta_quat.w", times)


def test_a_recording_begins_again_at_its_end_and_its_late_streams_stay_late():
    person = measured_person(4.0)
    sensor = wear(person, [DOT, MYO], 100.0)["shank"]
    times = np.linspace(100.0, 103.9, 50)
    first = sensor.signal("acc.x", times)
    assert sensor.signal("acc.x", times + 4.0) == pytest.approx(first)
    assert first == pytest.approx(2 * np.sin(2 * (times - 100.0)), abs=1e-3)
    band = wear(person, [DOT, MYO], 100.0)["band"]
    peak = 100.5 + 1 / 28
    assert band.signal("emg.1", np.array([peak])) == pytest.approx(-100.0, abs=8.0)
    # Nobody put a muscle under the second electrode.
    assert band.signal("emg.2", times).tolist() == [0.0] * 50


def test_envelopes_become_emg_that_is_the_same_every_time():
    source = swinging([MYO])
    one, two = (wear(source, [MYO], 0.0)["band"] for _ in range(2))
    times = np.arange(0.0, 2.0, 0.005)
    values = one.signal("emg.1", times)
    assert values.tobytes() == two.signal("emg.1", times).tobytes()
    # Loud in the first half of each swing, silent in the second.
    loud, silent = values[times % 2 < 1].std(), values[times % 2 > 1.1].std()
    assert loud > 20 * silent
    assert np.abs(values).max() <= 128.0
    other = one.signal("emg.6", times)
    assert abs(np.corrcoef(values, other)[0, 1]) < 0.2


def test_the_clock_and_the_losses_are_those_of_the_sensors():
    source = swinging([DOT])

    async def scene():
        quirks = Quirks(skew=50e-6, battery=7)
        async with virtual_person(source, [DOT], quirks=quirks) as person:
            async with Hub(person.radio, [each.sensor() for each in person.worn]) as hub:
                person.air.pace = Pace(interval_s=0.03, queue=4)
                await asyncio.sleep(0.3)
                person.air.blackout(0.5)
                await asyncio.sleep(0.8)
                person.air.pace = Pace()
            return hub.drain(), sum(person.peripherals["shank"].dropped.values())

    records, dropped = asyncio.run(scene())
    recording, session = record(records, [DOT], REF)
    assert dropped > 10
    assert session.health["shank"].lost == dropped
    assert session.health["shank"].battery.percent == 7.0
    assert sum(round((g.end_s - g.start_s) * 60) + 1 for g in recording.gaps) >= dropped


def test_sensors_are_chosen_for_a_recording():
    worn = default_worn(measured_person())
    assert [(w.name, w.driver_id) for w in worn] == [("shank.r", "movella-dot"), ("emg.r", "myo")]
    assert worn[1].electrodes == {1: "soleus.r", 2: "tibialis_anterior.r"}
    bare = Stream("x", 10.0, 0.0, ("force.load_cell",), ("N",), np.ones((3, 1)))
    with pytest.raises(DataError, match="neither IMU nor muscle"):
        default_worn(Recording(REF, {"x": bare}))


def test_what_cannot_be_worn_is_said():
    person = measured_person()
    with pytest.raises(DataError, match=r"acc\.thigh\.r\.x for the sensor leg") as caught:
        wear(person, [Worn("leg", "movella-dot", place="thigh.r")], 0.0)
    assert caught.value.reason is DataReason.MISSING_COLUMN
    with pytest.raises(DataError, match=r"envelope\.soleus\.l"):
        wear(person, [Worn("band", "myo", electrodes={1: "soleus.l"})], 0.0)
