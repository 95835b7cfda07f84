"""What styles are fitted to, and how far a stride is from it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("mujoco", reason="virtual people need the extra sim")

from kinefed.biomechanics.anthropometry import body_parameters
from kinefed.simulations.cohort.faults import PAD_M
from kinefed.simulations.cohort.misfit import Stride, Target, Walker, beyond, misfit, soften
from kinefed.simulations.cohort.people import sample_people
from kinefed.simulations.cohort.style import styles

STYLE = styles()["walk_normal"]


@pytest.fixture(scope="module")
def walker() -> Walker:
    return Walker.of(body_parameters("m", 1.75, 75.0))


@pytest.fixture(scope="module")
def stride(walker: Walker) -> Stride:
    return walker.stride(STYLE)


def test_a_stride_is_whole_and_begins_with_the_right_foot(walker: Walker, stride: Stride) -> None:
    frames = round(100.0 * STYLE.stride_s(walker.leg))
    assert stride.measured.frames == len(stride.motion.q) == len(stride.torque) == frames
    up = stride.measured.force[:, 0, 2]
    assert up[0] < 0.2 < up[frames // 6]
    assert not up[-frames // 5 :].any()
    # The foot that swings is off the ground, the one that stands flat is on it.
    assert stride.clearance[-frames // 4 : -frames // 6].min() > 0.0
    # Just before it lands the heel dips into the ground by about what its pad yields.
    assert stride.clearance.min() > -1.2 * PAD_M
    assert abs(stride.clearance[frames // 4]) < 2e-3


def test_a_quantity_in_the_middle_of_its_range_costs_nothing(stride: Stride) -> None:
    (band,) = [b for b in Target.of("walk_normal").bands if b.quantity.name == "knee_flexion"]
    value = band.quantity.of(stride.measured)
    assert beyond(replace(band, low=value - 5.0, high=value + 5.0), stride.measured) == 0.0
    # At the very end of the range a stride is not yet where it should be; outside still less.
    near = beyond(replace(band, low=value - 10.0, high=value), stride.measured)
    far = beyond(replace(band, low=value - 15.0, high=value - 5.0), stride.measured)
    assert 0.0 < near < far
    # 20 % of the width is left as room.
    assert far / near == pytest.approx((5.0 + 2.0) / 2.0)


def test_a_style_costs_more_where_the_target_is_another(walker: Walker) -> None:
    cost = {
        name: float(np.square(misfit(walker, STYLE, Target.of(name))).sum())
        for name in ("walk_normal", "walk_slow")
    }
    assert cost["walk_normal"] < cost["walk_slow"]


def test_people_walk_in_their_own_manner(walker: Walker, stride: Stride) -> None:
    (person,) = sample_people(1, 5)
    other = replace(walker, person=person).stride(STYLE)
    assert other.motion.q.shape != stride.motion.q.shape or not np.allclose(
        other.motion.q[:, 6:], stride.motion.q[:, 6:], atol=1e-3
    )


def test_far_residuals_weigh_linearly() -> None:
    inside = np.array([-1.5, 0.0, 2.0])
    assert np.array_equal(soften(inside), inside)
    far = np.square(soften(np.array([10.0, 11.0])))
    assert far[1] - far[0] == pytest.approx(4.0)
