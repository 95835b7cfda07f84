"""A tested recording's EMG has no say in what it is a fraction of, nor in anything made from it."""

import dataclasses

import numpy as np
import pytest
from two_link_arm import write_two_link_arm

from kinefed.client.data import local_data
from kinefed.client.directions import directions, each_direction, ways
from kinefed.datasets import Dataset, Gap, Recording, RecordingRef, Stream, write_dataset
from kinefed.models import ModelBundle
from kinefed.personalization.setup import ModelSetup
from kinefed.server import FederationConfig
from kinefed.signals import emg_reference_of
from kinefed.simulations.federate import federate
from kinefed.simulations.workers import InlinePool

EMG_HZ = 1000.0
ANGLES = [f"{kind}.knee_flexion" for kind in ("angle", "velocity")]
SETUP = ModelSetup(
    "zhang2023lstm",
    {"hidden": 4, "dense": 4},
    {"inputs": ANGLES, "optional": ["envelope.soleus"], "outputs": ["torque.knee"]},
    5,
).to_json()
LOUD = "lift"


@pytest.fixture(scope="module")
def arm(tmp_path_factory):
    return write_two_link_arm(tmp_path_factory.mktemp("arm") / "data", people=3, seconds=4.0)


def with_emg(folder, arm, *, loudness=1.0, tasks=("lift", "reach"), gap=False, silent=()):
    """Copy a dataset and give everyone a soleus; that of S01's lift is made louder."""

    def recordings():
        for ref in (r for r in arm.refs if r.task in tasks):
            recording = arm.load(ref)
            samples = int((len(recording.streams["kinematics"].data) - 1) / 100.0 * EMG_HZ) + 1
            rng = np.random.default_rng([len(ref.key), *ref.key.encode()])
            # Loud and quiet spells, so that bouts of one recording differ in their envelopes.
            spell = 1.0 + 3.0 * (np.arange(samples) // 800 % 2)
            emg = rng.normal(scale=1e-4, size=(samples, 2)) * spell[:, None]
            if ref.subject == "S01" and ref.task == LOUD:
                emg *= loudness
            if ref.task in silent:
                emg[:] = 0.0
            names = ("emg.soleus.l", "emg.soleus.r")
            stream = Stream("emg", EMG_HZ, 0.0, names, ("V", "V"), emg)
            holes = (Gap("emg", 0.5, 0.8),) if gap and ref.task == LOUD else ()
            yield dataclasses.replace(
                recording, streams={**recording.streams, "emg": stream}, gaps=holes
            )

    return write_dataset(folder, arm.info, arm.subjects.values(), recordings()).path


@pytest.fixture(scope="module")
def kept(arm, tmp_path_factory):
    """What S01 keeps of a federation with clusters in which S01 is tested, by loudness."""
    found = {}
    for loudness in (1.0, 1000.0):
        root = tmp_path_factory.mktemp("run")
        data = with_emg(root / "data", arm, loudness=loudness)
        config = FederationConfig(
            setup=SETUP,
            rounds=1,
            steps=2,
            batch=8,
            clusters=2,
            cluster_rounds=1,
            cluster_restarts=1,
            cluster_iterations=4,
            heldout="S01",
            personalise="heldout",
            transfer='[{"mode": "all", "rate": 0.01, "steps": 2, "early": false}]',
            out=str(root / "out"),
        )
        federate(data, sorted(arm.subjects), root / "clients", config, InlinePool())
        folder = root / "clients" / "S01" / "personal" / "round-1"
        found[loudness] = {
            path.relative_to(folder).as_posix(): ModelBundle.load(path)
            for path in sorted(folder.rglob("*.safetensors"))
        }
    return found


def test_the_loudness_of_the_tested_recording_changes_no_reference_and_no_personal_model(kept):
    """Task clusters too: envelopes are among what bouts are clustered by."""
    quiet, loud = (
        {name: bundle for name, bundle in kept[loudness].items() if "/reach/" in name}
        for loudness in (1.0, 1000.0)
    )
    assert {name.split("/")[0] for name in quiet} == {"fedavg", "task-clusters"}
    assert set(quiet) == set(loud)
    for name, bundle in quiet.items():
        assert bundle.emg_reference == loud[name].emg_reference != {}
        assert bundle.provenance == loud[name].provenance
        np.testing.assert_array_equal(bundle.vector, loud[name].vector)


def test_a_personal_model_keeps_the_reference_of_its_own_direction(kept):
    reach, lift = (
        kept[1000.0][f"fedavg/{task}/pooled.safetensors"].emg_reference
        for task in ("reach", "lift")
    )
    assert set(reach) == set(lift) == {"emg.soleus.l", "emg.soleus.r"}
    for channel, volts in lift.items():
        assert 500.0 < volts / reach[channel] < 2000.0


def test_tested_bouts_are_clustered_under_the_reference_of_the_adaptation(arm, tmp_path):
    """A cluster is not told how loud the tested recording gets at most."""
    z_mean, z_std = np.zeros(14), np.ones(14)
    centres = np.zeros((2, 14))
    centres[:, 12] = (np.log(0.5), np.log(0.005))  # loud and silent plantarflexors
    found = []
    for loudness in (1.0, 1000.0):
        data = with_emg(tmp_path / f"data{loudness}", arm, loudness=loudness)
        local = local_data(data, "S01", SETUP)
        ((_, own),) = (way for way in ways(local, "each-task") if way[0].name == "reach")
        found.append(
            own.clusters(centres.reshape(-1), z_mean, z_std)[local.windows.task == "reach"]
        )
        if loudness > 1.0:
            # What a reference over all recordings makes of the same, quiet, reach.
            wrong = local.clusters(centres.reshape(-1), z_mean, z_std)
            assert not np.array_equal(wrong[local.windows.task == "reach"], found[0])
    np.testing.assert_array_equal(*found)
    assert (found[0] >= 0).any()


def envelope(own):
    x, _, _ = own.windows.gather(np.arange(len(own.windows)))
    return x[:, len(ANGLES) :, -1]


def test_one_with_a_single_recording_is_tested_without_emg(arm, tmp_path):
    """There is nothing but the test recording that could give a reference."""
    local = local_data(with_emg(tmp_path / "data", arm, tasks=("lift",)), "S01", SETUP)
    assert directions(local.windows, "each-task") == []
    assert envelope(local).all(axis=0).tolist() == [True, True]
    seen = each_direction(local, "each-task", envelope)
    np.testing.assert_array_equal(seen, np.zeros_like(seen))
    # Where nothing is tested there is nothing to leak.
    np.testing.assert_array_equal(each_direction(local, "all", envelope), envelope(local))


def test_a_muscle_without_a_reference_is_missing_and_the_windows_stay(arm, tmp_path):
    """EMG with a gap covers fewer frames; the frames do not depend on the reference."""
    data = with_emg(tmp_path / "data", arm, gap=True, silent=("reach",))
    local = local_data(data, "S01", SETUP)
    ways = {way.name: way for way in directions(local.windows, "each-task")}
    lift = local.windows.task == "lift"
    silent = local.referenced(ways["reach"].adapt)
    assert silent.emg_reference == {}
    assert not envelope(silent)[lift].any()
    loud = local.referenced(ways["lift"].adapt)
    assert envelope(loud)[lift].all()
    for name in ("recording", "side", "frame"):
        np.testing.assert_array_equal(
            getattr(silent.windows, name), getattr(local.windows, name), strict=True
        )


def test_the_dataset_has_what_these_tests_need(arm):
    assert {ref.task for ref in arm.refs} == {"lift", "reach"}
    assert RecordingRef("S01", "s01", LOUD, 1) in arm.refs


def test_maximal_contractions_give_the_reference_and_are_not_tested(arm, tmp_path):
    quiet = Dataset.open(with_emg(tmp_path / "quiet", arm))
    effort = np.full((2000, 2), 0.01) * np.random.default_rng(0).standard_normal((2000, 2))
    names = ("emg.soleus.l", "emg.soleus.r")
    mvc = Recording(
        RecordingRef("S01", "s01", "mvc", 1),
        {"emg": Stream("emg", EMG_HZ, 0.0, names, ("V", "V"), effort)},
    )
    recordings = [mvc, *(quiet.load(ref) for ref in quiet.refs)]
    data = write_dataset(tmp_path / "with", quiet.info, quiet.subjects.values(), recordings).path
    local = local_data(data, "S01", SETUP)
    assert local.emg_reference == emg_reference_of([mvc])
    assert "mvc" not in set(local.windows.task)
    for _, own in ways(local, "each-task"):
        assert own.emg_reference == local.emg_reference
    alone = local_data(quiet.path, "S01", SETUP)
    assert max(alone.emg_reference.values()) < 0.2 * min(local.emg_reference.values())
