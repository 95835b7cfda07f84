"""Other rates: causal for streams, without delay for whole recordings."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
from scipy import signal

from kinefed.signals.errors import SignalError, SignalReason
from kinefed.signals.filters import SosSession, low_pass_sos
from kinefed.signals.steps import Layout, Samples, Step, StepSession, above_zero, register

# Above this share of the new rate the anti-alias filter cuts: 0.8 of half the rate, the margin
# of scipy.signal.decimate.
_ANTI_ALIAS = 0.4
_ANTI_ALIAS_ORDER = 4
# Positions are computed in floating point; one that misses a sample by less than this is on it.
_ON_SAMPLE = 1e-9


@register("resample")
@dataclass(frozen=True)
class Resample(Step):
    """Sample a stream at another rate; the first output lies on the first input.

    Where the old rate is a multiple of the new one, samples are picked. Otherwise they are
    interpolated linearly between the last two samples received, which delays by one old sample:
    to interpolate around the present would need the next one.

    Attributes
    ----------
    rate_hz
        The new rate.
    anti_alias
        Low-pass (Butterworth, order 4, 0.4 of the new rate) before going down. Leave it out
        after a filter that has cut there already.
    zero_phase
        `scipy.signal.resample_poly` instead, no delay; for whole recordings whose rates are in a
        ratio of whole numbers up to 1000.
    """

    rate_hz: float
    anti_alias: bool = True
    zero_phase: bool = False

    def __post_init__(self) -> None:
        above_zero(self.kind, "rate_hz", self.rate_hz)

    def _begin(self, layout: Layout) -> StepSession:
        out = replace(layout, rate_hz=self.rate_hz)
        down = layout.rate_hz > self.rate_hz
        guard = None
        if down and self.anti_alias:
            cutoff_hz = _ANTI_ALIAS * self.rate_hz
            sos = low_pass_sos(self.kind, cutoff_hz, _ANTI_ALIAS_ORDER, layout.rate_hz)
            guard = SosSession(sos, layout)
        return _ResampleSession(layout.rate_hz / self.rate_hz, guard, out)

    def _whole(self, samples: Samples, layout: Layout) -> tuple[Samples, Layout]:
        out = replace(layout, rate_hz=self.rate_hz)
        ratio = Fraction(self.rate_hz / layout.rate_hz).limit_denominator(1000)
        if ratio.numerator > 1000 or abs(float(ratio) * layout.rate_hz / self.rate_hz - 1) > 1e-9:
            raise SignalError(
                SignalReason.OUT_OF_RANGE,
                f"{layout.rate_hz:g} and {self.rate_hz:g} Hz have no ratio of small whole numbers",
                where=f"{self.kind}.rate_hz",
                next_step="Use the causal step",
            )
        if len(samples) == 0:
            return samples, out
        poly = signal.resample_poly(
            samples, ratio.numerator, ratio.denominator, axis=0, padtype="line"
        )
        return np.asarray(poly), out


class _ResampleSession(StepSession):
    def __init__(self, ratio: float, guard: SosSession | None, layout: Layout) -> None:
        self.layout = layout
        self._picks = ratio > 0.5 and abs(ratio - round(ratio)) < _ON_SAMPLE * ratio
        # Whole ratios are kept exact, for streams that last for days.
        self._ratio = float(round(ratio)) if self._picks else ratio
        self._guard = guard
        self._received = 0
        self._next = 0
        self._last: Samples | None = None

    def push(self, samples: Samples) -> Samples:
        if len(samples) == 0:
            return samples
        if self._guard is not None:
            samples = self._guard.push(samples)
        # The last two samples of the chunk before stay: the next output may lie between them.
        # Before the first sample lies the first sample.
        history = np.repeat(samples[:1], 2, axis=0) if self._last is None else self._last
        known = np.concatenate([history, samples])
        origin = self._received - 2
        self._received += len(samples)
        self._last = known[-2:].copy()
        numbers = np.arange(self._next, int(self._received / self._ratio) + 2, dtype=np.int64)
        position = numbers * self._ratio + _ON_SAMPLE
        newest = np.floor(position).astype(np.int64)
        ready = newest < self._received
        position, newest = position[ready], newest[ready]
        self._next += len(newest)
        latest: Samples = known[newest - origin]
        if self._picks:
            return latest
        weight = (position - newest)[:, None]
        return np.asarray(known[newest - 1 - origin] * (1.0 - weight) + latest * weight)
