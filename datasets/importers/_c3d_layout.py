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
    _check_counts(_walk(content[start : (data_block - 1) * _BLOCK], path), points, analogs, path)


def _check_counts(numbers: dict[str, float], points: int, analogs: int, path: Path) -> None:
    """Hold the counts of the parameters against the header's.

    ezc3d trusts the parameters: a wrong rate makes it read zeros by the gigabyte.
    """
    used = numbers.get("POINT:USED", float(points)) % 65536.0
    channels = numbers.get("ANALOG:USED", 0.0)
    rate_hz, analog_hz = numbers.get("POINT:RATE", 0.0), numbers.get("ANALOG:RATE", 0.0)
    a_frame = channels * analog_hz / rate_hz if channels and rate_hz > 0.0 else 0.0
    if used != points or not abs(a_frame - analogs) < 0.5:
        raise _refused(
            path,
            f"its parameters count {used:g} points and {a_frame:g} analog samples a frame, its "
            f"header {points} and {analogs}",
        )


def _walk(section: bytes, path: Path) -> dict[str, float]:
    """Walk groups and parameters: every distance, name and value must stay inside.

    Returns
    -------
    dict of str to float
        ``GROUP:NAME`` to its value, of the parameters that are one number.
    """
    at = 4
    names: dict[int, str] = {}
    numbers: dict[tuple[int, str], float] = {}
    used: set[int] = set()
    try:
        while section[at] != 0:
            name_length, group = struct.unpack_from("<bb", section, at)
            pointer = at + 2 + abs(name_length)
            (step,) = struct.unpack_from("<H", section, pointer)
            end = pointer + step if step else len(section)
            name = section[at + 2 : pointer].decode("latin-1").upper()
            if group > 0:
                used.add(group)
                number = _values(section, pointer + 2, end)
                if number is not None:
                    numbers[group, name] = number
            else:
                names[-group] = name
                if group == 0 or pointer + 3 + section[pointer + 2] > end:
                    raise ValueError("a group's description runs beyond it")
            if step == 0:
                break
            if step < 3:
                raise ValueError("a parameter points at itself")
            at = end
        if not used <= set(names):
            raise ValueError(f"the group {min(used - set(names))} is not there")
    except (IndexError, ValueError, struct.error) as error:
        raise _refused(path, f"its parameters are damaged at byte {at} ({error})") from error
    return {f"{names[group]}:{name}": number for (group, name), number in numbers.items()}


def _values(section: bytes, at: int, end: int) -> float | None:
    """Check that a parameter's values fit; return the value where it is one number."""
    width, dimensions = struct.unpack_from("<bB", section, at)
    if width not in (-1, 1, 2, 4) or dimensions > 7:
        raise ValueError(f"values of type {width} in {dimensions} dimensions")
    sizes = section[at + 2 : at + 2 + dimensions]
    count, first = math.prod(sizes), at + 2 + dimensions
    after = first + count * abs(width)
    if len(sizes) < dimensions or after > end:
        raise ValueError("values run beyond their parameter")
    if after < end and after + 1 + section[after] > end:
        raise ValueError("a description runs beyond its parameter")
    if count != 1 or width == -1:
        return None
    return float(struct.unpack_from({1: "<b", 2: "<h", 4: "<f"}[width], section, first)[0])


def _refused(path: Path, what: str) -> DataError:
    return DataError(DataReason.BAD_FORMAT, what, where=path, next_step=_GET_AGAIN)
