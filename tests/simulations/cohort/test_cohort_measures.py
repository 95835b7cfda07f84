"""Quantities of a stride or repetition: against closed forms and against recordings."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import signal

from kinefed.biomechanics.body import COORDINATES
from kinefed.biomechanics.engine import Engine
from kinefed.simulations.cohort.contact import GRAVITY
from kinefed.simulations.cohort.measures import QUANTITIES
from kinefed.simulations.cohort.people import sample_people
from kinefed.simulations.cohort.recording import joint_torques_nm
from kinefed.simulations.cohort.repetitions import Repetition, repetitions, torques, transitions
from kinefed.simulations.cohort.survey import EVERY_TASK, measure_person

RATE_HZ = 100.0


def repetition(frames=100, force=None, angle=None, moment=None, height=None, seat=None):
    zero = np.zeros(frames)
    return Repetition(
        RATE_HZ,
        dict.fromkeys(COORDINATES, zero) | (angle or {}),
        {f"{name}.r": zero for name in ("hip", "hip_abduction", "knee", "ankle")} | (moment or {}),
        np.zeros((frames, 2, 3)) if force is None else force,
        zero if seat is None else seat,
        zero if height is None else height,
    )


def value(name, rep):
    return QUANTITIES[name].of(rep)


def test_stance_and_double_support_are_shares_of_the_stride():
    force = np.zeros((100, 2, 3))
    force[:62, 0, 2] = 1.0
    force[:11, 1, 2] = force[51:, 1, 2] = 1.0
    rep = repetition(force=force)
    assert value("toe_off", rep) == pytest.approx(62.0)
    assert value("double_support", rep) == pytest.approx(22.0)
    assert value("stride_time", rep) == pytest.approx(1.0)
    assert value("cadence", rep) == pytest.approx(120.0)


def test_peaks_of_force_are_found_in_their_half_of_stance():
    up = np.interp(np.arange(100), [0, 10, 30, 50, 60, 61], [0, 1.1, 0.7, 1.2, 0.04, 0])
    ahead = np.interp(np.arange(100), [0, 10, 30, 50, 60], [0, -0.2, 0, 0.25, 0])
    force = np.zeros((100, 2, 3))
    force[:, 0, 2], force[:, 0, 0] = up, ahead
    rep = repetition(force=force)
    found = [value(f"vertical_{part}", rep) for part in ("first", "valley", "second")]
    assert found == pytest.approx([1.1, 0.7, 1.2])
    assert value("braking", rep) == pytest.approx(0.2)
    assert value("propulsion", rep) == pytest.approx(0.25)


def test_angles_and_moments_have_the_sign_of_their_names():
    t = np.arange(100) / 100.0
    hip = 10.0 + 20.0 * np.cos(2.0 * np.pi * t)
    ankle = -20.0 * np.exp(-(((t - 0.62) / 0.05) ** 2))
    push = np.exp(-(((t - 0.48) / 0.05) ** 2))
    rep = repetition(
        angle={
            "hip_flexion_r": hip,
            "ankle_dorsiflexion_r": ankle,
            "pelvis_tilt": 5.0 + 0.0 * t,
            "lumbar_flexion": 30.0 * t,
            "pelvis_x": 1.3 * t,
        },
        moment={"hip.r": np.sin(2.0 * np.pi * t) - 0.2, "ankle.r": 1.4 * push},
    )
    assert value("hip_flexion", rep) == pytest.approx(30.0)
    assert value("hip_extension", rep) == pytest.approx(10.0)
    assert value("hip_excursion", rep) == pytest.approx(40.0)
    assert value("ankle_plantarflexion", rep) == pytest.approx(20.0)
    assert value("hip_extension_moment", rep) == pytest.approx(0.8)
    assert value("hip_flexion_moment", rep) == pytest.approx(1.2)
    assert value("ankle_moment", rep) == pytest.approx(1.4)
    assert value("ankle_moment_time", rep) == pytest.approx(48.0)
    assert value("trunk_lean", rep) == pytest.approx(5.0 + 29.7)
    assert value("speed", rep) == pytest.approx(1.3)


def test_a_jump_is_measured_by_its_flight():
    # Half a second in the air: the centre of mass rises by g t^2 / 8.
    force = np.full((200, 2, 3), 0.5)
    force[60:110] = 0.0
    force[50, :, 2], force[120, :, 2] = 1.2, 2.0
    t = (np.arange(200) - 60) / RATE_HZ
    height = 1.0 + np.where((t >= 0.0) & (t < 0.5), 0.25 * GRAVITY * t - 0.5 * GRAVITY * t**2, 0.0)
    knee = np.zeros(200)
    knee[40], knee[130] = 2.0, 2.5
    rep = repetition(200, force, height=height, moment={"knee.r": knee})
    assert value("flight_time", rep) == pytest.approx(0.5)
    assert value("jump_height", rep) == pytest.approx(GRAVITY * 0.25 / 8.0)
    assert value("push_force", rep) == pytest.approx(2.4)
    assert value("landing_force", rep) == pytest.approx(4.0)
    assert value("knee_push_moment", rep) == pytest.approx(2.0)
    assert value("knee_landing_moment", rep) == pytest.approx(2.5)


def walking(speed):
    """Give a person whose pelvis has a speed in m/s, and whose feet meet the ground every 0.5 s."""
    frames = len(speed)
    force, at = np.zeros((frames, 2, 3)), np.arange(frames) % 100
    force[:, 0, 2], force[:, 1, 2] = at < 60, (at >= 50) | (at < 10)
    return repetition(frames, force, {"pelvis_x": np.cumsum(speed) / RATE_HZ})


def test_steps_are_counted_between_standing_and_full_pace():
    # Two seconds of even acceleration, in which steps last half a second.
    speed = np.interp(np.arange(800), [200, 400], [0.0, 1.2])
    assert value("start_steps", walking(speed)) == pytest.approx(0.8 * 4.0, abs=0.1)
    assert value("stop_steps", walking(speed[::-1])) == pytest.approx(0.8 * 4.0, abs=0.1)
    # Changes within a step do not count.
    shaken = speed * (1.0 + 0.1 * np.sin(2.0 * np.pi * np.arange(800) / 25.0))
    assert value("start_steps", walking(shaken)) == pytest.approx(0.8 * 4.0, abs=0.3)
    assert np.isnan(value("start_steps", walking(speed[:150])))


def test_walking_goes_on_without_a_start_or_a_stop():
    even = 1.2 + 0.2 * np.sin(np.arange(100) / 8.0)
    assert walking(even).goes_on
    assert not walking(even * np.linspace(0.3, 1.0, 100)).goes_on
    assert not walking(np.zeros(100)).goes_on


def test_the_elbow_and_the_wrist_have_the_sign_of_their_names():
    t = np.linspace(0.0, np.pi, 100)
    rep = replace(
        repetition(),
        angle={"elbow_flexion": 10.0 + 120.0 * np.sin(t), "wrist_flexion": 50.0 * np.cos(t)},
        moment={"elbow": -0.04 * np.sin(t), "wrist": -0.004 * np.sin(t)},
    )
    assert value("elbow_flexion", rep) == pytest.approx(130.0, abs=0.1)
    assert value("elbow_straight", rep) == pytest.approx(10.0)
    assert value("elbow_excursion", rep) == pytest.approx(120.0, abs=0.1)
    assert value("wrist_flexion", rep) == value("wrist_extension", rep) == pytest.approx(50.0)
    assert value("elbow_flexion_moment", rep) == pytest.approx(0.04, abs=1e-4)
    assert value("wrist_flexion_moment", rep) == pytest.approx(0.004, abs=1e-5)


def test_there_is_no_jump_on_a_seat_or_on_the_ground():
    for rep in (repetition(seat=np.ones(100)), repetition(force=np.ones((100, 2, 3)))):
        assert np.isnan(value("jump_height", rep))
        assert np.isnan(value("landing_force", rep))


@pytest.fixture(scope="module")
def squats():
    """Give a person's mass, engine, squats and their torques."""
    pytest.importorskip("mujoco", reason="needs the extra sim")
    person = sample_people(1, 7)[0]
    motion = EVERY_TASK["squat"].generate(person, person.generator("squat"), 9.0)
    engine = Engine(person.rigid_body())
    return person.body.mass_kg, engine, motion, torques(engine, motion)


def test_moments_are_those_of_recordings_low_passed(squats):
    mass_kg, engine, motion, found = squats
    tau = joint_torques_nm(engine.inverse(motion.q, motion.qd, motion.qdd), motion)
    raw = -tau[:, COORDINATES.index("knee_flexion_r")] / mass_kg
    smooth = signal.sosfiltfilt(signal.butter(2, 10.0, fs=motion.rate_hz, output="sos"), raw)
    np.testing.assert_allclose(found.label("torque.knee.r"), smooth, atol=1e-9)
    assert np.abs(smooth - raw).max() < 0.05


def test_only_whole_repetitions_of_the_task_count(squats):
    mass_kg, _, motion, found = squats
    frames = len(motion.q)
    stride = np.full(frames, -1, dtype=np.int32)
    for number, (start, end) in enumerate([(0, 100), (150, 300), (400, 520), (700, frames)]):
        stride[start:end] = number
    marked = replace(motion, stride=stride)
    reps = repetitions("squat", marked, found, mass_kg)
    assert [rep.frames for rep in reps] == [150, 120]
    task = np.zeros(frames, dtype=np.int16)
    task[500:] = 1
    mixed = replace(marked, task=task, tasks=("squat", "other"))
    (rep,) = repetitions("squat", mixed, found, mass_kg)
    assert rep.frames == 150
    np.testing.assert_allclose(rep.angle["knee_flexion_r"], np.rad2deg(motion.q[150:300, 10]))
    weight = mass_kg * GRAVITY
    np.testing.assert_allclose(rep.force * weight, motion.force[150:300])


def test_a_measured_person_is_the_mean_of_their_repetitions(squats):
    mass_kg, _, motion, found = squats
    sample = measure_person("squat", 0, 7, 9.0, {"knee_flexion": (), "jump_height": ()})
    reps = repetitions("squat", motion, found, mass_kg)
    assert sample.repetitions == len(reps) >= 2
    assert sample.values["knee_flexion"] == np.mean([value("knee_flexion", rep) for rep in reps])
    assert np.isnan(sample.values["jump_height"])
    assert sample.frames == 900
    assert sample.faults["any"] == np.count_nonzero(motion.faults)


def test_starts_and_stops_lie_between_the_middles_of_standing():
    pytest.importorskip("mujoco", reason="needs the extra sim")
    person = sample_people(1, 7)[0]
    motion = EVERY_TASK["walk_turns"].generate(person, person.generator("walk_turns"), 60.0)
    found = torques(Engine(person.rigid_body()), motion)
    cut = transitions(motion, found, person.body.mass_kg)
    assert len(cut["start_steps"]) >= 1
    for name, at in (("start_steps", 0), ("stop_steps", -1)):
        for rep in cut[name]:
            assert rep.loaded[at].all()
            assert abs(np.gradient(rep.angle["pelvis_x"])[at]) * RATE_HZ < 0.05
            assert 1.0 < value(name, rep) < 6.0
