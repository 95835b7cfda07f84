"""A movement as it is meant (pelvis, trunk, soles, load shares), before its forces are known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from kinefed.biomechanics.segments import cosine_sine
from kinefed.datasets.types import FloatArray
from kinefed.simulations.cohort.contact import Support
from kinefed.simulations.cohort.kinematics import LegPose, Sole
from kinefed.simulations.cohort.terrain import Terrain

SIDES = ("r", "l")


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

    def every(self, stride: int) -> Plan:
        """Every so many frames of it."""
        step = slice(None, None, stride)
        return replace(
            self,
            time_s=self.time_s[step],
            pelvis=self.pelvis[step],
            lumbar=self.lumbar[step],
            share=self.share[step],
            hold=self.hold[step],
            slope=self.slope[step],
            seat=None if self.seat is None else self.seat[step],
        )

    def support(self) -> Support:
        """Contacts as planned: where on the ground each foot's centre of pressure is."""
        # Frames last in memory, as all that works on them runs along the frames.
        contacts = len(self.feet) if self.seat is None else len(self.feet) + 1
        points, share = (
            np.empty((contacts, 3, len(self.time_s))),
            np.zeros((contacts, len(self.time_s))),
        )
        share[: len(self.feet)] = self.share.T
        for point, foot in zip(points, self.feet, strict=False):
            sole = foot.sole(self.time_s)
            ahead = foot.pressure(self.time_s)
            point[:] = sole.origin.T
            cosine, sine = cosine_sine(sole.slope)
            point[0] += ahead * cosine
            point[2] += ahead * sine
        if self.seat is not None:
            points[-1] = self.seat[:, :3].T
        return Support(share.T, points.transpose(2, 0, 1), self.slope)


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
