"""Cut-offs of signals whose band is known."""

import numpy as np
import pytest

from kinefed.signals import SignalError, SignalReason, power_cutoff, residual_analysis

RATE_HZ = 100.0
TIME = np.arange(2000) / RATE_HZ


def test_the_share_of_power_of_two_sines():
    x = 2.0 * np.sin(2 * np.pi * 2.0 * TIME) + 1.0 * np.sin(2 * np.pi * 11.0 * TIME) + 40.0
    assert power_cutoff(x, RATE_HZ, 0.7) == pytest.approx(2.0, abs=0.1)  # 80 % lies there
    assert power_cutoff(x, RATE_HZ, 0.9) == pytest.approx(11.0, abs=0.1)
    both = np.column_stack([x, np.sin(2 * np.pi * 23.0 * TIME)])
    assert power_cutoff(both, RATE_HZ, 0.7) == pytest.approx(23.0, abs=0.1)


def test_a_trend_is_not_taken_for_high_frequency():
    assert power_cutoff(TIME, RATE_HZ, 0.99) < 0.2


def test_a_constant_has_no_band():
    assert power_cutoff(np.full(100, 0.1), RATE_HZ) == 0.0


@pytest.mark.parametrize("sigma", [0.02, 0.1])
def test_residual_analysis_finds_the_noise(sigma):
    rng = np.random.default_rng(0)
    clean = sum(np.sin(2 * np.pi * k * TIME + k) / k**2 for k in range(1, 7))
    found = residual_analysis(clean + sigma * rng.standard_normal(len(TIME)), RATE_HZ)
    assert found.noise == pytest.approx(sigma, rel=0.1)
    assert 2.0 < found.cutoff_hz < 8.0
    assert (np.diff(found.residuals) < 1e-3).all()
    at = np.interp(found.cutoff_hz, found.frequencies_hz, found.residuals)
    assert at == pytest.approx(found.noise, rel=1e-6)


def test_more_noise_means_a_lower_cut_off():
    rng = np.random.default_rng(0)
    clean = sum(np.sin(2 * np.pi * k * TIME + k) / k**2 for k in range(1, 7))
    noise = rng.standard_normal(len(TIME))
    cutoffs = [residual_analysis(clean + s * noise, RATE_HZ).cutoff_hz for s in (0.01, 0.05, 0.2)]
    assert cutoffs[0] > cutoffs[1] > cutoffs[2]


def test_own_frequencies_are_used():
    frequencies = np.arange(1.0, 21.0)
    found = residual_analysis(np.sin(TIME * 9), RATE_HZ, frequencies)
    np.testing.assert_array_equal(found.frequencies_hz, frequencies)


@pytest.mark.parametrize(
    ("call", "reason"),
    [
        (lambda: power_cutoff([1.0, 2.0], RATE_HZ), SignalReason.TOO_SHORT),
        (lambda: power_cutoff(TIME, RATE_HZ, 1.0), SignalReason.OUT_OF_RANGE),
        (lambda: power_cutoff(TIME * np.nan, RATE_HZ), SignalReason.NOT_FINITE),
        (lambda: residual_analysis(np.zeros((50, 2)), RATE_HZ), SignalReason.WRONG_SHAPE),
        (lambda: residual_analysis(np.zeros((5, 5, 5)), RATE_HZ), SignalReason.WRONG_SHAPE),
        (lambda: residual_analysis(TIME, RATE_HZ, [1.0, 2.0]), SignalReason.OUT_OF_RANGE),
        (lambda: residual_analysis(TIME, RATE_HZ, np.arange(41.0, 50)), SignalReason.OUT_OF_RANGE),
    ],
)
def test_bad_input_is_refused(call, reason):
    with pytest.raises(SignalError) as caught:
        call()
    assert caught.value.reason is reason
