"""The byte layout of a C3D file, checked before a C++ library trusts it.

A damaged header or parameter section can make a parser read beyond its buffer and end the whole
process. The layout is that of the C3D user guide (c3d.org): blocks of 512 bytes, a header, a chain
of parameters that each give the distance to the next, then the frames.
"""

from __future__ import annotations

import math
import struct
from pathlib import Path

from kinefed.datasets.errors import DataError, DataReason

_BLOCK = 512
_KEY = 0x50
_INTEL = 84
_GET_AGAIN = "Export it again from the motion-capture program"


def check_layout(path: Path) -> None:
    """Hold a C3D file's length and its chain of parameters against its header.

    Raises
    ------
    DataError
        ``bad_format`` where it is no C3D or its parameters do not chain, ``truncated`` where it
        is shorter than the header promises.
    """
    content = path.read_bytes()
    if len(content) < _BLOCK or content[1] != _KEY or content[0] == 0:
        raise _refused(path, "not a C3D file")
    start = (content[0] - 1) * _BLOCK
    if start < _BLOCK or len(content) < start + 4:
        raise _refused(path, "its parameters lie outside of the file")
    if content[start + 3] != _INTEL:
        # DEC and MIPS files are of the last century: ezc3d reads them, this check does not.
        return
    points, analogs, first, last = struct.unpack_from("<4H", content, 2)
    scale, data_block = struct.unpack_from("<fH", content, 12)
    frames = last - first + 1
    if frames < 1 or data_block < 2:
        raise _refused(path, f"its header counts frames {first} to {last}")
    whole = (data_block - 1) * _BLOCK + frames * (4 * points + analogs) * (4 if scale < 0 else 2)
    if len(content) < whole:
        raise DataError(
            DataReason.TRUNCATED,
            f"it has {len(content)} bytes, its header promises {whole}",
            where=path,
            next_step=_GET_AGAIN,
        )
    _check_chain(content[start : (data_block - 1) * _BLOCK], path)


def _check_chain(section: bytes, path: Path) -> None:
    """Walk groups and parameters: every distance, name and value must stay inside."""
    at = 4
    defined: set[int] = set()
    used: set[int] = set()
    try:
        while section[at] != 0:
            name_length, group = struct.unpack_from("<bb", section, at)
            pointer = at + 2 + abs(name_length)
            (step,) = struct.unpack_from("<H", section, pointer)
            end = pointer + step if step else len(section)
            if group > 0:
                used.add(group)
                _check_values(section, pointer + 2, end)
            else:
                defined.add(-group)
                if group == 0 or pointer + 3 + section[pointer + 2] > end:
                    raise ValueError("a group's description runs beyond it")
            if step == 0:
                break
            if step < 3:
                raise ValueError("a parameter points at itself")
            at = end
        if not used <= defined:
            raise ValueError(f"parameters of the group {min(used - defined)}, which is not there")
    except (IndexError, ValueError, struct.error) as error:
        raise _refused(path, f"its parameters are damaged at byte {at} ({error})") from error


def _check_values(section: bytes, at: int, end: int) -> None:
    width, dimensions = struct.unpack_from("<bB", section, at)
    if width not in (-1, 1, 2, 4) or dimensions > 7:
        raise ValueError(f"values of type {width} in {dimensions} dimensions")
    sizes = section[at + 2 : at + 2 + dimensions]
    if len(sizes) < dimensions or at + 2 + dimensions + math.prod(sizes) * abs(width) > end:
        raise ValueError("values run beyond their parameter")


def _refused(path: Path, what: str) -> DataError:
    return DataError(DataReason.BAD_FORMAT, what, where=path, next_step=_GET_AGAIN)
