"""``kinefed models``: the networks, their papers and their sizes."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from kinefed.cli.output import JsonFlag, emit, show_table

app = typer.Typer(help="The networks, their papers and their sizes.", no_args_is_help=True)


def _default_sizes() -> tuple[int, int]:
    """Return the channels and outputs that ``kinefed simulate`` uses."""
    from kinefed.simulations.config import ANGLES, OUTPUTS

    return len(ANGLES), len(OUTPUTS)


def _entries() -> list[dict[str, Any]]:
    from kinefed.models import card, parameter_table

    channels, outputs = _default_sizes()
    return [
        {
            "id": row.network_id,
            "summary": card(row.network_id).summary,
            "citation": card(row.network_id).citation,
            "doi": card(row.network_id).doi,
            "channels": row.n_channels,
            "outputs": row.n_outputs,
            "window_frames": row.n_times,
            "parameters": row.parameters,
            "bytes_float32": row.bytes_float32,
        }
        for row in parameter_table(channels, outputs)
    ]


@app.command("list")
def list_(json: JsonFlag = False) -> None:
    """List the networks: paper, and parameters for the default inputs."""
    entries = _entries()
    if json:
        emit({"networks": entries})
        return
    channels, outputs = _default_sizes()
    show_table(
        f"Networks, at {channels} input channels and {outputs} outputs",
        ["network", "parameters", "window (frames)", "paper"],
        [
            [e["id"], f"{e['parameters']:,}", e["window_frames"], e["citation"] or "ours"]
            for e in entries
        ],
    )


@app.command("show")
def show(
    network: Annotated[str, typer.Argument(metavar="ID", help="A name of `kinefed models list`.")],
    json: JsonFlag = False,
) -> None:
    """Show one network: every detail, and who says so."""
    from kinefed.models import card, own_args

    known = card(network)
    entry = next(e for e in _entries() if e["id"] == network)
    entry["sample_rate_hz"] = known.sample_rate_hz
    entry["arguments"] = dict(own_args(network))
    entry["facts"] = [
        {"detail": f.detail, "value": f.value, "source": str(f.source)} for f in known.facts
    ]
    if json:
        emit(entry)
        return
    typer.echo(f"{network}: {known.summary}")
    if known.citation:
        typer.echo(f"{known.citation} {known.doi}".strip())
    typer.echo(
        f"{entry['parameters']:,} parameters at {entry['channels']} channels, {entry['outputs']} "
        f"outputs and {entry['window_frames']} frames of {known.sample_rate_hz:g} Hz"
    )
    show_table(
        "Details",
        ["detail", "value", "source"],
        [[f["detail"], f["value"], f["source"]] for f in entry["facts"]],
    )
    if entry["arguments"]:
        rows = [[name, value] for name, value in entry["arguments"].items()]
        show_table("Arguments", ["argument", "default"], rows)
