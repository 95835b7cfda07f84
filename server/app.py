"""The Flower ServerApp: the same program on the pool, on ray and on a SuperLink."""

from __future__ import annotations

import json
from pathlib import Path

from flwr.app import Context
from flwr.serverapp import Grid, ServerApp

from kinefed.server.config import FederationConfig
from kinefed.server.coordinator import Coordinator

app = ServerApp()


@app.main()
def main(grid: Grid, context: Context) -> None:
    """Run one federation with the settings of the run config (or of the run file)."""
    config = FederationConfig.from_run_config(context.run_config)
    result = Coordinator(grid, config).run()
    if config.out:
        summary = {
            "schema": result.schema,
            "history": list(result.state.history),
            "personal": result.personal,
        }
        path = Path(config.out) / "result.json"
        fresh = path.with_suffix(".new")
        fresh.write_text(json.dumps(summary, indent=1), encoding="utf-8")
        fresh.replace(path)
