"""From EMG in volts to an envelope as a fraction of the wearer's reference."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from scipy import ndimage, signal

from kinefed.signals.errors import SignalError, SignalReason
from kinefed.signals.filters import BandPass, LowPassEnvelope
from kinefed.signals.steps import (
    Layout,
    Pointwise,
    Samples,
    Step,
    StepSession,
    above_zero,
    register,
)


@register("rectify")
@dataclass(frozen=True)
class Rectify(Step):
    """Full-wave rectification: ``|x|``."""

    def _begin(self, layout: Layout) -> StepSession:
        return Pointwise(layout, np.abs)


@register("moving_rms")
@dataclass(frozen=True)
class MovingRMS(Step):
    """Root mean square over the last `window_s`; ``emg.*`` becomes ``envelope.*``.

    Attributes
    ----------
    window_s
        Length of the window, rounded to samples. Missing history is the first sample repeated.
    zero_phase
        A centred window (of an odd number of samples, ends repeated); offline only.
    """

    window_s: float = 0.15
    zero_phase: bool = False

    def __post_init__(self) -> None:
        above_zero(self.kind, "window_s", self.window_s)

    def _begin(self, layout: Layout) -> StepSession:
        return _RmsSession(self._samples(layout), layout.renamed({"emg": "envelope"}))

    def _whole(self, samples: Samples, layout: Layout) -> tuple[Samples, Layout]:
        size = self._samples(layout) | 1
        mean = ndimage.correlate1d(
            samples * samples, np.full(size, 1.0 / size), axis=0, mode="nearest"
        )
        return np.sqrt(mean), layout.renamed({"emg": "envelope"})

    def _samples(self, layout: Layout) -> int:
        size = round(self.window_s * layout.rate_hz)
        if size < 1:
            raise SignalError(
                SignalReason.RATE_TOO_LOW,
                f"{self.window_s:g} s is less than half a sample at {layout.rate_hz:g} Hz",
                where=f"{self.kind}.window_s",
            )
        return size


class _RmsSession(StepSession):
    def __init__(self, size: int, layout: Layout) -> None:
        self.layout = layout
        # A sum over the window anew for each sample: a running sum would gather rounding error
        # for as long as the stream lasts, and would depend on how it is cut into chunks.
        self._taps = np.full(size, 1.0 / size)
        self._zi: Samples | None = None

    def push(self, samples: Samples) -> Samples:
        if len(samples) == 0:
            return samples
        power = samples * samples
        if self._zi is None:
            # What a history of first samples leaves: tap sums from each delay onwards.
            tail = np.arange(len(self._taps) - 1, 0, -1) / len(self._taps)
            self._zi = tail[:, None] * power[0]
        mean, self._zi = signal.lfilter(self._taps, (1.0,), power, axis=0, zi=self._zi)
        return np.asarray(np.sqrt(mean))


@register("reference")
@dataclass(frozen=True)
class Reference(Step):
    """Divide each channel by the wearer's reference: volts become a fraction.

    The reference comes from a calibration or adaptation recording (a maximal voluntary
    contraction, or the peak of a given task) and is frozen from then on; never from the recording
    in hand.

    Attributes
    ----------
    values
        Pairs of channel and reference in the channel's unit, above 0. A channel that is here but
        not in the stream is passed over; one in the stream but not here is refused with
        ``no_reference``.
    """

    values: tuple[tuple[str, float], ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "values", tuple((c, float(v)) for c, v in self.values))
        for channel, value in self.values:
            above_zero(self.kind, f"values[{channel}]", value)

    @classmethod
    def of(cls, values: Mapping[str, float]) -> Reference:
        """Make the step from a mapping of channel to reference."""
        return cls(tuple(sorted(values.items())))

    def _begin(self, layout: Layout) -> StepSession:
        known = dict(self.values)
        missing = [channel for channel in layout.channels if channel not in known]
        if missing:
            raise SignalError(
                SignalReason.NO_REFERENCE,
                f"no reference for {', '.join(missing)}",
                where=self.kind,
                next_step="Record a calibration, or leave the channel out",
            )
        scale = np.array([known[channel] for channel in layout.channels])
        out = replace(layout, units=("1",) * len(layout.units))
        return Pointwise(out, lambda samples: np.asarray(samples / scale))


def envelope_steps() -> tuple[Step, ...]:
    """Give the steps from raw EMG to its envelope in volts.

    Band-pass 20 Hz to min(450 Hz, 0.45 of the rate), rectification, causal low-pass at 6 Hz.
    The envelope lags muscle activity by 38 ms, of the order of the electromechanical delay
    (30-100 ms; Cavanagh and Komi, Eur J Appl Physiol 42, 1979), so it is close to the force.
    """
    return (BandPass(), Rectify(), LowPassEnvelope())
