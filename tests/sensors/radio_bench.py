"""Sensors on an emulated radio, as a context manager for tests."""

from __future__ import annotations

import asyncio
import contextlib

from sensor_bench import signal, volts

from kinefed.sensors.decoder import Samples
from kinefed.sensors.driver import Sensor
from kinefed.sensors.drivers import make_driver
from kinefed.sensors.radio import Radio
from kinefed.sensors.records import LinkEvent, Packet
from kinefed.sensors.virtual import EMULATORS
from kinefed.sensors.virtual.air import Air
from kinefed.sensors.virtual.backend import backends
from kinefed.sensors.virtual.bluez import BlueZ
from kinefed.sensors.virtual.central import Central
from kinefed.sensors.virtual.dbus import private_bus
from kinefed.sensors.virtual.peripheral import Peripheral


class Studio:
    """Peripherals on the air and a radio that hears them."""

    def __init__(self, air, central, radio, service=None):
        self.service = service
        self.air = air
        self.central = central
        self.radio = radio
        self.peripherals = {}

    async def add(self, name, driver_id, quirks=None):
        """Switch a sensor on; give what a hub wants to know of it."""
        address = f"F0:00:00:00:00:{len(self.peripherals) + 1:02X}"
        source = volts if driver_id == "gforce" else signal
        peripheral = Peripheral(self.air, EMULATORS[driver_id](source, quirks), address)
        self.peripherals[name] = peripheral
        await peripheral.start()
        return Sensor(name, make_driver(driver_id), address)


@contextlib.asynccontextmanager
async def studio(kind="backend", pace=None, strictness=None, find_s=10.0):
    """The air behind bleak: as its backend, or as the Bluetooth service of a private D-Bus."""
    air = Air(pace)
    central = Central(air)
    await central.start()
    async with contextlib.AsyncExitStack() as stack:
        stack.callback(air.close)
        if kind == "backend":
            scanner, client = backends(central)
            place = Studio(air, central, Radio(scanner=scanner, client=client, find_s=find_s))
        else:
            address = await stack.enter_async_context(private_bus())
            service = BlueZ(central, strictness)
            await service.start(address)
            stack.push_async_callback(service.stop)
            place = Studio(air, central, Radio(find_s=find_s), service)
        yield place
        for peripheral in place.peripherals.values():
            await peripheral.stop()


def decode(records, sensors):
    """What the records of each sensor mean: name -> (items, decoder)."""
    out = {}
    for sensor in sensors:
        decoder, items = sensor.driver.make_decoder(), []
        for record in records:
            if record.sensor != sensor.name:
                continue
            if isinstance(record, Packet):
                items += decoder.feed(record.characteristic, record.value, record.arrival_ns)
            elif record.state == "lost":
                decoder.reconnected()
        out[sensor.name] = (items, decoder)
    return out


def samples(items, stream):
    return [item for item in items if isinstance(item, Samples) and item.stream == stream]


def states(records, name):
    return [r.state.value for r in records if isinstance(r, LinkEvent) and r.sensor == name]


async def until(condition, seconds=10.0):
    """Wait for something to happen."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)
