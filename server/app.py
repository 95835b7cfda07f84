"""The Flower ServerApp: the same program on the pool, on ray and on a SuperLink."""

from __future__ import annotations

import json
from pathlib import Path

from flwr.app import Context
from flwr.serverapp import Grid, ServerApp

from kinefed.models import Provenance
from kinefed.personalization.bundles import global_bundle
from kinefed.personalization.setup import unpack_scaling
from kinefed.server.checkpoint import State
from kinefed.server.config import FederationConfig
from kinefed.server.coordinator import Coordinator

app = ServerApp()


@app.main()
def main(grid: Grid, context: Context) -> None:
    """Run one federation with the settings of the run config (or of the run file)."""
    config = FederationConfig.from_run_config(context.run_config)
    result = Coordinator(grid, config).run()
    if config.out:
        write_bundles(result.state, config)
        summary = {
            "schema": result.schema,
            "history": list(result.state.history),
            "personal": result.personal,
        }
        path = Path(config.out) / "result.json"
        fresh = path.with_suffix(".new")
        fresh.write_text(json.dumps(summary, indent=1), encoding="utf-8")
        fresh.replace(path)


def write_bundles(state: State, config: FederationConfig) -> None:
    """Write the last weights of every model as ``bundles/<model>.safetensors``."""
    folder, setup = Path(config.out) / "bundles", config.model_setup
    folder.mkdir(parents=True, exist_ok=True)
    scaling = unpack_scaling(state.scaling, setup)
    for name, vector in state.vectors.items():
        rounds = [row for row in state.history if row["model"] == name]
        made = Provenance(
            methods=("fedavg",) if name == "pooled" else ("fedavg", "task-clusters"),
            round=state.done.get(name, 0),
            people=rounds[-1]["clients"] if rounds else 0,
            windows=rounds[-1]["examples"] if rounds else 0,
            seed=config.seed,
        )
        bundle = global_bundle(setup, scaling, vector, made)
        bundle.save(folder / f"{name}.safetensors")
