"""Fit the style of a task once to published movement.

``python -m kinefed.simulations.cohort.calibrate walk_normal`` starts from that task's numbers in
``styles.toml``, fits them for a few people and rewrites them there. It takes some minutes on two
cores and needs the extra ``dev``; Ctrl-C ends it with the best so far. A style that is far from its
numbers is found quicker for the standard person first (``--others 0 --step 0.8``).
"""

from __future__ import annotations

import argparse
import multiprocessing as mp
import signal
import tomllib
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np

from kinefed.datasets.types import FloatArray
from kinefed.simulations.cohort.gait import STYLE_KEYS
from kinefed.simulations.cohort.limits import limits_of
from kinefed.simulations.cohort.misfit import OTHERS, Target, Walker, misfit
from kinefed.simulations.cohort.style import Style, styles, unit_of
from kinefed.simulations.cohort.terrain import terrain_of

# Generations, candidates a generation, and first step of the search in the styles' units.
_GENERATIONS, _CANDIDATES, _STEP = 200, 16, 0.3
# What a candidate costs with which a person cannot walk at all.
_IMPOSSIBLE = 1e6
# A little pull towards the start decides what the reference leaves open; a stronger one brings
# candidates back that are beyond a limit.
_PULL, _BEYOND = 1e-3, 10.0


class Fit:
    """How well a style is walked by several people.

    Parameters
    ----------
    name
        Of the style.
    start
        From where the fit begins; speed, stride and width stay as they are there.
    others
        How many people beside the standard person.
    """

    def __init__(self, name: str, start: Style, others: int) -> None:
        limits = limits_of(name)
        self._start, self._target = start, Target.of(name)
        self._walkers = Walker.several(others)
        self._terrains = [terrain_of(name, walker.leg) for walker in self._walkers]
        self._unit = np.array([unit_of(key) for key in STYLE_KEYS])
        bounds = np.array([limits.get(key, (-np.inf, np.inf)) for key in STYLE_KEYS])
        self._low, self._high = bounds.T / self._unit
        values = np.array([start.values[key] for key in STYLE_KEYS]) / self._unit
        self.x0 = np.clip(values, self._low, self._high)

    def style(self, x: FloatArray) -> Style:
        """Style of parameters in their units, (parameters,), brought within the limits."""
        values = (np.clip(x, self._low, self._high) * self._unit).tolist()
        at = self._start
        return Style(at.speed, at.stride, at.width, dict(zip(STYLE_KEYS, values, strict=True)))

    def cost(self, x: FloatArray) -> float:
        """Sum of squares over the people, and of what is beyond the limits."""
        style, within = self.style(x), np.clip(x, self._low, self._high)
        total = _BEYOND * float(np.square(x - within).sum())
        total += _PULL * float(np.square(within - self.x0).sum())
        for walker, terrain in zip(self._walkers, self._terrains, strict=True):
            found = walker.weight * misfit(walker, style, self._target, terrain)
            total += float(found @ found)
        return total if np.isfinite(total) else _IMPOSSIBLE


_fit: Fit


def _begin(name: str, start: Style, others: int) -> None:
    global _fit
    # Ctrl-C is for the process that keeps the best.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _fit = Fit(name, start, others)


def _cost(x: FloatArray) -> float:
    return _fit.cost(x)


def calibrate(
    name: str,
    start: Style,
    others: int,
    generations: int,
    step: float,
    say: Callable[[str], None],
) -> Style:
    """Fit the values of a style by CMA-ES (Hansen 2016, arXiv:1604.00772).

    Peaks that jump from one local maximum to another and frames that become faulty make the cost
    rough, so that a search along gradients ends where it begins.
    """
    import cma

    fit = Fit(name, start, others)
    options = {"popsize": _CANDIDATES, "seed": 1, "maxiter": generations, "verbose": -9}
    search = cma.CMAEvolutionStrategy(fit.x0, step, options)
    context = mp.get_context("spawn")
    # A read-only view of values cannot be sent to another process.
    job = (name, replace(start, values=dict(start.values)), others)
    with ProcessPoolExecutor(mp_context=context, initializer=_begin, initargs=job) as pool:
        try:
            while not search.stop():
                candidates = search.ask()
                search.tell(candidates, list(pool.map(_cost, candidates)))
                if search.countiter % 10 == 0:
                    say(f"generation {search.countiter}: cost {search.best.f:.1f}")
        except KeyboardInterrupt:
            say(f"stopped in generation {search.countiter}")
    return start if search.best.x is None else fit.style(np.asarray(search.best.x))


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


def main(words: Sequence[str] | None = None) -> None:
    """Fit one style and put it into the data file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=sorted(styles()))
    parser.add_argument("--start", help="another style to begin with; by default its own numbers")
    parser.add_argument("--others", type=int, default=OTHERS, help="beside the standard person")
    parser.add_argument("--generations", type=int, default=_GENERATIONS)
    parser.add_argument("--step", type=float, default=_STEP)
    for number in ("speed", "stride", "width"):
        parser.add_argument(f"--{number}", type=float, help="instead of the style's own")
    options = parser.parse_args(words)
    own = styles()[options.name]
    given = (options.speed, options.stride, options.width)
    speed, stride, width = (
        usual if number is None else number
        for number, usual in zip(given, (own.speed, own.stride, own.width), strict=True)
    )
    start = Style(speed, stride, width, styles()[options.start or options.name].values)
    style = calibrate(options.name, start, options.others, options.generations, options.step, print)
    write(Path(__file__).with_name("styles.toml"), options.name, style)


if __name__ == "__main__":
    main()
