"""What fails between a sensor and the program, one sentence for each, with what to do."""

from __future__ import annotations

import enum

from kinefed.datasets.errors import KinefedError


class SensorReason(enum.StrEnum):
    """Why a sensor cannot be used."""

    NO_BLUETOOTH = "no_bluetooth"
    NO_ADAPTER = "no_adapter"
    POWERED_OFF = "powered_off"
    NO_PERMISSION = "no_permission"
    BUSY = "busy"
    NOT_FOUND = "not_found"
    REFUSED = "refused"
    LOST = "lost"
    NO_DATA = "no_data"
    OTHER_SENSOR = "other_sensor"
    SMALL_MTU = "small_mtu"


class SensorError(KinefedError):
    """A sensor or the Bluetooth of this computer failed: exit code 4."""

    exit_code = 4


_SENTENCES: dict[SensorReason, tuple[str, str]] = {
    SensorReason.NO_BLUETOOTH: (
        "the Bluetooth service of this computer does not run",
        "Start it ('systemctl start bluetooth' on Linux) and try again",
    ),
    SensorReason.NO_ADAPTER: (
        "this computer has no Bluetooth LE adapter",
        "Plug one in, or look whether the system sees it ('bluetoothctl list' on Linux)",
    ),
    SensorReason.POWERED_OFF: (
        "Bluetooth is switched off",
        "Switch it on in the system's settings and try again",
    ),
    SensorReason.NO_PERMISSION: (
        "this program may not use Bluetooth",
        "Allow it in the system's privacy settings; on Linux, join the group 'bluetooth'",
    ),
    SensorReason.BUSY: (
        "another program uses the Bluetooth adapter",
        "End the other program, or wait until its scan has ended",
    ),
    SensorReason.NOT_FOUND: (
        "it was not found",
        "Switch it on, bring it nearer, and end other programs and phones connected to it",
    ),
    SensorReason.REFUSED: (
        "it was found but refused the connection or a command",
        "Switch it off and on again; an adapter holds 5 to 7 connections at a time",
    ),
    SensorReason.LOST: (
        "the connection broke",
        "Bring it nearer and charge it; the connection is tried again by itself",
    ),
    SensorReason.NO_DATA: (
        "it is connected but sends nothing",
        "Switch it off and on again",
    ),
    SensorReason.OTHER_SENSOR: (
        "it lacks a characteristic that its driver needs",
        "Choose the right driver, or update the sensor's firmware",
    ),
    SensorReason.SMALL_MTU: (
        "the connection carries too few bytes a packet for this setting",
        "Choose a setting with shorter packets, or another Bluetooth adapter",
    ),
}


def sensor_error(reason: SensorReason, where: object = "", detail: str = "") -> SensorError:
    """Make the error of a reason.

    Parameters
    ----------
    reason
        Why.
    where
        The sensor, or nothing where it is the computer.
    detail
        What the system said, for the message.
    """
    what, next_step = _SENTENCES[reason]
    said = f" ({detail})" if detail else ""
    return SensorError(reason, what + said, where=where, next_step=next_step)
