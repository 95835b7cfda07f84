"""The raw log of a session: every packet as it came, to be replayed bit for bit.

::

    "KFPL" 1, uint32 length, JSON of the sensors and their characteristics
    then records: uint8 kind, uint8 sensor, uint8 what, int64 arrival_ns, uint16 length, bytes,
                  uint32 CRC of all of it

All numbers are little-endian. The file only grows; what a crash tore off at its end is cut when
it is read.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from kinefed.datasets.errors import DataError, DataReason
from kinefed.sensors.records import LinkEvent, LinkState, Packet, Record
from kinefed.sensors.worn import Worn

_MAGIC = b"KFPL\x01"
_HEAD = struct.Struct("<BBBqH")
_CRC = struct.Struct("<I")
_LENGTH = struct.Struct("<I")
_PACKET, _EVENT = 1, 2
_STATES = tuple(LinkState)
_FLUSH_NS = 1_000_000_000


class LogWriter:
    """Writes a log; a context manager.

    Parameters
    ----------
    path
        New file.
    sensors
        What is worn.

    Raises
    ------
    DataError
        ``exists``.
    """

    def __init__(self, path: str | Path, sensors: Sequence[Worn]) -> None:
        self._sensors = {worn.name: i for i, worn in enumerate(sensors)}
        self._uuids = [_uuids(worn) for worn in sensors]
        table = [
            worn.to_dict() | {"characteristics": uuids}
            for worn, uuids in zip(sensors, self._uuids, strict=True)
        ]
        head = json.dumps({"sensors": table}).encode()
        try:
            self._file = Path(path).open("xb")  # noqa: SIM115
        except FileExistsError as error:
            raise DataError(
                DataReason.EXISTS, "it is there already", where=path, next_step="Choose another"
            ) from error
        self._file.write(_MAGIC + _LENGTH.pack(len(head)) + head)
        self._flushed_ns: int | None = None

    def write(self, record: Record) -> None:
        """Append a record; after a second at most it is out of this program's hands."""
        sensor = self._sensors[record.sensor]
        if isinstance(record, Packet):
            kind, value = _PACKET, record.value
            what = self._uuids[sensor].index(record.characteristic)
        else:
            kind, what = _EVENT, _STATES.index(record.state)
            value = record.detail.encode()[:0xFFFF]
        data = _HEAD.pack(kind, sensor, what, record.arrival_ns, len(value)) + value
        self._file.write(data + _CRC.pack(zlib.crc32(data)))
        if self._flushed_ns is None or record.arrival_ns - self._flushed_ns > _FLUSH_NS:
            self._file.flush()
            self._flushed_ns = record.arrival_ns

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


@dataclass(frozen=True, slots=True)
class PacketLog:
    """A log that was read.

    Attributes
    ----------
    sensors
        What was worn.
    records
        In the order in which they came.
    torn
        Bytes at the end that are no whole record.
    """

    sensors: tuple[Worn, ...]
    records: tuple[Record, ...]
    torn: int


def read_log(path: str | Path) -> PacketLog:
    """Read a log.

    Raises
    ------
    DataError
        ``not_found``; ``bad_format`` where it is no log; ``truncated`` where a record before
        the end is damaged, with the place.
    """
    file = Path(path)
    try:
        data = file.read_bytes()
    except FileNotFoundError as error:
        raise DataError(DataReason.NOT_FOUND, "no such log", where=file) from error
    at = len(_MAGIC) + _LENGTH.size
    if data[: len(_MAGIC)] != _MAGIC or len(data) < at:
        raise DataError(DataReason.BAD_FORMAT, "it is no packet log", where=file)
    (length,) = _LENGTH.unpack_from(data, len(_MAGIC))
    try:
        table = json.loads(data[at : at + length])["sensors"]
        uuids = [[str(uuid) for uuid in entry["characteristics"]] for entry in table]
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(DataReason.BAD_FORMAT, "its head is damaged", where=file) from error
    sensors = tuple(Worn.from_dict(entry, file) for entry in table)
    whole = list(_records(data, at + length, sensors, uuids, file))
    end = whole[-1][0] if whole else at + length
    return PacketLog(sensors, tuple(record for _, record in whole), len(data) - end)


def _records(
    data: bytes, at: int, sensors: Sequence[Worn], uuids: list[list[str]], file: Path
) -> Iterator[tuple[int, Record]]:
    """Give each whole record with the place of its end."""
    while at + _HEAD.size + _CRC.size <= len(data):
        kind, sensor, what, arrival_ns, length = _HEAD.unpack_from(data, at)
        body, end = at + _HEAD.size, at + _HEAD.size + length + _CRC.size
        if end > len(data):
            return
        (crc,) = _CRC.unpack_from(data, end - _CRC.size)
        if crc != zlib.crc32(data[at : end - _CRC.size]):
            raise DataError(
                DataReason.TRUNCATED,
                f"the record at byte {at} is damaged",
                where=file,
                next_step="Copy the log again, or use the recording that was made beside it",
            )
        value, name = data[body : body + length], sensors[sensor].name
        if kind == _PACKET:
            yield end, Packet(name, arrival_ns, uuids[sensor][what], value)
        else:
            detail = value.decode("utf-8", "replace")
            yield end, LinkEvent(name, arrival_ns, _STATES[what], detail)
        at = end


def _uuids(worn: Worn) -> list[str]:
    driver = worn.driver()
    return list(dict.fromkeys((*driver.notifies, *driver.reads)))
