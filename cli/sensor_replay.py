"""``kinefed sensors replay``: the recording of a packet log again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from kinefed.cli.output import JsonFlag, emit, note, only_json
from kinefed.cli.sensor_kept import differences, from_log, written

BAD_DATA = 3

PersonOption = Annotated[str, typer.Option("--person", help="Who wears them: a letter or number.")]
SessionOption = Annotated[str, typer.Option("--session", help="Name of the session.")]
TaskOption = Annotated[str, typer.Option("--task", help="What is done, for example walk.")]
MassOption = Annotated[
    float | None,
    typer.Option("--mass-kg", min=5.0, max=400.0, help="Body mass.", show_default=False),
]


def replay(
    log: Annotated[Path, typer.Argument(metavar="LOG", help="Packet log of `record`.")],
    out: Annotated[
        Path | None, typer.Option(help="New dataset folder.", show_default=False)
    ] = None,
    compare: Annotated[
        Path | None,
        typer.Option(help="Recorded folder that must be the same to the bit.", show_default=False),
    ] = None,
    person: PersonOption = "S01",
    session: SessionOption = "s01",
    task: TaskOption = "task",
    mass_kg: MassOption = None,
    json: JsonFlag = False,
) -> None:
    """Make the recording of a packet log again. Exit code 3 where --compare finds a difference."""
    from kinefed.datasets import Dataset, RecordingRef

    ref = RecordingRef(person, session, task, 1)
    with only_json(json):
        if compare is not None:
            ref = Dataset.open(compare).refs[0]
        made, heard, torn = from_log(log, ref)
        if out is not None:
            written(out, made, mass_kg)
        different = None
        if compare is not None:
            different = differences(Dataset.open(compare).load(ref), made)
    found: dict[str, Any] = {
        "log": str(log),
        "dataset": None if out is None else str(out),
        "torn_bytes": torn,
        "streams": {name: len(s.data) for name, s in made.streams.items()},
        "health": {n: {"lost": h.lost, "refused": h.refused} for n, h in heard.health.items()},
        "different": different,
    }
    if json:
        emit(found)
    else:
        for name, samples in found["streams"].items():
            note(f"{name}: {samples} samples")
        if torn:
            note(f"{torn} bytes at the end of the log are no whole packet")
        if different is not None:
            same = "the same to the bit" if not different else f"differs in {', '.join(different)}"
            note(f"{compare}: {same}")
    if different:
        raise typer.Exit(BAD_DATA)
