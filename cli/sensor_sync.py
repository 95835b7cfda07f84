"""``kinefed sensors sync``: one clock for several Movella DOTs, by their own synchronisation."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kinefed.cli.output import JsonFlag, emit, note, only_json
from kinefed.cli.sensor_source import AdapterOption, FindOption, Source, WornOption

if TYPE_CHECKING:
    from kinefed.sensors.worn import Worn


def sync(
    out: Annotated[Path, typer.Option(help="New worn.toml with synchronised DOTs.")],
    worn: WornOption = None,
    simulate: Annotated[
        bool, typer.Option("--simulate", help="Emulated sensors: to see how it goes.")
    ] = False,
    adapter: AdapterOption = None,
    find_s: FindOption = 10.0,
    json: JsonFlag = False,
) -> None:
    """Give the DOTs of worn.toml one clock, which lasts until they are switched off.

    Takes 14 s and some for each sensor. Rate and filter cannot change afterwards.
    """
    from kinefed.datasets import DataError, DataReason
    from kinefed.sensors.dot_sync import WAIT_S, synchronise
    from kinefed.sensors.worn_file import write_worn

    if out.exists():
        raise DataError(
            DataReason.EXISTS, "it is there already", where=out, next_step="Choose another name"
        )
    source = Source(worn, "" if simulate else None, None, adapter, find_s)

    async def wait(seconds: float) -> None:
        note(f"the sensors find one another: {seconds:.0f} s; leave them where they are")
        await asyncio.sleep(seconds)

    async def session() -> tuple[Worn, ...]:
        async with source.open() as (radio, sensors):
            return await synchronise(radio, sensors, wait)

    with only_json(json):
        synced = asyncio.run(session())
        write_worn(out, synced)
    names = [each.name for each in synced if each.settings.get("synced")]
    if json:
        emit({"out": str(out), "synchronised": names, "wait_s": WAIT_S})
        return
    note(f"{out}: {', '.join(names)} have one clock; record and calibrate with it from now on")
