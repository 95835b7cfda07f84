"""Nordic Thingy:52: nine-axis IMU, 5 to 200 Hz, without clock or counter.

Layout: the maker's firmware 2.2.0, which shifts Q16.16 to the right by 6 (acceleration), 11
(angular velocity) and 12 bits (compass).
"""

from __future__ import annotations

import struct
from collections.abc import Iterable

import numpy as np

from kinefed.sensors.channel import DEGREE, EARTH_FIELD_UT, STANDARD_GRAVITY, axes
from kinefed.sensors.decoder import BATTERY_LEVEL, Decoder, Item, numbers, require
from kinefed.sensors.driver import Driver, StreamSpec, Write
from kinefed.sensors.drivers._options import one_of
from kinefed.sensors.loss import ArrivalLoss
from kinefed.sensors.track import Track

DRIVER_ID = "thingy"


def uuid(short: str) -> str:
    """Write out one of the maker's UUIDs."""
    return f"ef68{short}-9b35-4933-9b10-52ffa9740042"


SERVICE, CONNECTION, MOTION = uuid("0100"), uuid("0104"), uuid("0401")
QUATERNION, RAW = uuid("0404"), uuid("0406")

_QUAT_LSB = 2.0**-30
_ACC_LSB = STANDARD_GRAVITY / 1024.0
_GYRO_LSB = DEGREE / 32.0
_MAG_LSB = 1.0 / 16.0 / EARTH_FIELD_UT
_RAW_SCALE = np.repeat((_ACC_LSB, _GYRO_LSB, _MAG_LSB), 3)


def thingy(rate_hz: int = 100, orientation: bool = True) -> Driver:
    """Make the driver of a Thingy:52.

    Parameters
    ----------
    rate_hz
        5 to 200.
    orientation
        Take the quaternion too; it comes in notifications of its own.

    Raises
    ------
    UsageError
        ``bad_argument``.
    """
    one_of(DRIVER_ID, "rate_hz", rate_hz, range(5, 201))
    rate = float(rate_hz)
    raw = (*axes("acc", _ACC_LSB), *axes("gyro", _GYRO_LSB), *axes("mag", _MAG_LSB))
    specs = {"imu": StreamSpec("imu", raw, rate)}
    if orientation:
        specs["orientation"] = StreamSpec("orientation", axes("quat", _QUAT_LSB), rate)
    # Interval 7.5 to 15 ms, no latency, time-out 4 s: 200 Hz does not fit into slower ones.
    connection = struct.pack("<4H", 6, 12, 0, 400)
    # Step counter and the two compensations at 500 ms as delivered; no wake on motion.
    motion = struct.pack("<4HB", 500, 500, 500, rate_hz, 0)
    return Driver(
        DRIVER_ID,
        "Nordic Thingy:52",
        SERVICE,
        tuple(specs.values()),
        notifies=(RAW, *((QUATERNION,) if orientation else ()), BATTERY_LEVEL),
        make_decoder=lambda: _ThingyDecoder(specs),
        names=("Thingy",),
        services=(SERVICE,),
        setup=(Write(CONNECTION, connection), Write(MOTION, motion)),
        reads=(BATTERY_LEVEL,),
        silence_s=max(0.5, 3.0 / rate),
    )


class _ThingyDecoder(Decoder):
    def __init__(self, specs: dict[str, StreamSpec]) -> None:
        super().__init__({RAW: self._raw, QUATERNION: self._quaternion})
        self._specs = specs
        self._tracks = {
            name: Track(name, spec.rate_hz, arrivals=ArrivalLoss(spec.rate_hz or 1.0))
            for name, spec in specs.items()
        }

    def reconnected(self) -> None:
        for track in self._tracks.values():
            track.reconnected()

    def _raw(self, value: bytes, arrival_ns: int) -> Iterable[Item]:
        values = numbers(require(value, 18), "<i2", 9) * _RAW_SCALE
        return (self._tracks["imu"].plain(self._specs["imu"].checked(values), arrival_ns),)

    def _quaternion(self, value: bytes, arrival_ns: int) -> Iterable[Item]:
        spec = self._specs.get("orientation")
        if spec is None:
            return ()
        values = numbers(require(value, 16), "<i4", 4) * _QUAT_LSB
        return (self._tracks["orientation"].plain(spec.checked(values), arrival_ns),)
