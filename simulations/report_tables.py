"""Tables that say what the run did on its way: clusters of movement, and nested choices."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from kinefed.simulations.report_page import cell, folded, table
from kinefed.simulations.report_read import number

# As in kinefed.personalization: a bout that no cluster claims.
NO_CLUSTER = -1


def cluster_tables(clusters: Sequence[Mapping[str, Any]]) -> str:
    """Return what was clustered with what: summed over folds and seeds, then each of them.

    Cluster numbers mean nothing across folds, so before summing the clusters of a fold are put in
    order of their share of the first task.
    """
    tasks = sorted({str(t) for c in clusters for t in _tasks(c)})
    if not tasks:
        return ""
    folds: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for c in clusters:
        folds.setdefault((str(c.get("seed", "")), str(c.get("fold", ""))), []).append(c)
    sums: dict[int, Counter[str]] = {}
    for group in folds.values():
        real = [c for c in group if c.get("cluster") != NO_CLUSTER]
        for rank, c in enumerate(sorted(real, key=lambda c: -_share(c, tasks[0]))):
            sums.setdefault(rank, Counter()).update(_tasks(c))
    html = table(
        f"Bouts of the left-out people by task and nearest cluster, summed over {len(folds)} folds "
        f"and seeds. In each fold the clusters are put in order of their share of "
        f"“{tasks[0]}”. The clustering never saw the task labels.",
        ["cluster", *tasks],
        [[f"{r + 1}", *(f"{sums[r][t]:,}" for t in tasks)] for r in sorted(sums)],
    )
    lines = [
        [
            escape(fold),
            escape(seed),
            escape(str(c.get("cluster", ""))),
            *(f"{_tasks(c).get(t, 0):,}" for t in tasks),
        ]
        for (seed, fold), group in sorted(folds.items())
        for c in group
    ]
    each = table("Bouts by task", ["left out", "seed", "cluster", *tasks], lines)
    return html + folded("Each fold and seed", each)


def _tasks(cluster: Mapping[str, Any]) -> dict[str, int]:
    by_task = cluster.get("by_task")
    if not isinstance(by_task, dict):
        return {}
    return {str(k): int(v) for k, v in by_task.items() if not math.isnan(number(v))}


def _share(cluster: Mapping[str, Any], task: str) -> float:
    tasks = _tasks(cluster)
    return tasks.get(task, 0) / max(sum(tasks.values()), 1)


def choice_tables(choices: Sequence[Mapping[str, Any]]) -> str:
    """Return what nested selection chose: how often, and fold by fold."""
    if not choices:
        return ""
    columns = list(dict.fromkeys(str(k) for c in choices for k in c))
    # What identifies a fold or measures an outcome is not part of a choice.
    outcome = [c for c in columns if c in ("fold", "seed", "setting") or "rmse" in c]
    chosen = [c for c in columns if c not in outcome]
    votes = Counter(tuple(cell(c.get(k)) for k in chosen) for c in choices)
    html = table(
        f"How often each setting was chosen in {len(choices)} inner selections, which saw only the "
        "people of the training folds.",
        [*chosen, "times"],
        [[*key, f"{n}"] for key, n in votes.most_common()],
    )
    lines = [[cell(c.get(k)) for k in columns] for c in choices]
    return html + folded("Each fold", table("Choices by fold", columns, lines))
