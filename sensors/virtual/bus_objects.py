"""Objects of a D-Bus service: their properties, and the signals that tell of a change."""

from __future__ import annotations

from dbus_fast import Message, Variant
from dbus_fast.aio import MessageBus

Properties = dict[str, Variant]

_MANAGER = "org.freedesktop.DBus.ObjectManager"
_PROPERTIES = "org.freedesktop.DBus.Properties"


class BlueZError(Exception):
    """An answer that is an error: a D-Bus name and a text."""

    def __init__(self, name: str, text: str) -> None:
        super().__init__(text)
        self.name = name if "." in name else f"org.bluez.Error.{name}"


class BusObjects:
    """A tree of objects with one interface each.

    Attributes
    ----------
    bus
        Where signals go; None before the start and after the end.
    tree
        Path to interface to properties, as `GetManagedObjects` answers.
    """

    def __init__(self) -> None:
        self.bus: MessageBus | None = None
        self.tree: dict[str, dict[str, Properties]] = {}

    def has(self, path: str, interface: str) -> bool:
        """Whether there is such an object."""
        return interface in self.tree.get(path, {})

    def below(self, path: str) -> list[str]:
        """List the paths within another one."""
        return [each for each in self.tree if each.startswith(path + "/")]

    def add(self, path: str, interface: str, properties: Properties) -> None:
        """Make an object."""
        self.tree[path] = {interface: properties}
        self._signal("/", _MANAGER, "InterfacesAdded", "oa{sa{sv}}", [path, self.tree[path]])

    def remove(self, path: str) -> None:
        """Take an object away."""
        interfaces = list(self.tree.pop(path, {}))
        self._signal("/", _MANAGER, "InterfacesRemoved", "oas", [path, interfaces])

    def change(self, path: str, interface: str, properties: Properties) -> None:
        """Change properties of an object; one that is gone is left alone."""
        if path not in self.tree:
            return
        self.tree[path][interface].update(properties)
        body: list[object] = [interface, properties, []]
        self._signal(path, _PROPERTIES, "PropertiesChanged", "sa{sv}as", body)

    def _signal(
        self, path: str, interface: str, member: str, signature: str, body: list[object]
    ) -> None:
        if self.bus is not None and self.bus.connected:
            self.bus.send(Message.new_signal(path, interface, member, signature, body))
