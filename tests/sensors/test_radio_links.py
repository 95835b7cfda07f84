"""Links over an emulated radio: bleak, HCI, L2CAP, ATT and GATT are real, the air is not."""

import asyncio
import shutil
import sys
import time

import pytest
from radio_bench import decode, samples, states, studio, until

from kinefed.datasets.errors import UsageError
from kinefed.sensors.decoder import Battery, Notice
from kinefed.sensors.driver import Driver, Sensor
from kinefed.sensors.drivers import DRIVERS, make_driver, recognise
from kinefed.sensors.errors import SensorError, SensorReason
from kinefed.sensors.hub import Hub
from kinefed.sensors.records import Packet
from kinefed.sensors.virtual.air import Pace
from kinefed.sensors.virtual.bluez import Strictness
from kinefed.sensors.virtual.sensor import Value

KINDS = ["backend", "bluez"]
if sys.platform != "linux" or shutil.which("dbus-daemon") is None:
    KINDS.remove("bluez")
everywhere = pytest.mark.parametrize("kind", KINDS)


def run(coroutine):
    return asyncio.run(coroutine)


def listen(sensor):
    """Note what is written to an emulated sensor from now on."""
    told, written = [], sensor.written

    def note(characteristic, data, now_s):
        told.append((characteristic, data))
        return written(characteristic, data, now_s)

    sensor.written = note
    return told


@everywhere
def test_every_driver_streams_over_the_air(kind):
    async def scene():
        async with studio(kind, strictness=Strictness(slots=len(DRIVERS))) as place:
            sensors = [await place.add(driver_id, driver_id) for driver_id in DRIVERS]
            async with Hub(place.radio, sensors) as hub:
                assert hub.connected == len(DRIVERS)
                await asyncio.sleep(0.7)
                told = {name: listen(place.peripherals[name].sensor) for name in DRIVERS}
            assert hub.connected == 0
        for sensor in sensors:
            stop = [(write.characteristic, write.value) for write in sensor.driver.stop]
            assert told[sensor.name] == stop
        records = hub.drain()
        decoded = decode(records, sensors)
        for sensor in sensors:
            name = sensor.name
            items, decoder = decoded[name]
            assert not place.peripherals[name].connected
            assert not decoder.refused
            for spec in sensor.driver.streams:
                parts = samples(items, spec.name)
                assert sum(len(part.values) for part in parts) >= 0.35 * (spec.rate_hz or 50.0)
                assert sum(part.lost for part in parts) == 0
            assert states(records, name) == ["connected", "stopped"]
            assert any(isinstance(item, Battery) for item in items)
            # What was given to the link came out of it; the farewell may cut the last ones off.
            for uuid, count in place.peripherals[name].sent.items():
                got = sum(
                    isinstance(r, Packet) and r.sensor == name and r.characteristic == uuid
                    for r in records
                )
                reads = uuid in sensor.driver.reads
                assert count - 3 <= got - reads <= count

    run(scene())


@everywhere
def test_a_scan_lists_what_is_nearby_with_its_driver(kind):
    async def scene():
        async with studio(kind) as place:
            for driver_id in ("movella-dot", "myo", "polar-h10"):
                await place.add(driver_id, driver_id)
            found = await place.radio.scan(0.3)
            assert {recognise(each.advertisement) for each in found} == {
                "movella-dot",
                "myo",
                "polar-h10",
            }
            assert all(each.rssi == -50 for each in found)

    run(scene())


@everywhere
def test_a_broken_connection_is_made_again_and_nothing_is_made_up(kind):
    async def scene():
        async with studio(kind) as place:
            sensors = [await place.add("dot", "movella-dot"), await place.add("band", "myo")]
            async with Hub(place.radio, sensors) as hub:
                await asyncio.sleep(0.4)
                broken = time.monotonic()
                await place.peripherals["dot"].drop()
                await until(lambda: not hub.links["dot"].connected)
                assert time.monotonic() - broken < 0.5
                assert hub.links["band"].connected
                await until(lambda: hub.links["dot"].connected)
                assert time.monotonic() - broken < 5.0
                await asyncio.sleep(0.4)
            records = hub.drain()
            assert states(records, "dot") == ["connected", "lost", "connected", "stopped"]
            assert states(records, "band") == ["connected", "stopped"]
            decoded = decode(records, sensors)
            dot = samples(decoded["dot"][0], "imu")
            # The DOT's clock went on, so the gap is known to the sample.
            gap = max(range(1, len(dot)), key=lambda i: dot[i].lost)
            assert dot[gap].lost > 6
            span = (dot[gap].device_ns[0] - dot[gap - 1].device_ns[0]) * 1e-9 * 60.0
            assert dot[gap].lost == round(span) - 1
            assert sum(part.lost for part in dot) == dot[gap].lost
            assert not any(part.lost for part in samples(decoded["band"][0], "emg"))

    run(scene())


@everywhere
def test_a_silent_link_that_calls_itself_connected_is_given_up(monkeypatch, kind):
    monkeypatch.setattr("kinefed.sensors.link.GRACE_S", 0.3)

    async def scene():
        async with studio(kind) as place:
            sensor = await place.add("dot", "movella-dot")
            async with Hub(place.radio, [sensor]) as hub:
                await asyncio.sleep(0.4)
                place.peripherals["dot"].mute(True)
                muted = time.monotonic()
                await until(lambda: not hub.links["dot"].connected)
                assert 0.4 < time.monotonic() - muted < 1.0
                place.peripherals["dot"].mute(False)
                await until(lambda: hub.links["dot"].connected)
            records = hub.drain()
            assert states(records, "dot")[:3] == ["connected", "lost", "connected"]
            lost = next(r for r in records if getattr(r, "state", "") == "lost")
            assert lost.detail == "no_data"

    run(scene())


def test_losses_in_a_sensors_queue_are_counted_exactly():
    async def scene():
        async with studio() as place:
            dot = await place.add("dot", "movella-dot")
            async with Hub(place.radio, [dot]) as hub:
                place.air.pace = Pace(interval_s=0.03, miss=0.05, queue=20)
                await asyncio.sleep(0.3)
                place.air.blackout(0.8)
                await asyncio.sleep(1.2)
                place.air.pace = Pace()
            dropped = sum(place.peripherals["dot"].dropped.values())
            items, _ = decode(hub.drain(), [dot])["dot"]
            assert dropped > 10
            assert sum(part.lost for part in samples(items, "imu")) == dropped

    run(scene())


@everywhere
def test_what_a_broken_connection_cuts_off_is_all_that_is_lost(kind):
    async def scene():
        async with studio(kind) as place:
            dot = await place.add("dot", "movella-dot")
            there = place.peripherals["dot"]
            async with Hub(place.radio, [dot]) as hub:
                for _ in range(3):
                    # Some values wait for each event; the connection ends between two of them.
                    place.air.pace = Pace(interval_s=0.2)
                    await asyncio.sleep(0.5)
                    await there.drop()
                    place.air.pace = Pace()
                    await until(lambda: not hub.links["dot"].connected)
                    await until(lambda: hub.links["dot"].connected)
                await asyncio.sleep(0.3)
                # What was just sent may be on its way from the Bluetooth service.
                there.mute(True)
                await asyncio.sleep(0.1)
                payload = dot.driver.notifies[0]
                sent, records = there.sent[payload], hub.drain()
                got = sum(isinstance(r, Packet) and r.characteristic == payload for r in records)
            assert there.cut_off > 3
            assert got + there.cut_off == sent
            assert not there.dropped

    run(scene())


@everywhere
def test_sensors_that_are_lost_together_come_back_one_after_the_other(kind):
    async def scene():
        async with studio(kind) as place:
            sensors = [await place.add(f"dot {i}", "movella-dot") for i in range(4)]
            async with Hub(place.radio, sensors) as hub:
                await asyncio.sleep(0.2)
                broken = time.monotonic()
                await asyncio.gather(*(each.drop() for each in place.peripherals.values()))
                await until(lambda: hub.connected == 0)
                await until(lambda: hub.connected == 4)
                assert time.monotonic() - broken < 5.0
            # A second scan or connect at a time is refused, which would show as a retry.
            for sensor in sensors:
                told = states(hub._queue, sensor.name)
                assert told == ["connected", "lost", "connected", "stopped"]

    run(scene())


@everywhere
def test_several_sensors_are_connected_one_at_a_time(kind):
    async def scene():
        async with studio(kind) as place:
            sensors = [await place.add(f"dot {i}", "movella-dot") for i in range(3)]
            anonymous = [Sensor(s.name, s.driver) for s in sensors]
            async with Hub(place.radio, anonymous) as hub:
                assert hub.connected == 3
                await asyncio.wait_for(hub.wait(), 1.0)
                assert hub.drain()
            assert all(not p.connected for p in place.peripherals.values())

    run(scene())


@everywhere
def test_a_sensor_without_address_leaves_those_with_one_to_others(kind):
    async def scene():
        async with studio(kind) as place:
            mine = await place.add("mine", "movella-dot")
            any_dot = Sensor("any", mine.driver)

            async def later():
                await asyncio.sleep(0.2)
                await place.add("another", "movella-dot")

            late = asyncio.create_task(later())
            async with Hub(place.radio, [any_dot, mine]) as hub:
                await late
                assert hub.connected == 2
                assert place.peripherals["mine"].connected
                assert place.peripherals["another"].connected

    run(scene())


@everywhere
def test_a_sensor_that_is_not_there_is_named(kind):
    async def scene():
        async with studio(kind, find_s=0.3) as place:
            here = await place.add("band", "myo")
            away = Sensor("shank.r", make_driver("movella-dot"), "F0:00:00:00:00:77")
            with pytest.raises(SensorError, match=r"shank\.r: it was not found") as caught:
                async with Hub(place.radio, [here, away]):
                    pass
            assert caught.value.reason is SensorReason.NOT_FOUND
            assert caught.value.exit_code == 4
            assert "Switch it on" in caught.value.next_step
            # The one that was there is let go.
            await until(lambda: not place.peripherals["band"].connected)

    run(scene())


@everywhere
def test_a_sensor_without_what_its_driver_needs_is_refused(kind):
    async def scene():
        async with studio(kind) as place:
            sensor = await place.add("it", "myo")
            wrong = Sensor("it", make_driver("thingy"), sensor.address)
            with pytest.raises(SensorError, match="lacks a characteristic") as caught:
                async with Hub(place.radio, [wrong]):
                    pass
            assert caught.value.reason is SensorReason.OTHER_SENSOR

    run(scene())


@everywhere
def test_a_connection_too_narrow_for_the_setting_is_refused(monkeypatch, kind):
    monkeypatch.setattr("kinefed.sensors.virtual.central.MTU", 30)

    async def scene():
        async with studio(kind) as place:
            sensor = await place.add("it", "movella-dot")
            with pytest.raises(SensorError, match="30 bytes, 66 needed") as caught:
                async with Hub(place.radio, [sensor]):
                    pass
            assert caught.value.reason is SensorReason.SMALL_MTU

    run(scene())


def test_two_sensors_of_one_name_or_address_are_refused():
    async def scene():
        async with studio() as place:
            driver: Driver = make_driver("myo")
            for pair in (
                [Sensor("a", driver), Sensor("a", driver)],
                [
                    Sensor("a", driver, "F0:00:00:00:00:01"),
                    Sensor("b", driver, "F0:00:00:00:00:01"),
                ],
            ):
                with pytest.raises(UsageError, match="two sensors have one"):
                    Hub(place.radio, pair)

    run(scene())


@everywhere
def test_a_sensor_that_refuses_its_command_says_so(kind):
    async def scene():
        async with studio(kind) as place:
            sensor = await place.add("strap", "polar-h10")

            def refuse(characteristic, data, now_s):
                return [Value(characteristic, bytes((0xF0, data[0], 2, 13, 0)))]

            place.peripherals["strap"].sensor.written = refuse
            async with Hub(place.radio, [sensor]) as hub:
                await asyncio.sleep(0.2)
            items, _ = decode(hub.drain(), [sensor])["strap"]
            answers = [item for item in items if isinstance(item, Notice)]
            assert answers[0].ok is False
            assert answers[0].fields["result"] == "in the charger"

    run(scene())


def test_a_sensor_is_asked_for_its_battery_again_and_again(monkeypatch):
    monkeypatch.setattr("kinefed.sensors.link.POLL_S", 0.1)

    async def scene():
        async with studio() as place:
            sensor = await place.add("it", "witmotion")
            async with Hub(place.radio, [sensor]) as hub:
                await asyncio.sleep(0.7)
            items, _ = decode(hub.drain(), [sensor])["it"]
            assert sum(isinstance(item, Battery) for item in items) >= 3

    run(scene())


async def outcome(hub):
    hub.drain()
    try:
        await asyncio.wait_for(hub.wait(), 1.0)
    except ZeroDivisionError as error:
        return str(error)
    return ""


def test_a_fault_of_the_program_is_not_swallowed(monkeypatch):
    async def broken(_link):
        raise ZeroDivisionError("a fault")

    monkeypatch.setattr("kinefed.sensors.link.SensorLink.keep", broken)

    async def scene():
        async with studio() as place:
            sensor = await place.add("it", "myo")
            async with Hub(place.radio, [sensor]) as hub:
                # The first waits may end with records that are there already.
                waits = [await outcome(hub) for _ in range(20)]
                assert "a fault" in waits

    run(scene())
