"""Fit the style of a task once to published movement.

``python -m kinefed.simulations.cohort.calibrate walk_normal`` starts from that task's numbers in
``styles.toml``, fits them for one standard person and rewrites them there. It takes some minutes.
"""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kinefed.biomechanics.anthropometry import BodyParameters, body_parameters
from kinefed.biomechanics.body import COORDINATES, Body
from kinefed.biomechanics.engine import Engine, external
from kinefed.datasets.types import FloatArray
from kinefed.simulations.cohort.contact import GRAVITY
from kinefed.simulations.cohort.gait import STYLE_KEYS, footsteps, plan_walk
from kinefed.simulations.cohort.kinematics import LegGeometry
from kinefed.simulations.cohort.limits import limits_of
from kinefed.simulations.cohort.motion import Labels, Motion, realise
from kinefed.simulations.cohort.people import sample_people
from kinefed.simulations.cohort.references import GRID, Reference, reference
from kinefed.simulations.cohort.references_terrain import TERRAIN_REFERENCES
from kinefed.simulations.cohort.style import Style, styles, unit_of
from kinefed.simulations.cohort.terrain import Terrain, terrain_of

_PROBE = 0.02
# How far a curve may go beyond its reference's extremes, in tolerances, before it weighs more.
_ROOM = 0.3
_STRICT = 4.0
_RATE_HZ = 100.0
# The middle of adults' sizes, and others of other proportions, for whom a style has to do as well:
# how many, their draw and their weight.
_STANDARD = ("m", 1.75, 75.0)
_OTHERS, _DRAW, _WEIGHT = 3, 1001, 0.5
# Of a swinging foot over an incline or a step.
_CLEARANCE_M = 0.025


@dataclass(frozen=True)
class Walker:
    """The standard person, walking."""

    leg: LegGeometry
    engine: Engine
    mass_kg: float

    @classmethod
    def of(cls, params: BodyParameters) -> Walker:
        """Build a person of such a body."""
        return cls(LegGeometry.of(params), Engine(Body(params)), params.mass_kg)

    @classmethod
    def standard(cls) -> Walker:
        """Build the person that styles are fitted for above all."""
        return cls.of(body_parameters(*_STANDARD))

    @classmethod
    def others(cls) -> list[Walker]:
        """Build the people for whom styles have to do as well."""
        return [cls.of(person.body) for person in sample_people(_OTHERS, _DRAW)]

    def stride(
        self, style: Style, terrain: Terrain | None = None
    ) -> tuple[Motion, FloatArray, FloatArray]:
        """Walk one stride from the right foot's contact.

        Returns
        -------
        motion
            The stride.
        torque
            (frames, 16) N m/kg, minus the generalised force: extension, plantarflexion and
            abduction positive in the columns of the legs.
        clearance
            (frames,): of the lower of the right foot's heel and ball, in m.
        """
        stride_s = style.stride_s(self.leg)
        count = 16
        step_m = 0.5 * stride_s * style.speed_m_s(self.leg)
        if terrain is not None and terrain.tread_m:
            step_m = terrain.tread_m
        steps = footsteps(
            {key: np.full(count, value) for key, value in style.values.items()},
            np.full(count, 0.5 * stride_s),
            np.full(count, step_m),
            np.full(count, style.width * self.leg.standing_m),
            -3.0 * stride_s,
            terrain=terrain,
        )
        margin = round(1.2 * stride_s * _RATE_HZ)
        frames = round(stride_s * _RATE_HZ)
        time_s = np.arange(-margin, frames + margin) / _RATE_HZ
        motion = realise(
            plan_walk(time_s, steps, self.leg),
            self.leg,
            self.engine,
            self.mass_kg,
            slice(margin, margin + frames),
            Labels.of_one("walk", np.zeros(len(time_s), dtype=np.int32)),
        )
        dynamics = self.engine.inverse(motion.q, motion.qd, motion.qdd)
        tau = dynamics.tau.copy()
        for i, side in enumerate("rl"):
            tau -= external(
                dynamics, side, motion.force[:, i], motion.cop[:, i], motion.free_moment[:, i]
            )
        if terrain is None:
            points = dynamics.points
            clearance = np.minimum(points["heel_r"][:, 2], points["ball_r"][:, 2])
        else:
            foot = dynamics.orientation["foot_r"]
            clearance = -terrain.cut(self.leg, dynamics.points["ankle_r"], foot)
        return motion, -tau / self.mass_kg, clearance


def misfit(
    walker: Walker, style: Style, target: Reference, terrain: Terrain | None = None
) -> FloatArray:
    """Differences from the reference and violations of limits, each over its tolerance."""
    motion, torque, clearance = walker.stride(style, terrain)
    frames = len(motion.q)
    at = (GRID * frames).astype(int)
    weight = walker.mass_kg * GRAVITY
    angles = [(motion.q[:, COORDINATES.index(k)], *v) for k, v in target.angles.items()]
    moments = [(torque[:, COORDINATES.index(k)], *v) for k, v in target.moments.items()]
    forces = [(motion.force[:, 0, k] / weight, *v) for k, v in target.forces.items()]
    parts, peaks = [], []
    for values, curve, tolerance in (*angles, *moments, *forces):
        parts.append((values[at] - curve) / tolerance)
        # People are known by their peaks: nothing may go far beyond those of the reference.
        room = _ROOM * tolerance
        beyond = np.maximum(values - curve.max() - room, 0.0)
        beyond += np.maximum(curve.min() - room - values, 0.0)
        peaks.append(_STRICT * beyond / tolerance)
    load = motion.force[:, :, 2]
    grip = np.linalg.norm(motion.force[:, :, :2], axis=2) / np.maximum(load, 0.05 * weight)
    parts.append(np.maximum(grip - 0.42, 0.0).ravel()[::2] / 0.05)
    parts.append(np.maximum(np.abs(motion.free_moment) - 6.0, 0.0).ravel()[::2])
    # A moment changes by at most about a tenth of N m/kg in 10 ms, the ankle's by two.
    jumps = np.abs(np.diff(torque[:, 8:12], axis=0)) - np.array([0.1, 0.12, 0.1, 0.2])
    parts.append(np.maximum(jumps, 0.0).ravel() / 0.08)
    parts.append(np.maximum(np.deg2rad(6.0) - motion.q[:, 10], 0.0)[::2] / np.deg2rad(1.0))
    air = motion.force[:, 0, 2] <= 0.0
    wanted = np.full(frames, 0.012)
    if terrain is not None:
        # A person's own manner takes or gives a centimetre; near the ground there is no room.
        passed = np.cumsum(air) / max(int(air.sum()), 1)
        wanted = _CLEARANCE_M * np.clip(6.0 * np.minimum(passed, 1.0 - passed), 0.0, 1.0)
    parts.append(np.where(air, np.maximum(wanted - clearance, 0.0), 0.0)[::2] / 0.004)
    parts.append(10.0 * (motion.faults[::2] != 0))
    return np.concatenate([soften(np.concatenate(parts)), *peaks])


def soften(residual: FloatArray, limit: float = 2.0) -> FloatArray:
    """Let what is far off weigh linearly rather than squared (Huber 1964)."""
    size = np.abs(residual)
    far = np.sqrt(np.maximum(2.0 * limit * size - limit**2, 0.0))
    return np.asarray(np.sign(residual) * np.where(size > limit, far, size))


def fit(
    residual: Callable[[FloatArray], FloatArray],
    start: FloatArray,
    low: FloatArray,
    high: FloatArray,
    rounds: int,
    say: Callable[[str], None],
) -> FloatArray:
    """Damped least squares within bounds (Levenberg 1944), forward differences.

    A general optimiser's first step may leave the region in which a person can walk at all; here
    every step is short.
    """
    x = np.clip(start, low, high)
    r = residual(x)
    damping = 1.0
    for turn in range(rounds):
        jacobian = np.empty((len(r), len(x)))
        for j in range(len(x)):
            y = x.copy()
            y[j] += _PROBE if y[j] + _PROBE < high[j] else -_PROBE
            jacobian[:, j] = (residual(y) - r) / (y[j] - x[j])
        hessian, slope = jacobian.T @ jacobian, jacobian.T @ r
        unit = np.eye(len(x)) * max(1.0, 0.02 * float(np.median(np.diag(hessian))))
        cost = float(r @ r)
        for _ in range(10):
            step = -np.linalg.solve(hessian + damping * unit, slope)
            y = np.clip(x + np.clip(step, -3.0, 3.0), low, high)
            tried = residual(y)
            if float(tried @ tried) < cost:
                break
            damping *= 4.0
        else:
            return np.asarray(x)
        x, r, damping = y, tried, max(damping / 5.0, 1e-4)
        say(f"round {turn + 1}: cost {float(r @ r):.1f}")
        if float(r @ r) > (1.0 - 3e-4) * cost:
            return np.asarray(x)
    return np.asarray(x)


def calibrate(name: str, rounds: int, say: Callable[[str], None]) -> Style:
    """Fit the values of a style to its reference; speed, stride and width stay."""
    walkers, style = [Walker.standard(), *Walker.others()], styles()[name]
    target = TERRAIN_REFERENCES.get(name) or reference(name)
    weights = [1.0, *[_WEIGHT] * _OTHERS]
    limits = limits_of(name)
    unit = np.array([unit_of(key) for key in STYLE_KEYS])
    bounds = np.array([limits.get(key, (-np.inf, np.inf)) for key in STYLE_KEYS])
    start = np.array([style.values[key] for key in STYLE_KEYS]) / unit

    def at(x: FloatArray) -> Style:
        values = dict(zip(STYLE_KEYS, (x * unit).tolist(), strict=True))
        return Style(style.speed, style.stride, style.width, values)

    def residual(x: FloatArray) -> FloatArray:
        # A little pull towards the start decides what the reference leaves open.
        parts = [
            weight * misfit(walker, at(x), target, terrain_of(name, walker.leg))
            for walker, weight in zip(walkers, weights, strict=True)
        ]
        return np.concatenate([*parts, 0.1 * (x - start)])

    low, high = bounds.T / unit
    return at(fit(residual, start, low, high, rounds, say))


def write(path: Path, name: str, style: Style) -> None:
    """Put a style into the data file."""
    known = tomllib.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    numbers = {"speed": style.speed, "stride": style.stride, "width": style.width}
    numbers |= {key: style.values[key] for key in STYLE_KEYS}
    known[name] = {key: round(float(value), 4) for key, value in numbers.items()}
    lines = [
        "# Styles of walking, fitted by `python -m kinefed.simulations.cohort.calibrate NAME`.",
        "# Angles in rad; see gait.py for each number. Speed, stride and width are over leg length",
        "# and gravity.",
    ]
    for title, values in known.items():
        lines += ["", f'["{title}"]', *(f"{key} = {value}" for key, value in values.items())]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def main(name: str, rounds: int = 30) -> None:
    """Fit one style from where the data file has it."""
    style = calibrate(name, rounds, print)
    write(Path(__file__).with_name("styles.toml"), name, style)


if __name__ == "__main__":
    main(sys.argv[1], *(int(word) for word in sys.argv[2:3]))
