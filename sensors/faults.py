"""What bleak and the system raise, translated into the reasons of `kinefed.sensors.errors`."""

from __future__ import annotations

import re

from bleak.exc import (
    BleakBluetoothNotAvailableError,
    BleakBluetoothNotAvailableReason,
    BleakDBusError,
    BleakDeviceNotFoundError,
    BleakError,
)

from kinefed.sensors.errors import SensorError, SensorReason, sensor_error

_UNAVAILABLE = {
    BleakBluetoothNotAvailableReason.NO_BLUETOOTH: SensorReason.NO_ADAPTER,
    BleakBluetoothNotAvailableReason.NO_BLE_CENTRAL_ROLE: SensorReason.NO_ADAPTER,
    BleakBluetoothNotAvailableReason.POWERED_OFF: SensorReason.POWERED_OFF,
    BleakBluetoothNotAvailableReason.DENIED_BY_USER: SensorReason.NO_PERMISSION,
    BleakBluetoothNotAvailableReason.DENIED_BY_SYSTEM: SensorReason.NO_PERMISSION,
    BleakBluetoothNotAvailableReason.DENIED_BY_UNKNOWN: SensorReason.NO_PERMISSION,
    BleakBluetoothNotAvailableReason.UNKNOWN: SensorReason.NO_BLUETOOTH,
}
# Ends of D-Bus error names.
_DBUS = {
    "ServiceUnknown": SensorReason.NO_BLUETOOTH,
    "NameHasNoOwner": SensorReason.NO_BLUETOOTH,
    "NoReply": SensorReason.NO_BLUETOOTH,
    "Disconnected": SensorReason.NO_BLUETOOTH,
    "AccessDenied": SensorReason.NO_PERMISSION,
    "NotReady": SensorReason.POWERED_OFF,
    "InProgress": SensorReason.BUSY,
    "UnknownObject": SensorReason.NOT_FOUND,
    "NotConnected": SensorReason.LOST,
}

# Of a name that the system does not have: bleak has no reason for it.
_NO_SUCH_ADAPTER = re.compile(r"adapter '.*' not found")

RADIO_ERRORS = (BleakError, OSError, EOFError, TimeoutError)
"""What bleak raises where something outside fails: `OSError` and `EOFError` are of the D-Bus."""


def translate(error: BaseException, where: object = "") -> SensorError:
    """Find the reason behind one of `RADIO_ERRORS`.

    Parameters
    ----------
    error
        What was raised.
    where
        The sensor, or nothing where it is the computer.
    """
    return sensor_error(_reason(error), where, str(error) or type(error).__name__)


def _reason(error: BaseException) -> SensorReason:
    # bleak-retry-connector wraps the last of its attempts.
    if isinstance(error.__cause__, BleakError) and not isinstance(error, BleakDBusError):
        return _reason(error.__cause__)
    if isinstance(error, BleakBluetoothNotAvailableError):
        return _UNAVAILABLE[error.reason]
    if isinstance(error, BleakDeviceNotFoundError):
        return SensorReason.NOT_FOUND
    if isinstance(error, BleakDBusError):
        return _DBUS.get(error.dbus_error.rpartition(".")[2], SensorReason.REFUSED)
    if isinstance(error, PermissionError):
        return SensorReason.NO_PERMISSION
    if isinstance(error, TimeoutError):
        return SensorReason.REFUSED
    if isinstance(error, OSError | EOFError):
        return SensorReason.NO_BLUETOOTH
    if _NO_SUCH_ADAPTER.match(str(error)):
        return SensorReason.NO_ADAPTER
    if "Not connected" in str(error) or "disconnect" in str(error).lower():
        return SensorReason.LOST
    return SensorReason.REFUSED
