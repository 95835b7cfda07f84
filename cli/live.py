"""``kinefed live``: worn sensors to torque."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlsplit

import typer

from kinefed.cli.output import JsonFlag, emit, figure, note, only_json
from kinefed.cli.sensor_source import (
    AdapterOption,
    FindOption,
    RecordingOption,
    SimulateOption,
    Source,
    WornOption,
)

if TYPE_CHECKING:
    from kinefed.cli.live_view import Tally
    from kinefed.client.live import LiveEngine, StreamLayout, TaskRecogniser
    from kinefed.client.live.outlets import Outlet
    from kinefed.models import ModelBundle
    from kinefed.sensors.streaming import State
    from kinefed.sensors.worn import Worn


def live(
    model: Annotated[
        list[str],
        typer.Option(
            "--model",
            metavar="[TASK=]BUNDLE",
            help="Model; of a task, or of all others. Further ones of the same task need less.",
        ),
    ],
    worn: WornOption = None,
    calibration: Annotated[
        Path | None,
        typer.Option(help="calibration.toml, for joint angles and EMG.", show_default=False),
    ] = None,
    seconds: Annotated[
        float | None, typer.Option(min=0.1, help="How long.", show_default="until Ctrl-C")
    ] = None,
    task: Annotated[str, typer.Option(help="What is done, if that is known.")] = "any",
    tasks: Annotated[
        Path | None,
        typer.Option(help="What `kinefed tasks` learnt, to tell the task.", show_default=False),
    ] = None,
    mass_kg: Annotated[
        float | None,
        typer.Option(
            "--mass-kg", min=5.0, max=400.0, help="Body mass: torque in N m.", show_default=False
        ),
    ] = None,
    rate_hz: Annotated[float, typer.Option("--rate-hz", min=1.0, help="Outputs a second.")] = 100.0,
    stateful: Annotated[
        bool,
        typer.Option(
            "--stateful",
            help="Run recurrent networks frame by frame: less work, other estimates.",
        ),
    ] = False,
    outlet: Annotated[
        list[str] | None,
        typer.Option(
            metavar="lsl|udp://HOST:PORT|udp+packed://HOST:PORT|ws://HOST:PORT",
            help="Where torques go; may be given again.",
            show_default=False,
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="New CSV file.", show_default=False)] = None,
    log: Annotated[
        Path | None, typer.Option(help="New packet log, which replays.", show_default=False)
    ] = None,
    view: Annotated[bool, typer.Option(help="Show sensors and torques meanwhile.")] = True,
    simulate: SimulateOption = None,
    recording: RecordingOption = None,
    adapter: AdapterOption = None,
    find_s: FindOption = 10.0,
    json: JsonFlag = False,
) -> None:
    """Estimate the wearer's joint torques from worn sensors, until the time is up or Ctrl-C."""
    from kinefed.cli.live_view import LiveView, Tally
    from kinefed.client.live import ANY, ConstantTask, LiveConfig
    from kinefed.client.live.session import Stopwatch
    from kinefed.datasets.errors import UsageError, UsageReason
    from kinefed.models.export import Form
    from kinefed.sensors.calibration import Calibration

    if mass_kg is None and any(_address(word)[0] == "ws" for word in outlet or ()):
        raise UsageError(
            UsageReason.BAD_ARGUMENT,
            "ROS is given N m, which takes the wearer's mass",
            where="--outlet",
            next_step="Give --mass-kg as well",
        )
    if view:
        note("loading models")
    source = Source(worn, simulate, recording, adapter, find_s)
    form = Form.STATEFUL if stateful else Form.WINDOW
    config = LiveConfig(rate_hz=rate_hz, mass_kg=mass_kg, form=form)
    models = _models(model)
    known = None if calibration is None else Calibration.load(calibration)
    tally = Tally()

    async def session() -> tuple[State, Stopwatch, LiveEngine]:
        from kinefed.client.live import LiveEngine, SensorFeed, layouts_of
        from kinefed.client.live.angles import LiveAngles
        from kinefed.client.live.session import live as run
        from kinefed.sensors.session import Session
        from kinefed.sensors.streaming import State

        async with contextlib.AsyncExitStack() as stack:
            radio, sensors = await stack.enter_async_context(source.open())
            streams = layouts_of(sensors)
            angles = None
            if known is not None:
                _same_sensors(known, sensors)
                angles = LiveAngles(known.alignments, streams)
                streams += angles.layouts
            elif _want_angles(models, streams):
                note("Joint angles take --calibration: make it with `kinefed sensors calibrate`")
            engine = LiveEngine(
                streams,
                {ANY: next(iter(models.values())), **models},
                config,
                ConstantTask(task) if tasks is None else _recogniser(tasks, streams),
                None if known is None else known.emg_reference,
            )
            for line in engine.unfit:
                note(line)
            state = State.of(sensors, Session(sensors))
            feed = SensorFeed(sensors, engine, angles, state.hear)
            state.health = feed.session.health
            watched = stack.enter_context(LiveView(sensors, seconds, shown=view))
            outlets: list[Outlet] = [tally, watched]
            if out is not None:
                outlets.append(_table(stack, engine, out))
            receivers = await _receivers(stack, engine, config.rate_hz, outlet or (), watched.tell)
            stopwatch = Stopwatch(feed)
            await run(radio, sensors, stopwatch, state, outlets, receivers,
                      seconds=seconds, log=log, watch=watched.show,
                      on_next=watched.connecting)  # fmt: skip
            return state, stopwatch, engine

    with only_json(json):
        state, stopwatch, engine = asyncio.run(session())
    found = _result(state, stopwatch, engine, tally)
    if json:
        emit(found)
    else:
        note(_summary(found))
    if isinstance(state.stopped, Exception):
        raise state.stopped


def _models(words: Sequence[str]) -> dict[str, list[ModelBundle]]:
    """Task to bundles; the same file is loaded once."""
    from kinefed.client.live import ANY
    from kinefed.models import ModelBundle

    loaded: dict[Path, ModelBundle] = {}
    found: dict[str, list[ModelBundle]] = {}
    for word in words:
        name, equals, file = word.partition("=")
        path = Path(file if equals else word)
        if path not in loaded:
            loaded[path] = ModelBundle.load(path)
        found.setdefault(name if equals else ANY, []).append(loaded[path])
    return found


def _recogniser(file: Path, streams: Sequence[StreamLayout]) -> TaskRecogniser:
    from kinefed.client.live.recogniser import LearntTasks, TaskModel

    rates = {stream.name: stream.rate_hz for stream in streams}
    return LearntTasks(TaskModel.load(file), rates, {s.name: s.channels for s in streams})


def _want_angles(models: dict[str, list[ModelBundle]], streams: Sequence[StreamLayout]) -> bool:
    """Say whether a model reads joint angles that no worn sensor measures."""
    there = {channel.rpartition(".")[0] for stream in streams for channel in stream.channels}
    wanted = {c for each in models.values() for bundle in each for c in bundle.spec.inputs}
    return any(channel.startswith("angle.") for channel in wanted - there)


def _same_sensors(calibration: Any, sensors: Sequence[Worn]) -> None:
    """Refuse a calibration of other sensors than are worn."""
    from kinefed.sensors.calibration_errors import CalibrationError, CalibrationReason

    if difference := calibration.differs(sensors):
        raise CalibrationError(
            CalibrationReason.MISPLACED,
            difference,
            next_step="Wear them as they were calibrated, or calibrate again",
        )


def _table(stack: contextlib.AsyncExitStack, engine: LiveEngine, out: Path) -> Outlet:
    from kinefed.client.live.table import CsvOutlet

    names = [name for side in engine.sides for name in engine.joints[side]]
    table = CsvOutlet(out, list(dict.fromkeys(name.rpartition(".")[0] for name in names)))
    stack.callback(table.close)
    return table


async def _receivers(
    stack: contextlib.AsyncExitStack,
    engine: LiveEngine,
    rate_hz: float,
    words: Sequence[str],
    tell: Callable[[str], None],
) -> list[Outlet]:
    """Open what was asked for; the stack closes it."""
    from kinefed.client.live.outlets import LslOutlet, UdpForm, UdpOutlet
    from kinefed.client.live.rosbridge import RosbridgeOutlet

    made: list[Outlet] = []

    def keep(outlet: Outlet) -> None:
        made.append(outlet)
        stack.callback(outlet.close)

    for word in words:
        kind, host, port = _address(word)
        if kind == "lsl":
            for side in engine.sides:
                keep(LslOutlet(engine.joints[side], rate_hz, side))
        elif kind == "ws":
            made.append(await stack.enter_async_context(RosbridgeOutlet(word, on_error=tell)))
        else:
            form = UdpForm.PACKED if kind == "udp+packed" else UdpForm.JSON
            keep(UdpOutlet(host, port, form))
    return made


def _address(word: str) -> tuple[str, str, int]:
    """Kind, host and port of an outlet."""
    from kinefed.datasets.errors import UsageError, UsageReason

    with contextlib.suppress(ValueError):
        if word == "lsl":
            return "lsl", "", 0
        parts = urlsplit(word)
        if parts.scheme in ("udp", "udp+packed", "ws", "wss") and parts.hostname and parts.port:
            return parts.scheme.replace("wss", "ws"), parts.hostname, parts.port
    raise UsageError(
        UsageReason.BAD_ARGUMENT,
        f"{word!r} is no outlet",
        where="--outlet",
        next_step="Give lsl, udp://HOST:PORT, udp+packed://HOST:PORT or ws://HOST:PORT",
    )


def _summary(found: dict[str, Any]) -> str:
    """Say how much of the outputs could be relied on, in one line."""
    legs = " and ".join({"l": "left", "r": "right"}[side] for side in found["sides"])
    shares = sorted(found["shares"].items(), key=lambda each: -each[1])
    told = ", ".join(f"{100.0 * share:.1f} % {name}" for name, share in shares)
    times = found["processing_ms"]
    return (
        f"{found['seconds']:.1f} s, {legs} leg: {told or 'no output'}; "
        f"{figure(times['p50'], 2)} ms from packet to torque, "
        f"{figure(times['p99'], 2)} ms for the slowest of a hundred"
    )


def _result(state: State, stopwatch: Any, engine: LiveEngine, tally: Tally) -> dict[str, Any]:
    flows = {f"{sensor}-{stream}": flow for (sensor, stream), flow in state.flows.items()}
    return {
        "seconds": state.seconds,
        "stopped": str(state.stopped),
        "sides": list(engine.sides),
        "outputs": dict(tally.statuses),
        "shares": {name: n / tally.statuses.total() for name, n in tally.statuses.items()},
        "unfit": list(engine.unfit),
        "processing_ms": {
            name: None if (ms := stopwatch.percentile_ms(percent)) != ms else ms
            for name, percent in (("p50", 50.0), ("p99", 99.0))
        },
        "streams": {
            name: {"received": flow.received, "lost": flow.lost, "measured_hz": flow.measured_hz}
            for name, flow in flows.items()
        },
        "channels_at_fault": {
            each.channel: [str(fault) for fault in each.faults] for each in state.quality.faults()
        },
    }
