"""Choosing the cut-off of a low-pass from the signal: share of power, and residual analysis."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import signal

from kinefed.signals.errors import SignalError, SignalReason
from kinefed.signals.filters import EDGE, forward_backward
from kinefed.signals.steps import Samples


@dataclass(frozen=True, slots=True)
class ResidualAnalysis:
    """What `residual_analysis` found.

    Attributes
    ----------
    cutoff_hz
        The chosen cut-off.
    noise
        RMS noise, in the signal's unit: the straight part of the residual, drawn to 0 Hz.
    frequencies_hz, residuals
        (frequencies,) the curve: RMS difference between the raw and the filtered signal.
    """

    cutoff_hz: float
    noise: float
    frequencies_hz: Samples
    residuals: Samples


def power_cutoff(samples: ArrayLike, rate_hz: float, share: float = 0.99) -> float:
    """Find the lowest frequency below which a share of the power lies.

    Parameters
    ----------
    samples
        (samples,) or (samples, channels); of several channels the highest frequency counts. The
        mean is removed and a Hann window taken: a recording that does not end where it began
        would otherwise seem to hold high frequencies.
    rate_hz
        Of the samples.
    share
        Between 0 and 1; 0.99 is the usual choice for gait (Antonsson and Mann, J Biomech 18(1),
        1985).

    Returns
    -------
    cutoff_hz
        To the resolution of the FFT, ``rate / samples``. 0 for a constant signal.

    Raises
    ------
    SignalError
        ``out_of_range``, ``not_finite`` or ``too_short``.
    """
    data = _columns(samples, "power_cutoff", at_least=4)
    if not 0.0 < share < 1.0:
        raise SignalError(
            SignalReason.OUT_OF_RANGE, f"{share} is not between 0 and 1", where="power_cutoff.share"
        )
    centred = data - data.mean(axis=0)
    # What rounding leaves of a constant is no signal.
    centred[:, np.abs(centred).max(axis=0) <= 1e-12 * np.abs(data).max(axis=0)] = 0.0
    window = signal.windows.hann(len(data), sym=False)[:, None]
    power = np.abs(np.fft.rfft(centred * window, axis=0)) ** 2
    running = np.cumsum(power, axis=0)
    reached = (running >= share * running[-1]).argmax(axis=0)
    return float(np.fft.rfftfreq(len(data), 1.0 / rate_hz)[reached].max())


def residual_analysis(
    samples: ArrayLike, rate_hz: float, frequencies_hz: ArrayLike | None = None
) -> ResidualAnalysis:
    """Choose a cut-off by Winter's residual analysis.

    The signal is filtered at each frequency (Butterworth, order 2, forwards and backwards) and
    the RMS residual plotted over the cut-off. Where only noise is left the curve is straight; the
    line through that part, drawn to 0 Hz, gives the noise, and the cut-off is where the curve
    comes down to it: there as much signal is lost as noise let through (Winter, Biomechanics and
    Motor Control of Human Movement, 4th ed., 2009, section 3.4.4.3). The line is fitted to the
    upper half of the frequencies.

    Parameters
    ----------
    samples
        (samples,).
    rate_hz
        Of the samples.
    frequencies_hz
        (frequencies,) increasing, at least 8; by default 60 from 1 % to 40 % of the rate.

    Returns
    -------
    analysis
        Cut-off, noise and the curve.

    Raises
    ------
    SignalError
        ``out_of_range``, ``not_finite``, ``too_short`` or ``wrong_shape``.
    """
    data = _columns(samples, "residual_analysis", at_least=20)
    if data.shape[1] != 1:
        raise SignalError(
            SignalReason.WRONG_SHAPE, "takes one channel at a time", where="residual_analysis"
        )
    chosen = (
        np.linspace(0.01, 0.4, 60) * rate_hz
        if frequencies_hz is None
        else np.asarray(frequencies_hz, dtype=np.float64)
    )
    fits = chosen.ndim == 1 and len(chosen) >= 8 and (np.diff(chosen) > 0).all()
    if not fits or chosen[0] <= 0 or chosen[-1] > EDGE * rate_hz:
        raise SignalError(
            SignalReason.OUT_OF_RANGE,
            f"needs 8 or more increasing frequencies up to {EDGE} of the rate",
            where="residual_analysis.frequencies_hz",
        )
    residuals = np.empty(len(chosen))
    for i, cutoff_hz in enumerate(chosen):
        sos = np.asarray(signal.butter(2, cutoff_hz, "lowpass", output="sos", fs=rate_hz))
        lost = data - forward_backward(sos, data, "residual_analysis")
        residuals[i] = np.sqrt(np.mean(lost * lost))
    straight = slice(len(chosen) // 2, None)
    _, noise = np.polyfit(chosen[straight], residuals[straight], 1)
    below = np.flatnonzero(residuals <= noise)
    if len(below) == 0 or below[0] == 0:
        cutoff_hz = chosen[0] if len(below) else chosen[-1]
    else:
        high = int(below[0])
        pair = slice(high - 1, high + 1)
        # np.interp wants increasing abscissae; the residual falls with frequency.
        cutoff_hz = np.interp(noise, residuals[pair][::-1], chosen[pair][::-1])
    return ResidualAnalysis(float(cutoff_hz), float(noise), chosen, residuals)


def _columns(samples: ArrayLike, where: str, at_least: int) -> Samples:
    data = np.asarray(samples, dtype=np.float64)
    if data.ndim == 1:
        data = data[:, None]
    if data.ndim != 2:
        raise SignalError(SignalReason.WRONG_SHAPE, f"samples are {data.shape}", where=where)
    if len(data) < at_least:
        raise SignalError(
            SignalReason.TOO_SHORT, f"{len(data)} samples, {at_least} needed", where=where
        )
    if not np.isfinite(data).all():
        raise SignalError(SignalReason.NOT_FINITE, "NaN or infinity", where=where)
    return data
