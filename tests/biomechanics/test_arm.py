"""The arm: its torques against closed forms, with and without a load."""

import importlib.util

import numpy as np
import pytest
from linkage import GRAVITY, Pendulum, double_torque, smooth_motion

from kinefed.biomechanics.anthropometry import body_parameters
from kinefed.biomechanics.arm import ARM_COORDINATES, Arm
from kinefed.biomechanics.dynamics import Wrench, joint_torques, torques_of
from kinefed.biomechanics.engine import Engine
from kinefed.datasets.channels import ChannelName
from kinefed.datasets.errors import UsageError

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("mujoco") is None, reason="the extra 'sim' is not installed"
)

WOMAN = body_parameters("f", 1.65, 60.0)
FRAMES = 30


def hold(arm, shoulder=0.0, elbow=0.0, wrist=0.0, wrenches=()):
    q = np.tile([shoulder, elbow, wrist], (FRAMES, 1))
    return joint_torques(arm, q, 100.0, wrenches)


def test_holding_a_load_at_a_right_angle_takes_elbow_flexion():
    """Forearm level: each weight times its distance from the elbow."""
    load = 5.0
    forearm, hand = WOMAN.lengths_m["forearm"], WOMAN.lengths_m["hand"]
    moment = GRAVITY * (
        60.0 * 0.0138 * 0.4559 * forearm
        + 60.0 * 0.0056 * (forearm + 0.7474 * hand)
        + load * (forearm + hand)
    )
    torques = hold(Arm(WOMAN, load), elbow=0.5 * np.pi)
    # Internal flexion is negative; the table's shares add up to 0.9999.
    np.testing.assert_allclose(torques.label("torque.elbow"), -moment / 60.0, rtol=2e-4)
    wrist = GRAVITY * (60.0 * 0.0056 * 0.7474 + load) * hand
    np.testing.assert_allclose(torques.label("torque.wrist"), -wrist / 60.0, rtol=2e-4)


def test_a_hanging_arm_takes_no_torque():
    assert np.abs(hold(Arm(WOMAN, 10.0)).labels).max() < 1e-12


def test_an_arm_overhead_falls_back_and_takes_extension():
    # Elbow bent backward behind the head: the forearm would flex further.
    torques = hold(Arm(WOMAN, 2.0), shoulder=np.pi, elbow=1.2)
    assert torques.label("torque.elbow")[0] > 0.1


def test_the_grip_sets_the_lever_of_the_load():
    near, far = (hold(Arm(WOMAN, 4.0, grip), elbow=0.5 * np.pi) for grip in (0.0, 0.1))
    difference = near.label("torque.elbow") - far.label("torque.elbow")
    np.testing.assert_allclose(difference, 4.0 * GRAVITY * 0.1 / 60.0, rtol=1e-9)


def test_elbow_and_wrist_move_like_a_double_pendulum():
    """The upper arm at rest: forearm and loaded hand are the links of the closed form."""
    arm = Arm(WOMAN, 3.0)
    lumps = [arm.lump(name) for name in ("forearm", "hand")]
    pendulum = Pendulum(
        tuple(lump.mass_kg for lump in lumps),
        tuple(-lump.com_m[2] for lump in lumps),
        (WOMAN.lengths_m["forearm"], WOMAN.lengths_m["hand"]),
        tuple(lump.inertia[1, 1] for lump in lumps),
    )
    motion = smooth_motion(2)
    still = np.zeros((len(motion[0]), 1))
    dynamics = Engine(arm).inverse(*(np.hstack([still, x]) for x in motion))
    expected = double_torque(pendulum, *motion)
    np.testing.assert_allclose(dynamics.tau[:, 1:], expected, atol=1e-11)
    labels = torques_of(dynamics, [], 60.0)
    np.testing.assert_allclose(labels.label("torque.elbow"), -expected[:, 0] / 60.0, atol=1e-12)


def test_a_force_on_the_hand_acts_like_the_weight_of_a_load():
    free = Arm(WOMAN)
    loaded = hold(Arm(WOMAN, 6.0), 0.4, 1.1, 0.2)
    grip = loaded.dynamics.points["grip"]
    pull = np.tile([0.0, 0.0, -6.0 * GRAVITY], (FRAMES, 1))
    pulled = hold(free, 0.4, 1.1, 0.2, [Wrench("hand", pull, grip)])
    np.testing.assert_allclose(pulled.labels, loaded.labels, atol=1e-12)


def test_an_imu_on_the_forearm_turns_with_it():
    q = np.zeros((3, 3))
    qd = np.tile([0.0, 2.0, 0.0], (3, 1))
    dynamics = Engine(Arm(WOMAN)).inverse(q, qd, 0.0 * q)
    acc, gyro = dynamics.imu("imu_forearm")
    np.testing.assert_allclose(gyro, [[0.0, -2.0, 0.0]] * 3, atol=1e-12)
    # Towards the elbow, omega^2 r on top of gravity.
    radius = 0.5 * WOMAN.lengths_m["forearm"]
    np.testing.assert_allclose(acc, [[0.0, 0.0, GRAVITY + 4.0 * radius]] * 3, atol=1e-12)


def test_labels_are_channels_of_the_project_and_there_is_no_root():
    torques = hold(Arm(WOMAN))
    assert torques.channels == ("torque.shoulder", "torque.elbow", "torque.wrist")
    for channel in torques.channels:
        ChannelName.parse(channel)
    assert len(torques.dynamics.coordinates) == len(ARM_COORDINATES) == 3
    assert torques.residual_force.shape == torques.residual_moment.shape == (0, 3)


@pytest.mark.parametrize("wrong", [(-1.0,), (5000.0,), (1.0, -0.1), (1.0, 5.0), (float("nan"),)])
def test_loads_that_nobody_holds_are_refused(wrong):
    with pytest.raises(UsageError, match="Arm"):
        Arm(WOMAN, *wrong)
