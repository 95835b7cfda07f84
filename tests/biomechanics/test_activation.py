"""Activation dynamics against their time constants, and each function against its inverse."""

import numpy as np
import pytest

from kinefed.biomechanics.activation import activate, excite, shape, shift, unshape
from kinefed.datasets.errors import DataError, DataReason


def test_a_step_up_rises_with_the_fast_constant_and_a_step_down_falls_with_the_slow_one():
    rate = 10_000.0
    up = activate(np.ones((2000, 1)), rate, start=np.zeros(1))[:, 0]
    # da/dt at a = 0 is u / (0.015 * 0.5).
    assert up[0] * rate == pytest.approx(1.0 / 0.0075, rel=0.02)
    down = activate(np.zeros((4000, 1)), rate, start=np.ones(1))[:, 0]
    # da/dt at a = 1 is -1 / (0.060 / 2).
    assert (1.0 - down[0]) * rate == pytest.approx(2.0 / 0.060, rel=0.02)
    half_up, half_down = (up < 0.5).sum() / rate, (down > 0.5).sum() / rate
    assert half_up < 0.5 * half_down
    assert up[-1] == pytest.approx(1.0, abs=1e-3)


def test_a_constant_excitation_is_its_activation():
    held = np.full((50, 2), [0.2, 0.8])
    assert activate(held, 100.0) == pytest.approx(held)
    assert excite(held, 100.0) == pytest.approx(held)


def test_exciting_undoes_activating():
    rate = 2000.0
    time = np.arange(0.0, 2.0, 1.0 / rate)
    excitation = np.column_stack(
        [0.4 + 0.3 * np.sin(2 * np.pi * time), 0.3 + 0.2 * np.cos(4 * np.pi * time)]
    )
    back = excite(activate(excitation, rate), rate)
    assert back[100:-100] == pytest.approx(excitation[100:-100], abs=0.01)


def test_activating_undoes_exciting_at_the_rate_of_a_recording():
    time = np.arange(0.0, 5.0, 0.01)
    activation = (0.35 + 0.25 * np.sin(2 * np.pi * time))[:, None]
    forward = activate(excite(activation, 100.0), 100.0)
    assert forward[20:] == pytest.approx(activation[20:], abs=0.03)


def test_excitation_leads_activation():
    time = np.arange(0.0, 5.0, 0.01)
    activation = (0.35 + 0.25 * np.sin(2 * np.pi * time))[:, None]
    excitation = excite(activation, 100.0)
    lags = range(-10, 11)
    fits = [
        np.corrcoef(np.roll(activation[:, 0], -lag)[50:-50], excitation[50:-50, 0])[0, 1]
        for lag in lags
    ]
    assert 1 <= list(lags)[int(np.argmax(fits))] <= 6


def test_a_jump_that_no_excitation_makes_gives_the_bound():
    activation = np.array([[0.0], [0.0], [1.0], [1.0], [0.0], [0.0]])
    excitation = excite(activation, 1000.0)
    assert excitation.min() == 0.0
    assert excitation.max() == 1.0


@pytest.mark.parametrize("a", [-3.0, -1.0, 0.0])
def test_the_a_shape_and_its_inverse(a):
    u = np.linspace(0.0, 1.0, 101)
    bent = shape(u, a)
    assert bent[[0, -1]] == pytest.approx([0.0, 1.0], abs=1e-9)
    assert (np.diff(bent) > 0.0).all()
    assert unshape(bent, a) == pytest.approx(u, abs=1e-9)
    if a == 0.0:
        assert bent == pytest.approx(u, abs=1e-7)
    else:
        assert (bent[1:-1] > u[1:-1]).all()


def test_the_a_shape_by_hand():
    expected = (np.exp(-0.4) - 1.0) / (np.exp(-2.0) - 1.0)
    assert shape(np.array([0.2]), -2.0)[0] == pytest.approx(expected)
    assert unshape(np.ones(3), np.array([-2.9, -1.7, -0.3])).max() <= 1.0


@pytest.mark.parametrize("a", [0.1, -3.1, float("nan")])
def test_an_a_shape_outside_its_range_is_refused(a):
    with pytest.raises(DataError) as caught:
        shape(np.zeros(2), a)
    assert caught.value.reason is DataReason.OUT_OF_RANGE


def test_shifting():
    ramp = np.arange(100.0)[:, None]
    assert shift(ramp, 100.0, 0.05)[5:, 0] == pytest.approx(ramp[:-5, 0])
    assert shift(ramp, 100.0, 0.05)[:5, 0] == pytest.approx(0.0)
    assert shift(ramp, 100.0, -0.025)[:90, 0] == pytest.approx(ramp[:90, 0] + 2.5)
    assert shift(ramp, 100.0, 0.0) == pytest.approx(ramp)
    assert shift(ramp[:1], 100.0, 0.03) == pytest.approx(ramp[:1])


def test_what_does_not_fit_is_refused():
    for values in (np.full((3, 1), 1.2), np.full((3, 1), np.nan)):
        with pytest.raises(DataError) as caught:
            activate(values, 100.0)
        assert caught.value.reason is DataReason.OUT_OF_RANGE
    with pytest.raises(DataError) as caught:
        excite(np.full((1, 1), 0.5), 100.0)
    assert caught.value.reason is DataReason.EMPTY
    with pytest.raises(DataError):
        activate(np.zeros((3, 1)), 0.0)
    with pytest.raises(DataError) as caught:
        activate(np.zeros(3), 100.0)
    assert caught.value.reason is DataReason.MISMATCH
