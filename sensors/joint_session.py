"""Angles of one joint and their velocities from the orientations of its two segments.

Without a magnetometer each IMU has a heading of its own that drifts. What the joint cannot do takes
the difference out: knee and ankle turn about the axis across the segment, so that axis has one
heading on both segments; a hip's rotation about the thigh is nothing in the mean (Laidig et al.,
"Magnetometer-free inertial motion tracking of arbitrary joints with range of motion constraints",
IFAC PapersOnLine 53, 2020; here in closed form, for a mean of nothing). The mean is over the last
seconds, so rotation that comes and goes with each stride does no harm.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

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
        # From the segment's axes to the sensor's.
        self._sits = [sits.rotation.as_matrix().T for sits in (proximal, distal)]
        self._keep = float(np.exp(-1.0 / (HEADING_S * rate_hz)))
        self._mean = 0j
        self._run: tuple[int, ...] = ()

    def push(self, proximal: Oriented, distal: Oriented) -> JointFrames:
        """Take the next frames of both sensors, of the same times."""
        known = proximal.known & distal.known
        above, below = (
            _matrices(o.quat) @ sits for o, sits in zip((proximal, distal), self._sits, strict=True)
        )
        seen = _hip(above, below) if self.joint.name == "hip" else _hinge(above, below)
        heading = self._heading(np.where(known, seen, 0.0), proximal, distal)
        # The distal z axis and angular velocity: into the world, by the heading, to proximal axes.
        turning = distal.gyro[:, None] @ self._sits[1]
        world = np.concatenate([below[:, :, 2:], below @ turning.transpose(0, 2, 1)], axis=2)
        level = _level(world) * np.exp(1j * np.angle(heading))[:, None]
        world[:, 0], world[:, 1] = level.real, level.imag
        relative = above.transpose(0, 2, 1) @ world
        rate = relative[:, :, 1] - (proximal.gyro[:, None] @ self._sits[0])[:, 0]
        values = _decomposed(self.joint, relative[:, :, 0], rate)
        return JointFrames(values, known & (heading != 0.0))

    def _heading(self, seen: ComplexArray, *sensors: Oriented) -> ComplexArray:
        """Mean over the last seconds; anew where a sensor began anew."""
        means = []
        runs = zip(*(o.run.tolist() for o in sensors), strict=True)
        for new, run in zip(seen.tolist(), runs, strict=True):
            if run != self._run:
                self._mean, self._run = 0j, run
            self._mean = new + self._keep * self._mean
            means.append(self._mean)
        return np.array(means, np.complex128)


# The entries of a rotation matrix from products of w, x, y, z:
# ww wx wy wz xx xy xz yy yz zz
_FIRST, _SECOND = np.triu_indices(4)
_PRODUCTS = np.array(
    [
        [1, 0, 0, 0, 1, 0, 0, -1, 0, -1],
        [0, 0, 0, -2, 0, 2, 0, 0, 0, 0],
        [0, 0, 2, 0, 0, 0, 2, 0, 0, 0],
        [0, 0, 0, 2, 0, 2, 0, 0, 0, 0],
        [1, 0, 0, 0, -1, 0, 0, 1, 0, -1],
        [0, -2, 0, 0, 0, 0, 0, 0, 2, 0],
        [0, 0, -2, 0, 0, 0, 2, 0, 0, 0],
        [0, 2, 0, 0, 0, 0, 0, 0, 2, 0],
        [1, 0, 0, 0, -1, 0, 0, -1, 0, 1],
    ],
    dtype=np.float64,
).T


def _matrices(quat: FloatArray) -> FloatArray:
    """Turn unit quaternions, (n, 4) w first, into rotation matrices, (n, 3, 3).

    Written out, as all here: a `Rotation` costs more than the rest on the one frame that comes at
    a time.
    """
    products = quat[:, _FIRST] * quat[:, _SECOND]
    return np.asarray((products[:, None] @ _PRODUCTS).reshape(-1, 3, 3))


def _level(vectors: FloatArray) -> ComplexArray:
    """Take x and y of vectors, (n, 3, ...), for a complex number."""
    return np.asarray(vectors[:, 0] + 1j * vectors[:, 1])


def _hinge(above: FloatArray, below: FloatArray) -> ComplexArray:
    """Heading that brings both y axes together, as a complex weight."""
    return np.asarray(_level(above[:, :, 1]) * _level(below[:, :, 1]).conj())


def _hip(above: FloatArray, below: FloatArray) -> ComplexArray:
    """Heading that puts the thigh's x axis across the pelvis' y axis, as a complex weight."""
    left, ahead = above[:, :, 1], below[:, :, 0]
    across, forward = _level(left), _level(ahead)
    level = np.maximum(np.abs(across) * np.abs(forward), 1e-9)
    angle = np.arccos(np.clip(-left[:, 2] * ahead[:, 2] / level, -1.0, 1.0))
    # A thigh that lies level has its x axis upright, and tells nothing.
    return np.asarray(across * np.exp(-1j * angle) * forward.conj() * np.abs(forward))


def _decomposed(joint: Joint, v: FloatArray, rate: FloatArray) -> FloatArray:
    """Turn about the proximal y axis, then about x, then about z: angles and their rates.

    With v the distal z axis in proximal axes, the first is atan2(v_x, v_z), the second
    asin(-v_y); the relative angular velocity W has the rates (W_y - v_y W.v) / (1 - v_y^2) and
    W.x', x' being the x axis after the first turn.
    """
    first, second = np.arctan2(v[:, 0], v[:, 2]), np.arcsin(np.clip(-v[:, 1], -1.0, 1.0))
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
