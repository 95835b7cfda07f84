"""Splits into training and test recordings, by group, session or trial; never by window."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from kinefed.datasets.errors import DataError, DataReason
from kinefed.datasets.store import Dataset
from kinefed.datasets.types import RecordingRef


@dataclass(frozen=True, slots=True)
class Split:
    """One way to divide recordings.

    Attributes
    ----------
    name
        What is held out: a group, ``group/session``, or a name from a file.
    train, test
        Recordings, in order; no recording is in both.
    """

    name: str
    train: tuple[RecordingRef, ...]
    test: tuple[RecordingRef, ...]

    def __post_init__(self) -> None:
        both = set(self.train) & set(self.test)
        if both:
            raise DataError(
                DataReason.DUPLICATE,
                f"split {self.name!r} has {min(both).key} in training and in test",
                next_step="Keep each recording on one side",
            )
        if not self.train or not self.test:
            side = "training" if not self.train else "test"
            raise DataError(
                DataReason.EMPTY,
                f"split {self.name!r} has no {side} recordings",
                next_step="Add recordings, or split another way",
            )


def leave_one_group_out(dataset: Dataset) -> tuple[Split, ...]:
    """Hold out each group of subjects in turn; two IDs of one person stay together.

    Raises
    ------
    DataError
        ``empty`` with fewer than two groups.
    """
    return tuple(
        Split(
            group,
            tuple(ref for ref in dataset.refs if dataset.group_of(ref) != group),
            tuple(ref for ref in dataset.refs if dataset.group_of(ref) == group),
        )
        for group in dataset.groups
    )


def leave_one_session_out(dataset: Dataset) -> tuple[Split, ...]:
    """Within each group, hold out each session in turn; groups of one session are left out.

    Raises
    ------
    DataError
        ``empty`` where no group has two sessions.
    """
    keys = {ref: f"{dataset.group_of(ref)}/{ref.subject}-{ref.session}" for ref in dataset.refs}
    return _within_groups(dataset, keys, "sessions")


def leave_one_trial_out(dataset: Dataset) -> tuple[Split, ...]:
    """Within each group and task, hold out each recording in turn.

    A recording is the unit because its frames overlap in time; repetitions inside it are divided
    by the consumer, with a gap.

    Raises
    ------
    DataError
        ``empty`` where no group has two recordings of one task.
    """
    splits = []
    for test in dataset.refs:
        group = dataset.group_of(test)
        train = tuple(
            ref
            for ref in dataset.select(task=test.task)
            if dataset.group_of(ref) == group and ref != test
        )
        if train:
            splits.append(Split(test.key, train, (test,)))
    return _some(splits, dataset, "recordings of one task")


def splits_from_file(dataset: Dataset, path: str | Path) -> tuple[Split, ...]:
    """Read splits from a TOML file.

    ::

        [[split]]
        name = "fold-1"
        test_groups = ["S03", "pair01-02"]          # the rest is for training, or:
        test = ["S01/s01/walk_02"]
        train = ["S01/s01/walk_01"]

    Raises
    ------
    DataError
        ``bad_format``, ``not_found`` for a group or recording that is not there, ``duplicate``
        where a recording is on both sides of a split.
    """
    file = Path(path)
    try:
        body = tomllib.loads(file.read_text(encoding="utf-8"))
        rows = body["split"]
        plans = [
            (
                str(row["name"]),
                [str(g) for g in row.get("test_groups", [])],
                [RecordingRef.parse(key) for key in row.get("test", [])],
                [RecordingRef.parse(key) for key in row.get("train", [])],
            )
            for row in rows
        ]
    except OSError as error:
        raise DataError(
            DataReason.NOT_FOUND, "the file cannot be read", where=file, next_step="Check its name"
        ) from error
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DataError(
            DataReason.BAD_FORMAT,
            f"not a file of splits ({type(error).__name__}: {error})",
            where=file,
            next_step="Write [[split]] with name and test_groups, or name, train and test",
        ) from error
    splits = []
    for name, groups, test, train in plans:
        if groups and (test or train):
            raise DataError(
                DataReason.BAD_FORMAT,
                f"split {name!r} has both groups and recordings",
                where=file,
                next_step="Give test_groups, or train and test",
            )
        absent = [group for group in groups if group not in dataset.groups]
        absent += [ref.key for ref in (*test, *train) if ref not in dataset.refs]
        if absent:
            raise DataError(
                DataReason.NOT_FOUND,
                f"split {name!r} names {absent[0]!r}, which is not in the dataset",
                where=file,
                next_step="Correct the name",
            )
        if groups:
            test = [ref for ref in dataset.refs if dataset.group_of(ref) in groups]
            train = [ref for ref in dataset.refs if dataset.group_of(ref) not in groups]
        splits.append(Split(name, tuple(sorted(train)), tuple(sorted(test))))
    return tuple(splits)


def _within_groups(dataset: Dataset, keys: dict[RecordingRef, str], what: str) -> tuple[Split, ...]:
    splits = []
    for group in dataset.groups:
        own = [ref for ref in dataset.refs if dataset.group_of(ref) == group]
        for key in sorted({keys[ref] for ref in own}):
            test = tuple(ref for ref in own if keys[ref] == key)
            train = tuple(ref for ref in own if keys[ref] != key)
            if train:
                splits.append(Split(key, train, test))
    return _some(splits, dataset, what)


def _some(splits: Iterable[Split], dataset: Dataset, what: str) -> tuple[Split, ...]:
    found = tuple(splits)
    if not found:
        raise DataError(
            DataReason.EMPTY,
            f"no group has two {what}",
            where=dataset.path,
            next_step="Split by group instead",
        )
    return found
