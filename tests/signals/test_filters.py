"""Filters, envelopes and rates against scipy and closed forms."""

import numpy as np
import pytest
from scipy import signal

from kinefed.datasets.types import Stream
from kinefed.signals import (
    BandPass,
    Differentiate,
    LowPass,
    LowPassEnvelope,
    MovingRMS,
    Notch,
    Pipeline,
    Rectify,
    Resample,
    SignalError,
    SignalReason,
    Step,
    envelope_steps,
)

RATE_HZ = 1000.0


def run(data, *steps: Step, rate_hz: float = RATE_HZ) -> np.ndarray:
    columns = np.asarray(data, dtype=float).reshape(len(data), -1)
    names = tuple(f"c{i}" for i in range(columns.shape[1]))
    stream = Stream("s", rate_hz, 0.0, names, ("V",) * len(names), columns)
    return Pipeline(steps).apply(stream).data


def sine(hz: float, seconds: float = 4.0, rate_hz: float = RATE_HZ) -> np.ndarray:
    return np.sin(2 * np.pi * hz * np.arange(round(seconds * rate_hz)) / rate_hz)


@pytest.fixture(scope="module")
def noise():
    return np.random.default_rng(3).standard_normal((800, 3)) + 2.0


@pytest.mark.parametrize(
    ("step", "sos"),
    [
        (BandPass(), signal.butter(2, (20, 450), "bandpass", output="sos", fs=RATE_HZ)),
        (BandPass(30, 90, 3), signal.butter(3, (30, 90), "bandpass", output="sos", fs=RATE_HZ)),
        (LowPass(6.0), signal.butter(2, 6, output="sos", fs=RATE_HZ)),
        (LowPassEnvelope(4.0, 4), signal.butter(4, 4, output="sos", fs=RATE_HZ)),
        (Notch(60.0, 20.0), signal.tf2sos(*signal.iirnotch(60.0, 20.0, fs=RATE_HZ))),
    ],
)
def test_filters_are_scipy(noise, step, sos):
    zi = signal.sosfilt_zi(sos)[:, :, None] * noise[0]
    expected, _ = signal.sosfilt(sos, noise, axis=0, zi=zi)
    np.testing.assert_array_equal(run(noise, step), expected)
    both = type(step)(**step.__dict__ | {"zero_phase": True})
    np.testing.assert_array_equal(run(noise, both), signal.sosfiltfilt(sos, noise, axis=0))


def test_the_band_ends_below_half_the_rate():
    """At 500 Hz the band of EMG ends at 225 Hz, not at 450."""
    sos = signal.butter(2, (20, 225), "bandpass", output="sos", fs=500.0)
    np.testing.assert_allclose(BandPass().sos(500.0), sos)


def test_a_notch_takes_out_mains_and_little_else():
    late = slice(2000, None)
    assert np.abs(run(sine(50.0), Notch(50.0))[late]).max() < 0.01
    assert np.abs(run(sine(60.0), Notch(50.0))[late]).max() > 0.98


def test_low_pass_delays_by_what_its_docstring_says():
    ramp = np.arange(4000) / RATE_HZ
    late = ramp - run(ramp, LowPass(6.0))[:, 0]
    assert late[-1] == pytest.approx(1 / (np.pi * np.sqrt(2) * 6.0), rel=1e-3)


@pytest.mark.parametrize("order", range(1, 9))
def test_a_stream_too_short_for_forwards_and_backwards_is_refused(order):
    step = LowPass(6.0, order, zero_phase=True)

    def scipy_takes(samples: int) -> bool:
        try:
            signal.sosfiltfilt(step.sos(RATE_HZ), np.zeros(samples))
        except ValueError:
            return False
        return True

    enough = next(samples for samples in range(1, 60) if scipy_takes(samples))
    run(np.zeros(enough), step)
    with pytest.raises(SignalError) as caught:
        run(np.zeros(enough - 1), step)
    assert caught.value.reason is SignalReason.TOO_SHORT


def test_the_envelope_of_a_burst_is_its_mean_rectified_value():
    """A sine of amplitude A rectified has the mean 2 A / pi."""
    out = run(0.5 * sine(97.3), *envelope_steps())
    assert out[2500:].mean() == pytest.approx(0.5 * 2 / np.pi, rel=0.01)
    assert out.min() > -1e-3


def test_rectify():
    assert run([-1.0, 0.0, 2.0], Rectify())[:, 0].tolist() == [1.0, 0.0, 2.0]


@pytest.mark.parametrize("samples", [1, 2, 7, 50])
def test_moving_rms_is_its_formula(noise, samples):
    out = run(noise, MovingRMS(samples / RATE_HZ))
    padded = np.concatenate([np.repeat(noise[:1], samples - 1, axis=0), noise])
    for i in (0, 1, 30, 799):
        expected = np.sqrt((padded[i : i + samples] ** 2).mean(axis=0))
        np.testing.assert_allclose(out[i], expected, rtol=1e-12)


def test_centred_rms_is_its_formula(noise):
    out = run(noise, MovingRMS(0.006, zero_phase=True))  # six samples become seven
    padded = np.pad(noise, ((3, 3), (0, 0)), mode="edge")
    for i in (0, 2, 400, 799):
        np.testing.assert_allclose(out[i], np.sqrt((padded[i : i + 7] ** 2).mean(axis=0)))


def test_moving_rms_does_not_drift():
    """A loud past leaves nothing behind, which a running sum would not promise."""
    data = np.concatenate([np.full(5000, 1e6), np.full(200, 1e-6)])
    assert run(data, MovingRMS(0.1))[-1, 0] == pytest.approx(1e-6, rel=1e-9)


def test_a_whole_ratio_picks_samples(noise):
    np.testing.assert_array_equal(run(noise, Resample(100.0, anti_alias=False)), noise[::10])
    sos = signal.butter(4, 40.0, output="sos", fs=RATE_HZ)
    guarded, _ = signal.sosfilt(
        sos, noise, axis=0, zi=signal.sosfilt_zi(sos)[:, :, None] * noise[0]
    )
    np.testing.assert_array_equal(run(noise, Resample(100.0)), guarded[::10])
    np.testing.assert_array_equal(run(noise, Resample(RATE_HZ)), noise)


@pytest.mark.parametrize("rate_hz", [300.0, 1259.259, 2000.0, 777.7])
def test_other_ratios_interpolate_one_sample_late(rate_hz):
    ramp = np.arange(1000) / RATE_HZ
    out = run(ramp, Resample(rate_hz, anti_alias=False))[:, 0]
    time = np.arange(len(out)) / rate_hz
    np.testing.assert_allclose(out, np.maximum(time - 1 / RATE_HZ, 0.0), atol=1e-9)
    # The last output is the last one whose time had come when the last sample was there.
    assert time[-1] < 1000 / RATE_HZ <= time[-1] + 1.001 / rate_hz


def test_aliases_are_kept_out():
    loud = run(sine(99.0), Resample(100.0, anti_alias=False))[50:]
    assert np.abs(loud).max() > 0.9  # 99 Hz looks like 1 Hz
    assert np.abs(run(sine(99.0), Resample(100.0))[50:]).max() < 0.03


@pytest.mark.parametrize("rate_hz", [100.0, 1500.0, 480.0])
def test_zero_phase_resampling_is_resample_poly(noise, rate_hz):
    step = Resample(rate_hz, zero_phase=True)
    up, down = {100.0: (1, 10), 1500.0: (3, 2), 480.0: (12, 25)}[rate_hz]
    expected = signal.resample_poly(noise, up, down, axis=0, padtype="line")
    np.testing.assert_array_equal(run(noise, step), expected)
    slow = run(sine(3.0), step)[:, 0]
    time = np.arange(len(slow)) / rate_hz
    middle = (time > 0.5) & (time < 3.5)
    np.testing.assert_allclose(slow[middle], np.sin(6 * np.pi * time[middle]), atol=3e-3)


def test_zero_phase_resampling_needs_a_ratio():
    with pytest.raises(SignalError) as caught:
        run(np.zeros(50), Resample(1000.0 / np.pi, zero_phase=True))
    assert caught.value.where == "resample.rate_hz"


def test_a_ramp_has_its_slope():
    time = np.arange(300) / 100.0
    for zero_phase in (False, True):
        step = Differentiate(1, 15.0, zero_phase)
        out = run(3.0 * time + 8.0, step, rate_hz=100.0)[:, 0]
        np.testing.assert_allclose(out[100:200], 3.0, rtol=1e-6)
        step = Differentiate(2, 15.0, zero_phase)
        out = run(0.5 * 3.0 * time**2, step, rate_hz=100.0)[:, 0]
        np.testing.assert_allclose(out[100:200], 3.0, rtol=1e-6)


@pytest.mark.parametrize("order", [1, 2])
def test_derivatives_are_as_late_as_their_docstring_says(order):
    """Of ``t^(order+1)`` the derivative is a ramp, and a ramp shows a delay."""
    time = np.arange(400) / 100.0
    out = run(time ** (order + 1), Differentiate(order, 15.0), rate_hz=100.0)[:, 0]
    slope = 2.0 if order == 1 else 6.0
    late = time[-1] - out[-1] / slope
    assert late == pytest.approx(
        0.01 / (np.sqrt(2) * np.tan(np.pi * 0.15)) + order * 0.005, rel=1e-3
    )


def test_causal_velocity_is_filter_then_difference():
    angle = np.random.default_rng(5).standard_normal(200).cumsum()
    sos = signal.butter(2, 15.0, output="sos", fs=100.0)
    smooth, _ = signal.sosfilt(sos, angle, zi=signal.sosfilt_zi(sos) * angle[0])
    expected = np.diff(smooth, prepend=smooth[0]) * 100.0
    out = run(angle, Differentiate(), rate_hz=100.0)[:, 0]
    np.testing.assert_allclose(out, expected, rtol=1e-12, atol=1e-9)
