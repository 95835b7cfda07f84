"""Closed-form inverse kinematics of a leg: from pelvis and sole to the angles in between.

A leg has four joints (hip flexion, hip adduction, knee flexion, ankle dorsiflexion), so the
position of the ankle and the pitch of the foot fix it, while the foot's roll and heading follow the
leg. The contact point under the foot is nevertheless held exactly, by solving again with the foot's
true orientation.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kinefed.biomechanics.segments import cosine_sine
from kinefed.datasets.types import FloatArray
from kinefed.simulations.cohort.kinematics import (
    EASY_REACH,
    MAX_REACH,
    ROUNDING,
    SHORT_M,
    LegGeometry,
    LegPose,
    Sole,
)

# Changes of an ankle's place below a picometre are rounding.
_ROUNDED_M2 = 1e-24
# A sum of shrinking changes is less than three times the last, of alternating ones half of it.
_MOST = (-2.0, 1.0)


@dataclass(frozen=True, slots=True)
class _Task:
    """What one leg has to reach; vectors are (3, frames), for speed.

    Attributes
    ----------
    sign
        1 for the right leg, -1 for the left; one number or one a frame.
    hip
        Its centre.
    pelvis
        (3, 3, frames): forward, left and up axis of the pelvis.
    contact
        Where the foot touches the ground.
    pivot
        (frames,): as of the sole.
    forward, up
        Axes of the foot if it neither rolled nor turned.
    """

    leg: LegGeometry
    sign: FloatArray | float
    hip: FloatArray
    pelvis: FloatArray
    contact: FloatArray
    pivot: FloatArray
    forward: FloatArray
    up: FloatArray


@dataclass(frozen=True, slots=True)
class _Reach:
    """One leg that reaches for an ankle position; angles as sines and cosines.

    Attributes
    ----------
    wanting
        As of `LegPose`.
    missing
        (frames,): by how much the leg ends before its target.
    v
        (3, frames): from hip to ankle along the pelvis's axes.
    bend
        Cosine of the knee flexion.
    lean, flexion
        Sine of the hip adduction of a right leg; sine and cosine of the hip flexion.
    steep, level
        Vertical parts of the shank's forward and up axis.
    forward, left, up
        Axes of the foot.
    """

    wanting: FloatArray
    missing: FloatArray
    v: FloatArray
    bend: FloatArray
    lean: FloatArray
    flexion: tuple[FloatArray, FloatArray]
    steep: FloatArray
    level: FloatArray
    forward: FloatArray
    left: FloatArray
    up: FloatArray


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
    task = _task(leg, 1.0 if side == "r" else -1.0, position, orientation, sole)
    target = _aim(task)
    found = _reach(task, target)
    knee = np.arccos(found.bend)
    # The foot turns by (knee - ankle) about its left axis until its forward axis has the pitch.
    tip = np.sqrt(found.steep * found.steep + found.level * found.level)
    turn = np.arctan2(found.steep, found.level) - np.arcsin(
        np.clip(task.forward[2] / tip, -1.0, 1.0)
    )
    angles = np.stack(
        [np.arctan2(*found.flexion), task.sign * np.arcsin(found.lean), knee, knee - turn]
    )
    foot = np.stack([found.forward, found.left, found.up], axis=1)
    end = task.hip + np.einsum("kf,kif->if", found.v, task.pelvis)
    return LegPose(
        angles.T, foot.transpose(2, 0, 1), end.T, target.T, found.wanting, found.missing > SHORT_M
    )


def ankle_target(
    leg: LegGeometry,
    sign: FloatArray | float,
    position: FloatArray,
    orientation: FloatArray,
    sole: Sole,
) -> FloatArray:
    """`LegPose.target` of `solve_leg` alone, (frames, 3), of right (1) and left (-1) legs."""
    return _aim(_task(leg, sign, position, orientation, sole)).T


def _task(
    leg: LegGeometry,
    sign: FloatArray | float,
    position: FloatArray,
    orientation: FloatArray,
    sole: Sole,
) -> _Task:
    pelvis = orientation.transpose(2, 1, 0)
    (cosine, sine), (ahead, rise) = cosine_sine(sole.pitch + sole.slope), cosine_sine(sole.slope)
    level = np.zeros_like(cosine)
    return _Task(
        leg,
        sign,
        position.T - leg.half_width * sign * pelvis[1],
        pelvis,
        sole.origin.T + sole.pivot * np.stack([ahead, level, rise]),
        sole.pivot,
        np.stack([cosine, level, sine]),
        np.stack([-sine, level, cosine]),
    )


def _aim(task: _Task) -> FloatArray:
    """Where the ankle has to be for the foot to touch where it must, (3, frames).

    The foot's true axes differ from those assumed by its roll and heading. Twice they are put in;
    what that changes shrinks at much the same rate, so its sum is told from the two changes
    (Anderson's acceleration).
    """
    places = [_above(task, task.forward, task.up)]
    for _ in range(2):
        found = _reach(task, places[-1])
        places.append(_above(task, found.forward, found.up))
    change, last = places[1] - places[0], places[2] - places[1]
    bend = last - change
    share = _dot(last, bend) / np.maximum(_dot(bend, bend), _ROUNDED_M2)
    return places[2] - np.clip(share, *_MOST) * last


def _above(task: _Task, forward: FloatArray, up: FloatArray) -> FloatArray:
    """Ankle of a foot with these axes that touches where it must."""
    return task.contact - task.pivot * forward + task.leg.ankle_height * up


def _reach(task: _Task, ankle: FloatArray) -> _Reach:
    """Solve one leg for an ankle position and the foot's pitch."""
    leg, (px, py, pz) = task.leg, task.pelvis
    v = np.einsum("kif,if->kf", task.pelvis, ankle - task.hip)
    distance = np.sqrt(_dot(v, v))
    full = leg.thigh + leg.shank
    wanting = distance - EASY_REACH * full
    # A rounded limit: a hard one would jerk the knee.
    room = (MAX_REACH * full - distance) / (ROUNDING * full)
    rounded = np.maximum(room, 0.0) + np.log1p(np.exp(-np.abs(room)))
    reached = MAX_REACH * full - ROUNDING * full * rounded
    missing = distance - reached
    v *= reached / distance
    bend = (reached * reached - leg.thigh**2 - leg.shank**2) / (2.0 * leg.thigh * leg.shank)
    bend = np.clip(bend, -1.0, 1.0)
    # The ankle in the thigh's frame.
    back = -leg.shank * _other(bend)
    down = leg.thigh + leg.shank * bend
    sa = np.clip(v[1] / down, -1.0, 1.0)
    ca = _other(sa)
    low = down * ca
    # The flexion is the angle from (back, low) to (v_x, -v_z).
    size = np.sqrt((v[0] * v[0] + v[2] * v[2]) * (back * back + low * low))
    sf, cf = (v[0] * low + v[2] * back) / size, (v[0] * back - v[2] * low) / size

    # Axes of the plane in which thigh and shank bend: pelvis, then -flexion about y, lean about x.
    ahead = cf * px + sf * pz
    above = cf * pz - sf * px
    left = ca * py + sa * above
    above = ca * above - sa * py
    steep, level = ahead[2], above[2]
    # Turned about `left` by the angle from (steep, level) less that whose sine is the pitch's.
    tip = np.sqrt(steep * steep + level * level)
    sine = np.clip(task.forward[2] / tip, -1.0, 1.0)
    cosine = _other(sine)
    ct, st = (level * cosine + steep * sine) / tip, (steep * cosine - level * sine) / tip
    forward, up = ct * ahead - st * above, st * ahead + ct * above
    return _Reach(wanting, missing, v, bend, sa, (sf, cf), steep, level, forward, left, up)


def _other(cosine: FloatArray) -> FloatArray:
    """Sine of an angle in the first two quadrants from its cosine, or the other way round."""
    return np.asarray(np.sqrt((1.0 - cosine) * (1.0 + cosine)))


def _dot(a: FloatArray, b: FloatArray) -> FloatArray:
    return np.asarray(np.einsum("if,if->f", a, b))
