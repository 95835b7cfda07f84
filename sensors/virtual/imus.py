"""Emulated IMUs: Movella DOT, WitMotion, Thingy:52."""

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
    WRITE_FAST,
    Attribute,
    FloatArray,
    Profile,
    Quirks,
    Value,
    VirtualSensor,
    counts,
)

G = 9.80665
_BATTERY = {BATTERY_SERVICE: (Attribute(BATTERY_LEVEL, (READ, NOTIFY)),)}
_DEGREES = 180.0 / math.pi


def _dot(short: str) -> str:
    return f"1517{short}-4947-11e9-8646-d663bd873d93"


def _dot_message(body: bytes) -> bytes:
    return body + bytes((-sum(body) & 0xFF,))


# Mode: short UUID, length of the value, fields.
_DOT_MODES = {
    2: ("2003", 40, "quat free_acc status"),
    3: ("2003", 40, "quat free_acc"),
    4: ("2004", 20, "euler"),
    5: ("2004", 20, "quat"),
    6: ("2004", 20, "free_acc"),
    7: ("2003", 40, "euler free_acc status"),
    16: ("2003", 40, "euler free_acc"),
    18: ("2003", 40, "delta_quat delta_velocity mag"),
    19: ("2003", 40, "delta_quat delta_velocity"),
    20: ("2003", 40, "acc gyro mag"),
    21: ("2003", 40, "acc gyro"),
    22: ("2003", 40, "euler free_acc gyro"),
    23: ("2003", 40, "euler free_acc mag"),
    24: ("2003", 40, "quat gyro"),
    26: ("2002", 63, "quat acc gyro"),
}


class VirtualDot(VirtualSensor):
    """Movella DOT."""

    profile = Profile(
        "Movella DOT",
        {
            _dot("1000"): (
                Attribute(
                    _dot("1001"), (READ,), bytes(6) + bytes((3, 0, 0)) + bytes(19) + b"XS-T02"
                ),
                Attribute(_dot("1002"), (READ, WRITE), bytes(32)),
                Attribute(_dot("1004"), (NOTIFY,)),
            ),
            _dot("2000"): (
                Attribute(_dot("2001"), (READ, WRITE), b"\x01\x00\x00"),
                Attribute(_dot("2002"), (NOTIFY,)),
                Attribute(_dot("2003"), (NOTIFY,)),
                Attribute(_dot("2004"), (NOTIFY,)),
            ),
            _dot("3000"): (Attribute(_dot("3001"), (READ, NOTIFY)),),
            _dot("7000"): (
                Attribute(_dot("7001"), (WRITE,)),
                Attribute(_dot("7002"), (READ,), bytes.fromhex("02020309f0")),
                Attribute(_dot("7003"), (NOTIFY,)),
            ),
        },
        advertised=(_dot("1000"),),
        company=0x0886,
    )
    rate_hz = 60
    mode = 0
    # Host's time and root of the synchronisation that runs, and whether the sensor was let alone.
    sync_s = 0.0
    sync_root = b""
    sync_alone = False
    sync_done = False

    def read(self, characteristic: str, now_s: float = 0.0) -> bytes:
        """Give a value; the battery and the result of a synchronisation are its own."""
        if characteristic == _dot("3001"):
            return bytes((self.quirks.battery, 0))
        if characteristic == _dot("7002"):
            return _dot_message(b"\x02\x02\x03" + bytes((self._synced(now_s),)))
        return super().read(characteristic, now_s)

    def disconnected(self) -> None:
        """Look for the other sensors, if it was told to."""
        super().disconnected()
        self.sync_alone = bool(self.sync_root)

    def written(self, characteristic: str, data: bytes, now_s: float) -> list[Value]:
        """Take rate, start and stop."""
        if characteristic == _dot("1002") and data[0] & 0x10 and not self._running:
            (self.rate_hz,) = struct.unpack_from("<H", data, 24)
        elif characteristic == _dot("2001") and data[:1] == b"\x01":
            self._stop()
            if data[1] == 1 and data[2] in _DOT_MODES:
                self.mode = data[2]
                self._start("imu", self.rate_hz, now_s)
        elif characteristic == _dot("7001") and sum(data) % 256 == 0 and data[:1] == b"\x02":
            return self._told(data, now_s)
        return []

    def _told(self, data: bytes, now_s: float) -> list[Value]:
        """Take a message about the synchronisation: status, stop or start."""
        if data[2] == 8:
            answer = b"\x02\x02\x51" + (b"\x04" if self.sync_done else b"\x09")
            return [Value(_dot("7003"), _dot_message(answer))]
        if data[2] == 2:
            self.sync_root, self.sync_done = b"", False
            return [Value(_dot("7003"), _dot_message(b"\x02\x02\x50\x00"))]
        if data[2] == 1 and len(data) == 10 and not self.sync_done:
            self.sync_root, self.sync_s, self.sync_alone = data[3:9], now_s, False
        return []

    def _synced(self, now_s: float) -> int:
        """Give the result, and go by the root's clock where it is done."""
        if not self.sync_root:
            return 9
        if not self.sync_alone or now_s - self.sync_s < 12.0:
            return 5
        # All that were told of one root count from one time, and no longer drift.
        self.quirks = Quirks(0.0, float(sum(self.sync_root)), self.quirks.battery)
        self.sync_done = True
        return 0

    def encode(self, stream: str, first: int, times_s: FloatArray, ticks_s: FloatArray) -> Value:
        """Write the payload of the mode, padded to the length of its characteristic."""
        short, length, fields = _DOT_MODES[self.mode]
        data = struct.pack("<I", round(ticks_s[0] * 1e6) % 2**32)
        for name in fields.split():
            if name == "status":
                data += bytes(4)
                continue
            row = self._columns(name, times_s)[0]
            if name == "mag":
                data += struct.pack("<3h", *counts(row, 1.0 / 4096.0))
            else:
                factor = _DEGREES if name in ("euler", "gyro") else 1.0
                data += np.asarray(row * factor, dtype="<f4").tobytes()
        return Value(_dot(short), data.ljust(length, b"\0"))


_WIT_RATES_HZ = {3: 1, 4: 2, 5: 5, 6: 10, 7: 20, 8: 50, 9: 100, 10: 200}


class VirtualWit(VirtualSensor):
    """WitMotion BLE 5.0: streams as soon as somebody subscribes."""

    data = "0000ffe4-0000-1000-8000-00805f9a34fb"
    service = "0000ffe5-0000-1000-8000-00805f9a34fb"
    profile = Profile(
        "WT901BLE67",
        {
            service: (
                Attribute(data, (NOTIFY,)),
                Attribute("0000ffe9-0000-1000-8000-00805f9a34fb", (WRITE, WRITE_FAST)),
            )
        },
        advertised=(service,),
    )

    rate_hz = 10
    timed = False

    def subscribed(self, characteristic: str, on: bool, now_s: float) -> None:
        """Start or stop."""
        super().subscribed(characteristic, on, now_s)
        if characteristic == self.data:
            self._stop()
            if on:
                self._begin(now_s)

    def written(self, characteristic: str, data: bytes, now_s: float) -> list[Value]:
        """Take rate and register reads."""
        if data[:2] != b"\xff\xaa":
            return []
        register, value = data[2:4]
        if register == 0x03 and value in _WIT_RATES_HZ:
            self.rate_hz = _WIT_RATES_HZ[value]
            if self._running:
                self._begin(now_s)
        if register == 0x27:
            values = [382 if value == 0x64 else 0, *[0] * 7]
            return [Value(self.data, struct.pack("<2sH8h", b"\x55\x71", value, *values))]
        return []

    def encode(self, stream: str, first: int, times_s: FloatArray, ticks_s: FloatArray) -> Value:
        """Write all frames of a notification."""
        rows = self._columns("acc gyro euler", times_s)
        full = np.repeat((16.0 * G, 2000.0 / _DEGREES, math.pi), 3)
        data = b""
        for row, tick in zip(rows, ticks_s, strict=True):
            data += struct.pack("<2s9h", b"\x55\x61", *counts(row, full / 32768.0))
            if self.timed:
                ms = round(tick * 1000) % 86_400_000
                clock = (ms // 3_600_000, ms // 60_000 % 60, ms // 1000 % 60, ms % 1000)
                data += struct.pack("<6BH", 26, 9, 1, *clock)
        return Value(self.data, data)

    def _begin(self, now_s: float) -> None:
        self._start("imu", self.rate_hz, now_s, max(1, self.rate_hz // 25))


def _thingy(short: str) -> str:
    return f"ef68{short}-9b35-4933-9b10-52ffa9740042"


class VirtualThingy(VirtualSensor):
    """Nordic Thingy:52: streams what is subscribed."""

    profile = Profile(
        "Thingy",
        {
            _thingy("0100"): (Attribute(_thingy("0104"), (READ, WRITE), bytes(8)),),
            _thingy("0400"): (
                Attribute(_thingy("0401"), (READ, WRITE), bytes(9)),
                Attribute(_thingy("0404"), (NOTIFY,)),
                Attribute(_thingy("0406"), (NOTIFY,)),
            ),
            **_BATTERY,
        },
        advertised=(_thingy("0100"),),
    )
    rate_hz = 10

    def written(self, characteristic: str, data: bytes, now_s: float) -> list[Value]:
        """Take the motion settings."""
        if characteristic == _thingy("0401"):
            self.rate_hz = struct.unpack("<4HB", data)[3]
        return []

    def subscribed(self, characteristic: str, on: bool, now_s: float) -> None:
        """Start or stop one of the streams."""
        super().subscribed(characteristic, on, now_s)
        name = {_thingy("0404"): "orientation", _thingy("0406"): "imu"}.get(characteristic)
        if name is not None:
            self._running.pop(name, None)
            if on:
                self._start(name, self.rate_hz, now_s)

    def encode(self, stream: str, first: int, times_s: FloatArray, ticks_s: FloatArray) -> Value:
        """Write a quaternion or the nine raw axes."""
        if stream == "orientation":
            row = counts(self._columns("quat", times_s)[0], 2.0**-30, 32)
            return Value(_thingy("0404"), struct.pack("<4i", *row))
        lsb = np.repeat((G / 1024.0, 1.0 / 32.0 / _DEGREES, 1.0 / 16.0 / 50.0), 3)
        row = counts(self._columns("acc gyro mag", times_s)[0], lsb)
        return Value(_thingy("0406"), struct.pack("<9h", *row))
