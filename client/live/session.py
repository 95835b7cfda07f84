"""A live session: sensors are connected, the engine is driven, and everything is ended whole."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import math
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np

from kinefed.client.live.degrade import Status
from kinefed.client.live.drive import drive
from kinefed.client.live.feed import SensorFeed
from kinefed.client.live.outlets import Outlet
from kinefed.client.live.output import Output
from kinefed.sensors import LogWriter, Record, Worn
from kinefed.sensors.hub import Hub
from kinefed.sensors.radio import Radio
from kinefed.sensors.streaming import PATIENCE_S, State, follow

# Of the view.
_WATCH_S = 0.1
# Calls whose duration is kept: some minutes.
_KEPT = 60_000
# For a receiver that is sent to from a task of its own: rosbridge.
_FAREWELL_S = 0.1


class Stopwatch:
    """Times a feed's calls that give outputs, which is what a torque costs.

    Parameters
    ----------
    feed
        What is timed.
    """

    def __init__(self, feed: SensorFeed) -> None:
        self._feed = feed
        self._took_ns: deque[int] = deque(maxlen=_KEPT)

    @property
    def next_tick_ns(self) -> int | None:
        """See `SensorFeed.next_tick_ns`."""
        return self._feed.next_tick_ns

    def take(self, record: Record) -> list[Output]:
        """See `SensorFeed.take`."""
        begin = time.perf_counter_ns()
        outputs = self._feed.take(record)
        if outputs:
            self._took_ns.append(time.perf_counter_ns() - begin)
        return outputs

    def advance(self, now_ns: int) -> list[Output]:
        """See `SensorFeed.advance`."""
        begin = time.perf_counter_ns()
        outputs = self._feed.advance(now_ns)
        if outputs:
            self._took_ns.append(time.perf_counter_ns() - begin)
        return outputs

    def percentile_ms(self, percent: float) -> float:
        """Duration that so many of the calls stayed below; NaN without any."""
        took = np.array(self._took_ns) / 1e6
        return float(np.percentile(took, percent)) if len(took) else float("nan")


class _Newest:
    """Keeps the newest output of each leg, as one more outlet."""

    def __init__(self) -> None:
        self.outputs: dict[str, Output] = {}

    def send(self, output: Output) -> None:
        self.outputs[output.side] = output

    def close(self) -> None:
        """Hold nothing."""


async def live(
    radio: Radio,
    worn: Sequence[Worn],
    feed: Stopwatch,
    state: State,
    outlets: Sequence[Outlet],
    receivers: Sequence[Outlet] = (),
    *,
    seconds: float | None = None,
    log: Path | None = None,
    watch: Callable[[State], None] = lambda _state: None,
    on_next: Callable[[str], None] = lambda _name: None,
    patience_s: float = PATIENCE_S,
) -> None:
    """Connect sensors and estimate until the time is up or somebody presses Ctrl-C.

    Parameters
    ----------
    radio, worn, seconds, watch, on_next, patience_s
        As of `kinefed.sensors.streaming.stream`.
    feed
        Into the engine; its sensors are `worn`.
    state
        Kept up to date: `SensorFeed` tells it what it heard.
    outlets
        Each is given each output.
    receivers
        As `outlets`; however the session ends, they are told before the sensors are let go, by a
        last output of each leg, ``stopped`` and without torque.
    log
        New packet log of all that the engine was given: its replay gives the same outputs.

    Raises
    ------
    SensorError
        Where a sensor cannot be connected at the beginning.
    DataError
        ``exists`` for the log.
    """
    hub = Hub(radio, [each.sensor() for each in worn], on_next=on_next)
    stop = asyncio.Event()
    writer = contextlib.nullcontext() if log is None else LogWriter(log, worn)
    newest = _Newest()
    with writer as file:
        keep = (lambda _record: None) if file is None else file.write
        every = (newest, *outlets, *receivers)
        driving = asyncio.create_task(drive(hub, feed, every, on_record=keep, stop=stop))

        def fault() -> None:
            if driving.done():
                driving.result()

        began = False
        try:
            async with hub:
                began = True
                try:
                    await follow(hub, state, fault, seconds, watch, patience_s, _WATCH_S)
                    # Before the farewells: what the engine was not given is not logged either.
                    stop.set()
                    await driving
                finally:
                    await _ended(driving)
                    await _tell_stop(newest.outputs.values(), receivers)
        finally:
            await _ended(driving)
            if log is not None and not began:
                # Nothing of it is worth keeping, and it would be in the way of another try.
                log.unlink()
    watch(state)


async def _ended(driving: asyncio.Task[int]) -> None:
    driving.cancel()
    await asyncio.gather(driving, return_exceptions=True)


async def _tell_stop(newest: Iterable[Output], receivers: Sequence[Outlet]) -> None:
    """Send a last output of each leg: ``stopped``, without torque."""
    for last in newest:
        now_ns, none = time.monotonic_ns(), (math.nan,) * len(last.joints)
        output = dataclasses.replace(
            last,
            time_ns=now_ns,
            time_s=last.time_s + 1e-9 * (now_ns - last.time_ns),
            torque_nm_per_kg=none,
            torque_nm=None if last.torque_nm is None else none,
            status=Status.STOPPED,
            confidence=0.0,
            age_s=math.inf,
        )
        for outlet in receivers:
            outlet.send(output)
    if receivers:
        await asyncio.sleep(_FAREWELL_S)
