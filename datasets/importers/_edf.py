"""EDF and BDF files through edfio, and what `kinefed.datasets.edf` noted in them."""

from __future__ import annotations

import json
import math
import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kinefed.datasets import edf as layout
from kinefed.datasets.channels import ChannelName
from kinefed.datasets.errors import DataError, DataReason
from kinefed.datasets.importers._build import make_stream
from kinefed.datasets.importers._read import need_file, reading
from kinefed.datasets.types import Event, FloatArray, Gap, Recording, RecordingRef, Trial
from kinefed.datasets.units import factor_to_stored

_OWN = re.compile(r"(\S+) of stream (\d+)\Z")
# How other programs write units, with either of the two signs for micro.
_UNITS = {"": "1", "uv": "uV", "µv": "uV", "μv": "uV", "mv": "mV", "v": "V"}


@dataclass(frozen=True, slots=True)
class EdfSignal:
    """One signal: its header, rate, and values (samples,) in its unit."""

    label: str
    transducer: str
    unit: str
    rate_hz: float
    values: FloatArray


@dataclass(frozen=True, slots=True)
class EdfFile:
    """One file: signals, annotations as (onset, duration, text), and ``"F"``, ``"M"`` or ""."""

    path: Path
    signals: tuple[EdfSignal, ...]
    notes: tuple[tuple[float, float, str], ...]
    sex: str

    def head(self) -> Mapping[str, Any] | None:
        """Say what `write_edf` noted of the whole recording; None in another program's file."""
        for _, _, text in self.notes:
            word, _, body = text.partition(" ")
            if word == layout.HEAD and body.startswith("{"):
                with reading(self.path, "kinefed EDF"):
                    head: dict[str, Any] = json.loads(body)
                    if head["format"] != layout.FORMAT:
                        raise ValueError(f"format {head['format']}")
                    return head
        return None


def read_edf(path: Path) -> EdfFile:
    """Read a file, by its ending.

    Raises
    ------
    DataError
        ``unreadable`` where it is damaged or cut, ``rate_mismatch`` where it is in pieces, and
        ``bad_format`` where the limits or the rate of a signal make no numbers.
    UsageError
        ``missing_extra``.
    """
    edfio = layout.need_edfio()
    bdf = path.suffix.lower() == ".bdf"
    with reading(need_file(path), "BDF" if bdf else "EDF"), warnings.catch_warnings():
        # edfio warns of what it cut off or corrected; a damaged file is not to be used.
        warnings.simplefilter("error")
        file = edfio.read_bdf(path) if bdf else edfio.read_edf(path, lazy_load_data=False)
        if file.reserved.endswith("+D") or not file.is_continuous:
            raise DataError(
                DataReason.RATE_MISMATCH,
                "it is in pieces (EDF+D)",
                where=path,
                next_step="Export it as a continuous EDF+C file",
            )
        bare = [s.label for s in file.signals if not _scaled(s)]
        signals = tuple(
            EdfSignal(
                s.label,
                s.transducer_type,
                s.physical_dimension,
                float(s.sampling_frequency),
                np.asarray(s.data, dtype=np.float64),
            )
            for s in file.signals
        )
        notes = tuple((a.onset, a.duration or 0.0, a.text) for a in file.annotations)
    if bare:
        raise DataError(
            DataReason.BAD_FORMAT,
            f"the limits or the rate of signal {bare[0]!r} make no numbers",
            where=path,
            next_step="Export it again",
        )
    sex = file.local_patient_identification.split()[1:2]
    return EdfFile(path, signals, notes, sex[0] if sex in (["F"], ["M"]) else "")


def _scaled(signal: Any) -> bool:
    """Whether the header says how counts become numbers."""
    low, high = signal.physical_range
    spans = (high - low, signal.digital_max - signal.digital_min, signal.sampling_frequency)
    return all(math.isfinite(span) for span in spans) and spans[0] != 0.0 and min(spans[1:]) > 0


def own_recording(file: EdfFile, ref: RecordingRef, head: Mapping[str, Any]) -> Recording:
    """Undo `write_edf`; whatever is not as it wrote it raises what Python raises."""
    zero_s = float(head["zero_s"])
    told: dict[int, Mapping[str, Any]] = {}
    events, trials, gaps, missing = [], [], [], []
    for onset, duration, text in file.notes:
        word, *rest = text.split(" ")
        start, end = zero_s + onset, zero_s + onset + duration
        if word == layout.STREAM:
            told[int(rest[0])] = json.loads(" ".join(rest[1:]))
        elif word == layout.EVENT:
            side = None if rest[0] == "-" else rest[0]
            events.append(Event(start, " ".join(rest[1:]), side))
        elif word == layout.TRIAL:
            trials.append(Trial(int(rest[0]), start, end))
        elif word == layout.GAP:
            gaps.append(Gap(rest[0], start, end))
        elif word == layout.MISSING:
            missing.append((start, duration, [int(number) for number in rest]))
    columns: dict[int, dict[str, FloatArray]] = {number: {} for number in told}
    for i, signal in enumerate(file.signals):
        match = _OWN.match(signal.transducer)
        if match is None:
            raise ValueError(f"signal {signal.label!r} names no channel")
        channel, number = match[1], int(match[2])
        rate_hz, start_s = (float(told[number][key]) for key in ("rate_hz", "start_s"))
        samples = int(told[number]["samples"])
        front = round((start_s - zero_s) * rate_hz)
        if not 0 < samples <= len(signal.values) - front or front < 0:
            raise ValueError(f"stream {number} does not fit into the file")
        values = signal.values[front : front + samples] * factor(channel, signal.unit)
        if ChannelName.parse(channel).kind == "valid":
            values = np.round(values)
        for start, duration, signals in missing:
            if i in signals:
                first = round((start - start_s) * rate_hz)
                values[first : first + round(duration * rate_hz)] = np.nan
        if channel in columns[number]:
            raise ValueError(f"{channel} comes twice in stream {number}")
        columns[number][channel] = values
    streams = {
        str(stream["name"]): make_stream(
            str(stream["name"]), float(stream["rate_hz"]), float(stream["start_s"]), columns[number]
        )
        for number, stream in sorted(told.items())
    }
    return Recording(
        ref,
        streams,
        tuple(sorted(trials)),
        tuple(sorted(events, key=lambda event: event.time_s)),
        tuple(sorted(gaps)),
        {str(k): str(v) for k, v in head["sensors"].items()},
        {str(k): str(v) for k, v in head["quality"].items()},
    )


def factor(channel: str, unit: str) -> float:
    """Give the factor from a unit as programs write it to that of a channel."""
    return factor_to_stored(channel, _UNITS.get(unit.strip().lower(), unit.strip()))
