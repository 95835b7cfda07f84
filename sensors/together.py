"""How far the clocks of sensors are apart: moved together in the hand, all turn at the same rate.

The lower envelope of the arrivals leaves each sensor's own smallest delay in its times, and nothing
on the receiving side can tell it. But all points of a rigid body have one angular velocity, whose
size does not depend on how a sensor is held; so one sensor is later than another by the shift at
which those sizes agree. A jump does not do: worn, each segment feels it in its own way (virtual
people: some segments are off by 10 to 30 ms, which is more than the delays).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.interpolate import CubicSpline

from kinefed.datasets.types import FloatArray
from kinefed.sensors.calibration_errors import CalibrationError, CalibrationReason
from kinefed.sensors.orientation import ImuSamples

Span = tuple[float, float]

MOST_S = 0.25
"""Further apart than this are no two sensors on one link."""
# Turned by hand for a few seconds, ever faster and slower by this much (standard deviation): enough
# for a shift of a millisecond to show.
_LEAST_S, _LEAST_RAD_S = 2.0, 0.3
# Correlation that is left by noise and by rates that differ; a sensor left on the table has none.
_ALIKE = 0.97
_GRID_HZ = 1000.0


@dataclass(frozen=True, slots=True)
class Delay:
    """How late the samples of one sensor are.

    Attributes
    ----------
    delay_s
        Beyond the median of all sensors; negative: earlier than it.
    alike
        Correlation of its angular rate with that of the first sensor, at that shift.
    """

    delay_s: float
    alike: float


def delays(imus: Mapping[str, ImuSamples], span: Span | None = None) -> dict[str, Delay]:
    """Find how late each IMU is, from a time when all were turned as one rigid body.

    Parameters
    ----------
    imus
        Place to samples; two or more.
    span
        First and last second of the time in the hand; by default all that the sensors have in
        common.

    Returns
    -------
    dict
        Place to delay.

    Raises
    ------
    CalibrationError
        ``no_samples`` with fewer than two IMUs or less than 2 s of all of them, ``too_small``
        where they were hardly turned, ``not_alike`` for one that was not moved with the others.
    """
    if len(imus) < 2:
        raise _refused(CalibrationReason.NO_SAMPLES, f"{len(imus)} IMU in the recording", "")
    begin = max(each.start_s for each in imus.values())
    end = min(each.start_s + (len(each.gyro) - 1) / each.rate_hz for each in imus.values())
    if span is not None:
        begin, end = max(begin, span[0]), min(end, span[1])
    # A shifted sensor is looked at beyond the ends of the others.
    begin, end = begin + MOST_S, end - MOST_S
    if end - begin < _LEAST_S:
        raise _refused(
            CalibrationReason.NO_SAMPLES,
            f"all sensors have {max(0.0, end - begin):.1f} s in common, {_LEAST_S:g} are needed",
            "",
        )
    turning = {place: _Turning(place, each) for place, each in imus.items()}
    time_s = np.arange(begin, end, 1.0 / _GRID_HZ)
    first = next(iter(turning.values())).at(time_s)
    if np.std(first) < _LEAST_RAD_S:
        raise _refused(
            CalibrationReason.TOO_SMALL,
            "the sensors were hardly turned, or evenly",
            next(iter(imus)),
        )
    found = {place: _behind(first, each, time_s) for place, each in turning.items()}
    for place, (_, alike) in found.items():
        if alike < _ALIKE:
            raise _refused(
                CalibrationReason.NOT_ALIKE,
                f"it did not move as the others did (correlation {alike:.2f})",
                place,
            )
    middle = float(np.median([late for late, _ in found.values()]))
    return {place: Delay(late - middle, alike) for place, (late, alike) in found.items()}


class _Turning:
    """Size of one sensor's angular velocity at any time; its mean where samples are lost."""

    def __init__(self, place: str, samples: ImuSamples) -> None:
        valid = samples.valid & np.isfinite(samples.gyro).all(axis=1)
        if valid.sum() < _LEAST_S * samples.rate_hz:
            raise _refused(CalibrationReason.NO_SAMPLES, "it sent next to nothing", place)
        time_s = samples.start_s + np.arange(len(valid)) / samples.rate_hz
        size = np.linalg.norm(samples.gyro[valid], axis=1)
        self._curve = CubicSpline(time_s[valid], size)

    def at(self, time_s: FloatArray) -> FloatArray:
        return np.asarray(self._curve(time_s))


def _behind(first: FloatArray, other: _Turning, time_s: FloatArray) -> tuple[float, float]:
    """By how much a sensor is behind the first one, and how alike they are then."""
    reach = round(MOST_S * _GRID_HZ)
    more = np.arange(-reach, len(time_s) + reach) / _GRID_HZ + time_s[0]
    values = other.at(more)
    windows = np.lib.stride_tricks.sliding_window_view(values, len(time_s))
    # Every fourth shift, then all around the best of them.
    coarse = np.arange(0, len(windows), 4)
    near = int(coarse[np.argmax(_correlations(first, windows[coarse]))])
    fine = np.arange(max(0, near - 4), min(len(windows), near + 5))
    alike = _correlations(first, windows[fine])
    at = int(np.argmax(alike))
    shift = float(fine[at] - reach)
    if 0 < at < len(fine) - 1:
        below, top, above = alike[at - 1 : at + 2]
        shift += 0.5 * (below - above) / (below - 2.0 * top + above)
    return shift / _GRID_HZ, float(alike[at])


def _correlations(first: FloatArray, windows: FloatArray) -> FloatArray:
    """Correlate one curve, (n,), with several, (shifts, n)."""
    one = first - first.mean()
    mean = windows.mean(axis=1)
    spread = np.sqrt((windows**2).mean(axis=1) - mean**2)
    return np.asarray(windows @ one / (len(one) * one.std() * np.maximum(spread, 1e-9)))


def _refused(reason: CalibrationReason, what: str, place: str) -> CalibrationError:
    return CalibrationError(
        reason,
        what,
        where=place,
        next_step="Hold all sensors together in the hand and turn them to and fro for ten seconds",
    )
