"""Linear filters as second-order sections: band-pass, notch, low-pass.

Every filter starts in the steady state of its first sample, so that a stream has no transient
from an imagined zero before it. Each has a ``zero_phase`` twin that runs forwards and backwards:
no delay, twice the order, -6 dB instead of -3 dB at the cut-off, and offline only.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass

import numpy as np
from scipy import signal

from kinefed.signals.errors import SignalError, SignalReason
from kinefed.signals.steps import Layout, Samples, Step, StepSession, above_zero, register

# The upper edge of a band stays this far (as a share of the rate) below half the rate, where a
# digital filter's response collapses.
EDGE = 0.45


class SosSession(StepSession):
    """A cascade of second-order sections with its state.

    Parameters
    ----------
    sos
        (sections, 6), as of `scipy.signal.butter`.
    layout
        What comes out.
    """

    def __init__(self, sos: Samples, layout: Layout) -> None:
        self.layout = layout
        self._sos = sos
        self._zi: Samples | None = None

    def push(self, samples: Samples) -> Samples:
        """Filter the next samples, (n, channels) -> (n, channels)."""
        if len(samples) == 0:
            return samples
        if self._zi is None:
            self._zi = signal.sosfilt_zi(self._sos)[:, :, None] * samples[0]
        filtered: Samples
        filtered, self._zi = signal.sosfilt(self._sos, samples, axis=0, zi=self._zi)
        return filtered


class SosStep(Step):
    """A step that is a cascade of second-order sections."""

    @abstractmethod
    def sos(self, rate_hz: float) -> Samples:
        """Design the filter for a rate: (sections, 6).

        Raises
        ------
        SignalError
            ``rate_too_low``.
        """

    def layout_out(self, layout: Layout) -> Layout:
        """Say what comes out; the same unless a filter renames its channels."""
        return layout

    def _begin(self, layout: Layout) -> StepSession:
        return SosSession(self.sos(layout.rate_hz), self.layout_out(layout))

    def _whole(self, samples: Samples, layout: Layout) -> tuple[Samples, Layout]:
        filtered = forward_backward(self.sos(layout.rate_hz), samples, self.kind)
        return filtered, self.layout_out(layout)


@register("band_pass")
@dataclass(frozen=True)
class BandPass(SosStep):
    """Butterworth band-pass.

    Attributes
    ----------
    low_hz, high_hz
        The band; the upper edge is lowered to 0.45 of the rate where it lies above. The default
        is the band of surface EMG: below 20 Hz lie movement artefacts (De Luca et al., J Biomech
        43(8), 2010), above 450 Hz almost no power.
    order
        Order of each edge; the band-pass has twice that.
    zero_phase
        Forwards and backwards; offline only.
    """

    low_hz: float = 20.0
    high_hz: float = 450.0
    order: int = 2
    zero_phase: bool = False

    def __post_init__(self) -> None:
        above_zero(self.kind, "low_hz", self.low_hz)
        above_zero(self.kind, "high_hz", self.high_hz)
        check_order(self.kind, self.order)
        if self.low_hz >= self.high_hz:
            raise SignalError(
                SignalReason.OUT_OF_RANGE,
                f"the band {self.low_hz:g}..{self.high_hz:g} Hz is empty",
                where=f"{self.kind}.high_hz",
            )

    def sos(self, rate_hz: float) -> Samples:
        """Design the filter for a rate."""
        high_hz = min(self.high_hz, EDGE * rate_hz)
        if self.low_hz >= high_hz:
            raise too_low(self.kind, f"a band from {self.low_hz:g} Hz", rate_hz)
        band = (self.low_hz, high_hz)
        return np.asarray(signal.butter(self.order, band, "bandpass", output="sos", fs=rate_hz))


@register("notch")
@dataclass(frozen=True)
class Notch(SosStep):
    """Second-order notch against mains hum.

    Attributes
    ----------
    frequency_hz
        50 Hz or 60 Hz.
    quality
        Frequency over the -3 dB width; 30 takes 1.7 Hz out at 50 Hz.
    zero_phase
        Forwards and backwards; offline only.
    """

    frequency_hz: float = 50.0
    quality: float = 30.0
    zero_phase: bool = False

    def __post_init__(self) -> None:
        above_zero(self.kind, "frequency_hz", self.frequency_hz)
        above_zero(self.kind, "quality", self.quality)

    def sos(self, rate_hz: float) -> Samples:
        """Design the filter for a rate."""
        if self.frequency_hz > EDGE * rate_hz:
            raise too_low(self.kind, f"a notch at {self.frequency_hz:g} Hz", rate_hz)
        b, a = signal.iirnotch(self.frequency_hz, self.quality, fs=rate_hz)
        return np.asarray(signal.tf2sos(b, a))


@register("low_pass")
@dataclass(frozen=True)
class LowPass(SosStep):
    """Butterworth low-pass.

    Attributes
    ----------
    cutoff_hz
        The -3 dB frequency.
    order
        2 delays low frequencies by about ``1 / (pi * sqrt(2) * cutoff)``: 38 ms for 6 Hz.
    zero_phase
        Forwards and backwards; offline only.
    """

    cutoff_hz: float
    order: int = 2
    zero_phase: bool = False

    def __post_init__(self) -> None:
        above_zero(self.kind, "cutoff_hz", self.cutoff_hz)
        check_order(self.kind, self.order)

    def sos(self, rate_hz: float) -> Samples:
        """Design the filter for a rate."""
        return low_pass_sos(self.kind, self.cutoff_hz, self.order, rate_hz)


@register("low_pass_envelope")
@dataclass(frozen=True)
class LowPassEnvelope(SosStep):
    """Butterworth low-pass of rectified EMG: ``emg.*`` becomes ``envelope.*``, still in volts.

    Attributes
    ----------
    cutoff_hz
        6 Hz is the usual linear envelope of gait (Winter, Biomechanics and Motor Control of
        Human Movement, 4th ed., 2009, ch. 10).
    order
        Of the filter.
    zero_phase
        Forwards and backwards; offline only.
    """

    cutoff_hz: float = 6.0
    order: int = 2
    zero_phase: bool = False

    def __post_init__(self) -> None:
        above_zero(self.kind, "cutoff_hz", self.cutoff_hz)
        check_order(self.kind, self.order)

    def sos(self, rate_hz: float) -> Samples:
        """Design the filter for a rate."""
        return low_pass_sos(self.kind, self.cutoff_hz, self.order, rate_hz)

    def layout_out(self, layout: Layout) -> Layout:
        """Rename EMG to envelopes."""
        return layout.renamed({"emg": "envelope"})


def low_pass_sos(kind: str, cutoff_hz: float, order: int, rate_hz: float) -> Samples:
    """Design a Butterworth low-pass, (sections, 6); refuse a rate that is too low for it."""
    if cutoff_hz > EDGE * rate_hz:
        raise too_low(kind, f"a cut-off of {cutoff_hz:g} Hz", rate_hz)
    return np.asarray(signal.butter(order, cutoff_hz, "lowpass", output="sos", fs=rate_hz))


def forward_backward(sos: Samples, samples: Samples, kind: str) -> Samples:
    """Filter without delay, (samples, channels); refuse a stream too short for its padding."""
    # scipy's own padding: three times the length of the impulse response's recursion.
    padding = 3 * (2 * len(sos) + 1 - min((sos[:, 2] == 0).sum(), (sos[:, 5] == 0).sum()))
    if len(samples) <= padding:
        raise SignalError(
            SignalReason.TOO_SHORT,
            f"{len(samples)} samples; forwards and backwards needs more than {padding}",
            where=kind,
            next_step="Use the causal filter",
        )
    return np.asarray(signal.sosfiltfilt(sos, samples, axis=0))


def check_order(kind: str, order: int) -> None:
    """Refuse an order outside 1..8, above which the band edges of narrow filters ring."""
    if not 1 <= order <= 8:
        raise SignalError(
            SignalReason.OUT_OF_RANGE, f"{order} is not in 1..8", where=f"{kind}.order"
        )


def too_low(kind: str, what: str, rate_hz: float) -> SignalError:
    """Say that a stream's rate cannot carry a band."""
    return SignalError(
        SignalReason.RATE_TOO_LOW,
        f"{what} does not fit below {EDGE} of {rate_hz:g} Hz",
        where=kind,
        next_step="Sample faster or choose a lower frequency",
    )
