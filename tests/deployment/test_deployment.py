"""A federation on a real SuperLink and two SuperNodes: TLS, node keys, the apps unchanged."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from node_keys import make_node_key
from real_nodes import QUIET, Deployment, Seen
from two_link_arm import write_two_link_arm

from kinefed.server import FederationConfig
from kinefed.server.checkpoint import State, load_state
from kinefed.simulations.federate import federate
from kinefed.simulations.workers import InlinePool

ROOT = Path(__file__).parents[2]
PEOPLE = ("S01", "S02")
SETTINGS = FederationConfig(
    rounds=2,
    steps=3,
    batch=8,
    seed=7,
    min_clients=2,
    patience_s=300.0,
    deadline_s=120.0,
    personalise="all",
    transfer='[{"mode": "all", "rate": 0.001, "steps": 2, "early": false}]',
)

pytestmark = [
    pytest.mark.deployment,
    # 90 s on two idle cores, most of it imports: each message starts a process on each node.
    pytest.mark.timeout(600),
    pytest.mark.skipif(sys.platform != "linux", reason="processes are watched through /proc"),
]


@dataclass(frozen=True)
class Outcome:
    """What a deployment and the same federation on the pool left behind."""

    result: dict[str, Any]
    state: State
    log: list[dict[str, Any]]
    bundle: list[str]
    refused: int | None
    refused_log: str
    seen: dict[int, Seen]
    survivors: dict[int, Seen]
    tried_outside: list[str]
    pool_result: dict[str, Any]
    pool_state: State


@pytest.fixture(scope="module")
def outcome(tmp_path_factory):
    """Run everything once; whatever happens, every process has ended afterwards."""
    root = tmp_path_factory.mktemp("deployment")
    arm = write_two_link_arm(root / "data", people=len(PEOPLE), seconds=2.0)
    out = root / "out"
    folder = root / "flower"
    folder.mkdir()
    with Deployment(folder) as deployment:
        stranger = run_federation(deployment, arm.path, out)
        refused, refused_log = stranger.returncode, deployment.log_of("stranger")
    survivors = deployment.alive()
    on_pool = replace(SETTINGS, out=str(root / "pool"))
    pool_result = federate(arm.path, PEOPLE, root / "pool-clients", on_pool, InlinePool())
    unpacked = next((folder / "link.home" / "apps").iterdir())
    return Outcome(
        result=json.loads((out / "result.json").read_text()),
        state=state_of(out),
        log=[json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()],
        bundle=sorted(p.relative_to(unpacked).as_posix() for p in unpacked.rglob("*")),
        refused=refused,
        refused_log=refused_log,
        seen=deployment.seen,
        survivors=survivors,
        tried_outside=deployment.outside.tried,
        pool_result=pool_result,
        pool_state=state_of(root / "pool"),
    )


def run_federation(deployment: Deployment, data: Path, out: Path) -> subprocess.Popen[bytes]:
    """Run the federation to its end and return the node whose key nobody registered."""
    deployment.start_link()
    # The server waits for its nodes, which start while Flower packs the bundle.
    settings = deployment.folder / "run.toml"
    config = replace(SETTINGS, out=str(out)).to_run_config()
    settings.write_text("".join(f"{k} = {json.dumps(v)}\n" for k, v in config.items()))
    run = deployment.flwr("run", str(ROOT), "link", "--stream", "-c", str(settings))
    deployment.register(*PEOPLE)
    make_node_key(deployment.folder / "stranger")
    stores = deployment.folder / "stores"
    stranger = deployment.start_node(
        "stranger", data=str(data), subject="S01", store=str(stores / "S03"), key="intruder"
    )
    nodes = [
        deployment.start_node(person, data=str(data), subject=person, store=str(stores / person))
        for person in PEOPLE
    ]

    def over() -> bool:
        for node in nodes:
            if node.poll() is not None:
                raise deployment.failure(f"a node ended with {node.returncode}")
        return None not in (run.poll(), stranger.poll())

    deployment.wait_for(over, 400.0, "the run and the refusal")
    if not (out / "result.json").exists():
        raise deployment.failure("the run ended without a result")
    return stranger


def state_of(out: Path) -> State:
    state = load_state(out / "state.safetensors", SETTINGS.digest())
    assert state is not None
    return state


def test_real_nodes_end_with_the_weights_of_the_pool(outcome):
    assert outcome.state.done == outcome.pool_state.done == {"statistics": 1, "pooled": 2}
    np.testing.assert_allclose(
        outcome.state.vectors["pooled"], outcome.pool_state.vectors["pooled"], rtol=0, atol=1e-5
    )
    np.testing.assert_allclose(outcome.state.scaling, outcome.pool_state.scaling, rtol=0, atol=1e-5)


def test_no_client_was_dropped_or_absent(outcome):
    assert [(row["clients"], row["dropped"], row["absent"]) for row in outcome.state.history] == [
        (2, 0, 0),
        (2, 0, 0),
    ]
    assert [entry["event"] for entry in outcome.log] == ["round", "round"]


def test_both_people_personalise_as_on_the_pool(outcome):
    rows, on_pool = outcome.result["personal"], outcome.pool_result["personal"]
    assert {row["key"] for row in rows} == set(PEOPLE)
    assert len(rows) == len(on_pool)
    for row, other in zip(rows, on_pool, strict=True):
        assert (row["key"], row["direction"]) == (other["key"], other["direction"])
        for name in ("global_rmse", "rmse", "gated_rmse"):
            assert row[name] == pytest.approx(other[name], abs=1e-5)


def test_the_bundle_carries_settings_and_no_code(outcome):
    assert outcome.bundle == ["LICENSE", "pyproject.toml"]


def test_a_node_with_an_unregistered_key_is_refused(outcome):
    assert outcome.refused not in (None, 0)
    assert "Failed to activate SuperNode" in outcome.refused_log
    assert "intruder" not in json.dumps([outcome.result, outcome.log])


def test_no_process_is_left(outcome):
    programs = {seen.program for seen in outcome.seen.values()}
    assert programs >= {
        "flower-superlink",
        "flower-supernode",
        "flower-superexec",
        "flwr-serverapp",
        "flwr-clientapp",
    }
    assert outcome.survivors == {}


def test_no_process_reports_to_flowers_makers_or_installs_packages(outcome):
    assert outcome.tried_outside == []
    for seen in outcome.seen.values():
        assert QUIET.items() <= seen.environment.items(), seen.program
