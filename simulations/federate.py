"""Run one whole federation on one machine: the apps unchanged, on the pool or on ray."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from kinefed.client.config import RUN_FILE_VARIABLE
from kinefed.server import FederationConfig
from kinefed.server.app import app as server_app
from kinefed.simulations.pool import NodeConfig, PoolGrid, Tap, run_server
from kinefed.simulations.workers import InlinePool, Pool


@dataclass(slots=True)
class Traffic:
    """Bytes of the training messages, as they would cross a wire."""

    bytes_up: int = 0
    messages_up: int = 0
    bytes_down: int = 0
    messages_down: int = 0

    def __call__(self, direction: str, kind: str, data: bytes) -> None:
        """Count one Message; a :data:`Tap`."""
        if kind != "train":
            return
        if direction == "up":
            self.bytes_up += len(data)
            self.messages_up += 1
        else:
            self.bytes_down += len(data)
            self.messages_down += 1


def federate(
    data: Path,
    subjects: Sequence[str],
    clients: Path,
    config: FederationConfig,
    pool: Pool,
    tap: Tap | None = None,
) -> dict[str, Any]:
    """Run a federation of virtual nodes, one a person, on the pool engine.

    Parameters
    ----------
    data
        Dataset folder.
    subjects
        The people, in the order of their partitions.
    clients
        Folder of the clients' own stores, one folder a person in it.
    config
        Settings; ``config.out`` must be set.
    pool
        Where the clients' work is done.
    tap
        Sees every serialised Message.

    Returns
    -------
    dict
        ``result.json`` of the server, with ``traffic``.
    """
    path = Path(config.out) / "result.json"
    if path.exists():
        return read_result(path)
    traffic = Traffic()

    def both(direction: str, kind: str, message: bytes) -> None:
        traffic(direction, kind, message)
        if tap is not None:
            tap(direction, kind, message)

    nodes: list[NodeConfig] = [
        {
            "partition-id": i,
            "num-partitions": len(subjects),
            "data": str(data),
            "subject": subject,
            "store": str(clients / subject),
        }
        for i, subject in enumerate(subjects)
    ]
    run_config = config.to_run_config()
    run_server(server_app, PoolGrid(pool, nodes, run_config, tap=both), run_config)
    (path.parent / "traffic.json").write_text(json.dumps(asdict(traffic)), encoding="utf-8")
    return read_result(path)


def federate_whole(
    data: Path, subjects: Sequence[str], clients: Path, config: FederationConfig
) -> dict[str, Any]:
    """Run a federation with server and clients in this process (a job for a worker)."""
    return federate(data, subjects, clients, config, InlinePool())


def federate_on_ray(
    data: Path,
    subjects: Sequence[str],
    clients: Path,
    config: FederationConfig,
    cores: int,
) -> dict[str, Any]:
    """Run a federation on Flower's ray simulation; needs the extra ``cluster``."""
    from flwr.simulation import run_simulation

    from kinefed.client.app import app as client_app

    out = Path(config.out)
    path = out / "result.json"
    if path.exists():
        return read_result(path)
    out.mkdir(parents=True, exist_ok=True)
    run_file = out / "run.toml"
    run_file.write_text(run_file_text(data, subjects, clients, config), encoding="utf-8")
    before = os.environ.get(RUN_FILE_VARIABLE)
    os.environ[RUN_FILE_VARIABLE] = str(run_file.resolve())
    try:
        run_simulation(
            server_app,
            client_app,
            num_supernodes=len(subjects),
            backend_config={
                "init_args": {"num_cpus": cores, "include_dashboard": False},
                "client_resources": {"num_cpus": 1, "num_gpus": 0.0},
            },
        )
    finally:
        if before is None:
            del os.environ[RUN_FILE_VARIABLE]
        else:
            os.environ[RUN_FILE_VARIABLE] = before
    return read_result(path)


def run_file_text(
    data: Path, subjects: Sequence[str], clients: Path, config: FederationConfig
) -> str:
    """Return the TOML that stands in for node-configs and run config."""
    lines = [
        "[client]",
        f"data = {json.dumps(str(data.resolve()))}",
        f"store = {json.dumps(str(clients.resolve()))}",
        f"subjects = {json.dumps(list(subjects))}",
        "",
        "[federation]",
    ]
    # JSON text and numbers are TOML too, as long as they are flat.
    lines += [f"{name} = {json.dumps(value)}" for name, value in asdict(config).items()]
    return "\n".join(lines) + "\n"


def read_result(path: Path) -> dict[str, Any]:
    """Read ``result.json`` and the traffic beside it."""
    result: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    traffic = path.parent / "traffic.json"
    if traffic.exists():
        result["traffic"] = json.loads(traffic.read_text(encoding="utf-8"))
    return result
