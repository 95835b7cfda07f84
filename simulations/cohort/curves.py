"""Smooth curves that movements are drawn with: twice differentiable, so that forces are finite.

Everything is evaluated for all frames at once.
"""

from __future__ import annotations

import numpy as np
from scipy.linalg import solveh_banded
from scipy.ndimage import gaussian_filter1d

from kinefed.datasets.types import FloatArray


def smoothstep(x: FloatArray) -> FloatArray:
    """Rise from 0 to 1 over x in [0, 1] with no speed and no acceleration at either end.

    ``10 x^3 - 15 x^4 + 6 x^5``; below 0 it is 0, above 1 it is 1.
    """
    x = np.clip(x, 0.0, 1.0)
    return np.asarray(x * x * x * (10.0 + x * (-15.0 + 6.0 * x)))


def hermite(
    time_s: FloatArray,
    knots_s: FloatArray,
    value: FloatArray,
    rate: FloatArray | None = None,
    acceleration: FloatArray | None = None,
) -> FloatArray:
    """Quintic Hermite curve through knots, constant before the first and after the last.

    Parameters
    ----------
    time_s
        Where to evaluate, (frames,).
    knots_s
        Increasing times, (knots,).
    value, rate, acceleration
        What the curve has at each knot, (knots,); rate and acceleration are zero by default.

    Returns
    -------
    FloatArray
        (frames,).
    """
    zero = np.zeros_like(value)
    rate = zero if rate is None else rate
    acceleration = zero if acceleration is None else acceleration
    i = np.clip(np.searchsorted(knots_s, time_s, side="right") - 1, 0, len(knots_s) - 2)
    h = np.diff(knots_s)[i]
    x = np.clip((time_s - knots_s[i]) / h, 0.0, 1.0)
    p, v, a = value[i], rate[i] * h, 0.5 * acceleration[i] * h * h
    p1, v1, a1 = value[i + 1], rate[i + 1] * h, 0.5 * acceleration[i + 1] * h * h
    # The last three coefficients meet value, rate and acceleration at the far knot.
    d0, d1, d2 = p1 - p - v - a, v1 - v - 2.0 * a, a1 - a
    c3 = 10.0 * d0 - 4.0 * d1 + d2
    c4 = -15.0 * d0 + 7.0 * d1 - 2.0 * d2
    c5 = 6.0 * d0 - 3.0 * d1 + d2
    return p + x * (v + x * (a + x * (c3 + x * (c4 + x * c5))))


def departure(
    value: FloatArray, rate: FloatArray, via: tuple[FloatArray, FloatArray]
) -> FloatArray:
    """Coefficients of the polynomial that leaves zero, passes a point and ends with a rate.

    It has value, rate and acceleration zero at 0, so it joins a constant; see `cubic_onset`. A
    Hermite curve would have to be told, or would stop, the acceleration at the point.

    Parameters
    ----------
    value, rate
        At 1, (curves,).
    via
        A point in between: where in (0, 1), and the value there, each (curves,).

    Returns
    -------
    FloatArray
        (curves, 3).
    """
    at, there = via
    order = np.arange(3.0)
    ones = np.ones((len(value), 3))
    system = np.stack([ones, ones * (3.0 + order), at[:, None] ** (3.0 + order)], axis=1)
    wanted = np.stack([value, rate, there], axis=1)
    return np.asarray(np.linalg.solve(system, wanted[:, :, None])[:, :, 0])


def cubic_onset(coefficients: FloatArray, x: FloatArray) -> FloatArray:
    """``x^3 (c0 + c1 x + c2 x^2)`` in [0, 1], zero before; one row of coefficients a frame."""
    x = np.clip(x, 0.0, 1.0)
    total = np.zeros_like(x)
    for column in coefficients.T[::-1]:
        total = total * x + column
    return np.asarray(total * x**3)


def glide(time_s: FloatArray, knots_s: FloatArray, value: FloatArray, width_s: float) -> FloatArray:
    """Line from knot to knot, its corners rounded by a Gaussian of standard deviation `width_s`.

    Unlike an interpolating spline it never overshoots, and a straight line stays straight: it
    goes on along the first and the last piece.

    Parameters
    ----------
    time_s
        Evenly spaced, (frames,).
    knots_s, value
        (knots,).
    width_s
        Standard deviation in seconds.
    """
    step_s = float(time_s[1] - time_s[0])
    margin = int(np.ceil(5.0 * width_s / step_s))
    wide = time_s[0] + step_s * np.arange(-margin, len(time_s) + margin)
    line = np.interp(wide, knots_s, value)
    for end, other in ((0, 1), (-1, -2)):
        slope = (value[other] - value[end]) / (knots_s[other] - knots_s[end])
        beyond = wide < knots_s[0] if end == 0 else wide > knots_s[-1]
        line[beyond] = value[end] + slope * (wide[beyond] - knots_s[end])
    smooth = gaussian_filter1d(line, width_s / step_s, mode="nearest", truncate=4.5)
    return np.asarray(smooth[margin : margin + len(time_s)], dtype=np.float64)


class EvenSpline:
    """Cubic spline through evenly spaced frames, with no third derivative's jump next to an end.

    It is `scipy.interpolate.CubicSpline`'s curve, several times faster for even spacing.

    Parameters
    ----------
    x
        (frames, columns): four frames at least.
    rate_hz
        Frames a second.
    start_s
        Time of the first frame.
    """

    def __init__(self, x: FloatArray, rate_hz: float, start_s: float = 0.0) -> None:
        self._rate_hz, self._start_s = rate_hz, start_s
        # Frames last: all that follows runs along them.
        self._x = np.ascontiguousarray(x.T)
        self._slope = _slopes(self._x)

    @property
    def frames(self) -> FloatArray:
        """What it goes through, (frames, columns)."""
        return self._x.T

    def put(self, column: int, x: FloatArray) -> None:
        """Replace one column, (frames,)."""
        self._x[column] = x
        self._slope[column] = _slopes(self._x[column : column + 1])[0]

    def __call__(self, time_s: FloatArray) -> FloatArray:
        """Evaluate, (times, columns); the first and the last piece go on beyond the frames."""
        place = (time_s - self._start_s) * self._rate_hz
        i = np.clip(place.astype(np.intp), 0, self._x.shape[1] - 2)
        u = place - i
        x, slope = self._x[:, i], self._slope[:, i]
        rise, slope1 = self._x[:, i + 1] - x, self._slope[:, i + 1]
        bend = 3.0 * rise - 2.0 * slope - slope1
        return np.asarray(x + u * (slope + u * (bend + u * (slope + slope1 - 2.0 * rise)))).T

    def derivatives(self) -> tuple[FloatArray, FloatArray]:
        """First and second time derivative at the frames, (frames, columns) each."""
        slope, rise = self._slope, np.diff(self._x, axis=1)
        bend = np.empty_like(slope)
        bend[:, :-1] = 6.0 * rise - 4.0 * slope[:, :-1] - 2.0 * slope[:, 1:]
        bend[:, -1] = 4.0 * slope[:, -1] + 2.0 * slope[:, -2] - 6.0 * rise[:, -1]
        return self._rate_hz * slope.T, self._rate_hz**2 * bend.T


def _slopes(x: FloatArray) -> FloatArray:
    """Rise a frame of the spline at each frame, (columns, frames)."""
    rise = np.diff(x, axis=1)
    # Below the diagonal and on it; halved, the equations of the ends make it symmetric.
    band = np.ones((2, x.shape[1]))
    band[0, 1:-1] = 4.0
    band[0, 0] = band[0, -1] = 0.5
    right = np.empty_like(x)
    right[:, 1:-1] = 3.0 * (rise[:, 1:] + rise[:, :-1])
    # The first two pieces are one polynomial, and so are the last two.
    right[:, 0] = 1.25 * rise[:, 0] + 0.25 * rise[:, 1]
    right[:, -1] = 1.25 * rise[:, -1] + 0.25 * rise[:, -2]
    solved = solveh_banded(
        band, right.T, lower=True, overwrite_ab=True, overwrite_b=True, check_finite=False
    )
    return np.asarray(solved, dtype=np.float64).T


def derivatives(x: FloatArray, rate_hz: float) -> tuple[FloatArray, FloatArray]:
    """First and second time derivative of evenly sampled columns by one cubic spline.

    The spline is the movement: values, rates and accelerations are those of one curve, so inverse
    dynamics of the three is consistent.

    Parameters
    ----------
    x
        (frames, columns).
    rate_hz
        Sampling rate.
    """
    return EvenSpline(x, rate_hz).derivatives()
