"""EMG channels are judged by their samples: made signals of known kind."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import signal as sps

from kinefed.datasets import DataError, emg_quality

RATE_HZ = 1000.0


def _muscle(rng: np.random.Generator, seconds: float = 4.0, floor: float = 3e-3) -> np.ndarray:
    """Bursts of noise shaped like surface EMG (40 to 150 Hz), above an amplifier's noise."""
    n = round(seconds * RATE_HZ)
    sos = sps.butter(2, [40.0, 150.0], "bandpass", fs=RATE_HZ, output="sos")
    shaped = sps.sosfilt(sos, rng.normal(0.0, 1.0, n))
    envelope = 0.03 + np.clip(np.sin(2 * np.pi * np.arange(n) / RATE_HZ), 0.0, 1.0)
    return envelope * shaped / shaped.std() + floor * rng.normal(0.0, 1.0, n)


@pytest.mark.parametrize("gain", [1e-6, 1e-3, 1.0])
@pytest.mark.parametrize("seed", range(5))
def test_muscle_is_good_whatever_the_gain(gain: float, seed: int) -> None:
    found = emg_quality(gain * _muscle(np.random.default_rng(seed)), RATE_HZ)
    assert found.verdict == "good", found


@pytest.mark.parametrize("gain", [1e-6, 1.0])
@pytest.mark.parametrize("seed", range(5))
def test_amplifier_noise_is_dead_whatever_the_gain(gain: float, seed: int) -> None:
    noise = np.random.default_rng(seed).normal(0.0, gain, 4000)
    assert emg_quality(noise, RATE_HZ).verdict == "dead"


def test_a_constant_or_empty_channel_is_dead() -> None:
    assert emg_quality(np.full(4000, 0.3), RATE_HZ).verdict == "dead"
    assert emg_quality(np.full(4000, np.nan), RATE_HZ).verdict == "dead"


@pytest.mark.parametrize("seed", range(3))
def test_a_clipped_channel_is_saturated(seed: int) -> None:
    clipped = np.clip(_muscle(np.random.default_rng(seed)), -1.0, 1.0)
    assert emg_quality(clipped, RATE_HZ).verdict == "saturated"


@pytest.mark.parametrize("seed", range(3))
def test_a_loose_contact_is_intermittent(seed: int) -> None:
    rng = np.random.default_rng(seed)
    x = 1e-4 * rng.normal(0.0, 1.0, 4000)
    x[1000:1600] += _muscle(rng, 0.6)
    assert emg_quality(x, RATE_HZ).verdict == "intermittent"


@pytest.mark.parametrize("seed", range(3))
def test_loud_white_bursts_are_noise(seed: int) -> None:
    rng = np.random.default_rng(seed)
    envelope = 0.05 + (np.arange(4000) % 1000 < 300)
    assert emg_quality(envelope * rng.normal(0.0, 0.1, 4000), RATE_HZ).verdict == "noise"


def test_drift_and_hum_do_not_condemn_a_muscle() -> None:
    t = np.arange(4000) / RATE_HZ
    x = (
        _muscle(np.random.default_rng(0))
        + 2.0 * np.sin(2 * np.pi * 0.5 * t)
        + 0.02 * np.sin(2 * np.pi * 50.0 * t)
    )
    assert emg_quality(x, RATE_HZ).verdict == "good"


def test_coarse_steps_are_not_taken_for_clipping() -> None:
    x = np.round(_muscle(np.random.default_rng(0)) / 0.02) * 0.02
    assert emg_quality(x, RATE_HZ).verdict == "good"


def test_too_short_or_too_slow_is_refused() -> None:
    with pytest.raises(DataError):
        emg_quality(np.zeros(100), RATE_HZ)
    with pytest.raises(DataError):
        emg_quality(np.zeros(1000), 50.0)
