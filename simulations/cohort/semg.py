"""Surface EMG of a virtual person: envelopes by default, raw signals on request.

Raw EMG is interference of many motor units: Gaussian noise of a known spectrum, with an amplitude
that follows the muscle's activity. What electrodes add is here too: baseline noise, mains hum,
motion artefact, the converter. The envelope is not made from raw EMG but drawn with the mean and
the fluctuation that the same signal has after `kinefed.signals.envelope_steps`, which is
some twenty times cheaper.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from scipy import signal

from kinefed.datasets.errors import DataError, DataReason, UsageError, UsageReason
from kinefed.datasets.types import FloatArray
from kinefed.signals import LowPassEnvelope
from kinefed.simulations.cohort.electrodes import Electrodes
from kinefed.simulations.cohort.emg_spectrum import (
    NOMINAL_HZ,
    SemgConfig,
    artefact,
    carriers,
    passed,
)

_HALF_NORMAL = math.sqrt(2.0 / math.pi)


def raw_semg(
    electrodes: Electrodes,
    excitation: FloatArray,
    rate_hz: float,
    raw_hz: float,
    rng: np.random.Generator,
    *,
    acceleration: FloatArray | None = None,
    elapsed_s: float = 0.0,
    config: SemgConfig | None = None,
) -> FloatArray:
    """Make raw EMG.

    Parameters
    ----------
    electrodes
        Of this session.
    excitation
        (frames, muscles) in [0, 1] at `rate_hz`.
    raw_hz
        Rate of the EMG; at least 1000 Hz, else the band of 20..450 Hz does not fit.
    rng
        Of the recording.
    acceleration
        (frames, channels) m/s^2: how hard the segment under each electrode is shaken; None: still.
    elapsed_s
        Time of the first frame since the electrodes were put on.
    config
        What the signal is made of.

    Returns
    -------
    emg
        (samples, channels) volts; the last frame is where the last sample is.

    Raises
    ------
    UsageError
        ``impossible`` for a rate that is too low.
    DataError
        ``mismatch`` or ``out_of_range`` for excitations or accelerations that do not fit.
    """
    config = config or SemgConfig()
    if not raw_hz >= NOMINAL_HZ:
        raise UsageError(
            UsageReason.IMPOSSIBLE,
            f"raw EMG at {raw_hz:g} Hz cannot hold its band of 20..450 Hz",
            where="raw_semg",
            next_step="Ask for 1000 Hz or more, or for envelopes",
        )
    shake = _check(electrodes, excitation, acceleration)
    count = int((len(excitation) - 1) * raw_hz / rate_hz + 1e-9) + 1
    frames = np.asarray(np.arange(count) * (rate_hz / raw_hz), dtype=np.float64)
    time_s = np.arange(count) / raw_hz
    activity = _stretch(excitation**config.exponent, frames)
    interference = carriers(config, raw_hz, count, excitation.shape[1], rng)
    emg = (activity * interference) @ electrodes.mixing.T
    emg *= electrodes.gain(elapsed_s + time_s)
    channels = len(electrodes.channels)
    emg += artefact(raw_hz, (count, channels), rng) * (
        config.artefact_s2_v_per_m * _stretch(shake, frames)
    )
    phase = 2.0 * np.pi * (config.hum_hz * time_s[:, None] + rng.random(channels))
    # RMS of sin + a sin(3 .) is sqrt((1 + a^2) / 2).
    emg += (
        config.hum_v * math.sqrt(2.0 / (1.0 + 1.0 / 9.0)) * (np.sin(phase) + np.sin(3 * phase) / 3)
    )
    emg += config.noise_v * rng.standard_normal((count, channels))
    if config.bits:
        step = 2.0 * config.full_scale_v / 2**config.bits
        top = config.full_scale_v - step
        emg = np.clip(np.round(emg / step) * step, -config.full_scale_v, top)
    return np.asarray(emg)


def semg_envelope(
    electrodes: Electrodes,
    excitation: FloatArray,
    rate_hz: float,
    rng: np.random.Generator,
    *,
    acceleration: FloatArray | None = None,
    elapsed_s: float = 0.0,
    config: SemgConfig | None = None,
) -> FloatArray:
    """Make envelopes as `kinefed.signals.envelope_steps` would find them in raw EMG at 1000 Hz.

    Parameters
    ----------
    electrodes, excitation, rate_hz, rng, acceleration, elapsed_s, config
        As of `raw_semg`.

    Returns
    -------
    envelope
        (frames, channels) volts: band-passed, rectified, through the causal 6 Hz low-pass.

    Raises
    ------
    DataError
        ``mismatch`` or ``out_of_range`` for excitations or accelerations that do not fit.
    """
    config = config or SemgConfig()
    shake = _check(electrodes, excitation, acceleration)
    left = passed(config)
    elapsed = elapsed_s + np.arange(len(excitation)) / rate_hz
    power = excitation ** (2.0 * config.exponent) @ (electrodes.mixing.T**2)
    power *= left.muscle * electrodes.gain(elapsed) ** 2
    power += left.artefact * (config.artefact_s2_v_per_m * shake) ** 2
    power += left.noise * config.noise_v**2 + left.hum * config.hum_v**2
    sigma = np.sqrt(power)
    # White in the band of the low-pass, with the density that rectified EMG has there.
    grain = math.sqrt(left.density_s * rate_hz) * rng.standard_normal(sigma.shape)
    rectified = sigma * (_HALF_NORMAL + grain)
    sos, start = _low_pass(rate_hz)
    smooth, _ = signal.sosfilt(sos, rectified, axis=0, zi=start * (_HALF_NORMAL * sigma[0]))
    return np.asarray(np.maximum(smooth, 0.0))


@lru_cache(maxsize=8)
def _low_pass(rate_hz: float) -> tuple[FloatArray, FloatArray]:
    """Sections of the envelope's filter, and their state after a long unit input."""
    sos = LowPassEnvelope().sos(rate_hz)
    return sos, np.asarray(signal.sosfilt_zi(sos))[:, :, None]


def mvc_trial(
    muscles: int,
    groups: Sequence[Sequence[int]],
    rate_hz: float,
    rng: np.random.Generator,
    *,
    hold_s: float = 3.0,
    effort: tuple[float, float] = (0.8, 1.0),
) -> FloatArray:
    """Make the excitations of maximal voluntary contractions, one group of muscles after the other.

    Parameters
    ----------
    muscles
        How many there are.
    groups
        Places of the muscles contracted together, a list for each contraction.
    rate_hz
        Frames a second.
    rng
        Draws the effort: untrained people do not reach their maximum.
    hold_s
        Plateau of each contraction; up and down take half a second each, and as long for the rest.
    effort
        Range of the plateau's excitation.

    Returns
    -------
    excitation
        (frames, muscles). The muscles at rest are at 3 %, for nobody relaxes them wholly.
    """
    ramp = round(0.5 * rate_hz)
    up = np.linspace(0.0, 1.0, ramp, endpoint=False)
    hold = np.ones(round(hold_s * rate_hz))
    course = np.concatenate([np.zeros(ramp), up, hold, up[::-1], np.zeros(ramp)])
    rest = 0.03
    excitation = np.full((len(course) * len(groups), muscles), rest)
    for turn, group in enumerate(groups):
        level = rng.uniform(*effort)
        part = slice(turn * len(course), (turn + 1) * len(course))
        excitation[part, list(group)] = rest + (level - rest) * course[:, None]
    return excitation


def mvc_reference(envelope: FloatArray, rate_hz: float, window_s: float = 0.5) -> FloatArray:
    """Give the EMG reference of each channel, (channels,): the largest mean over `window_s`."""
    size = max(round(window_s * rate_hz), 1)
    if len(envelope) < size:
        raise DataError(
            DataReason.EMPTY,
            f"{len(envelope)} frames of a maximal contraction are less than {window_s:g} s",
            where="mvc_reference",
        )
    sums = np.cumsum(np.vstack([np.zeros(envelope.shape[1]), envelope]), axis=0)
    return np.asarray((sums[size:] - sums[:-size]).max(axis=0) / size)


def _stretch(values: FloatArray, frames: FloatArray) -> FloatArray:
    below = np.minimum(frames.astype(int), max(len(values) - 2, 0))
    above = np.minimum(below + 1, len(values) - 1)
    weight = (frames - below)[:, None]
    return np.asarray((1.0 - weight) * values[below] + weight * values[above])


def _check(
    electrodes: Electrodes, excitation: FloatArray, acceleration: FloatArray | None
) -> FloatArray:
    """Refuse what does not fit; give the accelerations, zero where there are none."""
    channels, muscles = electrodes.mixing.shape
    wanted = (len(excitation), channels)
    shake = np.zeros(wanted) if acceleration is None else np.abs(acceleration)
    if excitation.shape[1:] != (muscles,) or shake.shape != wanted or len(excitation) == 0:
        raise DataError(
            DataReason.MISMATCH,
            f"excitations {excitation.shape} and accelerations {shake.shape}",
            where="semg",
            next_step=f"Give (frames, {muscles}) and (frames, {channels})",
        )
    if not ((excitation >= 0.0) & (excitation <= 1.0)).all() or not np.isfinite(shake).all():
        raise DataError(
            DataReason.OUT_OF_RANGE,
            "excitations leave [0, 1], or accelerations are not finite",
            where="semg",
        )
    return shake
