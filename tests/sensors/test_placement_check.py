"""Swapped sensors and wrong sides are found on virtual people, and nobody is accused wrongly."""

from dataclasses import replace

import pytest
from calibrated_person import legs, performance, spans, turned

from kinefed.sensors.calibration_errors import CalibrationError, CalibrationReason
from kinefed.sensors.placement import check_placement, find_placement

PEOPLE = [(0, 5), (1, 5), (2, 8)]


def stand_walk(done):
    return spans(done)[0], spans(done)[2]


@pytest.mark.parametrize(("number", "seed"), PEOPLE)
def test_sensors_where_they_were_said_to_be_are_no_fault(number, seed):
    done, _ = performance(number, seed)
    imus, _ = turned(legs(done), number)
    placement = check_placement(imus, *stand_walk(done))
    assert placement.fault == ""
    assert placement.found == {place: place for place in imus}
    sides = {said: said[-1] for said in placement.pushed}
    assert all((placement.pushed[said] > 0.3) == (side == "r") for said, side in sides.items())
    turning = placement.turning_rad_s
    assert turning["pelvis"] < turning["thigh.l"] < turning["shank.l"] < turning["foot.l"]


def worn_as(imus, said):
    """Sensors under other names: said place to the place where it is."""
    return imus | {name: imus[place] for name, place in said.items()}


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ({"thigh.r": "shank.r", "shank.r": "thigh.r"}, "of shank.r and thigh.r are swapped"),
        ({"shank.r": "shank.l", "shank.l": "shank.r"}, "of shank.l and shank.r are swapped"),
        ({"foot.l": "pelvis", "pelvis": "foot.l"}, "of foot.l and pelvis are swapped"),
        ({"thigh.r": "foot.l", "foot.l": "thigh.r"}, "of foot.l and thigh.r are swapped"),
        (
            {"thigh.r": "shank.r", "shank.r": "foot.r", "foot.r": "thigh.r"},
            "the sensor of thigh.r is on shank.r; the sensor of shank.r is on foot.r; "
            "the sensor of foot.r is on thigh.r",
        ),
    ],
)
def test_what_is_mixed_up_is_told_in_one_sentence(said, told):
    done, _ = performance(1)
    imus = worn_as(legs(done), said)
    placement = find_placement(imus, *stand_walk(done))
    assert placement.wrong == said
    assert told in placement.fault or set(told.split("; ")) == set(placement.fault.split("; "))
    with pytest.raises(CalibrationError) as caught:
        check_placement(imus, *stand_walk(done))
    assert caught.value.reason is CalibrationReason.MISPLACED


@pytest.mark.parametrize(("number", "seed"), PEOPLE)
def test_a_whole_leg_on_the_wrong_side_is_found(number, seed):
    done, _ = performance(number, seed)
    imus = legs(done)
    leg = {f"{segment}.r": imus[f"{segment}.l"] for segment in ("thigh", "shank", "foot")}
    placement = find_placement(leg, *stand_walk(done))
    assert placement.wrong == {f"{s}.r": f"{s}.l" for s in ("thigh", "shank", "foot")}


def test_legs_with_different_sensors_are_told_apart():
    done, _ = performance(1)
    imus = legs(done)
    worn = {place: imus[place] for place in ("thigh.r", "shank.r", "foot.r", "shank.l")}
    assert find_placement(worn, *stand_walk(done)).fault == ""
    mixed = worn_as(worn, {"thigh.r": "shank.r", "shank.r": "thigh.r"})
    assert find_placement(mixed, *stand_walk(done)).wrong == {
        "thigh.r": "shank.r",
        "shank.r": "thigh.r",
    }


def test_a_stiff_leg_is_no_mix_up():
    """Its foot turns less than the other leg's shank, and hardly more than its own."""
    done, _ = performance(0)
    imus = legs(done)
    slow = {"thigh.l": 0.75, "shank.l": 0.62, "foot.l": 0.47}
    for place, share in slow.items():
        imus[place] = replace(imus[place], gyro=share * imus[place].gyro)
    placement = find_placement(imus, *stand_walk(done))
    assert placement.turning_rad_s["foot.l"] < placement.turning_rad_s["shank.r"]
    assert placement.fault == ""


def test_without_walking_nothing_is_told():
    done, _ = performance()
    stand, bend, walk = spans(done)
    feet = {p: s for p, s in legs(done).items() if "foot" in p}
    with pytest.raises(CalibrationError, match="Walk ten steps"):
        find_placement(feet, stand, bend)
    with pytest.raises(CalibrationError, match="of walking"):
        find_placement(feet, stand, (30.0, 31.0))
    # Feet alone do not tell which side they are on.
    assert find_placement(feet, stand, walk).fault == ""
