"""Static optimisation against scipy, frame by frame."""

import numpy as np
import pytest
from scipy.optimize import lsq_linear

from kinefed.biomechanics.geometry import leg_muscles
from kinefed.biomechanics.hill import capacity
from kinefed.biomechanics.optimisation import antagonist_floor, static_optimisation
from kinefed.datasets.errors import DataError, DataReason


def leg_problem(frames, size_nm, seed=0):
    """Torque per activation of a leg in random postures, and random torques."""
    rng = np.random.default_rng(seed)
    muscles = leg_muscles()
    angles = np.radians([25.0, 0.0, 40.0, 0.0]) + np.radians([20.0, 6.0, 20.0, 8.0]) * rng.uniform(
        -1, 1, (frames, 4)
    )
    lengths, velocities, arms = muscles.evaluate(angles, 2.0 * rng.standard_normal((frames, 4)))
    can = capacity(lengths, velocities, muscles.hill)
    a = np.ascontiguousarray((arms * can.active_n[:, :, None]).transpose(0, 2, 1))
    return a, size_nm * rng.standard_normal((frames, 4))


def by_scipy(a, b, low, high, slack_nm):
    """One frame as a bounded least-squares problem."""
    count = a.shape[1]
    matrix = np.vstack([np.eye(count), a / slack_nm])
    right = np.concatenate([np.zeros(count), b / slack_nm])
    return lsq_linear(matrix, right, bounds=(low, high), method="bvls", tol=1e-14).x


# 20 N m: ordinary walking; 60: half of the frames are beyond the muscles' strength.
@pytest.mark.parametrize("size_nm", [20.0, 60.0, 300.0])
@pytest.mark.parametrize("slack_nm", [1.0, 5.0])
def test_it_finds_what_scipy_finds(size_nm, slack_nm):
    a, b = leg_problem(60, size_nm, seed=int(size_nm))
    found = static_optimisation(a, b, slack_nm=slack_nm)
    for frame in range(len(a)):
        expected = by_scipy(a[frame], b[frame], 0.01, 1.0, slack_nm)
        assert found[frame] == pytest.approx(expected, abs=5e-6)


def test_it_finds_what_scipy_finds_with_bounds_of_each_frame():
    a, b = leg_problem(40, 30.0, seed=5)
    rng = np.random.default_rng(6)
    low = rng.uniform(0.0, 0.2, (40, a.shape[2]))
    high = low + rng.uniform(0.0, 0.8, low.shape)
    found = static_optimisation(a, b, low=low, high=high)
    for frame in range(len(a)):
        # bvls wants room between the bounds.
        expected = by_scipy(a[frame], b[frame], low[frame], high[frame] + 1e-12, 1.0)
        assert found[frame] == pytest.approx(expected, abs=5e-6)


@pytest.mark.parametrize(("joints", "muscles"), [(1, 3), (2, 8), (4, 19), (6, 40)])
def test_it_meets_the_conditions_of_the_optimum(joints, muscles):
    rng = np.random.default_rng(joints)
    a = 20.0 * rng.standard_normal((2000, joints, muscles))
    a[rng.random(a.shape) < 0.5] = 0.0
    b = 30.0 * rng.standard_normal((2000, joints))
    found = static_optimisation(a, b, low=0.02, slack_nm=2.0)
    slack = b - np.einsum("fjm,fm->fj", a, found)
    wanted = np.einsum("fjm,fj->fm", a, slack / 4.0)
    assert found == pytest.approx(np.clip(wanted, 0.02, 1.0), abs=1e-6)


def test_a_frame_does_not_depend_on_its_neighbours():
    a, b = leg_problem(2500, 40.0)
    whole = static_optimisation(a, b)
    for frame in (0, 1234, 2047, 2048, 2499):
        part = slice(frame, frame + 1)
        assert static_optimisation(a[part], b[part])[0] == pytest.approx(whole[frame], abs=1e-7)


def test_an_ordinary_torque_is_met_and_an_impossible_one_saturates():
    # A third of the strength, made from activations that exist.
    a, _ = leg_problem(200, 1.0)
    rng = np.random.default_rng(3)
    b = np.einsum("fjm,fm->fj", a, rng.uniform(0.05, 0.4, (200, a.shape[2])))
    found = static_optimisation(a, b)
    assert np.einsum("fjm,fm->fj", a, found) == pytest.approx(b, abs=0.1)
    knee = np.zeros((1, 4))
    knee[0, 2] = -2000.0
    extensors = a[0, 2] < -20.0
    assert static_optimisation(a[:1], knee)[0, extensors] == pytest.approx(1.0)


def test_co_contraction_raises_antagonists_and_keeps_the_torque():
    a, b = leg_problem(300, 15.0, seed=9)
    alone = static_optimisation(a, b)
    floor = antagonist_floor(a, b, alone, 0.3)
    both = static_optimisation(a, b, low=floor)
    assert (both >= floor - 1e-12).all()
    knee_flexors = a[:, 2].mean(axis=0) > 2.0
    extending = b[:, 2] < -15.0
    assert extending.sum() > 20
    more = (both - alone)[extending][:, knee_flexors].mean()
    assert more > 0.01
    met = np.einsum("fjm,fm->fj", a, both)
    assert np.median(np.abs(met - b)) < 0.05
    assert (antagonist_floor(a, b, alone, 0.0) == 0.01).all()


def test_the_floor_by_hand():
    # Two flexors, two extensors of one joint; flexion is wanted.
    a = np.array([[[10.0, 20.0, -5.0, -10.0]]])
    floor = antagonist_floor(a, np.array([[6.0]]), np.array([[0.3, 0.6, 0.01, 0.01]]), 0.5)
    level = (10.0 * 0.3 + 20.0 * 0.6) / 30.0
    assert floor[0] == pytest.approx([0.01, 0.01, 0.5 * level * 0.5, 0.5 * level])


def test_what_does_not_fit_is_refused():
    a, b = leg_problem(3, 10.0)
    with pytest.raises(DataError) as caught:
        static_optimisation(a, b[:, :3])
    assert caught.value.reason is DataReason.MISMATCH
    with pytest.raises(DataError) as caught:
        static_optimisation(a, np.where(b > 0, np.nan, b))
    assert caught.value.reason is DataReason.NOT_FINITE
    for change in ({"low": 0.5, "high": 0.4}, {"slack_nm": 0.01}):
        with pytest.raises(DataError) as caught:
            static_optimisation(a, b, **change)
        assert caught.value.reason is DataReason.OUT_OF_RANGE
    with pytest.raises(DataError):
        antagonist_floor(a, b, np.zeros((3, 19)), 1.5)
