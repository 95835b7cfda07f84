"""Lost samples from counters, clocks and arrivals: the one place that unwraps and counts.

- `TickCounter` follows a counter or a clock of limited width, for every sensor that has one;
- `ArrivalLoss` compares what arrived with the nominal rate, for those that have none.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

RESTART_SLACK_S = 10.0
"""By how much a clock and the arrivals may part between two values before it must be another one.

A link holds values back for its supervision time-out, 6 s with most hosts, and then gives them
out at once.
"""
SHORT_WRAP_S = 4.0 * RESTART_SLACK_S
"""Counters that wrap faster tell neither a restart nor how often they wrapped."""


@dataclass(frozen=True, slots=True)
class Step:
    """What one tick said.

    Attributes
    ----------
    ticks
        The counter without its wraps; after a restart it is the raw tick again.
    lost
        Samples missing before it.
    restarted
        The counter began anew, so nothing is known of what was lost.
    """

    ticks: int
    lost: int = 0
    restarted: bool = False


class TickCounter:
    """A counter or clock that wraps.

    Between two ticks it moved ``(new - old) mod modulus`` plus whole wraps. The arrivals say how
    many wraps, and whether it is the same counter at all: one that moved further than the host's
    clock, or much less far, began anew in between (reboot, new start command, clock set).

    Parameters
    ----------
    modulus
        Number of values before it wraps.
    ticks_per_s
        Nominal speed.
    ticks_per_sample
        Nominal distance of two samples.
    """

    def __init__(self, modulus: int, ticks_per_s: float, ticks_per_sample: float) -> None:
        self._modulus = modulus
        self._per_s = ticks_per_s
        self._per_sample = ticks_per_sample
        self._last: tuple[int, int] | None = None

    @property
    def long(self) -> bool:
        """Whether it wraps so slowly that it survives a reconnection."""
        return self._modulus / self._per_s > SHORT_WRAP_S

    def forget(self) -> None:
        """Take the next tick as the first: it cannot be said what lies before it."""
        self._last = None

    def in_order(self, ticks: list[int]) -> bool:
        """Whether ticks of one packet, [0, modulus) each, can follow one another."""
        most = RESTART_SLACK_S * self._per_s
        return all((b - a) % self._modulus <= most for a, b in itertools.pairwise(ticks))

    def step(self, tick: int, arrival_ns: int, due: int = 1) -> Step:
        """Take the next tick.

        Parameters
        ----------
        tick
            Raw value in [0, modulus).
        arrival_ns
            Host's clock when it came.
        due
            Samples that lie between the last tick and this one where nothing was lost.

        Returns
        -------
        Step
            ``lost`` is the movement in samples less `due`, rounded; 2 % of `due` is left to the
            sensor's true rate, which is rarely the nominal one.
        """
        if self._last is None:
            self._last = (tick, arrival_ns)
            return Step(tick)
        ticks, before_ns = self._last
        moved = (tick - ticks) % self._modulus
        if self.long:
            elapsed = max(0.0, (arrival_ns - before_ns) * 1e-9) * self._per_s
            moved += self._modulus * max(0, round((elapsed - moved) / self._modulus))
            if abs(moved - elapsed) > RESTART_SLACK_S * self._per_s:
                self._last = (tick, arrival_ns)
                return Step(tick, restarted=True)
        self._last = (ticks + moved, arrival_ns)
        missing = moved / self._per_sample - due
        lost = round(missing) if missing > 0.5 + 0.02 * due else 0
        return Step(ticks + moved, lost)


class ArrivalLoss:
    """Loss of a sensor without clock or counter, from the arrivals alone.

    A sample cannot arrive before it was taken, and most of the delay of a link comes and goes.
    So the *smallest* lag of the arrivals behind ``samples / rate`` within a window stays where
    it is while nothing is lost, even if values are held back and come in a burst; it rises for
    good by the time of what was lost. A rise below `tolerance` is taken for the sensor's true
    rate, and a loss may show half in one window and half in the next: what is less than twice
    `tolerance` of a window may go unseen. The loss is known only when the window after it has
    ended, one to two windows late.

    Parameters
    ----------
    rate_hz
        Nominal rate of the samples.
    quantum
        Lost samples come in multiples of this (a rotation shows the rest).
    window_s
        Length of a window; at least 20 samples are taken.
    tolerance
        Share of the rate, 0.02 for 2 %.
    """

    def __init__(
        self, rate_hz: float, *, quantum: int = 1, window_s: float = 1.0, tolerance: float = 0.02
    ) -> None:
        self._rate = rate_hz
        self._quantum = quantum
        self._window_ns = round(max(window_s, 20.0 / rate_hz) * 1e9)
        self._tolerance = tolerance
        self.restart()

    def restart(self) -> None:
        """Begin anew, after a reconnection: its gap is marked, not counted."""
        self._start_ns: int | None = None
        self._count = 0
        self._window_start_ns = 0
        self._lowest = math.inf
        self._floor: float | None = None

    def step(self, arrival_ns: int, samples: int) -> int:
        """Take samples that arrived together; return how many were found lost now."""
        if self._start_ns is None:
            # The first value's own samples lie before its arrival and do not count.
            self._start_ns = self._window_start_ns = arrival_ns
            self._lowest = 0.0
            return 0
        lost = 0
        span_ns = arrival_ns - self._window_start_ns
        if span_ns >= self._window_ns:
            lost = self._close(span_ns * 1e-9)
            self._window_start_ns = arrival_ns
        self._count += samples
        lag = (arrival_ns - self._start_ns) * 1e-9 - self._count / self._rate
        self._lowest = min(self._lowest, lag)
        return lost

    def found_elsewhere(self, samples: int) -> None:
        """Count samples that a rotation already showed to be lost."""
        self._count += samples

    def _close(self, span_s: float) -> int:
        lost = 0
        if self._floor is not None:
            rise = self._lowest - self._floor
            if rise > self._tolerance * span_s:
                lost = self._quantum * round(rise * self._rate / self._quantum)
        self._count += lost
        self._floor = self._lowest - lost / self._rate
        self._lowest = math.inf
        return lost
