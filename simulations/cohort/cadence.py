"""Walking whose pace changes, stops and starts again: footsteps between the fitted paces."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from kinefed.datasets.types import FloatArray
from kinefed.simulations.cohort.contact import GRAVITY
from kinefed.simulations.cohort.gait import STANDING_KNEE, Steps, footsteps
from kinefed.simulations.cohort.kinematics import LegGeometry
from kinefed.simulations.cohort.people import VirtualPerson
from kinefed.simulations.cohort.style import STEP_LENGTH, STEP_TIME, Style, vary

# One pace is kept for so many steps; then comes another, or with this chance a stop.
_KEPT = (6, 12)
_STOP, _STAND_S = 0.4, (0.8, 2.5)
# Shares of the pace in the steps before standing and after it. The centre of mass foresees both:
# it lags behind feet that stop suddenly, further than a leg can reach.
_SLOWING, _STARTING = (0.9, 0.75, 0.55, 0.5), (0.5, 0.6, 0.75, 0.9)
# Steps between two paces.
_BETWEEN = 3
# Around standing: what is left of these parameters. `arriving` is the foot that comes to stand,
# `leaving` the one beside it, which then takes the first step; `closing` the swing to standing.
_ARRIVING = {"pitch_strike": 0.6, "rate_strike": 0.6}
_LEAVING = {"pitch_opposite": 0.3, "pitch_off": 0.55, "rate_off": 0.5, "knee_0": 0.8, "knee_1": 0.8}
_CLOSING = {"hip_0": 0.9, "hip_1": 0.65, "hip_2": 0.25}
_SWAY = ("list", "tilt_", "lean_", "bend")


def paces(
    count: int, span: tuple[float, float], rng: np.random.Generator
) -> tuple[FloatArray, FloatArray]:
    """Draw the pace of each step and the standing after each contact.

    Parameters
    ----------
    count
        Steps.
    span
        Slowest and fastest pace.

    Returns
    -------
    pace
        (steps,): in the unit of `span`.
    pause_s
        (steps,): 0 where walking goes on.
    """
    pace, pause = np.empty(count), np.zeros(count)
    now, at = rng.uniform(*span), 0
    while at < count:
        kept = int(rng.integers(*_KEPT, endpoint=True))
        stop = rng.random() < _STOP
        pace[at : at + kept] = now
        at += kept
        if stop and at < count - 1:
            pause[at - 1] = rng.uniform(*_STAND_S)
            n = min(len(_SLOWING), at - 1)
            pace[at - 1 - n : at - 1] *= np.array(_SLOWING[len(_SLOWING) - n :])
            n = min(len(_STARTING), count - at + 1)
            pace[at - 1 : at - 1 + n] = now * np.array(_STARTING[:n])
            at += len(_STARTING) - 1
        else:
            target = rng.uniform(*span)
            for i in range(min(_BETWEEN, count - at)):
                pace[at + i] = now + (target - now) * (i + 1.0) / (_BETWEEN + 1.0)
            now, at = target, at + _BETWEEN
    return pace, pause


def varied_steps(
    styles: Sequence[Style],
    person: VirtualPerson,
    leg: LegGeometry,
    duration_s: float,
    start_s: float,
    rng: np.random.Generator,
) -> Steps:
    """Footsteps of walking with changes of pace, stops and starts.

    Parameters
    ----------
    styles
        Of walking at different paces, by which the parameters of each step are interpolated.
    person, leg
        Who walks.
    duration_s
        At least so long, from `start_s`.
    rng
        Chance.
    """
    order = sorted(styles, key=lambda style: style.speed)
    speeds = np.array([style.speed for style in order])
    shortest = min(style.stride_s(leg) for style in order)
    count = 2 * int(np.ceil(duration_s / shortest)) + 4
    pace, pause = paces(count, (float(speeds[0]), float(speeds[-1])), rng)
    one = vary(order[0], person, rng, count)
    moved = {key: one[key] - order[0].values[key] for key in one}
    values = {
        key: np.interp(pace, speeds, [style.values[key] for style in order]) + moved[key]
        for key in one
    }
    step_s = 0.5 * np.interp(pace, speeds, [style.stride_s(leg) for style in order])
    step_m = step_s * pace * np.sqrt(GRAVITY * leg.standing_m)
    stood = np.flatnonzero(pause)
    _around_standing(values, stood, count)
    step_m[stood[stood > 0] - 1] = 0.0
    chance = rng.standard_normal((2, count))
    return footsteps(
        values,
        step_s * (1.0 + STEP_TIME * chance[0]),
        step_m * (1.0 + STEP_LENGTH * chance[1]),
        np.full(count, order[0].width * leg.standing_m),
        start_s,
        pause,
    )


def _around_standing(values: dict[str, FloatArray], stood: NDArray[np.intp], count: int) -> None:
    """Calm the parameters of the steps that lead to standing and away from it, in place."""
    sway = np.ones(count)
    for i in stood:
        sway[max(i - 1, 0) : i + 2] *= np.array([0.5, 0.0, 0.5])[max(1 - i, 0) : count - i + 1]
        for back, table in ((0, _ARRIVING), (1, _LEAVING), (2, _CLOSING)):
            if i >= back:
                for key, share in table.items():
                    values[key][i - back] *= share
        values["knee_load"][i] = STANDING_KNEE + 0.5 * (values["knee_load"][i] - STANDING_KNEE)
    for key in values:
        if key.startswith(_SWAY):
            values[key] *= sway
