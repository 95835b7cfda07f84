"""``kinefed data``: bring recordings in, look at them, verify them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import click
import typer
from typer.core import TyperCommand

from kinefed.cli.output import JsonFlag, emit, figure, note, only_json, show_table, words

if TYPE_CHECKING:
    from kinefed.datasets import Dataset, Recording

BAD_DATA = 3
SHOWN_CHANNELS = 20

app = typer.Typer(help="Bring recordings in, look at them, verify them.", no_args_is_help=True)


class _ImportCommand(TyperCommand):
    """Adds the formats to its help; the registry is heavy, so only when the help is asked for."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        from kinefed.datasets.importers import IMPORTERS

        with formatter.section("Formats"):
            formatter.write_dl([(name, entry.about) for name, entry in IMPORTERS.items()])


@app.command("import", cls=_ImportCommand)
def import_(
    kind: Annotated[str, typer.Argument(metavar="FORMAT", help="One of the formats below.")],
    source: Annotated[Path, typer.Argument(metavar="SRC", help="Folder of the recordings.")],
    dest: Annotated[Path, typer.Argument(metavar="DEST", help="New dataset folder.")],
    mass_kg: Annotated[
        float | None, typer.Option(help="Body mass, where a source of one person lacks it.")
    ] = None,
    no_torque: Annotated[
        bool, typer.Option("--no-torque", help="Leave torque out where no mass is known.")
    ] = False,
    mapping: Annotated[
        Path | None, typer.Option(help="TOML mapping of the table format.", show_default=False)
    ] = None,
    json: JsonFlag = False,
) -> None:
    """Make the dataset folder DEST of another laboratory's recordings SRC: all of it or nothing."""
    from kinefed.datasets.importers import ImportOptions, import_dataset

    with only_json(json):
        note(f"importing {source} as {kind}")
        options = ImportOptions(mass_kg, torque=not no_torque, mapping=mapping)
        dataset = import_dataset(kind, source, dest, options)
    found = {
        "dataset": str(dataset.path),
        "name": dataset.info.name,
        "people": len(dataset.subjects),
        "recordings": len(dataset.refs),
        "tasks": list(dataset.tasks),
    }
    if json:
        emit(found)
    else:
        note(
            f"{dest}: {found['people']} people, {found['recordings']} recordings, "
            f"tasks {', '.join(dataset.tasks)}; see `kinefed data inspect {dest}`"
        )


@app.command("inspect")
def inspect(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Dataset folder.")],
    json: JsonFlag = False,
) -> None:
    """Show people, tasks, channels, minutes, valid labels and dead channels."""
    from kinefed.cli.progress import Bars
    from kinefed.datasets import Dataset

    with only_json(json), Bars() as bars:
        dataset = Dataset.open(folder)
        found = _inspected(dataset, bars)
    if json:
        emit(found)
        return
    show_table(
        f"{found['name']} (version {found['version']}, {found['licence'] or 'no licence given'})",
        [
            "person",
            "group",
            "recordings",
            "tasks",
            "minutes",
            "label frames",
            "dead channels",
        ],
        [
            [
                p["id"],
                p["group"],
                p["recordings"],
                ", ".join(f"{task} {n}" for task, n in p["tasks"].items()),
                figure(p["minutes"], 1),
                f"{p['valid_label_frames']:,}",
                ", ".join(p["dead_channels"]) or "none",
            ]
            for p in found["people"]
        ],
    )
    show_table(
        "Channels",
        ["stream", "rate (Hz)", "channels"],
        [
            [name, ", ".join(f"{r:g}" for r in s["rates_hz"]), _shown(s["channels"])]
            for name, s in found["streams"].items()
        ],
    )


def _shown(channels: list[str]) -> str:
    """Name channels without sides and axes, the first of them where there are very many."""
    names = list(dict.fromkeys(".".join(c.split(".")[:2]) for c in channels))
    more = len(names) - SHOWN_CHANNELS
    rest = f" and {more} more (all with --json)" if more > 0 else ""
    return ", ".join(names[:SHOWN_CHANNELS]) + rest


def _inspected(dataset: Dataset, bars: Any) -> dict[str, Any]:
    people: dict[str, dict[str, Any]] = {
        subject.id: {
            "id": subject.id,
            "group": subject.group,
            "recordings": 0,
            "tasks": {},
            "minutes": 0.0,
            "valid_label_frames": 0,
            "dead_channels": [],
        }
        for subject in dataset.subjects.values()
    }
    streams: dict[str, dict[str, list[Any]]] = {}
    bars.stage("reading recordings", len(dataset.refs))
    for ref in dataset.refs:
        recording, person = dataset.load(ref), people[ref.subject]
        person["recordings"] += 1
        person["tasks"][ref.task] = person["tasks"].get(ref.task, 0) + 1
        spans = [s.duration_s for s in recording.streams.values()]
        person["minutes"] += max(spans, default=0.0) / 60.0
        person["valid_label_frames"] += _valid_frames(recording)
        dead = {c for c, verdict in recording.quality.items() if verdict not in ("", "good", "ok")}
        person["dead_channels"] = sorted(dead | set(person["dead_channels"]))
        for name, stream in recording.streams.items():
            entry = streams.setdefault(name, {"rates_hz": [], "channels": []})
            entry["rates_hz"] = sorted({*entry["rates_hz"], stream.rate_hz})
            entry["channels"] += [c for c in stream.channels if c not in entry["channels"]]
        bars.advance()
    return {
        "dataset": str(dataset.path),
        "name": dataset.info.name,
        "version": dataset.info.version,
        "licence": dataset.info.licence,
        "citation": dataset.info.citation,
        "tasks": list(dataset.tasks),
        "people": list(people.values()),
        "streams": streams,
    }


def _valid_frames(recording: Recording) -> int:
    """Count label frames: of each side those that its mask, or finite torque, calls valid."""
    import numpy as np

    total = 0
    for stream in recording.streams.values():
        for side in ("l", "r"):
            torque = [c for c in stream.channels if c.startswith("torque.") and c.endswith(side)]
            if not torque:
                continue
            mask = f"valid.torque.{side}"
            valid = np.isfinite(np.stack([stream.column(c) for c in torque])).all(axis=0)
            if stream.has(mask):
                valid &= stream.column(mask) == 1.0
            total += int(valid.sum())
    return total


@app.command("check")
def check(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Dataset folder.")],
    json: JsonFlag = False,
) -> None:
    """List every fault of a dataset folder; exit code 3 if there is any."""
    from kinefed.datasets.check import check_dataset

    with only_json(json):
        faults = check_dataset(folder)
    if json:
        emit(
            {
                "dataset": str(folder),
                "faults": [
                    {"where": f.where, "what": f.what, "reason": str(f.reason)} for f in faults
                ],
            }
        )
    elif faults:
        rows = [[f.where, f.what] for f in faults]
        show_table(f"Faults in {folder}", ["where", "what"], rows)
    if faults:
        note(f"{len(faults)} fault{'s' if len(faults) > 1 else ''} in {folder}")
        raise typer.Exit(BAD_DATA)
    note(f"{folder}: no faults")


@app.command("simulate")
def simulate(
    dest: Annotated[Path, typer.Argument(metavar="DEST", help="New dataset folder.")],
    people: Annotated[int, typer.Option(help="How many virtual people.")] = 20,
    tasks: Annotated[
        str | None, typer.Option(help="Tasks, comma-separated.", show_default="all of the legs")
    ] = None,
    sessions: Annotated[
        int, typer.Option(help="Days of each person; sensors are put on anew.")
    ] = 1,
    takes: Annotated[int, typer.Option(help="Recordings of each task in a session.")] = 1,
    minutes: Annotated[float, typer.Option(help="Length of each recording.")] = 1.0,
    seed: Annotated[int, typer.Option(help="The same seed, the same people.")] = 1,
    patterns: Annotated[
        str | None,
        typer.Option(help="Gait patterns, in turn over the people.", show_default="healthy"),
    ] = None,
    rate: Annotated[float, typer.Option(metavar="HZ", help="Frames a second.")] = 100.0,
    raw_emg: Annotated[
        bool, typer.Option("--raw-emg", help="Raw EMG at 1 kHz instead of envelopes.")
    ] = False,
    insoles: Annotated[bool, typer.Option("--insoles", help="Pressure insoles as well.")] = False,
    mvc: Annotated[
        bool, typer.Option("--mvc", help="Maximal contractions, for an EMG reference, as well.")
    ] = False,
    processes: Annotated[
        int | None, typer.Option(min=1, help="Worker processes.", show_default="one a core")
    ] = None,
    json: JsonFlag = False,
) -> None:
    """Make a dataset folder DEST of virtual people; the same command goes on after an interruption.

    Their motion, forces, joint torques, muscle activity and IMUs agree with one another.
    """
    from kinefed.cli.progress import Bars
    from kinefed.simulations.cohort.config import CohortConfig
    from kinefed.simulations.cohort.generate import generate_cohort
    from kinefed.simulations.workers import WorkerPool, available_cores

    chosen = {"tasks": words(tasks), "patterns": words(patterns)}
    config = CohortConfig(
        people=people,
        sessions=sessions,
        takes=takes,
        minutes=minutes,
        seed=seed,
        rate_hz=rate,
        raw_emg=raw_emg,
        insoles=insoles,
        mvc=mvc,
        **{name: value for name, value in chosen.items() if value},
    )
    with only_json(json), Bars() as bars, WorkerPool(processes or available_cores()) as pool:
        bars.stage("people", people)
        dataset = generate_cohort(config, dest, pool, bars.advance)
    found = {
        "dataset": str(dataset.path),
        "name": dataset.info.name,
        "people": len(dataset.subjects),
        "recordings": len(dataset.refs),
        "tasks": list(dataset.tasks),
    }
    if json:
        emit(found)
    else:
        note(
            f"{dest}: {found['people']} virtual people, {found['recordings']} recordings, "
            f"tasks {', '.join(dataset.tasks)}; see `kinefed data inspect {dest}`"
        )
