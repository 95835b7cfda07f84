"""One dataset folder out of several: the last step of work that was done in parts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from kinefed.datasets._people import write_info, write_subjects
from kinefed.datasets.errors import DataError, DataReason
from kinefed.datasets.store import Dataset
from kinefed.datasets.types import DatasetInfo, Subject


def join_datasets(dest: str | Path, info: DatasetInfo, parts: Sequence[Path]) -> Dataset:
    """Make one dataset of several that hold different people, by moving their recordings.

    The parts are used up: their recordings are moved, not copied, and what is left of them may be
    deleted. Called again after an interruption, it goes on.

    Parameters
    ----------
    dest
        The new folder. It becomes a dataset at the very end, so that a half-made one is not taken
        for one.
    info
        What it is.
    parts
        Dataset folders on the same disk.

    Raises
    ------
    DataError
        ``exists`` where `dest` is a dataset already, ``duplicate`` where two parts hold one person,
        and what `Dataset.open` raises.
    """
    target = Path(dest)
    if (target / "dataset.toml").exists():
        raise DataError(
            DataReason.EXISTS,
            "it is there already",
            where=target,
            next_step="Choose another name or remove it first",
        )
    people: dict[str, Subject] = {}
    moves: list[tuple[Path, Path]] = []
    for part in parts:
        dataset = Dataset.open(part)
        for subject in dataset.subjects.values():
            if subject.id in people:
                raise DataError(
                    DataReason.DUPLICATE, f"subject ID {subject.id!r} appears twice", where=part
                )
            people[subject.id] = subject
            moves.append((part / "recordings" / subject.id, target / "recordings" / subject.id))
    (target / "recordings").mkdir(parents=True, exist_ok=True)
    for source, place in moves:
        if not place.exists():
            source.rename(place)
    write_subjects(target / "subjects.parquet", tuple(people.values()))
    write_info(target / "dataset.toml", info)
    return Dataset.open(target)
