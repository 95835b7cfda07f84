"""No movement leaves what joints can do."""

import numpy as np
import pytest

from kinefed.biomechanics.body import COORDINATES
from kinefed.simulations.cohort.motion import Motion
from kinefed.simulations.cohort.people import sample_people
from kinefed.simulations.cohort.tasks import TASKS

# Deep squats flex hip and knee by 2.3 rad; a toe-off in a jump points the foot down by 1.1 rad, and
# some knees stretch by 0.15 rad beyond straight.
MOST = {"hip_flexion": (-0.7, 2.4), "knee_flexion": (-0.2, 2.5), "ankle_dorsiflexion": (-1.2, 0.9)}
LEGS = [name for name in TASKS if name not in ("elbow", "elbow_load", "wrist")]


@pytest.mark.parametrize("name", LEGS)
def test_joints_stay_within_their_reach_and_few_frames_are_faulty(name):
    faulty = frames = 0
    for person in sample_people(8, 1)[3:]:
        motion = TASKS[name].generate(person, person.generator(name, 0), 15.0)
        assert isinstance(motion, Motion)
        for joint, (low, high) in MOST.items():
            for side in "rl":
                angle = motion.q[:, COORDINATES.index(f"{joint}_{side}")]
                assert low < angle.min(), (person.subject.id, joint)
                assert angle.max() < high, (person.subject.id, joint)
        faulty += int(np.count_nonzero(motion.faults))
        frames += len(motion.faults)
    assert faulty < 0.12 * frames
