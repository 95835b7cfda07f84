"""``kinefed sensors``: find, check and record worn sensors, and replay what they sent."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kinefed.cli.output import JsonFlag, emit, figure, note, only_json, show_table
from kinefed.cli.sensor_align import align
from kinefed.cli.sensor_calibrate import calibrate
from kinefed.cli.sensor_kept import from_log, measured, written
from kinefed.cli.sensor_replay import (
    MassOption,
    PersonOption,
    SessionOption,
    TaskOption,
    replay,
)
from kinefed.cli.sensor_source import (
    AdapterOption,
    FindOption,
    RecordingOption,
    SimulateOption,
    Source,
    SourceCommand,
    WornOption,
)
from kinefed.cli.sensor_sync import sync

if TYPE_CHECKING:
    from kinefed.datasets import Dataset
    from kinefed.sensors.radio import Found
    from kinefed.sensors.session import Heard
    from kinefed.sensors.streaming import State
    from kinefed.sensors.worn import Worn

FAILED = 4
app = typer.Typer(
    help="Worn sensors: find, check, sync, align, calibrate, record, replay.", no_args_is_help=True
)
app.command("align")(align)
app.command("calibrate")(calibrate)
app.command("replay")(replay)
app.command("sync")(sync)


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
    """Connect all sensors; measure rate, loss, pauses, battery, and how good each channel is.

    Exit code 4 where one is not as it should be.
    """
    source = Source(worn, simulate, recording, adapter, find_s)
    state = _stream(source, seconds, None, json)
    state.quality.look_at_all()
    rows = [measured(state, *key) for key in state.flows]
    if json:
        emit({"seconds": state.seconds, "sound": all(r["sound"] for r in rows), "streams": rows})
    else:
        show_table(
            f"{state.seconds:.0f} s",
            ["sensor", "stream", "rate (Hz)", "lost (%)", "pause (s)", "battery (%)", "verdict"],
            [
                [
                    r["sensor"],
                    r["stream"],
                    f"{figure(r['measured_hz'], 1)} of {figure(r['nominal_hz'], 0)}",
                    figure(100.0 * r["loss"], 2),
                    figure(r["pause_s"], 2),
                    figure(r["battery"], 0),
                    "ok" if r["sound"] else r["fault"],
                ]
                for r in rows
            ],
        )
        for device in dict.fromkeys(r["device"] for r in rows):
            names = dict.fromkeys(r["sensor"] for r in rows if r["device"] == device)
            if device != "-":
                note(f"{device}: {', '.join(names)}")
    _end(state)
    if not all(r["sound"] for r in rows):
        for fault in state.quality.faults():
            note(fault.advice)
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
    lsl: Annotated[
        bool, typer.Option("--lsl", help="Send the streams by the Lab Streaming Layer as well.")
    ] = False,
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
    state = _stream(source, seconds, log, json, lsl=lsl)
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


def _stream(
    source: Source, seconds: float | None, log: Path | None, json: bool, *, lsl: bool = False
) -> State:
    from kinefed.cli.sensor_view import SensorView
    from kinefed.sensors.streaming import stream

    async def session() -> State:
        async with source.open() as (radio, worn):
            send = _sender(worn) if lsl else None
            with SensorView(worn, seconds) as view:
                return await stream(radio, worn, seconds=seconds, log=log, watch=view.show,
                                    on_next=view.connecting, on_heard=send)  # fmt: skip

    with only_json(json):
        return asyncio.run(session())


def _sender(worn: Sequence[Worn]) -> Callable[[Heard], None]:
    from kinefed.sensors.lsl_sender import LslSender

    sender = LslSender(worn)
    note(f"sent by LSL: {', '.join(sender.names)}")
    return sender.hear


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
