"""Windows over legs: views of each signal, copied only in the batch that is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import ArrayLike, NDArray

from kinefed.signals.errors import SignalError, SignalReason
from kinefed.signals.legs import LegSeries

FloatArray = NDArray[np.float32]
BoolArray = NDArray[np.bool_]
IndexArray = NDArray[np.int64]
Target = Literal["last", "sequence"]


class _Layout:
    """All legs behind one another in one array, each once, each with its padded history.

    A leg of n frames takes n + length - 1 columns: its first sample length - 1 times, then its
    frames. The window that ends at frame f starts at column ``offset + f``, so that no window
    of a leg's own frames can reach into the leg before.
    """

    def __init__(self, series: Sequence[LegSeries], length: int) -> None:
        first = series[0]
        n_inputs, n_optional = first.x.shape[1], first.n_optional
        pad = length - 1
        sizes = [leg.n_frames + pad for leg in series]
        total = sum(sizes)
        # Channel by channel: a window is then one run of memory a channel, copied several times
        # faster than from rows of samples.
        x = np.zeros((n_inputs + n_optional, total), np.float32)
        y = np.zeros((total, first.y.shape[1]), np.float32)
        mask = np.zeros(total, bool)
        self.offset = np.concatenate(([0], np.cumsum(sizes)[:-1])).astype(np.int64)
        for leg, start, size in zip(series, self.offset.tolist(), sizes, strict=True):
            body = slice(start + pad, start + size)
            x[:n_inputs, body] = np.where(leg.available, leg.x, 0.0).T
            x[:n_inputs, start : start + pad] = x[:n_inputs, start + pad, None]
            x[n_inputs:, start : start + size] = leg.available[n_inputs - n_optional :, None]
            # Labels that are not valid may be NaN; zero times a zero mask is zero, NaN is not.
            y[body] = np.where(leg.mask[:, None], leg.y, 0.0)
            mask[body] = leg.mask
        for array in (x, y, mask):
            array.flags.writeable = False
        self.pad = pad
        self.x = sliding_window_view(x, length, axis=1).transpose(1, 0, 2)
        self.y, self.mask = y, mask
        self.y_sequence = sliding_window_view(y, length, axis=0)
        self.mask_sequence = sliding_window_view(mask, length)


class Windows:
    """Windows of legs, one for each frame with a valid label.

    A window's x ends `look_ahead` frames before the frame of its label; with none it ends at it.
    Where the history is shorter than the window, the first sample of the recording is repeated.
    A label with fewer than `look_ahead` frames before it has no input yet and gives no window.

    Parameters
    ----------
    series
        Legs with equal channels, outputs and rate. Those without frames are passed over.
    length
        Frames in a window (the lag, counting the present frame).
    hop
        Take every `hop`-th valid frame of each contact, beginning with its first.
    look_ahead
        How many frames the label lies after the window's last frame.
    target
        ``"last"``: one label a window. ``"sequence"``: a label for each frame of the window.

    Attributes
    ----------
    series
        The legs.
    length, hop, look_ahead, target
        As given.
    frame
        (windows,) int64: the label's frame in its leg.
    leg
        (windows,) int64: the leg's place in `series`.

    Raises
    ------
    SignalError
        ``out_of_range``, ``wrong_channels`` or ``too_short``.
    """

    def __init__(
        self,
        series: Sequence[LegSeries],
        length: int,
        hop: int = 1,
        look_ahead: int = 0,
        target: Target = "last",
    ) -> None:
        for name, value, least in (
            ("length", length, 1),
            ("hop", hop, 1),
            ("look_ahead", look_ahead, 0),
        ):
            if value < least:
                raise SignalError(
                    SignalReason.OUT_OF_RANGE, f"{value} is below {least}", where=f"windows.{name}"
                )
        if target not in ("last", "sequence"):
            raise SignalError(
                SignalReason.OUT_OF_RANGE,
                f"{target!r} is neither 'last' nor 'sequence'",
                where="windows.target",
            )
        self.series = tuple(leg for leg in series if leg.n_frames)
        self.length, self.hop, self.look_ahead, self.target = length, hop, look_ahead, target
        if not self.series:
            raise SignalError(
                SignalReason.TOO_SHORT, "no leg holds a frame", next_step="Give at least one leg"
            )
        _check_alike(self.series)
        self._layout = _Layout(self.series, length)
        frames = [_frames(leg, hop, look_ahead) for leg in self.series]
        self.frame: IndexArray = np.concatenate(frames)
        self.leg: IndexArray = np.repeat(
            np.arange(len(frames), dtype=np.int64), [len(f) for f in frames]
        )
        self._place()

    def _place(self) -> None:
        self._start: IndexArray = self._layout.offset[self.leg] + self.frame
        for array in (self.frame, self.leg, self._start):
            array.flags.writeable = False

    def __len__(self) -> int:
        return len(self.frame)

    @property
    def n_channels(self) -> int:
        """Channels of x: inputs, optional values, optional availability."""
        return int(self._layout.x.shape[1])

    @property
    def n_optional(self) -> int:
        """How many channels are optional."""
        return self.series[0].n_optional

    @property
    def n_outputs(self) -> int:
        """Outputs of y."""
        return int(self._layout.y.shape[1])

    @property
    def rate_hz(self) -> float:
        """Frames a second."""
        return self.series[0].rate_hz

    def gather(self, indices: ArrayLike) -> tuple[FloatArray, FloatArray, BoolArray]:
        """Copy some windows into one batch.

        Parameters
        ----------
        indices
            (n,) integers below ``len(self)``; a boolean of ``len(self)`` selects too.

        Returns
        -------
        x
            (n, channels, length) float32, unscaled: inputs, optional values (0 where missing),
            then one 0/1 availability channel for each optional channel.
        y
            (n, outputs) float32, or (n, outputs, length) for sequences; N m/kg.
        mask
            (n,) bool, or (n, length) for sequences: the label is valid. Repeated history and
            frames without a label are false and hold 0 in y.
        """
        start = self._start[_selection(indices)]
        layout = self._layout
        x = layout.x[start - self.look_ahead]
        if self.target == "sequence":
            return x, layout.y_sequence[start].copy(), layout.mask_sequence[start]
        last = start + layout.pad
        return x, layout.y[last], layout.mask[last]

    def subset(self, indices: ArrayLike) -> Windows:
        """Keep some windows, in the order given; the signals are shared.

        Parameters
        ----------
        indices
            (n,) integers, or a boolean of ``len(self)``.
        """
        chosen = _selection(indices)
        part = object.__new__(Windows)
        part.series, part._layout = self.series, self._layout
        part.length, part.hop = self.length, self.hop
        part.look_ahead, part.target = self.look_ahead, self.target
        part.frame, part.leg = self.frame[chosen], self.leg[chosen]
        part._place()
        return part

    def _of_leg(self, name: str) -> NDArray[np.str_]:
        return np.array([getattr(leg, name) for leg in self.series])[self.leg]

    @cached_property
    def subject(self) -> NDArray[np.str_]:
        """(windows,) subject IDs."""
        return self._of_leg("subject")

    @cached_property
    def group(self) -> NDArray[np.str_]:
        """(windows,) groups, the unit of splitting."""
        return self._of_leg("group")

    @cached_property
    def session(self) -> NDArray[np.str_]:
        """(windows,) sessions."""
        return self._of_leg("session")

    @cached_property
    def task(self) -> NDArray[np.str_]:
        """(windows,) tasks."""
        return self._of_leg("task")

    @cached_property
    def side(self) -> NDArray[np.str_]:
        """(windows,) ``"l"`` or ``"r"``."""
        return self._of_leg("side")

    @cached_property
    def recording(self) -> NDArray[np.str_]:
        """(windows,) keys of the recordings."""
        return self._of_leg("key")

    @cached_property
    def contact(self) -> IndexArray:
        """(windows,) numbers of the contacts, unique over all legs of these windows.

        They are the legs' own numbers, shifted leg by leg; a subset keeps its parent's.
        """
        counts = [int(leg.contact.max(initial=-1)) + 1 for leg in self.series]
        shift = np.concatenate(([0], np.cumsum(counts)[:-1])).astype(np.int64)
        own = np.empty(len(self), np.int64)
        for number in np.unique(self.leg).tolist():
            of_leg = self.leg == number
            own[of_leg] = self.series[number].contact[self.frame[of_leg]]
        return own + shift[self.leg]


def _selection(indices: ArrayLike) -> NDArray[np.int64] | BoolArray:
    chosen = np.asarray(indices)
    # An empty list is an array of floats, which numpy does not index by.
    return chosen if chosen.size else chosen.astype(np.int64)


def _frames(leg: LegSeries, hop: int, look_ahead: int) -> IndexArray:
    frames = np.flatnonzero(leg.mask).astype(np.int64)
    if hop > 1 and len(frames):
        contact = leg.contact[frames]
        fresh = np.concatenate(([True], contact[1:] != contact[:-1]))
        begins = np.flatnonzero(fresh)
        rank = np.arange(len(frames)) - begins[np.cumsum(fresh) - 1]
        frames = frames[rank % hop == 0]
    return frames[frames >= look_ahead]


def _check_alike(series: Sequence[LegSeries]) -> None:
    def kind(leg: LegSeries) -> tuple[int, int, int, float]:
        return leg.x.shape[1], leg.n_optional, leg.y.shape[1], leg.rate_hz

    for leg in series:
        if kind(leg) != kind(series[0]):
            raise SignalError(
                SignalReason.WRONG_CHANNELS,
                f"(channels, optional, outputs, rate) is {kind(leg)}, "
                f"but {kind(series[0])} in {series[0].key}",
                where=f"{leg.key} leg {leg.side}",
                next_step="Make all legs from one LegSpec",
            )
