"""What a recording of a person is: plain frozen types, validated where they are made."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from kinefed.datasets.errors import DataError, DataReason

FloatArray = NDArray[np.float64]

# Names become folders: no separator, no dot at either end, no "..", the same on every system.
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_-]|\.(?=[A-Za-z0-9_-]))*\Z")
_RESERVED = {"con", "prn", "aux", "nul"}
_SEXES = ("f", "m", "x")
# Stature and mass are those that a body can be built of.
_BOUNDS = {"age_years": (0.0, 130.0), "height_m": (0.5, 2.8), "mass_kg": (5.0, 400.0)}
# Task of maximal voluntary contractions: they give EMG its reference, and are never tested.
MVC_TASK = "mvc"


def check_name(name: str, what: str, where: object = "") -> str:
    """Return `name` if it can be a folder name, else refuse it.

    Parameters
    ----------
    name
        Subject ID, session, task or stream name.
    what
        What it names, for the message.
    where
        The file it came from.

    Raises
    ------
    DataError
        ``path_escape`` for a separator or "..", else ``bad_name``.
    """
    escapes = ".." in name or "/" in name or "\\" in name
    if escapes or not _NAME.match(name) or len(name) > 80 or name.lower() in _RESERVED:
        raise DataError(
            DataReason.PATH_ESCAPE if escapes else DataReason.BAD_NAME,
            f"{what} {name!r} cannot be a folder name",
            where=where,
            next_step="Use letters, digits, '-', '_' and single dots, 80 characters at most",
        )
    return name


@dataclass(frozen=True, slots=True)
class Subject:
    """One person.

    Attributes
    ----------
    id
        Unique in its dataset; becomes a folder name.
    group
        The unit of splitting; two IDs of one person share it. Defaults to `id`.
    sex
        ``"f"``, ``"m"``, ``"x"`` or None.
    age_years, height_m, mass_kg
        Years above 0, 0.5 m and 5 kg or more (the smallest children who walk), or None where not
        known.
    condition
        Free text such as ``"stiff-knee"``, or None.
    segment_lengths_m
        Known lengths, for example ``{"leg.r": 0.83}``.
    """

    id: str
    group: str = ""
    sex: str | None = None
    age_years: float | None = None
    height_m: float | None = None
    mass_kg: float | None = None
    condition: str | None = None
    segment_lengths_m: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_name(self.id, "subject ID")
        if not self.group:
            object.__setattr__(self, "group", self.id)
        if self.sex is not None and self.sex not in _SEXES:
            raise _bad(f"sex of {self.id} is {self.sex!r}, not one of {', '.join(_SEXES)}")
        for name, (low, top) in _BOUNDS.items():
            value = getattr(self, name)
            if value is not None and not (value > 0.0 and low <= value <= top):
                raise _bad(f"{name} of {self.id} is {value}, not in {low:g}..{top:g}")


@dataclass(frozen=True, slots=True)
class Stream:
    """Channels sampled together at one rate.

    Attributes
    ----------
    name
        ``kinematics``, ``torque``, ``emg``, ``grf``, ``imu``, ``markers`` or another word.
    rate_hz, start_s
        Sampling rate, and the time of the first sample on the recording's clock.
    channels, units
        One name and one unit a column.
    data
        (samples, channels) float64, read-only.
    """

    name: str
    rate_hz: float
    start_s: float
    channels: tuple[str, ...]
    units: tuple[str, ...]
    data: FloatArray

    def __post_init__(self) -> None:
        check_name(self.name, "stream")
        object.__setattr__(self, "channels", tuple(self.channels))
        object.__setattr__(self, "units", tuple(self.units))
        data = np.asarray(self.data, dtype=np.float64).view()
        data.flags.writeable = False
        object.__setattr__(self, "data", data)
        if not (math.isfinite(self.rate_hz) and self.rate_hz > 0.0):
            raise _bad(f"stream {self.name} has the rate {self.rate_hz} Hz")
        if not math.isfinite(self.start_s):
            raise _bad(f"stream {self.name} starts at {self.start_s} s")
        if data.ndim != 2 or data.shape[1] != len(self.channels):
            raise DataError(
                DataReason.MISMATCH,
                f"stream {self.name} has {len(self.channels)} channels but data of {data.shape}",
                next_step="Give data as (samples, channels)",
            )
        if len(self.units) != len(self.channels):
            raise DataError(
                DataReason.MISMATCH,
                f"stream {self.name} has {len(self.channels)} channels, {len(self.units)} units",
            )
        if len(set(self.channels)) != len(self.channels):
            raise DataError(DataReason.DUPLICATE, f"stream {self.name} names a channel twice")

    @property
    def time_s(self) -> FloatArray:
        """Times of the samples, (samples,)."""
        return self.start_s + np.arange(self.data.shape[0]) / self.rate_hz

    @property
    def duration_s(self) -> float:
        """Samples over rate."""
        return len(self.data) / self.rate_hz

    def has(self, channel: str) -> bool:
        """Say whether the stream holds a channel."""
        return channel in self.channels

    def column(self, channel: str) -> FloatArray:
        """Return one channel, (samples,), as a read-only view.

        Raises
        ------
        DataError
            ``missing_column``.
        """
        if channel not in self.channels:
            raise DataError(
                DataReason.MISSING_COLUMN,
                f"stream {self.name} has no channel {channel!r}",
                next_step=f"It has {', '.join(self.channels)}",
            )
        column: FloatArray = self.data[:, self.channels.index(channel)]
        return column


@dataclass(frozen=True, slots=True, order=True)
class Event:
    """Something that happened at one time, such as ``foot_strike`` of the side ``"r"``."""

    time_s: float
    name: str
    side: str | None = None


@dataclass(frozen=True, slots=True, order=True)
class Trial:
    """One repetition in a recording, from `start_s` to `end_s`."""

    index: int
    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True, order=True)
class Gap:
    """A stretch in which a stream lost its samples."""

    stream: str
    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True, order=True)
class RecordingRef:
    """Where a recording lies: subject, session, task, and the count of that task."""

    subject: str
    session: str
    task: str
    index: int

    def __post_init__(self) -> None:
        check_name(self.subject, "subject ID")
        check_name(self.session, "session")
        check_name(self.task, "task")
        if not 0 <= self.index < 10_000:
            raise DataError(DataReason.BAD_NAME, f"recording index {self.index} not in 0..9999")

    @property
    def key(self) -> str:
        """``S01/s01/walk_01``: also its folder below ``recordings/``."""
        return f"{self.subject}/{self.session}/{self.task}_{self.index:02d}"

    @classmethod
    def parse(cls, key: str) -> RecordingRef:
        """Read a key back.

        Raises
        ------
        DataError
            ``bad_name`` or ``path_escape``.
        """
        parts = key.split("/")
        task, _, number = parts[-1].rpartition("_")
        if len(parts) != 3 or not task or not (number.isascii() and number.isdigit()):
            raise DataError(
                DataReason.BAD_NAME,
                f"{key!r} names no recording",
                next_step="Write subject/session/task_nn, for example S01/s01/walk_01",
            )
        return cls(parts[0], parts[1], task, int(number))


@dataclass(frozen=True, slots=True)
class Recording:
    """One subject, one session, one task: several streams on one clock.

    Attributes
    ----------
    ref
        Where it belongs.
    streams
        By name.
    trials, events, gaps
        In order of time.
    sensors
        Site to what was worn there, for example ``{"shank.r": "XSens Awinda"}``.
    quality
        Channel to verdict where it is not good, for example ``{"emg.soleus.l": "dead"}``:
        consumers mask that channel.
    """

    ref: RecordingRef
    streams: Mapping[str, Stream]
    trials: tuple[Trial, ...] = ()
    events: tuple[Event, ...] = ()
    gaps: tuple[Gap, ...] = ()
    sensors: Mapping[str, str] = field(default_factory=dict)
    quality: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, stream in self.streams.items():
            if name != stream.name:
                raise DataError(
                    DataReason.MISMATCH,
                    f"stream {stream.name!r} of {self.ref.key} is filed as {name!r}",
                )
        object.__setattr__(self, "streams", dict(self.streams))

    def find(self, channel: str) -> Stream | None:
        """Return the first stream that holds a channel, or None."""
        return next((s for s in self.streams.values() if s.has(channel)), None)


@dataclass(frozen=True, slots=True)
class DatasetInfo:
    """What a dataset is: name, version, licence, citation, and notes on signs and channels."""

    name: str
    version: str = "1"
    licence: str = ""
    citation: str = ""
    notes: str = ""


def _bad(what: str) -> DataError:
    return DataError(DataReason.OUT_OF_RANGE, what, next_step="Correct it or leave it out")
