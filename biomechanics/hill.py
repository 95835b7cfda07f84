"""Hill muscles with a rigid tendon: force from activation, length and velocity.

Curves of De Groote, Kinney, Rao, Fregly, "Evaluation of direct collocation optimal control problem
formulations for solving the muscle redundancy problem", Ann Biomed Eng 44, 2016, online supplement,
with the two corrections of OpenSim's DeGrooteFregly2016Muscle (Apache-2.0): the passive curve
passes through zero at the shortest fibre instead of at the optimal length, and the outer
force-velocity coefficients are refined so that the curve is exactly 0 at -1 and 1 at 0.

A rigid tendon keeps the slack length; the fibre takes the rest of the muscle-tendon length, at
constant thickness (Zajac, Crit Rev Biomed Eng 17, 1989). That makes force an explicit function of
the joint angles and their velocities, hence vectorised over frames and muscles.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from kinefed.datasets.errors import DataError, DataReason
from kinefed.datasets.types import FloatArray

# Active force-length, three bumps of b1 exp(-(l - b2)^2 / (2 (b3 + b4 l)^2)).
_BUMPS = ((0.815, 1.055, 0.162, 0.063), (0.433, 0.717, -0.030, 0.200), (0.1, 1.0, 0.354, 0.0))
# Force-velocity: d1 arcsinh(d2 v + d3) + d4; the paper has d1 -0.318 and d4 0.886.
_D2, _D3 = -8.149, -0.374
_D1 = 1.0 / (np.arcsinh(_D3) - np.arcsinh(_D3 - _D2))
_D4 = 1.0 - _D1 * np.arcsinh(_D3)
# Passive force-length: shape, strain at one normalised force, shortest normalised fibre.
_KPE, _E0, _SHORTEST = 4.0, 0.6, 0.2
# Fastest shortening, optimal lengths a second: the value of gait2392 and of De Groote et al.
MAX_VELOCITY = 10.0
# Frames a block: its temporaries stay in the cache.
_BLOCK = 1024


@dataclass(frozen=True, slots=True)
class HillParameters:
    """What a set of muscles is made of; each attribute is (muscles,).

    Attributes
    ----------
    max_force_n
        Isometric force at optimal length and full activation.
    optimal_length_m
        Fibre length of that force.
    slack_length_m
        Length of the rigid tendon.
    pennation_rad
        Angle between fibres and tendon at optimal length.
    max_velocity
        Fastest shortening, optimal lengths a second.
    """

    max_force_n: FloatArray
    optimal_length_m: FloatArray
    slack_length_m: FloatArray
    pennation_rad: FloatArray
    max_velocity: FloatArray

    def __post_init__(self) -> None:
        shape = np.shape(self.max_force_n)
        for name in self.__dataclass_fields__:
            value = np.asarray(getattr(self, name), dtype=np.float64)
            if value.shape != shape or value.ndim != 1:
                raise DataError(
                    DataReason.MISMATCH,
                    f"{name} has the shape {value.shape}, max_force_n {shape}",
                    where="HillParameters",
                    next_step="Give one number a muscle",
                )
            positive = value >= 0.0 if name == "pennation_rad" else value > 0.0
            if not (np.isfinite(value).all() and positive.all()):
                raise DataError(
                    DataReason.OUT_OF_RANGE,
                    f"{name} has values that are not finite and positive",
                    where="HillParameters",
                )
            object.__setattr__(self, name, value)

    def times(
        self,
        *,
        force: FloatArray | float = 1.0,
        optimal: FloatArray | float = 1.0,
        slack: FloatArray | float = 1.0,
    ) -> HillParameters:
        """Give the same muscles with scaled force, optimal and slack length, each (muscles,)."""
        return replace(
            self,
            max_force_n=self.max_force_n * force,
            optimal_length_m=self.optimal_length_m * optimal,
            slack_length_m=self.slack_length_m * slack,
        )


@dataclass(frozen=True, slots=True)
class Capacity:
    """What muscles can do in each frame, along their tendons; all (frames, muscles).

    Attributes
    ----------
    active_n
        Force at full activation, without the passive part.
    passive_n
        Force without activation.
    fibre_length, fibre_velocity
        In optimal lengths, and in maximal velocities (lengthening positive).
    """

    active_n: FloatArray
    passive_n: FloatArray
    fibre_length: FloatArray
    fibre_velocity: FloatArray

    def force(self, activation: FloatArray) -> FloatArray:
        """Tendon forces in N for activations in [0, 1], (frames, muscles)."""
        return activation * self.active_n + self.passive_n


def active_force_length(length: FloatArray) -> FloatArray:
    """Active force over isometric maximum at a fibre length in optimal lengths (supplement, S1)."""
    total = np.zeros_like(length)
    for b1, b2, b3, b4 in _BUMPS:
        total += b1 * np.exp(-0.5 * ((length - b2) / (b3 + b4 * length)) ** 2)
    return total


def force_velocity(velocity: FloatArray) -> FloatArray:
    """Force over isometric force at a velocity in maximal velocities (supplement, S2).

    0 at -1 (fastest shortening), 1 at rest, 1.79 at +1; held beyond.
    """
    curve = _D1 * np.arcsinh(_D2 * np.clip(velocity, -1.0, 1.0) + _D3) + _D4
    return np.asarray(np.maximum(curve, 0.0))


def passive_force_length(length: FloatArray) -> FloatArray:
    """Passive force over isometric maximum (supplement, S3, shifted): 0 at 0.2, 1 at 1.6."""
    offset = np.exp(_KPE * (_SHORTEST - 1.0) / _E0)
    curve = (np.exp(_KPE * (length - 1.0) / _E0) - offset) / (np.exp(_KPE) - offset)
    return np.asarray(np.maximum(curve, 0.0))


def capacity(lengths_m: FloatArray, velocities_m_s: FloatArray, hill: HillParameters) -> Capacity:
    """Evaluate muscles at muscle-tendon lengths and velocities.

    Parameters
    ----------
    lengths_m, velocities_m_s
        (frames, muscles), of muscle and tendon together; lengthening positive.
    hill
        The muscles.

    Returns
    -------
    capacity
        A muscle shorter than its tendon is slack: no force of either kind.

    Raises
    ------
    DataError
        ``mismatch`` where the shapes do not agree.
    """
    count = len(hill.max_force_n)
    if lengths_m.shape != velocities_m_s.shape or lengths_m.shape[-1:] != (count,):
        raise DataError(
            DataReason.MISMATCH,
            f"lengths {lengths_m.shape}, velocities {velocities_m_s.shape}, {count} muscles",
            where="capacity",
        )
    out = [np.empty_like(lengths_m) for _ in range(4)]
    for start in range(0, len(lengths_m), _BLOCK):
        part = slice(start, start + _BLOCK)
        for whole, values in zip(
            out, _block(lengths_m[part], velocities_m_s[part], hill), strict=True
        ):
            whole[part] = values
    return Capacity(*out)


def _block(
    lengths: FloatArray, velocities: FloatArray, hill: HillParameters
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    optimal = hill.optimal_length_m
    along = (lengths - hill.slack_length_m) / optimal
    slack = along <= 0.0
    along = np.maximum(along, 0.0)
    # The floor keeps 0/0 out where an unpennate fibre is slack; its force is set to 0 below.
    length = np.maximum(np.sqrt(along**2 + np.sin(hill.pennation_rad) ** 2), 1e-6)
    cosine = along / length
    velocity = velocities * cosine / (optimal * hill.max_velocity)
    strength = hill.max_force_n * cosine
    active = strength * active_force_length(length) * force_velocity(velocity)
    passive = strength * passive_force_length(length)
    active[slack] = 0.0
    passive[slack] = 0.0
    return active, passive, length, velocity
