"""Fitting muscle lengths, and asking for OpenSim where it is not; both need no OpenSim."""

import sys

import numpy as np
import pytest

from kinefed.biomechanics import OpenSimModel
from kinefed.biomechanics.geometry import Paths
from kinefed.biomechanics.opensim_muscles import fit_lengths
from kinefed.datasets import DataError, DataReason, UsageError, UsageReason

KNOWN = {(0, 0, 0): 0.4, (1, 0, 0): -0.04, (0, 0, 2): 0.01, (2, 0, 1): 0.003, (0, 0, 5): -0.002}


def postures(count=150):
    """Angles, and length and arms of the known polynomial."""
    angles = np.random.default_rng(1).uniform(-1.0, 1.5, (count, 3))
    low, high = np.full(3, -2.0), np.full(3, 2.0)
    lengths, arms = Paths.of([KNOWN], low, high).evaluate(angles)
    return angles, lengths[:, 0], arms[:, 0]


def test_a_polynomial_is_found_again():
    found = fit_lengths(*postures())
    # The second coordinate is not spanned: no term has it.
    assert all(power[1] == 0 for power in found)
    assert len(found) == 21
    for power, value in found.items():
        assert value == pytest.approx(KNOWN.get(power, 0.0), abs=1e-10)


def test_arms_count_as_much_as_lengths():
    """Of lengths and arms that contradict each other, the fit takes neither alone."""
    angles, lengths, arms = postures()
    wrong = fit_lengths(angles, lengths, 2.0 * arms, order=1)
    right = fit_lengths(angles, lengths, arms, order=1)
    assert wrong[(1, 0, 0)] < right[(1, 0, 0)] < 0.0
    assert wrong[(1, 0, 0)] > 2.0 * right[(1, 0, 0)]


def test_too_few_postures_and_odd_shapes_are_refused():
    angles, lengths, arms = postures(6)
    with pytest.raises(DataError) as caught:
        fit_lengths(angles, lengths, arms)
    assert caught.value.reason is DataReason.EMPTY
    with pytest.raises(DataError) as caught:
        fit_lengths(angles, lengths, arms[:, :2])
    assert caught.value.reason is DataReason.MISMATCH


def test_without_opensim_the_extra_is_named(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "opensim", None)
    with pytest.raises(UsageError, match=r"pip install 'kinefed\[opensim\]'") as caught:
        OpenSimModel(tmp_path / "any.osim")
    assert caught.value.reason is UsageReason.MISSING_EXTRA
