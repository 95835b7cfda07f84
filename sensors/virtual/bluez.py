"""``org.bluez`` on a private bus, over the air: bleak's own Linux backend runs against it.

Only what a client of sensors needs, and as strict as the original where programs stumble: devices
are forgotten, a second scan or connect is in progress, slots run out, the generic access service
is hidden.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from bumble.core import ProtocolError
from bumble.core import TimeoutError as BumbleTimeoutError
from dbus_fast import Message, MessageType, Variant
from dbus_fast.aio import MessageBus

from kinefed.sensors.virtual.bus_objects import BlueZError, BusObjects, Properties
from kinefed.sensors.virtual.central import Central, RemoteCharacteristic, Seen, Session

ADAPTER_PATH = "/org/bluez/hci0"
ADAPTER, DEVICE = "org.bluez.Adapter1", "org.bluez.Device1"
SERVICE, CHARACTERISTIC = "org.bluez.GattService1", "org.bluez.GattCharacteristic1"
_MANAGER = "org.freedesktop.DBus.ObjectManager"
_HIDDEN = "00001800-"


@dataclass(slots=True)
class Strictness:
    """What this Bluetooth service does to its clients.

    Attributes
    ----------
    adapter, powered
        Whether there is an adapter, and whether it is on.
    slots
        Connections at a time.
    forget_s
        A device that is not connected is forgotten this long after it was heard.
    aborts
        So many connects fail with ``le-connection-abort-by-local``, as under interference.
    early
        Give a first notification before the subscription is answered.
    """

    adapter: bool = True
    powered: bool = True
    slots: int = 7
    forget_s: float = 30.0
    aborts: int = 0
    early: bool = False


class BlueZ:
    """The service.

    Parameters
    ----------
    central
        The adapter behind it.
    strictness
        How it behaves; may be changed at any time.
    """

    def __init__(self, central: Central, strictness: Strictness | None = None) -> None:
        self.strictness = strictness or Strictness()
        self._central = central
        self._objects = BusObjects()
        self._heard: dict[str, float] = {}
        self._sessions: dict[str, Session] = {}
        self._remotes: dict[str, RemoteCharacteristic] = {}
        self._scanning = False
        self._connecting = False
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self, address: str) -> None:
        """Appear on the bus with this address."""
        bus = self._objects.bus = await MessageBus(bus_address=address).connect()
        bus.add_message_handler(self._message)
        if self.strictness.adapter:
            powered = Variant("b", self.strictness.powered)
            roles = Variant("as", ["central", "peripheral"])
            self._objects.add(ADAPTER_PATH, ADAPTER, {"Powered": powered, "Roles": roles})
        await bus.request_name("org.bluez")
        self._spawn(self._forget())

    async def stop(self) -> None:
        """Disappear without a word, as when the service crashes."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        bus, self._objects.bus = self._objects.bus, None
        if bus is not None:
            bus.disconnect()
            await bus.wait_for_disconnect()  # type: ignore[no-untyped-call]
        await self._central.scan(False)

    def _spawn(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _message(self, message: Message) -> Message | bool | None:
        """Answer a call, later: all that is asked takes time on the air."""
        if message.message_type is not MessageType.METHOD_CALL:
            return None
        handler = self._handler(message)
        if handler is None:
            return None
        self._spawn(self._answer(message, handler))
        return True

    async def _answer(
        self, message: Message, handler: Callable[[Message], Awaitable[tuple[str, list[object]]]]
    ) -> None:
        try:
            signature, body = await handler(message)
            reply = Message.new_method_return(message, signature, body)
        except BlueZError as error:
            reply = Message.new_error(message, error.name, str(error))
        except (ProtocolError, BumbleTimeoutError, TimeoutError) as error:
            reply = Message.new_error(message, "org.bluez.Error.Failed", str(error))
        if self._objects.bus is not None:
            await self._objects.bus.send(reply)

    def _handler(
        self, message: Message
    ) -> Callable[[Message], Awaitable[tuple[str, list[object]]]] | None:
        known = {
            (_MANAGER, "GetManagedObjects"): self._managed,
            (ADAPTER, "SetDiscoveryFilter"): self._nothing,
            (ADAPTER, "StartDiscovery"): self._start_discovery,
            (ADAPTER, "StopDiscovery"): self._stop_discovery,
            (DEVICE, "Connect"): self._connect,
            (DEVICE, "Disconnect"): self._disconnect,
            (CHARACTERISTIC, "ReadValue"): self._read,
            (CHARACTERISTIC, "WriteValue"): self._write,
            (CHARACTERISTIC, "StartNotify"): self._start_notify,
            (CHARACTERISTIC, "StopNotify"): self._stop_notify,
        }
        return known.get((message.interface or "", message.member or ""))

    async def _managed(self, _message: Message) -> tuple[str, list[object]]:
        return "a{oa{sa{sv}}}", [self._objects.tree]

    async def _nothing(self, _message: Message) -> tuple[str, list[object]]:
        return "", []

    async def _start_discovery(self, _message: Message) -> tuple[str, list[object]]:
        if not self.strictness.powered:
            raise BlueZError("NotReady", "Resource Not Ready")
        if self._scanning:
            raise BlueZError("InProgress", "Operation already in progress")
        self._scanning = True
        self._central.on_seen = self._seen
        await self._central.scan(True)
        return "", []

    async def _stop_discovery(self, _message: Message) -> tuple[str, list[object]]:
        if not self._scanning:
            raise BlueZError("Failed", "No discovery started")
        self._scanning = False
        await self._central.scan(False)
        return "", []

    async def _connect(self, message: Message) -> tuple[str, list[object]]:
        path = self._known(message, DEVICE)
        if self._connecting:
            raise BlueZError("InProgress", "Operation already in progress")
        if len(self._sessions) >= self.strictness.slots:
            raise BlueZError("Failed", "Connection limit exceeded")
        if self.strictness.aborts > 0:
            self.strictness.aborts -= 1
            # The link was there for a moment, and clients see that before their error.
            self._objects.change(path, DEVICE, {"Connected": Variant("b", True)})
            self._objects.change(path, DEVICE, {"Connected": Variant("b", False)})
            raise BlueZError("Failed", "le-connection-abort-by-local")
        self._connecting = True
        try:
            address = str(self._objects.tree[path][DEVICE]["Address"].value)
            session = await self._central.connect(address, 5.0, lambda: self._gone(path))
        finally:
            self._connecting = False
        self._sessions[path] = session
        self._objects.change(path, DEVICE, {"Connected": Variant("b", True)})
        self._publish(path, session)
        self._objects.change(path, DEVICE, {"ServicesResolved": Variant("b", True)})
        return "", []

    async def _disconnect(self, message: Message) -> tuple[str, list[object]]:
        session = self._sessions.get(self._known(message, DEVICE))
        if session is not None:
            await self._central.disconnect(session)
        return "", []

    async def _read(self, message: Message) -> tuple[str, list[object]]:
        return "ay", [await self._remote(message).proxy.read_value()]

    async def _write(self, message: Message) -> tuple[str, list[object]]:
        data, options = message.body
        response = options["type"].value == "request"
        await self._remote(message).proxy.write_value(bytes(data), response)
        return "", []

    async def _start_notify(self, message: Message) -> tuple[str, list[object]]:
        remote, path = self._remote(message), str(message.path)
        if self.strictness.early:
            self._value(path, b"")
        await remote.proxy.subscribe(lambda data: self._value(path, data))
        self._objects.change(path, CHARACTERISTIC, {"Notifying": Variant("b", True)})
        return "", []

    async def _stop_notify(self, message: Message) -> tuple[str, list[object]]:
        await self._remote(message).proxy.unsubscribe(force=True)
        self._objects.change(str(message.path), CHARACTERISTIC, {"Notifying": Variant("b", False)})
        return "", []

    def _known(self, message: Message, interface: str) -> str:
        path = str(message.path)
        if not self._objects.has(path, interface):
            name = "org.freedesktop.DBus.Error.UnknownObject"
            raise BlueZError(name, f"no object at {path}")
        return path

    def _remote(self, message: Message) -> RemoteCharacteristic:
        return self._remotes[self._known(message, CHARACTERISTIC)]

    def _value(self, path: str, data: bytes) -> None:
        self._objects.change(path, CHARACTERISTIC, {"Value": Variant("ay", bytes(data))})

    def _seen(self, seen: Seen) -> None:
        path = f"{ADAPTER_PATH}/dev_{seen.address.replace(':', '_')}"
        self._heard[path] = asyncio.get_running_loop().time()
        companies = {key: Variant("ay", value) for key, value in seen.companies.items()}
        told: Properties = {
            "Alias": Variant("s", seen.name or seen.address.replace(":", "-")),
            "UUIDs": Variant("as", list(seen.services)),
            "ManufacturerData": Variant("a{qv}", companies),
            "RSSI": Variant("n", -50),
        }
        if seen.name:
            told["Name"] = Variant("s", seen.name)
        if self._objects.has(path, DEVICE):
            self._objects.change(path, DEVICE, told)
            return
        fixed = {
            "Address": Variant("s", seen.address),
            "AddressType": Variant("s", "random"),
            "Adapter": Variant("o", ADAPTER_PATH),
            **{
                name: Variant("b", False)
                for name in ("Connected", "Paired", "Trusted", "Blocked", "ServicesResolved")
            },
        }
        self._objects.add(path, DEVICE, fixed | told)

    def _publish(self, path: str, session: Session) -> None:
        for (uuid, handle), remotes in session.services.items():
            if uuid.startswith(_HIDDEN):
                continue
            service = f"{path}/service{handle:04x}"
            properties = {
                "UUID": Variant("s", uuid),
                "Device": Variant("o", path),
                "Primary": Variant("b", True),
            }
            self._objects.add(service, SERVICE, properties)
            for remote in remotes:
                inner = f"{service}/char{remote.handle:04x}"
                self._remotes[inner] = remote
                properties = {
                    "UUID": Variant("s", remote.uuid),
                    "Service": Variant("o", service),
                    "Flags": Variant("as", list(remote.can)),
                    "MTU": Variant("q", session.mtu),
                    "Notifying": Variant("b", False),
                    "Value": Variant("ay", b""),
                }
                self._objects.add(inner, CHARACTERISTIC, properties)

    def _gone(self, path: str) -> None:
        self._sessions.pop(path, None)
        self._heard[path] = asyncio.get_running_loop().time()
        for inner in self._objects.below(path):
            self._remotes.pop(inner, None)
            self._objects.remove(inner)
        off = Variant("b", False)
        self._objects.change(path, DEVICE, {"Connected": off, "ServicesResolved": off})

    async def _forget(self) -> None:
        while True:
            await asyncio.sleep(self.strictness.forget_s / 4.0)
            before = asyncio.get_running_loop().time() - self.strictness.forget_s
            for path in [p for p, at in self._heard.items() if at < before]:
                if path not in self._sessions and not self._scanning:
                    del self._heard[path]
                    self._objects.remove(path)
