"""Fit the style of a task once to published movement.

``python -m kinefed.simulations.cohort.calibrate walk_normal`` starts from that task's numbers in
``styles.toml``, fits them for a few people and rewrites them there. It takes some minutes.
"""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import numpy as np

from kinefed.datasets.types import FloatArray
from kinefed.simulations.cohort.gait import STYLE_KEYS
from kinefed.simulations.cohort.limits import limits_of
from kinefed.simulations.cohort.misfit import Target, Walker, misfit
from kinefed.simulations.cohort.style import Style, styles, unit_of
from kinefed.simulations.cohort.terrain import terrain_of

_PROBE = 0.02


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
    walkers, style = Walker.several(), styles()[name]
    target = Target.of(name)
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
            walker.weight * misfit(walker, at(x), target, terrain_of(name, walker.leg))
            for walker in walkers
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
