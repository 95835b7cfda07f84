"""The body's numbers against the published tables."""

import numpy as np
import pytest

from kinefed.biomechanics.anthropometry import (
    LENGTHS,
    PAIRED,
    SAMPLE_HEIGHT_M,
    SAMPLE_MASS_KG,
    SEGMENTS,
    STATURE_SHARE,
    body_parameters,
)
from kinefed.datasets.errors import UsageError, UsageReason

# de Leva 1996, Table 4, as printed: length (mm), mass (%), centre of mass (%), sagittal, transverse
# and longitudinal radius of gyration (%), each for women and men.
PRINTED = """
head          243.7 242.9   6.68  6.94  48.41 50.02  27.1 30.3  29.5 31.5  26.1 26.1
upper_trunk   228.0 242.1  15.45 15.96  50.50 50.66  46.6 50.5  31.4 32.0  44.9 46.5
middle_trunk  205.3 215.5  14.65 16.33  45.12 45.02  43.3 48.2  35.4 38.3  41.5 46.8
lower_trunk   181.5 145.7  12.47 11.17  49.20 61.15  43.3 61.5  40.2 55.1  44.4 58.7
upper_arm     275.1 281.7   2.55  2.71  57.54 57.72  27.8 28.5  26.0 26.9  14.8 15.8
forearm       264.3 268.9   1.38  1.62  45.59 45.74  26.1 27.6  25.7 26.5   9.4 12.1
hand           78.0  86.2   0.56  0.61  74.74 79.00  53.1 62.8  45.4 51.3  33.5 40.1
thigh         368.5 422.2  14.78 14.16  36.12 40.95  36.9 32.9  36.4 32.9  16.2 14.9
shank         438.6 440.3   4.81  4.33  43.52 43.95  26.7 25.1  26.3 24.6   9.2 10.2
foot          228.3 258.1   1.29  1.37  40.14 44.15  29.9 25.7  27.9 24.5  13.9 12.4
"""
# The whole trunk from cervicale to hip centres: the same columns.
PRINTED_TRUNK = "614.8 603.3  42.57 43.46  49.64 51.38  30.7 32.8  29.2 30.6  14.7 16.9"
# Winter 2009, Figure 4.1, after Drillis and Contini: shares of stature.
WINTER = {
    "thigh": 0.245,
    "shank": 0.246,
    "ankle_height": 0.039,
    "foot_length": 0.152,
    "upper_arm": 0.186,
    "forearm": 0.146,
    "shoulder_width": 0.259,
}


def printed(sex: str) -> dict[str, np.ndarray]:
    rows = (line.split() for line in PRINTED.strip().splitlines())
    return {row[0]: np.array(row[1:], float)["fm".index(sex) :: 2] for row in rows}


@pytest.mark.parametrize("sex", ["f", "m"])
def test_every_number_is_that_of_the_table(sex):
    table = printed(sex)
    assert set(table) == set(SEGMENTS[sex])
    for name, row in SEGMENTS[sex].items():
        ours = [1e3 * row.length_m, 1e2 * row.mass, 1e2 * row.com, *(1e2 * r for r in row.gyration)]
        np.testing.assert_allclose(ours, table[name], rtol=1e-12, err_msg=name)
    assert (SAMPLE_HEIGHT_M[sex], SAMPLE_MASS_KG[sex]) == (
        (1.735, 61.9) if sex == "f" else (1.741, 73.0)
    )


@pytest.mark.parametrize("sex", ["f", "m"])
def test_mass_shares_add_up_to_one(sex):
    total = sum(row.mass * (2 if name in PAIRED else 1) for name, row in SEGMENTS[sex].items())
    assert total == pytest.approx(1.0, abs=2e-4)


@pytest.mark.parametrize("sex", ["f", "m"])
def test_three_parts_of_the_trunk_make_the_printed_whole(sex):
    parts = [SEGMENTS[sex][f"{which}_trunk"] for which in ("upper", "middle", "lower")]
    length, mass, com, *radii = np.array(PRINTED_TRUNK.split(), float)["fm".index(sex) :: 2]
    ends = np.cumsum([0.0] + [part.length_m for part in parts])
    shares = np.array([part.mass for part in parts])
    at = ends[:3] + [part.com * part.length_m for part in parts]
    mean = shares @ at / shares.sum()
    own = np.array([np.square(part.gyration) * part.length_m**2 for part in parts])
    # The distances between the parts' centres add to the radii across the trunk, not along it.
    own[:, :2] += ((at - mean) ** 2)[:, None]
    gyration = np.sqrt(shares @ own / shares.sum()) / ends[3]
    assert 1e3 * ends[3] == pytest.approx(length, abs=0.05)
    assert 1e2 * shares.sum() == pytest.approx(mass, abs=0.005)
    np.testing.assert_allclose(1e2 * gyration, radii, atol=0.05)
    # The men's parts and whole differ by 3 mm in print.
    assert 1e2 * mean / ends[3] == pytest.approx(com, abs=0.6 if sex == "m" else 0.02)


def test_a_man_of_the_sample_has_the_published_segment_masses():
    man = body_parameters("m", 1.741, 73.0)
    for name, row in printed("m").items():
        assert man.segment_mass_kg(name) == pytest.approx(73.0 * row[1] / 100.0, rel=2e-4)
    assert man.segment_mass_kg("thigh") == pytest.approx(10.34, abs=0.005)
    assert man.segment_mass_kg("shank") == pytest.approx(3.16, abs=0.005)
    assert man.segment_mass_kg("foot") == pytest.approx(1.00, abs=0.005)


@pytest.mark.parametrize("sex", ["f", "m"])
def test_segments_weigh_what_the_person_weighs(sex):
    person = body_parameters(sex, 1.6, 55.0)
    total = sum(
        person.segment_mass_kg(name) * (2 if name in PAIRED else 1) for name in SEGMENTS[sex]
    )
    assert total == pytest.approx(55.0, rel=1e-12)


def test_lengths_are_the_published_shares_of_stature():
    person = body_parameters("f", 1.6, 55.0)
    for name, share in WINTER.items():
        assert person.lengths_m[name] == pytest.approx(share * 1.6, rel=1e-12)
    # The skeleton of Rajagopal et al. 2016: mm, of 1.70 m.
    for name, mm in {"pelvis_width": 154.6, "heel_back": 48.8, "ball_forward": 130.0}.items():
        assert STATURE_SHARE[name] * 1700.0 == pytest.approx(mm, abs=0.05)
    assert person.lengths_m["lower_trunk"] == pytest.approx(0.1815 * 1.6 / 1.735)
    assert set(person.lengths_m) == set(LENGTHS)


def test_inertia_about_upright_axes():
    man = body_parameters("m", 1.741, 73.0)
    thigh = 73.0 * 0.1416 * (0.245 * 1.741) ** 2
    assert man.inertia("thigh") == pytest.approx([thigh * r**2 for r in (0.329, 0.329, 0.149)])
    # The foot lies: its long axis points forward.
    foot = 73.0 * 0.0137 * (0.152 * 1.741) ** 2
    assert man.inertia("foot") == pytest.approx([foot * r**2 for r in (0.124, 0.245, 0.257)])


def test_measured_lengths_replace_shares_and_move_the_inertia():
    usual, long = (body_parameters("m", 1.8, 80.0, x) for x in (None, {"thigh": 0.5}))
    assert long.lengths_m["thigh"] == 0.5
    assert long.lengths_m["shank"] == usual.lengths_m["shank"]
    assert long.segment_mass_kg("thigh") == usual.segment_mass_kg("thigh")
    ratio = long.inertia("thigh")[0] / usual.inertia("thigh")[0]
    assert ratio == pytest.approx((0.5 / (0.245 * 1.8)) ** 2)


def test_a_person_of_another_sex_has_the_mens_table():
    assert body_parameters("x", 1.7, 60.0).segment("thigh") is SEGMENTS["m"]["thigh"]


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("male", 1.7, 60.0), UsageReason.BAD_ARGUMENT),
        (("m", 170.0, 60.0), UsageReason.BAD_ARGUMENT),
        (("m", 1.7, 60_000.0), UsageReason.BAD_ARGUMENT),
        (("m", float("nan"), 60.0), UsageReason.BAD_ARGUMENT),
        (("m", 1.7, 60.0, {"femur": 0.4}), UsageReason.UNKNOWN_NAME),
        (("m", 1.7, 60.0, {"thigh": 0.0}), UsageReason.BAD_ARGUMENT),
        (("m", 1.7, 60.0, {"thigh": 420.0}), UsageReason.BAD_ARGUMENT),
    ],
)
def test_what_no_person_has_is_refused(arguments, reason):
    with pytest.raises(UsageError) as caught:
        body_parameters(*arguments)
    assert caught.value.reason is reason


def test_an_unknown_segment_is_refused():
    with pytest.raises(UsageError, match="tail"):
        body_parameters("m", 1.7, 60.0).segment("tail")
