"""Small builders that importers share."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from kinefed.datasets.channels import ChannelName
from kinefed.datasets.errors import DataError, DataReason
from kinefed.datasets.types import FloatArray, Stream, Trial

BoolArray = NDArray[np.bool_]
# Standard gravity, by definition (CGPM 1901).
GRAVITY_M_S2 = 9.80665


def make_stream(
    name: str, rate_hz: float, start_s: float, columns: Mapping[str, FloatArray]
) -> Stream:
    """Make a stream of named columns in the table's units, all (samples,)."""
    channels = tuple(columns)
    units = tuple(ChannelName.parse(channel).unit for channel in channels)
    sizes = {len(column) for column in columns.values()}
    if len(sizes) > 1:
        raise DataError(
            DataReason.MISMATCH, f"columns of stream {name} have the lengths {sorted(sizes)}"
        )
    return Stream(name, rate_hz, start_s, channels, units, np.column_stack(list(columns.values())))


def cropped(stream: Stream, start_s: float, end_s: float) -> Stream:
    """Keep the samples of a stream from one time up to before another."""
    first = max(0, round((start_s - stream.start_s) * stream.rate_hz))
    end = max(first, round((end_s - stream.start_s) * stream.rate_hz))
    return dataclasses.replace(
        stream, start_s=stream.start_s + first / stream.rate_hz, data=stream.data[first:end]
    )


def streams_by_name(streams: Iterable[Stream | None]) -> dict[str, Stream]:
    """Key streams by name, leaving out those that are not there."""
    return {stream.name: stream for stream in streams if stream is not None}


def need_mass(mass_kg: float | None, where: object) -> float:
    """Return the mass, or refuse torque without it."""
    if mass_kg is None:
        raise DataError(
            DataReason.NO_MASS,
            "torque is in N m and the body mass is not given, so N m/kg cannot be had",
            where=where,
            next_step="Give the body mass (mass_kg), or leave the torque out (torque=False)",
        )
    return mass_kg


def runs(mask: BoolArray) -> list[tuple[int, int]]:
    """List the stretches where a mask holds, as (first, one past last)."""
    edges = np.flatnonzero(np.diff(np.concatenate(([0], mask.astype(np.int8), [0]))))
    return [(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def whole_contacts(
    force: FloatArray,
    threshold: float,
    strikes: Sequence[int] = (),
    offs: Sequence[int] = (),
) -> BoolArray:
    """Frames of contacts in which a foot was wholly on a force plate.

    A contact is a run of vertical force above `threshold`. It counts if it starts within 3 frames
    of a foot strike and ends within 10 of a foot off, where such events are known: a force that
    begins or ends elsewhere is of a foot partly beside the plate, whose computed moment is wrong.

    Parameters
    ----------
    force
        (frames,) vertical force; NaN counts as none.
    threshold
        In the unit of `force`.
    strikes, offs
        Frame numbers of that foot's events; empty: not known.

    Returns
    -------
    (frames,) bool
    """
    mask = np.nan_to_num(force) > threshold
    for first, end in runs(mask):
        late = bool(len(strikes)) and min(abs(first - s) for s in strikes) > 3
        early = bool(len(offs)) and min(abs(end - 1 - o) for o in offs) > 10
        if late or early:
            mask[first:end] = False
    return mask


def contact_trials(masks: Iterable[BoolArray], rate_hz: float, frames: int) -> tuple[Trial, ...]:
    """Make a trial of every contact in order of time; without any, one of the whole recording."""
    spans = sorted(span for mask in masks for span in runs(mask)) or [(0, frames)]
    return tuple(Trial(i, a / rate_hz, b / rate_hz) for i, (a, b) in enumerate(spans))


def eroded(mask: BoolArray, frames: int) -> BoolArray:
    """Shorten every run of a mask by some frames at both ends, those of the recording too."""
    out = mask.copy()
    for shift in range(1, frames + 1):
        out[shift:] &= mask[:-shift]
        out[:-shift] &= mask[shift:]
        out[:shift] = out[-shift:] = False
    return out
