"""Walking whose pace changes, stops and starts again: footsteps between the fitted paces."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from kinefed.datasets.types import FloatArray
from kinefed.simulations.cohort.contact import GRAVITY
from kinefed.simulations.cohort.gait import Steps, footsteps
from kinefed.simulations.cohort.kinematics import LegGeometry
from kinefed.simulations.cohort.style import STEP_LENGTH, STEP_TIME, Style, vary

# One pace is kept for so many steps; then comes another, or with this chance a stop.
_KEPT = (6, 12)
_STOP, _STAND_S = 0.4, (0.8, 2.5)
# From here to `_LESS_FORTH` a search found the numbers, for few faulty frames and small moments of
# the hip in eight people who stop and start; in twelve others they halve the faults that were.
# Shares of the pace in the steps before standing and after it. The centre of mass foresees both:
# it lags behind feet that stop suddenly, further than a leg can reach.
_SLOWING, _STARTING = (0.87, 0.81, 0.58, 0.39), (0.62, 0.69, 0.96)
# Steps between two paces.
_BETWEEN = 3
# How far a foot lands before the centre of mass around standing, and how far behind it leaves, as
# shares of what they are in walking: from three contacts before the one that ends in standing.
_BEFORE = 3
_LANDS = (0.84, 0.88, 0.64, -0.01, 0.21, 0.45, 0.52, 1.04)
_LEAVES = (0.87, 0.44, 0.17, 0.95, 1.08, 1.21, 1.1, 0.99)
# What these shares act on: the rest stays where little is left of the step.
_LANDING = {"pitch_strike": 0.02, "rate_strike": -0.02}
_LEAVING = {"pitch_opposite": 0.02, "pitch_off": 0.09, "rate_off": -1.08}
# Who starts leans on the heels: centre of pressure of the foot that leaves first, and of the other.
_FIRST = {"cop_lift": -1.92, "cop_opposite": -1.13, "cop_off": -0.13}
_OTHER = {"cop_lift": -1.65}
# Knees of the foot that comes to stand, and more of them in the two steps after.
_STILL = {"knee_load": 0.26}
_YIELDS = ({"knee_strike": 0.2, "knee_load": 0.05}, {"knee_strike": 0.07, "knee_load": 0.12})
# The foot that stood leaves the ground without the way back that it has in walking, and later.
_FIRST_SWINGS = (
    {"hip_0": 0.03, "knee_0": -0.06, "hip_1": -0.12},
    {"hip_0": -0.01, "hip_1": -0.09, "knee_0": 0.03, "knee_1": 0.01},
)
_SWAY = ("list", "tilt_", "lean_", "bend")
# Where a leg swings less far back or forth, its hip does at the instants given: rad of each.
_LESS_BACK, _LESS_FORTH = (0.12, 0.11, -0.02), (0.0, 0.16, 0.21)


def paces(
    count: int,
    span: tuple[float, float],
    rng: np.random.Generator,
    stand_s: Iterator[float],
) -> tuple[FloatArray, FloatArray]:
    """Draw the pace of each step and the standing after each contact.

    Parameters
    ----------
    count
        Steps.
    span
        Slowest and fastest pace.
    rng
        Chance.
    stand_s
        After each stretch at one pace: how long to stand, 0 for not at all.

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
        stand = next(stand_s)
        pace[at : at + kept] = now
        at += kept
        if stand and at < count - 1:
            pause[at - 1] = stand
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


def now_and_then(rng: np.random.Generator) -> Iterator[float]:
    """Stand for a moment after some of the stretches at one pace."""
    while True:
        yield rng.uniform(*_STAND_S) if rng.random() < _STOP else 0.0


def varied_steps(
    styles: Sequence[Style],
    leg: LegGeometry,
    duration_s: float,
    start_s: float,
    rng: np.random.Generator,
    stand_s: Iterator[float] | None = None,
) -> Steps:
    """Footsteps of walking with changes of pace, stops and starts.

    Parameters
    ----------
    styles
        One person's at different paces, by which the parameters of each step are interpolated.
    leg
        Of who walks.
    duration_s
        At least so long, from `start_s`.
    rng
        Chance.
    stand_s
        As of `paces`; now and then by default.
    """
    order = sorted(styles, key=lambda style: style.speed)
    speeds = np.array([style.speed for style in order])
    shortest = min(style.stride_s(leg) for style in order)
    count = 2 * int(np.ceil(duration_s / shortest)) + 4
    pace, pause = paces(count, (float(speeds[0]), float(speeds[-1])), rng,
                         now_and_then(rng) if stand_s is None else stand_s)  # fmt: skip
    one = vary(order[0], rng, count)
    moved = {key: one[key] - order[0].values[key] for key in one}
    values = {
        key: np.interp(pace, speeds, [style.values[key] for style in order]) + moved[key]
        for key in one
    }
    step_s = 0.5 * np.interp(pace, speeds, [style.stride_s(leg) for style in order])
    step_m = step_s * pace * np.sqrt(GRAVITY * leg.standing_m)
    stood = np.flatnonzero(pause)
    _around_standing(values, stood)
    step_m[stood[stood > 0] - 1] = 0.0
    width_m = np.full(count, order[0].width * leg.standing_m)
    # People stand with their feet under their hips.
    width_m[stood] = width_m[stood[stood > 0] - 1] = 2.0 * leg.half_width
    chance = rng.standard_normal((2, count))
    return footsteps(
        values,
        step_s * (1.0 + STEP_TIME * chance[0]),
        step_m * (1.0 + STEP_LENGTH * chance[1]),
        width_m,
        start_s,
        pause,
    )


def _around_standing(values: dict[str, FloatArray], stood: NDArray[np.intp]) -> None:
    """Calm the parameters of the steps that lead to standing and away from it, in place."""
    count = len(values["stance"])
    lands, leaves, sway = np.ones((3, count + 2))
    for i in stood:
        for j, (land, leave) in enumerate(zip(_LANDS, _LEAVES, strict=True), i - _BEFORE):
            if 0 <= j < count:
                lands[j], leaves[j] = min(lands[j], land), min(leaves[j], leave)
        sway[i] = 0.0
        for j, table in ((i - 1, _FIRST), (i, _OTHER)):
            for key, value in table.items():
                values[key][max(j, 0)] = value
        for j, more in zip((i - 1, i), _FIRST_SWINGS, strict=True):
            for key, value in more.items():
                values[key][max(j, 0)] += value
        values["knee_load"][i] = _STILL["knee_load"]
        for j, more in enumerate(_YIELDS, i + 1):
            if j < count:
                for key, value in more.items():
                    values[key][j] += value
    for share, table in ((lands[:count], _LANDING), (leaves[:count], _LEAVING)):
        for key, rest in table.items():
            values[key] = rest + share * (values[key] - rest)
    sway = np.minimum(sway, 0.5 * (lands + leaves))[:count]
    for key in values:
        if key.startswith(_SWAY):
            values[key] = values[key] * sway
    # The swing after a stance ends with the next contact but one; who starts swings as in walking.
    back, forth = 1.0 - leaves, 1.0 - lands
    for i in stood:
        back[i : i + len(_LEAVES)], forth[i + 1 : i + len(_LANDS)] = 0.0, 0.0
    for i, (behind, ahead) in enumerate(zip(_LESS_BACK, _LESS_FORTH, strict=True)):
        values[f"hip_{i}"] = values[f"hip_{i}"] + behind * back[:count] - ahead * forth[2:]
