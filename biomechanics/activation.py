"""From neural excitation to muscle activation and back.

Activation dynamics (Zajac 1989; Thelen, J Biomech Eng 125, 2003, equations 1 and 2):

    da/dt = (u - a) / tau,   tau = t_act (0.5 + 1.5 a) where u > a, else t_deact / (0.5 + 1.5 a),

with 15 and 60 ms (De Groote et al. 2016). The inverse is explicit: the sign of da/dt says which
branch holds. The A-shape (Manal and Buchanan, J Biomech 36, 2003; CEINMS) bends the line between
EMG and activation, and the electromechanical delay is the time from EMG to force.
"""

from __future__ import annotations

import numpy as np

from kinefed.datasets.errors import DataError, DataReason
from kinefed.datasets.types import FloatArray

ACTIVATION_S = 0.015
DEACTIVATION_S = 0.060


def activate(
    excitation: FloatArray,
    rate_hz: float,
    start: FloatArray | None = None,
    activation_s: float = ACTIVATION_S,
    deactivation_s: float = DEACTIVATION_S,
) -> FloatArray:
    """Run the dynamics forward.

    Parameters
    ----------
    excitation
        (frames, muscles) in [0, 1].
    rate_hz
        Frames a second. Each frame's excitation is held for one frame and its time constant is
        that of the frame's start, which is stable at any rate.
    start
        (muscles,) activation before the first frame; None: that of the first excitation.

    Returns
    -------
    activation
        (frames, muscles).

    Raises
    ------
    DataError
        ``out_of_range`` for excitations outside [0, 1] or a rate that is not positive.
    """
    _check(excitation, rate_hz, "excitation")
    step_s = 1.0 / rate_hz
    activation = np.empty_like(excitation)
    now = excitation[0] if start is None else start
    for frame, wanted in enumerate(excitation):
        gain = 0.5 + 1.5 * now
        tau = np.where(wanted > now, activation_s * gain, deactivation_s / gain)
        now = wanted + (now - wanted) * np.exp(-step_s / tau)
        activation[frame] = now
    return activation


def excite(
    activation: FloatArray,
    rate_hz: float,
    activation_s: float = ACTIVATION_S,
    deactivation_s: float = DEACTIVATION_S,
) -> FloatArray:
    """Find the excitation behind an activation: the dynamics inverted.

    Parameters
    ----------
    activation
        (frames, muscles) in [0, 1].
    rate_hz
        Frames a second.

    Returns
    -------
    excitation
        (frames, muscles), clipped to [0, 1]: an activation that rises or falls faster than the
        dynamics allow has no excitation, and gets the bound.

    Raises
    ------
    DataError
        ``out_of_range`` as of `activate`; ``empty`` for fewer than two frames.
    """
    _check(activation, rate_hz, "activation")
    if len(activation) < 2:
        raise DataError(DataReason.EMPTY, "one frame has no rate of change", where="excite")
    rate = np.gradient(activation, 1.0 / rate_hz, axis=0)
    gain = 0.5 + 1.5 * activation
    tau = np.where(rate > 0.0, activation_s * gain, deactivation_s / gain)
    return np.asarray(np.clip(activation + rate * tau, 0.0, 1.0))


def shape(excitation: FloatArray, a: FloatArray | float) -> FloatArray:
    """Bend excitation into activation: ``(exp(A u) - 1) / (exp(A) - 1)``, A in [-3, 0].

    0 is the straight line; at -3 half of the activation is reached at a fifth of the excitation.
    """
    a = _curvature(a)
    return np.asarray(np.expm1(a * excitation) / np.expm1(a))


def unshape(activation: FloatArray, a: FloatArray | float) -> FloatArray:
    """Undo `shape`."""
    a = _curvature(a)
    # Full activation comes back as 1 and the last bit without the clip.
    return np.asarray(np.clip(np.log1p(activation * np.expm1(a)) / a, 0.0, 1.0))


def shift(signal: FloatArray, rate_hz: float, delay_s: float) -> FloatArray:
    """Delay (positive) or advance a signal, (frames, ...), between frames in straight lines.

    The first (or last) frame is repeated where nothing is known.
    """
    frames = np.arange(len(signal)) - delay_s * rate_hz
    frames = np.clip(frames, 0.0, len(signal) - 1.0)
    below = np.minimum(frames.astype(int), max(len(signal) - 2, 0))
    above = np.minimum(below + 1, len(signal) - 1)
    weight = (frames - below).reshape(-1, *[1] * (signal.ndim - 1))
    return np.asarray((1.0 - weight) * signal[below] + weight * signal[above])


def _curvature(a: FloatArray | float) -> FloatArray:
    value = np.asarray(a, dtype=np.float64)
    if not ((value <= 0.0) & (value >= -3.0)).all():
        raise DataError(
            DataReason.OUT_OF_RANGE, f"the A-shape {a} is not in [-3, 0]", where="activation.shape"
        )
    # The straight line is the limit; at 1e-9 it is reached to rounding.
    return np.minimum(value, -1e-9)


def _check(values: FloatArray, rate_hz: float, what: str) -> None:
    if not rate_hz > 0.0:
        raise DataError(DataReason.OUT_OF_RANGE, f"a rate of {rate_hz} Hz", where=what)
    if values.ndim != 2 or len(values) == 0:
        raise DataError(
            DataReason.MISMATCH,
            f"{what} has the shape {values.shape}",
            where=what,
            next_step="Give (frames, muscles)",
        )
    # Comparisons with NaN are false, so this refuses NaN as well.
    if not ((values >= 0.0) & (values <= 1.0)).all():
        raise DataError(DataReason.OUT_OF_RANGE, f"{what} has values outside [0, 1]", where=what)
