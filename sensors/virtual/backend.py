"""The air as a backend of bleak, for any system: `BleakClient(device, backend=...)`.

Everything of bleak above its backends runs as with a real radio; nothing of the operating system
is needed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from bleak.args import SizedBuffer
from bleak.backends.characteristic import BleakGATTCharacteristic
from bleak.backends.client import BaseBleakClient, NotifyCallback
from bleak.backends.descriptor import BleakGATTDescriptor
from bleak.backends.device import BLEDevice
from bleak.backends.scanner import AdvertisementData, AdvertisementDataCallback, BaseBleakScanner
from bleak.backends.service import BleakGATTService, BleakGATTServiceCollection
from bleak.exc import BleakDeviceNotFoundError, BleakError
from bumble.core import ProtocolError

from kinefed.sensors.virtual.central import Central, RemoteCharacteristic, Seen, Session

_SCAN_S = 5.0


class VirtualScanner(BaseBleakScanner):
    """Scanner on a central; `backends` binds it to one."""

    central: ClassVar[Central]

    def __init__(
        self,
        detection_callback: AdvertisementDataCallback | None,
        service_uuids: list[str] | None,
        scanning_mode: str,
        **_other: Any,
    ) -> None:
        super().__init__(detection_callback, service_uuids)

    async def start(self) -> None:
        """Start scanning."""
        self.seen_devices = {}
        self.central.on_seen = self._seen
        await self.central.scan(True)

    async def stop(self) -> None:
        """Stop scanning."""
        await self.central.scan(False)
        self.central.on_seen = None

    def _seen(self, seen: Seen) -> None:
        if not self.is_allowed_uuid(list(seen.services)):
            return
        heard = AdvertisementData(
            seen.name, dict(seen.companies), {}, list(seen.services), None, -50, ()
        )
        device = self.create_or_update_device(seen.address, seen.address, seen.name, seen, heard)
        self.call_detection_callbacks(device, heard)


class VirtualClient(BaseBleakClient):
    """Client on a central; `backends` binds it to one."""

    central: ClassVar[Central]

    def __init__(
        self,
        address_or_ble_device: BLEDevice | str,
        *,
        disconnected_callback: Callable[[], None] | None,
        timeout: float,
        **other: Any,
    ) -> None:
        super().__init__(
            address_or_ble_device,
            disconnected_callback=disconnected_callback,
            timeout=timeout,
            **other,
        )
        self._session: Session | None = None

    @property
    def name(self) -> str:
        """The address: a name is not read."""
        return self.address

    @property
    def mtu_size(self) -> int:
        """ATT MTU of the connection."""
        return 23 if self._session is None else self._session.mtu

    @property
    def is_connected(self) -> bool:
        """Whether there is a connection."""
        return self._session is not None

    async def connect(self, pair: bool, **kwargs: Any) -> None:
        """Connect and discover."""
        timeout = float(kwargs.get("timeout", self._timeout))
        try:
            session = await self.central.connect(self.address, timeout, self._gone)
        except (ProtocolError, TimeoutError) as error:
            raise BleakDeviceNotFoundError(self.address, f"no answer: {error}") from error
        self._session = session
        self.services = _collection(session)

    async def disconnect(self) -> None:
        """Disconnect."""
        if self._session is not None:
            await self.central.disconnect(self._session)

    async def pair(self, *_args: Any, **_kwargs: Any) -> None:
        """Refuse: no sensor asks for it."""
        raise BleakError("emulated sensors do not pair")

    async def unpair(self) -> None:
        """Refuse: no sensor asks for it."""
        raise BleakError("emulated sensors do not pair")

    async def read_gatt_char(
        self, characteristic: BleakGATTCharacteristic, *, use_cached: bool = False, **_other: Any
    ) -> bytearray:
        """Read a value."""
        return bytearray(await self._remote(characteristic).proxy.read_value())

    async def write_gatt_char(
        self, characteristic: BleakGATTCharacteristic, data: SizedBuffer, response: bool
    ) -> None:
        """Write a value."""
        try:
            await self._remote(characteristic).proxy.write_value(bytes(data), response)
        except ProtocolError as error:
            raise BleakError(str(error)) from error

    async def start_notify(
        self, characteristic: BleakGATTCharacteristic, callback: NotifyCallback, **_other: Any
    ) -> None:
        """Subscribe, to notifications where there are both."""
        await self._remote(characteristic).proxy.subscribe(lambda data: callback(bytearray(data)))

    async def stop_notify(self, characteristic: BleakGATTCharacteristic) -> None:
        """Unsubscribe."""
        await self._remote(characteristic).proxy.unsubscribe(force=True)

    async def read_gatt_descriptor(
        self, descriptor: BleakGATTDescriptor, *, use_cached: bool = False, **_other: Any
    ) -> bytearray:
        """Refuse: the collection holds no descriptors."""
        raise BleakError("no descriptors")

    async def write_gatt_descriptor(
        self, descriptor: BleakGATTDescriptor, data: SizedBuffer
    ) -> None:
        """Refuse: the collection holds no descriptors."""
        raise BleakError("no descriptors")

    def _remote(self, characteristic: BleakGATTCharacteristic) -> RemoteCharacteristic:
        if self._session is None:
            raise BleakError("Not connected")
        remote: RemoteCharacteristic = characteristic.obj
        return remote

    def _gone(self) -> None:
        self._session = None
        self.services = None
        if self._disconnected_callback is not None:
            self._disconnected_callback()


def _collection(session: Session) -> BleakGATTServiceCollection:
    collection = BleakGATTServiceCollection()
    for (uuid, handle), characteristics in session.services.items():
        service = BleakGATTService(None, handle, uuid)
        collection.add_service(service)
        for remote in characteristics:
            collection.add_characteristic(
                BleakGATTCharacteristic(
                    remote,
                    remote.handle,
                    remote.uuid,
                    list(remote.can),
                    lambda: session.mtu - 3,
                    service,
                )
            )
    return collection


def backends(central: Central) -> tuple[type[VirtualScanner], type[VirtualClient]]:
    """Bind both backends to one central: what bleak wants as `backend` are classes."""
    scanner = type("VirtualScanner", (VirtualScanner,), {"central": central})
    client = type("VirtualClient", (VirtualClient,), {"central": central})
    return scanner, client
