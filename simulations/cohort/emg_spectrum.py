"""What raw EMG is made of: the spectrum of interference, and how much of it passes a filter."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy import signal

from kinefed.datasets.types import FloatArray
from kinefed.signals import BandPass
from kinefed.simulations.cohort.radio import refuse_negative

# The rate whose raw signal an envelope stands for.
NOMINAL_HZ = 1000.0


@dataclass(frozen=True, slots=True)
class SemgConfig:
    """What a surface EMG signal is made of.

    Attributes
    ----------
    exponent
        Amplitude grows with activity to this power; below 1, so that EMG saturates less than force.
    low_hz, high_hz
        Corners of the spectrum ``f^2 / ((f^2 + low^2)(f^2 + high^2)^2)`` (Shwedyk, Balasubramanian,
        Scott, IEEE Trans Biomed Eng 24, 1977); the default has its median at
        85 Hz.
    noise_v
        RMS of skin and amplifier between 0 Hz and half the rate.
    hum_v, hum_hz
        RMS and frequency of mains hum; a third of it is the third harmonic.
    artefact_s2_v_per_m
        RMS of the motion artefact (1..15 Hz) over the acceleration of the segment.
    full_scale_v, bits
        Of the converter; 0 bits: none.
    """

    exponent: float = 0.85
    low_hz: float = 60.0
    high_hz: float = 120.0
    noise_v: float = 4e-6
    hum_v: float = 4e-6
    hum_hz: float = 50.0
    artefact_s2_v_per_m: float = 5e-6
    full_scale_v: float = 0.011
    bits: int = 16

    def __post_init__(self) -> None:
        refuse_negative(self, positive=("exponent", "low_hz", "high_hz", "hum_hz", "full_scale_v"))


@dataclass(frozen=True, slots=True)
class Passed:
    """What of EMG passes a band-pass.

    Attributes
    ----------
    muscle, noise, hum, artefact
        Shares of power.
    density_s
        Spectral density of the rectified signal near 0 Hz over its power before rectification.
    """

    muscle: float
    noise: float
    hum: float
    artefact: float
    density_s: float


@lru_cache(maxsize=16)
def passed(config: SemgConfig) -> Passed:
    """Give what is left of each part of the signal after `signals.BandPass` at `NOMINAL_HZ`."""
    frequency = np.fft.rfftfreq(4096, 1.0 / NOMINAL_HZ)
    _, response = signal.freqz_sos(BandPass().sos(NOMINAL_HZ), frequency, fs=NOMINAL_HZ)
    band = np.abs(response) ** 2

    def share(spectrum: FloatArray) -> float:
        return float((spectrum * band).sum() / spectrum.sum())

    spectra = {}
    for name, (b, a) in {
        "muscle": _shaping(config, NOMINAL_HZ),
        "artefact": _artefact_filter(NOMINAL_HZ),
    }.items():
        _, h = signal.freqz(b, a, frequency, fs=NOMINAL_HZ)
        spectra[name] = np.abs(h) ** 2
    at = np.searchsorted(frequency, [config.hum_hz, 3.0 * config.hum_hz])
    # Covariance of a rectified Gaussian with the autocorrelation r, in units of its variance.
    r = np.fft.irfft(spectra["muscle"] * band)
    r = np.clip(r / r[0], -1.0, 1.0)
    covariance = (np.sqrt(1.0 - r**2) + r * np.arcsin(r) - 1.0) * 2.0 / np.pi
    return Passed(
        muscle=share(spectra["muscle"]),
        noise=float(band.mean()),
        hum=float(0.9 * band[at[0]] + 0.1 * band[at[1]]),
        artefact=share(spectra["artefact"]),
        density_s=float(covariance.sum() / NOMINAL_HZ),
    )


@lru_cache(maxsize=16)
def _shaping(config: SemgConfig, rate_hz: float) -> tuple[FloatArray, FloatArray]:
    """Digital filter that gives white noise the spectrum of EMG."""
    poles = -2.0 * np.pi * np.array([config.low_hz, config.high_hz, config.high_hz])
    zeros, poles, gain = signal.bilinear_zpk([0.0], poles, 1.0, fs=rate_hz)
    b, a = signal.zpk2tf(zeros, poles, gain)
    return np.asarray(b), np.asarray(a)


def carriers(
    config: SemgConfig, rate_hz: float, count: int, muscles: int, rng: np.random.Generator
) -> FloatArray:
    """Interference of each muscle at full activity, RMS 1, (count, muscles)."""
    b, a = _shaping(config, rate_hz)
    return _filtered(b, a, (count, muscles), rng)


def artefact(rate_hz: float, shape: tuple[int, int], rng: np.random.Generator) -> FloatArray:
    """Noise of 1..15 Hz, RMS 1: what a moving electrode adds, (samples, channels)."""
    b, a = _artefact_filter(rate_hz)
    return _filtered(b, a, shape, rng)


def _artefact_filter(rate_hz: float) -> tuple[FloatArray, FloatArray]:
    b, a = signal.butter(2, (1.0, 15.0), "bandpass", fs=rate_hz)
    return np.asarray(b), np.asarray(a)


def _filtered(
    b: FloatArray, a: FloatArray, shape: tuple[int, int], rng: np.random.Generator
) -> FloatArray:
    _, response = signal.freqz(b, a, 4096)
    rms = math.sqrt(float(np.mean(np.abs(response) ** 2)))
    noise = signal.lfilter(b, a, rng.standard_normal(shape), axis=0)
    return np.asarray(noise / rms)
