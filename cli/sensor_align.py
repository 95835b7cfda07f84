"""``kinefed sensors align``: one time for all sensors, from a recording of them in one hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from kinefed.cli.output import JsonFlag, emit, figure, note, show_table


def align(
    data: Annotated[
        Path, typer.Argument(metavar="DATA", help="What `kinefed sensors record` wrote.")
    ],
    worn: Annotated[Path, typer.Option(help="The worn.toml of that recording.")],
    out: Annotated[Path, typer.Option(help="New worn.toml with the delays.")],
    begin_s: Annotated[
        float | None, typer.Option("--from", help="Second.", show_default="the beginning")
    ] = None,
    end_s: Annotated[
        float | None, typer.Option("--to", help="Second.", show_default="the end")
    ] = None,
    json: JsonFlag = False,
) -> None:
    """Find how late each sensor is, from a recording of all of them turned together in the hand."""
    import math

    from kinefed.datasets import Dataset
    from kinefed.sensors.orientation import imus_of
    from kinefed.sensors.together import delays
    from kinefed.sensors.worn_file import read_worn, write_worn

    sensors = read_worn(worn)
    dataset = Dataset.open(data)
    recording = dataset.load(dataset.refs[0])
    places = {each.place for each in sensors}
    imus = {place: each for place, each in imus_of(recording).items() if place in places}
    span = (begin_s or 0.0, math.inf if end_s is None else end_s)
    found = delays(imus, span)
    # The recording was made with the delays that were known then.
    aligned = [
        replace(each, delay_ms=round(each.delay_ms + 1e3 * found[each.place].delay_s, 2))
        if each.place in found
        else each
        for each in sensors
    ]
    write_worn(out, aligned)
    rows = [
        {
            "sensor": each.name,
            "place": each.place,
            "found_ms": 1e3 * found[each.place].delay_s,
            "delay_ms": each.delay_ms,
            "alike": found[each.place].alike,
        }
        for each in aligned
        if each.place in found
    ]
    if json:
        emit({"out": str(out), "sensors": rows})
        return
    show_table(
        f"Delays in {data}",
        ["sensor", "worn on", "late (ms)", "alike"],
        [
            [str(r["sensor"]), str(r["place"]), figure(r["found_ms"], 1), figure(r["alike"], 3)]
            for r in rows
        ],
    )
    note(f"{out}: {len(rows)} sensors with their delays; record and calibrate with it from now on")
