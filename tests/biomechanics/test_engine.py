"""Inverse dynamics against closed forms, Newton, energy and numerical derivatives."""

import importlib.util
import sys
from dataclasses import dataclass, replace

import numpy as np
import pytest
from linkage import GRAVITY, Pendulum, double_torque, single_torque, smooth_motion

from kinefed.biomechanics.anthropometry import body_parameters
from kinefed.biomechanics.body import COORDINATES, IMU_SITES, Body
from kinefed.biomechanics.engine import Engine, external, load_mujoco
from kinefed.biomechanics.mjcf import Site
from kinefed.biomechanics.segments import cosine_sine
from kinefed.datasets.errors import UsageError, UsageReason

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("mujoco") is None, reason="the extra 'sim' is not installed"
)

MAN = body_parameters("m", 1.741, 73.0)
RATE_HZ = 2000.0
UPWARD = np.array([0.0, 0.0, GRAVITY])


@pytest.fixture(scope="module")
def engine():
    return Engine(Body(MAN))


@pytest.fixture(scope="module")
def motion():
    return smooth_motion(16, frames=600, rate_hz=RATE_HZ)


@pytest.fixture(scope="module")
def dynamics(engine, motion):
    return engine.inverse(*motion)


def test_cosines_and_sines_are_those_of_any_angle():
    angle = np.concatenate([np.linspace(-7.0, 7.0, 10_001), np.pi * np.arange(-4.0, 4.5, 0.5)])
    cosine, sine = cosine_sine(angle)
    np.testing.assert_allclose(cosine, np.cos(angle), rtol=0.0, atol=1e-15)
    np.testing.assert_allclose(sine, np.sin(angle), rtol=0.0, atol=1e-15)


def test_the_equations_are_those_of_mujoco():
    """On wild motion, with hip rotation, an IMU whose axes are turned, and more than one block."""
    site = Site("foot_l", (0.1, -0.02, 0.03), (0.5, 0.5, -0.5, 0.5))
    engine = Engine(Body(MAN, {"imu_odd": site}, hip_rotation=True))
    rng = np.random.default_rng(4)
    motion = [size * rng.standard_normal((4200, 18)) for size in (0.8, 3.0, 30.0)]
    found = engine.inverse(*motion)
    model, data = engine._model, engine._data
    for i in (*range(0, 4200, 60), 2047, 2048, 4199):
        data.qpos[:], data.qvel[:], data.qacc[:] = (x[i] for x in motion)
        load_mujoco().mj_inverse(model, data)
        np.testing.assert_allclose(found.tau[i], data.qfrc_inverse, atol=1e-9)
        np.testing.assert_allclose(found.axes[i], data.xaxis, atol=1e-12)
        np.testing.assert_allclose(found.anchors[i], data.xanchor, atol=1e-12)
        np.testing.assert_allclose(found.com[i], data.subtree_com[0], atol=1e-12)
        felt = np.concatenate([found.imus[name][i] for name in engine.body.sites])
        np.testing.assert_allclose(felt, data.sensordata, atol=1e-9)
        for name, point in found.points.items():
            np.testing.assert_allclose(point[i], data.site(name).xpos, atol=1e-12)
        for name, turn in found.orientation.items():
            np.testing.assert_allclose(turn[i].ravel(), data.body(name).xmat, atol=1e-12)
    assert np.abs(found.tau).max() > 1000.0


def test_the_movement_as_a_whole_is_that_of_its_parts(engine, motion, dynamics):
    whole, parts = engine.whole(*motion), dynamics.whole()
    for name in ("force", "moment", "pelvis", "com"):
        np.testing.assert_allclose(getattr(whole, name), getattr(parts, name), atol=1e-9)
    assert np.abs(whole.moment).max() > 10.0


@dataclass(frozen=True)
class Reshaped(Pendulum):
    """A pendulum with one piece of its model written otherwise."""

    change: tuple[str, str] = ("", "")

    def mjcf(self) -> str:
        return super().mjcf().replace(*self.change)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (('axis="0.0 -1.0 0.0"', 'axis="1 1 0"'), "link_0 is not on an axis"),
        (('name="link_1"', 'name="link_1" pos="0 0 0.1"'), "link_1 is not on an axis"),
        (('name="part_1"', 'name="part_1" quat="1 1 0 0"'), "axes of part_1 are turned"),
        (('name="link_1" type="hinge"', 'name="link_1" type="slide"'), "part_1 slides"),
    ],
)
def test_a_model_that_the_equations_do_not_hold_is_refused(change, message):
    odd = Reshaped((8.0, 3.5), (0.18, 0.2), (0.42, 0.43), (0.11, 0.05), change)
    with pytest.raises(UsageError, match=message) as caught:
        Engine(odd)
    assert caught.value.reason is UsageReason.IMPOSSIBLE


def slope(path: np.ndarray) -> np.ndarray:
    """Fourth-order first derivative inside the path, (frames - 4, ...)."""
    return RATE_HZ * (8.0 * (path[3:-1] - path[1:-3]) - (path[4:] - path[:-4])) / 12.0


def test_a_single_pendulum_has_its_closed_form():
    pendulum = Pendulum((2.0,), (0.4,), (0.7,), (0.05,))
    q, qd, qdd = smooth_motion(1)
    tau = Engine(pendulum).inverse(q, qd, qdd).tau
    np.testing.assert_allclose(tau, single_torque(pendulum, q, qdd), atol=1e-12)
    assert np.ptp(tau) > 4.0


def test_a_double_pendulum_has_its_closed_form():
    pendulum = Pendulum((8.0, 3.5), (0.18, 0.2), (0.42, 0.43), (0.11, 0.05))
    q, qd, qdd = smooth_motion(2)
    tau = Engine(pendulum).inverse(q, qd, qdd).tau
    np.testing.assert_allclose(tau, double_torque(pendulum, q, qd, qdd), atol=1e-11)
    # Without the terms in velocity it would be off by newton metres.
    still = double_torque(pendulum, q, 0.0 * qd, qdd)
    assert np.abs(still - tau).max() > 0.5


def test_the_force_rows_are_newtons_law(dynamics):
    acceleration = slope(slope(dynamics.com))
    force = 73.0 * (acceleration + UPWARD)
    np.testing.assert_allclose(dynamics.tau[4:-4, :3], force, atol=1e-4)
    assert np.abs(acceleration).max() > 1.0


def test_the_root_moment_is_that_of_the_inertial_forces(engine):
    """At rest the ground must hold the weight up under the centre of mass."""
    q = np.zeros((1, 16))
    q[0, :8] = 0.3, -0.2, 0.9, 0.7, 0.15, -0.2, 0.4, 0.1
    still = engine.inverse(q, 0.0 * q, 0.0 * q)
    force, moment = still.root_wrench()
    weight = 73.0 * UPWARD
    np.testing.assert_allclose(force[0], weight, atol=1e-9)
    np.testing.assert_allclose(moment[0], np.cross(still.com[0] - q[0, :3], weight), atol=1e-9)
    # And a force there closes the balance.
    closed = still.tau - external(still, "pelvis", force, still.com)
    np.testing.assert_allclose(closed[:, :6], 0.0, atol=1e-9)


def test_power_of_the_forces_is_the_change_of_energy(engine, motion, dynamics):
    """Torques and an external force on the left foot, on a random smooth motion."""
    q, qd, _ = motion
    mujoco = load_mujoco()
    model, data = engine._model, engine._data
    model.opt.enableflags = int(mujoco.mjtEnableBit.mjENBL_ENERGY)
    energy = np.empty(len(q))
    for i in range(len(q)):
        data.qpos[:], data.qvel[:] = q[i], qd[i]
        mujoco.mj_forward(model, data)
        energy[i] = data.energy.sum()
    model.opt.enableflags = 0
    force, _, _ = smooth_motion(3, len(q), RATE_HZ, seed=8)
    cop = dynamics.points["ball_l"]
    muscles = dynamics.tau - external(dynamics, "l", 2000.0 * force, cop)
    velocity = slope(cop)
    outside = np.einsum("fa,fa->f", 2000.0 * force[2:-2], velocity)
    inside = np.einsum("fj,fj->f", muscles, qd)[2:-2]
    change = slope(energy)
    np.testing.assert_allclose(inside + outside, change, atol=1e-5 * np.abs(change).max())
    assert np.abs(outside).max() > 0.05 * np.abs(change).max()


@pytest.mark.parametrize("place", ["r", "l", "pelvis", "trunk"])
def test_external_forces_are_the_transposed_numerical_jacobian(engine, place):
    """A force at a point fixed to a segment, from the way that point moves with each coordinate."""
    rng = np.random.default_rng(3)
    q = rng.normal(0.0, 0.4, (1, 16))
    name = {"r": "foot_r", "l": "foot_l"}.get(place, place)
    local = np.array([0.1, 0.02, -0.05])
    data, body = engine._data, engine._model.body(name).id

    def pose(values):
        data.qpos[:] = values
        load_mujoco().mj_kinematics(engine._model, data)
        turn = data.xmat[body].reshape(3, 3).copy()
        return data.xpos[body] + turn @ local, turn

    at, turn = pose(q[0])
    force, moment = rng.normal(0.0, 300.0, (1, 3)), rng.normal(0.0, 20.0, (1, 3))
    expected = np.empty(16)
    step = 1e-6
    for j in range(16):
        ends = []
        for sign in (-1.0, 1.0):
            moved = q[0].copy()
            moved[j] += sign * step
            ends.append(pose(moved))
        speed = (ends[1][0] - ends[0][0]) / (2.0 * step)
        spin = (ends[1][1] - ends[0][1]) / (2.0 * step) @ turn.T
        turning = np.array([spin[2, 1], spin[0, 2], spin[1, 0]])
        expected[j] = force[0] @ speed + moment[0] @ turning
    still = engine.inverse(q, 0.0 * q, 0.0 * q)
    ours = external(still, place, force, at[None], moment)
    np.testing.assert_allclose(ours[0], expected, atol=1e-6)
    assert np.count_nonzero(ours) == {"pelvis": 6, "trunk": 8}.get(place, 10)


def test_a_free_moment_alone_is_about_the_vertical(engine, dynamics):
    nothing, moment = np.zeros((600, 3)), np.linspace(-5.0, 5.0, 600)
    short = external(dynamics, "r", nothing, nothing, moment)
    whole = external(dynamics, "r", nothing, nothing, np.outer(moment, [0.0, 0.0, 1.0]))
    np.testing.assert_array_equal(short, whole)
    np.testing.assert_allclose(short[:, COORDINATES.index("pelvis_yaw")], moment)


@pytest.mark.parametrize("site", IMU_SITES)
def test_an_imu_feels_its_twice_differentiated_path(engine, motion, dynamics, site):
    """Specific force and angular velocity, turned into the world."""
    q, _, _ = motion
    segment, place = engine.body.sites[site].segment, engine.body.sites[site].position_m
    body, data = engine._model.body(segment).id, engine._data
    path = np.empty((len(q), 3))
    for i, values in enumerate(q):
        data.qpos[:] = values
        load_mujoco().mj_kinematics(engine._model, data)
        path[i] = data.xpos[body] + data.xmat[body].reshape(3, 3) @ place
    acc, gyro = dynamics.imu(site)
    turn = dynamics.orientation[segment]
    felt = np.einsum("fab,fb->fa", turn, acc)[4:-4]
    np.testing.assert_allclose(felt, slope(slope(path)) + UPWARD, atol=1e-4)
    spin = np.einsum("fab,fcb->fac", slope(turn), turn[2:-2])
    world = np.stack([spin[:, 2, 1], spin[:, 0, 2], spin[:, 1, 0]], axis=1)
    np.testing.assert_allclose(np.einsum("fab,fb->fa", turn, gyro)[2:-2], world, atol=1e-6)
    assert np.abs(felt - UPWARD).max() > 1.0


def test_the_engine_can_be_asked_again(engine, motion, dynamics):
    np.testing.assert_array_equal(engine.inverse(*motion).tau, dynamics.tau)


def test_mirrored_motion_gives_mirrored_torques(engine, motion, dynamics):
    swap = [*range(8), *range(12, 16), *range(8, 12)]
    sign = np.ones(16)
    for name in ("pelvis_y", "pelvis_yaw", "pelvis_list", "lumbar_bend"):
        sign[COORDINATES.index(name)] = -1.0
    mirrored = engine.inverse(*(sign * x[:, swap] for x in motion))
    np.testing.assert_allclose(mirrored.tau, sign * dynamics.tau[:, swap], atol=1e-9)


def test_wrong_shapes_names_and_values_are_refused(engine, motion, dynamics):
    q, qd, qdd = motion
    holed = q.copy()
    holed[7, 3] = np.nan
    for arguments in ((q[:, :15], qd, qdd), (q, qd[:10], qdd), (q[0], qd[0], qdd[0])):
        with pytest.raises(UsageError, match="shape") as caught:
            engine.inverse(*arguments)
        assert caught.value.reason is UsageReason.BAD_ARGUMENT
    with pytest.raises(UsageError, match="not finite"):
        engine.inverse(holed, qd, qdd)
    with pytest.raises(UsageError, match="imu_nose"):
        dynamics.imu("imu_nose")
    ok = np.zeros((600, 3))
    with pytest.raises(UsageError, match="'hand'"):
        external(dynamics, "hand", ok, ok)
    for arguments in ((ok[:9], ok), (ok, ok[:9]), (ok, ok, np.zeros((600, 2)))):
        with pytest.raises(UsageError, match="shape"):
            external(dynamics, "r", *arguments)


def test_a_model_without_a_floating_root_has_no_whole():
    pendulum = Pendulum((2.0,), (0.4,), (0.7,), (0.05,))
    with pytest.raises(UsageError, match="floating"):
        Engine(pendulum).whole(*smooth_motion(1))


def test_a_model_without_a_floating_root_has_no_root_wrench(dynamics):
    with pytest.raises(UsageError, match="floating"):
        replace(dynamics, coordinates=("elbow_flexion",)).root_wrench()


def test_without_mujoco_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "mujoco", None)
    with pytest.raises(UsageError, match=r"kinefed\[sim\]") as caught:
        Engine(Body(MAN))
    assert caught.value.reason is UsageReason.MISSING_EXTRA
