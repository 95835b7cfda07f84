"""Lengths of a leg, where its sole is to be, and what comes of it: see `reach`.

The pelvis and the soles are prescribed; hips, knees and ankles follow.

World axes: x forward, y left, z up.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kinefed.biomechanics.anthropometry import BodyParameters
from kinefed.biomechanics.segments import cosine_sine
from kinefed.datasets.types import FloatArray

# A leg is never straighter than this share of its full length: at full length the knee's rate is
# infinite. 0.9995 leaves 3.6 degrees of knee flexion for a thigh as long as the shank.
MAX_REACH = 0.9995
# A leg that bears load is meant to stay below this share: 6 degrees of knee flexion.
EASY_REACH = 0.9986
# Over which share of its length a leg meets that limit, and how far it may end before its target.
ROUNDING = 0.001
SHORT_M = 0.001
# The heel touches the ground this far in front of its back end.
HEEL_INSET_M = 0.015
# Breadth of the foot as a share of stature (Drillis and Contini 1966, as in Winter, Figure 4.1).
_BREADTH = 0.055


@dataclass(frozen=True, slots=True)
class LegGeometry:
    """Lengths of a leg in metres.

    Attributes
    ----------
    half_width
        Half the distance between the hip centres; the pelvis origin is midway.
    thigh, shank, ankle_height
        Hip to knee, knee to ankle, ankle to sole.
    heel, ball, toe
        Horizontal distances from the ankle: back to the heel, forward to the ball, to the tip.
    half_breadth
        Half the breadth of the sole.
    """

    half_width: float
    thigh: float
    shank: float
    ankle_height: float
    heel: float
    ball: float
    toe: float
    half_breadth: float

    @property
    def standing_m(self) -> float:
        """Height of the hip above the ground with a straight leg."""
        return self.thigh + self.shank + self.ankle_height

    @classmethod
    def of(cls, params: BodyParameters) -> LegGeometry:
        """Take the lengths out of a person's body."""
        length = params.lengths_m
        return cls(
            half_width=0.5 * length["pelvis_width"],
            thigh=length["thigh"],
            shank=length["shank"],
            ankle_height=length["ankle_height"],
            heel=length["heel_back"],
            ball=length["ball_forward"],
            toe=length["foot_length"] - length["heel_back"],
            half_breadth=0.5 * _BREADTH * params.height_m,
        )

    def hip_offset(self, side: str) -> FloatArray:
        """Hip centre in the frame of the pelvis, (3,)."""
        lateral = -self.half_width if side == "r" else self.half_width
        return np.array([0.0, lateral, 0.0])


@dataclass(frozen=True, slots=True)
class Sole:
    """Where one sole is, frame by frame.

    Attributes
    ----------
    origin
        (frames, 3): ground projection of the ankle if the foot lay flat.
    pitch
        (frames,): angle between sole and ground, toes up positive.
    pivot
        (frames,): distance forward of `origin` of the point about which the foot pitches.
    slope
        (frames,): inclination of the ground under this foot along x.
    """

    origin: FloatArray
    pitch: FloatArray
    pivot: FloatArray
    slope: FloatArray


@dataclass(frozen=True, slots=True)
class LegPose:
    """Angles of one leg, and what the foot does with them.

    Attributes
    ----------
    angles
        (frames, 4): hip flexion, hip adduction, knee flexion, ankle dorsiflexion.
    foot
        (frames, 3, 3): columns are the foot's forward, left and up axes.
    ankle, target
        (frames, 3): where the ankle is, and where it was meant to be.
    wanting
        (frames,): by how much the leg would have to be longer than `EASY_REACH` of its length;
        negative where it bends.
    short
        (frames,) bool: the leg ended before its target.
    """

    angles: FloatArray
    foot: FloatArray
    ankle: FloatArray
    target: FloatArray
    wanting: FloatArray
    short: np.ndarray[tuple[int], np.dtype[np.bool_]]


def pelvis_matrix(yaw: FloatArray, list_: FloatArray, tilt: FloatArray) -> FloatArray:
    """Orientation of the pelvis, (frames, 3, 3): yaw about z, list about -x, tilt about y."""
    (cy, cl, ct), (sy, sl, st) = cosine_sine(np.stack([yaw, -list_, tilt]))
    # Frames last in memory, as all that works on them runs along the frames.
    m = np.empty((3, 3, len(yaw)))
    m[0] = cy * ct - sy * sl * st, -sy * cl, cy * st + sy * sl * ct
    m[1] = sy * ct + cy * sl * st, cy * cl, sy * st - cy * sl * ct
    m[2] = -cl * st, sl, cl * ct
    return m.transpose(2, 0, 1)
