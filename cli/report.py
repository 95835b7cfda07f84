"""``kinefed report``: the page of a run again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kinefed.cli.output import JsonFlag, emit, note, only_json


def report(
    run: Annotated[Path, typer.Argument(help="Run folder of `kinefed simulate`.")],
    figure: Annotated[
        Path | None, typer.Option(help="Also draw the results into this PNG file.")
    ] = None,
    json: JsonFlag = False,
) -> None:
    """Write a run's report.html again."""
    from kinefed.simulations.report import results_figure, write_report

    with only_json(json):
        page = write_report(run)
        if figure is not None:
            results_figure(run, figure)
    if json:
        emit({"report": str(page), "figure": None if figure is None else str(figure)})
    else:
        note(f"report: {page}")
