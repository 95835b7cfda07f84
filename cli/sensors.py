"""``kinefed sensors``: find, check and record worn sensors, and replay what they sent."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kinefed.cli.output import JsonFlag, emit, figure, note, only_json, show_table
from kinefed.cli.sensor_align import align
from kinefed.cli.sensor_calibrate import calibrate
from kinefed.cli.sensor_kept import differences, from_log, measured, written
from kinefed.cli.sensor_source import (
    AdapterOption,
    FindOption,
    RecordingOption,
    SimulateOption,
    Source,
    SourceCommand,
    WornOption,
)

if TYPE_CHECKING:
    from kinefed.datasets import Dataset
    from kinefed.sensors.radio import Found
    from kinefed.sensors.streaming import State

FAILED = 4
BAD_DATA = 3
app = typer.Typer(
    help="Worn sensors: find, check, align, calibrate, record, replay.", no_args_is_help=True
)
app.command("align")(align)
app.command("calibrate")(calibrate)

PersonOption = Annotated[str, typer.Option("--person", help="Who wears them: a letter or number.")]
SessionOption = Annotated[str, typer.Option("--session", help="Name of the session.")]
TaskOption = Annotated[str, typer.Option("--task", help="What is done, for example walk.")]
MassOption = Annotated[
    float | None, typer.Option("--mass-kg", min=1.0, help="Body mass.", show_default=False)
]


@app.command("scan", cls=SourceCommand)
def scan(
    seconds: Annotated[float, typer.Option(min=0.1, help="How long to listen.")] = 5.0,
    write: Annotated[
        Path | None,
        typer.Option(help="Write the known sensors into this new worn.toml.", show_default=False),
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Show devices of no known kind as well.")
    ] = False,
    worn: WornOption = None,
    simulate: SimulateOption = None,
    recording: RecordingOption = None,
    adapter: AdapterOption = None,
    json: JsonFlag = False,
) -> None:
    """List the sensors nearby with their kind, address and signal."""
    from kinefed.sensors.drivers import make_driver, recognise
    from kinefed.sensors.worn import Worn
    from kinefed.sensors.worn_file import write_worn

    async def listen() -> list[Found]:
        source = Source(worn, simulate, recording, adapter)
        async with source.open(need_worn=False) as (radio, _):
            return await radio.scan(seconds)

    with only_json(json):
        found = [(each, recognise(each.advertisement)) for each in asyncio.run(listen())]
        shown = [(each, kind) for each, kind in found if kind or everything]
        if write is not None:
            known = [(each, kind) for each, kind in found if kind]
            write_worn(
                write,
                [Worn(f"{k}-{i + 1}", k, address=e.address) for i, (e, k) in enumerate(known)],
            )
            note(f"{write}: {len(known)} sensors; now say where each is worn")
    rows = [
        {
            "name": each.advertisement.name,
            "driver": kind,
            "title": make_driver(kind).title if kind else None,
            "address": each.address,
            "rssi_dbm": each.rssi,
        }
        for each, kind in shown
    ]
    if json:
        emit({"sensors": rows, "others": len(found) - len(shown)})
        return
    if not rows:
        note("No sensor is nearby. Switch them on, and end other programs connected to them")
        return
    show_table(
        "Sensors nearby",
        ["name", "kind", "driver", "address", "signal (dBm)"],
        [
            [r["name"], r["title"] or "-", r["driver"] or "-", r["address"], r["rssi_dbm"]]
            for r in rows
        ],
    )


@app.command("check", cls=SourceCommand)
def check(
    worn: WornOption = None,
    seconds: Annotated[float, typer.Option(min=1.0, help="How long to measure.")] = 10.0,
    simulate: SimulateOption = None,
    recording: RecordingOption = None,
    adapter: AdapterOption = None,
    find_s: FindOption = 10.0,
    json: JsonFlag = False,
) -> None:
    """Connect all sensors and measure rate, loss, pauses and battery of each.

    Exit code 4 where one is not as it should be.
    """
    source = Source(worn, simulate, recording, adapter, find_s)
    state = _stream(source, seconds, None, json)
    rows = [measured(state, *key) for key in state.flows]
    if json:
        emit({"seconds": state.seconds, "sound": all(r["sound"] for r in rows), "streams": rows})
    else:
        show_table(
            f"{state.seconds:.0f} s",
            [
                "sensor",
                "stream",
                "nominal (Hz)",
                "measured (Hz)",
                "lost (%)",
                "pause (s)",
                "battery (%)",
                "device",
                "verdict",
            ],
            [
                [
                    r["sensor"],
                    r["stream"],
                    figure(r["nominal_hz"], 1),
                    figure(r["measured_hz"], 1),
                    figure(100.0 * r["loss"], 2),
                    figure(r["pause_s"], 2),
                    figure(r["battery"], 0),
                    r["device"],
                    "ok" if r["sound"] else r["fault"],
                ]
                for r in rows
            ],
        )
    _end(state)
    if not all(r["sound"] for r in rows):
        note("Bring sensors with losses nearer; a wrong rate is a wrong setting in worn.toml")
        raise typer.Exit(FAILED)


@app.command("record", cls=SourceCommand)
def record(
    out: Annotated[Path, typer.Option(help="New dataset folder; the packet log is OUT.kfpl.")],
    worn: WornOption = None,
    seconds: Annotated[
        float | None, typer.Option(min=0.1, help="How long.", show_default="until Ctrl-C")
    ] = None,
    person: PersonOption = "S01",
    session: SessionOption = "s01",
    task: TaskOption = "task",
    mass_kg: MassOption = None,
    simulate: SimulateOption = None,
    recording: RecordingOption = None,
    adapter: AdapterOption = None,
    find_s: FindOption = 10.0,
    json: JsonFlag = False,
) -> None:
    """Record worn sensors until the time is up or Ctrl-C; either way the recording is whole."""
    from kinefed.datasets import DataError, DataReason, RecordingRef

    ref = RecordingRef(person, session, task, 1)
    log = out.with_name(f"{out.name}.kfpl")
    if out.exists():
        raise DataError(
            DataReason.EXISTS, "it is there already", where=out, next_step="Choose another name"
        )
    out.parent.mkdir(parents=True, exist_ok=True)
    source = Source(worn, simulate, recording, adapter, find_s)
    state = _stream(source, seconds, log, json)
    with only_json(json):
        try:
            # Of the log, and not of what went by: a replay can only give the same.
            dataset = written(out, from_log(log, ref)[0], mass_kg)
        except DataError:
            # Where nothing came because a sensor was lost, that is what to say.
            _end(state)
            raise
    _report(state, dataset, log, json)
    _end(state)


@app.command("replay")
def replay(
    log: Annotated[Path, typer.Argument(metavar="LOG", help="Packet log of `record`.")],
    out: Annotated[
        Path | None, typer.Option(help="New dataset folder.", show_default=False)
    ] = None,
    compare: Annotated[
        Path | None,
        typer.Option(help="Recorded folder that must be the same to the bit.", show_default=False),
    ] = None,
    person: PersonOption = "S01",
    session: SessionOption = "s01",
    task: TaskOption = "task",
    mass_kg: MassOption = None,
    json: JsonFlag = False,
) -> None:
    """Make the recording of a packet log again. Exit code 3 where --compare finds a difference."""
    from kinefed.datasets import Dataset, RecordingRef

    ref = RecordingRef(person, session, task, 1)
    with only_json(json):
        if compare is not None:
            ref = Dataset.open(compare).refs[0]
        made, heard, torn = from_log(log, ref)
        if out is not None:
            written(out, made, mass_kg)
        different = None
        if compare is not None:
            different = differences(Dataset.open(compare).load(ref), made)
    found: dict[str, Any] = {
        "log": str(log),
        "dataset": None if out is None else str(out),
        "torn_bytes": torn,
        "streams": {name: len(s.data) for name, s in made.streams.items()},
        "health": {n: {"lost": h.lost, "refused": h.refused} for n, h in heard.health.items()},
        "different": different,
    }
    if json:
        emit(found)
    else:
        for name, samples in found["streams"].items():
            note(f"{name}: {samples} samples")
        if torn:
            note(f"{torn} bytes at the end of the log are no whole packet")
        if different is not None:
            same = "the same to the bit" if not different else f"differs in {', '.join(different)}"
            note(f"{compare}: {same}")
    if different:
        raise typer.Exit(BAD_DATA)


def _stream(source: Source, seconds: float | None, log: Path | None, json: bool) -> State:
    from kinefed.cli.sensor_view import SensorView
    from kinefed.sensors.streaming import stream

    async def session() -> State:
        async with source.open() as (radio, worn):
            with SensorView(worn, seconds) as view:
                return await stream(radio, worn, seconds=seconds, log=log, watch=view.show)

    with only_json(json):
        return asyncio.run(session())


def _report(state: State, dataset: Dataset, log: Path, json: bool) -> None:
    recording = dataset.load(dataset.refs[0])
    found: dict[str, Any] = {
        "dataset": str(dataset.path),
        "log": str(log),
        "recording": recording.ref.key,
        "seconds": state.seconds,
        "stopped": str(state.stopped),
        "streams": [measured(state, *key) for key in state.flows],
        "gaps": [[gap.stream, gap.start_s, gap.end_s] for gap in recording.gaps],
    }
    if json:
        emit(found)
        return
    lost = sum(row["lost"] for row in found["streams"])
    note(
        f"{dataset.path}: {state.seconds:.1f} s of {len(recording.streams)} streams, {lost} "
        f"samples lost in {len(recording.gaps)} gaps; every packet is in {log}"
    )


def _end(state: State) -> None:
    """Fail where a sensor stayed away; what came is kept already."""
    if isinstance(state.stopped, Exception):
        raise state.stopped
