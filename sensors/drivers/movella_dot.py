"""Movella DOT (formerly Xsens DOT): nine-axis IMU with its own clock, 1 to 60 Hz.

Layout: Movella DOT BLE Services Specifications (2023, revisions A to C).
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from kinefed.sensors.channel import DEGREE, Channel, axes
from kinefed.sensors.decoder import (
    Battery,
    Decoder,
    Item,
    Notice,
    Refusal,
    Refused,
    require,
)
from kinefed.sensors.driver import Driver, StreamSpec, Write
from kinefed.sensors.drivers._options import one_of
from kinefed.sensors.loss import TickCounter
from kinefed.sensors.track import Track

DRIVER_ID = "movella-dot"
COMPANY = 0x0886


def uuid(short: str) -> str:
    """Write out one of the maker's UUIDs."""
    return f"1517{short}-4947-11e9-8646-d663bd873d93"


CONFIGURATION, INFO, SETTINGS, REPORT = (uuid(s) for s in ("1000", "1001", "1002", "1004"))
MEASUREMENT, CONTROL = uuid("2000"), uuid("2001")
LONG, MEDIUM, SHORT = uuid("2002"), uuid("2003"), uuid("2004")
BATTERY = uuid("3001")
MESSAGE_CONTROL, MESSAGE_ACK, MESSAGE_EVENT = (uuid(s) for s in ("7001", "7002", "7003"))

RATES_HZ = (1, 4, 10, 12, 15, 20, 30, 60)
FILTERS = {"general": 0, "dynamic": 1}
# Whole values with the 3 bytes of a notification's header in front.
_MTU = {LONG: 66, MEDIUM: 43, SHORT: 23}


@dataclass(frozen=True, slots=True)
class _Field:
    """A field of a payload: its channels, number format and factor to their unit."""

    channels: tuple[Channel, ...]
    code: str = "f"
    scale: float = 1.0


# The specification gives no scale of the magnetometer; 1/4096 is other drivers', unconfirmed.
_MAG_LSB = 1.0 / 4096.0
_QUAT = _Field(axes("quat"))
_EULER = _Field(axes("euler"), scale=DEGREE)
_FREE = _Field(axes("free_acc"))
_ACC = _Field(axes("acc"))
_GYRO = _Field(axes("gyro"), scale=DEGREE)
_DQ = _Field(axes("delta_quat"))
_DV = _Field(axes("delta_velocity"))
_MAG = _Field(axes("mag", _MAG_LSB), "h", _MAG_LSB)


@dataclass(frozen=True, slots=True)
class _Mode:
    number: int
    characteristic: str
    fields: tuple[_Field, ...]
    clipping: bool = False


MODES: dict[str, _Mode] = {
    "extended-quaternion": _Mode(2, MEDIUM, (_QUAT, _FREE), clipping=True),
    "complete-quaternion": _Mode(3, MEDIUM, (_QUAT, _FREE)),
    "euler": _Mode(4, SHORT, (_EULER,)),
    "quaternion": _Mode(5, SHORT, (_QUAT,)),
    "free-acceleration": _Mode(6, SHORT, (_FREE,)),
    "extended-euler": _Mode(7, MEDIUM, (_EULER, _FREE), clipping=True),
    "complete-euler": _Mode(16, MEDIUM, (_EULER, _FREE)),
    "delta-mag": _Mode(18, MEDIUM, (_DQ, _DV, _MAG)),
    "delta": _Mode(19, MEDIUM, (_DQ, _DV)),
    "rate-mag": _Mode(20, MEDIUM, (_ACC, _GYRO, _MAG)),
    "rate": _Mode(21, MEDIUM, (_ACC, _GYRO)),
    "custom-1": _Mode(22, MEDIUM, (_EULER, _FREE, _GYRO)),
    "custom-2": _Mode(23, MEDIUM, (_EULER, _FREE, _MAG)),
    "custom-3": _Mode(24, MEDIUM, (_QUAT, _GYRO)),
    "custom-5": _Mode(26, LONG, (_QUAT, _ACC, _GYRO)),
}
"""By name. 1, 17 and 25 ("high fidelity") are compressed in a way only the maker's kit knows."""


def movella_dot(
    mode: str = "custom-5", rate_hz: int = 60, filter: str = "general", synced: bool = False
) -> Driver:
    """Make the driver of a DOT in one setting.

    Parameters
    ----------
    mode
        Key of `MODES`; ``"custom-5"`` gives orientation, acceleration and angular velocity.
    rate_hz
        One of `RATES_HZ`. 120 Hz is for recording on the sensor only.
    filter
        ``"general"``, or ``"dynamic"`` for sports.
    synced
        The sensors were synchronised with one another (`sync_start`): they measure already, and
        take neither rate nor filter.

    Raises
    ------
    UsageError
        ``bad_argument``.
    """
    layout = MODES[one_of(DRIVER_ID, "mode", mode, MODES)]
    one_of(DRIVER_ID, "rate_hz", rate_hz, RATES_HZ)
    one_of(DRIVER_ID, "filter", filter, FILTERS)
    spec = StreamSpec(
        "imu",
        tuple(channel for f in layout.fields for channel in f.channels),
        float(rate_hz),
        clocked=True,
    )
    # Bits 4 and 5 of the mask: take the rate and the filter, leave the rest.
    settings = struct.pack("<B23xHB5x", 0x30, rate_hz, FILTERS[filter])
    return Driver(
        DRIVER_ID,
        "Movella DOT",
        CONFIGURATION,
        (spec,),
        notifies=(layout.characteristic, BATTERY, REPORT),
        make_decoder=lambda: _DotDecoder(layout, spec),
        names=("Xsens DOT", "Movella DOT"),
        companies=(COMPANY,),
        setup=() if synced else (Write(SETTINGS, settings),),
        start=(Write(CONTROL, bytes((1, 1, layout.number))),),
        stop=(Write(CONTROL, bytes((1, 0, layout.number))),),
        reads=(INFO, BATTERY),
        silence_s=max(0.5, 3.0 / rate_hz),
        min_mtu=_MTU[layout.characteristic],
    )


class _DotDecoder(Decoder):
    def __init__(self, mode: _Mode, spec: StreamSpec) -> None:
        super().__init__(
            {
                mode.characteristic: self._payload,
                BATTERY: _battery,
                REPORT: _report,
                INFO: _info,
                MESSAGE_ACK: _message,
                MESSAGE_EVENT: _message,
            }
        )
        codes = "".join(f.code * len(f.channels) for f in mode.fields)
        self._layout = struct.Struct("<I" + codes)
        self._scale = np.array([f.scale for f in mode.fields for _ in f.channels])
        self._clipping = mode.clipping
        self._spec = spec
        rate = spec.rate_hz or 1.0
        self._track = Track(
            spec.name, rate, clock=TickCounter(2**32, 1e6, 1e6 / rate), tick_ns=1000
        )

    def reconnected(self) -> None:
        self._track.reconnected()

    def _payload(self, value: bytes, arrival_ns: int) -> Iterable[Item]:
        size = self._layout.size
        data = require(value, size + (4 if self._clipping else 0))
        tick, *row = self._layout.unpack_from(data)
        values = self._spec.checked(np.array([row], dtype=np.float64) * self._scale)
        yield self._track.clocked(values, arrival_ns, [tick])
        if self._clipping:
            status, acc, gyro = struct.unpack_from("<HBB", data, size)
            if status & 0x1FF:
                yield Notice("clipping", False, {"status": status, "acc": acc, "gyro": gyro})


def _battery(value: bytes, _arrival_ns: int) -> Iterable[Item]:
    percent, charging = require(value, 2)
    if percent > 100 or charging > 1:
        raise Refused(Refusal.OUT_OF_RANGE)
    return (Battery(float(percent), bool(charging)),)


_CLICKS = {5: 1, 6: 2, 7: 3}


def _report(value: bytes, _arrival_ns: int) -> Iterable[Item]:
    (kind,) = require(value, 1)
    if kind == 1:
        return (Notice("powered_off", False),)
    if kind == 4:
        return (Notice("power_saving", False),)
    if kind in _CLICKS:
        length, at_ms = struct.unpack_from("<xBI", require(value, 6))
        if length != 4:
            raise Refused(Refusal.BAD_LENGTH)
        return (Notice("button", True, {"clicks": _CLICKS[kind], "device_ms": at_ms}),)
    raise Refused(Refusal.UNKNOWN_TYPE)


def _info(value: bytes, _arrival_ns: int) -> Iterable[Item]:
    data = require(value, 34)
    major, minor, revision = data[6:9]
    product = data[28:34].decode("ascii", "replace").rstrip("\0")
    fields = {"firmware": f"{major}.{minor}.{revision}", "product": product}
    return (Notice("device", True, fields),)


# Synchronisation of several DOTs: one clock for all, by messages that end in a checksum.

SYNC = 2
SYNC_STATUS, SYNC_STOP = bytes((SYNC, 1, 8)), bytes((SYNC, 1, 2))
SYNC_RESULTS = {
    0: "done",
    5: "not enough samples",
    7: "clocks too far apart",
    8: "not started at one time",
    9: "not started",
}


def message(body: bytes) -> bytes:
    """Add the checksum: all bytes sum to 0 modulo 256."""
    return body + bytes((-sum(body) % 256,))


def sync_start(root: str) -> bytes:
    """Write the message that starts the synchronisation, for every sensor.

    After it all sensors must be disconnected for 14 s; connected again, reading `MESSAGE_ACK`
    tells the result.

    Parameters
    ----------
    root
        Bluetooth address of any one of the sensors, ``D4:22:CD:AA:BB:CC``.
    """
    return message(bytes((SYNC, 7, 1)) + bytes.fromhex(root.replace(":", ""))[::-1])


def _message(value: bytes, _arrival_ns: int) -> Iterable[Item]:
    length = require(value, 2)[1]
    data = require(value, length + 3)
    if sum(data) % 256:
        raise Refused(Refusal.BAD_CHECKSUM)
    if data[0] != SYNC or length < 2:
        raise Refused(Refusal.UNKNOWN_TYPE)
    kind, answer = data[2:4]
    if kind == 0x03:
        result = SYNC_RESULTS.get(answer, f"failed with {answer}")
        return (Notice("synchronisation", answer == 0, {"result": result}),)
    if kind == 0x51:
        return (Notice("synchronised", answer == 0x04, {"status": answer}),)
    if kind == 0x50:
        return (Notice("synchronisation_stopped", answer == 0, {"status": answer}),)
    raise Refused(Refusal.UNKNOWN_TYPE)
