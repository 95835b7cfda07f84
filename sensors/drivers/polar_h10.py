"""Polar H10 chest strap: three-axis accelerometer with a clock, 25 to 200 Hz.

Layout: Polar Measurement Data Specification for third parties.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable

import numpy as np

from kinefed.sensors.channel import STANDARD_GRAVITY, axes
from kinefed.sensors.decoder import (
    BATTERY_LEVEL,
    Decoder,
    FloatArray,
    Item,
    Notice,
    Refusal,
    Refused,
    numbers,
    require,
)
from kinefed.sensors.driver import Driver, StreamSpec, Write
from kinefed.sensors.drivers._options import one_of
from kinefed.sensors.loss import TickCounter
from kinefed.sensors.track import Track

DRIVER_ID = "polar-h10"


def uuid(short: str) -> str:
    """Write out one of the maker's UUIDs."""
    return f"{short}-02e7-f387-1cad-8acd2d8df0c8"


SERVICE, CONTROL, DATA = uuid("fb005c80"), uuid("fb005c81"), uuid("fb005c82")
RATES_HZ, RANGES_G = (25, 50, 100, 200), (2, 4, 8)

_ACC = 2
_HEADER = 10
_DELTA_FRAME = 0x81
# Milli-g, of 1, 2 or 3 bytes.
_WIDTHS = {0: 1, 1: 2, 2: 3}
_LSB = STANDARD_GRAVITY / 1000.0
_AXES = 3
# A quarter of the uint64: 146 years since 2000, and within int64.
_LAST_NS = 2**62
# The strap gathers about 36 samples: 1.44 s at 25 Hz, of which three periods may pass.
_GATHERED = 36
_STATUS = {
    0: "done",
    1: "unknown command",
    2: "unknown measurement",
    3: "not supported",
    4: "bad length",
    5: "bad parameter",
    6: "already in this state",
    7: "bad resolution",
    8: "bad rate",
    9: "bad range",
    13: "in the charger",
}
_ALREADY = 6


def polar_h10(rate_hz: int = 200, range_g: int = 8) -> Driver:
    """Make the driver of a Polar H10's accelerometer.

    Parameters
    ----------
    rate_hz
        One of `RATES_HZ`; the true rate is off by up to 1 %.
    range_g
        One of `RANGES_G`.

    Raises
    ------
    UsageError
        ``bad_argument``.
    """
    one_of(DRIVER_ID, "rate_hz", rate_hz, RATES_HZ)
    one_of(DRIVER_ID, "range_g", range_g, RANGES_G)
    spec = StreamSpec("imu", axes("acc", _LSB), float(rate_hz), clocked=True)
    # Settings as (id, count, value): rate, resolution of 16 bits, range.
    settings = struct.pack("<BBHBBHBBH", 0, 1, rate_hz, 1, 1, 16, 2, 1, range_g)
    return Driver(
        DRIVER_ID,
        "Polar H10",
        SERVICE,
        (spec,),
        notifies=(CONTROL, DATA, BATTERY_LEVEL),
        make_decoder=lambda: _PolarDecoder(spec),
        names=("Polar H10",),
        start=(Write(CONTROL, bytes((2, _ACC)) + settings),),
        stop=(Write(CONTROL, bytes((3, _ACC))),),
        reads=(BATTERY_LEVEL,),
        silence_s=max(0.5, 3.0 * _GATHERED / rate_hz),
        min_mtu=_HEADER + _GATHERED * _AXES * 2 + 3,
    )


class _PolarDecoder(Decoder):
    def __init__(self, spec: StreamSpec) -> None:
        super().__init__({CONTROL: _answer, DATA: self._data})
        self._spec = spec
        rate = spec.rate_hz or 1.0
        self._track = Track("imu", rate, clock=TickCounter(2**64, 1e9, 1e9 / rate))

    def reconnected(self) -> None:
        self._track.reconnected()

    def _data(self, value: bytes, arrival_ns: int) -> Iterable[Item]:
        kind, last_ns, frame = struct.unpack("<BQB", require(value, _HEADER))
        if kind != _ACC:
            raise Refused(Refusal.UNKNOWN_TYPE)
        if last_ns > _LAST_NS:
            raise Refused(Refusal.OUT_OF_RANGE)
        data = value[_HEADER:]
        if frame == _DELTA_FRAME:
            counts = delta_samples(data)
        elif frame in _WIDTHS:
            counts = _plain_samples(data, _WIDTHS[frame])
        else:
            raise Refused(Refusal.UNKNOWN_TYPE)
        values = self._spec.checked(counts * _LSB)
        return (self._track.last_clocked(values, arrival_ns, last_ns),)


def _plain_samples(data: bytes, width: int) -> FloatArray:
    """Read little-endian signed numbers of 1, 2 or 3 bytes as (samples, 3)."""
    if not data or len(data) % (width * _AXES):
        raise Refused(Refusal.BAD_LENGTH)
    if width < 3:
        return numbers(data, f"<i{width}", _AXES)
    # Into the upper bytes of 32 bits, which carries the sign down again.
    wide = np.zeros((len(data) // 3, 4), np.uint8)
    wide[:, 1:] = np.frombuffer(data, np.uint8).reshape(-1, 3)
    return (wide.view("<i4") >> 8).reshape(-1, _AXES).astype(np.float64)


def delta_samples(data: bytes) -> FloatArray:
    """Unpack a delta frame: a reference sample, then blocks of differences.

    A block is the width of a difference in bits, the number of samples, and the differences of
    all axes, lowest bit first, padded to a whole byte.

    Parameters
    ----------
    data
        The frame behind its header.

    Returns
    -------
    samples
        (samples, 3) counts, the reference the first of them.

    Raises
    ------
    Refused
        ``too_short``, ``bad_length`` or ``out_of_range``.
    """
    rows = [numbers(require(data, 2 * _AXES), "<i2", _AXES)]
    at = 2 * _AXES
    while at < len(data):
        bits, count = require(data[at:], 2)
        at += 2
        if not 1 <= bits <= 16 or count == 0:
            raise Refused(Refusal.OUT_OF_RANGE)
        size = -(-bits * count * _AXES // 8)
        block = require(data[at:], size)
        at += size
        stream = np.unpackbits(np.frombuffer(block, np.uint8), bitorder="little")
        fields = stream[: bits * count * _AXES].reshape(-1, bits).astype(np.int64)
        # Two's complement: the highest bit counts negative.
        weights = 2 ** np.arange(bits, dtype=np.int64)
        weights[-1] = -weights[-1]
        steps = (fields @ weights).reshape(-1, _AXES)
        rows.append(rows[-1][-1:] + np.cumsum(steps, axis=0))
    return np.vstack(rows)


def _answer(value: bytes, _arrival_ns: int) -> Iterable[Item]:
    if require(value, 1)[0] != 0xF0:
        # Read without a command, the control point lists what the strap can do.
        return ()
    operation, _, status = require(value, 4)[1:]
    result = _STATUS.get(status, f"status {status}")
    fields: dict[str, int | float | str] = {"command": operation, "result": result}
    return (Notice("answer", status in (0, _ALREADY), fields),)
