"""The frames of one leg as they come: the live twin of `kinefed.signals.leg_series`."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from kinefed.client.live.columns import BoolArray, Columns, Heartbeat, Samples, StreamLayout
from kinefed.client.live.tail import Tail
from kinefed.signals import LegSpec, Pipeline, mirror_sign
from kinefed.signals.sources import Source, grouped, leg_sources

FloatArray = NDArray[np.float32]

# How far streams may run apart before frames are passed over, besides the window.
_APART_S = 2.0


class LegFrames:
    """Frames of one leg at the model's rate, from streams at even times on one clock.

    A frame takes the newest sample of each stream at or before it, and comes out once every
    stream has reached it. An optional stream that stays away is not waited for.

    Parameters
    ----------
    spec, side
        Of the leg.
    streams
        What is worn, by name.
    keep
        Frames that a model looks back on.
    emg_reference
        As for `kinefed.signals.leg_series`.
    stale_s
        For how long an optional stream is waited for.

    Attributes
    ----------
    missing
        Required channels that nothing worn gives; where there are any, no frame will ever come.
    used
        Names of the streams, required ones first.
    worn
        (optional,) which optional channels are worn at all.

    Raises
    ------
    SignalError
        Where a filter does not fit the rate of its stream.
    """

    def __init__(
        self,
        spec: LegSpec,
        side: str,
        streams: Mapping[str, StreamLayout],
        keep: int,
        emg_reference: Mapping[str, float],
        stale_s: float,
    ) -> None:
        self.spec = spec
        self._keep, self._stale_s = keep, stale_s
        holders = {c: (s.name, s.rate_hz) for s in streams.values() for c in s.channels}
        sources = leg_sources(holders.get, spec, side, emg_reference, "worn sensors")
        usable = [s if s is not None and s.scaled else None for s in sources]
        n_inputs = len(spec.inputs)
        self.missing = tuple(
            channel for channel, s in zip(spec.inputs, usable, strict=False) if s is None
        )
        required = _names(usable[:n_inputs])
        self.used = (*required, *(n for n in _names(usable[n_inputs:]) if n not in required))
        self._required = len(required)
        apart = math.ceil(_APART_S * spec.rate_hz)
        span_s = keep / spec.rate_hz + _APART_S
        self._streams = [Heartbeat(streams[name].rate_hz, span_s) for name in self.used]
        self._groups = [
            Columns(
                self.used.index(stream),
                streams[stream],
                Pipeline(steps),
                [str(column) for _, column in wanted],
                [place for place, _ in wanted],
                [mirror_sign(column) if side == "l" else 1.0 for _, column in wanted],
                keep + apart,
            )
            for (stream, steps), wanted in grouped(usable).items()
        ]
        # Of each optional channel: the place of its stream in `used`.
        self._optional = [
            None if s is None else self.used.index(s.stream) for s in usable[n_inputs:]
        ]
        self.worn = np.array([s is not None for s in self._optional], dtype=bool)
        self._x = Tail(keep, len(spec.channels), np.float32)
        self._valid = Tail(keep, len(self.used), np.bool_)
        self._start_s: float | None = None
        self._begun_s: float | None = None
        self._dead = np.zeros(len(self.used), dtype=bool)
        self._next = 0

    @property
    def count(self) -> int:
        """Frames that came, those passed over included."""
        return self._next

    @property
    def frame_s(self) -> float:
        """Time of the newest frame; -infinity before the first."""
        if self._start_s is None or not self._next:
            return -math.inf
        return self._start_s + (self._next - 1) / self.spec.rate_hz

    def push(self, stream: str, first: int, values: Samples, valid: BoolArray) -> None:
        """Take the next samples of a stream.

        Parameters
        ----------
        stream
            Its name; one that this leg does not read is passed over.
        first
            Number of the first sample since time zero.
        values
            (samples, channels) in the units of recordings. What is not finite is replaced by
            the last value that was, and counts as a gap.
        valid
            (samples,) False in a gap.
        """
        if stream not in self.used or not len(values):
            return
        place = self.used.index(stream)
        values = self._streams[place].take(first, values, valid)
        for group in self._groups:
            if group.stream == place:
                group.push(first, values)

    def advance(self, now_s: float) -> None:
        """Make all frames that are ready.

        Parameters
        ----------
        now_s
            Present time, which says which optional streams are no longer waited for.
        """
        for place, stream in enumerate(self._streams):
            self._dead[place] = place >= self._required and stream.age_s(now_s) > self._stale_s
        if self._start_s is None and not self._begin(now_s):
            return
        assert self._start_s is not None
        start_s = self._start_s
        live = [g for g in self._groups if g.begun and not self._dead[g.stream]]
        required = [g for g in live if g.stream < self._required]
        end = min(g.frames_since(start_s) for g in live)
        # What a stream cannot give any more is passed over, with the frames before the window.
        oldest = max(g.oldest_frame(start_s) for g in required)
        first = max(self._next, end - self._keep, oldest)
        if end <= first:
            return
        n = end - first
        # An optional channel that stays away holds its last value, as in a gap that was bridged.
        x = np.repeat(self._x.get(self._next - 1, 1).T, n, axis=0)
        if first > self._next:
            self._x.pass_over(first)
            self._valid.pass_over(first)
        valid = np.zeros((n, len(self.used)), bool)
        time_s = start_s + np.arange(first, end) / self.spec.rate_hz
        for group in live:
            # An optional stream that has only just come does not reach back this far.
            if group.oldest_frame(start_s) <= first:
                x[:, group.places] = group.frames(start_s, first, n)
                valid[:, group.stream] = self._streams[group.stream].valid_at(time_s)
        self._x.append(x)
        self._valid.append(valid)
        self._next = end

    def window(self, length: int) -> FloatArray:
        """Look at the last frames, (channels, length) float32, in the units of the spec.

        Missing history is the first frame repeated. Valid until the next `advance`.
        """
        return self._x.get(self._next - length, length)

    def silent(self, now_s: float, after_s: float) -> tuple[str, ...]:
        """Name the streams whose newest sample is older than `after_s`."""
        ages = zip(self.used, self._streams, strict=True)
        return tuple(name for name, stream in ages if stream.age_s(now_s) > after_s)

    def measured(self, length: int) -> tuple[float, float]:
        """Say what the last frames are made of.

        Returns
        -------
        measured
            Share of them that every required stream measured.
        bridged
            Share that hold the last value before a gap, of those that came: the repeated first
            frame before them is no gap.
        """
        there = min(length, self._next - self._x.oldest)
        flags = self._valid.get(self._next - there, there)[: self._required]
        whole = float(np.count_nonzero(flags.all(axis=0)))
        # After frames were passed over, what stands before them is made up as well.
        came = length if self._x.oldest else there
        return whole / length, (came - whole) / max(1, came)

    def available(self, length: int, max_bridged: float) -> BoolArray:
        """Say which optional channels are there, alive and measured well enough, (optional,)."""
        there = min(length, self._next - self._x.oldest)
        flags = self._valid.get(self._next - there, there)
        enough = np.count_nonzero(flags, axis=1) >= (1.0 - max_bridged) * there
        fit = enough & ~self._dead
        return np.array([place is not None and fit[place] for place in self._optional], bool)

    def _begin(self, now_s: float) -> bool:
        """Set the time of frame 0, once all streams that are waited for have begun."""
        begun = [stream.start_s for stream in self._streams]
        if self.missing or any(s is None for s in begun[: self._required]):
            return False
        if self._begun_s is None:
            self._begun_s = now_s
        if any(s is None for s in begun) and now_s - self._begun_s <= self._stale_s:
            return False
        self._start_s = max(s for s in begun if s is not None)
        return True


def _names(sources: list[Source | None]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(s.stream for s in sources if s is not None))
