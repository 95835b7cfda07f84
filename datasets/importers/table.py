"""The ``table`` format: CSV or Parquet tables and a TOML file that says what is in them.

::

    [dataset]
    name = "my-lab"
    licence = "CC0-1.0"

    [subjects.S01]
    mass_kg = 71.0

    [[streams]]
    name = "kinematics"
    time = "t"                      # column of seconds; or: rate_hz = 100
    columns = [
      { column = "KneeR", channel = "angle.knee_flexion.r", unit = "deg", sign = -1 },
    ]

    [[recordings]]
    subject = "S01"
    session = "s01"
    task = "walk"
    index = 1
    files = { kinematics = "s01_walk1.csv" }

Units are converted to those of the channel table; ``sign`` is 1 or -1.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from kinefed.datasets.channels import ChannelName
from kinefed.datasets.errors import DataError, DataReason
from kinefed.datasets.importers._build import make_stream
from kinefed.datasets.importers._read import need_file, read_table, uniform_rate
from kinefed.datasets.importers._registry import Imported, ImportOptions
from kinefed.datasets.importers.opensim import subject_from_toml
from kinefed.datasets.quality import with_emg_quality
from kinefed.datasets.store import inside
from kinefed.datasets.types import (
    DatasetInfo,
    FloatArray,
    Recording,
    RecordingRef,
    Stream,
    Subject,
)
from kinefed.datasets.units import factor_to_stored


@dataclass(frozen=True, slots=True)
class _Column:
    column: str
    channel: str
    unit: str
    sign: float


@dataclass(frozen=True, slots=True)
class _Layout:
    name: str
    time: str | None
    rate_hz: float | None
    columns: tuple[_Column, ...]


def read(src: Path, options: ImportOptions) -> Imported:
    """Read tables as their mapping says.

    Parameters
    ----------
    src
        The folder of the tables; files of the mapping are relative to it and may not leave it.
    options
        ``mapping``: the TOML file; default ``mapping.toml`` in `src`.
    """
    path = need_file(options.mapping or src / "mapping.toml")
    try:
        body = tomllib.loads(path.read_text(encoding="utf-8"))
        info = _info(body)
        people = {
            str(who): subject_from_toml(str(who), fields, path)
            for who, fields in body["subjects"].items()
        }
        layouts = {layout.name: layout for layout in map(_layout, body["streams"])}
        plan = [
            (
                RecordingRef(r["subject"], r["session"], r["task"], int(r["index"])),
                {str(stream): str(file) for stream, file in r["files"].items()},
            )
            for r in body["recordings"]
        ]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DataError(
            DataReason.BAD_FORMAT,
            f"a key is missing or of the wrong type ({type(error).__name__}: {error})",
            where=path,
            next_step="Write it as in the documentation of the table format",
        ) from error
    for ref, files in plan:
        for stream, file in files.items():
            if stream not in layouts:
                raise DataError(
                    DataReason.BAD_FORMAT,
                    f"{ref.key} has the stream {stream!r}, which [[streams]] does not describe",
                    where=path,
                    next_step="Describe it, or correct the name",
                )
            if ".." in PurePosixPath(file).parts or Path(file).is_absolute():
                raise DataError(
                    DataReason.PATH_ESCAPE,
                    f"file {file!r} leads out of the source folder",
                    where=path,
                    next_step="Copy it into the folder",
                )
        if ref.subject not in people:
            raise DataError(
                DataReason.UNKNOWN_SUBJECT,
                f"{ref.key} is of a person that [subjects] does not list",
                where=path,
                next_step="Add the person",
            )

    def recordings() -> Iterator[Recording]:
        for ref, files in plan:
            streams = {
                name: _stream(inside(src, src / file), layouts[name], people[ref.subject])
                for name, file in files.items()
            }
            yield with_emg_quality(Recording(ref, streams))

    return Imported(info, tuple(people.values()), recordings())


def _stream(path: Path, layout: _Layout, person: Subject) -> Stream:
    needed = [c.column for c in layout.columns] + ([layout.time] if layout.time else [])
    table = read_table(path, needed)
    if layout.time is not None:
        rate_hz, start_s = uniform_rate(table[layout.time], path)
        if layout.rate_hz is not None and abs(rate_hz - layout.rate_hz) > 1e-3 * layout.rate_hz:
            raise DataError(
                DataReason.RATE_MISMATCH,
                f"its time runs at {rate_hz:g} Hz, the mapping says {layout.rate_hz:g}",
                where=path,
                next_step="Correct rate_hz or leave it out",
            )
    else:
        rate_hz, start_s = float(layout.rate_hz or 0.0), 0.0
    columns: dict[str, FloatArray] = {}
    for entry in layout.columns:
        factor = entry.sign * factor_to_stored(entry.channel, entry.unit, person.mass_kg)
        columns[entry.channel] = factor * table[entry.column]
    for side in ("l", "r"):
        moments = [v for c, v in columns.items() if c.startswith("torque.") and c.endswith(side)]
        mask = f"valid.torque.{side}"
        if moments and mask not in columns:
            finite = np.logical_and.reduce([np.isfinite(v) for v in moments])
            columns[mask] = finite.astype(np.float64)
    return make_stream(layout.name, rate_hz, start_s, columns)


def _layout(body: Mapping[str, Any]) -> _Layout:
    columns = tuple(
        _Column(str(c["column"]), str(c["channel"]), str(c["unit"]), float(c.get("sign", 1)))
        for c in body["columns"]
    )
    for column in columns:
        ChannelName.parse(column.channel)
        if column.sign not in (1.0, -1.0):
            raise ValueError(f"sign of {column.channel} is {column.sign:g}, not 1 or -1")
    channels = [column.channel for column in columns]
    if len(set(channels)) != len(channels):
        raise ValueError(f"stream {body['name']} maps two columns to one channel")
    time, rate = body.get("time"), body.get("rate_hz")
    if time is None and rate is None:
        raise ValueError(f"stream {body['name']} has neither time nor rate_hz")
    return _Layout(
        str(body["name"]),
        None if time is None else str(time),
        None if rate is None else float(rate),
        columns,
    )


def _info(body: Mapping[str, Any]) -> DatasetInfo:
    fields = {key: str(value) for key, value in body["dataset"].items()}
    fields.setdefault("notes", "Imported from tables; units and signs as their mapping says.")
    return DatasetInfo(**fields)
