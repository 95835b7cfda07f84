"""Readers of outside files: whatever is wrong with one becomes a single `DataError`."""

from __future__ import annotations

import contextlib
import gzip
import math
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from kinefed.datasets.errors import DataError, DataReason
from kinefed.datasets.types import FloatArray

Columns = Mapping[str, FloatArray]
# No member of an archive of recordings is larger; a zip bomb is.
_MOST_BYTES = 2 * 1024**3
_GET_AGAIN = "Download or export it again"


def need_file(path: Path) -> Path:
    """Return a path that is a file, else raise ``not_found``."""
    if not path.is_file():
        raise DataError(
            DataReason.NOT_FOUND, "the file is missing", where=path, next_step=_GET_AGAIN
        )
    return path


def find_files(src: Path, pattern: str) -> list[Path]:
    """List files below a folder, sorted; none is an error."""
    found = sorted(path for path in src.glob(pattern) if path.is_file())
    if not found:
        raise DataError(
            DataReason.NOT_FOUND,
            f"no file matches {pattern}",
            where=src,
            next_step="Give the folder that holds the set as it was published",
        )
    return found


@contextlib.contextmanager
def reading(path: Path, what: str) -> Iterator[None]:
    """Turn anything a parser of outside bytes raises into one `DataError`."""
    try:
        yield
    except DataError:
        raise
    except Exception as error:  # third-party parsers raise whatever the bytes provoke
        line = (str(error).splitlines() or [""])[0][:160].rstrip(". ")
        raise DataError(
            DataReason.UNREADABLE,
            f"not a whole {what} file ({type(error).__name__}: {line})",
            where=path,
            next_step=_GET_AGAIN,
        ) from error


def read_csv_text(path: Path) -> list[dict[str, str]]:
    """Read a small CSV file as rows of text."""
    with reading(need_file(path), "CSV"):
        options = pacsv.ConvertOptions(strings_can_be_null=False)
        table = pacsv.read_csv(path, convert_options=options)
        names = table.column_names
        texts = [table.column(n).cast(pa.string()).to_pylist() for n in names]
        return [dict(zip(names, row, strict=True)) for row in zip(*texts, strict=True)]


def read_table(path: Path, required: Sequence[str] = ()) -> Columns:
    """Read a CSV (also ``.gz``) or Parquet file of numbers.

    Parameters
    ----------
    path
        The file; its name decides.
    required
        Columns that must be there.

    Returns
    -------
    mapping of str to (rows,) float64
        Empty cells are NaN.

    Raises
    ------
    DataError
        ``unreadable``, ``empty``, ``missing_column``, or ``bad_format`` for words among numbers.
    """
    need_file(path)
    if path.suffix == ".parquet":
        # A file of Arrow's own, as in `kinefed.datasets._files.read_table`.
        with reading(path, "Parquet"), pa.OSFile(str(path)) as file:
            table = pq.ParquetFile(file).read()
    else:
        with reading(path, "CSV"), contextlib.ExitStack() as stack:
            if path.suffix == ".gz":
                table = pacsv.read_csv(stack.enter_context(gzip.open(path, "rb")))
            else:
                table = pacsv.read_csv(path)
    if table.num_rows == 0:
        raise DataError(DataReason.EMPTY, "it has no rows", where=path, next_step=_GET_AGAIN)
    names = table.column_names
    if len(set(names)) != len(names):
        raise DataError(DataReason.DUPLICATE, "a column name appears twice", where=path)
    need_columns(names, required, path)
    columns: dict[str, FloatArray] = {}
    for name in names:
        column = table.column(name)
        if not (pa.types.is_floating(column.type) or pa.types.is_integer(column.type)):
            if name in required:
                raise DataError(
                    DataReason.BAD_FORMAT,
                    f"column {name!r} holds no numbers",
                    where=path,
                    next_step="Write numbers with a decimal point",
                )
            continue
        filled = column.cast(pa.float64()).fill_null(math.nan)
        columns[name] = np.asarray(filled.to_numpy(), dtype=np.float64)
    return columns


def need_columns(names: Sequence[str], required: Sequence[str], where: object) -> None:
    """Refuse a table that lacks columns, naming them all."""
    absent = [name for name in required if name not in names]
    if absent:
        raise DataError(
            DataReason.MISSING_COLUMN,
            f"no column {', '.join(absent)}",
            where=where,
            next_step="Export it with that column",
        )


def read_npz(path: Path, required: Sequence[str] = ()) -> dict[str, Any]:
    """Read arrays from an ``.npz`` file; pickled objects are refused."""
    with reading(need_file(path), "npz"):
        with zipfile.ZipFile(path) as archive:
            if sum(member.file_size for member in archive.infolist()) > _MOST_BYTES:
                raise DataError(DataReason.BAD_FORMAT, "it unpacks to over 2 GiB", where=path)
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    need_columns(list(arrays), required, path)
    return arrays


def read_mat(path: Path) -> dict[str, Any]:
    """Read a MATLAB 5 file; structs come as objects with attributes."""
    from scipy.io import loadmat

    with reading(need_file(path), "MATLAB"):
        found: dict[str, Any] = loadmat(path, struct_as_record=False, squeeze_me=True)
        return found


def read_xlsx(path: Path) -> list[dict[str, str]]:
    """Read the first sheet of a workbook as rows of text by the names in its first row."""
    space = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
    with reading(need_file(path), "xlsx"), zipfile.ZipFile(path) as book:
        strings: list[str] = []
        if "xl/sharedStrings.xml" in book.namelist():
            root = _xml(book, "xl/sharedStrings.xml", path)
            strings = ["".join(t.text or "" for t in item.iter(f"{space}t")) for item in root]
        rows: list[dict[str, str]] = []
        for row in _xml(book, "xl/worksheets/sheet1.xml", path).iter(f"{space}row"):
            cells: dict[str, str] = {}
            for cell in row.iter(f"{space}c"):
                value = cell.findtext(f"{space}v")
                if value is not None:
                    column = cell.get("r", "").rstrip("0123456789")
                    cells[column] = strings[int(value)] if cell.get("t") == "s" else value
            if cells:
                rows.append(cells)
        head = rows[0]
        return [{head[c]: v for c, v in row.items() if c in head} for row in rows[1:]]


def _xml(book: zipfile.ZipFile, member: str, path: Path) -> ElementTree.Element:
    if book.getinfo(member).file_size > 64 * 1024**2:
        raise DataError(DataReason.BAD_FORMAT, f"{member} unpacks to over 64 MiB", where=path)
    text = book.read(member)
    if b"<!DOCTYPE" in text or b"<!ENTITY" in text:  # entities can grow without bound
        raise DataError(DataReason.BAD_FORMAT, f"{member} declares entities", where=path)
    return ElementTree.fromstring(text)


def uniform_rate(time_s: FloatArray, where: object) -> tuple[float, float]:
    """Find rate and start of a time column.

    Parameters
    ----------
    time_s
        (samples,) seconds, at least two.
    where
        The file, for the message.

    Returns
    -------
    tuple of float
        Rate in Hz (a whole number where it is within 0.1 % of one) and start in seconds.

    Raises
    ------
    DataError
        ``time_order`` where time does not increase, ``rate_mismatch`` where steps differ by more
        than 10 %.
    """
    if time_s.size < 2 or not np.isfinite(time_s).all():
        raise DataError(
            DataReason.NOT_FINITE,
            "its time has fewer than two samples or is not finite",
            where=where,
            next_step=_GET_AGAIN,
        )
    steps = np.diff(time_s)
    if (steps <= 0.0).any():
        raise DataError(
            DataReason.TIME_ORDER,
            f"time does not increase after row {int(np.argmax(steps <= 0.0)) + 1}",
            where=where,
            next_step="Sort it or remove the repeated rows",
        )
    mean = (time_s[-1] - time_s[0]) / steps.size
    worst = int(np.argmax(np.abs(steps - mean)))
    if abs(steps[worst] - mean) > 0.1 * mean:
        raise DataError(
            DataReason.RATE_MISMATCH,
            f"time steps are {mean:.6g} s in the mean but {steps[worst]:.6g} s after row "
            f"{worst + 1}",
            where=where,
            next_step="Resample it to one rate, or split it at the gap",
        )
    rate_hz = float(1.0 / mean)
    whole = float(round(rate_hz))
    if whole > 0 and abs(rate_hz - whole) <= 1e-3 * whole:
        rate_hz = whole
    return rate_hz, float(time_s[0])
