"""Joint torques: signs on known postures, residuals, differentiation."""

import importlib.util

import numpy as np
import pytest

from kinefed.biomechanics.anthropometry import body_parameters
from kinefed.biomechanics.body import COORDINATES, Body
from kinefed.biomechanics.dynamics import (
    Wrench,
    differentiate,
    joint_torques,
    torques_of,
)
from kinefed.biomechanics.engine import Engine
from kinefed.datasets.channels import ChannelName
from kinefed.datasets.errors import UsageError
from kinefed.signals.errors import SignalError, SignalReason

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("mujoco") is None, reason="the extra 'sim' is not installed"
)

MAN = body_parameters("m", 1.741, 73.0)
WEIGHT_N = 73.0 * 9.80665
FRAMES = 40


@pytest.fixture(scope="module")
def engine():
    return Engine(Body(MAN))


def column(name: str) -> int:
    return COORDINATES.index(name)


def stand(engine, shift=(0.0, 0.0, 0.0), on="r", **angles):
    """Stand still on one foot, or sit, all weight `shift` away from below the centre of mass."""
    q = np.zeros((FRAMES, 16))
    for name, angle in angles.items():
        q[:, column(name)] = angle
    still = engine.inverse(q, 0.0 * q, 0.0 * q)
    force = np.tile([0.0, 0.0, WEIGHT_N], (FRAMES, 1))
    return joint_torques(engine, q, 100.0, [Wrench(on, force, still.com + shift)])


BENT_LEG = {"hip_flexion_r": 0.7, "knee_flexion_r": 1.0, "ankle_dorsiflexion_r": 0.3}


def test_standing_on_one_bent_leg_takes_knee_extension(engine):
    torques = stand(engine, hip_flexion_l=0.7, knee_flexion_l=1.4, **BENT_LEG)
    assert (torques.label("torque.knee.r") > 0.3).all()
    # The free shank points backward and would swing down: it is held by a little flexion.
    assert -0.2 < torques.label("torque.knee.l")[0] < 0.0
    # The pelvis would drop to the free side.
    assert torques.label("torque.hip_abduction.r")[0] > 0.5


def test_the_bent_knees_torque_is_weight_times_its_lever(engine):
    torques = stand(engine, **BENT_LEG)
    dynamics = torques.dynamics
    knee = dynamics.anchors[0, column("knee_flexion_r")]
    levers = knee[0] - dynamics.com[0, 0]
    # Shank and foot hang on the other side of the knee and are subtracted.
    below = 0.0
    for name in ("shank_r", "foot_r"):
        lump = engine.body.lump(name)
        joint = "knee_flexion_r" if name == "shank_r" else "ankle_dorsiflexion_r"
        at = dynamics.anchors[0, column(joint)] + dynamics.orientation[name][0] @ lump.com_m
        below += lump.mass_kg * 9.80665 * (at[0] - knee[0])
    expected = (WEIGHT_N * levers + below) / 73.0
    assert torques.label("torque.knee.r")[0] == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(
    ("shift", "channel", "sign"),
    [
        ((0.1, 0.0, 0.0), "torque.ankle.r", 1),
        ((-0.15, 0.0, 0.0), "torque.ankle.r", -1),
        ((0.1, 0.0, 0.0), "torque.hip.r", 1),
        ((-0.1, 0.0, 0.0), "torque.hip.r", -1),
        ((-0.1, 0.0, 0.0), "torque.knee.r", 1),
        ((0.1, 0.0, 0.0), "torque.knee.r", -1),
    ],
)
def test_each_torque_resists_the_ground_force(engine, shift, channel, sign):
    """Force before the ankle: plantarflexion; before the hip: extension; behind the knee: same."""
    assert sign * stand(engine, shift).label(channel)[0] > 0.2


def test_a_trunk_bent_forward_is_held_by_lumbar_extension(engine):
    torques = stand(engine, lumbar_flexion=0.6)
    assert torques.label("torque.lumbar")[0] > 0.3
    # Bent to the right, it is held by pulling to the left.
    assert stand(engine, lumbar_bend=0.3).label("torque.lumbar_bending")[0] < -0.2


def test_forces_that_explain_the_motion_leave_no_residual(engine):
    torques = stand(engine, **BENT_LEG)
    np.testing.assert_allclose(torques.residual_force, 0.0, atol=1e-8)
    np.testing.assert_allclose(torques.residual_moment, 0.0, atol=1e-8)


def test_a_contact_that_is_not_given_shows_as_residual(engine):
    q = np.zeros((FRAMES, 16))
    torques = joint_torques(engine, q, 100.0, [])
    np.testing.assert_allclose(torques.residual_force, [[0.0, 0.0, WEIGHT_N]] * FRAMES, atol=1e-6)


def test_a_shifted_force_shows_as_residual_moment(engine):
    torques = stand(engine, (0.05, 0.02, 0.0))
    expected = -np.cross([0.05, 0.02, 0.0], [0.0, 0.0, WEIGHT_N])
    np.testing.assert_allclose(torques.residual_moment, [expected] * FRAMES, atol=1e-7)


def test_a_seat_unloads_the_legs(engine):
    seated = {f"{joint}_{s}": 1.5 for joint in ("hip_flexion", "knee_flexion") for s in "rl"}
    torques = stand(engine, on="pelvis", **seated)
    assert np.abs(torques.label("torque.knee.r")).max() < 0.15


def test_the_point_of_no_force_is_not_read(engine):
    q = np.zeros((FRAMES, 16))
    force, point = np.zeros((FRAMES, 3)), np.full((FRAMES, 3), np.nan)
    force[:10, 2], point[:10] = 300.0, 0.1
    assert np.isfinite(joint_torques(engine, q, 100.0, [Wrench("r", force, point)]).labels).all()


def test_labels_are_channels_of_the_project(engine):
    torques = stand(engine)
    assert torques.labels.shape == (FRAMES, len(torques.channels)) == (FRAMES, 10)
    for channel in torques.channels:
        ChannelName.parse(channel)
    with_rotation = joint_torques(Body(MAN, hip_rotation=True), np.zeros((FRAMES, 18)), 100.0, [])
    assert set(with_rotation.channels) - set(torques.channels) == {
        "torque.hip_rotation.r",
        "torque.hip_rotation.l",
    }
    with pytest.raises(UsageError, match=r"torque\.toe"):
        torques.label("torque.toe")


def test_a_made_motion_needs_no_filter(engine):
    """The low-pass of measured motion is the only difference to the engine's own derivatives."""
    time_s = np.arange(200) / 100.0
    q = np.zeros((200, 16))
    q[:, 8] = 0.4 * np.sin(2.0 * np.pi * time_s)
    dynamics = engine.inverse(*differentiate(q, 100.0, None))
    ours = joint_torques(engine, q, 100.0, [], cutoff_hz=None)
    np.testing.assert_array_equal(ours.labels, torques_of(dynamics, [], 73.0).labels)


def test_derivatives_of_a_slow_sine_are_exact_and_in_phase():
    time_s = np.arange(400) / 100.0
    omega = 2.0 * np.pi * 1.0
    q, qd, qdd = differentiate(np.sin(omega * time_s)[:, None], 100.0, 6.0)
    inside = slice(60, -60)
    # Twice 1/sqrt(1 + (1/6)^4): the filter's own loss at 1 Hz.
    loss = 1.0 / (1.0 + (1.0 / 6.0) ** 4)
    np.testing.assert_allclose(q[inside, 0], loss * np.sin(omega * time_s)[inside], atol=2e-4)
    np.testing.assert_allclose(
        qd[inside, 0], loss * omega * np.cos(omega * time_s)[inside], atol=2e-4 * omega
    )
    np.testing.assert_allclose(
        qdd[inside, 0], -loss * omega**2 * np.sin(omega * time_s)[inside], atol=2e-4 * omega**2
    )


def test_noise_above_the_cut_off_does_not_reach_the_acceleration():
    time_s = np.arange(400) / 100.0
    noise = 1e-3 * np.sin(2.0 * np.pi * 25.0 * time_s)[:, None]
    raw = differentiate(noise, 100.0, None)[2]
    smooth = differentiate(noise, 100.0, 6.0)[2]
    assert np.abs(smooth[60:-60]).max() < 0.01 * np.abs(raw[60:-60]).max()


def test_what_cannot_be_computed_is_refused(engine):
    q = np.zeros((FRAMES, 16))
    with pytest.raises(UsageError, match="rate"):
        joint_torques(engine, q, 0.0, [])
    with pytest.raises(SignalError) as caught:
        joint_torques(engine, q, 10.0, [])
    assert caught.value.reason is SignalReason.RATE_TOO_LOW
    with pytest.raises(SignalError) as caught:
        joint_torques(engine, q[:5], 100.0, [])
    assert caught.value.reason is SignalReason.TOO_SHORT
    for frames in (q[:5], q[:6] * np.nan):
        with pytest.raises(SignalError, match=r"5 frames|not finite"):
            differentiate(frames, 100.0, None)
    with pytest.raises(UsageError, match="'hand'"):
        joint_torques(engine, q, 100.0, [Wrench("hand", np.zeros((FRAMES, 3)), q[:, :3])])


@pytest.mark.parametrize(
    ("force", "point", "moment", "match"),
    [
        (np.ones((4, 2)), np.ones((4, 2)), None, "force of"),
        (np.ones(3), np.ones(3), None, "force of"),
        (np.ones((4, 3)), np.ones((5, 3)), None, "points of"),
        (np.ones((4, 3)), np.ones((4, 3)), np.ones((4, 2)), "free moment of"),
        (np.full((4, 3), np.nan), np.ones((4, 3)), None, "force is not finite"),
        (np.ones((4, 3)), np.full((4, 3), np.nan), None, "point is not finite"),
        (np.ones((4, 3)), np.ones((4, 3)), np.full(4, np.inf), "free moment is not finite"),
    ],
)
def test_a_force_that_is_none_is_refused(force, point, moment, match):
    with pytest.raises(UsageError, match=match):
        Wrench("r", force, point, moment)
