"""Which EMG channels carry muscle, judged from their samples alone.

Four tests, all free of the amplifier's gain (which recordings rarely state):

- **saturated**: samples pile up on the largest magnitude, which is the converter's rail;
- **intermittent**: loud stretches more than 40 dB above the quiet ones, which no muscle does above
  its own electrode noise: a contact that comes and goes;
- **noise** and **dead**: the spectrum is flat. Surface EMG is strongest between 50 and 150 Hz and
  has fallen by more than 10 dB at 350 Hz (De Luca 1997, J Appl Biomech 13:135), the noise of an
  amplifier has not. Flat and without bursts is dead, flat or nearly so and with bursts is noise.
"""

from __future__ import annotations

import dataclasses
import enum
from dataclasses import dataclass

import numpy as np
from scipy import signal as sps

from kinefed.datasets.errors import DataError, DataReason
from kinefed.datasets.types import FloatArray, Recording, Stream

# Density at 350-450 Hz over density at 50-150 Hz: muscle gave at most 0.09 and amplifier noise at
# least 0.7 on 144 channels of children's gait; 0.2 is -7 dB.
FLAT = 0.2
# Loud over quiet RMS (95th over 10th percentile of 50 ms). Stationary Gaussian noise gives 1.3 to
# 3.0, gait muscles 5 and more.
BURSTS = 3.0
# 40 dB: beyond the range between a muscle and the noise of its own electrodes.
CONTACT = 100.0
# Samples on the largest magnitude: at least this many and this share, and at least as many as in
# the whole 5 % below it. A clipped signal piles up there; a coarsely quantised one thins out.
RAIL_COUNT = 3
RAIL_SHARE = 5e-4
RAIL_NEIGHBOURHOOD = 0.95
_SHORTEST_S = 0.5


class Verdict(enum.StrEnum):
    """What a channel holds."""

    GOOD = "good"
    DEAD = "dead"
    NOISE = "noise"
    SATURATED = "saturated"
    INTERMITTENT = "intermittent"


@dataclass(frozen=True, slots=True)
class EmgQuality:
    """The numbers behind a verdict.

    Attributes
    ----------
    verdict
        What the channel holds.
    band_rms_v
        RMS between 20 Hz and min(450 Hz, 0.45 x rate), volts.
    burst_ratio
        Loud over quiet RMS, 95th over 10th percentile in stretches of 50 ms.
    flatness
        Spectral density at 350-450 Hz over that at 50-150 Hz; NaN below 1000 Hz, where the upper
        band is not there.
    rail_share
        Share of samples on the largest magnitude that occurs.
    """

    verdict: Verdict
    band_rms_v: float
    burst_ratio: float
    flatness: float
    rail_share: float


def emg_quality(samples: FloatArray, rate_hz: float) -> EmgQuality:
    """Judge one channel of raw EMG.

    Parameters
    ----------
    samples
        (samples,) in volts.
    rate_hz
        At least 100 Hz: below that no EMG band is left.

    Returns
    -------
    EmgQuality
        Verdict and numbers.

    Raises
    ------
    DataError
        ``out_of_range`` for a rate below 100 Hz or less than 0.5 s of samples.
    """
    x = np.asarray(samples, dtype=np.float64)
    if rate_hz < 100.0 or x.size < _SHORTEST_S * rate_hz:
        raise DataError(
            DataReason.OUT_OF_RANGE,
            f"{x.size} samples at {rate_hz} Hz are too few to judge EMG by",
            next_step=f"Give at least {_SHORTEST_S} s at 100 Hz or more",
        )
    x = x[np.isfinite(x)]
    if x.size < _SHORTEST_S * rate_hz or np.ptp(x) == 0.0:
        return EmgQuality(Verdict.DEAD, 0.0, 1.0, np.nan, 1.0)
    # 450 Hz or 0.45 of the rate: above, the anti-aliasing filter rules.
    band = sps.butter(4, [20.0, min(450.0, 0.45 * rate_hz)], "bandpass", fs=rate_hz, output="sos")
    y = sps.sosfiltfilt(band, x)
    width = max(1, round(0.05 * rate_hz))
    power = np.convolve(y**2, np.ones(width) / width, "valid")
    quiet, loud = np.sqrt(np.maximum(np.percentile(power, [10.0, 95.0]), 0.0))
    rms = float(np.sqrt(np.mean(y**2)))
    burst_ratio = float(loud / quiet) if quiet > 0.0 else np.inf
    flatness = _flatness(x, rate_hz)
    magnitude = np.abs(x)
    on_rail = magnitude >= magnitude.max() * (1.0 - 1e-4)
    share = float(on_rail.mean())
    below = int((magnitude >= RAIL_NEIGHBOURHOOD * magnitude.max()).sum() - on_rail.sum())
    if rms <= 1e-9 * magnitude.max():
        verdict = Verdict.DEAD
    elif share >= RAIL_SHARE and on_rail.sum() >= max(RAIL_COUNT, below):
        verdict = Verdict.SATURATED
    elif burst_ratio > CONTACT:
        verdict = Verdict.INTERMITTENT
    elif flatness > FLAT:
        verdict = Verdict.DEAD if burst_ratio < BURSTS * 1.25 else Verdict.NOISE
    elif burst_ratio < BURSTS and flatness > 0.5 * FLAT:
        verdict = Verdict.NOISE
    else:
        verdict = Verdict.GOOD
    return EmgQuality(verdict, rms, burst_ratio, flatness, share)


def emg_verdicts(stream: Stream) -> dict[str, EmgQuality]:
    """Judge every EMG channel of a stream, by name."""
    return {
        channel: emg_quality(stream.column(channel), stream.rate_hz)
        for channel in stream.channels
        if channel.startswith("emg.")
    }


def with_emg_quality(recording: Recording) -> Recording:
    """Return the recording with a quality note on every EMG channel that is not good."""
    notes = dict(recording.quality)
    for stream in recording.streams.values():
        for channel, quality in emg_verdicts(stream).items():
            if quality.verdict is not Verdict.GOOD:
                notes[channel] = quality.verdict.value
    return dataclasses.replace(recording, quality=notes)


def _flatness(x: FloatArray, rate_hz: float) -> float:
    if rate_hz < 1000.0:
        return float("nan")
    frequency, density = sps.welch(x - x.mean(), rate_hz, nperseg=min(x.size, round(0.5 * rate_hz)))
    high = density[(frequency >= 350.0) & (frequency < 450.0)].mean()
    low = density[(frequency >= 50.0) & (frequency < 150.0)].mean()
    return float(high / low) if low > 0.0 else float("inf")
