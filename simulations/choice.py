"""The nested choice: which settings of the adaptation to use on people not seen yet."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from kinefed.simulations.folds import Fold


def choose_transfer(
    folds: Sequence[Fold], rows: Sequence[dict[str, Any]], settings: Sequence[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Choose for each fold the setting with the least error on its training people.

    Parameters
    ----------
    folds
        The reported folds.
    rows
        Scores of the inner federations: each has ``key`` (the person scored), ``heldout`` (all
        whom that federation's model had not seen), ``setting``, ``rmse`` and ``global_rmse``.
    settings
        What was tried, in the order of ``setting``.

    Returns
    -------
    list of dict
        One a fold: ``fold``, ``setting``, the setting itself, ``inner_rmse`` of each setting
        and ``inner_global_rmse``, None where nobody was scored. Used are models that had seen
        neither the fold's people nor the person scored, so that a fold's own people have no
        say. Of equals the first setting is chosen.
    """
    choices = []
    for fold in folds:
        out = set(fold.test)
        used = [r for r in rows if out < set(r["heldout"]) and r["key"] not in out]
        error = [
            _mean_over_people([r for r in used if r["setting"] == i]) for i in range(len(settings))
        ]
        best = int(np.argmin([np.inf if e is None else e for e in error]))
        choices.append(
            {
                "fold": fold.name,
                "setting": best,
                **settings[best],
                "inner_rmse": error,
                "inner_global_rmse": _mean_over_people(used, "global_rmse"),
            }
        )
    return choices


def _mean_over_people(rows: Sequence[dict[str, Any]], name: str = "rmse") -> float | None:
    scored = [(r["key"], r[name]) for r in rows if r[name] is not None]
    people = sorted({key for key, _ in scored})
    means = [np.mean([value for key, value in scored if key == p]) for p in people]
    return float(np.mean(means)) if means else None
