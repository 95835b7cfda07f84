"""Angles of one joint and their velocities from the orientations of its two segments.

Without a magnetometer each IMU has a heading of its own that drifts. What the joint cannot do takes
the difference out: knee and ankle turn about the axis across the segment, so that axis has one
heading on both segments; a hip's rotation about the thigh is nothing in the mean (Laidig et al.,
"Magnetometer-free inertial motion tracking of arbitrary joints with range of motion constraints",
IFAC PapersOnLine 53, 2020; here in closed form, for a mean of nothing). The mean is over the last
seconds, so rotation that comes and goes with each stride does no harm.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import signal
from scipy.spatial.transform import Rotation

from kinefed.datasets.types import FloatArray
from kinefed.sensors.alignment import Alignment
from kinefed.sensors.grid import BoolArray
from kinefed.sensors.orientation import Oriented

HEADING_S = 5.0
"""Time constant of the heading between two sensors: several strides, and short beside what a
bias of 0.1 deg/s, which VQF leaves at worst, makes of it."""

ComplexArray = NDArray[np.complex128]


@dataclass(frozen=True, slots=True)
class Joint:
    """A joint between two worn segments.

    Attributes
    ----------
    name, side
        ``"hip"``, ``"knee"`` or ``"ankle"``; ``"l"`` or ``"r"``.
    proximal, distal
        Places of the sensors.
    """

    name: str
    side: str
    proximal: str
    distal: str

    @property
    def angles(self) -> tuple[str, ...]:
        """Sites of its angles: ``("hip_flexion", "hip_adduction")``."""
        return tuple(site for site, _, _ in _ANGLES[self.name])

    @property
    def channels(self) -> tuple[str, ...]:
        """Columns that come out: angles, then their velocities."""
        sides = [f"{site}.{self.side}" for site in self.angles]
        return tuple(f"{kind}.{site}" for kind in ("angle", "velocity") for site in sides)


# Angle, which of the two it is (0 about y, 1 about x), and its sign on the right side: hip flexion
# and dorsiflexion are about -y, knee flexion about y, adduction about x (-x on the left).
_ANGLES: dict[str, tuple[tuple[str, int, float], ...]] = {
    "hip": (("hip_flexion", 0, -1.0), ("hip_adduction", 1, 1.0)),
    "knee": (("knee_flexion", 0, 1.0),),
    "ankle": (("ankle_dorsiflexion", 0, -1.0),),
}
_PAIRS = {"hip": ("pelvis", "thigh"), "knee": ("thigh", "shank"), "ankle": ("shank", "foot")}


def joints_of(places: Mapping[str, object]) -> tuple[Joint, ...]:
    """Name the joints that both segments of are worn."""
    found = []
    for side in "lr":
        for name, (above, below) in _PAIRS.items():
            proximal = above if above == "pelvis" else f"{above}.{side}"
            if proximal in places and f"{below}.{side}" in places:
                found.append(Joint(name, side, proximal, f"{below}.{side}"))
    return tuple(found)


@dataclass(frozen=True, slots=True)
class JointFrames:
    """Angles of a joint.

    Attributes
    ----------
    values
        (frames, columns of `Joint.channels`) rad and rad/s.
    known
        (frames,) False in a gap of either sensor and until both have settled after one.
    """

    values: FloatArray
    known: BoolArray


class JointSession:
    """Angles of one joint as orientations come; however they are cut, the result is the same.

    Parameters
    ----------
    joint
        Which.
    proximal, distal
        How its sensors sit.
    rate_hz
        Frames a second of both.
    """

    def __init__(
        self, joint: Joint, proximal: Alignment, distal: Alignment, rate_hz: float
    ) -> None:
        self.joint = joint
        self._sits = (proximal.rotation.inv(), distal.rotation.inv())
        self._keep = float(np.exp(-1.0 / (HEADING_S * rate_hz)))
        self._state: ComplexArray = np.zeros(1, np.complex128)
        self._run: tuple[int, int] | None = None

    def push(self, proximal: Oriented, distal: Oriented) -> JointFrames:
        """Take the next frames of both sensors, of the same times."""
        known = proximal.known & distal.known
        above, below = (
            Rotation.from_quat(o.quat, scalar_first=True) * sits
            for o, sits in zip((proximal, distal), self._sits, strict=True)
        )
        turn_above, turn_below = (
            sits.inv().apply(o.gyro) for o, sits in zip((proximal, distal), self._sits, strict=True)
        )
        seen = self._hip(above, below) if self.joint.name == "hip" else _hinge(above, below)
        heading = self._heading(np.where(known, seen, 0.0), proximal, distal)
        vectors = np.zeros((len(known), 3))
        vectors[:, 2] = np.angle(heading)
        relative = above.inv() * Rotation.from_rotvec(vectors) * below
        values = _decomposed(self.joint, relative, turn_above, turn_below)
        return JointFrames(values, known & (heading != 0.0))

    @staticmethod
    def _hip(above: Rotation, below: Rotation) -> ComplexArray:
        """Heading that puts the thigh's x axis across the pelvis' y axis, as a complex weight."""
        left, ahead = above.apply([0.0, 1.0, 0.0]), below.apply([1.0, 0.0, 0.0])
        across = left[:, 0] + 1j * left[:, 1]
        forward = ahead[:, 0] + 1j * ahead[:, 1]
        level = np.maximum(np.abs(across) * np.abs(forward), 1e-9)
        angle = np.arccos(np.clip(-left[:, 2] * ahead[:, 2] / level, -1.0, 1.0))
        # A thigh that lies level has its x axis upright, and tells nothing.
        return np.asarray(across * np.exp(-1j * angle) * forward.conj() * np.abs(forward))

    def _heading(self, seen: ComplexArray, *sensors: Oriented) -> ComplexArray:
        """Mean over the last seconds; anew where a sensor began anew."""
        out = np.empty(len(seen), np.complex128)
        runs = np.stack([o.run for o in sensors], axis=1)
        changes = np.flatnonzero((np.diff(runs, axis=0) != 0).any(axis=1)) + 1
        edges = [0, *changes.tolist(), len(seen)]
        for begin, end in itertools.pairwise(edges):
            if begin == end:
                continue
            run = (int(runs[begin, 0]), int(runs[begin, 1]))
            if run != self._run:
                self._state = np.zeros(1, np.complex128)
                self._run = run
            out[begin:end], self._state = signal.lfilter(
                [1.0], [1.0, -self._keep], seen[begin:end], zi=self._state
            )
        return out


def _hinge(above: Rotation, below: Rotation) -> ComplexArray:
    """Heading that brings both y axes together, as a complex weight."""
    left, other = (turn.apply([0.0, 1.0, 0.0]) for turn in (above, below))
    return np.asarray((left[:, 0] + 1j * left[:, 1]) * (other[:, 0] - 1j * other[:, 1]))


def _decomposed(
    joint: Joint, relative: Rotation, above: FloatArray, below: FloatArray
) -> FloatArray:
    """Turn about the proximal y axis, then about x, then about z: angles and their rates.

    With v the distal z axis in proximal axes, the first is atan2(v_x, v_z), the second
    asin(-v_y); the relative angular velocity W has the rates (W_y - v_y W.v) / (1 - v_y^2) and
    W.x', x' being the x axis after the first turn.
    """
    v = relative.apply([0.0, 0.0, 1.0])
    first, second = np.arctan2(v[:, 0], v[:, 2]), np.arcsin(np.clip(-v[:, 1], -1.0, 1.0))
    rate = relative.apply(below) - above
    along = (rate * v).sum(axis=1)
    level = np.maximum(1.0 - v[:, 1] ** 2, 1e-6)
    first_rate = (rate[:, 1] - v[:, 1] * along) / level
    second_rate = rate[:, 0] * np.cos(first) - rate[:, 2] * np.sin(first)
    angles, rates = (first, second), (first_rate, second_rate)
    columns = []
    for both in (angles, rates):
        for _, which, sign in _ANGLES[joint.name]:
            mirrored = -1.0 if which == 1 and joint.side == "l" else 1.0
            columns.append(sign * mirrored * both[which])
    return np.column_stack(columns)
