"""Client updates per second: the pool engine, a plain loop and Flower on ray, in one run.

Workload: an LSTM of 50 units on 16 channels, windows of 50 frames, batch 32, 20 steps, 3 rounds.
Every engine runs the same client program on the same people; the plain loop calls it in this
process without messages. Prints a table and ratios; `--clients 10,100,1000 --no-ray --json`.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("FLWR_TELEMETRY_ENABLED", "0")
os.environ.setdefault("FLWR_DISABLE_UPDATE_CHECK", "1")

import numpy as np
import torch

from kinefed.client.app import generator
from kinefed.client.data import local_data
from kinefed.datasets import (
    Dataset,
    DatasetInfo,
    Recording,
    RecordingRef,
    Stream,
    Subject,
    write_dataset,
)
from kinefed.models import from_vector, to_vector, train_steps
from kinefed.personalization.messages import Update
from kinefed.personalization.setup import ModelSetup, build_network
from kinefed.server import FederationConfig
from kinefed.server.app import app as server_app
from kinefed.server.checkpoint import load_state
from kinefed.server.updates import weighted_mean
from kinefed.simulations.federate import federate_on_ray
from kinefed.simulations.pool import PoolGrid, run_server
from kinefed.simulations.workers import WorkerPool, available_cores

ROUNDS, STEPS, BATCH, WINDOW, FRAMES = 3, 20, 32, 50, 400
SITES = (
    *(f"{joint}_{plane}" for joint in ("hip",) for plane in ("flexion", "adduction", "rotation")),
    "knee_flexion",
    "ankle_dorsiflexion",
)
INPUTS = tuple(f"{kind}.{site}" for kind in ("angle", "velocity", "acceleration") for site in SITES)
INPUTS = (*INPUTS, "grf.foot.vertical")


def people(folder: Path, clients: int) -> Dataset:
    """Write people with smooth random signals: speed does not depend on what they are."""
    rng = np.random.default_rng(0)
    unit = {"angle": "rad", "velocity": "rad/s", "acceleration": "rad/s^2", "grf": "N"}

    def recordings():
        for i in range(clients):
            data = np.cumsum(rng.normal(scale=0.01, size=(FRAMES, len(INPUTS))), axis=0)
            units = tuple(unit[c.split(".")[0]] for c in INPUTS)
            names = tuple(
                c.replace("foot.", "foot.r.") if c.startswith("grf") else f"{c}.r" for c in INPUTS
            )
            torque = np.column_stack([data[:, 0], np.ones(FRAMES)])
            streams = {
                "kinematics": Stream("kinematics", 100.0, 0.0, names, units, data),
                "torque": Stream(
                    "torque",
                    100.0,
                    0.0,
                    ("torque.knee.r", "valid.torque.r"),
                    ("N m/kg", "1"),
                    torque,
                ),
            }
            yield Recording(RecordingRef(f"P{i:04d}", "s01", "walk", 1), streams)

    subjects = [Subject(id=f"P{i:04d}") for i in range(clients)]
    return write_dataset(folder, DatasetInfo("benchmark"), subjects, recordings())


def settings(out: Path) -> FederationConfig:
    """Return the federation that all engines run."""
    spec = {"inputs": list(INPUTS), "outputs": ["torque.knee"], "optional": []}
    setup = ModelSetup("zhang2023lstm", {}, spec, WINDOW).to_json()
    return FederationConfig(
        setup=setup, rounds=ROUNDS, steps=STEPS, batch=BATCH, noise=0.0, offset=0.0, out=str(out)
    )


def plain(data: Dataset, config: FederationConfig, scaling, initial) -> np.ndarray:
    """Train client after client in this process: the fastest thing without an engine."""
    module, vector = build_network(config.model_setup), initial
    for round_ in range(1, ROUNDS + 1):
        updates = []
        for subject in sorted(data.subjects):
            local = local_data(data.path, subject, config.setup)
            from_vector(module, vector)
            train_steps(
                module,
                local.windows,
                scaling,
                steps=STEPS,
                batch=BATCH,
                rate=config.rate_of(round_, ROUNDS),
                rng=generator(config.seed, round_, subject, "pooled"),
            )
            n = len(local.windows)
            updates.append(Update(subject, "pooled", round_, n, 0.0, "", to_vector(module)))
        vector = weighted_mean(updates)
    return vector


def memory_mb(pids: list[int]) -> float:
    """Return the resident memory summed over processes, shared pages divided (Linux)."""
    total = 0
    for pid in pids:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
        total += next(int(r.split()[1]) for r in text.splitlines() if r.startswith("Pss:"))
    return total / 1024


def measure(clients: int, ray: bool) -> dict[str, float | int]:
    """Run all engines for one number of clients."""
    row: dict[str, float | int] = {"clients": clients}
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        data = people(root / "data", clients)
        updates = clients * ROUNDS
        config = settings(root / "pool")
        nodes = [
            {"data": str(data.path), "subject": s, "store": str(root / "store" / s)}
            for s in sorted(data.subjects)
        ]
        began = time.perf_counter()
        with WorkerPool() as pool:
            run_server(server_app, PoolGrid(pool, nodes), config.to_run_config())
            row["pool_s"] = time.perf_counter() - began
            if sys.platform == "linux":
                row["pool_mb"] = memory_mb([os.getpid(), *pool.pids])
        state = load_state(root / "pool" / "state.safetensors", config.digest())
        assert state is not None
        from kinefed.personalization.setup import unpack_scaling

        scaling = unpack_scaling(state.scaling, config.model_setup)
        initial = to_vector(build_network(config.model_setup, config.seed))
        began = time.perf_counter()
        vector = plain(data, config, scaling, initial)
        row["plain_s"] = time.perf_counter() - began
        row["difference"] = float(np.abs(vector - state.vectors["pooled"]).max())
        if ray:
            began = time.perf_counter()
            federate_on_ray(
                data.path,
                sorted(data.subjects),
                root / "store",
                settings(root / "ray"),
                available_cores(),
            )
            row["ray_s"] = time.perf_counter() - began
        for name in ("pool", "plain", "ray"):
            if f"{name}_s" in row:
                row[f"{name}_updates_per_s"] = updates / row[f"{name}_s"]
        row["pool_over_plain"] = row["plain_s"] / row["pool_s"]
        if ray:
            row["pool_over_ray"] = row["ray_s"] / row["pool_s"]
    return row


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", default="10,100")
    parser.add_argument("--no-ray", action="store_true")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    rows = [measure(int(n), not arguments.no_ray) for n in arguments.clients.split(",")]
    if arguments.json:
        print(json.dumps(rows))
        return
    for row in rows:
        print("  ".join(f"{k} {v:.4g}" for k, v in row.items()))


if __name__ == "__main__":
    main()
