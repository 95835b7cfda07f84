"""``kinefed tasks``: learn to tell movements apart by worn IMUs, for ``kinefed live``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kinefed.cli.output import JsonFlag, emit, figure, note, only_json, show_table

if TYPE_CHECKING:
    from kinefed.datasets import Dataset
    from kinefed.datasets.types import FloatArray

# Person to task to the features of each recording's windows.
_Seen = dict[str, dict[str, list["FloatArray"]]]


def tasks(
    data: Annotated[Path, typer.Option(help="Dataset folder.")],
    out: Annotated[Path, typer.Option(help="New file for `kinefed live --tasks`.")],
    sensors: Annotated[
        str, typer.Option(help="Places of IMUs to tell by, comma-separated.")
    ] = "thigh.r,shank.r",
    json: JsonFlag = False,
) -> None:
    """Learn tasks from recordings; each person is tested on what the others teach."""
    from kinefed.client.live.recogniser import fit_tasks
    from kinefed.datasets import DataError, DataReason, Dataset

    if out.exists():
        raise DataError(
            DataReason.EXISTS, "it is there already", where=out, next_step="Choose another name"
        )
    places = [word.strip() for word in sensors.split(",") if word.strip()]
    channels = [
        f"{k}.{place}.{axis}" for place in places for k in ("acc", "gyro") for axis in "xyz"
    ]
    with only_json(json):
        seen = _windows(Dataset.open(data), channels)
        names = sorted({task for each in seen.values() for task in each})
        model = fit_tasks({t: [w for p in seen.values() for w in p.get(t, [])] for t in names},
                          channels)  # fmt: skip
        confused = _left_out(seen, names, channels)
        model.save(out)
    right = {
        name: row.get(name, 0) / sum(row.values()) if sum(row.values()) else None
        for name, row in confused.items()
    }
    total = sum(sum(row.values()) for row in confused.values())
    share = sum(row.get(n, 0) for n, row in confused.items()) / total if total else None
    if json:
        emit(
            {"tasks": str(out), "sensors": places, "people": len(seen), "windows": total,
             "right": share, "right_by_task": right, "taken_for": confused}
        )  # fmt: skip
        return
    rows = []
    for name, row in confused.items():
        others = sorted(((n, c) for n, c in row.items() if n != name and c), key=lambda x: -x[1])
        taken = ", ".join(f"{n} {100 * c / sum(row.values()):.0f} %" for n, c in others[:2])
        part = right[name]
        rows.append([name, figure(None if part is None else 100.0 * part, 0), taken])
    show_table(f"{len(seen)} people, each tested on what the others teach",
               ["task", "right (%)", "else taken for"], rows)  # fmt: skip
    told = "" if share is None else f"; {100 * share:.0f} % of {total} windows right"
    note(f"{out}: {len(names)} tasks by {', '.join(places)}{told}")


def _windows(dataset: Dataset, channels: list[str]) -> _Seen:
    from kinefed.client.live.recogniser import windows_of_recording
    from kinefed.datasets.types import MVC_TASK

    seen: _Seen = {}
    for ref in dataset.refs:
        if ref.task == MVC_TASK:  # a measurement of EMG, which nobody moves in
            continue
        group = dataset.subjects[ref.subject].group
        found = windows_of_recording(dataset.load(ref), channels)
        seen.setdefault(group, {}).setdefault(ref.task, []).append(found)
    return seen


def _left_out(seen: _Seen, names: list[str], channels: list[str]) -> dict[str, dict[str, int]]:
    """Count, by task, what windows of people who were left out are taken for."""
    import numpy as np

    from kinefed.client.live.recogniser import fit_tasks

    counts: dict[str, dict[str, int]] = {name: {} for name in names}
    if len(seen) < 2:
        return counts
    for who, own in seen.items():
        others = [each for person, each in seen.items() if person != who]
        model = fit_tasks({t: [w for p in others for w in p.get(t, [])] for t in names}, channels)
        for name, parts in own.items():
            for features in np.concatenate(parts):
                taken = model.tasks[int(np.argmax(model.posterior(features)[0]))]
                counts[name][taken] = counts[name].get(taken, 0) + 1
    return counts
