"""Transitions between tasks in one recording: walking, standing, squats and a chair."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from kinefed.biomechanics.body import COORDINATES
from kinefed.biomechanics.engine import Engine
from kinefed.datasets import RecordingRef
from kinefed.simulations.cohort.contact import GRAVITY
from kinefed.simulations.cohort.faults import Fault
from kinefed.simulations.cohort.motion import Motion
from kinefed.simulations.cohort.outfit import dress
from kinefed.simulations.cohort.people import VirtualPerson, sample_people
from kinefed.simulations.cohort.recording import joint_torques_nm, record
from kinefed.simulations.cohort.tasks import TASKS

pytest.importorskip("mujoco", reason="needs the extra sim")

PEOPLE = (*sample_people(3, 7), *sample_people(2, 7, ("older", "stiff-knee")))


def perform(person: VirtualPerson, duration_s: float = 60.0) -> Motion:
    return TASKS["daily"].generate(person, person.generator("daily"), duration_s)


@pytest.fixture(scope="module", params=PEOPLE, ids=lambda p: f"{p.subject.id}-{p.pattern}")
def done(request: pytest.FixtureRequest) -> tuple[VirtualPerson, Motion]:
    return request.param, perform(request.param)


def stretches(motion: Motion) -> list[tuple[str, int, int]]:
    """Each stretch of one task: name, first frame, first frame after it."""
    edges = [0, *(np.flatnonzero(np.diff(motion.task)) + 1).tolist(), len(motion.task)]
    return [(motion.tasks[motion.task[a]], a, b) for a, b in pairwise(edges)]


def test_people_stand_before_and_after_whatever_they_do(done) -> None:
    _, motion = done
    found = stretches(motion)
    assert {"stand", "squat", "stand_to_sit", "sit", "sit_to_stand"} <= {
        name for name, _, _ in found
    }
    allowed = {
        ("squat", "stand"), ("stand", "squat"), ("stand", "stand_to_sit"), ("stand_to_sit", "sit"),
        ("sit", "sit_to_stand"), ("sit_to_stand", "stand"), ("stand", "walk"), ("walk", "stand"),
    }  # fmt: skip
    for one, other in pairwise(name.partition("_")[0] if "walk" in name else name
                               for name, _, _ in found):  # fmt: skip
        assert (one, other) in allowed


def test_forces_carry_the_whole_motion_and_faults_are_few(done) -> None:
    person, motion = done
    engine = Engine(person.rigid_body())
    tau = joint_torques_nm(engine.inverse(motion.q, motion.qd, motion.qdd), motion)
    assert np.abs(tau[:, :6]).max() < 1e-6
    assert (motion.faults != 0).mean() < 0.06
    still = np.isin(motion.task, [motion.tasks.index(n) for n in ("squat", "sit", "sit_to_stand")])
    assert not motion.faults[still].any()
    assert not (motion.faults & Fault.PULL).any()


def test_the_seat_bears_who_sits_and_nobody_else(done) -> None:
    person, motion = done
    share = motion.seat_force[:, 2] / (GRAVITY * person.body.mass_kg)
    sits = motion.task == motion.tasks.index("sit")
    assert share[sits].min() > 0.5
    chair = np.isin(motion.task, [motion.tasks.index(n) for n in motion.tasks if "sit" in n])
    assert not share[~chair].any()


def test_nothing_jumps_where_one_movement_becomes_another(done) -> None:
    _, motion = done
    knees = [COORDINATES.index(f"knee_flexion_{side}") for side in "rl"]
    edges = np.flatnonzero(np.diff(motion.task))
    edges = edges[motion.task[edges] != motion.tasks.index("stand")]
    # A knee in swing reaches 7 rad/s; what is done ends with nearly standing, or sitting.
    assert np.abs(motion.qd[edges][:, knees]).max() < 2.5
    assert np.abs(np.diff(motion.q[:, 3:], axis=0)).max() < 0.15


def test_the_same_seed_gives_the_same_day_and_events_say_what_is_done() -> None:
    person = PEOPLE[0]
    motion = perform(person, 20.0)
    np.testing.assert_array_equal(motion.q, perform(person, 20.0).q)
    outfit = dress(person.rigid_body(), motion.rate_hz, (7, 0), 0)
    ref = RecordingRef(person.subject.id, "s01", "daily", 1)
    made = record(Engine(person.rigid_body()), outfit, motion, ref, np.random.default_rng(0))
    found = [(name, a / motion.rate_hz) for name, a, _ in stretches(motion)]
    assert [event.name for event in made.events] == [name for name, _ in found]
    assert [event.time_s for event in made.events] == pytest.approx([begin for _, begin in found])
    for trial in made.trials:
        inside = motion.task[round(100.0 * trial.start_s) : round(100.0 * trial.end_s)]
        assert len(set(inside.tolist())) == 1
