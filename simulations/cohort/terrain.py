"""Ground that is not level: an incline, or stairs, as long as a recording needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from kinefed.datasets.types import FloatArray
from kinefed.simulations.cohort.kinematics import HEEL_INSET_M, LegGeometry

# An incline of 1:7, 8.1 degrees: between the 6 to 9 degrees at which walking up and down was
# measured (Lay, Hass and Gregor 2006; McIntosh et al. 2006; Franz and Kram 2012).
_INCLINE = float(np.arctan(1.0 / 7.0))
# Riser and tread over leg length: 0.167 and 0.29 m for a man of 1.75 m, the stairs on which
# stepping over step was measured (Riener, Rabuffetti and Frigo 2002; McFadyen and Winter 1988).
# Smaller people are given smaller steps, within what buildings have.
_RISER, _RISER_M = 0.18, (0.15, 0.18)
_TREAD, _TREAD_M = 0.313, (0.28, 0.30)
# Going down, the toes reach over the edge by this much.
_OVER_EDGE_M = 0.02
# The sole is looked at every so often.
_SOLE_STEP_M = 0.01


@dataclass(frozen=True, slots=True)
class Terrain:
    """Ground along x; it does not change along y.

    Attributes
    ----------
    slope
        Inclination in rad, up positive.
    rise_m
        Of each step of stairs, up positive; 0 without stairs.
    tread_m
        Depth of each step; 0 without stairs.
    set_m
        How far the ankle of a foot is from the beginning of its tread.
    """

    slope: float = 0.0
    rise_m: float = 0.0
    tread_m: float = 0.0
    set_m: float = 0.0

    def places(self, ahead_m: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Where footsteps are whose distances along the ground are given, (steps,): x and z."""
        climb = self.rise_m * np.arange(len(ahead_m))
        return ahead_m * np.cos(self.slope), ahead_m * np.sin(self.slope) + climb

    def depth(self, points: FloatArray) -> FloatArray:
        """How deep points are inside the ground in m, negative above it: (..., 3) to (...).

        Inside a step that is the shorter of the ways out, up or through the riser.
        """
        x, z = points[..., 0], points[..., 2]
        if not self.tread_m:
            return np.asarray(x * np.sin(self.slope) - z * np.cos(self.slope))
        along = (x + self.set_m) / self.tread_m
        number = np.floor(along)
        up = number * self.rise_m - z
        # Stairs that rise are left backwards, stairs that fall forwards.
        inside = along - number if self.rise_m > 0.0 else number + 1.0 - along
        # Beyond the riser there may still be the step below to rise out of.
        out = np.maximum(inside * self.tread_m, up - abs(self.rise_m))
        return np.asarray(np.where(up > 0.0, np.minimum(up, out), up))

    def cut(self, leg: LegGeometry, ankle: FloatArray, foot: FloatArray) -> FloatArray:
        """How deep a foot cuts into the ground in m, (frames,); negative is clearance.

        From the heel to the ball the sole is stiff. The toes yield upward, as they do on the
        ground: with the toes down they lie along it, with the toes up they follow the sole.

        Parameters
        ----------
        leg
            The lengths.
        ankle
            (frames, 3).
        foot
            (frames, 3, 3): columns are the foot's forward, left and up axes.
        """
        forward = foot[:, None, :, 0]
        under = ankle[:, None, :] - leg.ankle_height * foot[:, None, :, 2]
        behind = np.arange(HEEL_INSET_M - leg.heel, leg.ball, _SOLE_STEP_M)
        sole = under + np.append(behind, leg.ball)[:, None] * forward
        ground = np.array([np.cos(self.slope), 0.0, np.sin(self.slope)])
        up = np.array([-np.sin(self.slope), 0.0, np.cos(self.slope)])
        toes = np.where(forward @ up[:, None] > 0.0, forward, ground)
        beyond = np.append(np.arange(_SOLE_STEP_M, leg.toe - leg.ball, _SOLE_STEP_M), 0.0)
        beyond[-1] = leg.toe - leg.ball
        tip = under + leg.ball * forward + beyond[:, None] * toes
        return np.asarray(np.maximum(self.depth(sole).max(axis=1), self.depth(tip).max(axis=1)))


_UP_OR_DOWN: Mapping[str, tuple[str, int]] = MappingProxyType(
    {
        "ramp_ascent": ("ramp", 1),
        "ramp_descent": ("ramp", -1),
        "stair_ascent": ("stair", 1),
        "stair_descent": ("stair", -1),
    }
)


def terrain_of(task: str, leg: LegGeometry) -> Terrain | None:
    """Ground of a task for a person with such a leg; None where it is level."""
    kind, sign = _UP_OR_DOWN.get(task, ("level", 0))
    if kind == "level":
        return None
    if kind == "ramp":
        return Terrain(slope=sign * _INCLINE)
    tread = float(np.clip(_TREAD * leg.standing_m, *_TREAD_M))
    rise = float(np.clip(_RISER * leg.standing_m, *_RISER_M))
    # Going up, the foot is in the middle of the tread.
    middle = 0.5 * (tread - leg.toe + leg.heel)
    return Terrain(
        rise_m=sign * rise,
        tread_m=tread,
        set_m=middle if sign > 0 else tread - leg.toe + _OVER_EDGE_M,
    )
