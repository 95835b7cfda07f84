from __future__ import annotations

import numpy as np
import pytest

from kinefed.biomechanics.engine import Engine
from kinefed.datasets.errors import UsageError
from kinefed.simulations.cohort.arm import ARM_TASKS, arm_task
from kinefed.simulations.cohort.contact import GRAVITY
from kinefed.simulations.cohort.people import VirtualPerson, sample_people


@pytest.fixture(scope="module")
def person() -> VirtualPerson:
    return sample_people(1, 9)[0]


@pytest.mark.parametrize("name", ARM_TASKS)
def test_every_movement_stays_in_range_and_repeats(name: str, person: VirtualPerson) -> None:
    task = ARM_TASKS[name]
    motion = task.generate(person, person.generator(name), 12.0)
    again = task.generate(person, person.generator(name), 12.0)
    np.testing.assert_array_equal(motion.q, again.q)
    moving = motion.q[:, ("shoulder_flexion", "elbow_flexion", "wrist_flexion").index(task.joint)]
    assert np.rad2deg(moving.min()) == pytest.approx(task.low, abs=6.5)
    assert np.rad2deg(moving.max()) == pytest.approx(task.high, abs=0.1 * (task.high - task.low))
    assert motion.stride.max() >= 3
    assert (np.diff(motion.stride) >= 0).all()
    speed = np.gradient(motion.q, 1.0 / motion.rate_hz, axis=0)
    np.testing.assert_allclose(speed[2:-2], motion.qd[2:-2], atol=0.02)


def test_holding_a_forearm_level_costs_its_weight_times_its_lever(person: VirtualPerson) -> None:
    pytest.importorskip("mujoco")
    free = ARM_TASKS["elbow"].generate(person, person.generator("elbow"), 12.0)
    held = ARM_TASKS["elbow_load"].generate(person, person.generator("elbow_load"), 12.0)
    body = person.body
    length = body.lengths_m["forearm"]
    lever = body.segment_mass_kg("forearm") * body.segment("forearm").com * length
    hand = length + body.segment("hand").com * body.lengths_m["hand"]
    lever += body.segment_mass_kg("hand") * hand
    grip = length + body.lengths_m["hand"]
    peaks = []
    for motion in (free, held):
        still = np.zeros_like(motion.q)
        still[:, 1] = 0.5 * np.pi
        engine = Engine(motion.arm)
        nothing = np.zeros_like(still)
        expected = GRAVITY * (lever + motion.arm.load_kg * grip)
        np.testing.assert_allclose(engine.inverse(still, nothing, nothing).tau[:, 1], expected)
        peak = np.abs(engine.inverse(motion.q, motion.qd, motion.qdd).tau[:, 1]).max()
        # Curls this slow add little to gravity; those with the arm free swing faster.
        assert peak == pytest.approx(expected, rel=0.35)
        peaks.append(peak)
    assert peaks[1] > 2.0 * peaks[0]


def test_unknown_movements_are_refused_with_those_that_exist() -> None:
    with pytest.raises(UsageError, match="elbow_load"):
        arm_task("shrug")


def test_a_recording_of_no_length_is_refused(person: VirtualPerson) -> None:
    with pytest.raises(UsageError, match="1 to 3600 s"):
        ARM_TASKS["wrist"].generate(person, person.generator("wrist"), 0.0)
