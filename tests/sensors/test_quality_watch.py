"""The quality of worn channels while they are worn, from the packets on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sensor_bench import NS, Bench

from kinefed.sensors.quality import Fault
from kinefed.sensors.quality_watch import QualityWatch
from kinefed.sensors.records import LinkEvent, LinkState, Packet
from kinefed.sensors.session import Session
from kinefed.sensors.virtual.person import swinging
from kinefed.sensors.virtual.wearing import wear
from kinefed.sensors.worn import Worn

BAND = Worn("band", "myo", place="shank.r", electrodes={1: "soleus.r", 2: "tibialis_anterior.r"})
DOT = Worn("thigh", "movella-dot", place="thigh.r")


def packets(worn, seconds, spoil=lambda data: data):
    """What emulated sensors on swinging legs send, in order of arrival."""
    found = []
    person = swinging(worn)
    for each, sensor in zip(worn, wear(person, worn, 0.0).values(), strict=True):
        driver = each.driver()
        for write in driver.setup:
            sensor.written(write.characteristic, write.value, 0.0)
        for uuid in driver.notifies:
            sensor.subscribed(uuid, True, 0.0)
        for write in driver.start:
            sensor.written(write.characteristic, write.value, 0.0)
        found += [
            Packet(each.name, round((v.ready_s + 0.004) * NS), v.characteristic, spoil(v.data))
            for v in sensor.take(seconds)
        ]
    return sorted(found, key=lambda packet: packet.arrival_ns)


def watched(worn, records, looks_hz=10.0):
    session, watch, told = Session(worn), QualityWatch(worn), []
    next_ns = 0
    for record in records:
        for heard in session.take(record):
            watch.hear(heard)
        if record.arrival_ns >= next_ns:
            next_ns = record.arrival_ns + round(NS / looks_hz)
            watch.look()
            told.append(watch.faults())
    return watch, told


def test_nothing_is_said_of_sound_sensors():
    _, told = watched((BAND, DOT), packets((BAND, DOT), 8.0))
    assert len(told) > 60
    assert not any(told)


def test_an_electrode_that_is_off_is_told_within_some_seconds_and_no_longer_than_it_is():
    def off(packet):
        """The first electrode hangs in the air from the third to the sixth second."""
        if len(packet.value) != 16 or not 3 * NS < packet.arrival_ns < 6 * NS:
            return packet
        rows = np.frombuffer(packet.value, np.int8).reshape(2, 8).copy()
        rows[:, 0] = 0
        return replace(packet, value=rows.tobytes())

    records = [off(each) for each in packets((BAND, DOT), 12.0)]
    watch, told = watched((BAND, DOT), records)
    seconds = [i / 10.0 for i, faults in enumerate(told) if faults]
    assert 3.4 < seconds[0] < 5.0
    assert 5.5 < seconds[-1] < 9.6
    for fault in (each for faults in told for each in faults):
        assert (fault.channel, fault.faults[0]) == ("emg.soleus.r", Fault.FLAT)
        assert "electrode or its lead is off" in fault.advice
    assert watch.faults() == []


def test_faults_are_listed_by_sensor_and_stream():
    stuck = [
        replace(each, value=each.value[:20] + bytes(24)) if each.sensor == "thigh" else each
        for each in packets((BAND, DOT), 5.0)
    ]
    watch, _ = watched((BAND, DOT), stuck)
    watch.look_at_all()
    names = {fault.channel for fault in watch.faults("thigh", "imu")}
    assert {"acc.thigh.r.x", "gyro.thigh.r.z"} <= names
    assert watch.faults() == watch.faults("thigh")
    assert watch.faults("band") == watch.faults("thigh", "emg") == []


def test_what_was_before_a_lost_connection_is_forgotten():
    records = packets((DOT,), 5.0, lambda data: data[:20] + bytes(24) if len(data) > 40 else data)
    watch, told = watched((DOT,), records)
    assert told[-1]
    session = Session((DOT,))
    for heard in session.take(LinkEvent("thigh", 5 * NS, LinkState.LOST)):
        watch.hear(heard)
    assert watch.faults() == []
    watch.look()
    assert watch.faults() == []


@pytest.mark.parametrize("worn", [(), (Worn("strap", "polar-h10"),)])
def test_sensors_without_a_place_have_no_channels(worn):
    watch = QualityWatch(worn)
    session = Session(worn)
    for each in worn:
        for value in Bench(each.driver_id).sensor.take(3.0):
            packet = Packet(each.name, round(value.ready_s * NS), value.characteristic, value.data)
            for heard in session.take(packet):
                watch.hear(heard)
    watch.look()
    watch.look_at_all()
    assert watch.faults() == []
