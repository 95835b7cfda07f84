from __future__ import annotations

import numpy as np
import pytest
from scipy.interpolate import CubicSpline

from kinefed.biomechanics.anthropometry import body_parameters
from kinefed.biomechanics.body import Body
from kinefed.biomechanics.engine import Engine
from kinefed.simulations.cohort.curves import EvenSpline, derivatives, glide, hermite, smoothstep
from kinefed.simulations.cohort.kinematics import LegGeometry, Sole, pelvis_matrix
from kinefed.simulations.cohort.reach import ankle_target, solve_leg
from kinefed.simulations.cohort.swing import NODES, Swings

FRAMES = 40


@pytest.mark.parametrize("side", ["r", "l"])
def test_the_engine_puts_the_foot_where_the_closed_form_meant_it(side: str) -> None:
    pytest.importorskip("mujoco")
    rng = np.random.default_rng(3)
    params = body_parameters("f", 1.66, 61.0)
    leg = LegGeometry.of(params)
    lateral = -0.06 if side == "r" else 0.06
    position = rng.normal(0.0, 0.03, (FRAMES, 3)) + np.array([0.0, 0.0, 0.8 * leg.standing_m])
    angles = rng.normal(0.0, 0.05, (FRAMES, 3))
    origin = rng.normal(0.0, 0.1, (FRAMES, 3)) * [1.0, 0.1, 0.1] + [0.0, lateral, 0.0]
    slope = rng.normal(0.0, 0.05, FRAMES)
    sole = Sole(origin, rng.normal(-0.1, 0.3, FRAMES), np.full(FRAMES, leg.ball), slope)
    pose = solve_leg(leg, side, position, pelvis_matrix(*angles.T), sole)
    assert not pose.short.any()
    alone = ankle_target(leg, -np.sign(lateral), position, pelvis_matrix(*angles.T), sole)
    np.testing.assert_array_equal(alone, pose.target)

    q = np.zeros((FRAMES, 16))
    q[:, :3], q[:, 3:6] = position, angles
    q[:, 8 if side == "r" else 12 :][:, :4] = pose.angles
    dynamics = Engine(Body(params)).inverse(q, np.zeros_like(q), np.zeros_like(q))
    np.testing.assert_allclose(dynamics.points[f"ankle_{side}"], pose.ankle, atol=1e-9)
    np.testing.assert_allclose(dynamics.orientation[f"foot_{side}"], pose.foot, atol=1e-9)
    # The ball of the foot is on its spot on the ground, within what three passes leave.
    along = np.stack([np.cos(slope), 0.0 * slope, np.sin(slope)], axis=1)
    spot = origin + leg.ball * along
    np.testing.assert_allclose(dynamics.points[f"ball_{side}"], spot, atol=1e-4)
    pitch = np.arcsin(pose.foot[:, 2, 0])
    np.testing.assert_allclose(pitch, sole.pitch + slope, atol=1e-9)


def test_a_leg_that_cannot_reach_says_so_and_stays_finite() -> None:
    leg = LegGeometry.of(body_parameters("m", 1.8, 80.0))
    zero = np.zeros(5)
    height = leg.standing_m + np.linspace(-0.1, 0.1, 5)
    position = np.stack([zero, zero, height], axis=1)
    origin = np.stack([zero, zero - leg.half_width, zero], axis=1)
    sole = Sole(origin, zero, zero, zero)
    pose = solve_leg(leg, "r", position, pelvis_matrix(zero, zero, zero), sole)
    np.testing.assert_array_equal(pose.short, [False, False, False, True, True])
    assert np.isfinite(pose.angles).all()
    assert (pose.wanting[3:] > 0.04).all()


def test_quintic_curves_meet_their_knots() -> None:
    knots, value = np.array([0.0, 0.4, 1.0]), np.array([1.0, -2.0, 3.0])
    rate, bend = np.array([0.5, 1.0, -1.0]), np.array([2.0, 0.0, 4.0])
    step = 1e-4
    for k, at in enumerate(knots):
        around = hermite(at + step * np.array([-1.0, 0.0, 1.0]), knots, value, rate, bend)
        inside = around if 0 < k < 2 else np.full(3, np.nan)
        assert around[1] == pytest.approx(value[k])
        if np.isfinite(inside).all():
            assert (around[2] - around[0]) / (2.0 * step) == pytest.approx(rate[k], abs=1e-3)
    held = hermite(np.array([-5.0, 5.0]), knots, value)
    np.testing.assert_allclose(held, [1.0, 3.0])


def test_a_rounded_line_stays_a_line() -> None:
    time_s = np.linspace(0.0, 5.0, 501)
    knots = np.array([1.0, 2.0, 3.0])
    np.testing.assert_allclose(glide(time_s, knots, 2.0 * knots, 0.1), 2.0 * time_s, atol=1e-9)


def test_the_even_spline_is_the_usual_cubic_spline() -> None:
    rng = np.random.default_rng(2)
    x = rng.normal(0.0, 1.0, (30, 3))
    ours, usual = EvenSpline(x, 50.0, -0.2), CubicSpline(np.arange(30) / 50.0 - 0.2, x)
    # At frames, between them, and beyond both ends.
    time_s = np.concatenate([usual.x, rng.uniform(-0.25, 0.45, 60)])
    np.testing.assert_allclose(ours(time_s), usual(time_s), atol=1e-9)
    for order, found in enumerate(ours.derivatives(), start=1):
        np.testing.assert_allclose(found, usual(usual.x, order), rtol=1e-9, atol=1e-7)
    ours.put(1, x[:, 2])
    np.testing.assert_allclose(ours(time_s)[:, 1], ours(time_s)[:, 2], atol=1e-12)
    np.testing.assert_array_equal(ours.frames, x[:, [0, 2, 2]])


def test_derivatives_are_those_of_the_movement() -> None:
    rate_hz = 100.0
    time_s = np.arange(300) / rate_hz
    x = np.sin(4.0 * time_s)[:, None]
    first, second = derivatives(x, rate_hz)
    np.testing.assert_allclose(first[5:-5], 4.0 * np.cos(4.0 * time_s)[5:-5, None], atol=1e-5)
    np.testing.assert_allclose(second[5:-5], -16.0 * x[5:-5], atol=5e-3)


def test_a_swing_begins_ends_and_passes_as_told() -> None:
    rng = np.random.default_rng(5)
    start, nodes, end = rng.normal(0.0, 0.3, (3, 1, 3, 4))
    duration = 0.42
    step = 1e-3
    share = np.concatenate([[0.0, step, 2 * step], NODES, [1.0 - 2 * step, 1.0 - step, 1.0]])
    # The second of two swings, the first of which is another.
    turn = np.ones(len(share), dtype=np.intp)
    swings = Swings.of(turn, share, np.full(len(share), duration))
    q = swings.angles(*(np.concatenate([2.0 * x, x]) for x in (start, nodes, end)))
    np.testing.assert_allclose(q[0], start[0, 0])
    np.testing.assert_allclose(q[3:6], nodes[0])
    np.testing.assert_allclose(q[-1], end[0, 0])
    h = step * duration
    np.testing.assert_allclose((-3 * q[0] + 4 * q[1] - q[2]) / (2 * h), start[0, 1], atol=5e-3)
    np.testing.assert_allclose((3 * q[-1] - 4 * q[-2] + q[-3]) / (2 * h), end[0, 1], atol=5e-3)


def test_a_smooth_step_is_flat_at_both_ends() -> None:
    np.testing.assert_allclose(smoothstep(np.array([-1.0, 0.0, 0.5, 1.0, 2.0])), [0, 0, 0.5, 1, 1])
    near = smoothstep(np.array([1e-3, 1.0 - 1e-3]))
    np.testing.assert_allclose(near, [0.0, 1.0], atol=2e-8)
