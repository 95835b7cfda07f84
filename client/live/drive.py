"""The loop that lets the engine run: arrivals and ticks in, outputs out."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterable
from typing import Protocol

from kinefed.client.live.outlets import Outlet
from kinefed.client.live.output import Output
from kinefed.sensors import Record

NS = 1_000_000_000
# After so many records at most others may run: behind a backlog, such as that of the time in which
# sensors were connected, the links would not hear their packets.
_AT_ONCE = 16
# Before the first record there is no tick to wait for.
_IDLE_S = 0.05


class Source(Protocol):
    """Where records come from: a `kinefed.sensors.hub.Hub`."""

    def drain(self) -> list[Record]:
        """Take all records that came since the last call, in order of arrival."""

    async def wait(self) -> None:
        """Wait for a record."""


class Feed(Protocol):
    """Into an engine: a `kinefed.client.live.feed.SensorFeed`."""

    @property
    def next_tick_ns(self) -> int | None:
        """Time of the next output; None before an arrival."""

    def take(self, record: Record) -> list[Output]:
        """Take the next record; give the outputs that came before it."""

    def advance(self, now_ns: int) -> list[Output]:
        """Let time pass."""


async def drive(
    source: Source,
    feed: Feed,
    outlets: Iterable[Outlet],
    *,
    on_record: Callable[[Record], None] = lambda _record: None,
    clock: Callable[[], int] = time.monotonic_ns,
    stop: asyncio.Event | None = None,
) -> int:
    """Run the engine until it is stopped.

    Parameters
    ----------
    source
        Of the records; their arrival is on `clock`.
    feed
        Into the engine.
    outlets
        Each is given each output.
    on_record
        Told of each record before the engine, for example to log it.
    clock
        The host's monotonic clock in ns.
    stop
        Ends the loop; without one it goes on until it is cancelled.

    Returns
    -------
    int
        Number of outputs.
    """
    outlets, count = tuple(outlets), 0

    def send(outputs: list[Output]) -> None:
        nonlocal count
        count += len(outputs)
        for output in outputs:
            for outlet in outlets:
                outlet.send(output)

    while stop is None or not stop.is_set():
        # The time first, the records after it: all that arrived before it are then among them,
        # which is what makes the outputs those of a replay.
        now_ns = clock()
        for number, record in enumerate(source.drain(), start=1):
            on_record(record)
            send(feed.take(record))
            if number % _AT_ONCE == 0:
                await asyncio.sleep(0)
        send(feed.advance(now_ns))
        due_ns = feed.next_tick_ns
        # A tick is made after its time has passed.
        wait_s = _IDLE_S if due_ns is None else max(0.0, (due_ns + 1 - clock()) / NS)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(source.wait(), wait_s)
    return count
