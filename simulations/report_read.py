"""Read a run folder for its report: everything in it is outside input and is checked here."""

from __future__ import annotations

import json
import math
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from kinefed.datasets import DataError, DataReason
from kinefed.simulations.report_data import (
    Floats,
    LearningCurve,
    Personal,
    PersonErrors,
    Rates,
    Row,
    RunFolder,
    Truth,
)


def number(value: object) -> float:
    """Return a finite number as float, everything else as NaN."""
    if isinstance(value, bool | int | float) and math.isfinite(value):
        return float(value)
    return math.nan


def read_run(run: Path) -> RunFolder:
    """Read a run folder.

    Parameters
    ----------
    run
        Folder that ``kinefed simulate`` left. Only ``summary.json`` must be there.

    Raises
    ------
    DataError
        ``not_found``, or ``bad_format`` and ``mismatch`` with the file that is wrong.
    """
    file = run / "summary.json"
    if not file.is_file():
        raise DataError(
            DataReason.NOT_FOUND,
            "no summary.json",
            where=run,
            next_step="Name a folder that a finished `kinefed simulate --out` left",
        )
    try:
        summary = json.loads(file.read_text(encoding="utf-8"))
        config_text = _text(run / "config.toml")
        config = tomllib.loads(config_text)
    except (ValueError, RecursionError) as error:
        raise _bad(run, f"summary.json or config.toml does not parse ({error})") from error
    if not isinstance(summary, dict) or summary.get("schema") != 1:
        raise _bad(file, "not a summary of schema 1")
    truth = {p.stem: _truth(p) for p in sorted((run / "truth").glob("*.npz"))}
    curves, dropped = _logs(run)
    rows = tuple(_row(r) for r in _dicts(summary.get("rows")))
    joints = tuple(str(j) for j in _list(summary.get("joints"))) or tuple(
        dict.fromkeys(r.joint for r in rows if r.joint != "mean")
    )
    return RunFolder(
        path=run,
        rows=rows,
        personal=tuple(
            _personal(m, p) for m, p in _mapping(summary.get("personalisation")).items()
        ),
        joints=joints,
        truth=truth,
        predictions=_predictions(run, truth),
        curves=curves,
        dropped=dropped,
        choices=tuple(_dicts(summary.get("choices"))),
        clusters=tuple(_dicts(summary.get("clusters"))),
        dataset=_mapping(summary.get("dataset")),
        network=_mapping(summary.get("network")),
        machine=_mapping(summary.get("machine")),
        numbers={k: v for k, v in summary.items() if not isinstance(v, dict | list)},
        seeds=tuple(str(s) for s in _list(summary.get("seeds"))),
        config_text=config_text,
        config=config,
    )


def _bad(where: Path, what: str) -> DataError:
    return DataError(
        DataReason.BAD_FORMAT, what, where=where, next_step="Run `kinefed simulate` again"
    )


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _dicts(value: object) -> Iterable[Mapping[str, Any]]:
    return (item for item in _list(value) if isinstance(item, dict))


def _row(row: Mapping[str, Any]) -> Row:
    ci = [*_list(row.get("ci95_rmse")), None, None]
    people = number(row.get("people"))
    return Row(
        method=str(row.get("method", "?")),
        network=str(row.get("network") or ""),
        joint=str(row.get("joint", "?")),
        rmse=number(row.get("rmse_nm_per_kg")),
        ci_low=number(ci[0]),
        ci_high=number(ci[1]),
        nrmse=number(row.get("nrmse_range")),
        r=number(row.get("r")),
        r2=number(row.get("r2")),
        r2_pooled=number(row.get("r2_pooled")),
        people=0 if math.isnan(people) else int(people),
        worst_person=str(row.get("worst_person") or ""),
        worst_rmse=number(row.get("worst_rmse_nm_per_kg")),
        seed_sd=number(row.get("seed_sd")),
    )


def _rates(entry: Mapping[str, Any]) -> Rates:
    names = ("hurt_rate", "improved_rate", "median_gain")
    return Rates(*(number(entry.get(name)) for name in names))


def _personal(method: str, entry: object) -> Personal:
    table = _mapping(entry)
    people = [
        PersonErrors(
            subject=str(p.get("subject", "?")),
            global_rmse=number(p.get("global_rmse")),
            personal_rmse=number(p.get("personal_rmse")),
            gated_rmse=number(p.get("gated_rmse")),
            adopted=number(p.get("adopted")),
        )
        for p in _dicts(table.get("people"))
    ]
    return Personal(
        method=method,
        ungated=_rates(table),
        gated=_rates(_mapping(table.get("gated"))),
        adopted_rate=number(table.get("adopted_rate")),
        people=tuple(people),
    )


def _truth(path: Path) -> Truth:
    try:
        with np.load(path, allow_pickle=False) as file:
            y = np.asarray(file["y"], dtype=np.float32)
            columns = [file[n] for n in ("task", "recording", "side", "contact", "phase")]
            outputs = tuple(str(o) for o in file["outputs"])
    except (OSError, ValueError, KeyError, EOFError) as error:
        raise _bad(path, f"cannot be read ({error})") from error
    if y.ndim != 2 or y.shape[1] != len(outputs) or any(c.shape != y.shape[:1] for c in columns):
        raise _bad(path, "its arrays do not fit together")
    return Truth(path.stem, y, columns[0], columns[1], columns[2], columns[3], columns[4], outputs)


def _predictions(run: Path, truth: Mapping[str, Truth]) -> dict[str, dict[str, Floats]]:
    found: dict[str, dict[str, list[Floats]]] = {}
    for path in sorted((run / "predictions").glob("*/*/*.npy")):
        if path.stem not in truth:
            continue
        try:
            values = np.load(path, allow_pickle=False).astype(np.float32)
        except (OSError, ValueError, EOFError) as error:
            raise _bad(path, f"cannot be read ({error})") from error
        if values.shape != truth[path.stem].y.shape:
            raise DataError(
                DataReason.MISMATCH,
                f"is {values.shape}, its truth is {truth[path.stem].y.shape}",
                where=path,
                next_step="Run `kinefed simulate` again",
            )
        found.setdefault(path.parts[-3], {}).setdefault(path.stem, []).append(values)
    return {m: {s: np.stack(v) for s, v in per.items()} for m, per in found.items()}


def _logs(run: Path) -> tuple[tuple[LearningCurve, ...], int]:
    curves: list[LearningCurve] = []
    dropped = 0
    for path in sorted((run / "federations").glob("*/*/log.jsonl")):
        seed, fold = path.parts[-3:-1]
        if not seed.isdigit():
            continue  # inner federations of the nested choice are no result
        points: dict[str, dict[int, float]] = {}
        for line in _text(path).splitlines():
            try:
                entry = json.loads(line)
            except ValueError:
                continue  # a torn last line of a run that was interrupted
            if not isinstance(entry, dict):
                continue
            dropped += entry.get("event") == "dropped"
            loss, at = number(entry.get("loss")), number(entry.get("round"))
            if entry.get("event") == "round" and not (math.isnan(loss) or math.isnan(at)):
                points.setdefault(str(entry.get("model", "pooled")), {})[int(at)] = loss
        for model, series in points.items():
            rounds = sorted(series)
            losses = tuple(series[r] for r in rounds)
            curves.append(LearningCurve(seed, fold, model, tuple(rounds), losses))
    return tuple(curves), dropped
