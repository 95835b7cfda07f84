"""How far a style of walking is from published movement, for a few people who walk it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from kinefed.biomechanics.anthropometry import BodyParameters, body_parameters
from kinefed.biomechanics.body import COORDINATES, Body
from kinefed.biomechanics.engine import Engine
from kinefed.datasets.types import FloatArray
from kinefed.simulations.cohort.gait import footsteps, plan_walk
from kinefed.simulations.cohort.kinematics import LegGeometry
from kinefed.simulations.cohort.literature import Band, read_literature
from kinefed.simulations.cohort.motion import Labels, Motion, realise
from kinefed.simulations.cohort.people import VirtualPerson, sample_people
from kinefed.simulations.cohort.references import GRID, Reference, reference
from kinefed.simulations.cohort.references_terrain import TERRAIN_REFERENCES
from kinefed.simulations.cohort.repetitions import Repetition, repetitions, torques
from kinefed.simulations.cohort.style import STEP_LENGTH, STEP_TIME, Style, own_style, vary
from kinefed.simulations.cohort.terrain import Terrain

# A published range is aimed at with this share of its width left on either side, for strides and
# people scatter about a style; what is beyond that counts in these shares of the width.
_MARGIN, _SHARE = 0.2, 0.02
_RATE_HZ = 100.0
# The middle of adults' sizes, and others with proportions and a manner of their own, for whom a
# style has to do as well, with steps that vary: how many, their draw and their weight.
_STANDARD = ("m", 1.75, 75.0)
OTHERS, _DRAW, _WEIGHT = 5, 1061, 0.6
# Of a swinging foot over an incline or a step.
_CLEARANCE_M = 0.025
# Steps before the stride that is looked at.
_BEFORE = 6
# Frames on both sides of a stride, for its moments to be smoothed.
_MORE = 30
_MOMENTS = {
    "hip_flexion_r": "hip.r",
    "hip_adduction_r": "hip_abduction.r",
    "knee_flexion_r": "knee.r",
    "ankle_dorsiflexion_r": "ankle.r",
}


# Second differences over 10 ms: 0.5 N m/kg at 3 Hz, twice a stride's second harmonic; and a quarter
# of the weight at the rate of steps with a third of that at twice the rate.
_MOMENT_BEND, _LOAD_BEND = 0.018, 0.008
# Height of the lower end of a swinging foot on level ground, between the first and the last sixth
# of the swing, in which it rises and falls.
_LEVEL_CLEARANCE_M, _NEAR_GROUND = 0.012, 6.0


@dataclass(frozen=True, slots=True)
class Target:
    """What a style is fitted to.

    Attributes
    ----------
    reference
        Curves of a stride.
    bands
        Published ranges of its peaks, times and forces.
    """

    reference: Reference
    bands: Sequence[Band]

    @classmethod
    def of(cls, name: str) -> Target:
        """Find the target of a style; a pattern of gait has no published ranges."""
        found = TERRAIN_REFERENCES.get(name) or reference(name)
        return cls(found, read_literature().bands.get(name, ()))


@dataclass(frozen=True, slots=True)
class Stride:
    """One stride of the right foot.

    Attributes
    ----------
    motion
        The movement.
    measured
        The same as a laboratory would see it, moments low-passed.
    torque
        (frames, 16) N m/kg, towards the coordinates, not low-passed.
    clearance
        (frames,): of the lower of the right foot's heel and ball, in m.
    """

    motion: Motion
    measured: Repetition
    torque: FloatArray
    clearance: FloatArray


@dataclass(frozen=True)
class Walker:
    """A person, walking.

    Attributes
    ----------
    leg, engine, mass_kg
        Of the person.
    person
        Whose manner changes the style; None for the standard person, who walks it as it is.
    weight
        How much they count in a fit.
    """

    leg: LegGeometry
    engine: Engine
    mass_kg: float
    person: VirtualPerson | None = None
    weight: float = 1.0

    @classmethod
    def of(cls, params: BodyParameters, person: VirtualPerson | None = None) -> Walker:
        """Build a person of such a body."""
        weight = 1.0 if person is None else _WEIGHT
        return cls(LegGeometry.of(params), Engine(Body(params)), params.mass_kg, person, weight)

    @classmethod
    def several(cls, others: int = OTHERS) -> list[Walker]:
        """Build the standard person, and others for whom a style has to do as well."""
        people = sample_people(others, _DRAW) if others else []
        more = [cls.of(person.body, person) for person in people]
        return [cls.of(body_parameters(*_STANDARD)), *more]

    def stride(self, style: Style, terrain: Terrain | None = None) -> Stride:
        """Walk one stride from the right foot's contact."""
        count = 2 * _BEFORE + 4
        chance = np.zeros((2, count))
        values = {key: np.full(count, value) for key, value in style.values.items()}
        if self.person is not None:
            style = own_style(style, self.person, level=terrain is None)
            # The same chance every time, or a fit would chase it.
            rng = self.person.generator("stride")
            values, chance = vary(style, rng, count), rng.standard_normal((2, count))
        step_s = 0.5 * style.stride_s(self.leg)
        step_m = step_s * style.speed_m_s(self.leg)
        times = step_s * (1.0 + STEP_TIME * chance[0])
        if terrain is not None and terrain.tread_m:
            step_m = terrain.tread_m
        steps = footsteps(
            values,
            times,
            step_m * (1.0 + (STEP_LENGTH if terrain is None else 0.0) * chance[1]),
            np.full(count, style.width * self.leg.standing_m),
            -float(times[:_BEFORE].sum()),
            terrain=terrain,
        )
        margin = round(2.4 * step_s * _RATE_HZ)
        frames = round(float(times[_BEFORE : _BEFORE + 2].sum()) * _RATE_HZ)
        time_s = np.arange(-margin, frames + margin) / _RATE_HZ
        number = np.where((time_s >= 0.0) & (time_s < frames / _RATE_HZ), 0, -1)
        motion = realise(
            plan_walk(time_s, steps, self.leg),
            self.leg,
            self.engine,
            self.mass_kg,
            slice(margin - _MORE, margin + frames + _MORE),
            Labels.of_one("walk", number.astype(np.int32)),
        )
        found = torques(self.engine, motion)
        (measured,) = repetitions("walk", motion, found, self.mass_kg)
        inside = slice(_MORE, _MORE + frames)
        points, foot = found.dynamics.points, found.dynamics.orientation["foot_r"]
        if terrain is None:
            clearance = np.minimum(points["heel_r"][:, 2], points["ball_r"][:, 2])
        else:
            clearance = -terrain.cut(self.leg, points["ankle_r"], foot)
        cut = {
            name: getattr(motion, name)[inside]
            for name in ("q", "force", "cop", "free_moment", "faults")
        }
        tau = found.tau[inside] / self.mass_kg
        return Stride(replace(motion, **cut), measured, tau, clearance[inside])


def misfit(
    walker: Walker, style: Style, target: Target, terrain: Terrain | None = None
) -> FloatArray:
    """Differences from the target and violations of limits, each over its tolerance."""
    stride = walker.stride(style, terrain)
    motion, seen = stride.motion, stride.measured
    frames = len(motion.q)
    at = (GRID * frames).astype(int)
    curves = target.reference
    parts = [
        *[(np.deg2rad(seen.angle[k])[at] - v[0]) / v[1] for k, v in curves.angles.items()],
        *[(seen.moment[_MOMENTS[k]][at] - v[0]) / v[1] for k, v in curves.moments.items()],
        *[(seen.force[at, 0, k] - v[0]) / v[1] for k, v in curves.forces.items()],
    ]
    load = seen.force[:, :, 2]
    grip = np.linalg.norm(seen.force[:, :, :2], axis=2) / np.maximum(load, 0.05)
    parts.append(np.maximum(grip - 0.42, 0.0).ravel()[::2] / 0.05)
    parts.append(np.maximum(np.abs(motion.free_moment) - 6.0, 0.0).ravel()[::2] / 0.7)
    # A moment changes by at most about a tenth of N m/kg in 10 ms, the ankle's by two.
    right = slice(COORDINATES.index("hip_flexion_r"), COORDINATES.index("ankle_dorsiflexion_r") + 1)
    jumps = np.abs(np.diff(stride.torque[:, right], axis=0)) - np.array([0.1, 0.12, 0.1, 0.2])
    parts.append(np.maximum(jumps, 0.0).ravel() / 0.11)
    # Published moments and forces have few bends; what ripples between its peaks is no person's.
    smooth = np.column_stack([seen.moment[name] for name in _MOMENTS.values()])
    parts.append(_bends(smooth, _MOMENT_BEND))
    parts.append(_bends(load.sum(axis=1, keepdims=True), _LOAD_BEND))
    parts.append(np.maximum(6.0 - seen.angle["knee_flexion_r"], 0.0)[::2])
    air = motion.force[:, 0, 2] <= 0.0
    # A person's own manner takes or gives a centimetre; near the ground there is no room.
    passed = np.cumsum(air) / max(int(air.sum()), 1)
    wanted = np.clip(_NEAR_GROUND * np.minimum(passed, 1.0 - passed), 0.0, 1.0)
    wanted *= _LEVEL_CLEARANCE_M if terrain is None else _CLEARANCE_M
    parts.append(np.where(air, np.maximum(wanted - stride.clearance, 0.0), 0.0)[::2] / 0.004)
    parts.append(10.0 * (motion.faults[::2] != 0))
    outside = np.array([beyond(band, seen) for band in target.bands])
    return np.concatenate([soften(np.concatenate(parts)), soften(outside, limit=8.0)])


def _bends(values: FloatArray, most: float) -> FloatArray:
    """Second differences beyond what those of published curves are, over three quarters of that."""
    bend = np.abs(np.diff(values, n=2, axis=0)) * (_RATE_HZ / 100.0) ** 2
    return np.maximum(bend - most, 0.0).ravel() / (0.75 * most)


def beyond(band: Band, seen: Repetition) -> float:
    """How far a quantity is from the inside of its published range, in shares of that."""
    value, width = band.quantity.of(seen), band.high - band.low
    room = _MARGIN * width
    outside = max(band.low + room - value, value - band.high + room, 0.0)
    # What a stride does not have at all counts as a whole range off.
    return outside / (_SHARE * width) if np.isfinite(value) else 1.0 / _SHARE


def soften(residual: FloatArray, limit: float = 2.0) -> FloatArray:
    """Let what is far off weigh linearly rather than squared (Huber 1964)."""
    size = np.abs(residual)
    far = np.sqrt(np.maximum(2.0 * limit * size - limit**2, 0.0))
    return np.asarray(np.sign(residual) * np.where(size > limit, far, size))
