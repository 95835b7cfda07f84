"""Movements on two flat feet: squats, standing up from a seat and sitting down."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kinefed.datasets.types import FloatArray
from kinefed.simulations.cohort.curves import hermite
from kinefed.simulations.cohort.gait import STANDING_KNEE
from kinefed.simulations.cohort.kinematics import LegGeometry, Sole
from kinefed.simulations.cohort.plan import FootPlan, Plan

# Height nodes follow the knee at this spacing.
_NODE_S = 0.05
_ALWAYS = 1e9


@dataclass(frozen=True, slots=True)
class Squats:
    """Repetitions, each (repetitions,).

    Attributes
    ----------
    start, bottom, rise, end
        Seconds: going down begins, the bottom is reached, coming up begins, standing again.
    knee, lean, tilt
        At the bottom, rad: knee flexion, trunk and pelvis forward from upright.
    pressure
        Centre of pressure at the bottom, share of the way from ankle to ball.
    """

    start: FloatArray
    bottom: FloatArray
    rise: FloatArray
    end: FloatArray
    knee: FloatArray
    lean: FloatArray
    tilt: FloatArray
    pressure: FloatArray


def flat_foot(leg: LegGeometry, side: str, ahead: FloatArray, time_s: FloatArray) -> FootPlan:
    """A foot that stays flat under its hip; its centre of pressure is (frames,) at `time_s`."""
    lateral = leg.half_width if side == "l" else -leg.half_width

    def sole(t: FloatArray) -> Sole:
        zero = np.zeros_like(t)
        return Sole(np.stack([zero, zero + lateral, zero], axis=1), zero, zero, zero)

    def pressure(t: FloatArray) -> FloatArray:
        return np.interp(t, time_s, ahead)

    return FootPlan(sole, pressure, np.array([-_ALWAYS]), np.array([_ALWAYS]), np.empty((0, 3, 4)))


def plan_squat(time_s: FloatArray, squats: Squats, leg: LegGeometry, standing: float) -> Plan:
    """Plan of squats; `standing` is the centre of pressure at ease, as `Squats.pressure`."""
    t = time_s
    knots = np.stack([squats.start, squats.bottom, squats.rise, squats.end], axis=1).ravel()

    def course(rest: float, bottom: FloatArray) -> FloatArray:
        ease = np.full_like(bottom, rest)
        return hermite(t, knots, np.stack([ease, bottom, bottom, ease], axis=1).ravel())

    knee = course(STANDING_KNEE, squats.knee)
    lean, tilt = course(0.0, squats.lean), course(0.06, squats.tilt)
    ahead = leg.ball * course(standing, squats.pressure)
    pelvis = np.zeros((len(t), 6))
    # A first guess: deep down the hips are a third of the thigh behind where they stand.
    pelvis[:, 0] = ahead - 0.6 * leg.thigh * np.sin(0.5 * (knee - STANDING_KNEE)) ** 2 * 2.0
    pelvis[:, 2] = leg.ankle_height + (leg.thigh + leg.shank) * np.cos(0.5 * knee)
    pelvis[:, 5] = tilt
    nodes = np.arange(t[0], t[-1] + _NODE_S, _NODE_S)
    height = np.stack([nodes, np.zeros_like(nodes), np.interp(nodes, t, knee)], axis=1)
    feet = (flat_foot(leg, "r", ahead, t), flat_foot(leg, "l", ahead, t))
    half = np.full((len(t), 2), 0.5)
    lumbar = np.stack([lean - tilt, np.zeros_like(t)], axis=1)
    return Plan(
        t,
        pelvis,
        lumbar,
        feet,
        height,
        half,
        np.zeros((len(t), 2), dtype=np.bool_),
        np.zeros_like(t),
    )


@dataclass(frozen=True, slots=True)
class SeatPosture:
    """How somebody sits.

    Attributes
    ----------
    shank
        Forward lean of the shanks, rad.
    rise
        Height of the hips above the knees, m.
    lean, tilt
        Trunk and pelvis forward from upright, rad.
    """

    shank: float
    rise: float
    lean: float
    tilt: float

    def hips(self, leg: LegGeometry) -> tuple[float, float]:
        """Position of the hips forward of the ankles and above the ground."""
        knee_x = leg.shank * np.sin(self.shank)
        knee_z = leg.ankle_height + leg.shank * np.cos(self.shank)
        return knee_x - float(np.sqrt(leg.thigh**2 - self.rise**2)), knee_z + self.rise


@dataclass(frozen=True, slots=True)
class Chair:
    """Changes between sitting and standing, each (changes,), in order of time.

    Attributes
    ----------
    up
        bool: from sitting to standing.
    start, off, end
        Seconds: the trunk begins to move, the seat is left (or met), all is at rest again.
    lean, tilt
        Forward lean of trunk and pelvis when the seat is left, rad.
    pressure
        Centre of pressure then, share of the way from ankle to ball.
    """

    up: np.ndarray
    start: FloatArray
    off: FloatArray
    end: FloatArray
    lean: FloatArray
    tilt: FloatArray
    pressure: FloatArray


# The hips are this far above the seat, and the weight enters this far in front of them: size of
# the ischial region of an adult.
_BUTTOCK_M = 0.09
_SEAT_AHEAD_M = 0.04
# The seat's greatest share falls to nothing over this time.
_LEAVE_S = 0.4
# The trunk is bent most this long after the seat is left: its stop before would press on the seat.
_BENT_S = 0.15


def plan_chair(
    time_s: FloatArray, chair: Chair, posture: SeatPosture, leg: LegGeometry, standing: float
) -> Plan:
    """Plan of standing up and sitting down, alternating; `standing` as in `plan_squat`."""
    t = time_s
    hip_x, hip_z = posture.hips(leg)
    # The hips stand above the centre of pressure, in front of the ankles.
    reach2 = leg.thigh**2 + leg.shank**2 + 2.0 * leg.thigh * leg.shank * np.cos(STANDING_KNEE)
    upright = leg.ankle_height + np.sqrt(reach2 - (leg.ball * standing) ** 2)
    # Sitting down is standing up backwards.
    first, last = chair.start, chair.end
    bent = chair.off + np.where(chair.up, _BENT_S, -_BENT_S)
    knots = np.stack([first, bent, last], axis=1).ravel()
    sits, stands = np.where(chair.up, 0.0, 1.0), np.where(chair.up, 1.0, 0.0)

    def course(sitting: float, leaving: FloatArray, upright: float) -> FloatArray:
        before = sitting + (upright - sitting) * sits
        after = sitting + (upright - sitting) * stands
        return hermite(t, knots, np.stack([before, leaving, after], axis=1).ravel())

    ahead = leg.ball * course(standing, chair.pressure, standing)
    tilt = course(posture.tilt, chair.tilt, 0.06)
    lean = course(posture.lean, chair.lean, 0.0)
    # The hips move only while off the seat.
    begin = np.where(chair.up, chair.off - _LEAVE_S, first)
    finish = np.where(chair.up, last, chair.off + _LEAVE_S)
    rise = hermite(
        t, np.stack([begin, finish], axis=1).ravel(), np.stack([sits, stands], axis=1).ravel()
    )
    pelvis = np.zeros((len(t), 6))
    pelvis[:, 0] = hip_x + rise * (ahead - hip_x)
    pelvis[:, 2] = hip_z + rise * (upright - hip_z)
    pelvis[:, 5] = tilt
    leave = np.stack([chair.off - _LEAVE_S, chair.off], axis=1)
    meet = np.stack([chair.off, chair.off + _LEAVE_S], axis=1)
    most = hermite(
        t,
        np.where(chair.up[:, None], leave, meet).ravel(),
        1.0 - np.stack([sits, stands], axis=1).ravel(),
    )
    zero = np.zeros_like(t)
    seat = np.stack([zero + hip_x + _SEAT_AHEAD_M, zero, zero + hip_z - _BUTTOCK_M, most], axis=1)
    feet = (flat_foot(leg, "r", ahead, t), flat_foot(leg, "l", ahead, t))
    half = np.full((len(t), 2), 0.5)
    lumbar = np.stack([lean - tilt, zero], axis=1)
    none = np.empty((0, 3))
    return Plan(
        t, pelvis, lumbar, feet, none, half, np.zeros((len(t), 2), dtype=np.bool_), zero, seat
    )
