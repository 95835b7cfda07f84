"""Level ground with steps to jump onto and from."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from kinefed.datasets.types import FloatArray
from kinefed.simulations.cohort.jumping import JumpPlan
from kinefed.simulations.cohort.kinematics import LegGeometry
from kinefed.simulations.cohort.terrain import Terrain

# The heels land this far inside a step; before jumping down the toes reach this far over its edge.
_INSIDE_M, _OVER_M = 0.05, 0.03


@dataclass(frozen=True, slots=True)
class Boxes(Terrain):
    """Level ground that changes its height at some places.

    Attributes
    ----------
    edge_m
        (edges,): where, increasing.
    level_m
        (edges + 1,): heights before, between and after them.
    """

    edge_m: FloatArray = field(default_factory=lambda: np.empty(0))
    level_m: FloatArray = field(default_factory=lambda: np.zeros(1))

    def depth(self, points: FloatArray) -> FloatArray:
        """How deep points are inside, as in `Terrain`."""
        x, z = points[..., 0], points[..., 2]
        at = np.searchsorted(self.edge_m, x)
        up = self.level_m[at] - z
        if not len(self.edge_m):
            return np.asarray(up)
        # The way out is up, or to a lower neighbour if the point is above that.
        out = up
        for step in (-1, 0):
            beside = np.clip(at + step, 0, len(self.edge_m) - 1)
            way = np.abs(x - self.edge_m[beside])
            level = self.level_m[np.clip(at + 2 * step + 1, 0, len(self.level_m) - 1)]
            out = np.minimum(out, np.where(level < z, way, np.inf))
        return np.asarray(np.where(up > 0.0, out, up))


def boxes(plan: JumpPlan, leg: LegGeometry) -> Boxes:
    """Ground under the feet of a plan: steps on which the feet just have room."""
    place = np.unique(plan.ground)
    place = place[np.argsort(place.real)]
    if len(place) == 1:
        return Boxes(level_m=place.imag)
    up = np.diff(place.imag) > 0.0
    edge = np.where(up, place[1:].real - leg.heel - _INSIDE_M, place[:-1].real + leg.toe - _OVER_M)
    return Boxes(edge_m=edge, level_m=place.imag)
