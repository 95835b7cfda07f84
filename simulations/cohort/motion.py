"""A movement with the forces it implies, from a plan and a body's inverse dynamics."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline
from scipy.ndimage import gaussian_filter1d, maximum_filter1d

from kinefed.biomechanics.engine import Dynamics, Engine
from kinefed.datasets.types import FloatArray
from kinefed.simulations.cohort.contact import (
    GRAVITY,
    Contacts,
    away_from_ends,
    pelvis_correction,
    share_seat,
    share_wrench,
    yaw_correction,
)
from kinefed.simulations.cohort.curves import derivatives, smoothstep
from kinefed.simulations.cohort.faults import FLAT_RAD, find_faults, terrain_faults
from kinefed.simulations.cohort.kinematics import LegGeometry
from kinefed.simulations.cohort.plan import (
    SIDES,
    LegMotion,
    Plan,
    move_leg,
    raise_heels,
    raise_pelvis,
)

# After this many passes the centre of pressure changes by less than a millimetre a pass.
PASSES = 5
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
class Labels:
    """What is done when.

    Attributes
    ----------
    tasks
        Names.
    task
        (frames,): index into `tasks`.
    stride
        (frames,): number of the stride or repetition, from 0; -1 between them.
    """

    tasks: tuple[str, ...]
    task: NDArray[np.int16]
    stride: NDArray[np.int32]

    @classmethod
    def of_one(cls, task: str, stride: NDArray[np.int32]) -> Labels:
        """Label every frame with the same task."""
        return cls((task,), np.zeros(len(stride), dtype=np.int16), stride)


@dataclass(frozen=True, slots=True)
class Motion:
    """A virtual recording of movement and force.

    Attributes
    ----------
    rate_hz
        Sampling rate.
    q, qd, qdd
        (frames, 16): coordinates, rates, accelerations.
    force, cop
        (frames, 2, 3): force on the right and the left foot, and where it acts.
    free_moment
        (frames, 2): moment about the vertical at that point.
    seat_force, seat_point
        (frames, 3): force of the seat and where it acts; zero without a seat.
    faults
        (frames,): bits of `Fault`; zero where all is well.
    task
        (frames,): index into `tasks`.
    tasks
        Names of the tasks in the recording.
    stride
        (frames,): number of the stride or repetition, from 0; -1 between them.
    """

    rate_hz: float
    q: FloatArray
    qd: FloatArray
    qdd: FloatArray
    force: FloatArray
    cop: FloatArray
    free_moment: FloatArray
    seat_force: FloatArray
    seat_point: FloatArray
    faults: NDArray[np.uint8]
    task: NDArray[np.int16]
    tasks: tuple[str, ...]
    stride: NDArray[np.int32]


def root_residual(dynamics: Dynamics, contacts: Contacts) -> FloatArray:
    """Largest of the six residuals at the root after all contacts, (frames,), N and N m."""
    total = contacts.force.sum(axis=1)
    arm = contacts.point - dynamics.anchors[:, 3:4]
    moment = np.cross(arm, contacts.force).sum(axis=1)
    moment[:, 2] += contacts.free_moment.sum(axis=1)
    rest = dynamics.tau[:, :6].copy()
    rest[:, :3] -= np.einsum("fi,fji->fj", total, dynamics.axes[:, :3])
    rest[:, 3:] -= np.einsum("fi,fji->fj", moment, dynamics.axes[:, 3:6])
    return np.asarray(np.abs(rest).max(axis=1))


def assemble(
    plan: Plan, leg: LegGeometry, pelvis: FloatArray, lower: FloatArray | float = 0.0
) -> tuple[FloatArray, tuple[LegMotion, LegMotion]]:
    """Coordinates, (frames, 16), and legs under a pelvis whose height is set by the knees."""
    pelvis = pelvis.copy()
    pelvis[:, 2] = raise_pelvis(plan, leg, pelvis) - lower
    right, left = (move_leg(plan, leg, pelvis, side) for side in SIDES)
    q = np.concatenate([pelvis, plan.lumbar, right.angles, left.angles], axis=1)
    return q, (right, left)


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


def realise(
    plan: Plan,
    leg: LegGeometry,
    engine: Engine,
    mass_kg: float,
    keep: slice,
    labels: Labels,
) -> Motion:
    """Make a plan dynamically consistent.

    Parameters
    ----------
    plan
        With margins at both ends.
    leg, engine, mass_kg
        Of the person.
    keep
        The frames between the margins.
    labels
        Of all frames, margins included.
    """
    rate_hz = 1.0 / float(plan.time_s[1] - plan.time_s[0])
    support = plan.support()
    pelvis = plan.pelvis.copy()
    lower, turned = np.zeros(len(pelvis)), np.zeros(len(pelvis))
    heels = np.zeros((len(pelvis), len(plan.feet)))
    for turn in range(PASSES):
        q, legs = assemble(raise_heels(plan, heels), leg, pelvis, lower)
        qd, qdd = derivatives(q, rate_hz)
        dynamics = engine.inverse(q, qd, qdd, forces_only=turn + 1 < PASSES)
        height_m = float((dynamics.com[:, 2] - support.point[:, :2, 2].mean(axis=1)).mean())
        wrench = (*dynamics.root_wrench(), dynamics.anchors[:, 3])
        if plan.seat is not None:
            support = share_seat(*wrench, plan.support(), plan.seat[:, 3])
        contacts = share_wrench(*wrench, support, height_m)
        if turn + 1 < PASSES:
            step = pelvis_correction(contacts, mass_kg * GRAVITY, height_m, rate_hz)
            if plan.seat is not None:
                # On the seat the hips stay where they are, and the seat's share sees to balance.
                step *= 1.0 - plan.seat[:, 3:]
            pelvis[:, :2] += step
            sink, rise = _overreach(legs, leg, rate_hz)
            lower += sink
            heels += rise
            # No joint of the leg turns the foot about the vertical, so the pelvis does.
            pelvis[:, 3] -= _astray(plan.hold, legs, turned)
            more = yaw_correction(contacts, mass_kg, rate_hz)
            pelvis[:, 3] += more
            turned += more
    feet = [(motion.sole, motion.pose, motion.grounded) for motion in legs]
    found = find_faults(leg, contacts, support, root_residual(dynamics, contacts), feet)
    if plan.terrain is not None:
        found |= terrain_faults(plan.terrain, leg, contacts, dynamics)
    seat = contacts.force.shape[1] > 2
    nothing = np.zeros((len(q), 3))
    return Motion(
        rate_hz,
        q[keep],
        qd[keep],
        qdd[keep],
        contacts.force[keep, :2],
        contacts.point[keep, :2],
        contacts.free_moment[keep, :2],
        (contacts.force[:, 2] if seat else nothing)[keep],
        (contacts.point[:, 2] if seat else nothing)[keep],
        found[keep],
        labels.task[keep],
        labels.tasks,
        labels.stride[keep],
    )
