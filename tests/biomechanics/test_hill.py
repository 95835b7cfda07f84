"""Hill curves against the published numbers, and a muscle worked out by hand."""

import numpy as np
import pytest

from kinefed.biomechanics.hill import (
    HillParameters,
    active_force_length,
    capacity,
    force_velocity,
    passive_force_length,
)
from kinefed.datasets.errors import DataError, DataReason


def one(pennation=0.0, slack=0.2):
    return HillParameters(
        max_force_n=np.array([1000.0]),
        optimal_length_m=np.array([0.1]),
        slack_length_m=np.array([slack]),
        pennation_rad=np.array([pennation]),
        max_velocity=np.array([10.0]),
    )


def at(length, velocity=0.0, hill=None):
    return capacity(np.array([[length]]), np.array([[velocity]]), hill or one())


def test_the_active_curve_has_its_peak_at_the_optimal_length():
    lengths = np.linspace(0.3, 1.8, 1501)
    curve = active_force_length(lengths)
    assert lengths[curve.argmax()] == pytest.approx(1.0, abs=0.02)
    assert curve.max() == pytest.approx(1.0, abs=0.01)
    # The same curve with the digits that OpenSim's DeGrooteFregly2016Muscle carries.
    digits = (
        (0.8150671134243542, 1.055033428970575, 0.162384573599574, 0.063303448465465),
        (0.433004984392647, 0.716775413397760, -0.029947116970696, 0.200356847296188),
        (0.1, 1.0, 0.353553390593274, 0.0),
    )
    bumps = [p * np.exp(-0.5 * ((lengths - q) / (r + s * lengths)) ** 2) for p, q, r, s in digits]
    assert curve == pytest.approx(sum(bumps), abs=5e-3)
    assert (curve > 0.0).all()


def test_the_velocity_curve_passes_through_its_three_points():
    assert force_velocity(np.array([-1.0, 0.0])) == pytest.approx([0.0, 1.0], abs=1e-12)
    # Range of OpenSim's DeGrooteFregly2016Muscle: [0, 1.794].
    assert force_velocity(np.array([1.0]))[0] == pytest.approx(1.794, abs=2e-3)
    # The curve of the paper itself, to the three digits it is printed with.
    v = np.linspace(-0.99, 1.0, 50)
    paper = -0.318 * np.log(-8.149 * v - 0.374 + np.sqrt((-8.149 * v - 0.374) ** 2 + 1)) + 0.886
    assert force_velocity(v) == pytest.approx(paper, abs=0.015)
    assert (np.diff(force_velocity(np.linspace(-1, 1, 100))) > 0).all()


def test_faster_than_the_fastest_is_held():
    assert force_velocity(np.array([-3.0]))[0] == pytest.approx(0.0, abs=1e-12)
    assert force_velocity(np.array([3.0]))[0] == force_velocity(np.array([1.0]))[0]


def test_the_passive_curve():
    assert passive_force_length(np.array([0.2, 1.6])) == pytest.approx([0.0, 1.0], abs=1e-12)
    assert passive_force_length(np.array([0.1]))[0] == 0.0
    assert passive_force_length(np.array([1.0]))[0] == pytest.approx(0.018, abs=0.002)


def test_a_muscle_without_pennation_by_hand():
    found = at(0.2 + 0.1)
    assert found.fibre_length[0, 0] == pytest.approx(1.0)
    assert found.active_n[0, 0] == pytest.approx(1000.0 * active_force_length(np.ones(1))[0])
    half = found.force(np.array([[0.5]]))[0, 0]
    assert half == pytest.approx(0.5 * found.active_n[0, 0] + found.passive_n[0, 0])
    # 0.5 m/s of 0.1 m at 10 lengths a second is half the fastest.
    slow = at(0.3, -0.5)
    assert slow.fibre_velocity[0, 0] == pytest.approx(-0.5)
    ratio = slow.active_n[0, 0] / found.active_n[0, 0]
    assert ratio == pytest.approx(force_velocity(np.array([-0.5]))[0])


def test_pennation_keeps_the_thickness():
    angle = 0.4
    hill = one(angle)
    # At the optimal fibre length the pennation is the stated one.
    found = at(0.2 + 0.1 * np.cos(angle), 0.3, hill)
    assert found.fibre_length[0, 0] == pytest.approx(1.0)
    assert found.fibre_velocity[0, 0] == pytest.approx(0.3 * np.cos(angle))
    # A longer fibre lies flatter: length^2 = along^2 + thickness^2.
    longer = at(0.2 + 0.12, 0.0, hill)
    assert longer.fibre_length[0, 0] == pytest.approx(np.hypot(1.2, np.sin(angle)))
    straight = at(0.2 + 0.12, 0.0)
    cosine = 1.2 / longer.fibre_length[0, 0]
    expected = 1000.0 * cosine * passive_force_length(longer.fibre_length[0])[0]
    assert longer.passive_n[0, 0] == pytest.approx(expected)
    assert longer.fibre_length[0, 0] > straight.fibre_length[0, 0]


@pytest.mark.parametrize("pennation", [0.0, 0.3])
def test_a_slack_muscle_has_no_force(pennation):
    found = at(0.19, 0.0, one(pennation))
    assert found.active_n[0, 0] == 0.0
    assert found.passive_n[0, 0] == 0.0


def test_blocks_do_not_show():
    rng = np.random.default_rng(0)
    lengths = 0.2 + 0.1 * rng.uniform(0.5, 1.5, (2500, 1))
    speeds = rng.uniform(-0.5, 0.5, (2500, 1))
    whole = capacity(lengths, speeds, one())
    for row in (0, 1023, 1024, 2499):
        single = capacity(lengths[row : row + 1], speeds[row : row + 1], one())
        assert whole.active_n[row] == single.active_n[0]


def test_scaled_muscles():
    scaled = one().times(force=2.0, optimal=np.array([1.1]), slack=0.9)
    assert scaled.max_force_n[0] == 2000.0
    assert scaled.optimal_length_m[0] == pytest.approx(0.11)
    assert scaled.slack_length_m[0] == pytest.approx(0.18)


def test_what_does_not_fit_is_refused():
    with pytest.raises(DataError) as caught:
        one(slack=-0.1)
    assert caught.value.reason is DataReason.OUT_OF_RANGE
    with pytest.raises(DataError) as caught:
        capacity(np.ones((3, 2)), np.ones((3, 2)), one())
    assert caught.value.reason is DataReason.MISMATCH
    with pytest.raises(DataError):
        HillParameters(np.ones(2), np.ones(2), np.ones(3), np.ones(2), np.ones(2))
