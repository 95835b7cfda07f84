"""Muscle activity behind torques, and the EMG-driven baseline on hidden muscles."""

from dataclasses import replace

import numpy as np
import pytest

from kinefed.biomechanics.activation import activate, shape, shift
from kinefed.biomechanics.geometry import leg_muscles
from kinefed.biomechanics.hill import capacity
from kinefed.biomechanics.nms import NmsModel, leg_sources
from kinefed.biomechanics.nms_forward import NmsTrial
from kinefed.datasets.errors import DataError, DataReason
from kinefed.signals import LegSpec
from kinefed.simulations.cohort.electrodes import place_electrodes
from kinefed.simulations.cohort.muscles import (
    HiddenMuscles,
    HiddenSpread,
    draw_muscles,
    drive,
    limber,
)
from kinefed.simulations.cohort.semg import mvc_reference, mvc_trial, semg_envelope

RATE_HZ = 100.0
MASS_KG = 75.0
MUSCLES = leg_muscles(1.75, MASS_KG)
SITES = (
    "gluteus_maximus",
    "gluteus_medius",
    "adductor_longus",
    "rectus_femoris",
    "vastus_lateralis",
    "vastus_medialis",
    "biceps_femoris",
    "semitendinosus",
    "gastrocnemius_medialis",
    "gastrocnemius_lateralis",
    "soleus",
    "tibialis_anterior",
)
PLAIN = HiddenMuscles(
    strength=np.ones(19),
    optimal=np.ones(19),
    slack=np.zeros(19),
    a_shape=np.full(19, -1.0),
    delay_s=0.0,
    co_contraction=0.0,
)


def stride(seed, seconds=20.0):
    """Angles, velocities, labels in N m/kg and phase of something like walking, load changing."""
    rng = np.random.default_rng(seed)
    time = np.arange(int(seconds * RATE_HZ)) / RATE_HZ
    rate = 0.9 + 0.08 * np.sin(2 * np.pi * time / 7 + 6 * rng.random())
    phase = 2 * np.pi * np.cumsum(rate) / RATE_HZ
    load = 1.0 + 0.3 * np.sin(2 * np.pi * time / 11 + 6 * rng.random())
    angles = np.column_stack(
        [
            0.25 + 0.4 * np.cos(phase),
            0.05 * np.sin(phase),
            0.7 - 0.3 * np.cos(phase) - 0.3 * np.cos(2 * phase + 0.6),
            0.05 + 0.15 * np.sin(2 * phase - 0.5),
        ]
    )
    labels = np.column_stack(
        [
            0.4 * np.cos(phase - 0.3),
            0.3 + 0.3 * np.sin(phase),
            0.1 + 0.3 * np.sin(2 * phase),
            0.5 - 0.5 * np.cos(phase - 2.2),
        ]
    )
    velocities = np.gradient(angles, 1 / RATE_HZ, axis=0)
    return angles, velocities, labels * load[:, None], phase


def moments(muscles, angles, velocities, activation):
    lengths, speeds, arms = muscles.evaluate(angles, velocities)
    force = capacity(lengths, speeds, muscles.hill).force(activation)
    return np.einsum("fmc,fm->fc", arms, force)


def test_the_muscles_of_a_person_make_the_torque():
    angles, velocities, labels, _ = stride(1, 10.0)
    hidden = draw_muscles(19, np.random.default_rng(3))
    found = drive(MUSCLES, hidden, angles, velocities, -labels * MASS_KG, RATE_HZ)
    own = replace(MUSCLES, hill=hidden.apply(MUSCLES.hill))
    made = moments(own, angles, velocities, found.activation)
    assert made + found.residual_nm == pytest.approx(-labels * MASS_KG, abs=1e-6)
    # This person's weakest muscle is at its limit in a few frames.
    assert np.sqrt(np.mean(found.residual_nm**2)) < 0.1
    # The textbook's muscles with the same activations do not: that is what is hidden.
    other = moments(MUSCLES, angles, velocities, found.activation)
    assert np.sqrt(np.mean((other - made) ** 2)) > 3.0


def test_a_person_too_weak_shows_in_the_residual():
    angles, velocities, labels, _ = stride(1, 5.0)
    weak = replace(PLAIN, strength=np.full(19, 0.2))
    found = drive(MUSCLES, weak, angles, velocities, -labels * MASS_KG, RATE_HZ)
    assert found.activation.max() == pytest.approx(1.0)
    assert np.abs(found.residual_nm).max() > 10.0


def test_excitation_leads_activation_by_delay_and_dynamics():
    angles, velocities, labels, _ = stride(2, 10.0)
    hidden = replace(PLAIN, delay_s=0.06)
    found = drive(MUSCLES, hidden, angles, velocities, -labels * MASS_KG, RATE_HZ)
    assert ((found.excitation >= 0.0) & (found.excitation <= 1.0)).all()
    late = shift(found.excitation, RATE_HZ, 0.06)
    forward = shape(activate(np.clip(late, 0.0, 1.0), RATE_HZ), -1.0)
    soleus = MUSCLES.index("soleus")
    assert forward[50:-50, soleus] == pytest.approx(found.activation[50:-50, soleus], abs=0.05)
    undelayed = drive(MUSCLES, PLAIN, angles, velocities, -labels * MASS_KG, RATE_HZ)
    assert found.excitation[:-6] == pytest.approx(undelayed.excitation[6:], abs=1e-9)


def test_co_contraction_costs_more_activity_for_the_same_torque():
    angles, velocities, labels, _ = stride(2, 10.0)
    torque = -labels * MASS_KG
    tense = replace(PLAIN, co_contraction=0.3)
    relaxed = drive(MUSCLES, PLAIN, angles, velocities, torque, RATE_HZ)
    stiff = drive(MUSCLES, tense, angles, velocities, torque, RATE_HZ)
    assert np.mean(stiff.activation) > 1.1 * np.mean(relaxed.activation)
    assert np.abs(stiff.residual_nm).max() < 0.5


def test_people_differ_as_they_are_told_to():
    rng = np.random.default_rng(0)
    people = [draw_muscles(19, rng) for _ in range(400)]
    spread = HiddenSpread()
    strength = np.log([p.strength for p in people])
    assert strength.std() == pytest.approx(np.sqrt(2) * spread.strength, rel=0.1)
    # Half of the variance is the person's, shared by all muscles.
    assert strength.mean(axis=1).std() == pytest.approx(spread.strength, rel=0.15)
    assert np.std([p.slack for p in people]) == pytest.approx(spread.slack, rel=0.1)
    delays = np.array([p.delay_s for p in people])
    assert spread.delay_s[0] <= delays.min() < delays.max() <= spread.delay_s[1]


def test_the_same_seed_gives_the_same_muscles():
    one, two = (draw_muscles(19, np.random.default_rng(8)) for _ in range(2))
    assert (one.strength == two.strength).all()
    assert one.delay_s == two.delay_s
    assert draw_muscles(19, np.random.default_rng(9)).delay_s != one.delay_s


def test_hidden_muscles_change_the_textbook_by_their_factors():
    hidden = draw_muscles(19, np.random.default_rng(8))
    own = hidden.apply(MUSCLES.hill)
    assert own.max_force_n == pytest.approx(MUSCLES.hill.max_force_n * hidden.strength)
    change = own.slack_length_m - MUSCLES.hill.slack_length_m
    assert change == pytest.approx(hidden.slack * MUSCLES.hill.optimal_length_m)


def test_torques_that_do_not_fit_are_refused():
    angles, velocities, labels, _ = stride(2, 2.0)
    with pytest.raises(DataError) as caught:
        drive(MUSCLES, PLAIN, angles, velocities, labels[:, :3], RATE_HZ)
    assert caught.value.reason is DataReason.MISMATCH


@pytest.fixture(scope="module")
def recorded():
    """One person's envelopes in three recordings: calibrate, test, test on another day."""
    hidden = draw_muscles(19, np.random.default_rng(0))
    channels = [f"emg.{site}.r" for site in SITES]
    alone = [[muscle] for muscle in range(19)]
    trials = []
    for seed, day in ((1, 0), (2, 0), (3, 1)):
        angles, velocities, labels, phase = stride(seed)
        activity = drive(MUSCLES, hidden, angles, velocities, -labels * MASS_KG, RATE_HZ)
        electrodes = place_electrodes(
            channels, MUSCLES.names, np.random.default_rng(7), np.random.default_rng(100 + day)
        )
        rng = np.random.default_rng([seed, day])
        maximal = mvc_trial(19, alone, RATE_HZ, rng)
        reference = mvc_reference(semg_envelope(electrodes, maximal, RATE_HZ, rng), RATE_HZ)
        envelope = semg_envelope(electrodes, activity.excitation, RATE_HZ, rng) / reference
        trials.append((NmsTrial(envelope, angles, velocities, RATE_HZ, labels), phase))
    return trials


def test_the_calibrated_baseline_beats_the_mean_profile_on_hidden_muscles(recorded):
    (calibration, known_phase), (test, phase), (other_day, _) = recorded
    spec = LegSpec(
        inputs=("angle.hip_flexion",),
        outputs=("torque.hip",),
        optional=tuple(f"envelope.{site}" for site in SITES),
    )
    sources = leg_sources(MUSCLES, spec, np.ones(1 + len(SITES), dtype=bool))
    nominal = NmsModel.nominal(MUSCLES, MASS_KG, sources)
    fitted = nominal.calibrate([calibration])

    def rmse(estimate, trial):
        return np.sqrt(np.mean((estimate - trial.torque) ** 2, axis=0))

    # The oracle that knows the phase of the stride: mean torque of the calibration in 50 bins.
    bins = np.floor(known_phase / (2 * np.pi) % 1.0 * 50).astype(int)
    profile = np.array([calibration.torque[bins == k].mean(axis=0) for k in range(50)])
    profiled = profile[np.floor(phase / (2 * np.pi) % 1.0 * 50).astype(int)]

    ours = rmse(fitted.predict(test), test)
    assert (ours < rmse(profiled, test)).sum() >= 3
    assert ours.mean() < 0.8 * rmse(profiled, test).mean()
    assert ours.mean() < 0.7 * rmse(nominal.predict(test), test).mean()
    # New electrodes on another day cost something, not everything.
    assert rmse(fitted.predict(other_day), other_day).mean() < 1.5 * ours.mean()


def test_nobody_is_too_short_to_sit_down():
    muscles = leg_muscles(1.7, 70.0, 0.41, 0.42)
    sitting = np.deg2rad([[105.0, 0.0, 105.0, 15.0]])
    worst = {"drawn": 0.0, "limber": 0.0}
    for seed in range(20):
        hidden = draw_muscles(len(muscles.names), np.random.default_rng(seed))
        for name, one in (("drawn", hidden), ("limber", limber(muscles, hidden))):
            hill = one.apply(muscles.hill)
            lengths, rates, arms = muscles.evaluate(sitting, np.zeros_like(sitting))
            passive = capacity(lengths, rates, hill).passive_n
            moment = np.einsum("fmc,fm->c", arms, passive)
            worst[name] = max(worst[name], float(np.abs(moment[:2]).max()) / 70.0)
    assert worst["drawn"] > 1.5
    assert worst["limber"] < 0.6
