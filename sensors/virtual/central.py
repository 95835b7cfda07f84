"""The host's side of the air: scans, connects and speaks GATT through Bumble.

Both stand-ins for a computer's Bluetooth, the bleak backend and the D-Bus service, work on it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from bumble.core import UUID, AdvertisingData
from bumble.device import Advertisement, Connection, Peer
from bumble.gatt import Characteristic
from bumble.gatt_client import CharacteristicProxy
from bumble.hci import Address

from kinefed.sensors.virtual.air import Air
from kinefed.sensors.virtual.peripheral import make_device

MTU = 247
Word = Literal["read", "write-without-response", "write", "notify", "indicate"]
_WORDS: dict[Characteristic.Properties, Word] = {
    Characteristic.Properties.READ: "read",
    Characteristic.Properties.WRITE_WITHOUT_RESPONSE: "write-without-response",
    Characteristic.Properties.WRITE: "write",
    Characteristic.Properties.NOTIFY: "notify",
    Characteristic.Properties.INDICATE: "indicate",
}


@dataclass(frozen=True, slots=True)
class Seen:
    """What was advertised."""

    address: str
    name: str | None
    services: tuple[str, ...]
    companies: dict[int, bytes]


@dataclass(slots=True)
class RemoteCharacteristic:
    """A characteristic of a connected sensor."""

    uuid: str
    handle: int
    can: tuple[Word, ...]
    proxy: CharacteristicProxy[bytes]


@dataclass(slots=True)
class Session:
    """One connection: its services, in the order of their handles."""

    address: str
    connection: Connection
    peer: Peer
    mtu: int = 23
    services: dict[tuple[str, int], list[RemoteCharacteristic]] = field(default_factory=dict)


class Central:
    """The computer's Bluetooth controller.

    Parameters
    ----------
    air
        The link.
    address
        Its own static random address.
    """

    def __init__(self, air: Air, address: str = "F0:00:00:00:00:FF") -> None:
        self.on_seen: Callable[[Seen], None] | None = None
        self._device, _ = make_device(air, "computer", address)
        self._device.on("advertisement", self._advertisement)
        self._connecting = asyncio.Lock()
        self._known: dict[str, Seen] = {}

    async def start(self) -> None:
        """Switch it on."""
        await self._device.power_on()

    async def scan(self, on: bool) -> None:
        """Start or stop to listen; what is heard goes to `on_seen`."""
        if on:
            self._known.clear()
            await self._device.start_scanning(filter_duplicates=False)
        elif self._device.is_scanning:
            await self._device.stop_scanning()

    async def connect(self, address: str, timeout_s: float, gone: Callable[[], None]) -> Session:
        """Connect, exchange the MTU and discover everything.

        Parameters
        ----------
        address
            Of a sensor.
        timeout_s
            Raises TimeoutError after it.
        gone
            Called once when the connection ends.
        """
        async with self._connecting:
            connection = await self._device.connect_le(Address(address), timeout=timeout_s)
        connection.on("disconnection", lambda _reason: gone())
        session = Session(address, connection, Peer(connection))
        session.mtu = await session.peer.request_mtu(MTU)
        await session.peer.discover_all()  # type: ignore[no-untyped-call]
        for service in session.peer.services:
            session.services[(long_uuid(service.uuid), service.handle)] = [
                RemoteCharacteristic(
                    long_uuid(proxy.uuid),
                    proxy.handle,
                    tuple(word for flag, word in _WORDS.items() if proxy.properties & flag),
                    proxy,
                )
                for proxy in service.characteristics
            ]
        return session

    async def disconnect(self, session: Session) -> None:
        """Break a connection; nothing happens where it is broken already."""
        if session.connection.handle in self._device.connections:
            await session.connection.disconnect()

    def _advertisement(self, heard: Advertisement) -> None:
        if self.on_seen is None:
            return
        address = str(heard.address).removesuffix("/P")
        data = heard.data
        name = data.get(AdvertisingData.COMPLETE_LOCAL_NAME)
        services = data.get(AdvertisingData.COMPLETE_LIST_OF_128_BIT_SERVICE_CLASS_UUIDS) or []
        company = data.get(AdvertisingData.MANUFACTURER_SPECIFIC_DATA)
        before = self._known.get(address, Seen(address, None, (), {}))
        # Name and services come in two packets: together they are what a host shows.
        seen = Seen(
            address,
            str(name) if name else before.name,
            tuple(long_uuid(uuid) for uuid in services) or before.services,
            {company[0]: bytes(company[1])} if company else before.companies,
        )
        self._known[address] = seen
        self.on_seen(seen)


def long_uuid(uuid: UUID) -> str:
    """Write a UUID out in 36 characters."""
    digits = uuid.to_bytes(force_128=True)[::-1].hex()
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))
