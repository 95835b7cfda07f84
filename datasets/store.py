"""The dataset folder: written all or nothing, opened lazily.

::

    DEST/
      dataset.toml                 name, version, licence, citation, notes
      subjects.parquet             one row a person
      recordings/<subject>/<session>/<task>_<nn>/
        <stream>.parquet           time_s and a column a channel; rate, start and units in metadata
        recording.json             trials, events, gaps, sensors, quality
"""

from __future__ import annotations

import dataclasses
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from kinefed.datasets._files import (
    read_header,
    read_table,
    stream_of,
    write_recording,
)
from kinefed.datasets._people import read_info, read_subjects, write_info, write_subjects
from kinefed.datasets.errors import DataError, DataReason
from kinefed.datasets.rules import recording_faults
from kinefed.datasets.types import DatasetInfo, Recording, RecordingRef, Stream, Subject, check_name


@dataclass(frozen=True, slots=True)
class Dataset:
    """An open dataset folder: people and references; recordings are read when asked for.

    Attributes
    ----------
    path
        The folder.
    info
        What it is.
    subjects
        By ID, in order of ID.
    refs
        All recordings, in order.
    """

    path: Path
    info: DatasetInfo
    subjects: Mapping[str, Subject]
    refs: tuple[RecordingRef, ...]

    @classmethod
    def open(cls, path: str | Path) -> Self:
        """Open a folder that `write_dataset` made.

        Raises
        ------
        DataError
            Where a file is missing or damaged, an ID appears twice, a recording's subject is
            unknown, or a link leads out of the folder. ``check_dataset`` lists every fault.
        """
        root = Path(path)
        if not root.is_dir():
            raise DataError(
                DataReason.NOT_FOUND,
                "no such folder",
                where=root,
                next_step="Make one with 'kinefed data import' or 'kinefed data simulate'",
            )
        subjects: dict[str, Subject] = {}
        for subject in read_subjects(root / "subjects.parquet"):
            if subject.id in subjects:
                raise DataError(
                    DataReason.DUPLICATE,
                    f"subject ID {subject.id!r} appears twice",
                    where=root / "subjects.parquet",
                    next_step="Give each person one ID",
                )
            subjects[subject.id] = subject
        refs = tuple(sorted(RecordingRef.parse(key) for key in recording_keys(root)))
        for ref in refs:
            if ref.subject not in subjects:
                raise DataError(
                    DataReason.UNKNOWN_SUBJECT,
                    f"subject {ref.subject!r} is not in subjects.parquet",
                    where=root / "recordings" / ref.key,
                    next_step="Add the person or remove the folder",
                )
            inside(root, root / "recordings" / ref.key)
        return cls(root, read_info(root / "dataset.toml"), dict(sorted(subjects.items())), refs)

    @property
    def tasks(self) -> tuple[str, ...]:
        """All tasks, sorted."""
        return tuple(sorted({ref.task for ref in self.refs}))

    @property
    def groups(self) -> tuple[str, ...]:
        """All groups that have recordings, sorted."""
        return tuple(sorted({self.subjects[ref.subject].group for ref in self.refs}))

    def group_of(self, ref: RecordingRef) -> str:
        """Return the group of a recording's subject."""
        return self.subjects[ref.subject].group

    def select(
        self, subject: str | None = None, task: str | None = None
    ) -> tuple[RecordingRef, ...]:
        """Return the recordings of one subject, of one task, or of both."""
        return tuple(
            ref for ref in self.refs if subject in (None, ref.subject) and task in (None, ref.task)
        )

    def load(self, ref: RecordingRef) -> Recording:
        """Read one recording.

        Raises
        ------
        DataError
            Where it is not in the dataset, or a file of it is missing or damaged.
        """
        folder = self.path / "recordings" / ref.key
        if ref not in self.refs:
            raise DataError(
                DataReason.NOT_FOUND,
                f"no recording {ref.key}",
                where=self.path,
                next_step="List them with 'kinefed data inspect'",
            )
        header, names = read_header(folder / "recording.json", ref)
        streams: dict[str, Stream] = {}
        for name in names:
            check_name(name, "stream", folder / "recording.json")
            file = inside(self.path, folder / f"{name}.parquet")
            streams[name] = stream_of(read_table(file), name, file)
        return dataclasses.replace(header, streams=streams)


def write_dataset(
    dest: str | Path,
    info: DatasetInfo,
    subjects: Iterable[Subject],
    recordings: Iterable[Recording],
) -> Dataset:
    """Write a dataset folder: all of it, or nothing.

    Everything goes into a temporary sibling folder, which is renamed at the end; where anything
    is refused on the way, that folder is removed and `dest` never exists.

    Parameters
    ----------
    dest
        The new folder; its parents are made.
    info, subjects, recordings
        What to write. Recordings are taken one by one, so a generator needs little memory.

    Returns
    -------
    Dataset
        The folder, opened.

    Raises
    ------
    DataError
        ``exists`` where `dest` does; ``duplicate`` IDs or recordings; ``unknown_subject``; and
        whatever `rules.recording_faults` finds (unit, range, NaN where valid).
    """
    target = Path(dest)
    if target.exists() or target.is_symlink():
        raise DataError(
            DataReason.EXISTS,
            "it is there already",
            where=target,
            next_step="Choose another name or remove it first",
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=f".{target.name}.", suffix=".part", dir=target.parent))
    try:
        people = tuple(subjects)
        known: dict[str, Subject] = {}
        for person in people:
            if person.id in known:
                raise DataError(DataReason.DUPLICATE, f"subject ID {person.id!r} appears twice")
            known[person.id] = person
        done: set[RecordingRef] = set()
        for recording in recordings:
            _refuse(recording, known, done)
            done.add(recording.ref)
            write_recording(partial / "recordings" / recording.ref.key, recording)
        if not done:
            raise DataError(
                DataReason.EMPTY, "no recordings to write", where=target, next_step="Check SRC"
            )
        write_subjects(partial / "subjects.parquet", people)
        write_info(partial / "dataset.toml", info)
        partial.chmod(0o755)  # mkdtemp gives 0700, which would lock colleagues out
        partial.rename(target)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    return Dataset.open(target)


def _refuse(recording: Recording, known: Mapping[str, Subject], done: set[RecordingRef]) -> None:
    ref = recording.ref
    if ref.subject not in known:
        raise DataError(DataReason.UNKNOWN_SUBJECT, "its subject is not listed", where=ref.key)
    if ref in done:
        raise DataError(DataReason.DUPLICATE, "this recording appears twice", where=ref.key)
    faults = recording_faults(recording)
    if faults:
        more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
        raise DataError(
            faults[0].reason,
            faults[0].what + more,
            where=faults[0].where,
            next_step="Correct the source or its mapping; nothing was written",
        )


def recording_keys(root: Path) -> tuple[str, ...]:
    """List ``subject/session/task_nn`` of every folder three levels below ``recordings/``."""
    top = root / "recordings"
    return tuple(
        sorted(
            folder.relative_to(top).as_posix() for folder in top.glob("*/*/*") if folder.is_dir()
        )
    )


def inside(root: Path, path: Path) -> Path:
    """Return `path` if, links resolved, it lies in `root`.

    Raises
    ------
    DataError
        ``path_escape``.
    """
    if not path.resolve().is_relative_to(root.resolve()):
        raise DataError(
            DataReason.PATH_ESCAPE,
            "it leads out of the dataset folder",
            where=path,
            next_step="Copy the files into the folder",
        )
    return path
