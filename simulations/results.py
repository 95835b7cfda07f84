"""From the estimates in a run folder to ``metrics.parquet`` and ``summary.json``."""

from __future__ import annotations

import contextlib
import json
import os
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from kinefed.datasets import Dataset
from kinefed.models import PersonScores, person_scores, summarise, vector_size
from kinefed.personalization.setup import build_network
from kinefed.simulations.config import StudyConfig
from kinefed.simulations.personal import personalisation

METRICS = ("rmse_nm_per_kg", "mae_nm_per_kg", "nrmse_range", "nrmse_sd", "rrmse", "r", "rho", "r2")
# Methods without a network leave that column empty, and have no rounds.
NO_NETWORK = ("mean-profile", "trees")
# In the column `task`: the frames of all tasks together, as in the summary.
ALL_TASKS = "all"
# Columns of metrics.parquet: one row a number. `round` is the last of the model that is scored.
LONG = pa.schema(
    [
        ("round", pa.int64()),
        *((name, pa.string()) for name in ("method", "network", "subject", "task", "joint")),
        ("metric", pa.string()),
        ("value", pa.float64()),
        ("seed", pa.int64()),
    ]
)
UNGATED = "-ungated"


def summarise_run(
    config: StudyConfig, dataset: Dataset, subjects: Sequence[str], wall_s: float
) -> dict[str, Any]:
    """Score everything in the run folder and write the two files.

    Returns
    -------
    dict
        What stands in ``summary.json``.
    """
    truth = {s: _truth(config.out, s) for s in subjects}
    joints = [str(n).removeprefix("torque.") for n in next(iter(truth.values()))["outputs"]]
    long: list[dict[str, Any]] = []
    rows: list[dict[str, Any]] = []
    for method in methods_in(config.out):
        network = "" if method in NO_NETWORK else config.network
        by_seed = []
        for folder in sorted((config.out / "predictions" / method).iterdir()):
            people, by_task = _score(folder, truth, joints)
            if not people:
                continue
            by_seed.append(summarise(method, network, people, seed=0))
            about = {"round": _rounds(config, method), "method": method, "network": network}
            for task, scores in [(ALL_TASKS, people), *by_task.items()]:
                long += _long(about, task, scores, int(folder.name))
        rows += _over_seeds(by_seed)
    _write_long(config.out / "metrics.parquet", long)
    traffic = _traffic(config.out)
    before = _read(config.out / "summary.json")
    summary = {
        "schema": 1,
        "rows": rows,
        "personalisation": personalisation(config, subjects),
        # A run that was taken up again adds its time to what it took before.
        "wall_s": round(wall_s + (0.0 if before is None else float(before["wall_s"])), 1),
        "seeds": list(config.seeds),
        "bytes_up_per_client_round": traffic[0],
        "bytes_down_per_client_round": traffic[1],
        "dataset": {
            "name": dataset.info.name,
            "citation": dataset.info.citation,
            "licence": dataset.info.licence,
            "people": len(subjects),
            "recordings": sum(len(dataset.select(subject=s)) for s in subjects),
            "test_frames": int(sum(len(t["y"]) for t in truth.values())),
        },
        "network": {
            "id": config.network,
            "parameters": vector_size(build_network(config.setup)),
            "window_frames": config.frames,
        },
        "joints": joints,
        "choices": _read(config.out / "choices.json") or [],
        "clusters": _clusters(config.out),
        "machine": {"cores": os.cpu_count(), "system": platform.platform(terse=True)},
    }
    fresh = config.out / "summary.json.new"
    fresh.write_text(json.dumps(summary, indent=1, allow_nan=False), encoding="utf-8")
    fresh.replace(config.out / "summary.json")
    return summary


def methods_in(run: Path) -> list[str]:
    """Return the methods that left estimates, in the order of the table."""
    from kinefed.simulations.config import METHODS

    order = [name for m in METHODS for name in (m, m + UNGATED)]
    found = [p.name for p in (run / "predictions").iterdir() if p.is_dir()]
    return sorted(found, key=lambda m: (order.index(m) if m in order else len(order), m))


def _truth(run: Path, subject: str) -> dict[str, NDArray[Any]]:
    with np.load(run / "truth" / f"{subject}.npz", allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


def _score(
    folder: Path, truth: dict[str, dict[str, NDArray[Any]]], joints: list[str]
) -> tuple[list[PersonScores], dict[str, list[PersonScores]]]:
    """Return the scores over all tasks, and those of each."""
    people: list[PersonScores] = []
    by_task: dict[str, list[PersonScores]] = {}
    for subject, true in truth.items():
        path = folder / f"{subject}.npy"
        if not path.exists():
            continue
        estimate = np.load(path, allow_pickle=False)
        # A method that does not test a frame leaves it NaN; it is not scored there.
        y = np.where(np.isnan(estimate), np.nan, true["y"])
        if not np.isfinite(y).any():
            continue
        people.append(person_scores(subject, y, estimate, joints))
        for task in np.unique(true["task"]).tolist():
            rows = true["task"] == task
            # A joint without a labelled frame in this task has no score there.
            there = np.flatnonzero(np.isfinite(y[rows]).any(axis=0))
            if len(there):
                at = np.ix_(rows, there)
                scores = person_scores(subject, y[at], estimate[at], [joints[j] for j in there])
                by_task.setdefault(task, []).append(scores)
    return people, by_task


def _rounds(config: StudyConfig, method: str) -> int | None:
    """Return the rounds that a method's global model was trained for."""
    if method in NO_NETWORK:
        return None
    return config.rounds + (config.cluster_rounds if method.startswith("task-clusters") else 0)


def _long(
    about: dict[str, Any], task: str, people: Sequence[PersonScores], seed: int
) -> list[dict[str, Any]]:
    return [
        {
            **about,
            "subject": person.person,
            "task": task,
            "joint": joint.joint,
            "metric": metric,
            "value": float(getattr(joint, metric)),
            "seed": seed,
        }
        for person in people
        for joint in person.joints
        for metric in METRICS
    ]


def _write_long(path: Path, long: list[dict[str, Any]]) -> None:
    fresh = path.with_suffix(".new")
    pq.write_table(pa.Table.from_pylist(long, LONG), fresh)
    fresh.replace(path)


def _over_seeds(by_seed: Sequence[Sequence[Any]]) -> list[dict[str, Any]]:
    """Average the tables of the seeds; the worst person is that of the worst seed."""
    merged = []
    for versions in zip(*by_seed, strict=True):
        row: dict[str, Any] = dict(versions[0])
        for name, value in versions[0].items():
            if isinstance(value, float):
                values = [v[name] for v in versions if v[name] is not None]
                row[name] = float(np.mean(values)) if values else None
        row["ci95_rmse"] = _mean_interval([v["ci95_rmse"] for v in versions])
        worst = max(versions, key=lambda v: float(v["worst_rmse_nm_per_kg"]))
        row["worst_person"] = worst["worst_person"]
        row["worst_rmse_nm_per_kg"] = worst["worst_rmse_nm_per_kg"]
        row["seeds"] = len(versions)
        rmse = [v["rmse_nm_per_kg"] for v in versions]
        row["seed_sd"] = float(np.std(rmse, ddof=1)) if len(rmse) > 1 else None
        merged.append(row)
    return merged


def _mean_interval(intervals: Sequence[list[float] | None]) -> list[float] | None:
    known = [i for i in intervals if i is not None]
    return [float(v) for v in np.mean(known, axis=0)] if known else None


def _traffic(run: Path) -> tuple[int | None, int | None]:
    up = down = n_up = n_down = 0
    for path in run.glob("federations/*/*/traffic.json"):
        traffic = json.loads(path.read_text(encoding="utf-8"))
        up, n_up = up + traffic["bytes_up"], n_up + traffic["messages_up"]
        down, n_down = down + traffic["bytes_down"], n_down + traffic["messages_down"]
    return (round(up / n_up) if n_up else None, round(down / n_down) if n_down else None)


def _clusters(run: Path) -> list[dict[str, Any]]:
    """Return what was clustered with what: bouts by task, from the held-out people's scores."""
    found: dict[tuple[str, str, int], dict[str, int]] = {}
    for path in sorted(run.glob("federations/*/*/result.json")):
        if path.parent.parent.name == "inner":
            continue
        for row in json.loads(path.read_text(encoding="utf-8"))["personal"]:
            for name, count in row.get("bouts", {}).items():
                task, _, cluster = name.rpartition("/")
                key = (path.parent.name, path.parent.parent.name, int(cluster))
                by_task = found.setdefault(key, {})
                by_task[task] = by_task.get(task, 0) + count
    return [
        {"fold": fold, "seed": int(seed), "cluster": k, "bouts": sum(t.values()), "by_task": t}
        for (fold, seed, k), t in sorted(found.items())
    ]


def _read(path: Path) -> Any:
    """Return what a file holds, None where it is not there or was cut by a power failure."""
    with contextlib.suppress(FileNotFoundError, json.JSONDecodeError):
        return json.loads(path.read_text(encoding="utf-8"))
    return None
