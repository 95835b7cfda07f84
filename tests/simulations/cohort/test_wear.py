"""Worn IMUs and insoles: each error alone, against what it should do."""

from dataclasses import replace

import numpy as np
import pytest

from kinefed.datasets.errors import DataError, DataReason, UsageError
from kinefed.simulations.cohort.wear import (
    ImuConfig,
    InsoleConfig,
    place_imu,
    place_insole,
    worn_imu,
    worn_insole,
)

RATE_HZ = 100.0
NOTHING = ImuConfig(
    acc_noise=0.0,
    gyro_noise=0.0,
    acc_bias=0.0,
    gyro_bias=0.0,
    acc_walk=0.0,
    gyro_walk=0.0,
    scale=0.0,
    misalignment_rad=0.0,
    placement_rad=0.0,
    placement_m=0.0,
    wobble=0.0,
)


def swing(seconds=60.0):
    """A thigh-like swing: specific force and angular velocity in the segment's axes."""
    time = np.arange(int(seconds * RATE_HZ)) / RATE_HZ
    rate = 2.0 * np.cos(2 * np.pi * time)
    gyro = np.column_stack([0.1 * rate, rate, 0.05 * rate])
    acc = np.column_stack([2.0 * np.sin(4 * np.pi * time), 0.3 * rate, np.full(len(time), 9.81)])
    return acc, gyro


def worn(config, session=1, seed=2, signal=None):
    acc, gyro = signal or swing()
    placement = place_imu(np.random.default_rng(session), config)
    return worn_imu(acc, gyro, RATE_HZ, placement, np.random.default_rng(seed), config)


def test_without_errors_it_is_the_truth():
    acc, gyro = worn(NOTHING)
    assert acc == pytest.approx(swing()[0])
    assert gyro == pytest.approx(swing()[1])


def test_noise_has_its_density():
    quiet = (np.zeros((20_000, 3)), np.zeros((20_000, 3)))
    acc, gyro = worn(replace(NOTHING, acc_noise=2e-3, gyro_noise=3e-4), signal=quiet)
    assert acc.std() == pytest.approx(2e-3 * np.sqrt(50.0), rel=0.02)
    assert gyro.std() == pytest.approx(3e-4 * np.sqrt(50.0), rel=0.02)


def test_bias_stays_for_the_session_and_walks_in_it():
    quiet = (np.zeros((2000, 3)), np.zeros((2000, 3)))
    config = replace(NOTHING, acc_bias=0.1, gyro_bias=0.02)
    acc, gyro = worn(config, signal=quiet)
    assert (acc == acc[0]).all()
    assert np.abs(gyro[0]).max() > 0.0
    assert worn(config, seed=9, signal=quiet)[0][0] == pytest.approx(acc[0])
    assert not np.allclose(worn(config, session=5, signal=quiet)[0][0], acc[0])
    # A random walk: the spread after a time t is walk * sqrt(t).
    ends = [
        worn(replace(NOTHING, acc_walk=0.01), seed=seed, signal=quiet)[0][-1] for seed in range(150)
    ]
    assert np.std(ends) == pytest.approx(0.01 * np.sqrt(20.0), rel=0.15)


def test_scale_and_rotation_act_on_the_vector():
    turned, _ = worn(replace(NOTHING, placement_rad=0.2))
    assert np.linalg.norm(turned, axis=1) == pytest.approx(np.linalg.norm(swing()[0], axis=1))
    assert np.abs(turned - swing()[0]).max() > 0.5
    scaled, gyro = worn(replace(NOTHING, scale=0.05))
    ratio = scaled[10:20, 2] / swing()[0][10:20, 2]
    assert ratio == pytest.approx(ratio[0])
    assert ratio[0] != pytest.approx(1.0, abs=1e-4)
    assert gyro[:, 1] / scaled[:, 1] != pytest.approx(swing()[1][:, 1] / swing()[0][:, 1])


def test_both_sensors_of_an_imu_turn_together():
    acc, gyro = swing()
    config = replace(NOTHING, placement_rad=0.3)
    placement = place_imu(np.random.default_rng(4), config)
    out_acc, out_gyro = worn_imu(acc, gyro, RATE_HZ, placement, np.random.default_rng(0), config)
    assert np.einsum("fi,fi->f", out_acc, out_gyro) == pytest.approx(
        np.einsum("fi,fi->f", acc, gyro)
    )
    assert placement.rotation @ placement.rotation.T == pytest.approx(np.eye(3), abs=1e-12)
    assert np.linalg.det(placement.rotation) == pytest.approx(1.0)


def test_a_shifted_sensor_feels_the_rotation():
    # Steady turning about z: a point 0.1 m out on x feels -omega^2 r.
    gyro = np.tile([0.0, 0.0, 3.0], (100, 1))
    acc = np.tile([0.0, 0.0, 9.81], (100, 1))
    placement = replace(
        place_imu(np.random.default_rng(0), NOTHING), shift_m=np.array([0.1, 0.0, 0.0])
    )
    felt, same = worn_imu(acc, gyro, RATE_HZ, placement, np.random.default_rng(0), NOTHING)
    assert felt[50] == pytest.approx([-0.9, 0.0, 9.81])
    assert same == pytest.approx(gyro)
    # Speeding up about z: alpha x r points along y.
    faster = np.column_stack([np.zeros((100, 2)), 2.0 * np.arange(100) / RATE_HZ])
    felt, _ = worn_imu(
        np.zeros((100, 3)), faster, RATE_HZ, placement, np.random.default_rng(0), NOTHING
    )
    assert felt[50, 1] == pytest.approx(0.2)


def test_soft_tissue_wobbles_at_its_frequency_and_leaves_gravity():
    config = replace(NOTHING, wobble=1.0, wobble_hz=10.0, wobble_damping=0.1)
    still = (np.tile([0.0, 0.0, 9.81], (500, 1)), np.zeros((500, 3)))
    assert worn(config, signal=still)[0] == pytest.approx(still[0])
    time = np.arange(2000) / RATE_HZ

    def gain(hz):
        wave = np.zeros((2000, 3))
        wave[:, 0] = np.sin(2 * np.pi * hz * time)
        found = worn(config, signal=(wave, np.zeros_like(wave)))[0] - wave
        return found[500:, 0].std() / wave[500:, 0].std()

    assert gain(1.0) < 0.02
    assert gain(10.0) > 3.0
    # At resonance the relative motion is 1 / (2 damping) times what shakes it.
    assert max(gain(f) for f in np.arange(8.0, 12.0, 0.25)) == pytest.approx(5.0, rel=0.2)


def test_the_same_seed_gives_the_same_sensor():
    first, second = worn(ImuConfig()), worn(ImuConfig())
    assert (first[0] == second[0]).all()
    assert (first[1] == second[1]).all()
    assert not np.allclose(worn(ImuConfig(), seed=3)[0], first[0], atol=1e-6)


def test_an_ordinary_imu_is_near_the_truth():
    acc, gyro = worn(ImuConfig())
    assert np.sqrt(np.mean((gyro - swing()[1]) ** 2)) < 0.5
    assert 0.05 < np.sqrt(np.mean((acc - swing()[0]) ** 2)) < 3.0


EXACT = InsoleConfig(
    gain=0.0, creep=0.0, noise_n=0.0, cop_noise_m=0.0, cop_shift_m=0.0, threshold_n=1e-6
)


def step(config, session=1, force=None, seed=2):
    force = np.full(30_000, 700.0) if force is None else force
    cop = np.column_stack([np.linspace(-0.05, 0.15, len(force)), np.full(len(force), 0.01)])
    fit = place_insole(np.random.default_rng(session), config)
    return worn_insole(force, cop, RATE_HZ, fit, np.random.default_rng(seed), config), cop


def test_an_exact_insole_is_the_truth():
    (force, found), cop = step(EXACT)
    assert np.allclose(force, 700.0)
    assert np.allclose(found, cop)


def test_an_insole_drifts_under_a_steady_load():
    (force, _), _ = step(replace(EXACT, creep=0.1, creep_s=60.0))
    assert force[0] == pytest.approx(700.0, rel=1e-3)
    assert force[int(60 * RATE_HZ)] == pytest.approx(700.0 * (1 + 0.1 * (1 - np.exp(-1))), rel=1e-3)
    assert force[-1] == pytest.approx(770.0, rel=2e-3)


def test_gain_and_place_are_those_of_the_session():
    config = replace(EXACT, gain=0.1, cop_shift_m=0.005)
    (first, where), cop = step(config, session=1)
    (again, _), _ = step(config, session=1, seed=7)
    (other, _), _ = step(config, session=2)
    assert np.allclose(first, again)
    assert other[0] != pytest.approx(first[0], rel=1e-4)
    shift = where - cop
    assert np.allclose(shift, shift[0])
    gains = [
        np.log(step(config, session=s, force=np.full(3, 700.0))[0][0][0] / 700.0)
        for s in range(300)
    ]
    assert np.std(gains) == pytest.approx(0.1, rel=0.15)


def test_noise_of_force_and_centre():
    (force, where), cop = step(replace(EXACT, noise_n=5.0, cop_noise_m=0.002))
    assert (force - 700.0).std() == pytest.approx(5.0, rel=0.03)
    assert (where - cop).std() == pytest.approx(0.002, rel=0.03)


def test_a_foot_in_the_air_reads_nothing():
    force = np.concatenate([np.full(50, 600.0), np.zeros(50), np.full(10, 15.0)])
    (shown, where), _ = step(InsoleConfig(noise_n=1.0, gain=0.0), force=force)
    assert (shown[50:] == 0.0).all()
    assert np.isnan(where[50:]).all()
    assert np.isfinite(where[:50]).all()


def test_what_does_not_fit_is_refused():
    acc, gyro = swing(1.0)
    placement = place_imu(np.random.default_rng(0))
    for bad in ((acc[:, :2], gyro[:, :2]), (acc[:5], gyro), (acc[:1], gyro[:1])):
        with pytest.raises(DataError) as caught:
            worn_imu(*bad, RATE_HZ, placement, np.random.default_rng(0))
        assert caught.value.reason is DataReason.MISMATCH
    fit = place_insole(np.random.default_rng(0))
    with pytest.raises(DataError):
        worn_insole(np.zeros(5), np.zeros((5, 3)), RATE_HZ, fit, np.random.default_rng(0))
    for config, change in ((ImuConfig, {"wobble_hz": 0.0}), (InsoleConfig, {"creep": -0.1})):
        with pytest.raises(UsageError):
            config(**change)
