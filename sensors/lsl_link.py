"""A stream of the Lab Streaming Layer, kept open like the link to a Bluetooth sensor."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from kinefed.datasets.errors import DataError, DataReason, KinefedError
from kinefed.sensors.driver import Driver
from kinefed.sensors.drivers.lsl import PACKET, pack
from kinefed.sensors.errors import SensorReason
from kinefed.sensors.link import GRACE_S, RETRY_S
from kinefed.sensors.lsl import Inlet
from kinefed.sensors.lsl_network import is_there, silent
from kinefed.sensors.records import LinkEvent, LinkState, Packet, Record

# Of what waits in LSL; it stamps samples when they are sent, so that this costs age alone.
_POLL_S = 0.005
_LOOK_S = 0.5
# A sender whose samples are this much off the rate that was said is another stream.
_RATE_SHARE = 0.02


class LslLink:
    """Keeps one stream open.

    Parameters
    ----------
    name
        Name the wearer gave it.
    driver
        Of `kinefed.sensors.drivers.lsl`.
    sink
        Takes every record.
    find_s
        How long the stream is looked for.
    clock
        Host's monotonic clock in ns.

    Attributes
    ----------
    connected
        Whether it streams now.
    """

    def __init__(
        self,
        name: str,
        driver: Driver,
        sink: Callable[[Record], None],
        *,
        find_s: float = 10.0,
        clock: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        assert driver.lsl is not None
        self._name, self._driver, self._source = name, driver, driver.lsl
        self._sink, self._find_s, self._clock = sink, find_s, clock
        self._inlet: Inlet | None = None
        self._columns: list[int] = []
        self._heard_ns = 0
        self.connected = False

    async def open(self) -> None:
        """Find the stream and begin to receive.

        Raises
        ------
        OutsideError
            ``sensor`` where there is no such stream, or it does not answer.
        DataError
            Where the stream lacks a channel, or has another rate.
        """
        # Looking for it blocks; in short looks, so that Ctrl-C need not wait for the last.
        name, end = self._source.stream, time.monotonic() + self._find_s
        while not await asyncio.to_thread(is_there, name, _LOOK_S):
            if time.monotonic() > end:
                raise silent(name, "there is none of this name")
        inlet = await asyncio.to_thread(Inlet, name, self._source.channels)
        try:
            self._check(inlet)
        except DataError:
            inlet.close()
            raise
        self._inlet = inlet
        wanted = self._source.channels.values()
        self._columns = [inlet.channels.index(channel) for channel in wanted]
        self._heard_ns = self._clock() + round(GRACE_S * 1e9)
        self.connected = True
        self._event(LinkState.CONNECTED)

    async def keep(self) -> None:
        """Receive until cancelled; everything that happens goes to the sink."""
        try:
            while True:
                reason = await self._until_dead()
                self.connected = False
                self._event(LinkState.LOST, reason.value)
                self._drop()
                await self._again()
        finally:
            self.connected = False

    async def close(self) -> None:
        """Stop to receive."""
        if self._inlet is None:
            return
        self.connected = False
        self._drop()
        self._event(LinkState.STOPPED)

    def _check(self, inlet: Inlet) -> None:
        driver, where = self._driver, f"sensor {self._name}"
        rate_hz = driver.streams[0].rate_hz
        missing = [c for c in self._source.channels.values() if c not in inlet.channels]
        if missing:
            raise DataError(
                DataReason.MISSING_COLUMN,
                f"the stream has no channel for {', '.join(missing)}",
                where=where,
                next_step="Name its channels by their labels: 'EMG1=emg.soleus.r'",
            )
        if inlet.rate_hz and rate_hz and abs(inlet.rate_hz / rate_hz - 1.0) > _RATE_SHARE:
            raise DataError(
                DataReason.MISMATCH,
                f"the stream has {inlet.rate_hz:g} Hz, its settings say {rate_hz:g}",
                where=where,
                next_step="Correct rate_hz in worn.toml",
            )

    async def _until_dead(self) -> SensorReason:
        silence_ns = round(self._driver.silence_s * 1e9)
        while True:
            await asyncio.sleep(_POLL_S)
            assert self._inlet is not None
            try:
                timed = self._inlet.pull()
            except KinefedError:
                return SensorReason.LOST
            now = self._clock()
            if timed is not None:
                self._heard_ns = max(self._heard_ns, now)
                for value in pack(timed.host_ns, timed.samples.values[:, self._columns]):
                    self._sink(Packet(self._name, now, PACKET, value))
            elif now - self._heard_ns > silence_ns:
                return SensorReason.NO_DATA

    async def _again(self) -> None:
        attempt = 0
        while True:
            await asyncio.sleep(RETRY_S[min(attempt, len(RETRY_S) - 1)])
            attempt += 1
            try:
                await self.open()
            except KinefedError as error:
                self._event(LinkState.RETRYING, str(error))
            else:
                return

    def _drop(self) -> None:
        if self._inlet is not None:
            self._inlet.close()
            self._inlet = None

    def _event(self, state: LinkState, detail: str = "") -> None:
        self._sink(LinkEvent(self._name, self._clock(), state, detail))
