"""Verify a dataset folder: every fault, each with its place."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from kinefed.datasets._files import TIME, read_header, read_table, stream_of
from kinefed.datasets._people import read_info, subject_rows
from kinefed.datasets.errors import DataError, DataReason
from kinefed.datasets.rules import Fault, recording_faults
from kinefed.datasets.store import inside, recording_keys
from kinefed.datasets.types import RecordingRef, Stream, check_name


def check_dataset(path: str | Path) -> list[Fault]:
    """List every fault of a dataset folder; an empty list means it is sound.

    Found are: files that are missing or damaged, persons listed twice, recordings of persons who
    are not listed, names and links that lead out of the folder, channels or units that are not in
    the table, values that are not finite where they count as valid, magnitudes that reveal another
    unit (degrees for radians, N m for N m/kg), and time that runs backwards or not at the stated
    rate.

    Parameters
    ----------
    path
        The folder.

    Returns
    -------
    list of Fault
        In order of place; `Fault.where` is relative to the folder.
    """
    root = Path(path)
    if not root.is_dir():
        return [Fault(str(root), "no such folder", DataReason.NOT_FOUND)]
    faults: list[Fault] = []
    try:
        read_info(root / "dataset.toml")
    except DataError as error:
        faults.append(_fault(root, error))
    known: set[str] | None = None
    try:
        rows = subject_rows(root / "subjects.parquet")
        faults += [_fault(root, row) for row in rows if isinstance(row, DataError)]
        ids = [row.id for row in rows if not isinstance(row, DataError)]
        known = set(ids)
        faults += [
            Fault(
                "subjects.parquet",
                f"subject ID {twice!r} appears {ids.count(twice)} times",
                DataReason.DUPLICATE,
            )
            for twice in sorted({i for i in ids if ids.count(i) > 1})
        ]
    except DataError as error:
        faults.append(_fault(root, error))
    keys = recording_keys(root)
    if not keys:
        faults.append(Fault("recordings", "there are none", DataReason.EMPTY))
    for key in keys:
        faults += _recording(root, key, known)
    return faults


def _recording(root: Path, key: str, known: set[str] | None) -> list[Fault]:
    folder = root / "recordings" / key
    try:
        inside(root, folder)
        ref = RecordingRef.parse(key)
    except DataError as error:
        return [_fault(root, error, f"recordings/{key}")]
    faults: list[Fault] = []
    if known is not None and ref.subject not in known:
        faults.append(
            Fault(
                f"recordings/{key}",
                f"subject {ref.subject!r} is not in subjects.parquet",
                DataReason.UNKNOWN_SUBJECT,
            )
        )
    try:
        header, names = read_header(folder / "recording.json", ref)
    except DataError as error:
        return [*faults, _fault(root, error)]
    streams: dict[str, Stream] = {}
    for name in names:
        try:
            check_name(name, "stream", folder / "recording.json")
            file = inside(root, folder / f"{name}.parquet")
            table = read_table(file)
            stream = stream_of(table, name, file)
        except DataError as error:
            faults.append(_fault(root, error))
            continue
        streams[name] = stream
        faults += [
            Fault(f"recordings/{key}/{name}.parquet", what, reason)
            for what, reason in _time_faults(table, stream)
        ]
    listed = {f"{name}.parquet" for name in names} | {"recording.json"}
    faults += [
        Fault(
            f"recordings/{key}/{extra}",
            "recording.json does not list this file",
            DataReason.MISMATCH,
        )
        for extra in sorted(p.name for p in folder.iterdir() if p.name not in listed)
    ]
    body = dataclasses.replace(header, streams=streams)
    if streams or not names:
        faults += [
            Fault(f"recordings/{fault.where}", fault.what, fault.reason)
            for fault in recording_faults(body)
            # Where a stream could not be read, its channels are missing for that reason.
            if not (fault.what.startswith("quality names") and len(streams) < len(names))
        ]
    return faults


def _time_faults(table: Any, stream: Stream) -> list[tuple[str, DataReason]]:
    """Hold the column ``time_s`` against the stated start and rate."""
    column = table.column(TIME)
    if not pa.types.is_floating(column.type) or column.null_count:
        return [("time_s is not a number everywhere", DataReason.NOT_FINITE)]
    time_s = np.asarray(column.to_numpy(), dtype=np.float64)
    if not np.isfinite(time_s).all():
        return [("time_s is not finite everywhere", DataReason.NOT_FINITE)]
    back = np.flatnonzero(np.diff(time_s) <= 0.0)
    if back.size:
        return [
            (
                f"time does not increase after sample {back[0]} ({time_s[back[0]]:.6g} s to "
                f"{time_s[back[0] + 1]:.6g} s)",
                DataReason.TIME_ORDER,
            )
        ]
    # A tenth of a sample: below it no consumer can tell.
    late = np.abs(time_s - stream.time_s) > 0.1 / stream.rate_hz
    if late.any():
        first = int(np.argmax(late))
        return [
            (
                f"time leaves the stated {stream.rate_hz:g} Hz from sample {first} on "
                f"({time_s[first]:.6g} s instead of {stream.time_s[first]:.6g} s)",
                DataReason.RATE_MISMATCH,
            )
        ]
    return []


def _fault(root: Path, error: DataError, where: str = "") -> Fault:
    place = where or error.where
    if place.startswith(f"{root}/"):
        place = place[len(f"{root}/") :]
    return Fault(place or str(root), error.what, DataReason(error.reason))
