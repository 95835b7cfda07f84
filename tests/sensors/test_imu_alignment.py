"""How sensors sit is found on virtual people, whatever way they were put on, or refused."""

from dataclasses import replace

import numpy as np
import pytest
from calibrated_person import legs, performance, spans, turned
from scipy.spatial.transform import Rotation

from kinefed.sensors.alignment import align, lean
from kinefed.sensors.calibration_errors import CalibrationError, CalibrationReason


def truth(outfit, place):
    """From the sensor's axes to the segment's."""
    name = "imu_" + place.replace(".", "_")
    return Rotation.from_matrix(outfit.imus[name].rotation).inv()


@pytest.mark.parametrize("number", [0, 1])
@pytest.mark.parametrize("rate_hz", [100.0, 120.0])
def test_axes_are_those_of_the_segments_whatever_way_the_sensor_was_put_on(number, rate_hz):
    done, outfit = performance(number, rate_hz=rate_hz)
    imus, turns = turned(legs(done), number)
    sits = align(imus, *spans(done))
    assert set(sits) == set(imus)
    for place, alignment in sits.items():
        off = alignment.rotation * (truth(outfit, place) * turns[place].inv()).inv()
        # Accelerometers of the cohort are off by 0.3 degrees each axis, feet turn a little about
        # other axes.
        assert np.degrees(off.magnitude()) < (2.5 if "foot" in place else 1.5), place
        assert alignment.share > 0.95
        assert np.degrees(alignment.still_rad_s) < 1.0


def test_a_lean_is_positive_with_the_top_forward():
    forward = Rotation.from_euler("y", 30.0, degrees=True)
    assert lean(forward.inv().apply([[0.0, 0.0, 1.0]])) == pytest.approx([np.deg2rad(30.0)])


def changed(place, **values):
    imus = legs(performance()[0])
    return imus | {place: replace(imus[place], **values)}


def refused(imus, reason, *told, stand=None, bend=None, walk=None):
    usual = spans(performance()[0])
    given = [mine or other for mine, other in zip((stand, bend, walk), usual, strict=True)]
    with pytest.raises(CalibrationError) as caught:
        align(imus, *given)
    assert caught.value.reason is reason
    assert caught.value.next_step
    for word in told:
        assert word in str(caught.value)


def test_moving_while_standing_is_refused():
    done, _ = performance()
    begin, end = done.phases["squat"]
    refused(legs(done), CalibrationReason.MOVED, "degrees a second", stand=(begin, end))


def test_a_slow_turn_while_standing_is_no_bias():
    imus = legs(performance()[0])
    samples = imus["shank.r"]
    angles = 0.04 * np.arange(len(samples.acc))[:, None] / samples.rate_hz
    slow = Rotation.from_euler("y", np.minimum(angles, 0.2)).apply(samples.acc)
    refused(changed("shank.r", acc=slow), CalibrationReason.MOVED, "shank.r")


def test_a_wrong_unit_is_refused():
    samples = legs(performance()[0])["thigh.l"]
    acc = samples.acc / 9.80665
    refused(changed("thigh.l", acc=acc), CalibrationReason.MOVED, "thigh.l", "1.0 m/s^2")


def test_a_movement_too_small_is_refused():
    done, _ = performance()
    refused(legs(done), CalibrationReason.TOO_SMALL, "as if to sit down", bend=(0.0, 5.5))
    only_feet = {p: s for p, s in legs(done).items() if "foot" in p}
    refused(only_feet, CalibrationReason.TOO_SMALL, "whole steps", walk=spans(done)[1])


def test_turning_about_all_axes_is_refused():
    done, _ = performance()
    samples = legs(done)["shank.l"]
    part = samples.between(*spans(done)[1])
    gyro = samples.gyro.copy()
    # As much about the axis forward as about the one across, but not at the same time.
    gyro[part, 0] += np.roll(gyro[part, 1], 60)
    refused(changed("shank.l", gyro=gyro), CalibrationReason.NOT_PLANAR, "shank.l", "one axis")


def test_a_silent_sensor_and_a_foot_without_walking_are_refused():
    samples = legs(performance()[0])["thigh.r"]
    silent = np.zeros(len(samples.acc), bool)
    refused(changed("thigh.r", valid=silent), CalibrationReason.NO_SAMPLES, "thigh.r")
    done, _ = performance()
    with pytest.raises(CalibrationError, match="nobody walked"):
        align(legs(done), *spans(done)[:2])
    above = {p: s for p, s in legs(done).items() if "foot" not in p}
    assert set(align(above, *spans(done)[:2])) == set(above)


def test_a_knee_that_bends_backwards_is_refused():
    """The strap of a shank slips round to the other side before the walk."""
    done, _ = performance()
    samples = legs(done)["shank.r"]
    acc, gyro = samples.acc.copy(), samples.gyro.copy()
    slipped = round((spans(done)[2][0] - 1.0) * samples.rate_hz)
    for values in (acc, gyro):
        values[slipped:, :2] *= -1.0
    imus = changed("shank.r", acc=acc, gyro=gyro)
    refused(imus, CalibrationReason.WRONG_WAY, "thigh.r and shank.r", "straps")
