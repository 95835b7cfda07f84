"""The one owner of the Bluetooth adapter: finds and connects sensors, one at a time.

A second scan at a time fails on most systems, and adapters lose connections where several are
made at once, so everything here waits for its turn.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from bleak import BleakClient, BleakScanner
from bleak.args.bluez import BlueZClientArgs, BlueZScannerArgs
from bleak.backends.client import BaseBleakClient
from bleak.backends.device import BLEDevice
from bleak.backends.scanner import AdvertisementData, BaseBleakScanner
from bleak_retry_connector import establish_connection

from kinefed.sensors.driver import Advertisement
from kinefed.sensors.errors import SensorReason, sensor_error
from kinefed.sensors.faults import RADIO_ERRORS, translate

FIND_S = 10.0
"""Sensors advertise at least once in a few seconds."""
CONNECT_S = 20.0


@dataclass(frozen=True, slots=True)
class Found:
    """A device nearby.

    Attributes
    ----------
    address
        Bluetooth address; on macOS a UUID that stands for it.
    advertisement
        What it says of itself.
    rssi
        Strength of its signal in dBm.
    """

    address: str
    advertisement: Advertisement
    rssi: int
    device: BLEDevice = field(repr=False, compare=False)


class Radio:
    """The adapter.

    Parameters
    ----------
    adapter
        Name on Linux, ``hci1``; by default the system's first.
    find_s
        How long a sensor is looked for.
    scanner, client
        Backends of bleak in place of the system's: an emulated radio.

    Attributes
    ----------
    find_s
        As given.
    """

    def __init__(
        self,
        adapter: str | None = None,
        *,
        find_s: float = FIND_S,
        scanner: type[BaseBleakScanner] | None = None,
        client: type[BaseBleakClient] | None = None,
    ) -> None:
        self._scanner = scanner
        self._client = client
        self._adapter = adapter
        self.find_s = find_s
        self._turn = asyncio.Lock()

    async def scan(self, seconds: float = 5.0) -> list[Found]:
        """List what is nearby, strongest first.

        Raises
        ------
        SensorError
            Where Bluetooth cannot be used.
        """
        found: dict[str, Found] = {}

        def heard(device: BLEDevice, data: AdvertisementData) -> bool:
            found[device.address] = _found(device, data)
            return False

        async with self._turn:
            await self._listen(heard, seconds, "", self._adapter)
        return sorted(found.values(), key=lambda each: -each.rssi)

    async def connect(
        self,
        name: str,
        wanted: Callable[[Found], bool],
        gone: Callable[[], None],
        adapter: str | None = None,
    ) -> BleakClient:
        """Look for a sensor and connect it.

        It is looked for every time: systems forget devices that are not connected, and what they
        remember of one may be of before its restart.

        Parameters
        ----------
        name
            For messages.
        wanted
            Tells the sensor among what is nearby.
        gone
            Called when the connection ends, whoever ended it.
        adapter
            Another one than that of the session.

        Raises
        ------
        SensorError
            ``not_found``, ``refused``, or where Bluetooth cannot be used.
        """
        async with self._turn:
            by = adapter or self._adapter
            found = await self._listen(lambda d, a: wanted(_found(d, a)), self.find_s, name, by)
            if found is None:
                raise sensor_error(SensorReason.NOT_FOUND, name)
            try:
                return await self._connect(found, name, gone, by)
            except RADIO_ERRORS as error:
                raise translate(error, name) from error

    async def _listen(
        self,
        wanted: Callable[[BLEDevice, AdvertisementData], bool],
        seconds: float,
        name: str,
        adapter: str | None,
    ) -> BLEDevice | None:
        bluez = BlueZScannerArgs(adapter=adapter) if adapter else BlueZScannerArgs()
        try:
            scanner = BleakScanner(bluez=bluez, backend=self._scanner)
            async with scanner:
                try:
                    async with asyncio.timeout(seconds):
                        async for device, data in scanner.advertisement_data():
                            if wanted(device, data):
                                return device
                except TimeoutError:
                    return None
        except RADIO_ERRORS as error:
            raise translate(error, name) from error
        return None

    async def _connect(
        self, device: BLEDevice, name: str, gone: Callable[[], None], adapter: str | None
    ) -> BleakClient:
        if self._client is not None:
            client = BleakClient(
                device, lambda _client: gone(), backend=self._client, timeout=CONNECT_S
            )
            await client.connect()
            return client
        bluez = BlueZClientArgs(adapter=adapter) if adapter else BlueZClientArgs()
        # Two attempts: where they fail, the sensor is looked for again before the next.
        return await establish_connection(
            BleakClient,
            device,
            name,
            disconnected_callback=lambda _client: gone(),
            max_attempts=2,
            use_services_cache=False,
            bluez=bluez,
        )


def _found(device: BLEDevice, data: AdvertisementData) -> Found:
    advertisement = Advertisement(
        data.local_name or device.name or "",
        tuple(data.service_uuids),
        tuple(data.manufacturer_data),
    )
    return Found(device.address, advertisement, data.rssi, device)
