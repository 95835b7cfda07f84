"""Features against plain formulas, and where definitions differ."""

from itertools import pairwise

import numpy as np
import pytest

from kinefed.datasets.types import Stream
from kinefed.signals import EMGFeatures, Pipeline
from kinefed.signals.features import (
    FEATURES,
    mean_frequency,
    median_frequency,
    myopulse_rate,
    slope_sign_changes,
    zero_crossings,
)

RATE_HZ = 1000.0


def plain(x: list[float], rate_hz: float, zc: float, ssc: float, myop: float) -> dict[str, float]:
    """Every feature once more, by loops."""
    n = len(x)
    crossings, last = 0, 0.0
    for value in x:
        crossings += last * value < 0 and abs(value - last) >= zc
        last = value or last
    turns, last = 0, 0.0
    for a, b in pairwise(x):
        step = b - a
        turns += last * step < 0 and max(abs(last), abs(step)) >= ssc
        last = step or last
    size = max(256, 2 ** int(np.ceil(np.log2(n))))
    centre = sum(x) / n
    bins = np.arange(size // 2 + 1)
    rotation = np.exp(-2j * np.pi * bins[:, None] * np.arange(n) / size)
    power = np.abs(rotation @ (np.array(x) - centre)) ** 2
    frequency = bins * rate_hz / size
    half, running = 0.5 * power.sum(), 0.0
    median = 0.0
    for f, p in zip(frequency, power, strict=True):
        running += p
        if running >= half:
            median = f
            break
    return {
        "mav": sum(abs(v) for v in x) / n,
        "rms": (sum(v * v for v in x) / n) ** 0.5,
        "zc": crossings,
        "ssc": turns,
        "ssi": sum(v * v for v in x),
        "wl": sum(abs(b - a) for a, b in pairwise(x)),
        "myop": sum(abs(v) > myop for v in x) / n,
        "mnf": float((frequency * power).sum() / power.sum()),
        "mdf": float(median),
    }


def emg(samples: int, seed: int = 0) -> np.ndarray:
    return 1e-4 * np.random.default_rng(seed).standard_normal((samples, 2)) + 5e-5


@pytest.mark.parametrize("as_counts", [False, True])
@pytest.mark.parametrize(("window", "hop"), [(150, 10), (64, 64), (300, 37), (3, 1)])
def test_features_are_their_plain_formulas(window, hop, as_counts):
    data = emg(700)
    if as_counts:  # an 8-bit signal is full of exact zeros and flat steps
        data = np.round(data / 5e-5) * 5e-5
    step = EMGFeatures(
        window / RATE_HZ,
        hop / RATE_HZ,
        zc_threshold_v=4e-5,
        ssc_threshold_v=1.2e-4,
        myop_threshold_v=1e-4,
    )
    stream = Stream("emg", RATE_HZ, 1.0, ("emg.soleus.r", "emg.soleus.l"), ("V", "V"), data)
    out = Pipeline((step,)).apply(stream)
    assert len(out.data) == (700 - window) // hop + 1
    assert out.rate_hz == pytest.approx(RATE_HZ / hop)
    assert out.time_s[0] == pytest.approx(1.0 + (window - 1) / RATE_HZ)
    for k in (0, len(out.data) // 2, len(out.data) - 1):
        for channel, name in enumerate(stream.channels):
            x = data[k * hop : k * hop + window, channel].tolist()
            for feature, value in plain(x, RATE_HZ, 4e-5, 1.2e-4, 1e-4).items():
                found = out.column(f"{feature}.{name}")[k]
                assert found == pytest.approx(value, rel=1e-9), (feature, k)


def test_units_and_names():
    step = EMGFeatures(features=("ssi", "mav", "zc", "mnf"))
    layout = Pipeline((step,)).open(RATE_HZ, ("emg.soleus.r",)).layout
    assert layout.channels == tuple(f"{f}.emg.soleus.r" for f in ("ssi", "mav", "zc", "mnf"))
    assert layout.units == ("V^2", "V", "1", "Hz")


def test_a_window_of_zeros_gives_zeros():
    stream = Stream("emg", RATE_HZ, 0.0, ("emg.soleus.r",), ("V",), np.zeros((300, 1)))
    out = Pipeline((EMGFeatures(),)).apply(stream)
    assert out.data.shape == (16, len(FEATURES))
    assert not out.data.any()


def test_raw_8_bit_counts_do_not_overflow():
    raw = np.tile(np.array([[-128], [127]], dtype=np.int8), (100, 1))
    session = Pipeline((EMGFeatures(0.1, 0.1, ("mav", "rms", "wl", "zc")),)).open(RATE_HZ, ("c",))
    mav, rms, wl, zc = session.push(raw)[0]
    assert mav == pytest.approx(127.5)
    assert rms == pytest.approx(np.sqrt((128**2 + 127**2) / 2))
    assert (wl, zc) == (99 * 255.0, 99.0)


def test_a_crossing_through_an_exact_zero_counts_once():
    assert zero_crossings(np.array([1.0, 0.0, 0.0, -1.0, 0.0, -2.0, 1.0])) == 2
    assert zero_crossings(np.array([1.0, 0.0, 1.0])) == 0
    assert zero_crossings(np.array([0.0, 0.0, 1.0])) == 0
    assert zero_crossings(np.array([1.0, -1.0, 3.0]), threshold_v=3.0) == 1
    assert zero_crossings(np.array([1e-200, -1e-200])) == 1  # their product is 0


def test_a_plateau_is_one_turn_and_a_flat_step_none():
    assert slope_sign_changes(np.array([0.0, 1.0, 1.0, 0.0])) == 1
    assert slope_sign_changes(np.array([0.0, 1.0, 1.0, 2.0])) == 0
    assert slope_sign_changes(np.array([0.0, 1.0, 0.5, 0.6]), threshold_v=0.2) == 2
    assert slope_sign_changes(np.array([0.0, 1.0, 0.5, 0.6]), threshold_v=0.7) == 1


def test_myopulse_counts_strictly_above():
    assert myopulse_rate(np.array([1.0, -2.0, 3.0, -1.0]), 1.0) == 0.5


@pytest.mark.parametrize("offset", [0.0, 5e-5, 1.0])
def test_frequencies_of_a_sine_are_its_own_whatever_the_offset(offset):
    x = 1e-4 * np.sin(2 * np.pi * 125.0 * np.arange(256) / RATE_HZ) + offset
    assert mean_frequency(x, RATE_HZ) == pytest.approx(125.0, abs=1e-6)
    assert median_frequency(x, RATE_HZ) == 125.0
    assert median_frequency(x, 2 * RATE_HZ) == 250.0
