"""How far to go along a line uphill, for the dual function of static optimisation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kinefed.datasets.types import FloatArray

BoolArray = NDArray[np.bool_]
Which = BoolArray | NDArray[np.intp]

_GOOD_STEP, _ROUNDING = 0.9, 1e-9


@dataclass
class Line:
    """The dual function along l + t d, where A^T (l + t d) = y + t z; frames last."""

    low: FloatArray
    high: FloatArray
    y: FloatArray
    z: FloatArray
    constant: FloatArray
    curvature: FloatArray

    def keep(self, which: Which) -> Line:
        """Some of the frames."""
        return Line(
            self.low[:, which],
            self.high[:, which],
            self.y[:, which],
            self.z[:, which],
            self.constant[which],
            self.curvature[which],
        )

    def slope(self, size: FloatArray) -> FloatArray:
        """Derivative after a step of `size`, (frames,)."""
        x = self.z * size
        x += self.y
        np.minimum(np.maximum(x, self.low, out=x), self.high, out=x)
        return np.asarray(self.constant - size * self.curvature - np.einsum("mf,mf->f", x, self.z))

    def top(self, slope: FloatArray) -> FloatArray:
        """Step to the maximum, (frames,), from the derivative at the start, which is positive.

        The derivative falls in straight pieces: by the curvature, and by z^2 more for each muscle
        that is between its bounds.
        """
        muscles, frames = self.z.shape
        steeper = np.square(self.z)
        # A muscle that the line does not move has nothing to add, wherever it is.
        z = np.where(steeper == 0.0, 1.0, self.z)
        ends = (self.low - self.y) / z, (self.high - self.y) / z
        # Muscles come between their bounds and leave them; what lies behind has happened at once.
        steps, steep = np.empty((2, frames, 2 * muscles))
        steps[:, :muscles] = np.minimum(*ends).T
        steps[:, muscles:] = np.maximum(*ends).T
        np.maximum(steps, 0.0, out=steps)
        steep[:, :muscles] = steeper.T
        np.negative(steeper.T, out=steep[:, muscles:])
        order = np.argsort(steps, axis=1)
        order += 2 * muscles * np.arange(frames)[:, None]
        steps, steep = steps.ravel()[order], steep.ravel()[order]
        np.cumsum(steep, axis=1, out=steep)
        steep += self.curvature[:, None]
        fall = np.diff(steps, axis=1)
        fall *= steep[:, :-1]
        slopes = np.empty_like(steps)
        slopes[:, 0] = slope - self.curvature * steps[:, 0]
        np.cumsum(fall, axis=1, out=slopes[:, 1:])
        np.subtract(slopes[:, :1], slopes[:, 1:], out=slopes[:, 1:])
        # The last piece that begins uphill; rounding may leave none.
        last = np.maximum(np.count_nonzero(slopes > 0.0, axis=1) - 1, 0)
        at = np.arange(frames), last
        return np.asarray(steps[at] + np.maximum(slopes[at], 0.0) / steep[at])


def search(line: Line, start: FloatArray) -> FloatArray:
    """Find a step uphill after which the slope along the line is a part of `start`, (frames,).

    A full step that leaves less than 0.9 of the slope, and does not go beyond the maximum, is
    taken; else the one to the maximum.
    """
    size = np.ones(len(start))
    slope = line.slope(size)
    left = np.flatnonzero((slope > _GOOD_STEP * start) | (slope < -_ROUNDING * start))
    if len(left):
        size[left] = line.keep(left).top(start[left])
    return size
