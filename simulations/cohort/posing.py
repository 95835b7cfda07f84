"""From a plan to joint angles, again and again while the plan's path is corrected.

While a foot bears load its leg follows from pelvis and sole; in the air its joint angles are drawn.
The height of the pelvis is set by how much the bearing leg's knee is flexed at a few instants.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline
from scipy.ndimage import gaussian_filter1d

from kinefed.biomechanics.body import COORDINATES
from kinefed.datasets.types import FloatArray
from kinefed.simulations.cohort.curves import EvenSpline
from kinefed.simulations.cohort.kinematics import LegGeometry, LegPose, Sole, pelvis_matrix
from kinefed.simulations.cohort.plan import SIDES, FootPlan, LegMotion, Plan
from kinefed.simulations.cohort.reach import ankle_target, solve_leg
from kinefed.simulations.cohort.swing import Swings

# Step of the one-sided differences that give rates and accelerations at toe-off and contact.
_STEP_S = 0.004
# The pelvis is heavy: its height is smoothed by a Gaussian of this standard deviation.
_SMOOTH_S = 0.03
# Columns of one-sided differences: an angle, its rate, and its acceleration from four angles.
_SIDED = np.array([[1.0, 0.0, 0.0, 0.0], [-11.0, 18.0, -9.0, 2.0], [2.0, -5.0, 4.0, -1.0]])
_SIDED /= np.array([[1.0], [6.0 * _STEP_S], [_STEP_S**2]])

_Frames = TypeVar("_Frames", Sole, LegPose)


@dataclass(frozen=True, slots=True)
class _Knees:
    """Instants at which the knee of one side sets the height of the pelvis, each (instants,).

    Attributes
    ----------
    side, sign
        0 and 1 for the right leg, 1 and -1 for the left.
    length2
        Square of the distance from hip to ankle.
    sole
        Where the sole of that side is, heels as planned.
    """

    side: NDArray[np.intp]
    sign: FloatArray
    length2: FloatArray
    sole: Sole

    @classmethod
    def of(cls, plan: Plan, leg: LegGeometry) -> _Knees:
        times, sides, knee = plan.height.reshape(-1, 3).T
        length2 = leg.thigh**2 + leg.shank**2 + 2.0 * leg.thigh * leg.shank * np.cos(knee)
        right, left = (foot.sole(times) for foot in plan.feet)
        own = sides == 0.0
        sole = Sole(
            np.where(own[:, None], right.origin, left.origin),
            np.where(own, right.pitch, left.pitch),
            np.where(own, right.pivot, left.pivot),
            np.where(own, right.slope, left.slope),
        )
        return cls(sides.astype(np.intp), 1.0 - 2.0 * sides, length2, sole)


@dataclass(frozen=True, slots=True)
class _Footing:
    """One foot's contacts and swings.

    Attributes
    ----------
    grounded, stand, air
        (frames,) bool: the foot is on the ground; numbers of the frames in which it is, and is not.
    edges
        Four times beside each toe-off, then four beside each contact, from the edge inward.
    sole
        Where the sole is on the ground and then at the edges, heels as planned.
    swings, nodes
        Of the frames in the air; None where there are none.
    """

    side: int
    grounded: NDArray[np.bool_]
    stand: NDArray[np.intp]
    air: NDArray[np.intp]
    edges: FloatArray
    sole: Sole
    swings: Swings | None
    nodes: FloatArray

    @classmethod
    def of(cls, foot: FootPlan, side: int, t: FloatArray) -> _Footing:
        i = np.clip(np.searchsorted(foot.strike, t, side="right") - 1, 0, len(foot.strike) - 1)
        grounded = t <= foot.off[i]
        stand, air = np.flatnonzero(grounded), np.flatnonzero(~grounded)
        edges, swings, nodes = t[:0], None, foot.nodes[:0]
        if len(air):
            turns = np.arange(i[air].min(), i[air].max() + 1)
            nodes = foot.nodes[turns]
            off, strike = foot.off[turns], foot.strike[turns + 1]
            j = i[air] - turns[0]
            swings = Swings.of(j, (t[air] - off[j]) / (strike - off)[j], (strike - off)[j])
            inward = _STEP_S * np.arange(4.0)[:, None]
            edges = np.concatenate([(off - inward).ravel(), (strike + inward).ravel()])
        sole = foot.sole(np.concatenate([t[stand], edges]))
        return cls(side, grounded, stand, air, edges, sole, swings, nodes)

    def move(self, leg: LegGeometry, path: EvenSpline) -> LegMotion:
        """Joint angles under a pelvis that takes a path, (frames, 8) with the heels."""
        # Frames last in memory, as all that works on them runs along the frames.
        at = np.concatenate([path.frames.T[:, self.stand], path(self.edges).T], axis=1)
        sole = replace(self.sole, pitch=self.sole.pitch - at[6 + self.side])
        pose = solve_leg(leg, SIDES[self.side], at[:3].T, pelvis_matrix(*at[3:6]), sole)
        stand = len(self.stand)
        angles = np.empty((4, len(self.grounded)))
        angles[:, self.stand] = pose.angles[:stand].T
        if self.swings is not None:
            beside = pose.angles[stand:].reshape(2, 4, -1, 4)
            leave = np.einsum("dk,ksj->sdj", _SIDED, beside[0])
            # Towards the past the rate changes its sign.
            leave[:, 1] *= -1.0
            land = np.einsum("dk,ksj->sdj", _SIDED, beside[1])
            # Abduction is drawn as a detour from the straight way between the two contacts.
            nodes = self.nodes.copy()
            way = land[:, :1, 1] - leave[:, :1, 1]
            nodes[:, :, 1] = leave[:, :1, 1] + way * np.array([[0.1, 0.5, 0.9]]) - nodes[:, :, 1]
            angles[:, self.air] = self.swings.angles(leave, nodes, land).T
        return LegMotion(angles.T, self.grounded, _first(sole, stand), _first(pose, stand))


class Figure:
    """A person who follows a plan.

    Parameters
    ----------
    plan, leg
        Of the person.
    """

    def __init__(self, plan: Plan, leg: LegGeometry) -> None:
        self._plan, self._leg = plan, leg
        t = plan.time_s
        self._rate_hz = 1.0 / float(t[1] - t[0])
        self._feet = [_Footing.of(foot, side, t) for side, foot in enumerate(plan.feet)]
        self._knees = _Knees.of(plan, leg)

    def pose(
        self, pelvis: FloatArray, lower: FloatArray, heels: FloatArray
    ) -> tuple[FloatArray, tuple[LegMotion, LegMotion]]:
        """Coordinates, (frames, 16), and legs under a pelvis whose height is set by the knees.

        Parameters
        ----------
        pelvis
            (frames, 6): as of the plan, corrected; the height is not read.
        lower
            (frames,): by how much the pelvis is to be lower than the knees have it.
        heels
            (frames, 2): further pitch of the right and the left foot, toes down.
        """
        start_s = float(self._plan.time_s[0])
        path = EvenSpline(np.concatenate([pelvis.T, heels.T]).T, self._rate_hz, start_s)
        z = self._height(path) - lower
        path.put(2, z)
        right, left = (foot.move(self._leg, path) for foot in self._feet)
        q = np.empty((len(COORDINATES), len(z)))
        q[:6], q[2] = pelvis.T, z
        q[6:8], q[8:12], q[12:] = self._plan.lumbar.T, right.angles.T, left.angles.T
        return q.T, (right, left)

    def _height(self, path: EvenSpline) -> FloatArray:
        """Height of the pelvis, (frames,), from the knee flexion asked for at the height nodes."""
        t, leg, knees = self._plan.time_s, self._leg, self._knees
        if not len(self._plan.height):
            return self._plan.pelvis[:, 2]
        times = self._plan.height[:, 0]
        at = path(times)
        place, turn = at[:, :3].copy(), pelvis_matrix(*at.T[3:6])
        raised = np.take_along_axis(at[:, 6:], knees.side[:, None], axis=1)[:, 0]
        sole = replace(knees.sole, pitch=knees.sole.pitch - raised)
        offset = -leg.half_width * knees.sign[:, None] * turn[:, :, 1]
        # The foot's roll depends a little on the height that is sought, so a second pass.
        for _ in range(2):
            ankle = ankle_target(leg, knees.sign, place, turn, sole)
            away = ankle - place - offset
            rise = knees.length2 - away[:, 0] ** 2 - away[:, 1] ** 2
            # A foot too far ahead for any height is met as low as a leg can fold.
            place[:, 2] = ankle[:, 2] - offset[:, 2] + np.sqrt(np.maximum(rise, 0.01))
        z = place[:, 2]
        return np.asarray(
            gaussian_filter1d(CubicSpline(times, z)(t), _SMOOTH_S * self._rate_hz, mode="nearest")
        )


def _first(whole: _Frames, count: int) -> _Frames:
    return type(whole)(*(getattr(whole, field.name)[:count] for field in fields(whole)))
