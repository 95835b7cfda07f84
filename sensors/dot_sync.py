"""One clock for several Movella DOTs: the sensors' own synchronisation.

Movella DOT BLE Services Specifications (2023), message service: each sensor is told the address of
one of them, the root, and must then be without a connection for 14 s. Afterwards they measure on
the root's clock until they are switched off or told to stop.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import replace

from bleak import BleakClient

from kinefed.datasets.errors import UsageError, UsageReason
from kinefed.sensors.decoder import Notice
from kinefed.sensors.drivers.movella_dot import (
    DRIVER_ID,
    MESSAGE_ACK,
    MESSAGE_CONTROL,
    MESSAGE_EVENT,
    SYNC_STATUS,
    SYNC_STOP,
    message,
    movella_dot,
    sync_start,
)
from kinefed.sensors.errors import SensorReason, sensor_error
from kinefed.sensors.faults import RADIO_ERRORS, translate
from kinefed.sensors.radio import Radio
from kinefed.sensors.worn import Worn

WAIT_S = 14.0
"""How long the sensors need without a connection: they find one another in about 12 s."""
ANSWER_S = 3.0
_ADDRESS = re.compile(r"[0-9A-F]{2}(:[0-9A-F]{2}){5}\Z")

Sleep = Callable[[float], Awaitable[None]]


async def synchronise(
    radio: Radio, worn: Sequence[Worn], sleep: Sleep = asyncio.sleep
) -> tuple[Worn, ...]:
    """Give all DOTs among the sensors one clock.

    Each is connected for a moment and told to begin, left alone, and then asked for the result.

    Parameters
    ----------
    radio
        The adapter; nothing else may be connected.
    worn
        The sensors; those of other kinds are left alone.
    sleep
        Waits.

    Returns
    -------
    tuple of Worn
        The same sensors, the DOTs with ``synced = true``: they keep rate and filter from now on.

    Raises
    ------
    UsageError
        ``bad_argument`` for fewer than two DOTs or one without an address, which it needs.
    SensorError
        ``refused`` with what the sensor said, or where it cannot be connected.
    """
    dots = [each for each in worn if each.driver_id == DRIVER_ID]
    for each in dots:
        if not _ADDRESS.match((each.address or "").upper()):
            raise UsageError(
                UsageReason.BAD_ARGUMENT,
                f"its address is {each.address!r}",
                where=f"sensor {each.name}",
                next_step="Synchronisation needs Bluetooth addresses, D4:22:CD:00:00:01",
            )
    if len(dots) < 2:
        raise UsageError(
            UsageReason.BAD_ARGUMENT, "one clock is for two DOTs or more", where="synchronise"
        )
    root = str(dots[0].address)
    for each in dots:
        async with _connected(radio, each) as client:
            with _translated(each):
                for write in each.driver().setup:
                    await client.write_gatt_char(write.characteristic, write.value, response=True)
                status = await _ask(client, message(SYNC_STATUS))
                if status is not None and status.name == "synchronised" and status.ok:
                    await _ask(client, message(SYNC_STOP))
                # The sensor goes its way at once, so it need not answer.
                await client.write_gatt_char(MESSAGE_CONTROL, sync_start(root), response=True)
    await sleep(WAIT_S)
    for each in dots:
        async with _connected(radio, each) as client:
            with _translated(each):
                answer = bytes(await client.read_gatt_char(MESSAGE_ACK))
        found = movella_dot().make_decoder().feed(MESSAGE_ACK, answer, 0)
        result = next((item for item in found if isinstance(item, Notice)), None)
        if result is None or not result.ok:
            said = "an answer that is none" if result is None else result.fields["result"]
            raise sensor_error(SensorReason.REFUSED, each.name, f"synchronisation: {said}")
    return tuple(
        replace(each, settings={**each.settings, "synced": True}) if each in dots else each
        for each in worn
    )


async def _ask(client: BleakClient, question: bytes) -> Notice | None:
    """Write a message and take the answer; None where there is none in time."""
    decoder, answered = movella_dot().make_decoder(), asyncio.Event()
    answers: list[Notice] = []

    def heard(_characteristic: object, value: bytearray) -> None:
        items = decoder.feed(MESSAGE_EVENT, bytes(value), 0)
        answers.extend(item for item in items if isinstance(item, Notice))
        answered.set()

    await client.start_notify(MESSAGE_EVENT, heard)
    try:
        await client.write_gatt_char(MESSAGE_CONTROL, question, response=True)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(answered.wait(), ANSWER_S)
    finally:
        await client.stop_notify(MESSAGE_EVENT)
    return answers[0] if answers else None


@contextlib.asynccontextmanager
async def _connected(radio: Radio, worn: Worn) -> AsyncIterator[BleakClient]:
    client = await radio.connect(
        worn.name, lambda found: found.address == worn.address, lambda: None, worn.adapter
    )
    try:
        yield client
    finally:
        with contextlib.suppress(*RADIO_ERRORS):
            await client.disconnect()


@contextlib.contextmanager
def _translated(worn: Worn) -> Iterator[None]:
    try:
        yield
    except RADIO_ERRORS as error:
        raise translate(error, worn.name) from error
