"""One sensor's link: connect, set up, stream, notice when it is dead, connect again."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress

from bleak import BleakClient
from bleak.backends.characteristic import BleakGATTCharacteristic

from kinefed.sensors.decoder import BATTERY_LEVEL
from kinefed.sensors.driver import Driver, Write
from kinefed.sensors.errors import SensorError, SensorReason, sensor_error
from kinefed.sensors.faults import RADIO_ERRORS, translate
from kinefed.sensors.radio import Found, Radio
from kinefed.sensors.records import LinkEvent, LinkState, Packet, Record

POLL_S = 60.0
GRACE_S = 2.0
"""Sensors take this long from the start command to their first packet."""
DISCONNECT_S = 2.0
"""How long a farewell may take: a dead Bluetooth service never answers."""
RETRY_S = (0.2, 0.5, 1.0, 2.0, 5.0)
"""Pauses before further attempts; the last one from then on."""


class SensorLink:
    """Keeps one sensor connected.

    Parameters
    ----------
    radio
        The adapter.
    name
        Name the wearer gave the sensor.
    driver
        What it is.
    sink
        Takes every record; it is called within Bluetooth's callback and must only store.
    address
        Of this very sensor; None takes the first that the driver recognises.
    adapter
        That it is connected by; None: the radio's.
    taken
        Addresses of the other sensors, which are not taken; this one's is added.
    clock
        Host's monotonic clock in ns.

    Attributes
    ----------
    connected
        Whether it streams now.
    """

    def __init__(
        self,
        radio: Radio,
        name: str,
        driver: Driver,
        sink: Callable[[Record], None],
        *,
        address: str | None = None,
        adapter: str | None = None,
        taken: set[str] | None = None,
        clock: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._radio = radio
        self._name = name
        self._driver = driver
        self._sink = sink
        self._address = address
        self._adapter = adapter
        self._taken = set() if taken is None else taken
        self._clock = clock
        self._client: BleakClient | None = None
        self._gone = asyncio.Event()
        self._heard_ns = 0
        self.connected = False

    async def open(self) -> None:
        """Connect and start to stream.

        Raises
        ------
        SensorError
            With what to do.
        """
        # Each connection has its own event: a late call of an older one must not end this one.
        gone = asyncio.Event()
        client = await self._radio.connect(self._name, self._wanted, gone.set, self._adapter)
        self._client, self._gone = client, gone
        try:
            await self._begin(client)
        except BaseException as error:
            await self._farewell()
            if isinstance(error, RADIO_ERRORS):
                raise translate(error, self._name) from error
            raise
        self._address = client.address
        self._taken.add(client.address)
        self.connected = True
        self._event(LinkState.CONNECTED)

    async def keep(self) -> None:
        """Stay connected until cancelled; everything that happens goes to the sink."""
        try:
            while True:
                reason = await self._until_dead()
                self.connected = False
                self._event(LinkState.LOST, reason.value)
                await self._farewell()
                await self._again()
        finally:
            self.connected = False

    async def close(self) -> None:
        """Stop the stream and disconnect."""
        client, self.connected = self._client, False
        if client is None:
            return
        with suppress(*RADIO_ERRORS):
            async with asyncio.timeout(DISCONNECT_S):
                characteristics = self._characteristics(client)
                await self._write(client, characteristics, self._driver.stop)
        await self._farewell()
        self._event(LinkState.STOPPED)

    def _wanted(self, found: Found) -> bool:
        if self._address is not None:
            return found.address == self._address
        return found.address not in self._taken and self._driver.recognises(found.advertisement)

    async def _begin(self, client: BleakClient) -> None:
        """Do what `kinefed.sensors.driver` says, in its order."""
        characteristics = self._characteristics(client)
        self._require_mtu(characteristics)
        await self._write(client, characteristics, self._driver.setup)
        for uuid in self._driver.reads:
            if uuid in characteristics:
                self._packet(uuid, bytes(await client.read_gatt_char(characteristics[uuid])))
        for uuid in self._driver.notifies:
            if uuid in characteristics:
                await client.start_notify(characteristics[uuid], self._callback(uuid))
        await self._write(client, characteristics, self._driver.start)
        self._heard_ns = self._clock() + round(GRACE_S * 1e9)

    def _characteristics(self, client: BleakClient) -> dict[str, BleakGATTCharacteristic]:
        """Find the driver's characteristics; only the standard battery level may be missing."""
        driver = self._driver
        writes = (*driver.setup, *driver.start, *driver.stop, *driver.poll)
        found: dict[str, BleakGATTCharacteristic] = {}
        there = client.services.characteristics.values()
        for uuid in (*driver.notifies, *driver.reads, *(w.characteristic for w in writes)):
            same = next((c for c in there if driver.same_uuid(c.uuid, uuid)), None)
            if same is not None:
                found[uuid] = same
            elif uuid != BATTERY_LEVEL:
                raise sensor_error(SensorReason.OTHER_SENSOR, self._name, uuid)
        return found

    def _require_mtu(self, characteristics: dict[str, BleakGATTCharacteristic]) -> None:
        if self._driver.splits:
            return
        # The size of a client says 23 on Linux whatever it is; that of a characteristic is true.
        mtu = max(c.max_write_without_response_size for c in characteristics.values()) + 3
        if mtu < self._driver.min_mtu:
            detail = f"{mtu} bytes, {self._driver.min_mtu} needed"
            raise sensor_error(SensorReason.SMALL_MTU, self._name, detail)

    async def _write(
        self,
        client: BleakClient,
        characteristics: dict[str, BleakGATTCharacteristic],
        writes: tuple[Write, ...],
    ) -> None:
        for write in writes:
            await client.write_gatt_char(
                characteristics[write.characteristic], write.value, response=write.response
            )

    def _callback(self, uuid: str) -> Callable[[BleakGATTCharacteristic, bytearray], None]:
        def notified(_characteristic: BleakGATTCharacteristic, value: bytearray) -> None:
            # First of all the time: whatever comes before it is a delay of its own.
            now = self._clock()
            self._heard_ns = max(self._heard_ns, now)
            self._sink(Packet(self._name, now, uuid, bytes(value)))

        return notified

    def _packet(self, uuid: str, value: bytes) -> None:
        self._sink(Packet(self._name, self._clock(), uuid, value))

    async def _until_dead(self) -> SensorReason:
        """Watch a link: it may be silent for ever and call itself connected."""
        silence_ns = round(self._driver.silence_s * 1e9)
        polled = now = self._clock()
        while True:
            before = now
            with suppress(TimeoutError):
                async with asyncio.timeout(self._driver.silence_s / 4.0):
                    await self._gone.wait()
                    return SensorReason.LOST
            now = self._clock()
            if now - before > silence_ns // 2:
                # This program was busy and did not listen; what was sent meanwhile still waits.
                self._heard_ns = max(self._heard_ns, now)
            if now - self._heard_ns > silence_ns:
                return SensorReason.NO_DATA
            if self._driver.poll and now - polled > POLL_S * 1e9 and self._client is not None:
                polled = now
                with suppress(*RADIO_ERRORS):
                    characteristics = self._characteristics(self._client)
                    await self._write(self._client, characteristics, self._driver.poll)

    async def _again(self) -> None:
        attempt = 0
        while True:
            await asyncio.sleep(RETRY_S[min(attempt, len(RETRY_S) - 1)])
            attempt += 1
            try:
                await self.open()
            except SensorError as error:
                self._event(LinkState.RETRYING, str(error))
            else:
                return

    async def _farewell(self) -> None:
        """Disconnect as far as that is possible."""
        client, self._client = self._client, None
        if client is None:
            return
        with suppress(*RADIO_ERRORS):
            async with asyncio.timeout(DISCONNECT_S):
                await client.disconnect()

    def _event(self, state: LinkState, detail: str = "") -> None:
        self._sink(LinkEvent(self._name, self._clock(), state, detail))
