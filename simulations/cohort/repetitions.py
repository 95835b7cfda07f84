"""Strides and repetitions of a virtual recording, as a laboratory would cut and scale them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import compress, pairwise

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
# Slower than this people stand, if they do so for this long; their pace is the fastest that they
# walk within this time of standing.
STANDING_M_S, _STOOD_S, PACE_S = 0.05, 0.2, 4.0


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

    @property
    def goes_on(self) -> bool:
        """Walking of which no part is starting, stopping or standing: it never halves its speed."""
        speed = np.diff(self.angle["pelvis_x"])
        return bool(speed.min() > 0.5 * speed.mean() > 0.0)

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
    if isinstance(motion, Motion):
        other = np.array([name != task for name in motion.tasks])[motion.task]
    spans = []
    for number in np.unique(motion.stride[motion.stride >= 0]):
        at = np.flatnonzero(motion.stride == number)
        if at[0] > 0 and at[-1] < frames - 1 and not other[at].any():
            spans.append(at)
    return _cut(motion, found, mass_kg, spans)


def transitions(motion: Motion, found: Torques, mass_kg: float) -> dict[str, list[Repetition]]:
    """Walking between standing and standing, by the quantities that are measured of it.

    Parameters
    ----------
    motion, found, mass_kg
        As of `repetitions`.

    Returns
    -------
    dict
        ``start_steps``: from the middle of standing on; ``stop_steps``: up to it.
    """
    stands = np.concatenate([[False], np.abs(motion.qd[:, 0]) < STANDING_M_S, [False]])
    edges = np.flatnonzero(np.diff(stands.astype(np.int8))).reshape(-1, 2)
    middle = [(a + b) // 2 for a, b in edges if b - a > _STOOD_S * motion.rate_hz]
    ends = [0, *middle, len(motion.q)]
    spans = [np.arange(a, b) for a, b in pairwise(ends)]
    # Walking that was cut off soon by the recording's end may not have come to its pace.
    long = [len(at) > 2.0 * PACE_S * motion.rate_hz for at in spans]
    return {
        "start_steps": _cut(motion, found, mass_kg, list(compress(spans[1:], long[1:]))),
        "stop_steps": _cut(motion, found, mass_kg, list(compress(spans[:-1], long))),
    }


def _cut(
    motion: Motion | ArmMotion, found: Torques, mass_kg: float, spans: Iterable[NDArray[np.intp]]
) -> list[Repetition]:
    """Frames of a recording as repetitions."""
    frames = len(motion.q)
    force, seat = np.zeros((frames, 2, 3)), np.zeros(frames)
    angles = np.rad2deg(motion.q)
    if isinstance(motion, Motion):
        weight = GRAVITY * mass_kg
        force, seat = motion.force / weight, motion.seat_force[:, 2] / weight
        angles[:, :3] = motion.q[:, :3]
    names = found.dynamics.coordinates
    return [
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
        for at in spans
    ]
