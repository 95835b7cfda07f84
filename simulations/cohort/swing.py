"""The leg in the air: a smooth curve through a few joint angles, from toe-off to the next contact.

A swing is drawn with joint angles rather than with a path of the foot: a path that passes near the
full length of the leg makes the knee's rate infinite, joint angles cannot. It starts and ends with
the angle, rate and acceleration that the ground imposes, so nothing jerks at toe-off or contact.
"""

from __future__ import annotations

import numpy as np
from scipy.interpolate import BSpline, make_interp_spline

from kinefed.datasets.types import FloatArray

# Where in the swing the angles in between are given.
NODES = np.array([0.25, 0.5, 0.75])


def _basis() -> BSpline:
    """Quintic spline of each of nine unit data.

    Three at the start (angle, rate, acceleration), three nodes, three at the end.
    """
    times = np.concatenate([[0.0], NODES, [1.0]])
    inner = len(NODES)
    values = np.zeros((inner + 2, inner + 6))
    values[0, 0] = values[-1, inner + 3] = 1.0
    values[1:-1, 3 : 3 + inner] = np.eye(inner)
    unit = np.eye(inner + 6)
    start = [(1, unit[1]), (2, unit[2])]
    end = [(1, unit[inner + 4]), (2, unit[inner + 5])]
    return make_interp_spline(times, values, k=5, bc_type=(start, end))


_BASIS = _basis()


def swing_angles(
    fraction: FloatArray,
    duration_s: FloatArray,
    start: FloatArray,
    nodes: FloatArray,
    end: FloatArray,
) -> FloatArray:
    """Joint angles during swings.

    Parameters
    ----------
    fraction
        (frames,): of the swing that has passed.
    duration_s
        (frames,): of the swing that the frame belongs to.
    start, end
        (frames, 3, joints): angle, rate and acceleration at either end.
    nodes
        (frames, 3, joints): angles at `NODES`.

    Returns
    -------
    FloatArray
        (frames, joints).
    """
    weight = np.asarray(_BASIS(fraction))
    scale = np.stack([np.ones_like(duration_s), duration_s, duration_s**2], axis=1)
    angles = np.einsum("fk,fkj->fj", weight[:, :3] * scale, start)
    angles += np.einsum("fk,fkj->fj", weight[:, 3:-3], nodes)
    angles += np.einsum("fk,fkj->fj", weight[:, -3:] * scale, end)
    return np.asarray(angles)
