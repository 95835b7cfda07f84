"""Whole federations of the two-link leg: faults, deadline, resume, engines."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from two_link_arm import write_two_link_arm

from kinefed.client.app import app as client_app
from kinefed.personalization.codec import decode, encode
from kinefed.personalization.messages import TrainTask, Update
from kinefed.server import FederationConfig
from kinefed.server.checkpoint import load_state
from kinefed.server.errors import FederationError
from kinefed.simulations.federate import federate, run_file_text
from kinefed.simulations.workers import InlinePool, WorkerPool

PEOPLE = 4


@pytest.fixture(scope="session")
def arm(tmp_path_factory):
    return write_two_link_arm(tmp_path_factory.mktemp("arm") / "data", people=PEOPLE, seconds=2.0)


def settings(out, **changes):
    return FederationConfig(
        **({"rounds": 3, "steps": 3, "batch": 16, "out": str(out), "seed": 5} | changes)
    )


def run(arm, folder, pool=None, **changes):
    config = settings(folder / "out", **changes)
    subjects = sorted(arm.subjects)
    result = federate(arm.path, subjects, folder / "clients", config, pool or InlinePool())
    state = load_state(folder / "out" / "state.safetensors", config.digest())
    assert state is not None
    return result, state


def test_the_pool_and_one_process_give_the_same_weights(arm, tmp_path):
    _, alone = run(arm, tmp_path / "a")
    with WorkerPool(2) as pool:
        _, spread = run(arm, tmp_path / "b", pool)
    np.testing.assert_allclose(alone.vectors["pooled"], spread.vectors["pooled"], atol=1e-6)
    assert [h["clients"] for h in alone.history] == [PEOPLE] * 3


BAD = {
    "nan": lambda u: (np.full_like(u.vector, np.nan), u.examples),
    "shape": lambda u: (u.vector[:-1], u.examples),
    "negative": lambda u: (u.vector, -3),
    "zero": lambda u: (u.vector, 0),
    "norm": lambda u: (u.vector + 1e5, u.examples),
}


@pytest.mark.parametrize("kind", [*BAD, "raises"])
def test_a_bad_client_is_dropped_counted_and_named(arm, tmp_path, monkeypatch, caplog, kind):
    bad = sorted(arm.subjects)[1]

    def tampered(job):
        from kinefed.simulations import pool

        data, node_state = original(job)
        if job.node_config["subject"] != bad:
            return data, node_state
        message = pool.message_from_proto(pool.ProtoMessage.FromString(data))
        if message.metadata.message_type != "train":
            return data, node_state
        if kind == "raises":
            raise RuntimeError("broken client")
        update = decode(message.content, Update)
        vector, examples = BAD[kind](update)
        values = {f: getattr(update, f) for f in ("key", "model", "round", "loss", "schema")}
        message.content = encode(Update(**values, vector=vector, examples=examples))
        return pool.message_to_proto(message).SerializeToString(), node_state

    from kinefed.simulations import pool as pool_module

    original = pool_module.run_client
    monkeypatch.setattr(pool_module, "run_client", tampered)
    _, state = run(arm, tmp_path)
    assert [h["clients"] for h in state.history] == [PEOPLE - 1] * 3
    assert [h["dropped"] for h in state.history] == [1] * 3
    assert np.isfinite(state.vectors["pooled"]).all()
    assert f"dropped client {bad}" in caplog.text


def test_without_a_quorum_the_weights_stay_and_the_federation_ends(arm, tmp_path, monkeypatch):
    from kinefed.simulations import pool as pool_module

    original = pool_module.run_client

    def silent(job):
        message = pool_module.message_from_proto(pool_module.ProtoMessage.FromString(job.message))
        if message.metadata.message_type == "train":
            raise RuntimeError("no one trains")
        return original(job)

    monkeypatch.setattr(pool_module, "run_client", silent)
    with pytest.raises(FederationError, match="no quorum in 3 rounds"):
        run(arm, tmp_path, rounds=5)


def test_a_killed_server_resumes_to_the_same_weights(arm, tmp_path):
    """SIGKILL after round 3 of 6; the next start goes on at round 4."""
    _, unbroken = run(arm, tmp_path / "whole", rounds=6)
    folder = tmp_path / "killed"
    config = settings(folder / "out", rounds=6)
    script = f"""
import os, signal
from pathlib import Path
from kinefed.server import FederationConfig, coordinator
from kinefed.simulations.federate import federate
from kinefed.simulations.workers import InlinePool
keep = coordinator.save_state
def save(path, state):
    keep(path, state)
    if state.done.get("pooled") == 3:
        os.kill(os.getpid(), signal.SIGKILL)
coordinator.save_state = save
config = FederationConfig.from_mapping({config.to_run_config()!r})
federate(Path({str(arm.path)!r}), {sorted(arm.subjects)!r}, Path({str(folder / "clients")!r}),
         config, InlinePool())
"""
    killed = subprocess.run([sys.executable, "-c", script], check=False, timeout=120)
    assert killed.returncode == -signal.SIGKILL
    before = load_state(folder / "out" / "state.safetensors", config.digest())
    assert before is not None
    assert before.done["pooled"] == 3
    _, resumed = run(arm, folder, rounds=6)
    np.testing.assert_array_equal(resumed.vectors["pooled"], unbroken.vectors["pooled"])


def test_heldout_people_train_nothing(arm, tmp_path):
    out = sorted(arm.subjects)[0]
    seen = []

    def tap(direction, kind, data):
        if kind == "train" and direction == "up":
            seen.append(out.encode() in data)

    config = settings(tmp_path / "out", heldout=out)
    federate(arm.path, sorted(arm.subjects), tmp_path / "c", config, InlinePool(), tap)
    assert len(seen) == 3 * (PEOPLE - 1)
    assert not any(seen)


def test_clusters_and_personal_models(arm, tmp_path):
    out = sorted(arm.subjects)[0]
    transfer = '[{"mode": "all", "rate": 0.001, "steps": 5, "early": false}]'
    result, state = run(
        arm,
        tmp_path,
        clusters=2,
        cluster_rounds=1,
        heldout=out,
        personalise="heldout",
        transfer=transfer,
    )
    assert set(state.vectors) == {"pooled", "cluster-0", "cluster-1"}
    rows = result["personal"]
    assert {r["key"] for r in rows} == {out}
    assert {r["method"] for r in rows} == {"fedavg+transfer", "task-clusters+transfer"}
    assert {r["direction"] for r in rows} == set(arm.tasks)
    estimates = Path(tmp_path / "clients" / out / "estimates")
    assert (estimates / "fedavg+transfer.npy").exists()


def test_an_order_of_another_schema_is_refused(arm, tmp_path):
    task = decode(encode(_order()), TrainTask)
    from kinefed.client.app import ordered_network
    from kinefed.client.errors import ClientError

    with pytest.raises(ClientError, match="schema"):
        ordered_network(task.setup, task.schema)


def _order():
    empty = np.zeros(0)
    return TrainTask(
        FederationConfig().setup, "pooled", 1, 0, 1, 1, 1e-3, 0.0, 0.0, 0.0, -1, "not-this",
        np.zeros(3, np.float32), np.zeros(3, np.float32), empty, empty, empty,
    )  # fmt: skip


def test_the_client_has_only_the_handlers_that_the_schema_names():
    queries = {"hello", "statistics", "descriptors", "clusters", "personalise"}
    assert set(client_app._registered_funcs) == {"train.default"} | {f"query.{q}" for q in queries}


@pytest.mark.ray
def test_ray_gives_the_same_weights_as_the_pool(arm, tmp_path):
    """In a process of its own: ray leaves threads and changes the environment."""
    pytest.importorskip("ray", reason="needs the extra: pip install 'kinefed[cluster]'")
    _, ours = run(arm, tmp_path / "pool")
    config = settings(tmp_path / "ray" / "out")
    script = f"""
from pathlib import Path
from kinefed.server import FederationConfig
from kinefed.simulations.federate import federate_on_ray
federate_on_ray(Path({str(arm.path)!r}), {sorted(arm.subjects)!r},
                Path({str(tmp_path / "ray" / "clients")!r}),
                FederationConfig.from_mapping({config.to_run_config()!r}), 2)
"""
    env = os.environ | {"FLWR_TELEMETRY_ENABLED": "0", "FLWR_DISABLE_UPDATE_CHECK": "1"}
    subprocess.run([sys.executable, "-c", script], check=True, timeout=240, env=env)
    theirs = load_state(tmp_path / "ray" / "out" / "state.safetensors", config.digest())
    assert theirs is not None
    np.testing.assert_allclose(theirs.vectors["pooled"], ours.vectors["pooled"], atol=1e-6)


def test_the_run_file_gives_back_the_settings(tmp_path, monkeypatch):
    config = settings(tmp_path, heldout="a,b", transfer='[{"mode": "head"}]')
    path = tmp_path / "run.toml"
    path.write_text(run_file_text(tmp_path, ["a"], tmp_path, config))
    monkeypatch.setenv("KINEFED_RUN", str(path))
    assert FederationConfig.from_run_config({}) == config
