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
    """Instants at which the knee of one side sets the height of the pelvis.

    Attributes
    ----------
    own
        Which of the plan's height nodes.
    length2
        (instants,): square of the distance from hip to ankle.
    sole
        Where the sole is then, heels as planned.
    """

    side: int
    own: NDArray[np.bool_]
    length2: FloatArray
    sole: Sole


@dataclass(frozen=True, slots=True)
class _Footing:
    """One foot's contacts and swings.

    Attributes
    ----------
    grounded
        (frames,) bool.
    edges
        Four times beside each toe-off, then four beside each contact, from the edge inward.
    sole
        Where the sole is on the ground and then at the edges, heels as planned.
    swings, nodes
        Of the frames in the air; None where there are none.
    """

    side: int
    grounded: NDArray[np.bool_]
    edges: FloatArray
    sole: Sole
    swings: Swings | None
    nodes: FloatArray

    @classmethod
    def of(cls, foot: FootPlan, side: int, t: FloatArray) -> _Footing:
        i = np.clip(np.searchsorted(foot.strike, t, side="right") - 1, 0, len(foot.strike) - 1)
        grounded = t <= foot.off[i]
        air = ~grounded
        edges, swings, nodes = t[:0], None, foot.nodes[:0]
        if air.any():
            turns = np.arange(i[air].min(), i[air].max() + 1)
            nodes = foot.nodes[turns]
            off, strike = foot.off[turns], foot.strike[turns + 1]
            j = i[air] - turns[0]
            swings = Swings.of(j, (t[air] - off[j]) / (strike - off)[j], (strike - off)[j])
            inward = _STEP_S * np.arange(4.0)[:, None]
            edges = np.concatenate([(off - inward).ravel(), (strike + inward).ravel()])
        sole = foot.sole(np.concatenate([t[grounded], edges]))
        return cls(side, grounded, edges, sole, swings, nodes)

    def move(self, leg: LegGeometry, path: EvenSpline, heels: EvenSpline) -> LegMotion:
        """Joint angles under a pelvis that takes a path, (frames, 6)."""
        at = np.concatenate([path.frames[self.grounded], path(self.edges)])
        raised = np.concatenate([heels.frames[self.grounded], heels(self.edges)])
        sole = replace(self.sole, pitch=self.sole.pitch - raised[:, self.side])
        orientation = pelvis_matrix(at[:, 3], at[:, 4], at[:, 5])
        pose = solve_leg(leg, SIDES[self.side], at[:, :3], orientation, sole)
        stand = int(np.count_nonzero(self.grounded))
        angles = np.empty((len(self.grounded), 4))
        angles[self.grounded] = pose.angles[:stand]
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
            angles[~self.grounded] = self.swings.angles(leave, nodes, land)
        return LegMotion(angles, self.grounded, _first(sole, stand), _first(pose, stand))


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
        self._knees = []
        times, sides, knee = plan.height.reshape(-1, 3).T
        length2 = leg.thigh**2 + leg.shank**2 + 2.0 * leg.thigh * leg.shank * np.cos(knee)
        for side, foot in enumerate(plan.feet):
            own = sides == side
            self._knees.append(_Knees(side, own, length2[own], foot.sole(times[own])))

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
        path = EvenSpline(pelvis, self._rate_hz, start_s)
        raised = EvenSpline(heels, self._rate_hz, start_s)
        z = self._height(path, raised) - lower
        path.put(2, z)
        right, left = (foot.move(self._leg, path, raised) for foot in self._feet)
        q = np.empty((len(COORDINATES), len(z)))
        q[:6], q[2] = pelvis.T, z
        q[6:8], q[8:12], q[12:] = self._plan.lumbar.T, right.angles.T, left.angles.T
        return q.T, (right, left)

    def _height(self, path: EvenSpline, heels: EvenSpline) -> FloatArray:
        """Height of the pelvis, (frames,), from the knee flexion asked for at the height nodes."""
        t, leg = self._plan.time_s, self._leg
        if not len(self._plan.height):
            return self._plan.pelvis[:, 2]
        times = self._plan.height[:, 0]
        at = path(times)
        z = at[:, 2].copy()
        orientation = pelvis_matrix(at[:, 3], at[:, 4], at[:, 5])
        for knees in self._knees:
            own, side = knees.own, SIDES[knees.side]
            raised = heels(times[own])[:, knees.side]
            sole = replace(knees.sole, pitch=knees.sole.pitch - raised)
            place, turn = at[own, :3], orientation[own]
            offset = turn @ leg.hip_offset(side)
            # The foot's roll depends a little on the height that is sought, so a second pass.
            for _ in range(2):
                ankle = ankle_target(leg, side, place, turn, sole)
                away = ankle - place - offset
                rise = knees.length2 - away[:, 0] ** 2 - away[:, 1] ** 2
                # A foot too far ahead for any height is met as low as a leg can fold.
                place[:, 2] = ankle[:, 2] - offset[:, 2] + np.sqrt(np.maximum(rise, 0.01))
            z[own] = place[:, 2]
        return np.asarray(
            gaussian_filter1d(CubicSpline(times, z)(t), _SMOOTH_S * self._rate_hz, mode="nearest")
        )


def _first(whole: _Frames, count: int) -> _Frames:
    return type(whole)(*(getattr(whole, field.name)[:count] for field in fields(whole)))
