"""One recording's files: a Parquet file a stream, and ``recording.json``."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from kinefed.datasets.errors import DataError, DataReason
from kinefed.datasets.types import Event, Gap, Recording, RecordingRef, Stream, Trial

FORMAT = 1
TIME = "time_s"
# About so many samples tell how coarse a channel is.
_LOOK = 500
_AGAIN = "Import the recording again"


def write_stream(path: Path, stream: Stream) -> None:
    """Write one stream as Parquet: ``time_s`` and a float64 column a channel."""
    arrays = [pa.array(stream.time_s), *(pa.array(column) for column in stream.data.T)]
    meta = {
        "kinefed_format": str(FORMAT),
        "rate_hz": repr(float(stream.rate_hz)),
        "start_s": repr(float(stream.start_s)),
        "units": json.dumps(dict(zip(stream.channels, stream.units, strict=True))),
    }
    table = pa.table(arrays, names=[TIME, *stream.channels]).replace_schema_metadata(meta)
    few = stream.data[:: max(len(stream.data) // _LOOK, 1)]
    coarse = {
        name: len(np.unique(column)) < 0.9 * len(column)
        for name, column in zip(stream.channels, few.T, strict=True)
    }
    # Where hardly two samples are alike their first bytes are: with those side by side files are as
    # small as with zstd, and written and read in half the time. A converter's few steps zstd finds.
    pq.write_table(
        table,
        path,
        compression={TIME: "snappy", **{n: "zstd" if c else "snappy" for n, c in coarse.items()}},
        use_dictionary=False,
        use_byte_stream_split=[
            TIME,
            *(name for name, is_coarse in coarse.items() if not is_coarse),
        ],
        write_statistics=False,
    )


def read_table(path: Path) -> Any:
    """Read a Parquet file into an Arrow table.

    Raises
    ------
    DataError
        ``not_found`` or, where it is damaged, ``truncated``.
    """
    if not path.is_file():
        raise DataError(DataReason.NOT_FOUND, "the file is missing", where=path, next_step=_AGAIN)
    try:
        # From an open file: a folder of that name must not be read as a partitioned set. Arrow's
        # own: of a file of Python's its threads hold bytes that they cannot let go of once the
        # program ends, which then aborts whatever its exit code was to be.
        with pa.OSFile(str(path)) as file:
            return pq.ParquetFile(file).read()
    except (pa.ArrowException, OSError, ValueError, UnicodeDecodeError) as error:
        raise DataError(
            DataReason.TRUNCATED,
            f"not a whole Parquet file ({_first_line(error)})",
            where=path,
            next_step=_AGAIN,
        ) from error


def stream_of(table: Any, name: str, where: object) -> Stream:
    """Make a stream of an Arrow table that `write_stream` wrote.

    Raises
    ------
    DataError
        ``bad_format`` or ``missing_column`` where the metadata and the columns disagree.
    """
    meta = {k.decode(): v.decode() for k, v in (table.schema.metadata or {}).items()}
    try:
        rate_hz, start_s = float(meta["rate_hz"]), float(meta["start_s"])
        units = json.loads(meta["units"])
        channels = tuple(units)
        unit_list = tuple(str(units[channel]) for channel in channels)
    except (KeyError, ValueError, TypeError) as error:
        raise DataError(
            DataReason.BAD_FORMAT,
            "the Parquet metadata lack rate_hz, start_s or units",
            where=where,
            next_step=_AGAIN,
        ) from error
    absent = [name for name in (TIME, *channels) if name not in table.column_names]
    if absent:
        raise DataError(
            DataReason.MISSING_COLUMN,
            f"column {absent[0]!r} is missing",
            where=where,
            next_step=_AGAIN,
        )
    try:
        columns = [
            table.column(c).cast(pa.float64()).to_numpy(zero_copy_only=False)
            if table.column(c).null_count == 0
            else table.column(c).cast(pa.float64()).fill_null(math.nan).to_numpy()
            for c in channels
        ]
    except pa.ArrowException as error:
        raise DataError(
            DataReason.BAD_FORMAT,
            f"a column holds no numbers ({_first_line(error)})",
            where=where,
            next_step=_AGAIN,
        ) from error
    data = np.empty((table.num_rows, len(channels)), dtype=np.float64)
    for i, column in enumerate(columns):
        data[:, i] = column
    return Stream(name, rate_hz, start_s, channels, unit_list, data)


def write_recording(folder: Path, recording: Recording) -> None:
    """Write one recording into a new folder."""
    folder.mkdir(parents=True)
    for stream in recording.streams.values():
        write_stream(folder / f"{stream.name}.parquet", stream)
    ref = recording.ref
    body = {
        "schema": FORMAT,
        "subject": ref.subject,
        "session": ref.session,
        "task": ref.task,
        "index": ref.index,
        "streams": list(recording.streams),
        "trials": [[t.index, t.start_s, t.end_s] for t in recording.trials],
        "events": [[e.time_s, e.name, e.side] for e in recording.events],
        "gaps": [[g.stream, g.start_s, g.end_s] for g in recording.gaps],
        "sensors": dict(recording.sensors),
        "quality": dict(recording.quality),
    }
    (folder / "recording.json").write_text(json.dumps(body, indent=1) + "\n", encoding="utf-8")


def read_json(path: Path) -> Mapping[str, Any]:
    """Read a JSON object.

    Raises
    ------
    DataError
        ``not_found``, ``truncated`` or ``bad_format``.
    """
    if not path.is_file():
        raise DataError(DataReason.NOT_FOUND, "the file is missing", where=path, next_step=_AGAIN)
    try:
        body = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise DataError(
            DataReason.TRUNCATED,
            f"not whole JSON ({_first_line(error)})",
            where=path,
            next_step=_AGAIN,
        ) from error
    if not isinstance(body, dict):
        raise DataError(DataReason.BAD_FORMAT, "not a JSON object", where=path, next_step=_AGAIN)
    return body


def read_header(path: Path, ref: RecordingRef) -> tuple[Recording, tuple[str, ...]]:
    """Read ``recording.json``: the recording without its streams, and their names.

    Raises
    ------
    DataError
        As `read_json`; ``mismatch`` where it names another recording than its folder does.
    """
    body = read_json(path)
    try:
        stated = RecordingRef(body["subject"], body["session"], body["task"], int(body["index"]))
        names = tuple(str(name) for name in body["streams"])
        header = Recording(
            ref=stated,
            streams={},
            trials=tuple(Trial(int(i), float(a), float(b)) for i, a, b in body["trials"]),
            events=tuple(
                Event(float(t), str(n), None if s is None else str(s)) for t, n, s in body["events"]
            ),
            gaps=tuple(Gap(str(s), float(a), float(b)) for s, a, b in body["gaps"]),
            sensors={str(k): str(v) for k, v in body["sensors"].items()},
            quality={str(k): str(v) for k, v in body["quality"].items()},
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DataError(
            DataReason.BAD_FORMAT,
            f"a field is missing or of the wrong type ({type(error).__name__}: {error})",
            where=path,
            next_step=_AGAIN,
        ) from error
    if stated != ref:
        raise DataError(
            DataReason.MISMATCH,
            f"it says {stated.key}, its folder says {ref.key}",
            where=path,
            next_step="Rename the folder or import again",
        )
    return header, names


def _first_line(error: BaseException) -> str:
    lines = str(error).splitlines() or [type(error).__name__]
    return lines[0][:160].rstrip(". ")
