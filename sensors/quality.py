"""How good each worn channel is, over the last seconds, while it is worn.

EMG: contact, hum, saturation, lost samples. IMUs: stuck, saturated, lost samples. Judged from the
samples alone, so it holds for any sensor; `kinefed.datasets.quality` judges whole recordings.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import signal

from kinefed.datasets.errors import UsageError, UsageReason
from kinefed.datasets.types import FloatArray
from kinefed.sensors.grid import BoolArray

WINDOW_S = 3.0
"""What is looked at: long enough to tell hum from muscle, short enough to act on."""

# A band of a tenth of the samples is missed by no model that was trained with gaps; see
# `sensors check`, which warns of one in a hundred over minutes.
_LOST_SHARE = 0.1
# Full effort gives about 1 mV root mean square under surface electrodes, and peaks of 5 mV (De
# Luca, J Appl Biomech 13, 1997); a lead that hangs in the air picks up tens.
_HUGE_V = 3e-3
# Less than a hundredth of it is no harm, whatever its share in a resting muscle.
_HUM_V = 1e-5
# Muscle has 3 to 8 % of its power within 1.5 Hz of mains and its harmonics.
_HUM_SHARE = 0.4
_HUM_WIDTH_HZ = 1.5
_MAINS_HZ = (50.0, 60.0)
_EMG_FROM_HZ, _EMG_TO_HZ, _EDGE = 20.0, 450.0, 0.45
# As in `kinefed.datasets.quality`: on the rail at least as often as in the 5 % below it.
_RAIL_SHARE, _RAIL_COUNT, _RAIL_NEAR = 2e-3, 5, 0.95
# With fewer values than this, a quiet channel of coarse steps looks clipped.
_RAIL_LEVELS = 40
# The lowest ranges of worn IMUs are 2 g and 250 deg/s: below, nothing ends.
_RANGES = {"acc": 19.0, "gyro": 4.3}
# A range's end is held for some samples; a smooth peak is not.
_RAIL_RUN = 3
_STUCK_S = 1.0
_QUIET_S = 0.5
# A muscle at rest gives some microvolts: in steps of more it is constant between contractions.
_COARSE_V, _COARSE_S = 1e-5, 2.0
# Even times are made by interpolation, whose rounding is far below any sensor's step.
_SAME = 1e-9


class Fault(enum.StrEnum):
    """What is wrong with a channel."""

    FLAT = "flat"
    HUGE = "huge"
    HUM = "hum"
    SATURATED = "saturated"
    STUCK = "stuck"
    LOST = "lost"


_SENTENCES = {
    Fault.FLAT: "no signal: the electrode or its lead is off",
    Fault.HUGE: "far larger than a muscle: press the electrode on",
    Fault.HUM: "hum of the mains: press the electrode on, and keep away from power supplies",
    Fault.SATURATED: "ends at its range: choose a wider one, or press the electrode on",
    Fault.STUCK: "repeats the same values: switch the sensor off and on",
    Fault.LOST: "loses samples: bring the sensor nearer",
}


@dataclass(frozen=True, slots=True)
class ChannelQuality:
    """One channel over the last seconds.

    Attributes
    ----------
    channel
        Its name.
    faults
        Empty where it is good, the worst first.
    lost_share
        Share of samples in gaps.
    rms
        Root mean square without its mean, in the channel's unit; of EMG, above 20 Hz. NaN while
        there are too few samples.
    hum_share
        Share of the power of EMG at the mains' frequency and harmonics; NaN for others.
    rail_share
        Share of samples at the end of the range.
    """

    channel: str
    faults: tuple[Fault, ...]
    lost_share: float
    rms: float
    hum_share: float
    rail_share: float

    @property
    def good(self) -> bool:
        """Whether it has no fault."""
        return not self.faults

    @property
    def advice(self) -> str:
        """What is wrong and what to do, in one sentence; empty where it is good."""
        return f"{self.channel} {_SENTENCES[self.faults[0]]}" if self.faults else ""


class QualityMonitor:
    """Watches the channels of one stream.

    Parameters
    ----------
    channels
        Names, as in recordings.
    rate_hz
        Samples a second.
    window_s
        How far back it looks.

    Raises
    ------
    UsageError
        ``bad_argument`` for a window of less than a second.
    """

    def __init__(self, channels: Sequence[str], rate_hz: float, window_s: float = WINDOW_S) -> None:
        if not window_s >= _STUCK_S:
            raise UsageError(
                UsageReason.BAD_ARGUMENT,
                f"a window of {window_s:g} s",
                where="window_s",
                next_step=f"Ask for {_STUCK_S:g} s or more",
            )
        self._channels, self._rate_hz = tuple(channels), rate_hz
        self._length = round(window_s * rate_hz)
        self._values: FloatArray = np.empty((0, len(self._channels)))
        self._valid: BoolArray = np.empty(0, dtype=bool)
        self._parts: list[tuple[FloatArray, BoolArray]] = []
        self._waiting = 0

    def push(self, values: FloatArray, valid: BoolArray) -> None:
        """Take the next samples, (n, channels) and (n,) as of `Even`."""
        self._parts.append((values, valid))
        self._waiting += len(values)
        # Put together in large pieces: sensors send a few samples at a time.
        if self._waiting >= self._length:
            self._join()

    def _join(self) -> None:
        if self._parts:
            values, valid = zip(*self._parts, strict=True)
            self._values = np.vstack([self._values, *values])[-self._length :]
            self._valid = np.concatenate([self._valid, *valid])[-self._length :]
            self._parts, self._waiting = [], 0

    def look(self) -> tuple[ChannelQuality, ...]:
        """Judge each channel; until a second is there, nothing is at fault."""
        self._join()
        valid = self._valid & np.isfinite(self._values).all(axis=1)
        lost = float((~valid).mean()) if len(valid) else 0.0
        stuck, samples = self._stuck(valid), self._values[valid]
        # All at once: it is most of the work.
        spectra = self._spectra(samples)
        return tuple(
            self._judge(name, samples[:, i], lost, stuck, spectra.get(i))
            for i, name in enumerate(self._channels)
        )

    def _judge(
        self,
        name: str,
        samples: FloatArray,
        lost: float,
        stuck: frozenset[str],
        spectrum: tuple[float, float] | None,
    ) -> ChannelQuality:
        faults = [Fault.LOST] if lost > _LOST_SHARE else []
        if len(samples) < _STUCK_S * self._rate_hz:
            early = len(self._values) < _STUCK_S * self._rate_hz
            faults = [] if early else faults
            return ChannelQuality(name, tuple(faults), lost, np.nan, np.nan, 0.0)
        kind = name.partition(".")[0]
        if spectrum is not None:
            return self._emg(name, samples, lost, faults, *spectrum)
        rail = 0.0
        if kind in _RANGES:
            held = _held(samples, _RANGES[kind])
            rail = float(held.mean())
            faults = ([Fault.SATURATED] if held.any() else []) + faults
        if name.rpartition(".")[0] in stuck:
            faults = [Fault.STUCK, *faults]
        return ChannelQuality(name, tuple(faults), lost, float(samples.std()), np.nan, rail)

    def _emg(
        self,
        name: str,
        samples: FloatArray,
        lost: float,
        faults: list[Fault],
        rms: float,
        hum: float,
    ) -> ChannelQuality:
        rail = _railed(samples)
        if hum > _HUM_SHARE and rms * np.sqrt(hum) > _HUM_V:
            faults = [Fault.HUM, *faults]
        if rms > _HUGE_V:
            faults = [Fault.HUGE, *faults]
        if rail > 0.0:
            faults = [Fault.SATURATED, *faults]
        # One and the same value for long: no amplifier is that quiet.
        if _longest_run(samples) > (_COARSE_S if _coarse(samples) else _QUIET_S) * self._rate_hz:
            faults = [Fault.FLAT, *faults]
        return ChannelQuality(name, tuple(faults), lost, rms, hum, rail)

    def _spectra(self, samples: FloatArray) -> dict[int, tuple[float, float]]:
        """Give each column of EMG its root mean square in the band, and the mains' share of it."""
        columns = [i for i, name in enumerate(self._channels) if name.startswith("emg.")]
        if not columns or len(samples) < _STUCK_S * self._rate_hz:
            return {}
        rows = np.ascontiguousarray(samples[:, columns].T)
        # Without its line: a least-squares solver would take longer than all the rest.
        rows -= rows.mean(axis=1, keepdims=True)
        times = np.arange(rows.shape[1]) - 0.5 * (rows.shape[1] - 1)
        rows -= np.outer(rows @ times / (times @ times), times)
        hertz, power = signal.periodogram(rows, self._rate_hz, "hann", detrend=False)
        top = min(_EMG_TO_HZ, _EDGE * self._rate_hz)
        inside = (hertz >= _EMG_FROM_HZ) & (hertz <= top)
        total = power[:, inside].sum(axis=1)
        shares = np.zeros(len(columns))
        for mains in _MAINS_HZ:
            near = np.abs((hertz + 0.5 * mains) % mains - 0.5 * mains) <= _HUM_WIDTH_HZ
            share = power[:, inside & near].sum(axis=1) / np.maximum(total, 1e-300)
            shares = np.maximum(shares, share)
        rms = np.sqrt(total * hertz[1])
        return dict(zip(columns, zip(rms.tolist(), shares.tolist(), strict=True), strict=True))

    def _stuck(self, valid: BoolArray) -> frozenset[str]:
        """Groups of axes, ``acc.shank.r``, of which none has changed for a second."""
        last = self._values[valid][-round(_STUCK_S * self._rate_hz) :]
        if len(last) < _STUCK_S * self._rate_hz:
            return frozenset()
        still = np.ptp(last, axis=0) <= _SAME * np.maximum(np.abs(last).max(axis=0), 1e-3)
        axes: dict[str, list[bool]] = {}
        for name, one in zip(self._channels, still.tolist(), strict=True):
            if name.partition(".")[0] in _RANGES:
                axes.setdefault(name.rpartition(".")[0], []).append(one)
        return frozenset(group for group, ones in axes.items() if len(ones) == 3 and all(ones))


def _coarse(samples: FloatArray) -> bool:
    """Whether the converter's steps hide what a resting muscle gives."""
    steps = np.diff(np.unique(samples))
    return len(steps) > 0 and float(steps.min()) > _COARSE_V


def _railed(samples: FloatArray) -> float:
    """Share of samples on the largest magnitude where they pile up there, else 0."""
    size = np.abs(samples)
    most = float(size.max())
    on = int((size >= most * (1.0 - 1e-4)).sum())
    below = int((size >= _RAIL_NEAR * most).sum()) - on
    piled = on >= max(_RAIL_COUNT, below, _RAIL_SHARE * len(size))
    levels = len(np.unique(np.round(size / max(most, 1e-300), 6)))
    return on / len(size) if piled and levels >= _RAIL_LEVELS else 0.0


def _held(samples: FloatArray, least: float) -> BoolArray:
    """Samples that stay at the largest magnitude for some in a row, beyond the lowest range."""
    size = np.abs(samples)
    most = float(size.max())
    on = size >= most * (1.0 - _SAME)
    if most < least or _longest(on) < _RAIL_RUN:
        return np.zeros(len(size), dtype=bool)
    return np.asarray(on)


def _longest_run(samples: FloatArray) -> int:
    """Length of the longest run of one value."""
    same = np.abs(np.diff(samples)) <= _SAME * max(float(np.abs(samples).max()), 1e-12)
    return _longest(np.asarray(same)) + 1


def _longest(on: NDArray[np.bool_]) -> int:
    """Length of the longest run of True."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], on, [False]))))
    return int(np.max(np.diff(edges)[::2], initial=0))
