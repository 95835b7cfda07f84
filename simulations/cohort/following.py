"""Following a plan: a person moves, feels what forces that takes, and moves a little otherwise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline
from scipy.ndimage import gaussian_filter1d, maximum_filter1d

from kinefed.biomechanics.newton_euler import Whole
from kinefed.datasets.types import FloatArray
from kinefed.simulations.cohort.contact import (
    GRAVITY,
    Contacts,
    Support,
    away_from_ends,
    pelvis_correction,
    share_seat,
    share_wrench,
    yaw_correction,
)
from kinefed.simulations.cohort.curves import EvenSpline, derivatives, smoothstep
from kinefed.simulations.cohort.faults import FLAT_RAD
from kinefed.simulations.cohort.kinematics import LegGeometry
from kinefed.simulations.cohort.plan import LegMotion, Plan
from kinefed.simulations.cohort.posing import Figure

# Sparing a stretched leg takes this long to either side.
_SINK_S = 0.06
# Legs are spared where the path has been corrected for this long.
_EDGE_S = 0.5
# A foot pitched by this much more than flat has begun to roll over its ball.
_ROLLING = 0.15
# A heel that rises by an angle shortens the way from hip to ankle by this share of the foot's
# length behind the ball, times the angle: ankle and ball are that far apart across the leg.
_HEEL_GAIN = 0.7


@dataclass(frozen=True, slots=True)
class Path:
    """How a movement departs from its plan, frame by frame.

    Attributes
    ----------
    shift
        (frames, 2): of the pelvis forward and left.
    yaw, turned
        (frames,): of the pelvis, and what of it is not for the sake of the feet.
    lower
        (frames,): by how much the pelvis is lower than the knees have it.
    heels
        (frames, 2): further pitch of the right and the left foot, toes down.
    """

    shift: FloatArray
    yaw: FloatArray
    turned: FloatArray
    lower: FloatArray
    heels: FloatArray

    @classmethod
    def none(cls, frames: int) -> Path:
        """As planned."""
        flat, pair = np.zeros(frames), np.zeros((frames, 2))
        return cls(pair, flat, flat, flat, pair)

    def at(self, start_s: float, rate_hz: float, time_s: FloatArray) -> Path:
        """The same at other times."""
        columns = np.column_stack([self.shift, self.yaw, self.turned, self.lower, self.heels])
        columns = EvenSpline(columns, rate_hz, start_s)(time_s)
        yaw, turned, lower = columns[:, 2:5].T
        return Path(columns[:, :2], yaw, turned, lower, columns[:, 5:])

    def pelvis(self, plan: Plan) -> FloatArray:
        """Where the pelvis is to be but for its height, (frames, 6)."""
        pelvis = plan.pelvis.copy()
        pelvis[:, :2] += self.shift
        pelvis[:, 3] += self.yaw
        return pelvis


@dataclass(frozen=True, slots=True)
class Moved:
    """What one pass makes of a path.

    Attributes
    ----------
    movement
        Coordinates, rates and accelerations, (frames, 16) each.
    legs
        Right and left.
    """

    movement: tuple[FloatArray, FloatArray, FloatArray]
    legs: tuple[LegMotion, LegMotion]


@dataclass(frozen=True, slots=True)
class Shared:
    """The forces that a movement takes.

    Attributes
    ----------
    contacts, support
        Forces on the person, and how they were meant to be shared.
    height_m
        Mean of the centre of mass above the feet's centres of pressure.
    """

    contacts: Contacts
    support: Support
    height_m: float


class Follower:
    """A person who follows a plan, better from pass to pass.

    Parameters
    ----------
    plan, leg, mass_kg
        Of the person.
    """

    def __init__(self, plan: Plan, leg: LegGeometry, mass_kg: float) -> None:
        self.plan, self._leg, self._mass_kg = plan, leg, mass_kg
        self.rate_hz = 1.0 / float(plan.time_s[1] - plan.time_s[0])
        self._figure, self._support = Figure(plan, leg), plan.support()

    def move(self, path: Path) -> Moved:
        """Move along a path."""
        pelvis = path.pelvis(self.plan)
        q, legs = self._figure.pose(pelvis, path.lower, path.heels)
        return Moved((q, *derivatives(q, self.rate_hz)), legs)

    def share(self, whole: Whole) -> Shared:
        """Share the forces that a movement takes between the contacts."""
        plan, support = self.plan, self._support
        above = whole.com[:, 2] - support.point[:, :2, 2].mean(axis=1)
        wrench = whole.force, whole.moment, whole.pelvis
        if plan.seat is not None:
            support = share_seat(*wrench, support, plan.seat[:, 3])
        height_m = float(above.mean())
        return Shared(share_wrench(*wrench, support, height_m), support, height_m)

    def correct(self, path: Path, moved: Moved, shared: Shared) -> Path:
        """Change the path for pressure, legs and feet to be where they are meant."""
        plan, rate_hz = self.plan, self.rate_hz
        step = pelvis_correction(shared.contacts, self._mass_kg * GRAVITY, shared.height_m, rate_hz)
        if plan.seat is not None:
            # On the seat the hips stay where they are, and the seat's share sees to balance.
            step *= 1.0 - plan.seat[:, 3:]
        sink, rise = _overreach(moved.legs, self._leg, rate_hz)
        more = yaw_correction(shared.contacts, self._mass_kg, rate_hz)
        # No joint of the leg turns the foot about the vertical, so the pelvis does.
        astray = _astray(plan.hold, moved.legs, path.turned)
        return Path(
            path.shift + step,
            path.yaw - astray + more,
            path.turned + more,
            path.lower + sink,
            path.heels + rise,
        )


def _overreach(
    legs: Sequence[LegMotion], leg: LegGeometry, rate_hz: float
) -> tuple[FloatArray, FloatArray]:
    """What spares the legs on the ground from being stretched.

    A foot that rolls over its ball raises its heel further, as people do; above one that lies flat
    the pelvis sinks.

    Returns
    -------
    sink
        (frames,): of the pelvis in m.
    heels
        (frames, 2): further pitch of the right and the left foot, toes down, rad.
    """
    sink = np.zeros(len(legs[0].grounded))
    heels = np.zeros((len(sink), len(legs)))
    # At the ends of the margins the path stays as planned; legs that miss it there are let be.
    inside = away_from_ends(len(sink), rate_hz, _EDGE_S)
    for i, motion in enumerate(legs):
        want, rolls = np.zeros(len(sink)), np.zeros(len(sink))
        want[motion.grounded] = np.maximum(motion.pose.wanting, 0.0)
        want *= inside
        rolls[motion.grounded] = smoothstep(-(motion.sole.pitch + FLAT_RAD) / _ROLLING)
        sink = np.maximum(sink, (1.0 - rolls) * want)
        heels[:, i] = rolls * _eased(rolls * want, rate_hz) / (_HEEL_GAIN * (leg.ball + leg.heel))
    return _eased(sink, rate_hz), heels


def _eased(want: FloatArray, rate_hz: float) -> FloatArray:
    """Smooth curve that is nowhere below what is wanted, by much."""
    if not want.any():
        return want
    # Widened before it is smoothed, so that what remains under the hump is at least what is wanted.
    wide = maximum_filter1d(want, 2 * round(_SINK_S * rate_hz) + 1)
    return np.asarray(gaussian_filter1d(wide, 0.5 * _SINK_S * rate_hz))


def _astray(hold: NDArray[np.bool_], legs: Sequence[LegMotion], turned: FloatArray) -> FloatArray:
    """Heading of the flat feet, (frames,), carried smoothly over the frames without one."""
    held = np.flatnonzero(hold.any(axis=1))
    if not len(held):
        return np.zeros(len(hold))
    heading = np.stack([motion.heading() for motion in legs], axis=1)[held]
    wanted = (heading * hold[held]).sum(axis=1) / hold[held].sum(axis=1) - turned[held]
    return np.asarray(CubicSpline(held, wanted)(np.clip(np.arange(len(hold)), held[0], held[-1])))
