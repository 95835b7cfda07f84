"""From a sensor's clock to the host's: offset and skew on the lower envelope of the delays.

A value never arrives before it was measured, so the delay of an arrival behind the sensor's clock
has a floor, and everything above the floor is the link's. The line that lies below all delays and
closest to them on average is the edge of their lower convex hull under the mean time (Moon, Skelly
and Towsley, Estimation and removal of clock skew from network delay measurements, INFOCOM 1999).
A least-squares line would keep the mean delay of the link as a bias, another one for each sensor.
"""

from __future__ import annotations

import itertools
import math
from collections import deque
from dataclasses import dataclass

import numpy as np

from kinefed.sensors.decoder import IntArray

NS = 1_000_000_000
CRYSTAL_SKEW = 200e-6
"""Most by which a crystal is off its nominal rate, with the host's own."""
RATE_SKEW = 0.02
"""Most by which samples without a clock are off their nominal rate, as in `ArrivalLoss`."""


@dataclass(frozen=True, slots=True)
class ClockLine:
    """Host time of a device time: ``device + offset + skew (device - origin)``.

    Attributes
    ----------
    origin_ns
        Device time at which the offset holds.
    offset_ns
        Host minus device there, the smallest delay of the link included.
    skew
        By how much the host's clock runs faster: 50e-6 for 50 ppm.
    """

    origin_ns: int
    offset_ns: int
    skew: float = 0.0

    def host_ns(self, device_ns: IntArray) -> IntArray:
        """Convert times (n,) int64 of the sensor's clock to the host's."""
        drift = np.round((device_ns - self.origin_ns) * self.skew).astype(np.int64)
        return device_ns + self.offset_ns + drift


class ClockFit:
    """Follows offset and skew of one unbroken stretch of a sensor's clock.

    Only the smallest delay of each bin is kept, so the work and the memory are bounded.

    Parameters
    ----------
    max_skew
        Bound of the skew: `CRYSTAL_SKEW` for a clock, `RATE_SKEW` for counted samples.
    window_s
        How far back it looks.
    bin_s
        Length of a bin.
    settle_s
        Length of data below which the skew is not yet told from the link's jitter, and is 0.
    """

    def __init__(
        self,
        max_skew: float = CRYSTAL_SKEW,
        *,
        window_s: float = 60.0,
        bin_s: float = 1.0,
        settle_s: float = 5.0,
    ) -> None:
        self._max_skew = max_skew
        self._bin_ns = round(bin_s * NS)
        self._settle_ns = round(settle_s * NS)
        # (bin, device time, delay) of the smallest delay in each bin.
        self._bins: deque[tuple[int, int, int]] = deque(maxlen=math.ceil(window_s / bin_s))
        self._line: ClockLine | None = None

    def restart(self) -> None:
        """Forget everything: the sensor's clock began anew."""
        self._bins.clear()
        self._line = None

    def add(self, device_ns: int, arrival_ns: int) -> None:
        """Take the device time and the arrival of the newest sample of a value."""
        delay = arrival_ns - device_ns
        number = device_ns // self._bin_ns
        if not self._bins or number > self._bins[-1][0]:
            self._bins.append((number, device_ns, delay))
        elif number == self._bins[-1][0] and delay < self._bins[-1][2]:
            self._bins[-1] = (number, device_ns, delay)
        else:
            return
        self._line = None

    @property
    def line(self) -> ClockLine | None:
        """The line of all that came so far; None before the first value."""
        if self._line is None and self._bins:
            self._line = self._fit()
        return self._line

    def _fit(self) -> ClockLine:
        origin = self._bins[-1][1]
        times = [time - origin for _, time, _ in self._bins]
        base = self._bins[-1][2]
        delays = [delay - base for _, _, delay in self._bins]
        skew = 0.0
        if times[-1] - times[0] >= self._settle_ns:
            skew = _hull_slope(times, delays)
            skew = min(max(skew, -self._max_skew), self._max_skew)
        offset = min(delay - skew * time for time, delay in zip(times, delays, strict=True))
        return ClockLine(origin, base + round(offset), skew)


def _hull_slope(times: list[int], delays: list[int]) -> float:
    """Slope of the edge of the lower convex hull over the mean of `times` (ascending)."""
    hull: list[int] = []
    for i in range(len(times)):
        while len(hull) > 1 and _above(times, delays, hull[-2], hull[-1], i):
            hull.pop()
        hull.append(i)
    middle = sum(times) / len(times)
    for a, b in itertools.pairwise(hull):
        if times[b] >= middle:
            return (delays[b] - delays[a]) / (times[b] - times[a])
    return 0.0


def _above(times: list[int], delays: list[int], a: int, b: int, c: int) -> bool:
    """Whether point b lies on or above the line from a to c."""
    left = (delays[b] - delays[a]) * (times[c] - times[a])
    return left >= (delays[c] - delays[a]) * (times[b] - times[a])
