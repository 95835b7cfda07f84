"""Who is tested in which fold: people apart from one another, groups kept together."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

from kinefed.datasets import Dataset, UsageError, UsageReason
from kinefed.datasets.splits import splits_from_file


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


def from_file(dataset: Dataset, subjects: tuple[str, ...], path: str) -> list[Fold]:
    """Return the folds of a split file.

    Raises
    ------
    UsageError
        Where a person is on both sides of a split: a study tests on people not trained on.
    """
    folds = []
    for split in splits_from_file(dataset, path):
        train, test = ({ref.subject for ref in side} for side in (split.train, split.test))
        if train & test:
            raise UsageError(
                UsageReason.IMPOSSIBLE,
                f"split {split.name!r} trains and tests on {min(train & test)}",
                where=path,
                next_step="Divide by people, or leave --split out for leave-one-person-out",
            )
        used = (tuple(s for s in subjects if s in side) for side in (train, test))
        folds.append(Fold(split.name, *used))
    return folds
