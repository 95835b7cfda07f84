"""Jumps: closed forms of flight and of pushing off, and what people come to do."""

from __future__ import annotations

import numpy as np
import pytest

from kinefed.biomechanics.engine import Engine
from kinefed.datasets import RecordingRef
from kinefed.simulations.cohort import performing_jumps
from kinefed.simulations.cohort.contact import GRAVITY
from kinefed.simulations.cohort.faults import Fault
from kinefed.simulations.cohort.jumping_balance import balance, drawn_force, sway
from kinefed.simulations.cohort.jumping_body import Pose, SagittalBody
from kinefed.simulations.cohort.jumping_ground import Boxes
from kinefed.simulations.cohort.kinematics import LegGeometry
from kinefed.simulations.cohort.measures import QUANTITIES
from kinefed.simulations.cohort.outfit import dress
from kinefed.simulations.cohort.people import PATTERNS, sample_people
from kinefed.simulations.cohort.recording import record
from kinefed.simulations.cohort.repetitions import repetitions, torques
from kinefed.simulations.cohort.tasks import TASKS

pytest.importorskip("mujoco", reason="needs the extra sim")

JUMPS = ("jump", "jump_up", "jump_down")
PERSON = sample_people(2, 7)[1]
MASS_KG = PERSON.body.mass_kg


def perform(task, person=PERSON, seconds=9.0, rate_hz=100.0, take=0):
    return TASKS[task].generate(person, person.generator(task, take), seconds, rate_hz)


@pytest.fixture(scope="module", params=JUMPS)
def done(request):
    """Give a task, nine seconds of it and their dynamics."""
    motion = perform(request.param)
    return request.param, motion, Engine(PERSON.rigid_body()).inverse(*movement(motion))


def movement(motion):
    return motion.q, motion.qd, motion.qdd


def flights(motion):
    """Frames in the air, first and after the last, of the flights that lie whole within."""
    air = np.concatenate([[False], motion.force[:, 0, 2] == 0.0, [False]])
    edges = np.flatnonzero(np.diff(air.astype(int))).reshape(-1, 2)
    return [(a, b) for a, b in edges if a > 0 and b < len(motion.q)]


def momentum(motion):
    """Linear momentum and angular momentum about the centre of mass, from the mass matrix."""
    engine, none = Engine(PERSON.rigid_body()), np.zeros_like(motion.q)
    moving, still = (engine.inverse(motion.q, none, x) for x in (motion.qd, none))
    linear, angular = moving.root_wrench(moving.tau - still.tau)
    arm = moving.com - moving.anchors[:, 3]
    return linear, angular - np.cross(arm, linear)


# Flight.


def test_the_centre_of_mass_flies_on_a_parabola(done):
    _, motion, dynamics = done
    assert len(flights(motion)) >= 2
    for a, b in flights(motion):
        fall = np.diff(dynamics.com[a:b], 2, axis=0) * motion.rate_hz**2
        # The first frame in the air may still carry a newton or two.
        np.testing.assert_allclose(
            fall[1:-1], np.tile([0.0, 0.0, -GRAVITY], (b - a - 4, 1)), atol=1e-3
        )


def test_nothing_holds_the_body_in_the_air(done):
    _, motion, dynamics = done
    force, moment = dynamics.root_wrench()
    for a, b in flights(motion):
        assert np.abs(force[a:b]).max() < 1e-8
        assert np.abs(moment[a:b]).max() < 1e-8
        assert not motion.force[a:b].any()
        assert not motion.free_moment[a:b].any()


def test_angular_momentum_lasts_through_a_flight(done):
    _, motion, _ = done
    _, spin = momentum(motion)
    for a, b in flights(motion):
        assert np.ptp(spin[a:b, 1]) < 0.02
    # The limbs and the trunk move against one another all the while.
    assert max(np.ptp(spin[:, 1]), 1.0) > 5.0


def test_take_off_speed_gives_the_height(done):
    _, motion, dynamics = done
    linear, _ = momentum(motion)
    for a, b in flights(motion):
        speed = linear[a, 2] / MASS_KG
        rise = dynamics.com[a:b, 2].max() - dynamics.com[a, 2]
        # Between two frames the highest point may be missed by g / 8 f^2.
        assert rise == pytest.approx(speed**2 / (2.0 * GRAVITY), abs=2e-4)


# On the ground.


def test_impulse_is_change_of_momentum():
    motion = perform("jump", seconds=3.0, rate_hz=500.0)
    linear, _ = momentum(motion)
    (a, b), *_ = flights(motion)
    net = motion.force.sum(axis=1) - [0.0, 0.0, MASS_KG * GRAVITY]
    for first, last in ((0, a), (b - 1, len(net) - 1)):
        part = net[first : last + 1]
        impulse = (0.5 * (part[1:] + part[:-1])).sum(axis=0) / motion.rate_hz
        change = linear[last] - linear[first]
        np.testing.assert_allclose(impulse, change, atol=0.2)
        assert abs(change[2]) > 100.0


def test_hardly_any_frame_is_at_fault():
    frames = bad = 0
    for person in sample_people(4, 3, ("healthy", "older", "weak-plantarflexor")):
        for task in JUMPS:
            found = perform(task, person, 6.0).faults
            frames, bad = frames + len(found), bad + int(np.count_nonzero(found))
    assert bad < 0.01 * frames


def test_people_of_every_pattern_jump_and_land_on_their_feet():
    for person in sample_people(len(PATTERNS), 5, PATTERNS):
        motion = perform("jump", person, 4.0)
        assert len(flights(motion)) >= 1
        assert not (motion.faults & (Fault.SLIP | Fault.REACH | Fault.PULL)).any()


def test_an_unbalanced_flight_is_found(monkeypatch):
    monkeypatch.setattr(performing_jumps, "_FIRST_PASSES", 1)
    monkeypatch.setattr(performing_jumps, "_PASSES", 1)
    motion = perform("jump", seconds=3.0)
    (a, b), *_ = flights(motion)
    assert (motion.faults[a:b] & Fault.RESIDUAL).any()


def test_force_rises_and_falls_without_steps(done):
    _, motion, _ = done
    up = motion.force[:, :, 2].sum(axis=1) / (MASS_KG * GRAVITY)
    assert up.min() == 0.0
    # The steepest is landing: some 3 body weights within 50 ms.
    assert np.abs(np.diff(up)).max() < 1.0


def test_up_and_down_take_turns_on_steps_in_a_row():
    motion = perform("jump_down")
    engine = Engine(PERSON.rigid_body())
    sole = engine.inverse(*movement(motion)).points["ball_r"]
    names = np.array(motion.tasks)[motion.task]
    ends = []
    for number in range(3):
        at = np.flatnonzero(motion.stride == number)
        rise, far = sole[at[-1], 2] - sole[at[0], 2], sole[at[-1], 0] - sole[at[0], 0]
        assert set(names[at]) == {"jump_down" if number % 2 == 0 else "jump_up"}
        assert far > 0.25
        ends.append(rise)
    assert -0.35 < ends[0] < -0.15
    np.testing.assert_allclose(ends, [ends[0], -ends[0], ends[0]], atol=1e-3)


# What people do.


def test_jumps_are_like_those_of_healthy_adults():
    bands = {
        "jump": {
            "jump_height": (0.20, 0.45),
            "flight_time": (0.40, 0.60),
            "push_force": (1.9, 2.7),
            "landing_force": (2.0, 5.0),
            "knee_push_flexion": (70.0, 110.0),
            "hip_push_moment": (1.5, 3.5),
            "knee_push_moment": (1.3, 3.0),
            "ankle_push_moment": (1.3, 2.6),
        },
        "jump_up": {"push_force": (1.9, 2.7), "knee_push_moment": (1.3, 3.0)},
        "jump_down": {"landing_force": (2.0, 5.0), "knee_landing_flexion": (77.0, 117.0)},
    }
    people = sample_people(4, 11)
    for task, wanted in bands.items():
        values = {name: [] for name in wanted}
        for person in people:
            engine, motion = Engine(person.rigid_body()), perform(task, person, 7.0)
            reps = repetitions(task, motion, torques(engine, motion), person.body.mass_kg)
            for name, seen in values.items():
                seen.append(np.mean([QUANTITIES[name].of(rep) for rep in reps]))
        for name, (low, high) in wanted.items():
            # The bands are those of means; single people scatter beyond.
            assert low <= np.mean(values[name]) <= high, (task, name, values[name])
            assert 0.85 * low <= min(values[name])
            assert max(values[name]) <= 1.15 * high


def test_the_same_seed_jumps_alike_and_another_take_does_not():
    one, same, other = (perform("jump_up", seconds=3.0, take=take) for take in (0, 0, 1))
    np.testing.assert_array_equal(one.q, same.q)
    np.testing.assert_array_equal(one.force, same.force)
    assert np.abs(one.q - other.q).max() > 0.01


def test_a_jump_is_recorded_with_muscles_and_sensors(done):
    task, motion, _ = done
    body = PERSON.rigid_body()
    ref = RecordingRef(PERSON.subject.id, "s01", task, 1)
    rng = np.random.default_rng(0)
    recording = record(Engine(body), dress(body, 100.0, (7, 1), 0), motion, ref, rng)
    for stream in recording.streams.values():
        assert np.isfinite(stream.data).all()
    emg = recording.streams["emg"]
    channel = emg.data[:, emg.channels.index("envelope.vastus_lateralis.r")]
    assert np.percentile(channel, 99) > 4.0 * np.percentile(channel, 10)
    torque = recording.streams["torque"]
    assert torque.data[:, torque.channels.index("valid.torque.r")].mean() > 0.99
    acc = recording.streams["imu_foot_r"].data[:, :3]
    assert 30.0 < np.linalg.norm(acc, axis=1).max() < 600.0
    assert len(recording.trials) >= 3


# The pieces.


def random_pose(rng, frames):
    return Pose(
        rng.uniform(-0.2, 0.9, frames),
        rng.uniform(-0.4, 0.4, frames),
        rng.uniform(0.1, 1.8, frames),
        rng.uniform(-1.0, 0.3, frames),
    )


def test_the_sagittal_body_is_the_engines():
    rng = np.random.default_rng(4)
    body = SagittalBody(PERSON.rigid_body(), LegGeometry.of(PERSON.body))
    pose = random_pose(rng, 20)
    hip = rng.uniform(-1.0, 1.0, 20) + 1j * rng.uniform(0.5, 1.5, 20)
    q = body.coordinates(pose, hip)
    engine, none = Engine(PERSON.rigid_body()), np.zeros_like(q)
    dynamics = engine.inverse(q, none, none)
    com = hip + body.com(pose)
    np.testing.assert_allclose(dynamics.com[:, 0], com.real, atol=1e-12)
    np.testing.assert_allclose(dynamics.com[:, 2], com.imag, atol=1e-12)
    ankle = hip + body.ankle_way(pose)
    np.testing.assert_allclose(dynamics.points["ankle_l"][:, 0], ankle.real, atol=1e-12)
    np.testing.assert_allclose(dynamics.points["ankle_l"][:, 2], ankle.imag, atol=1e-12)
    assert body.mass_kg == pytest.approx(MASS_KG)


def test_the_sagittal_bodys_spin_is_the_engines():
    body = SagittalBody(PERSON.rigid_body(), LegGeometry.of(PERSON.body))
    t = np.linspace(0.0, 0.02, 3)
    pose = Pose(0.3 + 2.0 * t, 0.1 - 1.0 * t, 0.8 + 5.0 * t, -0.4 + 3.0 * t)
    q = body.coordinates(pose, np.zeros(3) + 1j)
    engine, none = Engine(PERSON.rigid_body()), np.zeros((1, q.shape[1]))
    rate = (q[2:] - q[:1]) / t[2]
    moving, still = (engine.inverse(q[1:2], none, x) for x in (rate, none))
    linear, angular = moving.root_wrench(moving.tau - still.tau)
    about = angular - np.cross(moving.com - moving.anchors[:, 3], linear)
    wide = Pose(*(x[::2] for x in (pose.lean, pose.leg, pose.knee, pose.pitch)))
    assert body.spin(body.parts(wide), t[2])[0] == pytest.approx(about[0, 1], rel=1e-3)


def test_a_grounded_pose_has_feet_and_mass_in_place():
    body = SagittalBody(PERSON.rigid_body(), LegGeometry.of(PERSON.body))
    lean, pitch = np.array([0.0, 0.8]), np.array([0.0, -0.5])
    ankle = body.ankle(np.array([0.0 + 0.0j, 0.3 + 0.2j]), pitch)
    com = np.array([0.06 + 0.95j, 0.4 + 0.95j])
    pose, hip = body.grounded(com, lean, ankle, pitch, com - 0.1j, 6)
    np.testing.assert_allclose(hip + body.com(pose), com, atol=1e-10)
    np.testing.assert_allclose(hip + body.ankle_way(pose), ankle, atol=1e-10)


def test_drawn_force_meets_its_conditions_and_does_no_more():
    step = 0.002
    force = drawn_force((1.0, 0.0), 0.8, [(0.55, -0.3, 0.0), (0.8, 0.06, 2.3)], step)
    assert len(force) == 401
    assert force[0] == pytest.approx(1.0)
    assert force[-1] == pytest.approx(0.0, abs=1e-9)
    assert force.min() > -1e-9
    net = GRAVITY * (force - 1.0)
    speed = np.concatenate([[0.0], np.cumsum(0.5 * step * (net[1:] + net[:-1]))])
    height = np.concatenate([[0.0], np.cumsum(0.5 * step * (speed[1:] + speed[:-1]))])
    np.testing.assert_allclose([speed[275], height[275]], [0.0, -0.3], atol=1e-9)
    np.testing.assert_allclose([speed[400], height[400]], [2.3, 0.06], atol=1e-9)


def test_a_mass_over_its_pressure_stays_and_one_in_flight_goes_straight():
    frames = 400
    one, none = np.ones(frames), np.zeros(frames)
    np.testing.assert_allclose(sway(one, one, 0.1 * one, none, 70.0, 0.002), 0.1, atol=1e-9)
    pressure = np.where(np.arange(frames) < 200, 0.0, 0.5)
    force = np.where(abs(np.arange(frames) - 200) < 50, 0.0, 1.0)
    x = sway(force, one, pressure, none, 70.0, 0.002)
    bend = np.diff(x, 2) / 0.002**2
    np.testing.assert_allclose(bend[151:248], 0.0, atol=1e-8)
    # A pendulum on its foot accelerates away from it by g / h times its distance.
    np.testing.assert_allclose(bend[:100], GRAVITY * x[1:101], rtol=1e-6, atol=1e-9)
    assert x[0] == 0.0
    assert x[-1] == 0.5


def test_a_moment_about_the_mass_is_borne_by_its_sway():
    frames, moment = 2001, 7.0
    one = np.ones(frames)
    x = sway(one, 0.9 * one, 0.0 * one, moment * one, 70.0, 0.005)
    # In the long run the mass stands where its weight balances the moment.
    assert x[1000] == pytest.approx(moment / (70.0 * GRAVITY), rel=1e-6)


def test_balance_is_the_least_squares_solution():
    rng = np.random.default_rng(2)
    frames, step = 30, 0.01
    inertia = rng.uniform(3.0, 6.0, frames)
    excess, lean = rng.normal(0.0, 20.0, frames), rng.normal(0.0, 0.1, frames)
    allowed = rng.uniform(0.5, 20.0, frames)
    turn = np.zeros((frames, frames))
    for k in range(frames - 1):
        flow = 0.5 * (inertia[k] + inertia[k + 1]) / step**2
        turn[[k, k], [k, k + 1]] += [-flow, flow]
        turn[[k + 1, k + 1], [k, k + 1]] += [flow, -flow]
    system = np.vstack([turn / allowed[:, None], np.eye(frames) / 0.2])
    right = np.concatenate([-excess / allowed, -lean / 0.2])
    wanted = np.linalg.lstsq(system, right, rcond=None)[0]
    np.testing.assert_allclose(balance(inertia, excess, allowed, lean, step), wanted, atol=1e-7)


def test_balance_takes_a_moment_away_that_is_not_allowed():
    frames, step = 500, 0.002
    one = np.ones(frames)
    # Whole periods: a trunk that is at rest before and after takes up no impulse.
    excess = 10.0 * np.sin(np.linspace(0.0, 6.0 * np.pi, frames, endpoint=False))
    # Next to nothing beside the excess; far less would leave the sum of squares no digits.
    turned = balance(4.0 * one, excess, 0.1 * one, 0.0 * one, step)
    left = 4.0 * np.diff(turned, 2) / step**2 + excess[1:-1]
    assert np.abs(left).max() < 1e-3


def test_depth_in_a_box_is_the_shortest_way_out():
    box = Boxes(edge_m=np.array([1.0, 2.0]), level_m=np.array([0.0, 0.3, 0.0]))
    points = np.array(
        [
            [0.5, 0.0, 0.1],
            [0.5, 0.0, -0.02],
            [1.05, 0.0, 0.1],
            [1.5, 0.0, 0.28],
            [1.96, 0.0, 0.1],
            [1.5, 0.0, 0.4],
        ]
    )
    np.testing.assert_allclose(box.depth(points), [-0.1, 0.02, 0.05, 0.02, 0.04, -0.1])
    level = Boxes(level_m=np.array([0.2]))
    np.testing.assert_allclose(level.depth(points[:1]), [0.1])
