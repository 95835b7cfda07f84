"""What must hold for every recording: the rules that writing and checking share."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kinefed.datasets.channels import KINDS, ChannelName
from kinefed.datasets.errors import DataError, DataReason
from kinefed.datasets.types import FloatArray, Recording, Stream

# A worn accelerometer at rest reads 9.81 m/s^2; a median norm below this is in g.
_LEAST_GRAVITY_M_S2 = 3.0


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault: where it is, what it is, and its reason."""

    where: str
    what: str
    reason: DataReason

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"


def recording_faults(recording: Recording) -> list[Fault]:
    """List what is wrong in a recording's numbers and names.

    Parameters
    ----------
    recording
        With its streams.

    Returns
    -------
    list of Fault
        Unknown channels, wrong units, values that are not finite where their validity channel
        (``valid.<kind>[.<side>]``), the recording's gaps and its quality notes say they should
        be, magnitudes that reveal another unit, and trials, events or gaps that run backwards.
    """
    key = recording.ref.key
    faults: list[Fault] = []
    if not recording.streams:
        faults.append(Fault(key, "it has no streams", DataReason.EMPTY))
    for stream in recording.streams.values():
        faults += _stream_faults(recording, stream)
    known = {channel for stream in recording.streams.values() for channel in stream.channels}
    faults += [
        Fault(key, f"quality names the absent channel {channel!r}", DataReason.UNKNOWN_CHANNEL)
        for channel in recording.quality
        if channel not in known
    ]
    spans = [(f"trial {t.index}", t.start_s, t.end_s) for t in recording.trials]
    spans += [(f"gap of {g.stream}", g.start_s, g.end_s) for g in recording.gaps]
    faults += [
        Fault(key, f"{name} runs from {a} s to {b} s", DataReason.TIME_ORDER)
        for name, a, b in spans
        if not a <= b
    ]
    times = [event.time_s for event in recording.events]
    if times != sorted(times) or not np.isfinite(times).all():
        faults.append(Fault(key, "its events are not in order of time", DataReason.TIME_ORDER))
    faults += [
        Fault(key, f"event {event.name} has the side {event.side!r}", DataReason.BAD_NAME)
        for event in recording.events
        if event.side not in (None, "l", "r")
    ]
    return faults


def _stream_faults(recording: Recording, stream: Stream) -> list[Fault]:
    where = f"{recording.ref.key}/{stream.name}"
    if stream.data.shape[0] == 0:
        return [Fault(where, "it has no samples", DataReason.EMPTY)]
    time_s = stream.time_s
    gap = np.zeros(len(time_s), dtype=bool)
    for g in recording.gaps:
        if g.stream == stream.name:
            first = np.searchsorted(time_s, g.start_s)
            gap[first : np.searchsorted(time_s, g.end_s, side="right")] = True
    faults: list[Fault] = []
    for channel, unit, column in zip(stream.channels, stream.units, stream.data.T, strict=True):
        try:
            name = ChannelName.parse(channel)
        except DataError as error:
            faults.append(Fault(where, error.what, DataReason.UNKNOWN_CHANNEL))
            continue
        if unit != name.unit:
            faults.append(
                Fault(
                    where,
                    f"{channel} is in {unit!r}, not in {name.unit!r}",
                    DataReason.WRONG_UNIT,
                )
            )
            continue
        if channel in recording.quality:
            continue
        faults += _value_faults(where, name, column, _claimed(stream, name) & ~gap)
    return faults + _gravity_faults(recording, stream, where)


def _claimed(stream: Stream, name: ChannelName) -> NDArray[np.bool_]:
    """Samples that the stream claims to be good: ``valid.<kind>.<side>``, else all of them."""
    for mask in (f"valid.{name.kind}.{name.side}", f"valid.{name.kind}"):
        if name.kind != "valid" and stream.has(mask):
            claimed: NDArray[np.bool_] = stream.column(mask) == 1.0
            return claimed
    return np.ones(stream.data.shape[0], dtype=bool)


def _value_faults(
    where: str, name: ChannelName, column: FloatArray, claimed: NDArray[np.bool_]
) -> list[Fault]:
    finite = np.isfinite(column)
    kind = KINDS[name.kind]
    faults: list[Fault] = []
    holes = claimed & ~finite
    if holes.any() and not (kind.may_be_nan and not np.isinf(column).any()):
        faults.append(
            Fault(
                where,
                f"{name} is not finite in {int(holes.sum())} samples that count as valid, "
                f"first in sample {int(np.argmax(holes))}",
                DataReason.NOT_FINITE,
            )
        )
    seen = np.abs(column[claimed & finite])
    if name.kind == "valid" and not np.isin(seen, (0.0, 1.0)).all():
        faults.append(Fault(where, f"{name} is not 0 or 1 everywhere", DataReason.OUT_OF_RANGE))
    elif seen.size and seen.max() > name.limit:
        hint = f"; is it in {kind.suspect}?" if kind.suspect else ""
        faults.append(
            Fault(
                where,
                f"{name} reaches {seen.max():.4g} {kind.unit}, beyond {name.limit:.4g}{hint}",
                DataReason.OUT_OF_RANGE,
            )
        )
    return faults


def _gravity_faults(recording: Recording, stream: Stream, where: str) -> list[Fault]:
    """Find accelerometers whose resting norm shows g instead of m/s^2."""
    faults: list[Fault] = []
    for channel in stream.channels:
        if not channel.startswith("acc.") or not channel.endswith(".x"):
            continue
        triple = [channel[:-1] + axis for axis in "xyz"]
        if not all(stream.has(c) and c not in recording.quality for c in triple):
            continue
        norm = np.sqrt(sum(stream.column(c) ** 2 for c in triple))
        norm = norm[np.isfinite(norm)]
        if norm.size and np.median(norm) < _LEAST_GRAVITY_M_S2:
            faults.append(
                Fault(
                    where,
                    f"{channel[:-2]} has a median norm of {np.median(norm):.3g} m/s^2, far below "
                    "gravity; is it in g?",
                    DataReason.OUT_OF_RANGE,
                )
            )
    return faults
