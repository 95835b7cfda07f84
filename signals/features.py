"""Time- and frequency-domain features of surface EMG, each as one formula.

Definitions in the literature differ by more than rounding, so each is written out here. `x` is a
window of N samples of one channel in volts. Every feature of a window of zeros is 0. Follows
Hudgins, Parker, Scott, IEEE Trans Biomed Eng 40(1), 1993, and Phinyomark, Phukpattaranont,
Limsakul, Expert Syst Appl 39(8), 2012, except where a docstring says so.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from kinefed.signals.errors import SignalError, SignalReason
from kinefed.signals.sliding import Counts, window_sign_changes, window_sums
from kinefed.signals.steps import Layout, Samples, Step, StepSession, above_zero, register


def mean_absolute_value(x: Samples) -> Samples:
    """``sum(|x|) / N``, V; (..., N) -> (...)."""
    return np.asarray(np.abs(x).mean(axis=-1))


def root_mean_square(x: Samples) -> Samples:
    """``sqrt(sum(x^2) / N)``, V; (..., N) -> (...)."""
    return np.asarray(np.sqrt((x * x).mean(axis=-1)))


def simple_square_integral(x: Samples) -> Samples:
    """``sum(x^2)``, V^2: N times the mean square, no time step in it; (..., N) -> (...)."""
    return np.asarray((x * x).sum(axis=-1))


def waveform_length(x: Samples) -> Samples:
    """``sum(|x[i+1] - x[i]|)``, V; (..., N) -> (...)."""
    return np.asarray(np.abs(np.diff(x, axis=-1)).sum(axis=-1))


def zero_crossings(x: Samples, threshold_v: float = 0.0) -> Samples:
    """Count changes of sign; (..., N) -> (...), as float.

    An exact zero has no sign of its own: a signal that goes +, 0, - crosses once, which the
    usual product of neighbours misses (every ninth crossing of an 8-bit signal). A crossing
    counts where the last sample before it that is not zero and the first after it differ by at
    least `threshold_v`.
    """
    return _sign_changes(x, crossing(threshold_v))


def slope_sign_changes(x: Samples, threshold_v: float = 0.0) -> Samples:
    """Count turns from rising to falling and back; (..., N) -> (...), as float.

    A flat step is no turn, and a plateau between a rise and a fall is one turn, not two. A turn
    counts where the step into it or the step out of it is at least `threshold_v`.
    """
    return _sign_changes(np.diff(x, axis=-1), turning(threshold_v))


def crossing(threshold_v: float) -> Counts:
    """Say which changes of sign are crossings: by how far they go."""
    return lambda before, now: np.asarray(np.abs(now - before) >= threshold_v)


def turning(threshold_v: float) -> Counts:
    """Say which changes of slope are turns: by the larger of the two steps."""
    return lambda before, now: np.asarray(np.maximum(np.abs(before), np.abs(now)) >= threshold_v)


def myopulse_rate(x: Samples, threshold_v: float = 0.0) -> Samples:
    """Share of samples with ``|x| > threshold_v``, 1; (..., N) -> (...).

    Strictly above, so that a window of zeros gives 0 with a threshold of 0.
    """
    return np.asarray((np.abs(x) > threshold_v).mean(axis=-1))


def mean_frequency(x: Samples, rate_hz: float) -> Samples:
    """``sum(f * P) / sum(P)``, Hz; (..., N) -> (...). See `_spectrum` for P."""
    return _mean_of(*_spectrum(x, rate_hz))


def median_frequency(x: Samples, rate_hz: float) -> Samples:
    """First bin at which the power up to it reaches half, Hz; (..., N) -> (...).

    See `_spectrum` for the bins.
    """
    return _median_of(*_spectrum(x, rate_hz))


def _mean_of(frequency: Samples, power: Samples) -> Samples:
    total = power.sum(axis=-1)
    return np.asarray((power * frequency).sum(axis=-1) / np.where(total > 0, total, 1.0))


def _median_of(frequency: Samples, power: Samples) -> Samples:
    running = np.cumsum(power, axis=-1)
    half = running >= 0.5 * running[..., -1:]
    return np.asarray(frequency[half.argmax(axis=-1)])


def _spectrum(x: Samples, rate_hz: float) -> tuple[Samples, Samples]:
    """Power spectrum ``|rfft(x - mean(x))|^2``, with all bins from 0 to half the rate.

    The mean goes first: an offset of 0.05 mV can drag the mean frequency from 237 to 148 Hz.
    Rectangular window; padded with zeros to a power of two, at least 256, so that the bins of
    short windows lie closer (3.9 Hz at 1 kHz).
    """
    size = max(256, 1 << (x.shape[-1] - 1).bit_length())
    centred = x - x.mean(axis=-1, keepdims=True)
    power = np.abs(np.fft.rfft(centred, size, axis=-1)) ** 2
    return np.asarray(np.fft.rfftfreq(size, 1.0 / rate_hz)), np.asarray(power, np.float64)


def _sign_changes(x: Samples, counts: Counts) -> Samples:
    # The last value that was not zero stands in for zeros after it.
    index = np.where(x != 0, np.arange(x.shape[-1]), 0)
    held = np.take_along_axis(x, np.maximum.accumulate(index, axis=-1), axis=-1)
    before, now = held[..., :-1], x[..., 1:]
    changes = np.sign(before) * np.sign(now) < 0
    return np.asarray((changes & counts(before, now)).sum(axis=-1), dtype=np.float64)


# Feature to unit: "V" stands for the unit of the channel.
FEATURES = MappingProxyType(
    {
        "mav": "V",
        "rms": "V",
        "zc": "1",
        "ssc": "1",
        "ssi": "V^2",
        "wl": "V",
        "myop": "1",
        "mnf": "Hz",
        "mdf": "Hz",
    }
)


@register("emg_features")
@dataclass(frozen=True)
class EMGFeatures(Step):
    """Features of raw EMG over sliding windows.

    The first window is the first whole one; its value carries the time of its last sample.
    Channels come out as ``<feature>.<channel>``, feature by feature.

    Attributes
    ----------
    window_s, hop_s
        Length and distance of windows, rounded to samples.
    features
        Which of ``mav`` (V), ``rms`` (V), ``zc`` (count), ``ssc`` (count), ``ssi`` (V^2), ``wl``
        (V), ``myop`` (1), ``mnf`` (Hz), ``mdf`` (Hz), and in which order.
    zc_threshold_v, ssc_threshold_v, myop_threshold_v
        Thresholds in volts as recorded, gain included. They have no value that fits every
        amplifier: take them from the noise at rest. 0 counts everything.
    """

    window_s: float = 0.15
    hop_s: float = 0.01
    features: tuple[str, ...] = tuple(FEATURES)
    zc_threshold_v: float = 0.0
    ssc_threshold_v: float = 0.0
    myop_threshold_v: float = 0.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "features", tuple(self.features))
        above_zero(self.kind, "window_s", self.window_s)
        above_zero(self.kind, "hop_s", self.hop_s)
        for i, name in enumerate(self.features):
            if name not in FEATURES or name in self.features[:i]:
                raise SignalError(
                    SignalReason.OUT_OF_RANGE,
                    f"{name!r} is unknown or named twice",
                    where=f"{self.kind}.features[{i}]",
                    next_step=f"Known: {', '.join(FEATURES)}",
                )
        for name in ("zc_threshold_v", "ssc_threshold_v", "myop_threshold_v"):
            value = getattr(self, name)
            if not (np.isfinite(value) and value >= 0):
                raise SignalError(
                    SignalReason.OUT_OF_RANGE, f"{value} is below 0", where=f"{self.kind}.{name}"
                )

    def of_windows(self, x: Samples, rate_hz: float) -> Samples:
        """Compute the chosen features.

        Parameters
        ----------
        x
            (..., N) float64, V.
        rate_hz
            Of the samples.

        Returns
        -------
        values
            (features, ...).
        """
        formulas: dict[str, Callable[[], Samples]] = {
            "mav": lambda: mean_absolute_value(x),
            "rms": lambda: root_mean_square(x),
            "zc": lambda: zero_crossings(x, self.zc_threshold_v),
            "ssc": lambda: slope_sign_changes(x, self.ssc_threshold_v),
            "ssi": lambda: simple_square_integral(x),
            "wl": lambda: waveform_length(x),
            "myop": lambda: myopulse_rate(x, self.myop_threshold_v),
            "mnf": lambda: mean_frequency(x, rate_hz),
            "mdf": lambda: median_frequency(x, rate_hz),
        }
        return np.stack([formulas[name]() for name in self.features])

    def _begin(self, layout: Layout) -> StepSession:
        size = round(self.window_s * layout.rate_hz)
        hop = round(self.hop_s * layout.rate_hz)
        # A slope changes sign between three samples.
        for name, samples, least in (("window_s", size, 3), ("hop_s", hop, 1)):
            if samples < least:
                raise SignalError(
                    SignalReason.RATE_TOO_LOW,
                    f"{samples} samples at {layout.rate_hz:g} Hz, {least} needed",
                    where=f"{self.kind}.{name}",
                )
        return _FeatureSession(self, size, hop, layout)


# Windows copied at a time for their spectra: more than these leave a core's cache.
_BLOCK = 16


class _FeatureSession(StepSession):
    def __init__(self, step: EMGFeatures, size: int, hop: int, layout: Layout) -> None:
        units = [
            FEATURES[name].replace("V", unit) for name in step.features for unit in layout.units
        ]
        self.layout = replace(
            layout,
            rate_hz=layout.rate_hz / hop,
            start_s=layout.start_s + (size - 1) / layout.rate_hz,
            channels=tuple(f"{name}.{c}" for name in step.features for c in layout.channels),
            units=tuple(units),
        )
        self._step, self._size, self._hop = step, size, hop
        self._rate_hz = layout.rate_hz
        self._held = np.empty((0, len(layout.channels)))
        # Samples to pass over before the next window begins, where hops leave gaps.
        self._skip = 0

    def push(self, samples: Samples) -> Samples:
        passed = min(self._skip, len(samples))
        self._skip -= passed
        held = np.concatenate([self._held, samples[passed:]])
        count = max(0, (len(held) - self._size) // self._hop + 1)
        self._held = held[count * self._hop :].copy()
        self._skip += max(0, count * self._hop - len(held))
        if count == 0:
            return np.empty((0, len(self.layout.channels)))
        found = self._in_time(held, count)
        if not {"mnf", "mdf"}.isdisjoint(self._step.features):
            found |= self._in_frequency(held, count)
        return np.hstack([found[name] for name in self._step.features])

    def _in_time(self, x: Samples, count: int) -> dict[str, Samples]:
        """Give the features in time, each (count, channels)."""
        step, n, hop = self._step, self._size, self._hop
        wanted = set(step.features)
        found: dict[str, Samples] = {}
        if not wanted.isdisjoint(("mav", "myop")):
            size = np.abs(x)
            found["mav"] = window_sums(size, n, hop, count) / n
            found["myop"] = window_sums(size > step.myop_threshold_v, n, hop, count) / n
        if not wanted.isdisjoint(("rms", "ssi")):
            found["ssi"] = window_sums(x * x, n, hop, count)
            found["rms"] = np.sqrt(found["ssi"] / n)
        if "zc" in wanted:
            found["zc"] = window_sign_changes(x, n, hop, count, crossing(step.zc_threshold_v))
        if not wanted.isdisjoint(("wl", "ssc")):
            steps = np.diff(x, axis=0)
            found["wl"] = window_sums(np.abs(steps), n - 1, hop, count)
            turns = turning(step.ssc_threshold_v)
            found["ssc"] = window_sign_changes(steps, n - 1, hop, count, turns)
        return found

    def _in_frequency(self, x: Samples, count: int) -> dict[str, Samples]:
        windows = sliding_window_view(x, self._size, axis=0)[:: self._hop]
        mean, median = (np.empty((count, x.shape[1])) for _ in range(2))
        for start in range(0, count, _BLOCK):
            block = slice(start, min(start + _BLOCK, count))
            # Copied into one order of memory, so that sums do not depend on how chunks were cut.
            spectrum = _spectrum(np.ascontiguousarray(windows[block]), self._rate_hz)
            mean[block], median[block] = _mean_of(*spectrum), _median_of(*spectrum)
        return {"mnf": mean, "mdf": median}
