from __future__ import annotations

import numpy as np
import pytest

from kinefed.datasets.types import FloatArray
from kinefed.simulations.cohort.contact import (
    GRAVITY,
    Contacts,
    Support,
    follow_pressure,
    pelvis_correction,
    share_seat,
    share_wrench,
    yaw_correction,
)
from kinefed.simulations.cohort.following import Path


def _support(rng: np.random.Generator, frames: int, slope: float) -> Support:
    right = rng.uniform(0.0, 1.0, frames)
    right[: frames // 3] = 1.0
    share = np.stack([right, 1.0 - right], axis=1)
    along = np.array([np.cos(slope), 0.0, np.sin(slope)])
    point = rng.uniform(0.2, 0.7, (frames, 2, 1)) * along
    point[:, 1] -= 0.6 * along
    point[:, 0, 1], point[:, 1, 1] = -0.1, 0.1
    return Support(share, point, np.full(frames, slope))


@pytest.mark.parametrize("slope", [0.0, 0.15, -0.2])
def test_the_shares_add_up_to_the_whole_wrench(slope: float) -> None:
    rng = np.random.default_rng(1)
    support = _support(rng, 60, slope)
    force = rng.normal(0.0, 60.0, (60, 3)) + np.array([0.0, 0.0, 700.0])
    about = rng.normal(0.0, 0.1, (60, 3)) + np.array([0.0, 0.0, 0.9])
    moment = rng.normal(0.0, 40.0, (60, 3))
    contacts = share_wrench(force, moment, about, support, 0.95)
    np.testing.assert_allclose(contacts.force.sum(axis=1), force, atol=1e-9)
    total = np.cross(contacts.point - about[:, None], contacts.force).sum(axis=1)
    total[:, 2] += contacts.free_moment.sum(axis=1)
    np.testing.assert_allclose(total, moment, atol=1e-9)
    # Centres of pressure stay on the ground.
    height = contacts.point[:, :, 2] - np.tan(slope) * contacts.point[:, :, 0]
    np.testing.assert_allclose(height, 0.0, atol=1e-12)


def test_the_leading_foot_brakes_and_the_trailing_foot_propels() -> None:
    share = np.full((1, 2), 0.5)
    point = np.array([[[0.35, 0.0, 0.0], [-0.35, 0.0, 0.0]]])
    support = Support(share, point, np.zeros(1))
    force, about = np.array([[0.0, 0.0, 700.0]]), np.array([[0.0, 0.0, 1.0]])
    contacts = share_wrench(force, np.zeros((1, 3)), about, support, 1.0)
    assert contacts.force[0, 0, 0] == pytest.approx(-0.25 * 700.0 * 0.7)
    assert contacts.force[0, 1, 0] == pytest.approx(0.25 * 700.0 * 0.7)
    np.testing.assert_allclose(contacts.shift, 0.0, atol=1e-12)


def test_double_support_takes_up_the_moment_about_the_vertical_as_a_couple() -> None:
    share = np.array([[0.5, 0.5], [1.0, 0.0]])
    point = np.tile(np.array([[[0.3, 0.0, 0.0], [-0.3, 0.0, 0.0]]]), (2, 1, 1))
    support = Support(share, point, np.zeros(2))
    force, about = np.tile([0.0, 0.0, 700.0], (2, 1)), np.tile([0.0, 0.0, 1.0], (2, 1))
    moment = np.cross(point[:, 0] * [[0.0], [1.0]] - about, force) + np.array([0.0, 0.0, 12.0])
    contacts = share_wrench(force, moment, about, support, 1.0)
    np.testing.assert_allclose(contacts.free_moment[0], 0.0, atol=1e-9)
    assert contacts.force[0, 0, 1] == pytest.approx(12.0 / 0.6)
    # One foot alone has to bear it as a twist.
    np.testing.assert_allclose(contacts.free_moment[1], [12.0, 0.0], atol=1e-9)


def test_a_seat_bears_by_the_lever_rule() -> None:
    feet = np.array([[0.1, -0.1, 0.0], [0.1, 0.1, 0.0]])
    point = np.concatenate([feet, [[-0.3, 0.0, 0.45]]])[None]
    support = Support(np.array([[0.5, 0.5, 0.0]]), point, np.zeros(1))
    com = np.array([[-0.2, 0.0, 0.8]])
    weight = np.array([[0.0, 0.0, 600.0]])
    # A body at rest: the supports' total acts under the centre of mass.
    shared = share_seat(weight, np.zeros((1, 3)), com, support, np.ones(1))
    assert shared.share[0, 2] == pytest.approx(0.75)
    contacts = share_wrench(weight, np.zeros((1, 3)), com, shared, 0.8)
    np.testing.assert_allclose(contacts.shift, 0.0, atol=1e-12)
    assert contacts.force[0, 2, 2] == pytest.approx(450.0)
    # Once the seat may bear nothing, it bears nothing.
    gone = share_seat(weight, np.zeros((1, 3)), com, support, np.zeros(1))
    assert gone.share[0, 2] == 0.0
    np.testing.assert_allclose(gone.share[0, :2], 0.5)


def test_in_flight_nothing_is_shared_and_nothing_divides_by_zero() -> None:
    support = Support(np.zeros((3, 2)), np.zeros((3, 2, 3)), np.zeros(3))
    nothing: FloatArray = np.zeros((3, 3))
    contacts = share_wrench(nothing, nothing, nothing, support, 1.0)
    np.testing.assert_array_equal(contacts.force, 0.0)
    np.testing.assert_array_equal(contacts.shift, 0.0)


def test_a_mass_follows_a_swaying_centre_of_pressure_as_theory_has_it() -> None:
    rate_hz, height_m = 100.0, 0.9
    time_s = np.arange(2000) / rate_hz
    sway, drift = 0.05 * np.sin(2.0 * np.pi * 0.5 * time_s), 1.2 * time_s
    path = follow_pressure(np.stack([sway + drift], axis=1), height_m, rate_hz)[:, 0]
    factor = 1.0 + height_m * (2.0 * np.pi * 0.5) ** 2 / GRAVITY
    middle = slice(500, 1500)
    np.testing.assert_allclose(path[middle], (sway / factor + drift)[middle], atol=2e-4)


def test_corrections_answer_the_error_and_no_nonsense() -> None:
    """Where next to nothing bears, shift and twist are divisions by next to nothing."""
    frames, weight = 600, 700.0
    time_s = np.arange(frames) / 100.0
    force = np.zeros((frames, 2, 3))
    force[:, :, 2] = 0.5 * weight
    shift = np.stack([0.05 * np.sin(2.0 * np.pi * 0.5 * time_s), np.zeros(frames)], axis=1)
    twist = np.stack([10.0 * np.sin(2.0 * np.pi * 5.0 * time_s), np.zeros(frames)], axis=1)
    usual = Contacts(force, np.zeros_like(force), twist, shift)
    moved = pelvis_correction(usual, weight, 0.9, 100.0)
    # Half a hertz, a little below the whole error, against it.
    assert 0.02 < np.abs(moved[200:400, 0]).max() < 0.05
    assert np.corrcoef(moved[200:400, 0], shift[200:400, 0])[0, 1] < -0.99
    turned = yaw_correction(usual, 70.0, 100.0)
    assert np.corrcoef(turned[200:400], twist[200:400, 0])[0, 1] > 0.99

    shift, twist = shift.copy(), twist.copy()
    shift[300], twist[300] = 1e4, 1e6
    wild = Contacts(force, np.zeros_like(force), twist, shift)
    assert np.abs(pelvis_correction(wild, weight, 0.9, 100.0) - moved).max() < 0.05
    assert np.abs(yaw_correction(wild, 70.0, 100.0) - turned).max() < 0.05


def test_a_path_found_at_a_lower_rate_is_the_same_path() -> None:
    rough_s, time_s = np.arange(200) / 50.0 - 1.0, np.arange(399) / 100.0 - 1.0

    def columns(t: FloatArray) -> FloatArray:
        return np.stack([np.sin(k * t) for k in range(1, 8)])

    x = columns(rough_s)
    path = Path(x[:2].T, x[2], x[3], x[4], x[5:].T).at(-1.0, 50.0, time_s)
    wanted = columns(time_s)
    found = [*path.shift.T, path.yaw, path.turned, path.lower, *path.heels.T]
    np.testing.assert_allclose(found, wanted, atol=1e-4)
