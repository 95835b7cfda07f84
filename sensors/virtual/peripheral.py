"""An emulated sensor on the air: a Bumble device that advertises, serves GATT and notifies."""

from __future__ import annotations

import asyncio
import functools
import time
from collections.abc import Callable

from bumble.att import Attribute as Att
from bumble.att import AttributeValue
from bumble.controller import Controller
from bumble.core import AdvertisingData
from bumble.device import Connection, Device, DeviceConfiguration
from bumble.gatt import Characteristic, Service
from bumble.hci import Address
from bumble.host import Host
from bumble.transport.common import AsyncPipeSink

from kinefed.sensors.virtual.air import Air
from kinefed.sensors.virtual.sensor import (
    INDICATE,
    NOTIFY,
    READ,
    WRITE,
    WRITE_FAST,
    Attribute,
    Value,
    VirtualSensor,
)

_PROPERTIES = {
    READ: Characteristic.Properties.READ,
    WRITE: Characteristic.Properties.WRITE,
    WRITE_FAST: Characteristic.Properties.WRITE_WITHOUT_RESPONSE,
    NOTIFY: Characteristic.Properties.NOTIFY,
    INDICATE: Characteristic.Properties.INDICATE,
}
_ADVERTISING_MS = 20.0
# Longest payload of a data channel, else every notification is cut into pieces of 27 bytes.
ACL_BYTES = 251


def make_device(air: Air, name: str, address: str) -> tuple[Device, Controller]:
    """Put a device on the air, switched off."""
    controller = Controller(name, link=air)
    controller.le_acl_data_packet_length = ACL_BYTES
    config = DeviceConfiguration(name=name, address=Address(address))
    return Device(config=config, host=Host(controller, AsyncPipeSink(controller))), controller


class Peripheral:
    """A sensor on the air.

    Parameters
    ----------
    air
        The link.
    sensor
        What it is.
    address
        Static random address: its two highest bits are set, for example ``F0:00:00:00:00:01``.
    clock
        Seconds; what the sensor measures is a function of it.

    Attributes
    ----------
    sent
        Values given to the link, by characteristic.
    dropped
        Values lost because the queue was full, by characteristic.
    """

    def __init__(
        self,
        air: Air,
        sensor: VirtualSensor,
        address: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.sensor = sensor
        self.address = address
        self.sent: dict[str, int] = {}
        self.dropped: dict[str, int] = {}
        self._air = air
        self._clock = clock
        self._device, self._controller = make_device(air, sensor.profile.name, address)
        self._characteristics: dict[str, Characteristic[bytes]] = {}
        self._connection: Connection | None = None
        self._wake = asyncio.Event()
        self._pump: asyncio.Task[None] | None = None
        self._answers: list[Value] = []
        self._mute = False

    async def start(self) -> None:
        """Switch it on and advertise."""
        for uuid, attributes in self.sensor.profile.services.items():
            made = [self._characteristic(attribute) for attribute in attributes]
            self._device.add_service(Service(uuid, made))
        self._device.on("connection", self._connected)
        await self._device.power_on()
        await self._advertise()
        self._pump = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Switch it off, as when the battery is empty."""
        if self._pump is not None:
            self._pump.cancel()
            await asyncio.gather(self._pump, return_exceptions=True)
        await self._device.stop_advertising()
        await self.drop(advertise=False)
        self._air.controllers.discard(self._controller)

    async def drop(self, *, advertise: bool = True) -> None:
        """Break the connection; where told, be found again."""
        if self._connection is not None:
            await self._connection.disconnect()
        if not advertise:
            await self._device.stop_advertising()

    def mute(self, on: bool) -> None:
        """Keep the connection and send nothing: what a hung sensor does."""
        self._mute = on

    @property
    def cut_off(self) -> int:
        """Values that were on their way when a connection ended; they count as sent."""
        return self._air.cut_off[self._controller]

    @property
    def connected(self) -> bool:
        """Whether somebody is connected."""
        return self._connection is not None

    def _characteristic(self, attribute: Attribute) -> Characteristic[bytes]:
        properties = functools.reduce(
            lambda a, b: a | b, (_PROPERTIES[word] for word in attribute.can)
        )
        uuid = attribute.uuid
        value = AttributeValue[bytes](
            read=lambda _connection: self.sensor.read(uuid, self._clock()),
            write=lambda _connection, data: self._written(uuid, bytes(data)),
        )
        made = Characteristic[bytes](
            uuid, properties, Att.Permissions.READABLE | Att.Permissions.WRITEABLE, value
        )
        made.on(
            "subscription",
            lambda _bearer, notify, indicate: self._subscribed(uuid, notify or indicate),
        )
        self._characteristics[uuid] = made
        return made

    async def _advertise(self) -> None:
        profile = self.sensor.profile
        data: list[tuple[int, bytes]] = [(AdvertisingData.FLAGS, b"\x06")]
        for uuid in profile.advertised:
            raw = bytes.fromhex(uuid.replace("-", ""))[::-1]
            data.append((AdvertisingData.COMPLETE_LIST_OF_128_BIT_SERVICE_CLASS_UUIDS, raw))
        if profile.company is not None:
            company = profile.company.to_bytes(2, "little")
            data.append((AdvertisingData.MANUFACTURER_SPECIFIC_DATA, company))
        # 31 bytes each: with a service there is no room for the name.
        name = [(AdvertisingData.COMPLETE_LOCAL_NAME, profile.name.encode())]
        await self._device.start_advertising(
            auto_restart=True,
            advertising_data=bytes(AdvertisingData(data)),
            scan_response_data=bytes(AdvertisingData(name)),
            advertising_interval_min=_ADVERTISING_MS,
            advertising_interval_max=_ADVERTISING_MS,
        )

    def _connected(self, connection: Connection) -> None:
        self._connection = connection
        connection.on("disconnection", lambda _reason: self._disconnected())

    def _disconnected(self) -> None:
        self._connection = None
        self._answers.clear()
        self.sensor.disconnected()

    def _written(self, uuid: str, data: bytes) -> None:
        self._answers += self.sensor.written(uuid, data, self._clock())
        self._wake.set()

    def _subscribed(self, uuid: str, on: bool) -> None:
        self.sensor.subscribed(uuid, on, self._clock())
        self._wake.set()

    async def _run(self) -> None:
        while True:
            now = self._clock()
            values = [*self._answers, *self.sensor.take(now)]
            self._answers.clear()
            for value in values:
                await self._send(value)
            due = self.sensor.due_s()
            wait = None if due is None else max(0.001, due - self._clock())
            self._wake.clear()
            try:
                await asyncio.wait_for(self._wake.wait(), wait)
            except TimeoutError:
                continue

    async def _send(self, value: Value) -> None:
        connection, uuid = self._connection, value.characteristic
        if connection is None or self._mute or uuid not in self.sensor.subscriptions:
            return
        if self._air.full(self._controller):
            self.dropped[uuid] = self.dropped.get(uuid, 0) + 1
            return
        self.sent[uuid] = self.sent.get(uuid, 0) + 1
        characteristic = self._characteristics[uuid]
        if characteristic.properties & Characteristic.Properties.NOTIFY:
            await self._device.notify_subscriber(connection, characteristic, value.data)
        else:
            await self._device.indicate_subscriber(connection, characteristic, value.data)
