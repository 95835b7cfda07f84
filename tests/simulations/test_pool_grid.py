"""The pool as a Flower grid: nodes that never answer, die or answer late."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pool_jobs
import pytest
from flwr.app import ConfigRecord, Message, RecordDict
from flwr.serverapp import ServerApp
from two_link_arm import write_two_link_arm

from kinefed.server import FederationConfig
from kinefed.server.app import app as server_app
from kinefed.simulations import pool as pool_module
from kinefed.simulations.pool import PoolGrid, run_server
from kinefed.simulations.workers import InlinePool, WorkerPool


@pytest.fixture(scope="module")
def pool():
    with WorkerPool(2) as started:
        started.map(pool_jobs.pid, [()] * 2)  # imports are over before any deadline runs
        yield started


@pytest.fixture
def echo(monkeypatch):
    monkeypatch.setattr(pool_module, "run_client", pool_jobs.echo_client)


def nodes(*seconds: float) -> list[dict[str, float]]:
    return [{"seconds": s} for s in seconds]


def orders(grid: PoolGrid, ttl: float = 30.0) -> list[Message]:
    return [
        Message(
            RecordDict({"c": ConfigRecord({"to": node})}),
            node,
            "train",
            ttl=ttl,
            group_id="round-1",
        )
        for node in grid.get_node_ids()
    ]


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_each_node_gets_its_own_message_and_answers_it(pool, echo):
    seen: list[tuple[str, str, int]] = []
    told: list[int] = []
    grid = PoolGrid(
        pool,
        nodes(0.0, 0.0, 0.0),
        tap=lambda way, kind, data: seen.append((way, kind, len(data))),
        on_reply=lambda: told.append(1),
    )
    sent = orders(grid)
    replies = list(grid.send_and_receive(sent, timeout=30.0))
    assert len({m.metadata.message_id for m in sent}) == 3
    by_order = {m.metadata.reply_to_message_id: m for m in replies}
    for order in sent:
        reply = by_order[order.metadata.message_id]
        assert reply.metadata.src_node_id == order.metadata.dst_node_id
        assert reply.content["c"]["to"] == order.metadata.dst_node_id
    assert (
        sorted((way, kind) for way, kind, _ in seen)
        == [("down", "train")] * 3 + [("up", "train")] * 3
    )
    assert len(told) == 3


def test_a_message_past_its_time_to_live_is_given_up_and_its_worker_freed(pool, echo):
    grid = PoolGrid(pool, nodes(pool_jobs.FOREVER_S, 0.0, 0.0, pool_jobs.FOREVER_S))
    before = pool.pids
    began = time.monotonic()
    # The third waits in the queue for the second, the fourth for both.
    replies = list(grid.send_and_receive(orders(grid, ttl=1.0), timeout=2.0))
    assert 1.0 < time.monotonic() - began < 10.0
    assert sorted(m.metadata.src_node_id for m in replies) == [1001, 1002]
    assert not set(pool.pids) & set(before), "both workers were stuck, both are replaced"
    assert not any(map(alive, before))
    assert pool.map(pool_jobs.square, [(i,) for i in range(4)]) == [0, 1, 4, 9]


def test_send_and_receive_gives_up_at_its_own_timeout(pool, echo):
    grid = PoolGrid(pool, nodes(0.0, pool_jobs.FOREVER_S))
    replies = list(grid.send_and_receive(orders(grid, ttl=600.0), timeout=0.5))
    assert [m.metadata.src_node_id for m in replies] == [1000]
    stuck = pool.pids
    grid.close()
    assert len(set(pool.pids) & set(stuck)) == 1


def test_a_worker_that_dies_is_an_error_of_its_node(pool, echo):
    grid = PoolGrid(pool, [{"seconds": 0.0}, {"seconds": 0.0, "dies": True}])
    replies = {m.metadata.src_node_id: m for m in grid.send_and_receive(orders(grid), timeout=30.0)}
    assert not replies[1000].has_error()
    assert replies[1001].error.reason == "worker process died (exit code 9)"


@pytest.mark.parametrize("fails", [False, True])
def test_the_end_of_the_server_frees_the_pool(pool, echo, fails):
    """Else a study's next federation would wait for the orders of the last."""
    app = ServerApp()

    @app.main()
    def main(grid, context):
        grid.push_messages(orders(grid, ttl=600.0))
        if fails:
            raise ValueError("the server gives up")

    grid = PoolGrid(pool, nodes(*[pool_jobs.FOREVER_S] * 5))
    if fails:
        with pytest.raises(ValueError, match="gives up"):
            run_server(app, grid, {})
    else:
        run_server(app, grid, {})
    assert pool.map(pool_jobs.square, [(i,) for i in range(4)]) == [0, 1, 4, 9]


def test_the_inline_pool_gives_up_what_has_not_begun(echo):
    grid = PoolGrid(InlinePool(), nodes(0.3, 0.0, 0.0))
    replies = list(grid.send_and_receive(orders(grid, ttl=0.2), timeout=1.0))
    assert [m.metadata.src_node_id for m in replies] == [1000]


def test_a_federation_goes_on_without_a_client_that_never_answers(pool, tmp_path, monkeypatch):
    """Silent in one round, it is dropped there, with its name, and takes part in the next.

    Another is silent in the last exchange of all: its worker is free afterwards too.
    """
    monkeypatch.setattr(pool_module, "run_client", pool_jobs.silent_client)
    arm = write_two_link_arm(tmp_path / "data", people=4, seconds=2.0)
    people = sorted(arm.subjects)
    silent = {"S02": "pooled-1", "S04": "personalise"}
    grid = PoolGrid(
        pool,
        [
            {
                "data": str(arm.path),
                "subject": subject,
                "store": str(tmp_path / subject),
                "silent-at": silent.get(subject, ""),
            }
            for subject in people
        ],
    )
    config = FederationConfig(
        rounds=2,
        steps=1,
        batch=8,
        heldout="S03,S04",
        personalise="heldout",
        deadline_s=4.0,
        out=str(tmp_path / "out"),
    )
    run_server(server_app, grid, config.to_run_config())
    result = json.loads((tmp_path / "out" / "result.json").read_text())
    rounds = [(h["round"], h["clients"], h["dropped"]) for h in result["history"]]
    assert rounds == [(1, 1, 1), (2, 2, 0)]
    events = [json.loads(e) for e in (tmp_path / "out" / "log.jsonl").read_text().splitlines()]
    dropped = {e["client"]: (e["at"], e["why"]) for e in events if e["event"] == "dropped"}
    assert dropped == {
        "S02": ("pooled-1", "no reply within 4 s"),
        "S04": ("personalise", "no reply within 4 s"),
    }
    stuck = [int(Path(f"{tmp_path / s}.stuck").read_text()) for s in silent]
    assert not any(map(alive, stuck))
    assert not set(stuck) & set(pool.pids)
    assert pool.map(pool_jobs.square, [(i,) for i in range(4)]) == [0, 1, 4, 9]
