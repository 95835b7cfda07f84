"""Delays between sensors that were turned together in the hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.interpolate import CubicSpline
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


def tapped(time_s, taps_s, averaged):
    """Size of the acceleration under taps of 10 ms, as it is or averaged since the last sample."""
    back = np.linspace(-1.0 / 60.0, 0.0, 50) if averaged else np.zeros(1)
    through = (time_s[:, None, None] + back[:, None] - taps_s) / 0.01
    pulses = 40.0 * np.sin(np.pi * np.clip(through, 0.0, 1.0))
    return 9.81 + pulses.sum(axis=2).mean(axis=1)


@pytest.mark.parametrize("averaged", [True, False])
def test_taps_are_too_short_for_the_rates_of_worn_imus(averaged):
    """Why sensors are turned together and not tapped: a tap ends before the next sample comes."""
    time_s, grid = np.arange(720) / 60.0, np.arange(500, 11_000) / 1000.0
    errors_ms = []
    for seed in range(30):
        rng = np.random.default_rng(seed)
        taps_s = 1.0 + 1.2 * np.arange(8) + rng.uniform(0.0, 0.3, 8)
        late_s = rng.uniform(-0.03, 0.03, 2)
        one, other = (
            CubicSpline(time_s, tapped(time_s - late, taps_s, averaged)) for late in late_s
        )
        shifts = np.arange(-80, 81)
        alike = [np.corrcoef(one(grid), other(grid + 1e-3 * shift))[0, 1] for shift in shifts]
        errors_ms.append(abs(shifts[np.argmax(alike)] - 1e3 * (late_s[1] - late_s[0])))
    # Turning is right to 1 ms, above.
    assert max(errors_ms) > 3.0
    assert np.median(errors_ms) < 10.0


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
