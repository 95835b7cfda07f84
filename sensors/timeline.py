"""When samples were taken: from the sensor's clock, or its count, to the host's clock."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kinefed.sensors.clock import CRYSTAL_SKEW, NS, RATE_SKEW, ClockFit
from kinefed.sensors.decoder import IntArray, Samples
from kinefed.sensors.driver import StreamSpec


@dataclass(frozen=True, slots=True)
class Timed:
    """Samples and the time at which they were taken.

    Attributes
    ----------
    samples
        As decoded, with their arrival.
    host_ns
        (samples,) int64 on the host's monotonic clock, ascending. It holds the smallest delay
        of the link, a few milliseconds, which nothing on this side can tell.
    """

    samples: Samples
    host_ns: IntArray


class Ascending:
    """Keeps times from going back where a line was corrected downwards, or from standing still."""

    def __init__(self) -> None:
        self._last_ns: int | None = None

    def __call__(self, host: IntArray) -> IntArray:
        """Move the next times, (n,) int64, up as far as they must be."""
        steps = np.arange(len(host), dtype=np.int64)
        flat = host - steps
        if self._last_ns is not None:
            flat = np.maximum(flat, self._last_ns + 1)
        ascending = np.maximum.accumulate(flat) + steps
        self._last_ns = int(ascending[-1])
        return ascending


class Timeline:
    """The time line of one stream, made as samples come.

    Streams with a clock are placed by it, others by the number of a sample at the nominal rate;
    offset and skew follow the arrivals (`ClockFit`). Where a stream has neither, samples stay
    where they arrived. Loss that only the arrivals tell is found a second or two late: until
    then samples of a sensor without clock lie too early by what was lost.

    Parameters
    ----------
    spec
        The stream.
    delay_ns
        Known delay of the sensor, taken off.
    """

    def __init__(self, spec: StreamSpec, delay_ns: int = 0) -> None:
        self._delay_ns = delay_ns
        self._rate_hz = spec.rate_hz
        self._synchronised = spec.synchronised
        self._fit = ClockFit(CRYSTAL_SKEW if spec.clocked else RATE_SKEW)
        self._ascending = Ascending()

    def take(self, samples: Samples) -> Timed:
        """Place the next samples."""
        if samples.restarted:
            self._fit.restart()
        device = samples.device_ns
        if self._synchronised and device is not None:
            return Timed(samples, self._ascending(device - self._delay_ns))
        if device is None and self._rate_hz is not None:
            device = np.round(samples.index * (NS / self._rate_hz)).astype(np.int64)
        host = samples.arrival_ns
        if device is not None:
            self._fit.add(int(device[-1]), int(samples.arrival_ns[-1]))
            line = self._fit.line
            assert line is not None
            host = line.host_ns(device)
        return Timed(samples, self._ascending(host - self._delay_ns))
