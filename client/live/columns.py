"""The streams behind a leg's frames: what each measured, and its columns through a pipeline."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kinefed.client.live.tail import Tail
from kinefed.signals import Pipeline, PipelineSession

Samples = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

# Times agree if they differ by less than this share of a sample, as in `leg_series`.
_SAME_SAMPLE = 1e-6


@dataclass(frozen=True, slots=True)
class StreamLayout:
    """A stream at even times, as `kinefed.sensors.EvenStream` gives it.

    Attributes
    ----------
    name
        Of the stream.
    rate_hz
        Samples a second.
    channels
        Names in recordings, with their sides.
    """

    name: str
    rate_hz: float
    channels: tuple[str, ...]


class Heartbeat:
    """When samples of a stream came last, and which of them were measured.

    Parameters
    ----------
    rate_hz
        Samples a second.
    span_s
        For how long it is remembered which samples were measured.

    Attributes
    ----------
    start_s
        Time of the first sample; None before it.
    """

    def __init__(self, rate_hz: float, span_s: float) -> None:
        self._rate_hz = rate_hz
        self._valid = Tail(math.ceil(span_s * rate_hz), 1, np.bool_)
        self._last_bad = -1
        self._held: Samples | None = None
        self.start_s: float | None = None
        self._newest_s = -math.inf

    def take(self, first: int, values: Samples, valid: BoolArray) -> Samples:
        """Take the next samples, (n, channels), n > 0; give them with every number finite."""
        if self.start_s is None:
            self.start_s = first / self._rate_hz
        finite = np.isfinite(values)
        if not finite.all():
            values, valid = self._hold(values, finite), valid & finite.all(axis=1)
        self._held = values[-1]
        bad = np.flatnonzero(~valid)
        if len(bad):
            self._last_bad = self._valid.count + int(bad[-1])
        self._valid.append(valid[:, None])
        self._newest_s = (first + len(values) - 1) / self._rate_hz
        return values

    def _hold(self, values: Samples, finite: BoolArray) -> Samples:
        filled = values.copy()
        last = np.zeros(values.shape[1]) if self._held is None else self._held
        for row, there in zip(filled, finite, strict=True):
            row[~there] = last[~there]
            last = row
        return filled

    def age_s(self, now_s: float) -> float:
        """Age of the newest sample; infinite before the first."""
        return now_s - self._newest_s

    def valid_at(self, time_s: Samples) -> BoolArray:
        """Say whether the newest sample at or before each time was measured."""
        assert self.start_s is not None
        at = np.floor((time_s - self.start_s) * self._rate_hz + _SAME_SAMPLE).astype(np.int64)
        if at[0] > self._last_bad:
            return np.ones(len(at), bool)
        at = np.clip(at, self._valid.oldest, self._valid.count - 1)
        first = int(at[0])
        known = self._valid.get(first, self._valid.count - first)[0]
        return np.asarray(known[at - first])


class Columns:
    """Some columns of one stream through one pipeline, one value a frame.

    Parameters
    ----------
    stream
        Its place among the streams of the leg.
    layout
        The stream.
    pipeline
        To the model's rate.
    names
        The columns.
    places
        Of each: its place among the model's channels.
    signs
        Of each: the factor that makes a left leg look like a right one.
    keep
        How many frames are kept.

    Attributes
    ----------
    stream, places
        As given.

    Raises
    ------
    SignalError
        Where a step of the pipeline does not fit the stream.
    """

    def __init__(
        self,
        stream: int,
        layout: StreamLayout,
        pipeline: Pipeline,
        names: Sequence[str],
        places: list[int],
        signs: Sequence[float],
        keep: int,
    ) -> None:
        self.stream, self.places = stream, places
        self._layout, self._pipeline = layout, pipeline
        self._names = list(names)
        self._columns = [layout.channels.index(name) for name in self._names]
        self._signs = np.array(signs)[:, None]
        # A stream that is too slow for its filters is refused now, not when it begins.
        pipeline.open(layout.rate_hz, self._names)
        self._session: PipelineSession | None = None
        self._out = Tail(keep, len(self._names))
        self._shift: int | None = None

    @property
    def begun(self) -> bool:
        """Whether a sample came."""
        return self._session is not None

    def push(self, first: int, values: Samples) -> None:
        """Take the next samples of the stream, the first of which has number `first`."""
        if self._session is None:
            rate_hz = self._layout.rate_hz
            self._session = self._pipeline.open(rate_hz, self._names, start_s=first / rate_hz)
        self._out.append(self._session.push(values[:, self._columns]))

    def _behind(self, start_s: float) -> int:
        """Number of this group's sample that frame 0 takes."""
        if self._shift is None:
            assert self._session is not None
            layout = self._session.layout
            late = (start_s - layout.start_s) * layout.rate_hz
            self._shift = math.floor(late + _SAME_SAMPLE)
        return self._shift

    def frames_since(self, start_s: float) -> int:
        """How many frames can be had, counted from the one at `start_s`."""
        return self._out.count - self._behind(start_s)

    def oldest_frame(self, start_s: float) -> int:
        """Number of the first frame that can still be had."""
        return self._out.oldest - self._behind(start_s)

    def frames(self, start_s: float, first: int, n: int) -> Samples:
        """Give frames `first` to ``first + n - 1``, (n, columns)."""
        rows = self._out.get(first + self._behind(start_s), n)
        return np.asarray((rows * self._signs).T)
