"""Unit conversion against definitions."""

from __future__ import annotations

import math

import pytest

from kinefed.datasets import DataError, DataReason
from kinefed.datasets.units import factor_to_stored


@pytest.mark.parametrize(
    ("channel", "unit", "mass_kg", "factor"),
    [
        ("angle.knee_flexion.r", "rad", None, 1.0),
        ("angle.knee_flexion.r", "deg", None, math.pi / 180.0),
        ("velocity.knee_flexion.r", "rpm", None, 2.0 * math.pi / 60.0),
        ("acc.shank.r.x", "g", None, 9.80665),
        ("marker.lasi.x", "mm", None, 1e-3),
        ("emg.soleus.r", "uV", None, 1e-6),
        ("torque.knee.r", "N m", 50.0, 0.02),
        ("torque.knee.r", "N mm/kg", None, 1e-3),
        ("torque.knee.r", "N mm", 50.0, 2e-5),
        ("power.knee.r", "W", 50.0, 0.02),
        ("grf.foot.r.vertical", "%BW", 50.0, 50.0 * 9.80665 / 100.0),
        ("grf.foot.r.vertical", "N/kg", 50.0, 50.0),
        ("force.load_cell.r", "kgf", None, 9.80665),
        ("envelope.soleus.r", "%", None, 0.01),
    ],
)
def test_factors(channel: str, unit: str, mass_kg: float | None, factor: float) -> None:
    assert factor_to_stored(channel, unit, mass_kg) == pytest.approx(factor, rel=1e-12)


def test_what_cannot_be_converted_is_refused() -> None:
    with pytest.raises(DataError) as caught:
        factor_to_stored("torque.knee.r", "N m")
    assert caught.value.reason is DataReason.NO_MASS
    with pytest.raises(DataError) as caught:
        factor_to_stored("angle.knee_flexion.r", "N m")
    assert caught.value.reason is DataReason.WRONG_UNIT
