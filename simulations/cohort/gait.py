"""Walking: how each foot rolls over the ground, and the pelvis above the feet.

A style is a set of numbers (see `STYLE_KEYS`); every step carries its own, so strides vary, speed
changes and slopes begin within one recording. Angles are in radians, times in shares of a stride,
swing angles at 1/4, 1/2 and 3/4 of the swing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator

from kinefed.datasets.types import FloatArray
from kinefed.simulations.cohort.contact import follow_pressure
from kinefed.simulations.cohort.curves import cubic_onset, departure, glide, smoothstep
from kinefed.simulations.cohort.kinematics import HEEL_INSET_M, LegGeometry, Sole
from kinefed.simulations.cohort.plan import FootPlan, Plan
from kinefed.simulations.cohort.terrain import Terrain

_SWING = tuple(f"{joint}_{i}" for joint in ("hip", "out", "knee", "ankle") for i in range(3))
_HARMONICS = ("list_c", "list_s", "list_c3", "list_s3", "tilt_c", "tilt_s", "lean_c", "lean_s")
_PELVIS = (*_HARMONICS, "tilt", "lean", "bend_c", "bend_s")
_FOOT = ("stance", "flat", "lift")
STYLE_KEYS = (
    # End of stance, foot flat, heel rise.
    *_FOOT,
    # Pitch of the foot at its contact, at the other foot's and at toe-off; rates are per stance.
    *(f"pitch_{event}" for event in ("strike", "opposite", "off")),
    *(f"rate_{event}" for event in ("strike", "off")),
    # Centre of pressure: two shares of heel to ball, then three of ball to toe.
    *(f"cop_{event}" for event in ("flat", "mid", "lift", "opposite", "off")),
    # Knee of the leading leg at contact and at three more instants, and these (share of a step).
    *(f"knee_{event}" for event in ("strike", "load", "mid", "late")),
    *(f"at_{event}" for event in ("load", "mid", "late")),
    *_SWING,
    # Pelvis and trunk: means and harmonics of the stride.
    *_PELVIS,
)
# Sway of the phase's pace is rounded over this time, so that no rate jumps at a contact.
_PHASE_S = 0.06
# A person's centre of mass is about 6 % higher than the hips (Winter 2009, table 4.1).
_COM_TO_HIP = 1.06
# Who comes to stand settles on both feet within this time.
_SETTLE_S = 0.4
# Who stands still has nodes of height this far apart.
_STILL_S = 0.25
# Knees of a person who stands at ease.
STANDING_KNEE = np.deg2rad(8.0)
# After this share of its rise the heel, which rises with its cube, is off the ground.
_BARELY = 0.3
# Where a forefoot that touches first is loaded, share of ball to toe.
_TOUCH = 0.2


@dataclass(frozen=True, slots=True)
class Steps:
    """Footsteps in order of time, alternating sides.

    Attributes
    ----------
    right
        (steps,) bool.
    strike, flat, lift, off
        (steps,) seconds: the foot touches, lies flat, raises its heel, leaves.
    place
        (steps, 3): ground projection of the ankle.
    style
        Each parameter of the style, (steps,).
    pause
        (steps,) seconds: both feet stand this long between a contact and what follows from it.
    terrain
        The ground; level without one.
    """

    right: NDArray[np.bool_]
    strike: FloatArray
    flat: FloatArray
    lift: FloatArray
    off: FloatArray
    place: FloatArray
    style: Mapping[str, FloatArray]
    pause: FloatArray
    terrain: Terrain | None = None

    @property
    def slope(self) -> float:
        """Inclination of the ground."""
        return self.terrain.slope if self.terrain else 0.0


def footsteps(
    style: Mapping[str, FloatArray],
    step_s: FloatArray,
    step_m: FloatArray,
    width_m: FloatArray,
    start_s: float,
    pause_s: FloatArray | None = None,
    terrain: Terrain | None = None,
) -> Steps:
    """Footsteps one after another, beginning with the right foot.

    Parameters
    ----------
    style
        Each parameter, (steps,).
    step_s, step_m, width_m
        (steps,): duration and length of the step that begins with each contact, and distance
        between the feet.
    start_s
        Time of the first contact.
    pause_s
        (steps,): how long both feet stand after each contact; without it they never do.
    terrain
        The ground; level without one.
    """
    count = len(step_s)
    right = np.arange(count) % 2 == 0
    pause = np.zeros(count) if pause_s is None else pause_s
    strike = start_s + np.concatenate([[0.0], np.cumsum((step_s + pause)[:-1])])
    # A stride is two steps; the last step has none after it and counts twice.
    stride_s = step_s + np.append(step_s[1:], step_s[-1])
    # The other foot's contact, and where both stand after it the end of that.
    ready = strike + step_s + pause + np.append(pause[1:], 0.0)
    off = ready + (style["stance"] - 0.5) * stride_s
    ahead = np.concatenate([[0.0], np.cumsum(step_m[:-1])])
    x, z = terrain.places(ahead) if terrain else (ahead, np.zeros(count))
    place = np.stack([x, np.where(right, -0.5, 0.5) * width_m, z], axis=1)
    return Steps(
        right,
        strike,
        strike + style["flat"] * stride_s,
        off - (style["stance"] - style["lift"]) * stride_s,
        off,
        place,
        style,
        pause,
        terrain,
    )


def plan_walk(time_s: FloatArray, steps: Steps, leg: LegGeometry) -> Plan:
    """Plan of walking on given footsteps; they must begin and end beyond `time_s`."""
    t, style = time_s, steps.style
    feet = (_foot(steps, leg, right=True), _foot(steps, leg, right=False))
    share = _share(t, steps)
    # Where both feet stand the cycle waits.
    knots = np.stack([steps.strike, steps.strike + steps.pause], axis=1).ravel()
    turns = np.repeat(np.pi * np.arange(len(steps.strike), dtype=np.float64), 2)
    awaited = np.append(True, np.diff(knots) > 0.0)
    phase = glide(t, knots[awaited], turns[awaited], _PHASE_S)
    g = {key: np.interp(t, knots, np.repeat(style[key], 2)) for key in _PELVIS}
    c, s = np.cos(phase), np.sin(phase)
    c2, s2 = np.cos(2.0 * phase), np.sin(2.0 * phase)
    c3, s3 = np.cos(3.0 * phase), np.sin(3.0 * phase)
    pelvis = np.zeros((len(t), 6))
    pelvis[:, :2] = _path(t, feet, share, leg, steps.slope)
    pelvis[:, 2] = 0.94 * leg.standing_m + np.interp(t, steps.strike, steps.place[:, 2])
    pelvis[:, 4] = g["list_c"] * c + g["list_s"] * s + g["list_c3"] * c3 + g["list_s3"] * s3
    pelvis[:, 5] = g["tilt"] + g["tilt_c"] * c2 + g["tilt_s"] * s2
    lean = g["lean"] + g["lean_c"] * c2 + g["lean_s"] * s2
    lumbar = np.stack([lean - pelvis[:, 5], g["bend_c"] * c + g["bend_s"] * s], axis=1)
    slope = np.full(len(t), steps.slope)
    height, hold = _height(steps), _hold(t, steps)
    return Plan(t, pelvis, lumbar, feet, height, share, hold, slope, terrain=steps.terrain)


def _share(t: FloatArray, steps: Steps) -> FloatArray:
    """Share of each foot in the load, (frames, 2).

    It passes to a foot between its contact and the other's toe-off, by way of standing on both. A
    cubic: a curve that also starts without acceleration would leave a foot on the ground that bears
    next to nothing.
    """
    begin, end = steps.strike[1:], steps.off[:-1]
    pause = steps.pause[1:]
    settle = 0.5 * (end - begin - pause) + np.minimum(0.4 * pause, _SETTLE_S)
    over = np.stack([begin, begin + settle, end - settle, end], axis=1).ravel()
    right = steps.right[1:].astype(np.float64)
    half = np.full_like(right, 0.5)
    passed = np.interp(t, over, np.stack([1.0 - right, half, half, right], axis=1).ravel())
    share = passed**2 * (3.0 - 2.0 * passed)
    return np.stack([share, 1.0 - share], axis=1)


def _foot(steps: Steps, leg: LegGeometry, right: bool) -> FootPlan:
    """Roll of one foot over heel, sole and ball in each of its stances."""
    own = np.flatnonzero(steps.right == right)
    own = own[own < len(steps.strike) - 1]
    strike, flat, lift, off = (x[own] for x in (steps.strike, steps.flat, steps.lift, steps.off))
    opposite = steps.strike[own + 1] + steps.pause[own + 1]
    place = steps.place[own]
    g = {key: value[own] for key, value in steps.style.items()}
    # The foot slaps down: it turns ever more slowly, and is stopped by the ground.
    down_s, rate_strike = flat - strike, g["rate_strike"] / (off - strike)
    slap = 3.0 * g["pitch_strike"] + rate_strike * down_s
    up_s, via = off - lift, ((opposite - lift) / (off - lift), g["pitch_opposite"])
    up = departure(g["pitch_off"], g["rate_off"] * up_s / (off - strike), via)
    heel, ball = HEEL_INSET_M - leg.heel, leg.ball
    # Toes down at contact: the forefoot touches first.
    touch = np.where(g["pitch_strike"] < 0.0, ball, heel)

    def sole(t: FloatArray) -> Sole:
        i = np.clip(np.searchsorted(strike, t + 1e-9, side="right") - 1, 0, len(strike) - 1)
        over = smoothstep((t - flat[i]) / (lift[i] - flat[i]))
        pivot = touch[i] + (ball - touch[i]) * over
        rest = np.clip((flat[i] - t) / down_s[i], 0.0, 1.0)
        pitch = rest**2 * (slap[i] + (g["pitch_strike"][i] - slap[i]) * rest)
        pitch += cubic_onset(up[i], (t - lift[i]) / up_s[i])
        return Sole(place[i], pitch, pivot, np.full_like(t, steps.slope))

    back, front = leg.ball + leg.heel, leg.toe - leg.ball
    times = np.stack([strike, flat, 0.5 * (flat + lift), lift, opposite, off], axis=1).ravel()
    spots = (
        np.where(touch > heel, ball + _TOUCH * front, heel),
        heel + g["cop_flat"] * back,
        heel + g["cop_mid"] * back,
        ball + g["cop_lift"] * front,
        ball + g["cop_opposite"] * front,
        ball + g["cop_off"] * front,
    )
    roll = PchipInterpolator(times, np.stack(spots, axis=1).ravel())

    def pressure(t: FloatArray) -> FloatArray:
        return np.asarray(roll(np.clip(t, times[0], times[-1])))

    nodes = np.stack([g[key] for key in _SWING], axis=1).reshape(len(own), 4, 3)
    return FootPlan(sole, pressure, strike, off, nodes.transpose(0, 2, 1))


def _path(
    t: FloatArray,
    feet: tuple[FootPlan, FootPlan],
    share: FloatArray,
    leg: LegGeometry,
    slope: float,
) -> FloatArray:
    """Where the centre of mass goes if it is to follow the centre of pressure, (frames, 2)."""
    total = np.zeros((len(t), 2))
    for i, foot in enumerate(feet):
        spot = foot.sole(t).origin[:, :2].copy()
        spot[:, 0] += foot.pressure(t) * np.cos(slope)
        total += share[:, i : i + 1] * spot
    return follow_pressure(total, _COM_TO_HIP * leg.standing_m, 1.0 / float(t[1] - t[0]))


def _height(steps: Steps) -> FloatArray:
    """Knee flexion of the leading leg at four instants of every step, (nodes, 3).

    Where both feet stand there are more, all through the pause.
    """
    g = steps.style
    pause = steps.pause[:-1]
    step_s = np.diff(steps.strike) - pause
    times, knees = [], []
    for event in ("strike", "load", "mid", "late"):
        at = g[f"at_{event}"][:-1] if event != "strike" else 0.0 * step_s
        wait = pause if event in ("mid", "late") else 0.0 * pause
        times.append(steps.strike[:-1] + wait + at * step_s)
        knees.append(g[f"knee_{event}"][:-1])
    side = np.where(steps.right[:-1], 0.0, 1.0)
    nodes = [np.stack([np.ravel(times), np.tile(side, 4), np.ravel(knees)], axis=1)]
    for i in np.flatnonzero(pause > 0.0):
        still = np.arange(times[1][i] + _STILL_S, times[2][i] - 0.5 * _STILL_S, _STILL_S)
        nodes.append(
            np.column_stack([still, *np.full((2, len(still)), [[side[i]], [STANDING_KNEE]])])
        )
    every = np.concatenate(nodes)
    return every[np.argsort(every[:, 0])]


def _hold(t: FloatArray, steps: Steps) -> NDArray[np.bool_]:
    """When each foot's heading must not change: while heel and ball bear, (frames, 2)."""
    hold = np.zeros((len(t), 2), dtype=np.bool_)
    for side, right in enumerate((True, False)):
        own = np.flatnonzero(steps.right == right)
        last = own[np.clip(np.searchsorted(steps.flat[own], t, side="right") - 1, 0, None)]
        # The heel has barely risen in the first part of its way.
        up = steps.lift[last] + _BARELY * (steps.off[last] - steps.lift[last])
        hold[:, side] = (t >= steps.flat[last]) & (t <= up)
    return hold
