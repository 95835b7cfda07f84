"""``kinefed data export``: one recording as a file that other programs read."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kinefed.cli.output import JsonFlag, emit, note, only_json


def export(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Dataset folder.")],
    recording: Annotated[str, typer.Argument(help="Its key, for example S01/s01/walk_01.")],
    out: Annotated[Path, typer.Argument(metavar="FILE", help="New file: .edf or .bdf.")],
    json: JsonFlag = False,
) -> None:
    """Write a recording as EDF+ (.edf, 16 bits a sample) or BDF+ (.bdf, 24 bits)."""
    from kinefed.datasets import Dataset, RecordingRef
    from kinefed.datasets.edf import write_edf

    with only_json(json):
        dataset = Dataset.open(folder)
        ref = RecordingRef.parse(recording)
        file = write_edf(out, dataset.load(ref), dataset.subjects.get(ref.subject))
    if json:
        emit({"file": str(file), "recording": ref.key})
    else:
        note(f"{file}: {ref.key}; 'kinefed data import edf' reads it back")
