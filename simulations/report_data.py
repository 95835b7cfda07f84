"""What a run folder holds, as the report sees it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]

# The order in which a reader meets them: dull baselines, controls, federations, personal ones.
METHOD_ORDER = (
    "mean-profile",
    "trees",
    "local",
    "nms",
    "pooled",
    "fedavg",
    "fedavg+transfer-ungated",
    "fedavg+transfer",
    "task-clusters",
    "task-clusters+transfer-ungated",
    "task-clusters+transfer",
)


def method_rank(method: str) -> tuple[int, str]:
    """Sort key of a method id: the fixed order, then all others by name."""
    known = METHOD_ORDER.index(method) if method in METHOD_ORDER else len(METHOD_ORDER)
    return known, method


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the results table; a number that the run does not hold is NaN."""

    method: str
    network: str
    joint: str
    rmse: float
    ci_low: float
    ci_high: float
    nrmse: float
    r: float
    r2: float
    r2_pooled: float
    people: int
    worst_person: str
    worst_rmse: float
    seed_sd: float


@dataclass(frozen=True, slots=True)
class Rates:
    """Shares of the people that a personal model hurt and improved, and the median gain."""

    hurt: float
    improved: float
    median_gain: float


@dataclass(frozen=True, slots=True)
class PersonErrors:
    """RMSE of one person, N m/kg, by the global, the fine-tuned and the served (gated) model."""

    subject: str
    global_rmse: float
    personal_rmse: float
    gated_rmse: float
    adopted: float


@dataclass(frozen=True, slots=True)
class Personal:
    """What personalisation did under one method."""

    method: str
    ungated: Rates
    gated: Rates
    adopted_rate: float
    people: tuple[PersonErrors, ...]


@dataclass(frozen=True, slots=True)
class Truth:
    """What was measured on one person's test frames.

    Attributes
    ----------
    y
        (frames, outputs) float32, N m/kg.
    task, recording, side, contact, phase
        (frames,); `phase` runs from 0 to 1 over a contact.
    outputs
        One name a column.
    """

    subject: str
    y: Floats
    task: NDArray[np.str_]
    recording: NDArray[np.str_]
    side: NDArray[np.str_]
    contact: NDArray[np.integer[Any]]
    phase: Floats
    outputs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LearningCurve:
    """Mean training loss over the rounds of one federated model in one fold and seed."""

    seed: str
    fold: str
    model: str
    rounds: tuple[int, ...]
    loss: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class RunFolder:
    """A run, read once.

    Attributes
    ----------
    predictions
        Method to subject to (seeds, frames, outputs) float32, N m/kg; NaN where a method does
        not test.
    choices, clusters
        As the run wrote them: these two tables are printed with whatever columns they have.
    """

    path: Path
    rows: tuple[Row, ...]
    personal: tuple[Personal, ...]
    joints: tuple[str, ...]
    truth: Mapping[str, Truth]
    predictions: Mapping[str, Mapping[str, Floats]]
    curves: tuple[LearningCurve, ...]
    dropped: int
    choices: tuple[Mapping[str, Any], ...]
    clusters: tuple[Mapping[str, Any], ...]
    dataset: Mapping[str, Any]
    network: Mapping[str, Any]
    machine: Mapping[str, Any]
    numbers: Mapping[str, Any]
    seeds: tuple[str, ...]
    config_text: str
    config: Mapping[str, Any] = field(default_factory=dict)

    @property
    def methods(self) -> tuple[str, ...]:
        """Methods in the table, in reading order."""
        return tuple(sorted({r.method for r in self.rows}, key=method_rank))

    def row(self, method: str, joint: str = "mean") -> Row | None:
        """Return one line of the table, or None."""
        return next((r for r in self.rows if (r.method, r.joint) == (method, joint)), None)

    def setting(self, name: str, default: object = None) -> Any:
        """Return a setting by name from any table of ``config.toml``."""
        tables = [self.config, *(t for t in self.config.values() if isinstance(t, Mapping))]
        return next((t[name] for t in tables if name in t), default)
