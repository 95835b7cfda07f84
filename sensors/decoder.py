"""The base of all decoders: bytes in, samples and notices out, refusals counted, no errors.

A decoder is fed with everything that a sensor notifies and with the characteristics that were
read. Bluetooth checks packets, but nothing says that a sensor sends what its maker wrote, so a
value that does not fit is refused with a reason and counted. `Decoder.feed` raises nothing
whatever the bytes: it runs where an exception would end the stream.
"""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

BATTERY_SERVICE = "0000180f-0000-1000-8000-00805f9b34fb"
BATTERY_LEVEL = "00002a19-0000-1000-8000-00805f9b34fb"


class Refusal(enum.StrEnum):
    """Why a value, or a part of one, was refused."""

    UNKNOWN_CHARACTERISTIC = "unknown_characteristic"
    TOO_SHORT = "too_short"
    BAD_LENGTH = "bad_length"
    BAD_CHECKSUM = "bad_checksum"
    UNKNOWN_TYPE = "unknown_type"
    NOT_FINITE = "not_finite"
    OUT_OF_RANGE = "out_of_range"
    OUT_OF_ORDER = "out_of_order"
    NOT_ALIGNED = "not_aligned"


@dataclass(frozen=True, slots=True)
class Samples:
    """Consecutive samples of one stream.

    Attributes
    ----------
    stream
        Name of the `StreamSpec`.
    values
        (samples, channels) float64 in the channels' units.
    index
        (samples,) int64: number of each sample since the first, lost ones counted, so
        ``index / rate`` is a time axis of its own. It jumps where samples were lost.
    arrival_ns
        (samples,) int64 on the host's monotonic clock. The last is when the value arrived;
        the earlier ones of one value are spread back from it by the nominal period.
    device_ns
        (samples,) int64 on the sensor's own clock, unwrapped; None where it has none.
    lost
        Samples found lost since the previous `Samples` of this stream.
    restarted
        The sensor's clock or counter began anew: `device_ns` does not continue, and what was
        lost meanwhile is not in `lost`.
    """

    stream: str
    values: FloatArray
    index: IntArray
    arrival_ns: IntArray
    device_ns: IntArray | None = None
    lost: int = 0
    restarted: bool = False


@dataclass(frozen=True, slots=True)
class Battery:
    """Charge of a sensor: percent 0 to 100, whether it charges, volts; None where not said."""

    percent: float | None = None
    charging: bool | None = None
    volts: float | None = None


@dataclass(frozen=True, slots=True)
class Notice:
    """Anything else a sensor says: an answer to a command, a button, a fault.

    Attributes
    ----------
    name
        What it is about, for example ``"synchronisation"``.
    ok
        False where the sensor reports a failure or that it is about to stop.
    fields
        The details, as plain values.
    """

    name: str
    ok: bool = True
    fields: Mapping[str, int | float | str] = field(default_factory=dict)


Item = Samples | Battery | Notice
Handler = Callable[[bytes, int], Iterable[Item]]


class Refused(Exception):
    """Inside a decoder only: this value cannot be used. Never leaves `Decoder.feed`."""

    def __init__(self, reason: Refusal) -> None:
        super().__init__(reason)
        self.reason = reason


class Decoder:
    """Turns what a sensor sends into samples.

    A driver's decoder is a subclass that gives one handler for each characteristic. The
    battery level of the Bluetooth SIG is understood by every decoder.

    Parameters
    ----------
    handlers
        Characteristic to the function for its values. It may raise `Refused`.
    uuid_digits
        As in `Driver`.

    Attributes
    ----------
    refused
        How often each reason occurred.
    """

    def __init__(self, handlers: Mapping[str, Handler], uuid_digits: int = 36) -> None:
        self._digits = uuid_digits
        # In this order: a driver may have its own way with the battery.
        every = {BATTERY_LEVEL: battery_level, **handlers}
        self._handlers = {self._key(uuid): handler for uuid, handler in every.items()}
        self.refused: Counter[Refusal] = Counter()

    def feed(self, characteristic: str, value: bytes, arrival_ns: int) -> tuple[Item, ...]:
        """Decode one value.

        Parameters
        ----------
        characteristic
            UUID it came from.
        value
            The bytes, as they came.
        arrival_ns
            Host's monotonic clock when they came.

        Returns
        -------
        tuple of Item
            In the order in which the sensor gave them; empty where nothing is complete yet or
            the value was refused.
        """
        handler = self._handlers.get(self._key(characteristic))
        if handler is None:
            self.refused[Refusal.UNKNOWN_CHARACTERISTIC] += 1
            return ()
        items: list[Item] = []
        try:
            # One by one: what came before a refused part is kept.
            for item in handler(bytes(value), arrival_ns):
                items.append(item)  # noqa: PERF402
        except Refused as refused:
            self.refused[refused.reason] += 1
        return tuple(items)

    def reconnected(self) -> None:
        """Forget what was half received; clocks and counters go on."""

    def _key(self, uuid: str) -> str:
        return uuid.lower()[: self._digits]


def require(value: bytes, size: int) -> bytes:
    """Return the first `size` bytes, or refuse a shorter value.

    Sensors pad their values, so longer ones are in order.
    """
    if len(value) < size:
        raise Refused(Refusal.TOO_SHORT)
    return value[:size]


def numbers(value: bytes, dtype: str, columns: int) -> FloatArray:
    """Read little-endian numbers as rows of a float64 table (rows, columns)."""
    return as_float(np.frombuffer(value, dtype).reshape(-1, columns))


def as_float(values: NDArray[np.generic]) -> FloatArray:
    """Widen numbers to float64."""
    # A signalling NaN among the bytes warns here; it is refused later, like any other.
    with np.errstate(invalid="ignore"):
        return values.astype(np.float64)


def battery_level(value: bytes, _arrival_ns: int) -> Iterable[Item]:
    """Decode the Bluetooth SIG's battery level (0x2A19): one byte, percent."""
    (percent,) = require(value, 1)
    if percent > 100:
        raise Refused(Refusal.OUT_OF_RANGE)
    return (Battery(percent=float(percent)),)
