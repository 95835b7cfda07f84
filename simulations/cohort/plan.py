"""From a plan (pelvis, trunk, soles, load shares) to joint angles.

While a foot bears load its leg follows from pelvis and sole; in the air its joint angles are drawn.
The height of the pelvis is set by how much the bearing leg's knee is flexed at a few instants.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline
from scipy.ndimage import gaussian_filter1d

from kinefed.datasets.types import FloatArray
from kinefed.simulations.cohort.contact import Support
from kinefed.simulations.cohort.kinematics import (
    LegGeometry,
    LegPose,
    Sole,
    pelvis_matrix,
    solve_leg,
)
from kinefed.simulations.cohort.swing import swing_angles
from kinefed.simulations.cohort.terrain import Terrain

SIDES = ("r", "l")
# Step of the one-sided differences that give rates and accelerations at toe-off and contact.
_STEP_S = 0.004
# The pelvis is heavy: its height is smoothed by a Gaussian of this standard deviation.
_SMOOTH_S = 0.03


@dataclass(frozen=True, slots=True)
class FootPlan:
    """One foot over the whole recording.

    Attributes
    ----------
    sole
        Function of times (frames,): where the sole is while it is on the ground.
    pressure
        Function of times (frames,): centre of pressure, forward of the ankle along the sole.
    strike, off
        (stances,): when each stance begins and ends.
    nodes
        (stances, 3, 4): of the swing after each stance, at three instants: hip flexion, hip
        abduction beyond the straight way, knee flexion and ankle dorsiflexion.
    """

    sole: Callable[[FloatArray], Sole]
    pressure: Callable[[FloatArray], FloatArray]
    strike: FloatArray
    off: FloatArray
    nodes: FloatArray


@dataclass(frozen=True, slots=True)
class Plan:
    """A movement as it is meant.

    Attributes
    ----------
    time_s
        (frames,).
    pelvis
        (frames, 6): x, y, z, yaw, list, tilt. z is a first guess.
    lumbar
        (frames, 2): flexion, bend.
    feet
        Right and left.
    height
        (nodes, 3): time, side (0 right, 1 left), knee flexion of that side at that time. With no
        nodes the pelvis is as high as planned.
    share
        (frames, 2): right, left, of what the feet bear.
    hold
        (frames, 2) bool: where the heading of that foot must not change, for it lies flat.
    slope
        (frames,): inclination of the ground.
    seat
        (frames, 4) or None: where a seat is touched (x, y, z), and the greatest share of the
        weight that it may bear; how much it does bear follows from the balance.
    terrain
        Incline or stairs that no foot may cut into; None on level ground.
    """

    time_s: FloatArray
    pelvis: FloatArray
    lumbar: FloatArray
    feet: tuple[FootPlan, FootPlan]
    height: FloatArray
    share: FloatArray
    hold: NDArray[np.bool_]
    slope: FloatArray
    seat: FloatArray | None = None
    terrain: Terrain | None = None

    def support(self) -> Support:
        """Contacts as planned: where on the ground each foot's centre of pressure is."""
        points = []
        for foot in self.feet:
            sole = foot.sole(self.time_s)
            ahead = foot.pressure(self.time_s)
            along = (np.cos(sole.slope), np.zeros_like(ahead), np.sin(sole.slope))
            points.append(sole.origin + ahead[:, None] * np.stack(along, axis=1))
        share = self.share
        if self.seat is not None:
            points.append(self.seat[:, :3])
            share = np.concatenate([share, np.zeros((len(share), 1))], axis=1)
        return Support(share, np.stack(points, axis=1), self.slope)


@dataclass(frozen=True, slots=True)
class LegMotion:
    """One leg over a recording.

    Attributes
    ----------
    angles
        (frames, 4).
    grounded
        (frames,) bool: the foot is on the ground.
    sole, pose
        Of the grounded frames only.
    """

    angles: FloatArray
    grounded: NDArray[np.bool_]
    sole: Sole
    pose: LegPose

    def heading(self) -> FloatArray:
        """Direction of the foot about the vertical, (frames,); zero in the air."""
        angle = np.zeros(len(self.grounded))
        forward = self.pose.foot[:, :, 0]
        angle[self.grounded] = np.arctan2(forward[:, 1], forward[:, 0])
        return angle


def raise_heels(plan: Plan, more: FloatArray) -> Plan:
    """Plan whose feet are pitched toes down by so much more, (frames, 2)."""
    feet = []
    for foot, column in zip(plan.feet, more.T, strict=True):
        extra = CubicSpline(plan.time_s, column)

        def sole(t: FloatArray, foot: FootPlan = foot, extra: CubicSpline = extra) -> Sole:
            flat = foot.sole(t)
            return replace(flat, pitch=flat.pitch - extra(t))

        feet.append(replace(foot, sole=sole))
    return replace(plan, feet=(feet[0], feet[1]))


def raise_pelvis(plan: Plan, leg: LegGeometry, pelvis: FloatArray) -> FloatArray:
    """Height of the pelvis, (frames,), from the knee flexion asked for at the height nodes."""
    if not len(plan.height):
        return pelvis[:, 2]
    times, sides, knee = plan.height.T
    at = CubicSpline(plan.time_s, pelvis)(times)
    orientation = pelvis_matrix(at[:, 3], at[:, 4], at[:, 5])
    length2 = leg.thigh**2 + leg.shank**2 + 2.0 * leg.thigh * leg.shank * np.cos(knee)
    # The foot's roll depends a little on the height that is sought, so a second pass.
    for _ in range(2):
        for i, side in enumerate(SIDES):
            own = sides == i
            sole = plan.feet[i].sole(times[own])
            ankle = solve_leg(leg, side, at[own, :3], orientation[own], sole).target
            hip = orientation[own] @ leg.hip_offset(side)
            away = ankle - at[own, :3] - hip
            rise = length2[own] - away[:, 0] ** 2 - away[:, 1] ** 2
            # A foot too far ahead for any height is met as low as a leg can fold.
            at[own, 2] = ankle[:, 2] - hip[:, 2] + np.sqrt(np.maximum(rise, 0.01))
    rate_hz = 1.0 / float(plan.time_s[1] - plan.time_s[0])
    z = CubicSpline(times, at[:, 2])(plan.time_s)
    return np.asarray(gaussian_filter1d(z, _SMOOTH_S * rate_hz, mode="nearest"))


def move_leg(plan: Plan, leg: LegGeometry, pelvis: FloatArray, side: str) -> LegMotion:
    """Joint angles of one leg under a given pelvis, (frames, 6)."""
    foot = plan.feet[SIDES.index(side)]
    t = plan.time_s
    i = np.clip(np.searchsorted(foot.strike, t, side="right") - 1, 0, len(foot.strike) - 1)
    grounded = t <= foot.off[i]
    sole = foot.sole(t[grounded])
    orientation = pelvis_matrix(*pelvis[grounded, 3:].T)
    pose = solve_leg(leg, side, pelvis[grounded, :3], orientation, sole)
    angles = np.empty((len(t), 4))
    angles[grounded] = pose.angles
    air = ~grounded
    if air.any():
        spline = CubicSpline(t, pelvis)
        swings = np.arange(i[air].min(), i[air].max() + 1)
        leave = _edge(leg, side, spline, foot, foot.off[swings], -_STEP_S)
        land = _edge(leg, side, spline, foot, foot.strike[swings + 1], _STEP_S)
        nodes = foot.nodes[swings].copy()
        # Abduction is drawn as a detour from the straight way between the two contacts.
        way = leave[:, :1, 1] + (land[:, :1, 1] - leave[:, :1, 1]) * np.array([[0.1, 0.5, 0.9]])
        nodes[:, :, 1] = way - nodes[:, :, 1]
        duration = foot.strike[swings + 1] - foot.off[swings]
        j = i[air] - swings[0]
        fraction = (t[air] - foot.off[i[air]]) / duration[j]
        angles[air] = swing_angles(fraction, duration[j], leave[j], nodes[j], land[j])
    return LegMotion(angles, grounded, sole, pose)


def _edge(
    leg: LegGeometry,
    side: str,
    pelvis: CubicSpline,
    foot: FootPlan,
    times: FloatArray,
    step_s: float,
) -> FloatArray:
    """Angle, rate and acceleration at the edge of a stance, (events, 3, 4), from inside it."""
    p = []
    for k in range(4):
        at = pelvis(times + k * step_s)
        orientation = pelvis_matrix(*at[:, 3:].T)
        sole = foot.sole(times + k * step_s)
        p.append(solve_leg(leg, side, at[:, :3], orientation, sole).angles)
    rate = (-11.0 * p[0] + 18.0 * p[1] - 9.0 * p[2] + 2.0 * p[3]) / (6.0 * step_s)
    acceleration = (2.0 * p[0] - 5.0 * p[1] + 4.0 * p[2] - p[3]) / step_s**2
    return np.stack([p[0], rate, acceleration], axis=1)
