"""The leg in the air: a smooth curve through a few joint angles, from toe-off to the next contact.

A swing is drawn with joint angles rather than with a path of the foot: a path that passes near the
full length of the leg makes the knee's rate infinite, joint angles cannot. It starts and ends with
the angle, rate and acceleration that the ground imposes, so nothing jerks at toe-off or contact.
The ankle, which moves the light foot alone, keeps angle and rate only: its acceleration as the foot
leaves or meets the ground is so great that a curve which kept it would swing to and fro.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import BSpline, make_interp_spline

from kinefed.datasets.types import FloatArray

# Where in the swing the angles in between are given.
NODES = np.array([0.25, 0.5, 0.75])


def _basis(degree: int) -> BSpline:
    """Spline of each of nine unit data.

    Three at the start (angle, rate, acceleration), three nodes, three at the end; a cubic heeds no
    acceleration.
    """
    times = np.concatenate([[0.0], NODES, [1.0]])
    inner = len(NODES)
    values = np.zeros((inner + 2, inner + 6))
    values[0, 0] = values[-1, inner + 3] = 1.0
    values[1:-1, 3 : 3 + inner] = np.eye(inner)
    unit = np.eye(inner + 6)
    orders = range(1, (degree + 1) // 2)
    start = [(order, unit[order]) for order in orders]
    end = [(order, unit[inner + 3 + order]) for order in orders]
    return make_interp_spline(times, values, k=degree, bc_type=(start, end))


_BASIS, _LIGHT = _basis(5), _basis(3)
# Column of the ankle among a leg's joints.
_ANKLE = 3


@dataclass(frozen=True, slots=True)
class Swings:
    """Which swing each frame belongs to, and how far it has come.

    Attributes
    ----------
    turn
        (frames,): number of the swing.
    weights, light
        (frames, 9): what the frame has of each of the swing's data, for the heavy joints and for
        the ankle.
    """

    turn: NDArray[np.intp]
    weights: FloatArray
    light: FloatArray

    @classmethod
    def of(cls, turn: NDArray[np.intp], fraction: FloatArray, duration_s: FloatArray) -> Swings:
        """Prepare swings.

        Parameters
        ----------
        turn
            (frames,): number of the swing.
        fraction
            (frames,): of the swing that has passed.
        duration_s
            (frames,): of the swing that the frame belongs to.
        """
        scale = np.stack([np.ones_like(duration_s), duration_s, duration_s**2], axis=1)
        drawn = [np.array(basis(fraction)) for basis in (_BASIS, _LIGHT)]
        for weights in drawn:
            weights[:, :3] *= scale
            weights[:, -3:] *= scale
        return cls(turn, *drawn)

    def angles(self, start: FloatArray, nodes: FloatArray, end: FloatArray) -> FloatArray:
        """Joint angles, (frames, 4).

        Parameters
        ----------
        start, end
            (swings, 3, 4): hip flexion, hip adduction, knee and ankle: angle, rate and acceleration
            at either end.
        nodes
            (swings, 3, 4): angles at `NODES`.
        """
        given = np.concatenate([start, nodes, end], axis=1)[self.turn]
        angles = np.einsum("fk,fkj->fj", self.weights, given)
        angles[:, _ANKLE] = np.einsum("fk,fk->f", self.light, given[:, :, _ANKLE])
        return np.asarray(angles)
