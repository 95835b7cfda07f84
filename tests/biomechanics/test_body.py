"""The tree of segments: masses, places, and which way each coordinate turns."""

import importlib.util

import numpy as np
import pytest

from kinefed.biomechanics.anthropometry import body_parameters
from kinefed.biomechanics.body import COORDINATES, IMU_SITES, SEGMENT_NAMES, Body
from kinefed.biomechanics.engine import Engine
from kinefed.biomechanics.mjcf import Lump, Site, join
from kinefed.datasets.errors import UsageError

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("mujoco") is None, reason="the extra 'sim' is not installed"
)

MAN = body_parameters("m", 1.741, 73.0)


def pose(engine, **angles):
    q = np.zeros((1, len(engine.body.coordinates)))
    for name, angle in angles.items():
        q[0, engine.body.coordinates.index(name)] = angle
    return engine.inverse(q, np.zeros_like(q), np.zeros_like(q))


@pytest.fixture(scope="module")
def engine():
    return Engine(Body(MAN, hip_rotation=True))


def test_coordinates_are_those_of_the_contract():
    assert Body(MAN).coordinates == COORDINATES
    assert len(COORDINATES) == 16
    assert Body(MAN, hip_rotation=True).coordinates[8:13] == (
        "hip_flexion_r",
        "hip_adduction_r",
        "hip_rotation_r",
        "knee_flexion_r",
        "ankle_dorsiflexion_r",
    )


@pytest.mark.parametrize("sex", ["f", "m"])
def test_segments_weigh_what_the_person_weighs(sex):
    body = Body(body_parameters(sex, 1.7, 66.0))
    lumps = [body.lump(name) for name in SEGMENT_NAMES]
    assert sum(lump.mass_kg for lump in lumps) == pytest.approx(66.0, rel=1e-12)
    still = pose(Engine(body))
    assert still.tau[0, 2] == pytest.approx(66.0 * 9.80665, rel=1e-12)


def test_a_standing_man_measures_what_he_should():
    still = pose(Engine(Body(MAN)), pelvis_z=0.530 * 1.741)
    assert still.points["ankle_r"][0] == pytest.approx([0.0, -0.07916, 0.0679], abs=1e-4)
    assert still.points["heel_l"][0] == pytest.approx([-0.05, 0.07916, 0.0], abs=1e-3)
    assert still.points["ball_l"][0] == pytest.approx([0.133, 0.07916, 0.0], abs=1e-3)
    # 0.55 to 0.58 of stature: Winter 2009, ch. 4, gives about 0.56 for men standing.
    assert 0.55 < still.com[0, 2] / 1.741 < 0.58


def test_lumps_join_like_a_rod_of_two_halves():
    half = Lump(1.0, np.array([0.0, 0.0, 0.5]), np.diag([1 / 12, 1 / 12, 0.0]))
    other = Lump(1.0, np.array([0.0, 0.0, 1.5]), half.inertia)
    whole = join([half, other])
    assert whole.com_m == pytest.approx([0.0, 0.0, 1.0])
    # A rod of 2 kg and 2 m: m l^2 / 12.
    assert np.diag(whole.inertia) == pytest.approx([8 / 12, 8 / 12, 0.0])


@pytest.mark.parametrize(
    ("coordinate", "point", "axis", "direction"),
    [
        ("pelvis_x", "ankle_r", 0, 1),
        ("pelvis_y", "ankle_r", 1, 1),
        ("pelvis_z", "ankle_r", 2, 1),
        ("pelvis_yaw", "ball_r", 1, 1),
        ("pelvis_list", "ankle_r", 2, 1),
        ("pelvis_list", "ankle_l", 2, -1),
        ("hip_flexion_r", "ankle_r", 0, 1),
        ("hip_flexion_l", "ankle_l", 0, 1),
        ("hip_adduction_r", "ankle_r", 1, 1),
        ("hip_adduction_l", "ankle_l", 1, -1),
        ("hip_rotation_r", "ball_r", 1, 1),
        ("hip_rotation_l", "ball_l", 1, -1),
        ("knee_flexion_r", "ankle_r", 0, -1),
        ("knee_flexion_l", "ankle_l", 0, -1),
        ("ankle_dorsiflexion_r", "ball_r", 2, 1),
        ("ankle_dorsiflexion_l", "ball_l", 2, 1),
        ("pelvis_tilt", "ankle_r", 0, -1),
    ],
)
def test_positive_is_the_way_the_name_says(engine, coordinate, point, axis, direction):
    moved = pose(engine, **{coordinate: 1e-4}).points[point] - pose(engine).points[point]
    assert direction * moved[0, axis] / 1e-4 > 0.07


@pytest.mark.parametrize(
    ("coordinate", "axis", "direction"),
    [("lumbar_flexion", 0, 1), ("lumbar_bend", 1, -1), ("pelvis_tilt", 0, 1)],
)
def test_the_trunk_goes_the_way_the_name_says(engine, coordinate, axis, direction):
    moved = pose(engine, **{coordinate: 1e-4}).com - pose(engine).com
    assert direction * moved[0, axis] / 1e-4 > 0.05


def test_each_segment_has_its_imu_at_a_plausible_place():
    body = Body(MAN)
    assert tuple(body.sites) == IMU_SITES
    assert {site.segment for site in body.sites.values()} == set(SEGMENT_NAMES)
    # Outside of the leg: right is negative, left positive.
    assert body.sites["imu_thigh_r"].position_m[1] < 0.0 < body.sites["imu_thigh_l"].position_m[1]


def test_a_turned_sensor_feels_gravity_along_another_axis():
    quarter = (np.sqrt(0.5), 0.0, np.sqrt(0.5), 0.0)
    sites = {
        "imu_shank_r": Site("shank_r", (0.0, 0.0, -0.2), quarter),
        "wrist": Site("trunk", (0.0,) * 3),
    }
    still = pose(Engine(Body(MAN, sites)))
    assert still.imu("wrist")[0][0] == pytest.approx([0.0, 0.0, 9.80665], abs=1e-9)
    # Its x axis points down.
    assert still.imu("imu_shank_r")[0][0] == pytest.approx([-9.80665, 0.0, 0.0], abs=1e-9)
    assert still.imu("imu_shank_l")[0][0] == pytest.approx([0.0, 0.0, 9.80665], abs=1e-9)


@pytest.mark.parametrize(
    "sites", [{"a b": Site("trunk", (0.0,) * 3)}, {"a": Site("tail", (0.0,) * 3)}]
)
def test_a_site_without_a_place_is_refused(sites):
    with pytest.raises(UsageError, match=r"Body\.sites"):
        Body(MAN, sites)
