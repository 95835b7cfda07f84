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

# The axes of a segment in the world: three vectors.
Axes = list[FloatArray]


@dataclass(slots=True)
class Moving:
    """How a segment moves.

    Attributes
    ----------
    origin, bend
        Of the segment, and its acceleration less that of free fall.
    axes, axes_bend
        R and R''.
    spin, spin_up
        Angular velocity and acceleration.
    joints
        Axis and anchor of each.
    """

    origin: FloatArray
    bend: FloatArray
    axes: Axes
    spin: FloatArray
    spin_up: FloatArray
    axes_bend: Axes
    joints: list[tuple[FloatArray, FloatArray]]


def carried(links: Sequence[Link], gravity: float, motion: Sequence[FloatArray]) -> list[Moving]:
    """How all segments move, from the root outward."""
    q, qd, qdd = motion
    moving: list[Moving] = []
    for link in links:
        joints: list[tuple[FloatArray, FloatArray]] = []
        if link.parent >= 0:
            before = moving[link.parent]
            axes, spin, spin_up = list(before.axes), before.spin, before.spin_up
            origin = before.origin + turned(before.axes, link.origin_m)
            bend = before.bend + turned(before.axes_bend, link.origin_m)
        else:
            still = np.zeros((3, q.shape[1]))
            axes = [still + unit[:, None] for unit in np.eye(3)]
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
            c, s = np.cos(q[j]), joint.sign * np.sin(q[j])
            one, two = (joint.axis + 1) % 3, (joint.axis + 2) % 3
            a, b = axes[one], axes[two]
            axes[one], axes[two] = c * a + s * b, c * b - s * a
        axes_bend = _axes_bend(axes, spin, spin_up)
        moving.append(Moving(origin, bend, axes, spin, spin_up, axes_bend, joints))
    return moving


def _axes_bend(axes: Axes, spin: FloatArray, spin_up: FloatArray) -> Axes:
    """Second derivative in time of the axes."""
    x, y, z = spin
    ex, ey, ez = spin_up
    xx, yy, zz = x * x, y * y, z * z
    xy, yz, zx = x * y, y * z, z * x
    rows = (
        (-(yy + zz), xy - ez, zx + ey),
        (xy + ez, -(xx + zz), yz - ex),
        (zx - ey, yz + ex, -(xx + yy)),
    )
    bends = []
    for axis in axes:
        bend = np.empty_like(axis)
        for i, (p, q, r) in enumerate(rows):
            np.multiply(p, axis[0], out=bend[i])
            bend[i] += q * axis[1]
            bend[i] += r * axis[2]
        bends.append(bend)
    return bends


def feel(now: Moving, mark: Mark, out: FloatArray) -> None:
    """Write specific force and angular velocity in the axes of a mark into (6, frames)."""
    bend = now.bend + turned(now.axes_bend, mark.position_m)
    for k in range(3):
        axis = turned(now.axes, mark.rotation[:, k])
        out[k] = dot(axis, bend)
        out[3 + k] = dot(axis, now.spin)


def turned(axes: Axes, vector: FloatArray) -> FloatArray:
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
