"""Every failure outside becomes one reason and one sentence with what to do."""

import pickle

import pytest
from bleak.exc import (
    BleakBluetoothNotAvailableError,
    BleakBluetoothNotAvailableReason,
    BleakDBusError,
    BleakDeviceNotFoundError,
    BleakError,
)
from bleak_retry_connector import BleakConnectionError, BleakNotFoundError

from kinefed.datasets.errors import KinefedError
from kinefed.sensors.errors import SensorError, SensorReason, sensor_error
from kinefed.sensors.faults import translate


def wrapped(outer, inner):
    outer.__cause__ = inner
    return outer


UNAVAILABLE = BleakBluetoothNotAvailableReason


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (BleakBluetoothNotAvailableError("x", UNAVAILABLE.POWERED_OFF), "powered_off"),
        (BleakBluetoothNotAvailableError("x", UNAVAILABLE.NO_BLUETOOTH), "no_adapter"),
        (BleakBluetoothNotAvailableError("x", UNAVAILABLE.DENIED_BY_USER), "no_permission"),
        (BleakDBusError("org.freedesktop.DBus.Error.ServiceUnknown", ["x"]), "no_bluetooth"),
        (BleakDBusError("org.freedesktop.DBus.Error.AccessDenied", ["x"]), "no_permission"),
        (BleakDBusError("org.bluez.Error.NotReady", ["x"]), "powered_off"),
        (BleakDBusError("org.bluez.Error.InProgress", ["x"]), "busy"),
        (BleakDBusError("org.bluez.Error.Failed", ["x"]), "refused"),
        (BleakDBusError("org.bluez.Error.NotConnected", ["x"]), "lost"),
        (BleakDeviceNotFoundError("F0", "x"), "not_found"),
        (BleakError("Not connected"), "lost"),
        (BleakError("something else"), "refused"),
        (FileNotFoundError("no bus"), "no_bluetooth"),
        (PermissionError("bus"), "no_permission"),
        (EOFError(), "no_bluetooth"),
        (TimeoutError(), "refused"),
        (
            wrapped(BleakConnectionError("x"), BleakDBusError("org.bluez.Error.NotReady", [])),
            "powered_off",
        ),
        (wrapped(BleakNotFoundError("x"), BleakDeviceNotFoundError("F0")), "not_found"),
    ],
)
def test_reasons(error, reason):
    found = translate(error, "shank.r")
    assert found.reason == reason
    assert found.exit_code == 4
    assert str(found).startswith("shank.r: ")
    assert found.next_step


def test_every_reason_of_bleak_is_known():
    for reason in UNAVAILABLE:
        assert translate(BleakBluetoothNotAvailableError("x", reason)).next_step


@pytest.mark.parametrize("reason", SensorReason)
def test_every_reason_has_a_sentence_that_survives_a_process_boundary(reason):
    error = sensor_error(reason, "wrist.l", "what the system said")
    assert isinstance(error, KinefedError)
    assert "what the system said" in str(error)
    back = pickle.loads(pickle.dumps(error))
    assert (type(back), back.reason, str(back)) == (SensorError, reason, str(error))
