"""Numbers behind the report's figures and sentences: curves over the contact, paired errors."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from kinefed.simulations.report_data import Floats, RunFolder, Truth

POINTS = 51
# A contact that is cut at its ends or seen in a few frames only would bend the mean curve.
MIN_FRAMES = 8
MIN_SPAN = 0.8


@dataclass(frozen=True, slots=True)
class Curves:
    """Torque over the contact phase, one curve a person.

    Attributes
    ----------
    phase
        (points,), 0 to 1.
    people
        Subject ids, in order of the first axis below.
    series
        Name to (people, points, outputs), N m/kg: the mean over a person's contacts (and seeds).
    """

    phase: Floats
    people: tuple[str, ...]
    series: Mapping[str, Floats]


def contact_curves(run: RunFolder, methods: Sequence[str]) -> Curves:
    """Average measured and estimated torque over each person's contacts.

    Parameters
    ----------
    run
        The run.
    methods
        Methods to compare. Only contacts that every one of them tests are used, so that all
        curves of a person come from the same frames.

    Returns
    -------
    Curves
        With the series ``"measured"`` and one for each method; without people if none has a
        contact that is long enough.
    """
    phase = np.linspace(0.0, 1.0, POINTS)
    people: list[str] = []
    curves: dict[str, list[Floats]] = {name: [] for name in ("measured", *methods)}
    for subject, truth in run.truth.items():
        per = [run.predictions.get(m, {}).get(subject) for m in methods]
        values = [truth.y, *(np.mean(p, axis=0) for p in per if p is not None)]
        if len(values) != len(methods) + 1:
            continue
        stack = np.stack(values)
        contacts = [
            _resample(truth.phase[rows], stack[:, rows], phase) for rows in _contacts(truth, stack)
        ]
        if contacts:
            people.append(subject)
            for name, curve in zip(curves, np.mean(contacts, axis=0), strict=True):
                curves[name].append(curve)
    return Curves(phase, tuple(people), {n: np.array(c) for n, c in curves.items()})


def _contacts(truth: Truth, stack: Floats) -> list[NDArray[np.intp]]:
    """Return the rows of every contact that is long enough and finite in all of `stack`."""
    names = [truth.recording.astype(str), truth.side.astype(str), truth.contact.astype(str)]
    groups: dict[tuple[Any, ...], list[int]] = {}
    for index, key in enumerate(zip(*names, strict=True)):
        groups.setdefault(key, []).append(index)
    found = []
    for rows in groups.values():
        order = np.array(sorted(rows, key=lambda i: truth.phase[i]))
        span = truth.phase[order[-1]] - truth.phase[order[0]]
        if len(order) >= MIN_FRAMES and span >= MIN_SPAN and np.isfinite(stack[:, order]).all():
            found.append(order)
    return found


def _resample(at: Floats, values: Floats, phase: Floats) -> Floats:
    """Interpolate (series, frames, outputs) at `phase`; returns (series, points, outputs)."""
    flat = np.moveaxis(values, 1, -1).reshape(-1, values.shape[1])
    curves = np.array([np.interp(phase, at, line) for line in flat])
    return np.moveaxis(curves.reshape(values.shape[0], values.shape[2], -1), -1, 1)


def _tested(run: RunFolder, method: str, subject: str) -> NDArray[np.bool_]:
    values = run.predictions.get(method, {}).get(subject)
    if values is None:
        return np.zeros(len(run.truth[subject].y), dtype=bool)
    return np.asarray(np.isfinite(values).all(axis=(0, 2)))


def person_rmse(run: RunFolder, method: str, within: str = "") -> dict[str, float]:
    """RMSE of each person, N m/kg, as the mean over joints and seeds.

    Parameters
    ----------
    run, method
        What to score.
    within
        Another method: only frames that both test count, so that the two can be compared.
    """
    errors: dict[str, float] = {}
    for subject, values in run.predictions.get(method, {}).items():
        tested = _tested(run, method, subject)
        if within:
            tested &= _tested(run, within, subject)
        if tested.any():
            difference = values[:, tested].astype(np.float64) - run.truth[subject].y[tested]
            errors[subject] = float(np.sqrt(np.mean(difference**2, axis=1)).mean())
    return errors


@dataclass(frozen=True, slots=True)
class Paired:
    """Two methods on the same people: `difference` is second minus first, N m/kg.

    ``low`` and ``high`` bound the 95 % t interval of the mean difference over people.
    """

    people: int
    lower: int
    difference: float
    low: float
    high: float

    @property
    def verdict(self) -> int:
        """Return -1 where the second is better beyond chance, 1 where worse, else 0."""
        if self.high < 0.0:
            return -1
        return 1 if self.low > 0.0 else 0


def paired(run: RunFolder, first: str, second: str) -> Paired | None:
    """Compare two methods by person, on common frames; None with fewer than three people."""
    before, after = person_rmse(run, first, second), person_rmse(run, second, first)
    change = np.array([after[s] - before[s] for s in before if s in after])
    people = len(change)
    if people < 3:
        return None
    mean, error = float(change.mean()), float(change.std(ddof=1) / math.sqrt(people))
    half = float(stats.t.ppf(0.975, people - 1)) * error
    return Paired(people, int((change < 0).sum()), mean, mean - half, mean + half)


def headline(run: RunFolder) -> tuple[str, str] | None:
    """Return the (global, personal) methods that the figures compare, or None."""
    tested = [*(p.method for p in run.personal), *run.methods]
    for personal in ("fedavg+transfer", "task-clusters+transfer", *tested):
        base, plus, _ = personal.partition("+transfer")
        if plus and not personal.endswith("-ungated") and personal in tested:
            return base, personal
    return None
