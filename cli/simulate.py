"""``kinefed simulate``: a whole federation on one machine, its controls, a table and a report."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from kinefed.cli.output import JsonFlag, emit, figure, note, only_json, show_table, words


def simulate(
    out: Annotated[
        Path,
        typer.Option(
            help="Run folder; the same command again goes on with it.", show_default=False
        ),
    ],
    data: Annotated[
        Path | None,
        typer.Option(help="Dataset folder.", show_default="virtual people, made once and kept"),
    ] = None,
    methods: Annotated[
        str | None, typer.Option(help="Method ids, comma-separated.", show_default="all")
    ] = None,
    network: Annotated[
        str | None, typer.Option(help="Network id.", show_default="zhang2023lstm")
    ] = None,
    rounds: Annotated[
        int | None, typer.Option(min=1, help="Federated rounds.", show_default="15")
    ] = None,
    steps: Annotated[
        int | None, typer.Option(min=1, help="Local steps a round.", show_default="20")
    ] = None,
    split: Annotated[
        str | None,
        typer.Option(help="loso (leave each person out in turn) or a file.", show_default="loso"),
    ] = None,
    engine: Annotated[str | None, typer.Option(help="pool or ray.", show_default="pool")] = None,
    seeds: Annotated[
        str | None, typer.Option(help="Random seeds, comma-separated.", show_default="0,1,2")
    ] = None,
    emg: Annotated[bool, typer.Option("--emg", help="Use muscle activity where it is.")] = False,
    window: Annotated[
        int | None,
        typer.Option(min=1, help="Input length in frames.", show_default="the network's own"),
    ] = None,
    clusters: Annotated[
        int | None, typer.Option(min=2, help="Task clusters.", show_default="2")
    ] = None,
    processes: Annotated[
        int | None,
        typer.Option(min=1, help="Worker processes.", show_default="one a core"),
    ] = None,
    no_nested: Annotated[
        bool,
        typer.Option("--no-nested", help="Adapt with fixed settings instead of chosen ones."),
    ] = False,
    json: JsonFlag = False,
) -> None:
    """Simulate a federation of a dataset's people, with controls and personalisation."""
    from kinefed.cli.progress import StudyProgress
    from kinefed.simulations.report import write_report
    from kinefed.simulations.study import StudyConfig, run_study

    given: dict[str, Any] = {
        "methods": words(methods) or None,
        "network": network,
        "rounds": rounds,
        "steps": steps,
        "split": split,
        "engine": engine,
        "seeds": _whole_numbers(seeds),
        "window": window,
        "clusters": clusters,
        "processes": processes,
    }
    chosen = {name: value for name, value in given.items() if value is not None}
    if data is None:
        data = _virtual_people(json, processes)
    config = StudyConfig(data=data, out=out, emg=emg, nested=not no_nested, **chosen)
    with only_json(json):
        with StudyProgress() as progress:
            summary = run_study(config, progress)
        page = write_report(out)
    if json:
        emit(summary)
    else:
        show_results(summary)
    note(f"report: {page}")


def _virtual_people(json: bool, processes: int | None) -> Path:
    """Folder of the default cohort, made where it is not there yet."""
    from kinefed.cli.progress import Bars
    from kinefed.simulations.cohort.default import default_cohort
    from kinefed.simulations.workers import WorkerPool, available_cores

    with only_json(json), Bars() as bars:

        def begin(people: int) -> None:
            note("Making the default virtual people; they are kept for the next time")
            bars.stage("people", people)

        folder = default_cohort(
            lambda: WorkerPool(processes or available_cores()), begin, bars.advance
        ).path
    note(f"data: {folder}")
    return folder


def _whole_numbers(text: str | None) -> tuple[int, ...] | None:
    if text is None:
        return None
    try:
        return tuple(int(part) for part in words(text))
    except ValueError:
        raise typer.BadParameter(
            f"{text!r} is not a list of whole numbers such as 0,1,2", param_hint="--seeds"
        ) from None


def show_results(summary: dict[str, Any]) -> None:
    """Print the results of a run: one line a method, and what adapting did."""
    rows = summary["rows"]
    joints = summary["joints"]
    methods = list(dict.fromkeys((r["method"], r["network"]) for r in rows))
    lines = []
    for method, network in methods:
        own = {r["joint"]: r for r in rows if (r["method"], r["network"]) == (method, network)}
        mean = own["mean"]
        low, high = mean["ci95_rmse"] or (None, None)
        lines.append(
            [
                method,
                *(figure(own[j]["rmse_nm_per_kg"]) for j in joints),
                figure(mean["rmse_nm_per_kg"]),
                f"{figure(low)}–{figure(high)}",
                figure(mean["r2"], 2),
                figure(mean["r"], 2),
                f"{mean['worst_person']} {figure(mean['worst_rmse_nm_per_kg'])}",
            ]
        )
    dataset = summary["dataset"]
    show_table(
        f"RMSE in N m/kg, {dataset['people']} people of {dataset['name']}, each tested unseen",
        ["method", *joints, "mean", "95 %", "R²", "r", "worst person"],
        lines,
    )
    personal = summary["personalisation"]
    if personal:
        show_table(
            "Adapting to the wearer: share of cases hurt and improved, without and with the gate "
            "(coin: a gate that adopts as often, blindly)",
            ["method", "hurt", "gated", "coin", "improved", "gated", "adopted"],
            [
                [
                    method,
                    figure(p["hurt_rate"], 2),
                    figure(p["gated"]["hurt_rate"], 2),
                    figure(p["coin_hurt_rate"], 2),
                    figure(p["improved_rate"], 2),
                    figure(p["gated"]["improved_rate"], 2),
                    figure(p["adopted_rate"], 2),
                ]
                for method, p in personal.items()
            ],
        )
