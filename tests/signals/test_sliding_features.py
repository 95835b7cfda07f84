"""Features of a stream are those of its windows, each taken alone, whatever it was cut into."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kinefed.signals import EMGFeatures, Pipeline
from kinefed.signals.features import FEATURES
from kinefed.signals.sliding import window_sums

RATE_HZ = 1000.0


@st.composite
def signals(draw):
    """Few levels, so that zeros, plateaus and exact thresholds abound."""
    n, channels = draw(st.integers(3, 80)), draw(st.integers(1, 3))
    levels = draw(st.sampled_from([[0.0], [-1.0, 0.0, 1.0], [-2.0, -1.0, 0.0, 0.0, 0.0, 1.0, 2.5]]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    return rng.choice(levels, (n, channels))


@settings(max_examples=300, deadline=None)
@given(
    signals(),
    st.integers(3, 30),
    st.integers(1, 40),
    st.sampled_from([0.0, 1.0, 2.0]),
    st.integers(1, 20),
)
def test_sliding_is_window_by_window(x, size, hop, threshold, cut):
    step = EMGFeatures(
        size / RATE_HZ,
        hop / RATE_HZ,
        zc_threshold_v=threshold,
        ssc_threshold_v=threshold,
        myop_threshold_v=threshold,
    )
    channels = tuple(f"c{i}" for i in range(x.shape[1]))
    session = Pipeline((step,)).open(RATE_HZ, channels, ("V",) * len(channels))
    whole = session.push(x)
    starts = range(0, len(x) - size + 1, hop)
    alone = [step.of_windows(x[s : s + size].T, RATE_HZ).ravel() for s in starts]
    expected = np.array(alone).reshape(len(starts), len(FEATURES) * x.shape[1])
    assert whole == pytest.approx(expected, rel=1e-9, abs=1e-9)
    again = Pipeline((step,)).open(RATE_HZ, channels, ("V",) * len(channels))
    parts = [again.push(x[i : i + cut]) for i in range(0, len(x), cut)]
    assert np.vstack(parts).tobytes() == whole.tobytes()


@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 10))
def test_sums_of_windows(size, hop, count):
    values = np.random.default_rng(size * 41 + hop).normal(size=((count - 1) * hop + size, 2))
    sums = [values[i * hop : i * hop + size].sum(axis=0) for i in range(count)]
    assert window_sums(values, size, hop, count) == pytest.approx(np.array(sums), abs=1e-12)
