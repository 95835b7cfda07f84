"""Streams at even times with the names of recordings: for pipelines while worn, and to keep."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from kinefed.datasets.channels import unit_of
from kinefed.datasets.errors import DataError, DataReason
from kinefed.datasets.types import Gap, Recording, RecordingRef, Stream
from kinefed.sensors.decoder import FloatArray
from kinefed.sensors.driver import StreamSpec
from kinefed.sensors.grid import BoolArray, Even, Grid
from kinefed.sensors.records import Record
from kinefed.sensors.session import Session
from kinefed.sensors.timeline import Timed
from kinefed.sensors.worn import Worn
from kinefed.signals import Pipeline, PipelineSession

UNKNOWN_RATE_HZ = 50.0
"""Even times of a stream whose maker names no rate."""


class EvenStream:
    """One stream of one worn sensor at even times, in the channels and units of recordings.

    Parameters
    ----------
    worn, spec
        Which.
    start_ns
        Time zero on the host's monotonic clock.

    Attributes
    ----------
    name
        ``<sensor>-<stream>``.
    rate_hz
        The nominal rate.
    channels
        Names; empty where nothing of the stream has a place in a recording.
    """

    def __init__(self, worn: Worn, spec: StreamSpec, start_ns: int) -> None:
        named = worn.columns(spec)
        self.name = f"{worn.name}-{spec.name}"
        self.rate_hz = spec.rate_hz or UNKNOWN_RATE_HZ
        self.channels = tuple(named.values())
        self._columns = list(named)
        self._scale = np.array([worn.scale(spec, column) for column in named])
        emg = any(spec.channels[column].kind == "emg" for column in named)
        self._grid = Grid(self.rate_hz, start_ns, nearest=emg)

    @classmethod
    def named(cls, name: str, rate_hz: float, channels: Sequence[str], start_ns: int) -> Self:
        """Make one of a stream whose columns have their names and units already.

        Parameters
        ----------
        name, rate_hz, channels
            As the attributes; one channel a column.
        start_ns
            Time zero on the host's monotonic clock.
        """
        stream = cls.__new__(cls)
        stream.name, stream.rate_hz, stream.channels = name, rate_hz, tuple(channels)
        stream._columns = list(range(len(stream.channels)))
        stream._scale = np.ones(len(stream.channels))
        emg = any(channel.startswith("emg.") for channel in stream.channels)
        stream._grid = Grid(rate_hz, start_ns, nearest=emg)
        return stream

    def push(self, timed: Timed) -> Even:
        """Take the next samples; give what is ready, in recording units."""
        even = self._grid.push(timed)
        return Even(even.first, even.values[:, self._columns] * self._scale, even.valid)


@dataclass(frozen=True, slots=True)
class Prepared:
    """Output of a pipeline.

    Attributes
    ----------
    values
        (samples, channels out) float64.
    whole
        Whether all samples that went in were measured; False while a gap is bridged by held
        values.
    """

    values: FloatArray
    whole: bool


class LivePipeline:
    """A pipeline on the stream of a worn sensor; the same object as offline.

    Parameters
    ----------
    pipeline
        Causal.
    stream
        What it works on.

    Attributes
    ----------
    session
        With the layout of what comes out.
    """

    def __init__(self, pipeline: Pipeline, stream: EvenStream) -> None:
        self.session: PipelineSession = pipeline.open(stream.rate_hz, stream.channels)
        self._stream = stream

    def push(self, timed: Timed) -> Prepared:
        """Take the next samples; give what is ready."""
        even = self._stream.push(timed)
        return Prepared(self.session.push(even.values), bool(even.valid.all()))


class Recorder:
    """Gathers what is measured into a recording.

    Parameters
    ----------
    sensors
        What is worn.
    start_ns
        Time zero on the host's monotonic clock.
    """

    def __init__(self, sensors: Sequence[Worn], start_ns: int) -> None:
        self._sensors = tuple(sensors)
        self._streams: dict[tuple[str, str], EvenStream] = {}
        self._parts: dict[tuple[str, str], list[Even]] = {}
        for worn in self._sensors:
            for spec in worn.driver().streams:
                stream = EvenStream(worn, spec, start_ns)
                if stream.channels:
                    self._streams[worn.name, spec.name] = stream
                    self._parts[worn.name, spec.name] = []

    def take(self, sensor: str, timed: Timed) -> None:
        """Take samples of a sensor; those without a place in a recording are passed over."""
        key = (sensor, timed.samples.stream)
        if key in self._streams:
            self._parts[key].append(self._streams[key].push(timed))

    def recording(self, ref: RecordingRef) -> Recording:
        """Make the recording of all that was taken.

        Raises
        ------
        DataError
            ``empty`` where nothing was.
        """
        streams: dict[str, Stream] = {}
        gaps: list[Gap] = []
        for key, parts in self._parts.items():
            found = [part for part in parts if len(part.values)]
            if not found:
                continue
            source = self._streams[key]
            start_s = found[0].first / source.rate_hz
            valid = np.concatenate([part.valid for part in found])
            streams[source.name] = Stream(
                source.name,
                source.rate_hz,
                start_s,
                source.channels,
                tuple(unit_of(channel) for channel in source.channels),
                np.vstack([part.values for part in found]),
            )
            gaps += _gaps(streams[source.name], valid)
        if not streams:
            raise DataError(
                DataReason.EMPTY,
                "no samples came",
                where=ref.key,
                next_step="Look whether the sensors stream and have a place on the body",
            )
        titles = {worn.name: worn.driver().title for worn in self._sensors}
        worn_at = {w.place or w.name: titles[w.name] for w in self._sensors}
        return Recording(ref, streams, gaps=tuple(sorted(gaps)), sensors=worn_at)


def record(
    records: Sequence[Record], sensors: Sequence[Worn], ref: RecordingRef
) -> tuple[Recording, Session]:
    """Make the recording of all records of a session: just taken, or read from a log.

    Time zero is the arrival of the first record.

    Returns
    -------
    recording
        Streams at even times, with their gaps.
    session
        With the health of each sensor.

    Raises
    ------
    DataError
        ``empty`` where no samples came.
    """
    session = Session(sensors)
    recorder = Recorder(sensors, records[0].arrival_ns if records else 0)
    for each in records:
        for heard in session.take(each):
            if isinstance(heard.item, Timed):
                recorder.take(heard.sensor, heard.item)
    return recorder.recording(ref), session


def _gaps(stream: Stream, valid: BoolArray) -> list[Gap]:
    """Find the stretches of held values."""
    edges = np.flatnonzero(np.diff(np.concatenate(([True], valid, [True])).astype(np.int8)))
    times = stream.time_s
    return [
        Gap(stream.name, float(times[a]), float(times[b - 1]))
        for a, b in zip(edges[::2], edges[1::2], strict=True)
    ]
