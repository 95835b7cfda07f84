"""Strides and repetitions of a virtual recording, as a laboratory would cut and scale them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from kinefed.biomechanics.dynamics import Torques, Wrench, torques_of
from kinefed.biomechanics.engine import Engine
from kinefed.datasets.types import FloatArray
from kinefed.signals.filters import forward_backward, low_pass_sos
from kinefed.simulations.cohort.arm import ArmMotion
from kinefed.simulations.cohort.contact import GRAVITY
from kinefed.simulations.cohort.motion import Motion

# A force plate calls less than this no contact: 20 N, the usual threshold, of a person of 70 kg.
TOUCH = 0.03
# Between the cut-offs that laboratories use.
MOMENT_CUTOFF_HZ = 10.0


@dataclass(frozen=True, slots=True)
class Repetition:
    """One stride or repetition of one person.

    Attributes
    ----------
    rate_hz
        Sampling rate.
    angle
        Coordinate to (frames,) in degrees; the root's positions in m.
    moment
        Name as in the channels of torque, such as ``knee.r``, to (frames,) N m/kg.
    force
        (frames, 2, 3) on the right and the left foot, in body weights; forward, left, up.
    seat
        (frames,): what the seat carries, in body weights.
    height
        (frames,): of the centre of mass, in m.
    """

    rate_hz: float
    angle: Mapping[str, FloatArray]
    moment: Mapping[str, FloatArray]
    force: FloatArray
    seat: FloatArray
    height: FloatArray

    @property
    def frames(self) -> int:
        """How long it is."""
        return len(self.height)

    @property
    def loaded(self) -> NDArray[np.bool_]:
        """(frames, 2): when the right and the left foot bear weight."""
        return np.asarray(self.force[:, :, 2] > TOUCH)

    @property
    def trunk(self) -> FloatArray:
        """Forward lean of the trunk from the vertical, (frames,) degrees."""
        return self.angle["pelvis_tilt"] + self.angle["lumbar_flexion"]

    def flight(self) -> tuple[int, int]:
        """First frame of the longest time in the air and first after it; (0, 0) without one."""
        borne = self.loaded.any(axis=1) | (self.seat > TOUCH)
        air = np.concatenate([[False], ~borne, [False]])
        edges = np.flatnonzero(np.diff(air.astype(np.int8))).reshape(-1, 2)
        if not len(edges):
            return 0, 0
        start, end = edges[np.argmax(edges[:, 1] - edges[:, 0])]
        return int(start), int(end)


def torques(engine: Engine, motion: Motion | ArmMotion) -> Torques:
    """Joint moments of a movement from its motion and its forces alone, low-passed.

    Published moments come from smoothed markers (6 Hz in Winter 2009, 6 to 15 Hz elsewhere), so
    that a peak of theirs is that of a smooth curve; ours is read off one too.
    """
    dynamics = engine.inverse(motion.q, motion.qd, motion.qdd)
    wrenches = []
    if isinstance(motion, Motion):
        wrenches = [
            Wrench(side, motion.force[:, i], motion.cop[:, i], motion.free_moment[:, i])
            for i, side in enumerate("rl")
        ]
        seat = motion.seat_force, motion.seat_point, motion.seat_free_moment
        wrenches.append(Wrench("pelvis", *seat))
    found = torques_of(dynamics, wrenches, engine.body.params.mass_kg)
    sos = low_pass_sos("low_pass", MOMENT_CUTOFF_HZ, 2, motion.rate_hz)
    return replace(found, labels=forward_backward(sos, found.labels, "low_pass"))


def repetitions(
    task: str, motion: Motion | ArmMotion, found: Torques, mass_kg: float
) -> list[Repetition]:
    """All strides or repetitions of a task that lie whole within a recording.

    Also those with faulty frames, so that a table never looks better than the movement.

    Parameters
    ----------
    task
        Its name; repetitions with frames of another task are left out.
    motion, found
        The recording, and what `torques` says of it.
    mass_kg
        Of the person.
    """
    frames = len(motion.q)
    other = np.zeros(frames, dtype=np.bool_)
    force, seat = np.zeros((frames, 2, 3)), np.zeros(frames)
    angles = np.rad2deg(motion.q)
    if isinstance(motion, Motion):
        other = np.array([name != task for name in motion.tasks])[motion.task]
        weight = GRAVITY * mass_kg
        force, seat = motion.force / weight, motion.seat_force[:, 2] / weight
        angles[:, :3] = motion.q[:, :3]
    names = found.dynamics.coordinates
    result = []
    for number in np.unique(motion.stride[motion.stride >= 0]):
        at = np.flatnonzero(motion.stride == number)
        if at[0] == 0 or at[-1] == frames - 1 or other[at].any():
            continue
        result.append(
            Repetition(
                motion.rate_hz,
                {name: angles[at, j] for j, name in enumerate(names)},
                {
                    name.removeprefix("torque."): found.labels[at, j]
                    for j, name in enumerate(found.channels)
                },
                force[at],
                seat[at],
                found.dynamics.com[at, 2],
            )
        )
    return result
