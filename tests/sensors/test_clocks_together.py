"""Delays between sensors that were turned together in the hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from kinefed.datasets.errors import UsageError
from kinefed.sensors.calibration_errors import CalibrationError, CalibrationReason
from kinefed.sensors.orientation import ImuSamples
from kinefed.sensors.together import delays
from kinefed.sensors.worn import Worn
from kinefed.sensors.worn_file import read_worn, write_worn

LATE_MS = {"thigh.r": 0.0, "shank.r": 21.3, "foot.r": -8.6, "pelvis": 3.4}


def in_the_hand(time_s):
    """Angular velocity of the hand, (n, 3) rad/s: to and fro about three axes."""
    turns = [(2.1, 5.3, 0.2), (1.4, 8.1, 1.1), (1.7, 3.7, 2.0)]
    return np.column_stack([a * np.sin(w * time_s + p) for a, w, p in turns])


def imus(rates=None, seconds=12.0, noise=0.02, seed=4):
    """Each held in its own way, each with its own delay."""
    rng, found = np.random.default_rng(seed), {}
    for place, late_ms in LATE_MS.items():
        rate_hz = (rates or {}).get(place, 60.0)
        time_s = np.arange(int(seconds * rate_hz)) / rate_hz
        held = Rotation.random(rng=rng)
        gyro = held.apply(in_the_hand(time_s - 1e-3 * late_ms))
        gyro += noise * rng.standard_normal(gyro.shape)
        acc = held.apply(np.tile([0.0, 0.0, 9.81], (len(gyro), 1)))
        found[place] = ImuSamples(rate_hz, 0.0, acc, gyro, np.ones(len(gyro), bool))
    return found


def wanted_ms():
    middle = np.median(list(LATE_MS.values()))
    return {place: late - middle for place, late in LATE_MS.items()}


@pytest.mark.parametrize("rates", [{}, {"foot.r": 100.0, "pelvis": 50.0}])
def test_delays_are_found_to_a_millisecond_however_sensors_are_held(rates):
    found = delays(imus(rates))
    for place, late_ms in wanted_ms().items():
        assert 1e3 * found[place].delay_s == pytest.approx(late_ms, abs=1.0)
        assert found[place].alike > 0.98


def test_lost_samples_do_no_harm():
    held = imus()
    held["foot.r"].valid[200:230] = False
    held["foot.r"].gyro[200:230] = 0.0
    found = delays(held, (4.5, 11.5))
    assert 1e3 * found["foot.r"].delay_s == pytest.approx(wanted_ms()["foot.r"], abs=1.0)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda held: held.pop("pelvis").gyro, None),
        (lambda held: [held.pop(p) for p in list(held)[1:]], CalibrationReason.NO_SAMPLES),
        (lambda held: [each.gyro.__imul__(0.01) for each in held.values()],
         CalibrationReason.TOO_SMALL),
        (lambda held: held["foot.r"].gyro.__imul__(0.0), CalibrationReason.NOT_ALIKE),
        (lambda held: held["shank.r"].valid.fill(False), CalibrationReason.NO_SAMPLES),
    ],
)  # fmt: skip
def test_what_is_no_common_movement_is_refused_with_what_to_do(change, reason):
    held = imus()
    change(held)
    if reason is None:
        assert len(delays(held)) == 3
        return
    with pytest.raises(CalibrationError) as error:
        delays(held)
    assert error.value.reason is reason
    assert "together in the hand" in error.value.next_step


def test_a_delay_in_the_file_comes_back_and_none_is_believed_that_cannot_be(tmp_path: Path):
    worn = [Worn("foot", "movella-dot", place="foot.r", delay_ms=-12.25)]
    assert read_worn(write_worn(tmp_path / "worn.toml", worn)) == tuple(worn)
    assert Worn.from_dict(worn[0].to_dict()) == worn[0]
    with pytest.raises(UsageError, match="5000"):
        Worn("foot", "movella-dot", place="foot.r", delay_ms=5000.0)
