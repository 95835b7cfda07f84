"""What is adapted on and what is tested, by session and by task, and the EMG of each direction."""

import dataclasses

import numpy as np
import pytest
from two_link_arm import write_two_link_arm

from kinefed.client.data import local_data
from kinefed.client.directions import directions, ways
from kinefed.datasets import Recording, RecordingRef, Stream, write_dataset
from kinefed.personalization.setup import ModelSetup
from kinefed.server import FederationConfig
from kinefed.signals import emg_reference_of
from kinefed.simulations.jobs import trees

EMG_HZ = 1000.0
EMG = ("emg.soleus.l", "emg.soleus.r")
INPUTS = [f"{kind}.knee_flexion" for kind in ("angle", "velocity")]
SETUP = ModelSetup(
    "zhang2023lstm",
    {"hidden": 4, "dense": 4},
    {"inputs": INPUTS, "optional": ["envelope.soleus"], "outputs": ["torque.knee"]},
    5,
).to_json()
BOTH = ("lift", "reach")


@pytest.fixture(scope="module")
def arm(tmp_path_factory):
    return write_two_link_arm(tmp_path_factory.mktemp("arm") / "data", people=2, seconds=2.0)


def emg(samples, volts, *seed):
    noise = np.random.default_rng(seed).normal(scale=volts, size=(samples, 2))
    return Stream("emg", EMG_HZ, 0.0, EMG, ("V", "V"), noise)


def on_days(folder, arm, days=1, tasks=BOTH, takes=1, mvc=()):
    """Record everybody's tasks on some days, each with muscles ten times louder than the last.

    `mvc` has, of each day, the loudness of maximal contractions.
    """

    def recordings():
        for ref in (r for r in arm.refs if r.task in tasks):
            once = arm.load(ref)
            samples = int((len(once.streams["kinematics"].data) - 1) / 100.0 * EMG_HZ) + 1
            for day in range(days):
                for take in range(takes):
                    seed = day, take, *ref.key.encode()
                    yield dataclasses.replace(
                        once,
                        ref=RecordingRef(ref.subject, f"s{day + 1:02d}", ref.task, take + 1),
                        streams={**once.streams, "emg": emg(samples, 1e-4 * 10.0**day, *seed)},
                    )
        for day, volts in enumerate(mvc):
            place = RecordingRef("S01", f"s{day + 1:02d}", "mvc", 1)
            yield Recording(place, {"emg": emg(2000, volts, day)})

    return write_dataset(folder, arm.info, arm.subjects.values(), recordings())


def parts(windows, protocol):
    """Each direction's name, recordings adapted on and recordings tested."""
    return {
        way.name: tuple(
            [key.partition("/")[2] for key in np.unique(windows.recording[rows]).tolist()]
            for rows in (way.adapt, way.test)
        )
        for way in directions(windows, protocol)
    }


def test_one_session_is_adapted_on_and_the_others_are_tested(arm, tmp_path):
    windows = local_data(on_days(tmp_path / "data", arm, days=3).path, "S01", SETUP).windows
    first, second, third = ([f"s0{day}/lift_01", f"s0{day}/reach_01"] for day in (1, 2, 3))
    assert parts(windows, "each-session") == {
        "s01": (first, second + third),
        "s02": (second, first + third),
        "s03": (third, first + second),
    }
    for way in directions(windows, "each-session"):
        assert sorted([*way.adapt, *way.test]) == list(range(len(windows)))
    assert set(parts(windows, "each-task")) == set(BOTH)
    assert set(parts(windows, "all")) == {"all"}


@pytest.mark.parametrize(
    ("tasks", "takes", "wanted"),
    [
        (BOTH, 1, {"lift": (["s01/lift_01"], ["s01/reach_01"]),
                   "reach": (["s01/reach_01"], ["s01/lift_01"])}),
        (("lift",), 2, {"first-half": (["s01/lift_01"], ["s01/lift_02"]),
                        "second-half": (["s01/lift_02"], ["s01/lift_01"])}),
        (("lift",), 1, {}),
    ],
    ids=["tasks", "halves", "one-recording"],
)  # fmt: skip
def test_one_with_a_single_session_is_divided_by_tasks(arm, tmp_path, tasks, takes, wanted):
    data = on_days(tmp_path / "data", arm, tasks=tasks, takes=takes).path
    windows = local_data(data, "S01", SETUP).windows
    assert parts(windows, "each-session") == parts(windows, "each-task") == wanted


def test_nobody_has_to_ask_for_sessions():
    assert FederationConfig().protocol == "each-session"


def test_the_reference_of_a_direction_is_of_its_own_session(arm, tmp_path):
    dataset = on_days(tmp_path / "data", arm, days=2)
    local = local_data(dataset.path, "S01", SETUP)
    found = {way.name: own.emg_reference for way, own in ways(local, "each-session")}
    for day in ("s01", "s02"):
        own = [dataset.load(ref) for ref in dataset.select(subject="S01") if ref.session == day]
        assert found[day] == emg_reference_of(own)
    assert found["s02"][EMG[0]] > 5.0 * found["s01"][EMG[0]]


def test_maximal_contractions_of_a_tested_session_are_no_reference(arm, tmp_path):
    dataset = on_days(tmp_path / "data", arm, days=2, mvc=(0.1, 1.0))
    local = local_data(dataset.path, "S01", SETUP)
    found = {way.name: own.emg_reference for way, own in ways(local, "each-session")}
    for day in ("s01", "s02"):
        assert found[day] == emg_reference_of([dataset.load(RecordingRef("S01", day, "mvc", 1))])


def test_the_trees_read_emg_as_the_protocol_says(arm, tmp_path):
    """What is tested on another day is a fraction of the first day's peak for them too."""
    data = on_days(tmp_path / "data", arm, days=2).path
    by_session, by_task = (
        trees(data, ["S02"], ["S01"], FederationConfig(setup=SETUP, protocol=protocol))["S01"]
        for protocol in ("each-session", "each-task")
    )
    assert not np.array_equal(by_session, by_task)
