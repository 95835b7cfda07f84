"""What lies inside recorded bytes: array bodies of Messages, and packed streams."""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from flwr.proto.message_pb2 import Message as ProtoMessage
from google.protobuf.message import DecodeError  # type: ignore[import-untyped, unused-ignore]

from kinefed.datasets.errors import DataError, DataReason

# A zip member, a gzip member, and the four first bytes that zlib writes for a 32 KiB window.
_PACKED = re.compile(rb"PK\x03\x04|\x1f\x8b\x08|\x78[\x01\x5e\x9c\xda]")
_ZIP_DEFLATED = 8
# Random bytes look like the start of a zlib stream now and then, and inflate to a few bytes;
# four float64 are 32 bytes.
_LEAST_INFLATED = 32


@dataclass(frozen=True, slots=True)
class Packed:
    """One compressed stream: its kind, its bytes in the outer data, and what it holds."""

    kind: str
    start: int
    end: int
    content: bytes


def segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Cut a Flower Message at its arrays, so that each array is one segment.

    The same vector goes to many clients in Messages that differ in a few bytes; as a segment
    of its own it can be told by its hash. Together the segments are all of the data.

    Parameters
    ----------
    data
        A serialised Message, or any other bytes, which are then one segment.

    Yields
    ------
    offset : int
    segment : bytes
    """
    try:
        message = ProtoMessage.FromString(data)
    except DecodeError:
        yield 0, data
        return
    done = 0
    for record in message.content.items:
        for item in record.array_record.items:
            at = data.find(item.value.data, done) if item.value.data else -1
            if at < 0:
                continue
            if at > done:
                yield done, data[done:at]
            yield at, item.value.data
            done = at + len(item.value.data)
    if done < len(data):
        yield done, data[done:]


def packed_streams(data: bytes, max_inflated: int) -> Iterator[Packed]:
    """Inflate every zip, gzip and zlib stream in the data (a stored zip member is plain bytes).

    Parameters
    ----------
    data
        Any bytes.
    max_inflated
        The most bytes that one stream may hold.

    Raises
    ------
    DataError
        ``out_of_range`` for a stream that holds more, as the rest would go unsearched.
    """
    view = memoryview(data)
    for found in _PACKED.finditer(data):
        start = body = found.start()
        kind, wbits = "zlib", zlib.MAX_WBITS
        if found.group()[:1] == b"\x1f":
            kind, wbits = "gzip", zlib.MAX_WBITS | 16
        elif found.group()[:1] == b"P":
            kind, wbits = "zip", -zlib.MAX_WBITS
            if len(data) < start + 30:
                continue
            (method,) = struct.unpack_from("<H", data, start + 8)
            name, extra = struct.unpack_from("<HH", data, start + 26)
            body = start + 30 + name + extra
            if method != _ZIP_DEFLATED:
                continue
        content, end = _inflate(view, body, wbits, max_inflated)
        if len(content) >= _LEAST_INFLATED:
            yield Packed(kind, start, end, content)


def _inflate(data: memoryview, start: int, wbits: int, limit: int) -> tuple[bytes, int]:
    """Inflate as far as the stream goes; a broken tail leaves what came before it."""
    decoder = zlib.decompressobj(wbits)
    content = bytearray()
    at, step = start, 1024
    while at < len(data) and not decoder.eof:
        try:
            content += decoder.decompress(data[at : at + step], limit + 1 - len(content))
        except zlib.error:
            break
        if len(content) > limit:
            raise DataError(
                DataReason.OUT_OF_RANGE,
                f"a compressed stream holds more than {limit} bytes",
                where=f"byte {start}",
                next_step="Raise max_inflated, so that all of it is searched",
            )
        at = min(at + step, len(data)) - len(decoder.unused_data)
        step = min(2 * step, 1 << 16)
    return bytes(content), at


@dataclass(frozen=True, slots=True)
class Segment:
    """Bytes of one message, from an offset on."""

    message: int
    offset: int
    data: bytes


class Batch:
    """Small segments searched together, as most of the time of a small search is overhead."""

    def __init__(self, segments: Sequence[Segment]) -> None:
        self._segments = segments
        # A byte that no text holds keeps the numbers of two segments apart.
        self.data = b"\xff".join(segment.data for segment in segments)
        self._starts = np.cumsum([0, *(len(segment.data) + 1 for segment in segments)])

    def origin(self, begin: int, end: int) -> tuple[int, int] | None:
        """Return the message of a byte range, and what to add to get the offset in it.

        None for a range over two segments, which was put together here.
        """
        number = int(np.searchsorted(self._starts, begin, side="right")) - 1
        segment, start = self._segments[number], int(self._starts[number])
        return (
            None if end > start + len(segment.data) else (segment.message, segment.offset - start)
        )
