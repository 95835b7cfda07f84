"""Movements of one arm: the elbow with and without a load in the hand, and the wrist."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from kinefed.biomechanics.arm import ARM_COORDINATES, Arm
from kinefed.datasets.errors import UsageError, UsageReason
from kinefed.datasets.types import FloatArray
from kinefed.simulations.cohort.curves import derivatives, hermite
from kinefed.simulations.cohort.people import VirtualPerson
from kinefed.simulations.cohort.tasks import check_recording

# A load that most adults curl many times without fatigue, as a share of body mass.
_LOAD_SHARE = 0.06
# Repetitions of one person vary by this share, people by twice as much.
_REPEAT = 0.06
# By how much people differ in where they turn round, in degrees: healthy people's active ranges of
# the wrist differ by 6 or 7 (Boone and Azen 1979).
_END_DEG = 3.0
_MARGIN_S = 1.0


@dataclass(frozen=True, slots=True)
class ArmMotion:
    """A virtual recording of one arm, the shoulder at rest in the room.

    Attributes
    ----------
    rate_hz
        Sampling rate.
    arm
        The arm with what it holds.
    q, qd, qdd
        (frames, 3): shoulder, elbow and wrist flexion, rates, accelerations.
    task
        Name.
    stride
        (frames,): number of the repetition, from 0; -1 between them.
    """

    rate_hz: float
    arm: Arm
    q: FloatArray
    qd: FloatArray
    qdd: FloatArray
    task: str
    stride: NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class ArmTask:
    """One movement of the arm.

    Attributes
    ----------
    name, what
        As in recordings, and one line for a person.
    joint
        Which of the arm's coordinates goes to and fro.
    low, high
        Its ends in degrees, of the middle person.
    still
        Where the other two joints stay, degrees, in the order of the coordinates; the moving
        joint's entry is not read.
    loaded
        A load is held.
    takes_s
        From one end to the other.
    """

    name: str
    what: str
    joint: str
    low: float
    high: float
    still: tuple[float, float, float]
    loaded: bool = False
    takes_s: float = 0.9

    def generate(
        self,
        person: VirtualPerson,
        rng: np.random.Generator,
        duration_s: float,
        rate_hz: float = 100.0,
    ) -> ArmMotion:
        """Let a person do it; arguments and errors as those of `Task.generate`."""
        check_recording(duration_s, rate_hz)
        margin, frames = round(_MARGIN_S * rate_hz), round(duration_s * rate_hz)
        time_s = np.arange(-margin, frames + margin) / rate_hz
        count = int(duration_s / self.takes_s) + 6

        def often(trait: str, middle: float) -> FloatArray:
            chance = np.clip(rng.standard_normal(count), -2.0, 2.0)
            own = 1.0 + 2.0 * _REPEAT * person.manner(f"{self.joint} {trait}")
            return middle * own * (1.0 + _REPEAT * chance)

        # There, a moment's rest, back, a moment's rest.
        moving, rest = often("pace", self.takes_s), often("rest", 0.25)
        start = -_MARGIN_S + np.cumsum(np.concatenate([[0.2], (moving + rest)[:-1]]))
        up = np.arange(count) % 2 == 0
        low, high = (
            np.deg2rad(middle + _END_DEG * person.manner(f"{self.joint} {end}"))
            for end, middle in (("low", self.low), ("high", self.high))
        )
        reach = (high - low) * (1.0 + _REPEAT * (rng.random(count) - 1.0))
        far = low + np.where(up, reach, 0.0)
        near = np.concatenate([[low], far[:-1]])
        knots = np.stack([start, start + moving], axis=1).ravel()
        q = np.tile(np.deg2rad(self.still), (len(time_s), 1))
        moved = hermite(time_s, knots, np.stack([near, far], axis=1).ravel())
        q[:, ARM_COORDINATES.index(self.joint)] = moved
        qd, qdd = derivatives(q, rate_hz)
        turn = np.searchsorted(start[::2], time_s, side="right") - 1
        first = np.searchsorted(start[::2], 0.0, side="right") - 1
        load_kg = round(_LOAD_SHARE * person.body.mass_kg, 1) if self.loaded else 0.0
        keep = slice(margin, margin + frames)
        return ArmMotion(
            rate_hz,
            Arm(person.body, load_kg),
            q[keep],
            qd[keep],
            qdd[keep],
            self.name,
            (turn - first).astype(np.int32)[keep],
        )


# The elbow goes from nearly straight to where the hand reaches the head, the wrist beyond what most
# daily tasks need (Morrey et al. 1981, Ryu et al. 1991).
_ALL = (
    ArmTask(
        "elbow",
        "bending and stretching the elbow",
        "elbow_flexion",
        10.0,
        142.0,
        (0.0, 0.0, 0.0),
        takes_s=1.25,
    ),
    ArmTask(
        "elbow_load",
        "bending and stretching the elbow with a load in the hand",
        "elbow_flexion",
        10.0,
        142.0,
        (0.0, 0.0, 0.0),
        loaded=True,
        takes_s=1.4,
    ),
    ArmTask(
        "wrist",
        "bending the wrist to either side, the forearm level",
        "wrist_flexion",
        -50.0,
        55.0,
        (0.0, 90.0, 0.0),
        takes_s=0.8,
    ),
)
ARM_TASKS: Mapping[str, ArmTask] = MappingProxyType({task.name: task for task in _ALL})


def arm_task(name: str) -> ArmTask:
    """Look a movement of the arm up.

    Raises
    ------
    UsageError
        ``unknown_name``.
    """
    if name not in ARM_TASKS:
        raise UsageError(
            UsageReason.UNKNOWN_NAME,
            f"no movement of the arm {name!r}",
            next_step=f"Use one of {', '.join(ARM_TASKS)}",
        )
    return ARM_TASKS[name]
