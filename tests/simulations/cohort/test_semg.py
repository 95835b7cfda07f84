"""Raw EMG against its spectrum and statistics, and envelopes against raw EMG's own."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import signal

from kinefed.biomechanics.geometry import leg_muscles
from kinefed.datasets.errors import DataError, DataReason, UsageError, UsageReason
from kinefed.signals import envelope_steps
from kinefed.signals.steps import Layout
from kinefed.simulations.cohort.electrodes import ElectrodeConfig, place_electrodes
from kinefed.simulations.cohort.emg_spectrum import SemgConfig
from kinefed.simulations.cohort.semg import mvc_reference, mvc_trial, raw_semg, semg_envelope

RATE_HZ = 100.0
MUSCLES = leg_muscles().names
CHANNELS = ("emg.vastus_lateralis.r", "emg.soleus.r")
SOLEUS = MUSCLES.index("soleus")
PURE = SemgConfig(noise_v=0.0, hum_v=0.0, artefact_s2_v_per_m=0.0, bits=0)


def electrodes(**changes):
    config = ElectrodeConfig(amplitude_spread=0.0, gain_spread=0.0, shift=0.0, drift=0.0)
    return place_electrodes(
        CHANNELS,
        MUSCLES,
        np.random.default_rng(1),
        np.random.default_rng(2),
        replace(config, **changes),
    )


def active(level, seconds=30.0):
    return np.full((int(seconds * RATE_HZ), len(MUSCLES)), level)


def raw(excitation, config=PURE, seed=3, raw_hz=1000.0, worn=None, **more):
    rng = np.random.default_rng(seed)
    worn = worn or electrodes()
    return raw_semg(worn, excitation, RATE_HZ, raw_hz, rng, config=config, **more)


def envelope(excitation, config=PURE, seed=4, worn=None, **more):
    rng = np.random.default_rng(seed)
    return semg_envelope(worn or electrodes(), excitation, RATE_HZ, rng, config=config, **more)


def through_the_pipeline(emg, raw_hz=1000.0):
    layout = Layout(raw_hz, CHANNELS, ("V", "V"))
    for step in envelope_steps():
        session = step.open(layout)
        emg, layout = session.push(emg), session.layout
    return emg[:: int(raw_hz / RATE_HZ)]


def test_the_median_frequency_is_that_of_surface_emg():
    frequency, power = signal.welch(raw(active(0.5)), 1000.0, nperseg=1024, axis=0)
    below = np.cumsum(power[:, 1]) / power[:, 1].sum()
    assert 80.0 < frequency[np.searchsorted(below, 0.5)] < 110.0
    assert power[frequency > 400.0, 1].sum() < 0.03 * power[:, 1].sum()


def test_the_amplitude_follows_the_activity():
    # Crosstalk adds power: the reference is the mixing itself.
    worn = electrodes(crosstalk=0.0)
    full = raw(active(1.0), worn=worn).std(axis=0)
    assert full == pytest.approx(worn.mixing.max(axis=1), rel=0.03)
    half = raw(active(0.5), worn=worn).std(axis=0)
    assert half == pytest.approx(full * 0.5**0.85, rel=0.03)
    assert raw(active(0.0), worn=worn).max() == 0.0


def test_crosstalk_is_the_same_signal_weaker():
    only = active(0.0)
    only[:, MUSCLES.index("gastrocnemius_medialis")] = 0.8
    quiet = raw(only, worn=electrodes(crosstalk=0.1))
    alone = active(0.0)
    alone[:, SOLEUS] = 0.8
    loud = raw(alone, worn=electrodes(crosstalk=0.1))
    assert quiet[:, 1].std() == pytest.approx(0.1 * loud[:, 1].std(), rel=0.05)
    assert (quiet[:, 0] == 0.0).all()


def test_baseline_noise_and_hum():
    still = active(0.0)
    noise = raw(still, replace(PURE, noise_v=5e-6))
    assert noise.std(axis=0) == pytest.approx(5e-6, rel=0.03)
    hum = raw(still, replace(PURE, hum_v=8e-6, hum_hz=60.0))
    assert hum.std(axis=0) == pytest.approx(8e-6, rel=0.01)
    frequency, power = signal.periodogram(hum[:, 0], 1000.0)
    assert frequency[power.argmax()] == pytest.approx(60.0, abs=0.1)
    third = np.argmin(np.abs(frequency - 180.0))
    assert power[third - 3 : third + 4].sum() == pytest.approx(0.1 * power.sum(), rel=0.1)


def test_motion_artefacts_are_slow_and_grow_with_the_acceleration():
    still = active(0.0)
    config = replace(PURE, artefact_s2_v_per_m=5e-6)
    shaken = np.column_stack([np.full(len(still), 10.0), np.full(len(still), -20.0)])
    found = raw(still, config, acceleration=shaken)
    assert found[:, 0].std() == pytest.approx(5e-5, rel=0.15)
    assert found[:, 1].std() == pytest.approx(1e-4, rel=0.15)
    frequency, power = signal.welch(found[:, 0], 1000.0, nperseg=4096)
    assert power[frequency < 20.0].sum() > 0.75 * power.sum()
    assert raw(still, config).max() == 0.0


def test_the_converter_has_steps_and_ends():
    config = replace(PURE, bits=8, full_scale_v=1e-3)
    found = raw(active(1.0), config)
    step = 2e-3 / 256
    assert found / step == pytest.approx(np.round(found / step), abs=1e-9)
    assert found.min() >= -1e-3
    assert found.max() <= 1e-3 - step + 1e-12


def test_time_runs_from_the_first_frame_to_the_last():
    assert len(raw(active(0.3, 2.0), raw_hz=2000.0)) == 199 * 20 + 1
    burst = active(0.0, 4.0)
    burst[200:] = 1.0
    found = raw(burst)
    assert np.abs(found[:1980]).max() == 0.0
    assert found[2000:].std() > 1e-4


def test_a_rate_below_the_band_is_refused():
    with pytest.raises(UsageError) as caught:
        raw(active(0.3, 1.0), raw_hz=900.0)
    assert caught.value.reason is UsageReason.IMPOSSIBLE
    assert "envelopes" in str(caught.value)


REAL = SemgConfig()


@pytest.mark.parametrize("level", [0.0, 0.05, 0.6])
def test_envelopes_have_the_mean_and_the_grain_of_raw_emg(level):
    shaken = np.full((6000, 2), 8.0)
    steady = active(level, 60.0)
    slow = through_the_pipeline(raw(steady, REAL, acceleration=shaken))[200:]
    fast = envelope(steady, REAL, acceleration=shaken)[200:]
    assert fast.mean(axis=0) == pytest.approx(slow.mean(axis=0), rel=0.05)
    if level:
        # At rest it is white noise and hum, which are less grainy than muscle.
        assert fast.std(axis=0) == pytest.approx(slow.std(axis=0), rel=0.15)


def test_envelopes_follow_a_movement_as_those_of_raw_emg_do():
    time = np.arange(6000) / RATE_HZ
    excitation = np.repeat((0.3 + 0.28 * np.sin(2 * np.pi * time))[:, None], len(MUSCLES), axis=1)
    runs = [through_the_pipeline(raw(excitation, REAL, seed=s))[:5990] for s in range(4)]
    other = [envelope(excitation, REAL, seed=s)[:5990] for s in range(4)]
    mean_raw, mean_envelope = np.mean(runs, axis=0), np.mean(other, axis=0)
    fits = [np.corrcoef(mean_raw[200:, k], mean_envelope[200:, k])[0, 1] for k in range(2)]
    assert min(fits) > 0.97
    lags = range(-4, 5)
    by_lag = [
        np.corrcoef(np.roll(mean_envelope[:, 0], lag)[200:-200], mean_raw[200:-200, 0])[0, 1]
        for lag in lags
    ]
    assert abs(list(lags)[int(np.argmax(by_lag))]) <= 1


def test_sweat_changes_both():
    worn = replace(electrodes(), drift=np.array([-0.3, 0.2]), drift_s=60.0)
    level = active(0.5, 40.0)
    for make in (raw, envelope):
        fresh = np.abs(make(level, worn=worn))[1000:].mean(axis=0)
        soaked = np.abs(make(level, worn=worn, elapsed_s=3600.0))[1000:].mean(axis=0)
        expected = 1.0 + worn.drift
        early = worn.gain(np.linspace(10.0, 40.0, 50)).mean(axis=0)
        assert soaked / fresh == pytest.approx(expected / early, rel=0.03)


def test_the_same_seed_gives_the_same_signal():
    level = active(0.4, 2.0)
    assert (raw(level, REAL) == raw(level, REAL)).all()
    assert (envelope(level, REAL) == envelope(level, REAL)).all()
    assert not np.allclose(raw(level, REAL), raw(level, REAL, seed=9))


def test_a_maximal_contraction_gives_the_reference():
    rng = np.random.default_rng(5)
    trial = mvc_trial(len(MUSCLES), [[SOLEUS], [8, 9, 10]], RATE_HZ, rng)
    assert 0.8 <= trial[:, SOLEUS].max() <= 1.0
    assert trial[:, 0].max() == pytest.approx(0.03)
    assert len(trial) == 2 * int((3.0 + 2.0) * RATE_HZ)
    # The plateau lasts, and the groups take turns.
    assert (trial[:, SOLEUS] > 0.75).sum() >= 300
    assert not ((trial[:, SOLEUS] > 0.1) & (trial[:, 9] > 0.1)).any()
    reference = mvc_reference(envelope(trial, REAL), RATE_HZ)
    steady = envelope(active(0.5), REAL)[200:].mean(axis=0) / reference
    effort = trial[:, [8, SOLEUS]].max(axis=0)
    # Grain makes the largest half second some percent larger than the mean.
    assert steady[1] == pytest.approx((0.5 / effort[1]) ** 0.85, rel=0.15)


def test_the_reference_by_hand():
    course = np.zeros((300, 2))
    course[100:150, 0] = 2.0
    course[100:125, 1] = 2.0
    assert mvc_reference(course, 100.0) == pytest.approx([2.0, 1.0])
    with pytest.raises(DataError) as caught:
        mvc_reference(course[:20], 100.0)
    assert caught.value.reason is DataReason.EMPTY


def test_what_does_not_fit_is_refused():
    level = active(0.3, 1.0)
    for bad in (level[:, :5], level[:0]):
        with pytest.raises(DataError) as caught:
            envelope(bad)
        assert caught.value.reason is DataReason.MISMATCH
    for bad in (level + 1.0, np.full_like(level, np.nan)):
        with pytest.raises(DataError) as caught:
            raw(bad)
        assert caught.value.reason is DataReason.OUT_OF_RANGE
    with pytest.raises(DataError) as caught:
        envelope(level, acceleration=np.zeros((3, 2)))
    assert caught.value.reason is DataReason.MISMATCH
    for change in ({"noise_v": -1.0}, {"exponent": 0.0}):
        with pytest.raises(UsageError):
            SemgConfig(**change)
