"""Thalmic Myo: armband of eight surface EMG electrodes (200 Hz) and an IMU (50 Hz).

Layout: ``myohw.h`` of the maker's myo-bluetooth. It calls all values big-endian; the armband
sends little-endian, as every working driver reads it.

There is neither clock nor counter. Four EMG characteristics take turns, which shows loss modulo
four packets; the arrivals show the rest.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable

import numpy as np

from kinefed.sensors.channel import COUNT, DEGREE, STANDARD_GRAVITY, axes, electrodes
from kinefed.sensors.decoder import (
    BATTERY_LEVEL,
    Decoder,
    Handler,
    Item,
    Notice,
    Refusal,
    Refused,
    numbers,
    require,
)
from kinefed.sensors.driver import Driver, StreamSpec, Write
from kinefed.sensors.drivers._options import one_of
from kinefed.sensors.loss import ArrivalLoss, TickCounter
from kinefed.sensors.track import Track

DRIVER_ID = "myo"


def uuid(short: str) -> str:
    """Write out one of the maker's UUIDs."""
    return f"d506{short}-a904-deb9-4748-2c7f4a124842"


SERVICE, FIRMWARE, COMMAND = uuid("0001"), uuid("0201"), uuid("0401")
IMU = uuid("0402")
EMG = tuple(uuid(short) for short in ("0105", "0205", "0305", "0405"))

EMG_MODES = {"filtered": 2, "raw": 3}
EMG_HZ, IMU_HZ = 200.0, 50.0
PER_PACKET = 2

_QUAT_LSB = 1.0 / 16384.0
_ACC_LSB = STANDARD_GRAVITY / 2048.0
_GYRO_LSB = DEGREE / 16.0
_EMG_SPEC = StreamSpec("emg", electrodes(8, unit=COUNT, lsb=1.0), EMG_HZ)
_IMU_SPEC = StreamSpec(
    "imu", (*axes("quat", _QUAT_LSB), *axes("acc", _ACC_LSB), *axes("gyro", _GYRO_LSB)), IMU_HZ
)
_IMU_SCALE = np.repeat((_QUAT_LSB, _ACC_LSB, _GYRO_LSB), (4, 3, 3))


def myo(emg: str = "filtered") -> Driver:
    """Make the driver of a Myo.

    Parameters
    ----------
    emg
        ``"filtered"``: mains hum is taken out on the armband; ``"raw"``: it is not.

    Raises
    ------
    UsageError
        ``bad_argument``.
    """
    mode = EMG_MODES[one_of(DRIVER_ID, "emg", emg, EMG_MODES)]
    return Driver(
        DRIVER_ID,
        "Thalmic Myo",
        SERVICE,
        (_EMG_SPEC, _IMU_SPEC),
        notifies=(*EMG, IMU, BATTERY_LEVEL),
        make_decoder=_MyoDecoder,
        services=(SERVICE,),
        start=(
            # Never sleep: it would drop the link after 30 s of rest.
            Write(COMMAND, bytes((0x09, 1, 1))),
            Write(COMMAND, bytes((0x01, 3, mode, 1, 0))),
        ),
        stop=(Write(COMMAND, bytes((0x01, 3, 0, 0, 0))), Write(COMMAND, bytes((0x09, 1, 0)))),
        reads=(FIRMWARE, BATTERY_LEVEL),
    )


class _MyoDecoder(Decoder):
    def __init__(self) -> None:
        emg = {uuid: self._emg_handler(turn) for turn, uuid in enumerate(EMG)}
        super().__init__({**emg, IMU: self._imu, FIRMWARE: _firmware})
        turns = len(EMG)
        self._emg = Track(
            "emg",
            EMG_HZ,
            clock=TickCounter(turns, EMG_HZ / PER_PACKET, 1.0),
            # The rotation shows what is left over after whole rounds.
            arrivals=ArrivalLoss(EMG_HZ, quantum=turns * PER_PACKET),
        )
        self._imu_track = Track("imu", IMU_HZ, arrivals=ArrivalLoss(IMU_HZ))

    def reconnected(self) -> None:
        self._emg.reconnected()
        self._imu_track.reconnected()

    def _emg_handler(self, turn: int) -> Handler:
        def handler(value: bytes, arrival_ns: int) -> Iterable[Item]:
            values = numbers(require(value, 16), "i1", 8)
            return (self._emg.counted(values, arrival_ns, turn),)

        return handler

    def _imu(self, value: bytes, arrival_ns: int) -> Iterable[Item]:
        values = numbers(require(value, 20), "<i2", 10) * _IMU_SCALE
        return (self._imu_track.plain(_IMU_SPEC.checked(values), arrival_ns),)


def _firmware(value: bytes, _arrival_ns: int) -> Iterable[Item]:
    major, minor, patch, hardware = struct.unpack("<4H", require(value, 8))
    if major == 0:
        raise Refused(Refusal.OUT_OF_RANGE)
    return (Notice("device", True, {"firmware": f"{major}.{minor}.{patch}", "hw": hardware}),)
