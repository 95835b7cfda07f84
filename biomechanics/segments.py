"""How the segments of a tree move, for all frames at once: from the root outward.

Vectors are (3, frames) arrays, so that every operation runs along the frames. A point that is fixed
to a segment at r moves with ``x = o + R r``, so it accelerates by ``o'' + R'' r``. The columns of
R, the segment's axes, turn with the angular velocity w and acceleration e, whence
``R'' = (e x + w w^T - |w|^2) R``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kinefed.biomechanics.tree import Link, Mark
from kinefed.datasets.types import FloatArray


@dataclass(slots=True)
class Moving:
    """How a segment moves.

    Attributes
    ----------
    origin, bend
        Of the segment, and its acceleration less that of free fall.
    axes, axes_bend
        The columns of R and of R'', (3, 3, frames): which one, then its components.
    spin, spin_up
        Angular velocity and acceleration.
    joints
        Axis and anchor of each.
    """

    origin: FloatArray
    bend: FloatArray
    axes: FloatArray
    spin: FloatArray
    spin_up: FloatArray
    axes_bend: FloatArray
    joints: list[tuple[FloatArray, FloatArray]]


def carried(links: Sequence[Link], gravity: float, motion: Sequence[FloatArray]) -> list[Moving]:
    """How all segments move, from the root outward."""
    q, qd, qdd = motion
    cosines, sines = cosine_sine(q)
    moving: list[Moving] = []
    for link in links:
        joints: list[tuple[FloatArray, FloatArray]] = []
        if link.parent >= 0:
            before = moving[link.parent]
            axes, spin, spin_up = before.axes, before.spin, before.spin_up
            origin = before.origin + turned(before.axes, link.origin_m)
            bend = before.bend + turned(before.axes_bend, link.origin_m)
        else:
            still = np.zeros((3, q.shape[1]))
            axes = still + np.eye(3)[:, :, None]
            spin, spin_up = still, still
            origin = still + link.origin_m[:, None]
            # Weight is felt as if everything accelerated upward.
            bend = still + np.array([[0.0], [0.0], [gravity]])
        for joint in link.joints:
            j = joint.column
            along = axes[joint.axis] if joint.sign > 0.0 else -axes[joint.axis]
            joints.append((along, origin))
            if joint.slides:
                origin = origin + along * q[j]
                bend = bend + along * qdd[j]
                continue
            lift = cross(spin, along)
            lift *= qd[j]
            lift += spin_up
            lift += along * qdd[j]
            spin, spin_up = spin + along * qd[j], lift
            c, s = cosines[j], joint.sign * sines[j]
            one, two = (joint.axis + 1) % 3, (joint.axis + 2) % 3
            before_it, axes = axes, np.empty_like(axes)
            axes[joint.axis] = before_it[joint.axis]
            np.multiply(c, before_it[one], out=axes[one])
            axes[one] += s * before_it[two]
            np.multiply(c, before_it[two], out=axes[two])
            axes[two] -= s * before_it[one]
        axes_bend = _axes_bend(axes, spin, spin_up)
        moving.append(Moving(origin, bend, axes, spin, spin_up, axes_bend, joints))
    return moving


def cosine_sine(angle_rad: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Cosine and sine by way of the tangent of half the angle, which takes a third of the time."""
    half = np.tan(0.5 * angle_rad)
    square = half * half
    share = 1.0 / (1.0 + square)
    return (1.0 - square) * share, 2.0 * half * share


def _axes_bend(axes: FloatArray, spin: FloatArray, spin_up: FloatArray) -> FloatArray:
    """Second derivative in time of the axes."""
    x, y, z = spin_up
    by = spin[:, None] * spin
    square = by[0, 0] + by[1, 1] + by[2, 2]
    for i in range(3):
        by[i, i] -= square
    for i, j, part in ((1, 0, z), (2, 1, x), (0, 2, y)):
        by[i, j] += part
        by[j, i] -= part
    return np.asarray(np.einsum("ijf,kjf->kif", by, axes))


def feel(now: Moving, mark: Mark, out: FloatArray) -> None:
    """Write specific force and angular velocity in the axes of a mark into (6, frames)."""
    bend = now.bend + turned(now.axes_bend, mark.position_m)
    axes = combined(mark.rotation.T, now.axes)
    np.einsum("kif,if->kf", axes, bend, out=out[:3])
    np.einsum("kif,if->kf", axes, now.spin, out=out[3:])


def combined(matrix: FloatArray, axes: FloatArray) -> FloatArray:
    """Three vectors (3, 3, frames) that are sums of the axes, by a matrix (3, 3)."""
    return np.asarray(matrix @ axes.reshape(3, -1)).reshape(axes.shape)


def turned(axes: FloatArray, vector: FloatArray) -> FloatArray:
    """A vector of the segment in the world."""
    total: FloatArray | None = None
    for axis, part in zip(axes, vector.tolist(), strict=True):
        if part != 0.0:
            total = part * axis if total is None else total + part * axis
    return np.zeros_like(axes[0]) if total is None else total


def cross(a: FloatArray, b: FloatArray) -> FloatArray:
    """Cross product of (3, frames); `numpy.cross` is slower where the axes come first."""
    out = np.empty_like(a)
    np.subtract(a[1] * b[2], a[2] * b[1], out=out[0])
    np.subtract(a[2] * b[0], a[0] * b[2], out=out[1])
    np.subtract(a[0] * b[1], a[1] * b[0], out=out[2])
    return out


def dot(a: FloatArray, b: FloatArray) -> FloatArray:
    """Inner product of (3, frames)."""
    return np.asarray(a[0] * b[0] + a[1] * b[1] + a[2] * b[2])
