"""A session with sensors from beginning to end: connected, logged, watched, and ended whole."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from kinefed.sensors.clock import NS
from kinefed.sensors.decoder import Notice
from kinefed.sensors.errors import SensorError, SensorReason, sensor_error
from kinefed.sensors.hub import Hub
from kinefed.sensors.packet_log import LogWriter
from kinefed.sensors.quality_watch import QualityWatch
from kinefed.sensors.radio import Radio
from kinefed.sensors.records import LinkEvent, LinkState, Record
from kinefed.sensors.session import Health, Heard, Session
from kinefed.sensors.timeline import Timed
from kinefed.sensors.worn import Worn

PATIENCE_S = 30.0
"""A sensor that stays away for longer ends the session."""
_WATCH_S = 0.25


@dataclass(slots=True)
class Flow:
    """What came of one stream.

    Attributes
    ----------
    rate_hz
        Nominal; None where it is not known.
    received, lost
        Samples.
    first_ns, last_ns
        Arrival of the first and of the last one on the host's monotonic clock.
    pause_s
        Longest time between two arrivals.
    """

    rate_hz: float | None
    received: int = 0
    lost: int = 0
    first_ns: int | None = None
    last_ns: int | None = None
    pause_s: float = 0.0

    @property
    def measured_hz(self) -> float | None:
        """Samples a second of what was sent, lost ones included; None below half a second."""
        if self.first_ns is None or self.last_ns is None:
            return None
        span_s = (self.last_ns - self.first_ns) / NS
        return (self.received + self.lost - 1) / span_s if span_s > 0.5 else None

    def take(self, timed: Timed) -> None:
        """Count samples."""
        samples = timed.samples
        if self.first_ns is None:
            self.first_ns = int(samples.arrival_ns[0])
        arrival = int(samples.arrival_ns[-1])
        if self.last_ns is not None:
            self.pause_s = max(self.pause_s, (arrival - self.last_ns) / NS)
        self.last_ns = arrival
        self.received += len(samples.values)
        self.lost += samples.lost


@dataclass(slots=True)
class State:
    """How all sensors do, while they stream and at the end.

    Attributes
    ----------
    seconds
        Since all were connected.
    connected
        Whether each streams now, by name.
    flows
        By sensor and stream.
    health
        By name.
    quality
        Of every channel with a place.
    device
        What each says of itself, for example its firmware.
    age_s
        How long the oldest packet waited for this program the last time.
    stopped
        Why it ended: ``"time"``, ``"interrupted"``, or an error.
    """

    seconds: float
    connected: dict[str, bool]
    flows: dict[tuple[str, str], Flow]
    health: dict[str, Health]
    quality: QualityWatch = field(default_factory=lambda: QualityWatch(()))
    device: dict[str, str] = field(default_factory=dict)
    age_s: float = 0.0
    stopped: str | SensorError = ""

    @classmethod
    def of(cls, worn: Sequence[Worn], session: Session) -> State:
        """Begin with sensors that are not connected yet."""
        return cls(
            0.0,
            dict.fromkeys((each.name for each in worn), False),
            {(w.name, spec.name): Flow(spec.rate_hz) for w in worn for spec in w.driver().streams},
            session.health,
            QualityWatch(worn),
        )

    def hear(self, heard: Heard) -> None:
        """Follow what a sensor said."""
        item = heard.item
        self.quality.hear(heard)
        if isinstance(item, Timed):
            self.flows[heard.sensor, item.samples.stream].take(item)
        elif isinstance(item, Notice) and item.name == "device":
            words = (f"{name} {value}" for name, value in item.fields.items())
            self.device[heard.sensor] = ", ".join(words)
        elif isinstance(item, LinkEvent):
            self.connected[heard.sensor] = item.state is LinkState.CONNECTED


async def stream(
    radio: Radio,
    worn: Sequence[Worn],
    *,
    seconds: float | None = None,
    log: Path | None = None,
    watch: Callable[[State], None] = lambda _state: None,
    on_next: Callable[[str], None] = lambda _name: None,
    on_heard: Callable[[Heard], None] | None = None,
    patience_s: float = PATIENCE_S,
) -> State:
    """Connect sensors and let them stream until the time is up or somebody presses Ctrl-C.

    Parameters
    ----------
    radio
        The adapter.
    worn
        Which sensors.
    seconds
        How long; None until it is interrupted.
    log
        New packet log: everything is in it from the first packet on, however the session ends.
    watch
        Told of the state some times a second.
    on_next
        Told the name of each sensor before it is looked for.
    on_heard
        Told of all that the sensors say, some times a second.
    patience_s
        A sensor that is away for longer ends the session; what came is whole.

    Returns
    -------
    State
        With `stopped` saying why it ended.

    Raises
    ------
    SensorError
        Where a sensor cannot be connected at the beginning.
    DataError
        ``exists`` for the log.
    """
    session = Session(worn)
    state = State.of(worn, session)
    writer = contextlib.nullcontext() if log is None else LogWriter(log, worn)
    with writer as file:

        def take(records: list[Record]) -> None:
            if records:
                state.age_s = (time.monotonic_ns() - records[0].arrival_ns) / NS
            for record in records:
                if file is not None:
                    file.write(record)
                for heard in session.take(record):
                    state.hear(heard)
                    if on_heard is not None:
                        on_heard(heard)

        hub = Hub(radio, [each.sensor() for each in worn], on_next=on_next)
        began = False
        try:
            async with hub:
                began = True
                await follow(hub, state, lambda: take(hub.drain()), seconds, watch, patience_s)
        finally:
            # The farewells, and what came meanwhile.
            take(hub.drain())
            if log is not None and not began:
                # Nothing of it is worth keeping, and it would be in the way of another try.
                log.unlink()
        watch(state)
    return state


async def follow(
    hub: Hub,
    state: State,
    each_time: Callable[[], None],
    seconds: float | None,
    watch: Callable[[State], None],
    patience_s: float,
    watch_s: float = _WATCH_S,
) -> None:
    """Follow connected sensors until the time is up, Ctrl-C, or one stays away.

    Parameters
    ----------
    hub
        Of the sensors.
    state
        Kept up to date, and at the end says why it ended.
    each_time
        Called before each look.
    seconds, watch, patience_s
        As of `stream`.
    watch_s
        Time between two looks.
    """
    began = time.monotonic()
    there = dict.fromkeys(state.connected, began)
    with _interrupt() as interrupted:
        while not state.stopped:
            now = time.monotonic()
            state.seconds = now - began
            left = watch_s if seconds is None else min(watch_s, seconds - state.seconds)
            if interrupted.is_set():
                state.stopped = "interrupted"
            elif left <= 0.0:
                state.stopped = "time"
            else:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(interrupted.wait(), left)
                each_time()
                state.quality.look()
                for name, link in hub.links.items():
                    if link.connected:
                        there[name] = now
                    elif now - there[name] > patience_s:
                        away = f"away for {patience_s:g} s"
                        state.stopped = sensor_error(SensorReason.LOST, name, away)
                hub.check()
                watch(state)


@contextlib.contextmanager
def _interrupt() -> Iterator[asyncio.Event]:
    """Let the first Ctrl-C set an event; a second one does what it always does."""
    event, loop = asyncio.Event(), asyncio.get_running_loop()

    def interrupted(*_args: object) -> None:
        signal.signal(signal.SIGINT, before)
        loop.call_soon_threadsafe(event.set)

    try:
        before = signal.signal(signal.SIGINT, interrupted)
    except ValueError:
        # Signals are for the main thread only.
        yield event
        return
    try:
        yield event
    finally:
        signal.signal(signal.SIGINT, before)
