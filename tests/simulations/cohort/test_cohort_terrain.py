"""Walking up and down inclines and stairs."""

from __future__ import annotations

import numpy as np
import pytest

from kinefed.biomechanics.anthropometry import body_parameters
from kinefed.simulations.cohort.kinematics import LegGeometry
from kinefed.simulations.cohort.terrain import Terrain

LEG = LegGeometry.of(body_parameters("m", 1.75, 75.0))
UP = Terrain(rise_m=0.17, tread_m=0.3)
DOWN = Terrain(rise_m=-0.17, tread_m=0.3)


def at(x: float, z: float) -> np.ndarray:
    return np.array([x, 0.0, z])


def test_a_point_in_a_step_is_as_deep_as_the_shorter_way_out() -> None:
    # Rising stairs: the first step's riser is at x = 0.3, its tread at z = 0.17.
    assert UP.depth(at(0.31, 0.10)) == pytest.approx(0.01)
    assert UP.depth(at(0.45, 0.15)) == pytest.approx(0.02)
    assert UP.depth(at(0.45, 0.20)) == pytest.approx(-0.03)
    # Just behind the riser and just under the tread in front of it: back and up.
    assert UP.depth(at(0.301, -0.004)) == pytest.approx(0.004)
    # Falling stairs: the edge of the upper tread is at x = 0.3, the next one's at x = 0.6.
    assert DOWN.depth(at(0.29, -0.05)) == pytest.approx(0.01)
    assert DOWN.depth(at(0.31, -0.16)) == pytest.approx(-0.01)
    assert DOWN.depth(at(0.599, -0.18)) == pytest.approx(0.001)


def test_the_depth_under_an_incline_is_normal_to_it() -> None:
    slope = np.deg2rad(8.0)
    ramp = Terrain(slope=slope)
    spot = np.array([2.0 * np.cos(slope), 0.0, 2.0 * np.sin(slope)])
    normal = np.array([-np.sin(slope), 0.0, np.cos(slope)])
    assert ramp.depth(spot - 0.03 * normal) == pytest.approx(0.03)
    x, z = ramp.places(np.array([0.0, 2.0]))
    np.testing.assert_allclose([x[1], z[1]], spot[[0, 2]])


@pytest.mark.parametrize("terrain", [UP, DOWN])
def test_a_flat_foot_on_its_tread_cuts_nothing_and_a_lowered_one_does(terrain: Terrain) -> None:
    terrain = Terrain(rise_m=terrain.rise_m, tread_m=0.3, set_m=0.06)
    x, z = terrain.places(0.3 * np.arange(3.0))
    ankle = np.stack([x, 0.0 * x, z + LEG.ankle_height], axis=1)
    flat = np.broadcast_to(np.eye(3), (3, 3, 3))
    np.testing.assert_allclose(terrain.cut(LEG, ankle, flat), 0.0, atol=1e-12)
    np.testing.assert_allclose(terrain.cut(LEG, ankle - at(0.0, 0.008), flat), 0.008)
    # Too far forward the toes meet the riser of a step up, too far back the heel that of a step
    # down.
    sign = np.sign(terrain.rise_m)
    moved = terrain.cut(LEG, ankle + at(sign * 0.05, 0.05), flat)
    assert (moved > 0.0).all()


def test_toes_yield_upward_only() -> None:
    level = Terrain(slope=0.0)
    pitch = np.deg2rad([-40.0, 20.0])
    c, s, zero, one = np.cos(pitch), np.sin(pitch), 0.0 * pitch, 1.0 + 0.0 * pitch
    foot = np.stack(
        [np.stack(v, axis=1) for v in ((c, zero, -s), (zero, one, zero), (s, zero, c))], axis=1
    )
    ankle = np.array([[0.0, 0.0, 0.3], [0.0, 0.0, 0.3]])
    cut = level.cut(LEG, ankle, foot)
    under = 0.3 - LEG.ankle_height * c
    # Toes down, the ball is lowest: the toes lie along the ground. Toes up, the heel is lowest.
    assert -cut[0] == pytest.approx(under[0] + LEG.ball * s[0])
    heel = LEG.heel - 0.015
    assert -cut[1] == pytest.approx(under[1] - heel * s[1])
