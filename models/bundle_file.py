"""A safetensors file that nobody vouches for: read with limits, written all or nothing."""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

from kinefed.models.errors import BundleError, BundleReason

# The largest network of the review (`ozates2023`, 100 M weights) is 400 MB.
MAX_FILE_BYTES = 1 << 29
# Ours is a few kB; a metrics table of a thousand people fits too.
MAX_HEADER_BYTES = 1 << 20

KEY = "kinefed"

Tensors = dict[str, NDArray[np.float32]]
Json = dict[str, Any]


def pack(tensors: Mapping[str, NDArray[np.float32]], metadata: Json) -> bytes:
    """Give a safetensors file as bytes, equal for equal content.

    Raises
    ------
    BundleError
        ``bad_field`` where the metadata are not JSON, ``too_large``.
    """
    try:
        text = json.dumps(metadata, sort_keys=True, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise BundleError(
            BundleReason.BAD_FIELD, f"metadata cannot be written as JSON: {error}", where="bundle"
        ) from None
    data: bytes = save_tensors(
        {k: np.ascontiguousarray(v) for k, v in tensors.items()}, {KEY: text}
    )
    # What is written here must be readable there.
    _header_size(data, "bundle")
    return data


def unpack(data: bytes, where: str) -> tuple[dict[str, tuple[int, ...]], Json]:
    """Read and check the header; no tensor is read yet.

    Parameters
    ----------
    data
        The whole file.
    where
        Its name, for messages.

    Returns
    -------
    shapes
        Name and shape of every tensor; all are float32.
    metadata
        Ours, as parsed JSON.

    Raises
    ------
    BundleError
        ``too_large``, ``truncated``, ``bad_format`` or ``bad_field``.
    """
    size = _header_size(data, where)
    header = _json(data[8 : 8 + size], where, "header")
    outer = header.pop("__metadata__", None)
    if not isinstance(outer, dict) or not isinstance(outer.get(KEY), str):
        raise BundleError(
            BundleReason.BAD_FORMAT,
            "this safetensors file is no kinefed bundle",
            where=f"{where}: __metadata__.{KEY}",
        )
    shapes: dict[str, tuple[int, ...]] = {}
    end = 0
    for name, entry in header.items():
        shapes[name], last = _entry(name, entry, where)
        end = max(end, last)
    if len(data) < 8 + size + end:
        raise BundleError(
            BundleReason.TRUNCATED,
            f"{len(data)} bytes, its header promises {8 + size + end}",
            where=where,
            next_step="Copy or download the file again",
        )
    return shapes, _json(outer[KEY].encode("utf-8", "replace"), where, KEY)


def tensors_of(data: bytes, where: str) -> Tensors:
    """Read the tensors of a file whose header `unpack` accepted.

    Raises
    ------
    BundleError
        ``bad_format``.
    """
    try:
        return dict(load_tensors(data))
    except (SafetensorError, ValueError) as error:
        raise BundleError(
            BundleReason.BAD_FORMAT, f"not a valid safetensors file: {error}", where=where
        ) from None


def read_file(path: Path) -> bytes:
    """Read a whole file that is not larger than a bundle may be.

    Raises
    ------
    BundleError
        ``not_found`` or ``too_large``.
    """
    try:
        with path.open("rb") as file:
            # One byte more than allowed: a pipe or a growing file has no honest size.
            data = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise BundleError(
            BundleReason.NOT_FOUND, f"cannot be read ({error.strerror})", where=path
        ) from None
    if len(data) > MAX_FILE_BYTES:
        raise BundleError(BundleReason.TOO_LARGE, f"larger than {MAX_FILE_BYTES} bytes", where=path)
    return data


def write_file(path: Path, data: bytes) -> None:
    """Write beside the target, then rename: a reader finds the old file or the new, no part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        with fresh.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)


def _header_size(data: bytes, where: str) -> int:
    if len(data) > MAX_FILE_BYTES:
        raise BundleError(BundleReason.TOO_LARGE, f"{len(data)} bytes", where=where)
    if len(data) < 8:
        raise BundleError(BundleReason.TRUNCATED, f"only {len(data)} bytes", where=where)
    size = int(struct.unpack("<Q", data[:8])[0])
    if size > MAX_HEADER_BYTES:
        raise BundleError(
            BundleReason.TOO_LARGE,
            f"a header of {size} bytes, {MAX_HEADER_BYTES} are allowed",
            where=f"{where}: header",
        )
    if len(data) < 8 + size:
        raise BundleError(
            BundleReason.TRUNCATED, "the file ends inside its header", where=f"{where}: header"
        )
    return size


def _json(text: bytes, where: str, field: str) -> Json:
    def refuse(constant: str) -> float:
        raise ValueError(f"{constant} is no JSON number")

    def once(pairs: list[tuple[str, Any]]) -> Json:
        found = dict(pairs)
        if len(found) != len(pairs):
            raise ValueError("a name stands twice")
        return found

    try:
        value = json.loads(text, parse_constant=refuse, object_pairs_hook=once)
    except (ValueError, RecursionError) as error:
        raise BundleError(
            BundleReason.BAD_FORMAT, f"not JSON: {error}", where=f"{where}: {field}"
        ) from None
    if not isinstance(value, dict):
        raise BundleError(BundleReason.BAD_FORMAT, "not a JSON object", where=f"{where}: {field}")
    return value


def _entry(name: str, entry: object, where: str) -> tuple[tuple[int, ...], int]:
    try:
        if not isinstance(entry, dict):
            raise TypeError
        dtype, shape, (_, end) = entry["dtype"], entry["shape"], entry["data_offsets"]
        numbers = [*shape, end]
        if any(isinstance(n, bool) or not isinstance(n, int) or n < 0 for n in numbers):
            raise ValueError
    except (KeyError, TypeError, ValueError):
        raise BundleError(
            BundleReason.BAD_FORMAT, "no valid tensor entry", where=f"{where}: {name}"[:200]
        ) from None
    if dtype != "F32":
        raise BundleError(
            BundleReason.WRONG_SHAPE,
            f"holds {str(dtype)[:20]}, expected F32",
            where=f"{where}: {name}"[:200],
        )
    return tuple(shape), end
