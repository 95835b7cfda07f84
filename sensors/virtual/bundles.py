"""Emulated sensors that gather samples behind a clock: Polar H10 and the reference packet."""

from __future__ import annotations

import math
import struct

import numpy as np

from kinefed.sensors.virtual.sensor import (
    BATTERY_LEVEL,
    BATTERY_SERVICE,
    INDICATE,
    NOTIFY,
    READ,
    WRITE,
    Attribute,
    FloatArray,
    Profile,
    Value,
    VirtualSensor,
    counts,
)

G = 9.80665
_BATTERY = {BATTERY_SERVICE: (Attribute(BATTERY_LEVEL, (READ, NOTIFY)),)}
_DEGREES = 180.0 / math.pi


def _polar(short: str) -> str:
    return f"fb005c{short}-02e7-f387-1cad-8acd2d8df0c8"


class VirtualPolar(VirtualSensor):
    """Polar H10: the accelerometer, 36 samples a packet."""

    profile = Profile(
        "Polar H10 12345678",
        {
            _polar("80"): (
                Attribute(_polar("81"), (READ, WRITE, INDICATE), bytes.fromhex("0f05")),
                Attribute(_polar("82"), (NOTIFY,)),
            ),
            **_BATTERY,
        },
    )
    per_packet = 36

    def written(self, characteristic: str, data: bytes, now_s: float) -> list[Value]:
        """Take start and stop, and answer with a status."""
        status = 1
        if data[:2] == b"\x02\x02":
            settings = {data[i]: struct.unpack_from("<H", data, i + 2)[0] for i in (2, 6, 10)}
            status = 0 if settings[0] in (25, 50, 100, 200) else 8
            if status == 0:
                self._start("imu", settings[0], now_s, self.per_packet)
        elif data == b"\x03\x02":
            status = 0
            self._stop()
        return [Value(_polar("81"), bytes((0xF0, data[0], 2, status, 0)))]

    def encode(self, stream: str, first: int, times_s: FloatArray, ticks_s: FloatArray) -> Value:
        """Write a frame of type 1 with the time of its last sample."""
        rows = counts(self._columns("acc", times_s), G / 1000.0)
        head = struct.pack("<BQB", 2, round(ticks_s[-1] * 1e9), 1)
        return Value(_polar("82"), head + rows.astype("<i2").tobytes())


def _own(short: str) -> str:
    return f"6b696e65-{short}-4665-b64c-696b656d7520"


class VirtualReference(VirtualSensor):
    """The packet that is recommended to own firmware."""

    profile = Profile(
        "kinefed shank",
        {
            _own("0001"): (
                Attribute(_own("0002"), (WRITE,)),
                Attribute(_own("0003"), (NOTIFY,)),
            ),
            **_BATTERY,
        },
        advertised=(_own("0001"),),
    )
    per_packet = 5

    def written(self, characteristic: str, data: bytes, now_s: float) -> list[Value]:
        """Take start and stop."""
        self._stop()
        if data == b"\x01":
            self._start("imu", 100.0, now_s, self.per_packet)
        return []

    def encode(self, stream: str, first: int, times_s: FloatArray, ticks_s: FloatArray) -> Value:
        """Write counter, clock, count and samples."""
        number = first // self.per_packet % 2**16
        head = struct.pack("<HIB", number, round(ticks_s[0] * 1e6) % 2**32, len(times_s))
        lsb = np.repeat((16.0 * G / 32768.0, 2000.0 / _DEGREES / 32768.0), 3)
        rows = counts(self._columns("acc gyro", times_s), lsb)
        return Value(_own("0003"), head + rows.astype("<i2").tobytes())
