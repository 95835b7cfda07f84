"""Who is tested in which fold: people apart from one another, groups kept together."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

from kinefed.datasets import Dataset


@dataclass(frozen=True, slots=True)
class Fold:
    """One division of the people.

    Attributes
    ----------
    name
        Of the held-out groups, joined by ``+``.
    train, test
        Subject ids, sorted.
    """

    name: str
    train: tuple[str, ...]
    test: tuple[str, ...]


def leave_out(dataset: Dataset, subjects: tuple[str, ...], groups_out: int) -> list[Fold]:
    """Return a fold for every choice of ``groups_out`` groups.

    One group out gives the folds that are reported; two out give the inner folds of the nested
    choice: the model that has seen neither person i nor person j serves both fold i (tested on
    j) and fold j (tested on i), which halves the work.
    """
    group = {s: dataset.subjects[s].group or s for s in subjects}
    folds = []
    for out in combinations(sorted(set(group.values())), groups_out):
        test = tuple(s for s in subjects if group[s] in out)
        train = tuple(s for s in subjects if group[s] not in out)
        if train:
            folds.append(Fold("+".join(out), train, test))
    return folds
