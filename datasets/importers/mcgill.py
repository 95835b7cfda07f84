"""The ``mcgill`` format: children's gait of the McGill MOTION Lab, straight from its C3D files.

Source: github.com/mcgillmotionlab/biomechzoo, ``data/sample_study/raw c3d files``. A file's task is
the folder it lies in (``Straight``, ``Turn``), or its row in a ``trials.csv`` beside ``raw_c3d``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

from kinefed.datasets.errors import DataError, DataReason
from kinefed.datasets.importers import c3d as any_c3d
from kinefed.datasets.importers._c3d import read_c3d
from kinefed.datasets.importers._read import find_files, need_columns, read_csv_text
from kinefed.datasets.importers._registry import Imported, ImportOptions
from kinefed.datasets.types import (
    DatasetInfo,
    Recording,
    RecordingRef,
    Stream,
    Subject,
    check_name,
)

_TASKS = {"straight": "walk", "turn": "turn"}
INFO = DatasetInfo(
    name="mcgill-gait",
    version="7daadbce",
    licence="MIT",
    citation="McGill MOTION Lab: biomechzoo sample study, "
    "https://github.com/mcgillmotionlab/biomechzoo",
    notes="Children walking straight and turning. Plug-in-Gait angles and internal moments, signs "
    "unchanged (extension, plantarflexion, abduction positive). valid.torque: the foot wholly on "
    "a force plate; its force starts within 3 frames of foot strike and ends within 10 of foot "
    "off. EMG in V after an unknown gain, most children on one leg; bad channels are named in "
    "each recording's quality.",
)


def read(src: Path, options: ImportOptions) -> Imported:
    """Read the set: one recording a C3D file, mass and height from the files.

    Parameters
    ----------
    src
        The folder with ``raw_c3d`` and ``trials.csv``, or ``<subject>/{Straight,Turn}/*.c3d``.
    options
        Nothing is needed.
    """
    listed: dict[str, str] = {}
    if (src / "trials.csv").is_file():
        rows = read_csv_text(src / "trials.csv")
        need_columns(list(rows[0]) if rows else [], ("c3d_file", "task"), src / "trials.csv")
        listed = {row["c3d_file"]: row["task"] for row in rows}
    plan: list[tuple[Path, RecordingRef]] = []
    people: dict[str, Subject] = {}
    counts: dict[tuple[str, str], int] = {}
    for path in find_files(src, "**/*.c3d"):
        named = listed.get(path.name, path.parent.name).lower()
        if named == "static":
            continue
        if named not in _TASKS:
            raise DataError(
                DataReason.BAD_NAME,
                f"its task {named!r} is not one of {', '.join(_TASKS)}",
                where=path,
                next_step="Keep the published folders, or list the file in trials.csv",
            )
        folder = path.parent if path.name in listed else path.parent.parent
        who, task = check_name(folder.name, "subject ID", path), _TASKS[named]
        person = any_c3d.subject_of(read_c3d(path), who, options)
        known = people.setdefault(who, person)
        if known.mass_kg != person.mass_kg or person.mass_kg is None:
            raise DataError(
                DataReason.NO_MASS if person.mass_kg is None else DataReason.MISMATCH,
                f"its body mass is {person.mass_kg}, other files of {who} say {known.mass_kg}",
                where=path,
                next_step="Correct PROCESSING:Bodymass",
            )
        counts[who, task] = counts.get((who, task), 0) + 1
        plan.append((path, RecordingRef(who, "s01", task, counts[who, task])))

    def recordings() -> Iterator[Recording]:
        for path, ref in plan:
            found = any_c3d.recording_of(read_c3d(path), ref, people[ref.subject])
            # Spare inputs of the amplifier are labelled as muscles in some files; nothing is worn.
            yield _without(found, ("emg.tibialis_posterior.l", "emg.tibialis_posterior.r"))

    return Imported(INFO, tuple(people.values()), recordings())


def _without(recording: Recording, channels: tuple[str, ...]) -> Recording:
    streams = dict(recording.streams)
    if "emg" in streams:
        old = streams["emg"]
        keep = [i for i, channel in enumerate(old.channels) if channel not in channels]
        streams["emg"] = Stream(
            old.name,
            old.rate_hz,
            old.start_s,
            tuple(old.channels[i] for i in keep),
            tuple(old.units[i] for i in keep),
            old.data[:, keep],
        )
    quality = {k: v for k, v in recording.quality.items() if k not in channels}
    return dataclasses.replace(recording, streams=streams, quality=quality)
