"""All sensors of one wearer: connected one after the other, their records in one queue."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Self

from kinefed.datasets.errors import UsageError, UsageReason
from kinefed.sensors.driver import Sensor
from kinefed.sensors.link import SensorLink
from kinefed.sensors.lsl_link import LslLink
from kinefed.sensors.radio import Radio
from kinefed.sensors.records import Record


class Hub:
    """Holds the links to all sensors; an asynchronous context manager.

    Entering connects the sensors in their order, and fails with the first that cannot be
    connected. Afterwards each link is kept alive by itself.

    Parameters
    ----------
    radio
        The adapter.
    sensors
        Which.
    on_record
        Called with every record at once, within Bluetooth's callback; it must only store. By
        default records are kept for `drain`.
    clock
        Host's monotonic clock in ns.
    on_next
        Told the name of each sensor before it is looked for, while they are connected.

    Attributes
    ----------
    links
        By name.

    Raises
    ------
    UsageError
        ``bad_argument`` where two sensors have one name or address.
    """

    def __init__(
        self,
        radio: Radio,
        sensors: Iterable[Sensor],
        on_record: Callable[[Record], None] | None = None,
        clock: Callable[[], int] = time.monotonic_ns,
        on_next: Callable[[str], None] = lambda _name: None,
    ) -> None:
        sensors = tuple(sensors)
        self._on_next = on_next
        addresses = [sensor.address for sensor in sensors if sensor.address is not None]
        for what, words in (("name", [s.name for s in sensors]), ("address", addresses)):
            if len(set(words)) != len(words):
                raise UsageError(
                    UsageReason.BAD_ARGUMENT,
                    f"two sensors have one {what}",
                    next_step="Give each sensor its own",
                )
        self._queue: deque[Record] = deque()
        self._arrived = asyncio.Event()
        sink = self._store if on_record is None else on_record
        taken = set(addresses)
        self.links: dict[str, SensorLink | LslLink] = {}
        for sensor in sensors:
            name, driver = sensor.name, sensor.driver
            if driver.lsl is not None:
                self.links[name] = LslLink(name, driver, sink, find_s=radio.find_s, clock=clock)
            else:
                self.links[name] = SensorLink(
                    radio,
                    name,
                    driver,
                    sink,
                    address=sensor.address,
                    adapter=sensor.adapter,
                    taken=taken,
                    clock=clock,
                )
        self._keepers: list[asyncio.Task[None]] = []

    @property
    def connected(self) -> int:
        """How many sensors stream now."""
        return sum(link.connected for link in self.links.values())

    async def __aenter__(self) -> Self:
        try:
            for name, link in self.links.items():
                self._on_next(name)
                await link.open()
                # Kept from now on: the first may be lost while the last is looked for.
                keeper = asyncio.create_task(link.keep())
                keeper.add_done_callback(lambda _task: self._arrived.set())
                self._keepers.append(keeper)
        except BaseException:
            await self._close()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._close()

    def drain(self) -> list[Record]:
        """Take all records that came since the last call, in their order."""
        records = list(self._queue)
        self._queue.clear()
        self._arrived.clear()
        return records

    async def wait(self) -> None:
        """Wait until there is a record to drain.

        Raises
        ------
        BaseException
            What ended a link's keeper, which is a fault of the program.
        """
        await self._arrived.wait()
        self.check()

    def check(self) -> None:
        """Raise what ended a link's keeper, which is a fault of the program."""
        for keeper in self._keepers:
            if keeper.done() and not keeper.cancelled():
                keeper.result()

    def _store(self, record: Record) -> None:
        self._queue.append(record)
        self._arrived.set()

    async def _close(self) -> None:
        for keeper in self._keepers:
            keeper.cancel()
        await asyncio.gather(*self._keepers, return_exceptions=True)
        self._keepers.clear()
        for link in self.links.values():
            await link.close()
