"""What a device keeps after it was asked to personalise, and what its EMG is a fraction of."""

import dataclasses
import json

import numpy as np
import pytest
from two_link_arm import write_two_link_arm

from kinefed.client.data import local_data
from kinefed.client.directions import directions, each_direction
from kinefed.datasets import Stream, write_dataset
from kinefed.models import ModelBundle, predict
from kinefed.personalization.setup import ModelSetup
from kinefed.server import FederationConfig
from kinefed.server.checkpoint import load_state
from kinefed.simulations.federate import federate
from kinefed.simulations.workers import InlinePool

EMG_HZ = 1000.0
INPUTS = ["angle.knee_flexion", "velocity.knee_flexion"]
SETUP = ModelSetup(
    "cnn-lstm",
    {},
    {"inputs": INPUTS, "optional": ["envelope.soleus"], "outputs": ["torque.knee"]},
    10,
).to_json()
SETTINGS = {
    "rounds": 1,
    "steps": 2,
    "batch": 8,
    "heldout": "S01",
    "personalise": "heldout",
    "transfer": '[{"mode": "all", "rate": 0.01, "steps": 3, "early": false}]',
}


def with_emg(folder, arm, louder_task=""):
    """Copy a dataset and give everyone a soleus, ten times louder in one task of S01."""

    def recordings():
        for ref in arm.refs:
            recording = arm.load(ref)
            frames = len(recording.streams["kinematics"].data)
            samples = int((frames - 1) / 100.0 * EMG_HZ) + 1
            rng = np.random.default_rng([len(ref.key), *ref.key.encode()])
            emg = rng.normal(scale=1e-4, size=(samples, 2))
            if ref.subject == "S01" and ref.task == louder_task:
                emg *= 10.0
            names = ("emg.soleus.l", "emg.soleus.r")
            stream = Stream("emg", EMG_HZ, 0.0, names, ("V", "V"), emg)
            yield dataclasses.replace(recording, streams={**recording.streams, "emg": stream})

    return write_dataset(folder, arm.info, arm.subjects.values(), recordings())


@pytest.fixture(scope="module")
def arm(tmp_path_factory):
    return write_two_link_arm(tmp_path_factory.mktemp("arm") / "data", people=3, seconds=2.0)


@pytest.fixture(scope="module")
def kept(arm, tmp_path_factory):
    """Run a federation; return dataset, settings and the folder of server and clients."""
    root = tmp_path_factory.mktemp("kept")
    config = FederationConfig(**SETTINGS, clusters=2, cluster_rounds=1, out=str(root / "out"))
    result = federate(arm.path, sorted(arm.subjects), root / "clients", config, InlinePool())
    return config, root, result


def test_the_server_leaves_every_model_as_a_bundle(arm, kept):
    config, root, _ = kept
    state = load_state(root / "out" / "state.safetensors", config.digest())
    assert state is not None
    for name in ("pooled", "cluster-0", "cluster-1"):
        bundle = ModelBundle.load(root / "out" / "bundles" / f"{name}.safetensors")
        np.testing.assert_array_equal(bundle.vector, state.vectors[name])
        assert bundle.provenance.round == 1
    assert bundle.provenance.methods == ("fedavg", "task-clusters")


def test_what_the_device_keeps_gives_the_estimates_it_gave(arm, kept):
    config, root, result = kept
    store = root / "clients" / "S01"
    windows = local_data(arm.path, "S01", config.setup).windows
    glob = ModelBundle.load(store / "global" / "round-1" / "pooled.safetensors")
    shared = np.load(store / "estimates" / "fedavg.npy")
    np.testing.assert_array_equal(predict(glob.module(), windows, glob.scaling), shared)
    adapted = np.load(store / "estimates" / "fedavg+transfer-ungated.npy")
    gated = np.load(store / "estimates" / "fedavg+transfer.npy")
    rows = {r["direction"]: r for r in result["personal"] if r["method"] == "fedavg+transfer"}
    assert set(rows) == {"lift", "reach"}
    for name, row in rows.items():
        place = store / "personal" / "round-1" / "fedavg" / name / "pooled.safetensors"
        personal = ModelBundle.load(place)
        test = windows.task != name
        estimate = predict(personal.module(), windows, personal.scaling)[test]
        np.testing.assert_array_equal(estimate, adapted[test])
        served = estimate if row["adopted"] else shared[test]
        np.testing.assert_array_equal(served, gated[test])
        assert personal.provenance.parent == glob.digest
        assert personal.provenance.methods == ("fedavg", "transfer")
        assert (personal.provenance.people, personal.provenance.recordings) == (1, 1)
        assert personal.provenance.windows == int((~test).sum())
        assert personal.metrics["crossfit.adopted"] == float(row["adopted"])


def test_envelopes_are_a_fraction_of_the_adaptation_recordings_peak(arm, tmp_path):
    data = with_emg(tmp_path / "emg", arm, louder_task="lift").path
    local = local_data(data, "S01", SETUP)
    ways = {d.name: d for d in directions(local.windows, "each-task")}
    peaks = {}
    for name, way in ways.items():
        own = local.referenced(way.adapt)
        for series in own.series:
            peaks.setdefault(name, {})[series.task] = float(series.x[:, len(INPUTS)].max())
    # The peak at 1 kHz may fall between frames at 100 Hz, so a little less than 1 is seen.
    assert 0.9 < peaks["reach"]["reach"] <= 1.0
    assert 0.9 < peaks["lift"]["lift"] <= 1.0
    assert 5.0 < peaks["reach"]["lift"] < 20.0
    assert 0.05 < peaks["lift"]["reach"] < 0.2


def test_how_loud_the_tested_recording_is_changes_nothing_elsewhere(arm, tmp_path):
    """The adapted model of a direction sees nothing of the recording it is tested on."""
    found = []
    for louder in ("", "lift"):
        root = tmp_path / f"run{louder}"
        data = with_emg(root / "data", arm, louder)
        config = FederationConfig(**SETTINGS, setup=SETUP, out=str(root / "out"))
        federate(data.path, sorted(data.subjects), root / "clients", config, InlinePool())
        personal = root / "clients" / "S01" / "personal" / "round-1" / "fedavg"
        found.append(
            {d: ModelBundle.load(personal / d / "pooled.safetensors") for d in ("lift", "reach")}
        )
    quiet, loud = found
    np.testing.assert_array_equal(quiet["reach"].vector, loud["reach"].vector)
    # And it does see how loud its own are only as a fraction of themselves.
    np.testing.assert_allclose(quiet["lift"].vector, loud["lift"].vector, atol=1e-6)


def test_controls_read_a_tested_recording_through_the_adaptation_reference(arm, tmp_path):
    data = with_emg(tmp_path / "emg", arm, louder_task="lift").path
    local = local_data(data, "S01", SETUP)

    def envelope(own):
        x, _, _ = own.windows.gather(np.arange(len(own.windows)))
        return x[:, len(INPUTS), -1:]

    seen = each_direction(local, "each-task", envelope)
    lift = local.windows.task == "lift"
    for way in directions(local.windows, "each-task"):
        wanted = envelope(local.referenced(way.adapt))[way.test]
        np.testing.assert_array_equal(seen[way.test], wanted)
    assert seen[lift].max() > 20.0 * seen[~lift].max()


def test_without_optional_channels_there_is_one_set_of_windows(arm):
    config = FederationConfig()
    local = local_data(arm.path, "S01", config.setup)
    assert local.referenced(np.arange(3)) is local
    assert json.loads(config.setup)["spec"].get("optional", []) == []
