"""What a frame of a virtual recording must satisfy, and which frames do not."""

from __future__ import annotations

import enum
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from kinefed.biomechanics.engine import Dynamics
from kinefed.datasets.types import FloatArray
from kinefed.simulations.cohort.contact import TOUCH_N, Contacts, Support
from kinefed.simulations.cohort.kinematics import HEEL_INSET_M, LegGeometry, LegPose, Sole
from kinefed.simulations.cohort.terrain import Terrain

RESIDUAL_LIMIT = 1e-6
FRICTION_LIMIT = 0.6
SLIP_LIMIT_M = 0.002
FREE_MOMENT_LIMIT_NM = 10.0
# On an incline and on stairs no foot is deeper in the ground than this.
CUT_LIMIT_M = 0.005
# A sole within this angle of the ground lies flat, 0.6 degrees.
FLAT_RAD = 0.01
# A pitched foot bears on what is within this height of the ground: the pad under the heel yields
# by 9 to 11 mm at contact (De Clercq, Aerts and Kunnen 1994, J Biomech 27:1213).
PAD_M = 0.009


class Fault(enum.IntFlag):
    """What is wrong with a frame; several may be set."""

    RESIDUAL = 1
    PRESSURE_POINT = 2
    PULL = 4
    FRICTION = 8
    SLIP = 16
    FREE_MOMENT = 32
    REACH = 64
    CUT = 128


def count_faults(found: NDArray[np.uint8]) -> dict[str, int]:
    """Frames with each fault, and with any: ``{"any": 3, "free_moment": 3, ...}``."""
    counts = {"any": int(np.count_nonzero(found))}
    for fault in Fault:
        counts[str(fault.name).lower()] = int(np.count_nonzero(found & fault))
    return counts


def under_sole(leg: LegGeometry, sole: Sole, point: FloatArray) -> NDArray[np.bool_]:
    """Say whether a point on the ground is under the part of the sole that bears, (frames,)."""
    rest = point - sole.origin
    ahead = rest[:, 0] * np.cos(sole.slope) + rest[:, 2] * np.sin(sole.slope)
    tilt = np.sin(np.maximum(np.abs(sole.pitch), 1e-6))
    bears = PAD_M / tilt
    first = np.where(sole.pitch < -FLAT_RAD, leg.ball - bears, -leg.heel)
    last = np.where(sole.pitch > FLAT_RAD, HEEL_INSET_M - leg.heel + bears, leg.toe)
    within = (ahead >= np.maximum(first, -leg.heel)) & (ahead <= np.minimum(last, leg.toe))
    return np.asarray(within & (np.abs(rest[:, 1]) <= leg.half_breadth))


def slip(leg: LegGeometry, sole: Sole, pose: LegPose) -> FloatArray:
    """Distance along the ground of heel and ball, where they bear, from their places, (frames,)."""
    zero = np.zeros(len(sole.slope))
    along = np.stack([np.cos(sole.slope), zero, np.sin(sole.slope)], axis=1)
    normal = np.stack([-np.sin(sole.slope), zero, np.cos(sole.slope)], axis=1)
    worst = zero
    for x, bears in (
        (HEEL_INSET_M - leg.heel, sole.pitch > -FLAT_RAD),
        (leg.ball, sole.pitch < FLAT_RAD),
    ):
        part = pose.ankle + x * pose.foot[:, :, 0] - leg.ankle_height * pose.foot[:, :, 2]
        away = part - sole.origin - x * along
        away -= np.einsum("fi,fi->f", away, normal)[:, None] * normal
        worst = np.maximum(worst, np.where(bears, np.linalg.norm(away, axis=1), 0.0))
    return worst


def find_faults(
    leg: LegGeometry,
    contacts: Contacts,
    support: Support,
    residual: FloatArray,
    feet: Sequence[tuple[Sole, LegPose, NDArray[np.bool_]]],
) -> NDArray[np.uint8]:
    """Say of every frame what it violates, (frames,) of `Fault` bits.

    Parameters
    ----------
    leg
        The lengths.
    contacts, support
        The forces, and how they were meant.
    residual
        (frames,): largest residual at the root, N and N m.
    feet
        Right and left: the sole, the leg's pose, and in which frames the foot is on the ground;
        the first two hold those frames only.
    """
    normal = support.normal
    force = contacts.force
    load = np.einsum("fci,fi->fc", force, normal)
    grip = np.linalg.norm(force - load[:, :, None] * normal[:, None, :], axis=2)
    found = np.zeros(len(residual), dtype=np.uint8)

    def mark(fault: Fault, bad: NDArray[np.bool_]) -> None:
        found[bad] |= np.uint8(fault)

    mark(Fault.RESIDUAL, np.logical_not(residual <= RESIDUAL_LIMIT))
    mark(Fault.PULL, (load < -RESIDUAL_LIMIT).any(axis=1))
    mark(Fault.FRICTION, (grip > FRICTION_LIMIT * np.maximum(load, TOUCH_N)).any(axis=1))
    twist = np.abs(contacts.free_moment).max(axis=1)
    mark(Fault.FREE_MOMENT, np.asarray(twist > FREE_MOMENT_LIMIT_NM))
    for i, (sole, pose, grounded) in enumerate(feet):
        bad = np.zeros(len(residual), dtype=np.bool_)
        bad[grounded] = ~under_sole(leg, sole, contacts.point[grounded, i])
        mark(Fault.PRESSURE_POINT, bad & (load[:, i] > TOUCH_N))
        mark(Fault.PRESSURE_POINT, ~grounded & (load[:, i] > TOUCH_N))
        bad = np.zeros(len(residual), dtype=np.bool_)
        bad[grounded] = slip(leg, sole, pose) > SLIP_LIMIT_M
        mark(Fault.SLIP, bad & (support.share[:, i] > 0.0))
        bad = np.zeros(len(residual), dtype=np.bool_)
        bad[grounded] = pose.short
        mark(Fault.REACH, bad)
    return found


def terrain_faults(
    terrain: Terrain, leg: LegGeometry, contacts: Contacts, dynamics: Dynamics
) -> NDArray[np.uint8]:
    """Say which frames have a foot in the ground, or load beyond the edge of a step, (frames,)."""
    found = np.zeros(len(contacts.shift), dtype=np.uint8)
    for i, side in enumerate("rl"):
        cut = terrain.cut(
            leg, dynamics.points[f"ankle_{side}"], dynamics.orientation[f"foot_{side}"]
        )
        found[cut > CUT_LIMIT_M] |= np.uint8(Fault.CUT)
        over = -terrain.depth(contacts.point[:, i]) > CUT_LIMIT_M
        found[over & (contacts.force[:, i, 2] > TOUCH_N)] |= np.uint8(Fault.PRESSURE_POINT)
    return found
