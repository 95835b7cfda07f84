"""Our inverse dynamics against OpenSim's, on a person who was measured.

One adult walked (straight, toes in, toes out) and squatted over force plates; the files hold the
joint moments that OpenSim 4.6 found with a model scaled to the markers.
"""

import importlib.util
from dataclasses import dataclass, field

import numpy as np
import pytest
from opencap_motion import MASS_KG, coordinates, scaled_model, stature, wrenches

from kinefed.biomechanics.anthropometry import body_parameters
from kinefed.biomechanics.body import Body
from kinefed.biomechanics.dynamics import joint_torques
from kinefed.biomechanics.engine import Engine
from kinefed.biomechanics.mjcf import Lump
from kinefed.datasets import import_dataset

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("mujoco") is None, reason="the extra 'sim' is not installed"
)

TRIALS = {
    "walk": ("walking1", "walking2", "walking4"),
    "walk-toe-in": ("walkingTI1", "walkingTI2", "walkingTI3"),
    "walk-toe-out": ("walkingTO1", "walkingTO2", "walkingTO3"),
    "squat": ("squats1",),
}
WALKS = ("walk", "walk-toe-in", "walk-toe-out")
JOINTS = ("hip", "hip_abduction", "knee", "ankle")


@dataclass(frozen=True)
class ScaledBody(Body):
    """A body whose legs weigh what those of the scaled model weigh."""

    leg_lumps: dict[str, Lump] = field(default_factory=dict)

    def lump(self, segment: str) -> Lump:
        kind = segment.partition("_")[0]
        return self.leg_lumps.get(kind) or super().lump(segment)


@pytest.fixture(scope="module")
def folder(real_data):
    return real_data / "opencap"


@pytest.fixture(scope="module")
def recordings(folder, tmp_path_factory):
    dataset = import_dataset("opencap", folder, tmp_path_factory.mktemp("opencap") / "made")
    return {
        task: [
            (dataset.load(ref), folder / "derived_id" / f"opencap_S4__{name}.csv.gz")
            for ref, name in zip(dataset.select(task=task), names, strict=True)
        ]
        for task, names in TRIALS.items()
    }


class Compared:
    """Ours and OpenSim's moments of the valid frames, N m/kg, by task and joint."""

    def __init__(self, recordings, body: Body) -> None:
        self.pairs = {}
        engine = Engine(body)
        for task, trials in recordings.items():
            for recording, table in trials:
                q = coordinates(recording, table, body.coordinates, body.params.height_m)
                ours = joint_torques(engine, q, 100.0, wrenches(recording))
                theirs = recording.streams["torque"]
                for side in "rl":
                    valid = theirs.column(f"valid.torque.{side}") == 1.0
                    for joint in JOINTS:
                        channel = f"torque.{joint}.{side}"
                        pair = np.stack([ours.label(channel), theirs.column(channel)])
                        self.pairs.setdefault((task, joint), []).append(pair[:, valid])

    def agreement(self, joint: str, *tasks: str) -> tuple[float, float]:
        """Correlation and root mean square difference over all valid frames of the tasks."""
        ours, theirs = np.hstack([x for task in tasks for x in self.pairs[task, joint]])
        rmse = np.sqrt(np.mean((ours - theirs) ** 2))
        return float(np.corrcoef(ours, theirs)[0, 1]), float(rmse)


@pytest.fixture(scope="module")
def generic(folder, recordings):
    """From mass and stature alone."""
    person = body_parameters("x", stature(folder), MASS_KG)
    return Compared(recordings, Body(person, hip_rotation=True))


def test_frames_are_those_of_walking_and_squats(generic):
    assert (
        sum(
            pair.shape[1]
            for (_, joint), x in generic.pairs.items()
            if joint == "knee"
            for pair in x
        )
        == 4280
    )


@pytest.mark.parametrize("joint", JOINTS)
def test_a_body_of_mass_and_stature_agrees_with_opensim(generic, joint):
    r, rmse = generic.agreement(joint, *TRIALS)
    assert r >= 0.97
    assert rmse <= 0.11


@pytest.mark.parametrize(
    ("joint", "tasks", "least_r", "most_rmse"),
    [
        ("hip", WALKS, 0.95, 0.11),
        ("hip_abduction", WALKS, 0.98, 0.06),
        ("knee", WALKS, 0.98, 0.06),
        ("ankle", WALKS, 0.99, 0.04),
        ("hip", ("squat",), 0.99, 0.03),
        ("hip_abduction", ("squat",), 0.99, 0.03),
        # Thigh and shank of this person are not Winter's: the ankle comes to lie too far back.
        ("knee", ("squat",), 0.99, 0.15),
        ("ankle", ("squat",), 0.95, 0.11),
    ],
)
def test_each_task_agrees_as_it_did(generic, joint, tasks, least_r, most_rmse):
    r, rmse = generic.agreement(joint, *tasks)
    assert r >= least_r
    assert rmse <= most_rmse


@pytest.fixture(scope="module")
def scaled(folder, recordings):
    """With the scaled model's lengths, and then with its leg masses too."""
    lengths, lumps = scaled_model(folder)
    person = body_parameters("x", stature(folder), MASS_KG, lengths)
    return {
        "lengths": Compared(recordings, Body(person, hip_rotation=True)),
        "both": Compared(recordings, ScaledBody(person, hip_rotation=True, leg_lumps=lumps)),
    }


@pytest.mark.parametrize("joint", JOINTS)
def test_measured_lengths_bring_every_task_closer(scaled, joint):
    for tasks in (WALKS, ("squat",)):
        r, rmse = scaled["lengths"].agreement(joint, *tasks)
        assert r >= 0.96
        assert rmse <= 0.11


@pytest.mark.parametrize("joint", JOINTS)
def test_what_remains_is_the_anthropometry(scaled, joint):
    """What is left then is OpenSim's oblique joint axes and its sliding knee."""
    for tasks in (WALKS, ("squat",)):
        r, rmse = scaled["both"].agreement(joint, *tasks)
        assert r >= 0.99
        assert rmse <= 0.06
