"""Emulated EMG armbands and the force gauge: Thalmic Myo, OYMotion gForce, Tindeq Progressor."""

from __future__ import annotations

import math
import struct

import numpy as np

from kinefed.sensors.virtual.sensor import (
    BATTERY_LEVEL,
    BATTERY_SERVICE,
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
EIGHT = " ".join(f"emg.{i}" for i in range(1, 9))


def _myo(short: str) -> str:
    return f"d506{short}-a904-deb9-4748-2c7f4a124842"


class VirtualMyo(VirtualSensor):
    """Thalmic Myo; its EMG signal is in counts, as it has no unit."""

    emg = tuple(_myo(short) for short in ("0105", "0205", "0305", "0405"))
    profile = Profile(
        "My Myo",
        {
            _myo("0001"): (
                Attribute(_myo("0201"), (READ,), struct.pack("<4H", 1, 5, 1970, 2)),
                Attribute(_myo("0401"), (WRITE,)),
            ),
            _myo("0002"): (Attribute(_myo("0402"), (NOTIFY,)),),
            _myo("0005"): tuple(Attribute(uuid, (NOTIFY,)) for uuid in emg),
            BATTERY_SERVICE: (Attribute(BATTERY_LEVEL, (READ, NOTIFY)),),
        },
        advertised=(_myo("0001"),),
    )

    def written(self, characteristic: str, data: bytes, now_s: float) -> list[Value]:
        """Take the mode."""
        if data[:2] == b"\x01\x03":
            self._stop()
            if data[2] in (2, 3):
                self._start("emg", 200.0, now_s, 2)
            if data[3] in (1, 3):
                self._start("imu", 50.0, now_s)
        return []

    def encode(self, stream: str, first: int, times_s: FloatArray, ticks_s: FloatArray) -> Value:
        """Write two samples of eight electrodes, or one of the IMU."""
        if stream == "emg":
            rows = counts(self._columns(EIGHT, times_s), 1.0, 8)
            return Value(self.emg[first // 2 % 4], rows.astype("i1").tobytes())
        lsb = np.repeat((1.0 / 16384.0, G / 2048.0, math.pi / 180.0 / 16.0), (4, 3, 3))
        row = counts(self._columns("quat acc gyro", times_s)[0], lsb)
        return Value(_myo("0402"), struct.pack("<10h", *row))


class VirtualGForce(VirtualSensor):
    """OYMotion gForce; its EMG signal is in V behind a gain of 1200."""

    command = "f000ffe1-0451-4000-b000-000000000000"
    data = "f000ffe2-0451-4000-b000-000000000000"
    service = "0000ffd0-0000-1000-8000-00805f9b34fb"
    profile = Profile(
        "gForcePro",
        {service: (Attribute(command, (WRITE, NOTIFY)), Attribute(data, (NOTIFY,)))},
        advertised=(service,),
    )
    rate_hz = 500
    bits = 12

    def written(self, characteristic: str, data: bytes, now_s: float) -> list[Value]:
        """Take settings, data switch and battery question, and answer each."""
        body = b""
        if data[0] == 0x3F:
            self.rate_hz, _, _, self.bits = struct.unpack("<HHBB", data[1:])
        elif data[0] == 0x08:
            body = bytes((self.quirks.battery,))
        elif data[0] == 0x4F:
            self._stop()
            (flags,) = struct.unpack("<I", data[1:])
            if flags & 0x80:
                self._start(
                    "emg", self.rate_hz, now_s, 128 * 8 // (8 * (8 if self.bits == 8 else 16))
                )
            for name, flag in (("acc", 1), ("gyro", 2), ("mag", 4)):
                if flags & flag:
                    self._start(name, 50.0, now_s)
        return [Value(self.command, bytes((0, data[0])) + body)]

    def encode(self, stream: str, first: int, times_s: FloatArray, ticks_s: FloatArray) -> Value:
        """Write 128 bytes of EMG, or three numbers of the IMU."""
        if stream != "emg":
            kind, unit = {"acc": (1, G), "gyro": (2, math.pi / 180.0), "mag": (3, 1.0 / 50.0)}[
                stream
            ]
            row = counts(self._columns(stream, times_s)[0], unit / 65536.0, 32)
            return Value(self.data, struct.pack("<B3i", kind, *row))
        half = 2 ** (self.bits - 1)
        rows = counts(self._columns(EIGHT, times_s), 2.5 / 1200.0 / (half - 1), self.bits) + half
        return Value(self.data, b"\x08" + rows.astype("u1" if self.bits == 8 else "<u2").tobytes())


def _tindeq(short: str) -> str:
    return f"7e4e17{short}-1ea6-40c9-9dcc-13d34ffead57"


class VirtualProgressor(VirtualSensor):
    """Tindeq Progressor: its clock restarts with every start command."""

    profile = Profile(
        "Progressor_1234",
        {
            _tindeq("01"): (
                Attribute(_tindeq("02"), (NOTIFY,)),
                Attribute(_tindeq("03"), (WRITE,)),
            )
        },
    )
    per_packet = 8
    started_s = 0.0

    def written(self, characteristic: str, data: bytes, now_s: float) -> list[Value]:
        """Take start, stop and battery question."""
        if data == b"\x65":
            self.started_s = now_s
            self._start("force", 80.0, now_s, self.per_packet)
        elif data == b"\x66":
            self._stop()
        elif data == b"\x6f":
            return [Value(_tindeq("02"), struct.pack("<BBI", 0, 4, 3950))]
        return []

    def encode(self, stream: str, first: int, times_s: FloatArray, ticks_s: FloatArray) -> Value:
        """Write pairs of force and time since the start."""
        newtons = self._columns("force", times_s)[:, 0]
        since = (times_s - self.started_s) * (1.0 + self.quirks.skew)
        pairs = [
            struct.pack("<fI", force / G, round(tick * 1e6))
            for force, tick in zip(newtons, since, strict=True)
        ]
        return Value(_tindeq("02"), struct.pack("<BB", 1, 8 * len(pairs)) + b"".join(pairs))
