"""Recordings as EDF+ and BDF+, for the programs that read signals of the body.

EDF+ holds 16 bits a sample, BDF+ 24: a value is off by half a step at most, and a step is the
channel's range over 65535 or 16777215. Everything else is kept and comes back with the ``edf``
importer: rates, starts, full channel names (the label has room for 16 characters; the name stands
in the transducer field), missing samples, trials, events, gaps, sensors and quality. Those are
annotations, in words that other programs show.

EDF+: Kemp and Olivan, European data format 'plus', Clinical Neurophysiology 114, 2003.
"""

from __future__ import annotations

import dataclasses
import json
import math
import os
import tempfile
from collections.abc import Iterator
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from fractions import Fraction
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from kinefed.datasets.channels import ChannelName
from kinefed.datasets.errors import DataError, DataReason, UsageError, UsageReason
from kinefed.datasets.types import FloatArray, Recording, Stream, Subject
from kinefed.datasets.units import factor_to_stored

FORMAT = 1
HEAD, STREAM, EVENT, TRIAL, GAP, MISSING = "kinefed", "stream", "event", "trial", "gap", "missing"
"""First words of the annotations."""
FORMATS = {".edf": "EDF", ".bdf": "BDF"}
# A whole number of samples has to fit into a data record; longer ones are unwieldy.
_LONGEST_RECORD_S = 60
# As much as a sensor's crystal is off.
_RATE_TOLERANCE = 1e-5
# The field of a limit has 8 characters, of which a sign, a point and 4 or more digits are left.
_LEAST_SPAN = 0.01
_FIELD = 8


def need_edfio() -> ModuleType:
    """Import edfio.

    Raises
    ------
    UsageError
        ``missing_extra``.
    """
    try:
        import edfio
    except ImportError as error:
        raise UsageError(
            UsageReason.MISSING_EXTRA,
            "EDF and BDF files need the library edfio, which is not installed",
            next_step='Install it with pip install "kinefed[import]"',
        ) from error
    return edfio


def write_edf(path: str | Path, recording: Recording, subject: Subject | None = None) -> Path:
    """Write a recording as one EDF+ or BDF+ file.

    Parameters
    ----------
    path
        New file; its ending says which: ``.edf`` (16 bits a sample) or ``.bdf`` (24 bits).
    recording
        What to write. It has no date, so the file says 1 January 1985, as EDF+ wants it then.
    subject
        The person; name and birth date are never written.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    UsageError
        ``bad_argument`` for another ending, ``missing_extra`` without edfio.
    DataError
        ``exists``, ``empty``, ``bad_name`` for a channel name of over 60 characters, or
        ``rate_mismatch`` where the streams' rates fit into no common data record of 60 s.
    """
    target = Path(path)
    fmt = FORMATS.get(target.suffix.lower())
    if fmt is None:
        raise UsageError(
            UsageReason.BAD_ARGUMENT,
            f"{target.name} ends in neither .edf nor .bdf",
            next_step="Write .edf for 16 bits a sample or .bdf for 24",
        )
    if target.exists() or target.is_symlink():
        raise DataError(
            DataReason.EXISTS, "it is there already", where=target, next_step="Choose another name"
        )
    edfio = need_edfio()
    streams = [s for s in recording.streams.values() if len(s.data) and s.channels]
    if not streams:
        raise DataError(DataReason.EMPTY, "it has no samples", where=recording.ref.key)
    record_s = _record_s(streams, recording.ref.key)
    zero_s = math.floor(min(stream.start_s for stream in streams))
    end_s = max(stream.start_s + stream.duration_s for stream in streams)
    # One sample more: starts are moved by up to half a sample to lie on the file's grid.
    slowest = min(stream.rate_hz for stream in streams)
    records = math.ceil((end_s - zero_s + 1.0 / slowest) / record_s)
    kind = edfio.EdfSignal if fmt == "EDF" else edfio.BdfSignal
    signals: list[Any] = []
    notes = list(_notes(recording, subject, zero_s))
    for number, stream in enumerate(streams):
        per_record = round(stream.rate_hz * record_s)
        front = round((stream.start_s - zero_s) * stream.rate_hz)
        padding = (front, per_record * records - front - len(stream.data))
        told = {
            "name": stream.name,
            "rate_hz": stream.rate_hz,
            "start_s": stream.start_s,
            "samples": len(stream.data),
        }
        onset_s = stream.start_s - zero_s
        notes.append((onset_s, stream.duration_s, f"{STREAM} {number} {json.dumps(told)}"))
        for onset, length, missing in _missing(stream, len(signals)):
            notes.append((onset - zero_s, length, missing))
        for channel, unit, column in zip(stream.channels, stream.units, stream.data.T, strict=True):
            written, values = _written(channel, unit, np.pad(_filled(column), padding, "edge"))
            signals.append(
                kind(
                    values,
                    per_record / record_s,
                    label=label_of(channel),
                    transducer_type=_transducer(channel, number),
                    physical_dimension=written,
                    physical_range=physical_range(values),
                )
            )
    file = (edfio.Edf if fmt == "EDF" else edfio.Bdf)(
        signals,
        recording=edfio.Recording(equipment_code="kinefed"),
        patient=edfio.Patient(sex=_sex(subject)),
        data_record_duration=record_s,
        annotations=[edfio.EdfAnnotation(*note) for note in notes],
    )
    _write_whole(file, target)
    return target


def label_of(channel: str) -> str:
    """Shorten a channel name to the 16 characters of a label: ``emg VastLate r``."""
    if len(channel) <= 16:
        return channel
    name = ChannelName.parse(channel)
    words = name.site.split("_")
    site = "".join(word[: max(3, 9 // len(words))].capitalize() for word in words)
    parts = (name.kind[:5], site, name.side, name.axis)
    return " ".join(part for part in parts if part)[:16].strip()


def physical_range(values: FloatArray) -> tuple[float, float]:
    """Find limits that hold all values and can be written in 8 characters without exponent."""
    low, high = float(values.min()), float(values.max())
    if high - low < _LEAST_SPAN:
        middle = (low + high) / 2.0
        low, high = middle - _LEAST_SPAN / 2.0, middle + _LEAST_SPAN / 2.0
    low, high = _short(low, ROUND_FLOOR), _short(high, ROUND_CEILING)
    return (low, high) if low < high else (low, _short(low + 1.0, ROUND_CEILING))


def _short(value: float, rounding: str) -> float:
    whole = len(str(math.trunc(value))) + (-1.0 < value < 0.0)
    digits: int = min(4, max(0, _FIELD - 1 - whole))
    # Exact: a product in floating point may round to the wrong side of a limit.
    return float(Decimal(value).quantize(Decimal(1).scaleb(-digits), rounding))


def _record_s(streams: list[Stream], where: str) -> int:
    """Find the shortest data record, in whole seconds, that all rates fit into."""
    whole = 1
    for stream in streams:
        rate = Fraction(stream.rate_hz).limit_denominator(_LONGEST_RECORD_S)
        if rate <= 0 or abs(float(rate) / stream.rate_hz - 1.0) > _RATE_TOLERANCE:
            whole = 0
            break
        whole = math.lcm(whole, rate.denominator)
    if not 0 < whole <= _LONGEST_RECORD_S:
        rates = ", ".join(f"{stream.rate_hz:g}" for stream in streams)
        raise DataError(
            DataReason.RATE_MISMATCH,
            f"rates of {rates} Hz fit into no common data record of {_LONGEST_RECORD_S} s",
            where=where,
            next_step="Resample it, or export fewer streams",
        )
    return whole


def _notes(
    recording: Recording, subject: Subject | None, zero_s: float
) -> Iterator[tuple[float, float | None, str]]:
    head = {
        "format": FORMAT,
        "recording": recording.ref.key,
        "zero_s": zero_s,
        "subject": None if subject is None else dataclasses.asdict(subject),
        "sensors": dict(recording.sensors),
        "quality": dict(recording.quality),
    }
    yield 0.0, None, f"{HEAD} {json.dumps(head)}"
    for event in recording.events:
        if not event.name.isprintable():
            raise DataError(
                DataReason.BAD_NAME,
                f"an event is called {event.name!r}",
                where=recording.ref.key,
                next_step="Give it a name of printable characters",
            )
        yield event.time_s - zero_s, None, f"{EVENT} {event.side or '-'} {event.name}"
    for trial in recording.trials:
        yield trial.start_s - zero_s, trial.end_s - trial.start_s, f"{TRIAL} {trial.index}"
    for gap in recording.gaps:
        yield gap.start_s - zero_s, gap.end_s - gap.start_s, f"{GAP} {gap.stream}"


def _missing(stream: Stream, first: int) -> Iterator[tuple[float, float, str]]:
    """List the stretches without a value, with the numbers of their signals."""
    spans: dict[tuple[int, int], list[int]] = {}
    for i, column in enumerate(stream.data.T):
        holes = np.concatenate(([False], ~np.isfinite(column), [False])).astype(np.int8)
        edges = np.flatnonzero(np.diff(holes))
        for a, b in zip(edges[::2], edges[1::2], strict=True):
            spans.setdefault((int(a), int(b)), []).append(first + i)
    for (a, b), signals in spans.items():
        onset_s = stream.start_s + a / stream.rate_hz
        yield onset_s, (b - a) / stream.rate_hz, " ".join((MISSING, *map(str, signals)))


def _filled(column: FloatArray) -> FloatArray:
    """Hold the last value where one is missing: the file has no way to leave it out."""
    there = np.isfinite(column)
    if there.all():
        return column
    if not there.any():
        return np.zeros_like(column)
    last = np.maximum.accumulate(np.where(there, np.arange(len(column)), -1))
    filled: FloatArray = column[np.where(last < 0, int(np.argmax(there)), last)]
    return filled


def _written(channel: str, unit: str, values: FloatArray) -> tuple[str, FloatArray]:
    """Choose the unit: volts have too few digits in the header."""
    if unit == "V":
        unit = "uV" if np.abs(values).max() < 1.0 else "mV"
        values = values / factor_to_stored(channel, unit)
    return "" if unit == "1" else unit, values


def _transducer(channel: str, stream: int) -> str:
    if len(channel) > 60:
        raise DataError(
            DataReason.BAD_NAME,
            f"{channel} is too long for the header of the file",
            next_step="Leave that channel out",
        )
    return f"{channel} of {STREAM} {stream}"


def _sex(subject: Subject | None) -> str:
    return "X" if subject is None or subject.sex is None else subject.sex.upper()


def _write_whole(file: Any, target: Path) -> None:
    """Write beside the target and rename: what is there is whole."""
    target.parent.mkdir(parents=True, exist_ok=True)
    number, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".part", dir=target.parent)
    os.close(number)
    partial = Path(name)
    try:
        file.write(partial)
        partial.chmod(0o644)
        partial.rename(target)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
