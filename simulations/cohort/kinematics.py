"""Joint angles that put the feet where they must be: closed-form inverse kinematics of a leg.

The pelvis and the soles are prescribed; hips, knees and ankles follow. A leg has four joints (hip
flexion, hip adduction, knee flexion, ankle dorsiflexion), so the position of the ankle and the
pitch of the foot fix it, while the foot's roll and heading follow the leg. The contact point under
the foot is nevertheless held exactly, by solving again with the foot's true orientation.

World axes: x forward, y left, z up.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kinefed.biomechanics.anthropometry import BodyParameters
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
    cy, sy = np.cos(yaw), np.sin(yaw)
    cl, sl = np.cos(list_), -np.sin(list_)
    ct, st = np.cos(tilt), np.sin(tilt)
    m = np.empty((len(yaw), 3, 3))
    m[:, 0, 0], m[:, 0, 1], m[:, 0, 2] = cy * ct - sy * sl * st, -sy * cl, cy * st + sy * sl * ct
    m[:, 1, 0], m[:, 1, 1], m[:, 1, 2] = sy * ct + cy * sl * st, cy * cl, sy * st - cy * sl * ct
    m[:, 2, 0], m[:, 2, 1], m[:, 2, 2] = -cl * st, sl, cl * ct
    return m


def solve_leg(
    leg: LegGeometry, side: str, position: FloatArray, orientation: FloatArray, sole: Sole
) -> LegPose:
    """Angles of a leg from the pelvis and the sole.

    Parameters
    ----------
    leg
        The lengths.
    side
        ``"r"`` or ``"l"``.
    position, orientation
        Of the pelvis: (frames, 3) and (frames, 3, 3).
    sole
        Where the foot must be.
    """
    sign = 1.0 if side == "r" else -1.0
    hip = position + orientation @ leg.hip_offset(side)
    pitch = sole.pitch + sole.slope
    contact = sole.origin + sole.pivot[:, None] * _along(sole.slope)
    forward, up = _along(pitch), _along(pitch + 0.5 * np.pi)
    ankle = contact - sole.pivot[:, None] * forward + leg.ankle_height * up
    for last in (False, False, False, True):
        pose = _reach(leg, sign, hip, orientation, ankle, pitch)
        if last:
            break
        # The foot's true axes differ from those assumed by its roll and heading.
        ankle = (
            contact
            - sole.pivot[:, None] * pose.foot[:, :, 0]
            + leg.ankle_height * pose.foot[:, :, 2]
        )
    return pose


def _along(angle: FloatArray) -> FloatArray:
    """Unit vectors in the sagittal plane at an angle above x, (frames, 3)."""
    return np.stack([np.cos(angle), np.zeros_like(angle), np.sin(angle)], axis=1)


def _reach(
    leg: LegGeometry,
    sign: float,
    hip: FloatArray,
    orientation: FloatArray,
    ankle: FloatArray,
    pitch: FloatArray,
) -> LegPose:
    """Solve one leg for an ankle position and a foot pitch."""
    v = np.einsum("fij,fi->fj", orientation, ankle - hip)
    distance = np.sqrt(np.einsum("fi,fi->f", v, v))
    full = leg.thigh + leg.shank
    wanting = distance - EASY_REACH * full
    # A rounded limit: a hard one would jerk the knee.
    room = (MAX_REACH * full - distance) / (ROUNDING * full)
    reached = MAX_REACH * full - ROUNDING * full * np.logaddexp(0.0, room)
    short = distance - reached > SHORT_M
    v *= (reached / distance)[:, None]
    distance = reached
    bend = (distance**2 - leg.thigh**2 - leg.shank**2) / (2.0 * leg.thigh * leg.shank)
    knee = np.arccos(np.clip(bend, -1.0, 1.0))
    # The ankle in the thigh's frame.
    back = -leg.shank * np.sin(knee)
    down = leg.thigh + leg.shank * np.cos(knee)
    lean = np.arcsin(np.clip(v[:, 1] / down, -1.0, 1.0))
    flexion = np.arctan2(v[:, 0], -v[:, 2]) - np.arctan2(back, down * np.cos(lean))
    flexion = (flexion + np.pi) % (2.0 * np.pi) - np.pi

    # Axes of the plane in which thigh and shank bend: pelvis, then -flexion about y, lean about x.
    cf, sf, ca, sa = np.cos(flexion), np.sin(flexion), np.cos(lean), np.sin(lean)
    px, py, pz = orientation[:, :, 0], orientation[:, :, 1], orientation[:, :, 2]
    ahead = cf[:, None] * px + sf[:, None] * pz
    above = -sf[:, None] * px + cf[:, None] * pz
    left = ca[:, None] * py + sa[:, None] * above
    above = -sa[:, None] * py + ca[:, None] * above
    # The foot turns by (knee - ankle) about `left` until its forward axis has the pitch.
    turn = np.arctan2(ahead[:, 2], above[:, 2]) - np.arcsin(
        np.clip(np.sin(pitch) / np.hypot(ahead[:, 2], above[:, 2]), -1.0, 1.0)
    )
    ct, st = np.cos(turn)[:, None], np.sin(turn)[:, None]
    foot = np.stack([ct * ahead - st * above, left, st * ahead + ct * above], axis=2)
    angles = np.stack([flexion, sign * lean, knee, knee - turn], axis=1)
    end = hip + np.einsum("fij,fj->fi", orientation, v)
    return LegPose(angles, foot, end, ankle, wanting, short)
