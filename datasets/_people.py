"""What a dataset says of itself and its people: ``dataset.toml`` and ``subjects.parquet``."""

from __future__ import annotations

import dataclasses
import json
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from kinefed.datasets._files import FORMAT, read_table
from kinefed.datasets.errors import DataError, DataReason
from kinefed.datasets.types import DatasetInfo, Subject

_TEXT = ("id", "group", "sex", "condition")
_NUMBERS = ("age_years", "height_m", "mass_kg")


def read_subjects(path: Path) -> tuple[Subject, ...]:
    """Read ``subjects.parquet``, duplicates and all.

    Raises
    ------
    DataError
        Where it is missing, damaged, or a row is no person.
    """
    rows = subject_rows(path)
    for row in rows:
        if isinstance(row, DataError):
            raise row
    return tuple(row for row in rows if isinstance(row, Subject))


def subject_rows(path: Path) -> list[Subject | DataError]:
    """Read each row as a person, or as the error that says why it is none.

    Raises
    ------
    DataError
        Where the file is missing, damaged, or lacks a column.
    """
    table = read_table(path)
    absent = [name for name in ("id", "group") if name not in table.column_names]
    if absent:
        raise DataError(
            DataReason.MISSING_COLUMN,
            f"no column {absent[0]!r}",
            where=path,
            next_step="Import the dataset again",
        )
    found: list[Subject | DataError] = []
    for row in table.to_pylist():
        try:
            found.append(_subject(row))
        except DataError as error:
            found.append(
                DataError(
                    DataReason(error.reason), error.what, where=path, next_step=error.next_step
                )
            )
        except (TypeError, ValueError, KeyError) as error:
            found.append(
                DataError(
                    DataReason.BAD_FORMAT,
                    f"a row is no person ({error})",
                    where=path,
                    next_step="Write one row a person, id and group as text",
                )
            )
    return found


def _subject(row: Mapping[str, Any]) -> Subject:
    lengths = row.get("segment_lengths_m") or []
    if not isinstance(row["id"], str):
        raise TypeError("id is no text")
    fields: dict[str, Any] = {name: row.get(name) for name in (*_TEXT, *_NUMBERS)}
    fields["group"] = fields["group"] or ""
    return Subject(**fields, segment_lengths_m={str(k): float(v) for k, v in lengths})


def write_subjects(path: Path, people: Iterable[Subject]) -> None:
    """Write ``subjects.parquet``, in order of ID."""
    rows = [
        {name: getattr(person, name) for name in (*_TEXT, *_NUMBERS)}
        | {"segment_lengths_m": list(person.segment_lengths_m.items())}
        for person in sorted(people, key=lambda p: p.id)
    ]
    schema = pa.schema(
        [
            *((name, pa.string()) for name in _TEXT),
            *((name, pa.float64()) for name in _NUMBERS),
            ("segment_lengths_m", pa.map_(pa.string(), pa.float64())),
        ]
    )
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), path)


def read_info(path: Path) -> DatasetInfo:
    """Read ``dataset.toml``.

    Raises
    ------
    DataError
        Where it is missing, no TOML, of another format version, or lacks the name.
    """
    try:
        body = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise DataError(
            DataReason.NOT_FOUND, "the file is missing", where=path, next_step="Import again"
        ) from error
    except ValueError as error:
        raise DataError(
            DataReason.BAD_FORMAT, f"not TOML ({error})", where=path, next_step="Correct it"
        ) from error
    if body.get("format") != FORMAT or not isinstance(body.get("name"), str):
        raise DataError(
            DataReason.BAD_FORMAT,
            f"it needs 'name' and 'format = {FORMAT}'",
            where=path,
            next_step="Import again with this version of kinefed",
        )
    fields = {field.name for field in dataclasses.fields(DatasetInfo)}
    return DatasetInfo(**{k: str(v) for k, v in body.items() if k in fields})


def write_info(path: Path, info: DatasetInfo) -> None:
    """Write ``dataset.toml``."""
    lines = [f"format = {FORMAT}"]
    for key, value in dataclasses.asdict(info).items():
        # A JSON string is a TOML basic string, but for DEL, which JSON leaves as it is.
        text = json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")
        lines.append(f"{key} = {text}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
