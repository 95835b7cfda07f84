"""A Bluetooth service that is strict, absent or dies: bleak's Linux backend on a private D-Bus."""

import asyncio
import os
import shutil
import sys
import time
from dataclasses import replace

import pytest
from radio_bench import decode, samples, states, studio, until

from kinefed.sensors.errors import SensorError, SensorReason
from kinefed.sensors.hub import Hub
from kinefed.sensors.radio import Radio
from kinefed.sensors.virtual.bluez import BlueZ, Strictness
from kinefed.sensors.virtual.dbus import private_bus

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or shutil.which("dbus-daemon") is None,
    reason="needs Linux with dbus-daemon",
)


def reason_of_a_scan(strictness):
    async def scene():
        async with studio("bluez", strictness=strictness) as place:
            with pytest.raises(SensorError) as caught:
                await place.radio.scan(0.1)
            return caught.value

    return asyncio.run(scene())


def test_bluetooth_switched_off():
    error = reason_of_a_scan(Strictness(powered=False))
    assert error.reason is SensorReason.POWERED_OFF
    assert "Switch it on" in error.next_step


def test_no_adapter():
    error = reason_of_a_scan(Strictness(adapter=False))
    assert error.reason is SensorReason.NO_ADAPTER


def test_no_bluetooth_service():
    async def scene():
        async with private_bus():
            with pytest.raises(SensorError) as caught:
                await Radio().scan(0.1)
            return caught.value

    error = asyncio.run(scene())
    assert error.reason is SensorReason.NO_BLUETOOTH
    assert error.exit_code == 4


def test_no_bus_at_all(monkeypatch, tmp_path):
    monkeypatch.setitem(os.environ, "DBUS_SYSTEM_BUS_ADDRESS", f"unix:path={tmp_path}/none")
    with pytest.raises(SensorError) as caught:
        asyncio.run(Radio().scan(0.1))
    assert caught.value.reason is SensorReason.NO_BLUETOOTH


def test_another_program_scans():
    async def scene():
        async with studio("bluez") as place:
            place.service._scanning = True
            with pytest.raises(SensorError) as caught:
                await place.radio.scan(0.1)
            place.service._scanning = False
            assert await place.radio.scan(0.1) == []
            return caught.value

    assert asyncio.run(scene()).reason is SensorReason.BUSY


def test_interference_while_connecting_is_got_over():
    async def scene():
        async with studio("bluez", strictness=Strictness(aborts=2)) as place:
            sensor = await place.add("dot", "movella-dot")
            async with Hub(place.radio, [sensor]) as hub:
                assert hub.connected == 1
            assert place.service.strictness.aborts == 0

    asyncio.run(scene())


def test_an_adapter_without_free_slots_is_told(monkeypatch):
    monkeypatch.setattr("bleak_retry_connector.BLEAK_DBUS_BACKOFF_TIME", 0.01)

    async def scene():
        async with studio("bluez", strictness=Strictness(slots=1)) as place:
            sensors = [await place.add("a", "myo"), await place.add("b", "thingy")]
            with pytest.raises(SensorError) as caught:
                async with Hub(place.radio, sensors):
                    pass
            return caught.value

    error = asyncio.run(scene())
    assert error.reason is SensorReason.REFUSED
    assert error.where == "b"
    assert "5 to 7 connections" in error.next_step


def test_a_sensor_can_have_an_adapter_of_its_own():
    async def scene():
        async with studio("bluez", find_s=1.0) as place:
            sensors = [await place.add("a", "movella-dot"), await place.add("b", "movella-dot")]
            named = [replace(sensors[0], adapter="hci0"), sensors[1]]
            async with Hub(place.radio, named) as hub:
                assert hub.connected == 2
            # There is one adapter on this bus.
            with pytest.raises(SensorError) as caught:
                async with Hub(place.radio, [sensors[0], replace(sensors[1], adapter="hci7")]):
                    pass
            return caught.value

    error = asyncio.run(scene())
    assert error.where == "b"
    assert error.reason is SensorReason.NO_ADAPTER
    assert "hci7" in str(error)


def test_a_forgotten_device_is_found_again():
    async def scene():
        async with studio("bluez", strictness=Strictness(forget_s=0.1)) as place:
            sensor = await place.add("dot", "movella-dot")
            async with Hub(place.radio, [sensor]) as hub:
                await place.peripherals["dot"].drop()
                await until(lambda: not hub.links["dot"].connected)
                await until(lambda: hub.links["dot"].connected)
            assert states(hub.drain(), "dot") == ["connected", "lost", "connected", "stopped"]

    asyncio.run(scene())


def test_a_value_before_the_subscription_is_answered_harms_nothing():
    async def scene():
        async with studio("bluez", strictness=Strictness(early=True)) as place:
            sensor = await place.add("dot", "movella-dot")
            async with Hub(place.radio, [sensor]) as hub:
                await asyncio.sleep(0.2)
            items, decoder = decode(hub.drain(), [sensor])["dot"]
            # An empty value is too short for anything.
            assert sum(decoder.refused.values()) >= 1
            assert samples(items, "imu")

    asyncio.run(scene())


def test_a_service_that_dies_is_noticed_and_survived(monkeypatch):
    """The service's death is told by no callback, and bleak still says "connected"."""
    monkeypatch.setattr("kinefed.sensors.link.GRACE_S", 0.2)

    async def scene():
        async with studio("bluez") as place:
            sensor = await place.add("dot", "movella-dot")
            async with Hub(place.radio, [sensor]) as hub:
                await asyncio.sleep(0.4)
                died = time.monotonic()
                await place.service.stop()
                await until(lambda: not hub.links["dot"].connected)
                assert time.monotonic() - died < 1.0
                await until(lambda: "retrying" in states(list(hub._queue), "dot"))
                # The kernel breaks the connections of a service that is gone.
                await place.peripherals["dot"].drop()
                again = BlueZ(place.central)
                await again.start(os.environ["DBUS_SYSTEM_BUS_ADDRESS"])
                await until(lambda: hub.links["dot"].connected)
            await again.stop()
            records = hub.drain()
            lost = next(r for r in records if getattr(r, "state", "") == "lost")
            assert lost.detail == "no_data"
            retry = next(r for r in records if getattr(r, "state", "") == "retrying")
            assert "Bluetooth service" in retry.detail
            assert states(records, "dot")[-2:] == ["connected", "stopped"]

    asyncio.run(scene())
