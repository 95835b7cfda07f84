"""Samples at the even times that filters and recordings need, from those of a sensor."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kinefed.sensors.clock import NS
from kinefed.sensors.decoder import FloatArray, IntArray
from kinefed.sensors.timeline import Timed

BoolArray = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Even:
    """Samples at even times.

    Attributes
    ----------
    first
        Number of the first one since the grid's start.
    values
        (samples, channels) float64, finite: in a gap, the last sample before it.
    valid
        (samples,) False in a gap.
    """

    first: int
    values: FloatArray
    valid: BoolArray


class Grid:
    """Even times from a start on, filled as samples come.

    Between two consecutive samples values are interpolated; where samples were lost, or the
    stream began anew, the last value is held and marked: never interpolated across.

    Parameters
    ----------
    rate_hz
        Of the even times.
    start_ns
        Of the first one, on the host's monotonic clock.
    nearest
        Take the nearer sample instead of interpolating: for EMG, of which a straight line
        between samples would take the upper half of the spectrum.
    """

    def __init__(self, rate_hz: float, start_ns: int, *, nearest: bool = False) -> None:
        self._period_ns = NS / rate_hz
        self._start_ns = start_ns
        self._nearest = nearest
        self._next: int | None = None
        self._times: IntArray = np.empty(0, dtype=np.int64)
        self._numbers: IntArray = np.empty(0, dtype=np.int64)
        self._rows: FloatArray = np.empty((0, 0))

    def push(self, timed: Timed) -> Even:
        """Take the next samples; give all even times up to the last of them.

        The first even time is the first at or after the first sample.
        """
        samples = timed.samples
        if self._next is None:
            offset = (int(timed.host_ns[0]) - self._start_ns) / self._period_ns
            self._next = max(0, math.ceil(offset))
            self._rows = np.empty((0, samples.values.shape[1]))
        times = np.concatenate((self._times, timed.host_ns))
        numbers = np.concatenate((self._numbers, samples.index))
        rows = np.vstack((self._rows, samples.values))
        whole = np.diff(numbers) == 1
        if samples.restarted and len(self._times):
            whole[0] = False
        self._times, self._numbers, self._rows = times[-1:], numbers[-1:], rows[-1:]
        first = self._next
        end = math.floor((int(times[-1]) - self._start_ns) / self._period_ns) + 1
        self._next = max(first, end)
        steps = np.arange(first, self._next, dtype=np.float64)
        points = self._start_ns + np.round(steps * self._period_ns).astype(np.int64)
        return Even(first, *self._at(points, times, rows, whole))

    def _at(
        self, points: IntArray, times: IntArray, rows: FloatArray, whole: BoolArray
    ) -> tuple[FloatArray, BoolArray]:
        if len(times) == 1:
            return np.repeat(rows, len(points), axis=0), np.ones(len(points), dtype=bool)
        right = np.clip(np.searchsorted(times, points), 1, len(times) - 1)
        left = right - 1
        share = (points - times[left]) / (times[right] - times[left])
        share = np.clip(share, 0.0, 1.0)
        valid = whole[left] | (share == 1.0) | (share == 0.0)
        # In a gap the last sample is held up to the very next one.
        share = np.where(whole[left], share, np.floor(share))
        if self._nearest:
            share = np.round(share)
        share = share[:, None]
        return rows[left] * (1.0 - share) + rows[right] * share, valid
