"""Who is tested in which fold: people apart from one another, groups kept together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from kinefed.datasets import DataError, DataReason, Dataset, UsageError, UsageReason
from kinefed.datasets.splits import splits_from_file
from kinefed.datasets.types import check_name


@dataclass(frozen=True, slots=True)
class Fold:
    """One division of the people.

    Attributes
    ----------
    name
        Of the held-out groups, joined by ``+``, or of the split in its file; a folder name.
    train, test
        Subject ids, in the order of the study.
    """

    name: str
    train: tuple[str, ...]
    test: tuple[str, ...]

    @property
    def people(self) -> frozenset[str]:
        """All who have a part in the fold."""
        return frozenset(self.train + self.test)


def leave_out(dataset: Dataset, subjects: Sequence[str]) -> list[Fold]:
    """Return a fold for every group of people: that group is tested, the others train.

    Raises
    ------
    DataError
        Where a group's name cannot be that of a folder.
    """
    group = _groups(dataset, subjects)
    folds = []
    for out in sorted(set(group.values())):
        test = tuple(s for s in subjects if group[s] == out)
        train = tuple(s for s in subjects if group[s] != out)
        if train:
            folds.append(Fold(check_name(out, "group", dataset.path), train, test))
    return folds


def one_more_out(dataset: Dataset, folds: Sequence[Fold]) -> list[Fold]:
    """Return the inner folds of the nested choice: each fold with one training group less.

    Leaving one group out, this gives each pair of groups once: the model that has seen neither i
    nor j serves both fold i (tested on j) and fold j (tested on i), which halves the work.
    """
    found: dict[tuple[frozenset[str], frozenset[str]], Fold] = {}
    for fold in folds:
        group = _groups(dataset, fold.train)
        for out in sorted(set(group.values())):
            train = tuple(s for s in fold.train if group[s] != out)
            more = {s for s in fold.train if group[s] == out}
            test = tuple(sorted(more.union(fold.test)))
            if train:
                inner = Fold(f"{fold.name}+{out}", train, test)
                found.setdefault((frozenset(test), frozenset(train)), inner)
    return list(found.values())


def from_file(dataset: Dataset, subjects: Sequence[str], path: str) -> list[Fold]:
    """Return the folds of a split file.

    Raises
    ------
    UsageError
        Where a person (or another of the same group) is on both sides of a split or tested in
        two, or where a split has only some of a person's recordings: a study tests on everything
        of people whom it did not train on.
    DataError
        Where the file, its names, or the people it leaves are unusable.
    """
    folds: list[Fold] = []
    group = _groups(dataset, dataset.subjects)
    for split in splits_from_file(dataset, path):
        train, test = ({ref.subject for ref in side} for side in (split.train, split.test))
        both = {group[s] for s in train} & {group[s] for s in test}
        if both:
            raise _impossible(path, f"split {split.name!r} trains and tests on {min(both)}")
        for subject in sorted(train | test):
            if not {*dataset.select(subject=subject)} <= {*split.train, *split.test}:
                raise _impossible(
                    path, f"split {split.name!r} has only some of the recordings of {subject}"
                )
        again = test & {s for fold in folds for s in fold.test}
        if again:
            raise _impossible(path, f"split {split.name!r} tests {min(again)} a second time")
        if split.name in {fold.name for fold in folds}:
            raise DataError(
                DataReason.DUPLICATE,
                f"two splits are named {split.name!r}",
                where=path,
                next_step="Give each its own name",
            )
        name = check_name(split.name, "split", path)
        fold = Fold(name, *(tuple(s for s in subjects if s in side) for side in (train, test)))
        if not fold.train or not fold.test:
            side = "test" if fold.train else "train"
            raise DataError(
                DataReason.EMPTY,
                f"split {split.name!r} has nobody with torque to {side} on",
                where=path,
                next_step="Look at `kinefed data inspect` for the channels that are there",
            )
        folds.append(fold)
    if not folds:
        raise DataError(
            DataReason.EMPTY, "no split", where=path, next_step="Write [[split]] with test_groups"
        )
    return folds


def _groups(dataset: Dataset, subjects: Iterable[str]) -> dict[str, str]:
    return {s: dataset.subjects[s].group for s in subjects}


def _impossible(path: str, what: str) -> UsageError:
    return UsageError(
        UsageReason.IMPOSSIBLE,
        what,
        where=path,
        next_step="Divide by people, or leave --split out for leave-one-person-out",
    )
