"""A sensor in software: attributes that are read and written, and packets as time goes by.

It knows no radio: time comes in, packets come out, so it runs on any clock, faster than real
time too.
"""

from __future__ import annotations

import abc
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
Signal = Callable[[str, FloatArray], FloatArray]
"""``signal(label, times_s) -> values`` of one channel (``acc.x``) in its SI unit, both (n,)."""

READ, WRITE, WRITE_FAST, NOTIFY, INDICATE = (
    "read",
    "write",
    "write-without-response",
    "notify",
    "indicate",
)
BATTERY_SERVICE = "0000180f-0000-1000-8000-00805f9b34fb"
BATTERY_LEVEL = "00002a19-0000-1000-8000-00805f9b34fb"


@dataclass(frozen=True, slots=True)
class Attribute:
    """One characteristic: UUID, what can be done with it, and what reading it gives."""

    uuid: str
    can: tuple[str, ...]
    value: bytes = b""


@dataclass(frozen=True, slots=True)
class Value:
    """A notification or indication: the characteristic, its bytes, and when it was ready."""

    characteristic: str
    data: bytes
    ready_s: float = 0.0


@dataclass(slots=True)
class _Running:
    """A stream that runs: samples a packet, and the number of the next sample."""

    rate_hz: float
    per_packet: int
    start_s: float
    next: int = 0


@dataclass(frozen=True, slots=True)
class Quirks:
    """How a sensor differs from its data sheet.

    Attributes
    ----------
    skew
        Its clock and its rate run faster by this: 50e-6 for 50 ppm.
    clock_s
        What its clock says when the host's says 0.
    battery
        Percent.
    """

    skew: float = 0.0
    clock_s: float = 100.0
    battery: int = 80


@dataclass(frozen=True, slots=True)
class Profile:
    """What a sensor shows: name, services, and what it advertises."""

    name: str
    services: Mapping[str, tuple[Attribute, ...]]
    advertised: tuple[str, ...] = ()
    company: int | None = None


class VirtualSensor(abc.ABC):
    """Base of the emulators.

    Parameters
    ----------
    signal
        What it measures.
    quirks
        Its clock and battery.
    """

    profile: Profile

    def __init__(self, signal: Signal, quirks: Quirks | None = None) -> None:
        self.signal = signal
        self.quirks = quirks or Quirks()
        self.subscriptions: set[str] = set()
        self._running: dict[str, _Running] = {}

    @abc.abstractmethod
    def written(self, characteristic: str, data: bytes, now_s: float) -> list[Value]:
        """Take a write; give what it answers at once."""

    @abc.abstractmethod
    def encode(self, stream: str, first: int, times_s: FloatArray, ticks_s: FloatArray) -> Value:
        """Write the packet of some samples.

        Parameters
        ----------
        stream
            Which.
        first
            Number of the first sample since the start.
        times_s, ticks_s
            (n,) when they were taken, on the host's and on the sensor's clock.
        """

    def read(self, characteristic: str, now_s: float = 0.0) -> bytes:
        """Give the value of a characteristic at a time."""
        if characteristic == BATTERY_LEVEL:
            return bytes((self.quirks.battery,))
        for attributes in self.profile.services.values():
            for attribute in attributes:
                if attribute.uuid == characteristic:
                    return attribute.value
        raise KeyError(characteristic)

    def subscribed(self, characteristic: str, on: bool, now_s: float) -> None:
        """Hear that notifications of a characteristic were switched."""
        (self.subscriptions.add if on else self.subscriptions.discard)(characteristic)

    def disconnected(self) -> None:
        """Hear that the link is gone: subscriptions end with it, and most sensors stop."""
        self.subscriptions.clear()
        self._stop()

    def take(self, now_s: float) -> list[Value]:
        """Give all packets that got ready until now, in order."""
        values: list[Value] = []
        for name, running in self._running.items():
            while (times := self._times(running))[-1] <= now_s:
                values.append(self._packet(name, running.next, times))
                running.next += running.per_packet
        return sorted(values, key=lambda value: value.ready_s)

    def due_s(self) -> float | None:
        """Give the time of the next packet, None while nothing is measured."""
        return min((self._times(running)[-1] for running in self._running.values()), default=None)

    def device_s(self, times_s: FloatArray) -> FloatArray:
        """Read the sensor's clock at times of the host's."""
        ticks: FloatArray = self.quirks.clock_s + times_s * (1.0 + self.quirks.skew)
        return ticks

    def _times(self, running: _Running) -> FloatArray:
        """Give the times at which the samples of the next packet are taken."""
        period_s = 1.0 / (running.rate_hz * (1.0 + self.quirks.skew))
        numbers = running.next + np.arange(running.per_packet, dtype=np.float64)
        times: FloatArray = running.start_s + numbers * period_s
        return times

    def _packet(self, stream: str, first: int, times_s: FloatArray) -> Value:
        value = self.encode(stream, first, times_s, self.device_s(times_s))
        return Value(value.characteristic, value.data, float(times_s[-1]))

    def _start(self, stream: str, rate_hz: float, now_s: float, per_packet: int = 1) -> None:
        self._running[stream] = _Running(rate_hz, per_packet, now_s)

    def _stop(self) -> None:
        self._running.clear()

    def _columns(self, labels: str, times_s: FloatArray) -> FloatArray:
        """Measure channels, (n, channels); `labels` are words, ``acc`` stands for its axes."""
        names: list[str] = []
        for label in labels.split():
            axes = {"quat": "wxyz", "delta_quat": "wxyz"}.get(label, "xyz")
            names += [f"{label}.{axis}" for axis in axes] if label in _VECTORS else [label]
        return np.column_stack([self.signal(name, times_s) for name in names])


_VECTORS = {
    "acc",
    "gyro",
    "mag",
    "quat",
    "euler",
    "free_acc",
    "delta_quat",
    "delta_velocity",
}


def counts(values: FloatArray, lsb: float | FloatArray, bits: int = 16) -> NDArray[np.int64]:
    """Round to counts, held at the ends of a signed number of this width."""
    top = 1 << (bits - 1)
    return np.clip(np.round(values / lsb), -top, top - 1).astype(np.int64)
