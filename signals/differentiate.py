"""Velocity and acceleration from a position or an angle."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from kinefed.signals.errors import SignalError, SignalReason
from kinefed.signals.filters import SosSession, forward_backward, low_pass_sos
from kinefed.signals.steps import Layout, Samples, Step, StepSession, above_zero, register

_UP = {"angle": ("velocity", "acceleration"), "velocity": ("acceleration",)}
_FILTER_ORDER = 2


@register("differentiate")
@dataclass(frozen=True)
class Differentiate(Step):
    """Differences ``(x[n] - x[n-1]) * rate`` behind a second-order Butterworth low-pass.

    A difference multiplies noise by its frequency, so a low-pass comes with it unless it is
    declined. At low frequency the result is late by
    ``1 / (sqrt(2) * tan(pi * cutoff / rate))`` samples for the filter and half a sample for each
    difference: 14 ms + 5 ms for a velocity with 15 Hz at 100 Hz.
    A stream starts with derivative 0.

    ``angle.*`` becomes ``velocity.*`` or ``acceleration.*``; channels of other kinds get the
    prefix ``d1.`` or ``d2.``.

    Attributes
    ----------
    order
        1 for velocity, 2 for acceleration.
    cutoff_hz
        The -3 dB frequency of the low-pass; None for signals that are smooth already, such as
        joint angles from filtered markers.
    zero_phase
        Forwards and backwards, then central differences: no delay, offline only.
    """

    order: int = 1
    cutoff_hz: float | None = 15.0
    zero_phase: bool = False

    def __post_init__(self) -> None:
        if self.cutoff_hz is not None:
            above_zero(self.kind, "cutoff_hz", self.cutoff_hz)
        if self.order not in (1, 2):
            raise SignalError(
                SignalReason.OUT_OF_RANGE, f"{self.order} is not 1 or 2", where=f"{self.kind}.order"
            )

    def _begin(self, layout: Layout) -> StepSession:
        return _DifferenceSession(self._sos(layout), self.order, layout, self._layout_out(layout))

    def _whole(self, samples: Samples, layout: Layout) -> tuple[Samples, Layout]:
        sos = self._sos(layout)
        slope = samples if sos is None else forward_backward(sos, samples, self.kind)
        for _ in range(self.order):
            slope = np.gradient(slope, 1.0 / layout.rate_hz, axis=0)
        return slope, self._layout_out(layout)

    def _sos(self, layout: Layout) -> Samples | None:
        if self.cutoff_hz is None:
            return None
        return low_pass_sos(self.kind, self.cutoff_hz, _FILTER_ORDER, layout.rate_hz)

    def _layout_out(self, layout: Layout) -> Layout:
        kinds = {k: up[self.order - 1] for k, up in _UP.items() if len(up) >= self.order}
        renamed = layout.renamed(kinds).channels
        channels = tuple(
            new if new != old else f"d{self.order}.{old}"
            for old, new in zip(layout.channels, renamed, strict=True)
        )
        return replace(
            layout, channels=channels, units=tuple(_per_s(u, self.order) for u in layout.units)
        )


class _DifferenceSession(StepSession):
    def __init__(self, sos: Samples | None, order: int, before: Layout, after: Layout) -> None:
        self.layout = after
        self._filter = None if sos is None else SosSession(sos, before)
        self._rate_hz = before.rate_hz
        self._order = order
        # The last value of the signal and of each difference but the final one.
        self._last: list[Samples] = []

    def push(self, samples: Samples) -> Samples:
        if len(samples) == 0:
            return samples
        values = samples if self._filter is None else self._filter.push(samples)
        if not self._last:
            nothing = np.zeros_like(values[:1])
            self._last = [values[:1]] + [nothing] * (self._order - 1)
        for i in range(self._order):
            joined = np.concatenate([self._last[i], values])
            self._last[i] = joined[-1:]
            values = np.diff(joined, axis=0) * self._rate_hz
        return values


def _per_s(unit: str, order: int) -> str:
    """Give the unit of a derivative: rad -> rad/s -> rad/s^2."""
    if unit.endswith("/s") and order == 1:
        return f"{unit}^2"
    return f"{unit}/s" if order == 1 else f"{unit}/s^{order}"
