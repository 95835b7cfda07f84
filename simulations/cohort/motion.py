"""A movement with the forces it implies, from a plan and a body's inverse dynamics."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from kinefed.biomechanics.engine import Dynamics, Engine
from kinefed.datasets.types import FloatArray
from kinefed.simulations.cohort.contact import Contacts, turning
from kinefed.simulations.cohort.faults import find_faults, terrain_faults
from kinefed.simulations.cohort.following import Follower, Path
from kinefed.simulations.cohort.kinematics import LegGeometry
from kinefed.simulations.cohort.plan import Plan

# After this many corrections the centre of pressure changes by less than a millimetre a pass. The
# first ones are rough: they are made at a lower rate.
ROUGH_PASSES, FINE_PASSES = 5, 1
_ROUGH_HZ = 50.0


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
    seat_free_moment
        (frames,): moment about the vertical at that point.
    faults
        (frames,): bits of `Fault`; zero where all is well.
    task
        (frames,): index into `tasks`.
    tasks
        Names of the tasks in the recording.
    stride
        (frames,): number of the stride or repetition, from 0; -1 between them.
    dynamics
        Of `q`, `qd` and `qdd`, where it is known already.
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
    seat_free_moment: FloatArray
    faults: NDArray[np.uint8]
    task: NDArray[np.int16]
    tasks: tuple[str, ...]
    stride: NDArray[np.int32]
    dynamics: Dynamics | None = None


def root_residual(dynamics: Dynamics, contacts: Contacts) -> FloatArray:
    """Largest of the six residuals at the root after all contacts, (frames,), N and N m."""
    total = contacts.force.sum(axis=1)
    moment = turning(contacts.point - dynamics.anchors[:, 3:4], contacts.force)
    moment[:, 2] += contacts.free_moment.sum(axis=1)
    rest = dynamics.tau[:, :6].copy()
    rest[:, :3] -= np.einsum("fi,fji->fj", total, dynamics.axes[:, :3])
    rest[:, 3:] -= np.einsum("fi,fji->fj", moment, dynamics.axes[:, 3:6])
    return np.asarray(np.abs(rest).max(axis=1))


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
    follower = Follower(plan, leg, mass_kg)
    stride = max(int(follower.rate_hz / _ROUGH_HZ + 1e-6), 1)
    rough = Follower(plan.every(stride), leg, mass_kg) if stride > 1 else follower
    path = Path.none(len(rough.plan.time_s))

    def again(now: Follower, path: Path) -> Path:
        moved = now.move(path)
        return now.correct(path, moved, now.share(engine.whole(*moved.movement)))

    for _ in range(ROUGH_PASSES):
        path = again(rough, path)
    path = path.at(float(plan.time_s[0]), rough.rate_hz, plan.time_s)
    for _ in range(FINE_PASSES):
        path = again(follower, path)
    moved = follower.move(path)
    dynamics = engine.inverse(*moved.movement)
    shared = follower.share(dynamics.whole())
    contacts = shared.contacts
    feet = [(motion.sole, motion.pose, motion.grounded) for motion in moved.legs]
    found = find_faults(leg, contacts, shared.support, root_residual(dynamics, contacts), feet)
    if plan.terrain is not None:
        found |= terrain_faults(plan.terrain, leg, contacts, dynamics)
    seat = contacts.force.shape[1] > 2
    nothing = np.zeros((len(found), 3))
    q, qd, qdd = moved.movement
    return Motion(
        follower.rate_hz,
        q[keep],
        qd[keep],
        qdd[keep],
        contacts.force[keep, :2],
        contacts.point[keep, :2],
        contacts.free_moment[keep, :2],
        (contacts.force[:, 2] if seat else nothing)[keep],
        (contacts.point[:, 2] if seat else nothing)[keep],
        (contacts.free_moment[:, 2] if seat else nothing[:, 0])[keep],
        found[keep],
        labels.task[keep],
        labels.tasks,
        labels.stride[keep],
        _part(dynamics, keep),
    )


def _part(dynamics: Dynamics, keep: slice) -> Dynamics:
    """Return some frames of it."""
    return replace(
        dynamics,
        tau=dynamics.tau[keep],
        axes=dynamics.axes[keep],
        anchors=dynamics.anchors[keep],
        com=dynamics.com[keep],
        points={name: x[keep] for name, x in dynamics.points.items()},
        orientation={name: x[keep] for name, x in dynamics.orientation.items()},
        imus={name: x[keep] for name, x in dynamics.imus.items()},
    )
