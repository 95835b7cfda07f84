"""The table of virtual people beside published ranges, as Markdown and as numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from kinefed.simulations.cohort.literature import Literature
from kinefed.simulations.cohort.survey import (
    EVERY_TASK,
    LONGER,
    Row,
    TaskTable,
    all_rows,
    percent,
    share_in_range,
)

SCHEMA = 1
# Of people: a quantity that fewer have in range is listed.
ENOUGH = 0.9
_HEAD = (
    "task",
    "quantity",
    "unit",
    "published range",
    "source",
    "people: median (5 to 95 %)",
    "in range",
)


@dataclass(frozen=True, slots=True)
class Asked:
    """How many healthy people of which draw, and seconds of each task."""

    people: int
    seed: int
    seconds: float


def to_json(tables: Sequence[TaskTable], literature: Literature, asked: Asked) -> dict[str, Any]:
    """Return all numbers as one object; what is not finite becomes null."""
    rows = all_rows(tables)
    return {
        "schema": SCHEMA,
        **asdict(asked),
        "share_in_range": _finite(share_in_range(rows)),
        "share_in_checked_range": _finite(share_in_range([r for r in rows if r.band.checked])),
        "out_of_range": [
            {"task": table.name, "quantity": row.band.key, "median_is": row.off}
            for table in tables
            for row in table.rows
            if row.off
        ],
        "without_range": [table.name for table in tables if not table.rows],
        "ranges_without_task": [name for name in literature.bands if name not in EVERY_TASK],
        "sources": dict(literature.sources),
        "tasks": [
            {
                "task": table.name,
                "what": table.what,
                "frames": table.frames,
                "faults": table.faults,
                "repetitions": [sample.repetitions for sample in table.samples],
                "problems": table.problems,
                "share_in_range": _finite(share_in_range(table.rows)),
                "quantities": [_row_json(row) for row in table.rows],
            }
            for table in tables
        ],
    }


def _row_json(row: Row) -> dict[str, Any]:
    band = row.band
    low, middle, high = row.quantiles
    return {
        "quantity": band.key,
        "what": band.what,
        "unit": band.quantity.unit,
        "low": band.low,
        "high": band.high,
        "kind": band.kind,
        "read": band.read,
        "checked": band.checked,
        "sources": list(band.sources),
        "note": band.note,
        "median": _finite(middle),
        "p5": _finite(low),
        "p95": _finite(high),
        "in_range": row.share,
        "values": [_finite(float(value)) for value in row.values],
    }


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def to_markdown(tables: Sequence[TaskTable], literature: Literature, asked: Asked) -> str:
    """Return the table, the faults, what is out of range and the sources as Markdown."""
    rows = all_rows(tables)
    checked = [row for row in rows if row.band.checked]
    longer = ", ".join(f"{asked.seconds * more:g} s of {name}" for name, more in LONGER.items())
    lines = [
        "# Virtual people beside published ranges",
        "",
        f"{asked.people} random healthy people (seed {asked.seed}), {asked.seconds:g} s of each "
        f"task ({longer}). A person's number is the mean over their strides or repetitions, those "
        "with faulty frames included; moments are low-passed at 10 Hz before their peaks are read.",
        "",
        f"**{percent(share_in_range(rows))} of all people and quantities are within the published "
        f"range** ({len(rows)} quantities; {percent(share_in_range(checked))} of the "
        f"{len(checked)} whose range was compared with the source's own words, the others are "
        "marked *). A *range of means* spans the means of published groups, beyond which single "
        "people scatter.",
        "",
        f"| {' | '.join(_HEAD)} |",
        "|---" * len(_HEAD) + "|",
    ]
    for table in tables:
        lines += [_row_markdown(table.name, row) for row in table.rows]
    lines += ["", "## Task by task", "", "| task | quantities | in range |", "|---|---|---|"]
    lines += [
        f"| {table.name} | {len(table.rows)} | {percent(share_in_range(table.rows))} |"
        for table in tables
    ]
    lines += [
        "",
        "## Out of range",
        "",
        f"Quantities of fewer than {percent(ENOUGH)} of people.",
        "",
    ]
    few = [(table.name, row) for table in tables for row in table.rows if row.share < ENOUGH]
    lines += [_off_markdown(name, row) for name, row in few] or ["None."]
    lines += ["", "## Faulty frames", "", *_faults_markdown(tables)]
    bare = [table.name for table in tables if not table.rows]
    lines += ["", "## Tasks without a published range", "", ", ".join(bare) or "None."]
    if lost := [name for name in literature.bands if name not in EVERY_TASK]:
        lines += ["", "## Ranges without a task", "", ", ".join(lost)]
    used = {key for row in rows for key in row.band.sources}
    lines += ["", "## Sources", ""]
    lines += [f"- {key}: {cite}" for key, cite in literature.sources.items() if key in used]
    return "\n".join(lines) + "\n"


def _row_markdown(task: str, row: Row) -> str:
    band, (low, middle, high) = row.band, row.quantiles
    source = f"{', '.join(band.sources)} ({band.kind}, {band.read}{'' if band.checked else ' *'})"
    if band.note:
        source += f": {band.note}"
    return (
        f"| {task} | {band.what} | {band.quantity.unit} "
        f"| {band.low:.3g} to {band.high:.3g} | {source} "
        f"| {_number(middle)} ({_number(low)} to {_number(high)}) "
        f"| {percent(row.share)} |"
    )


def _off_markdown(task: str, row: Row) -> str:
    band = row.band
    return (
        f"- {task}, {band.what}: {percent(row.share)} in range; the median is "
        f"{_number(row.quantiles[1])} {band.quantity.unit} ({band.low:.3g} to {band.high:.3g})"
    )


def _faults_markdown(tables: Sequence[TaskTable]) -> list[str]:
    kinds = next((list(table.faults) for table in tables if table.faults is not None), [])
    lines = [
        f"| task | frames | {' | '.join(kinds)} | problems |",
        "|---" * (len(kinds) + 3) + "|",
    ]
    for table in tables:
        faults = table.faults
        cells = ["-" if faults is None else str(faults[kind]) for kind in kinds]
        problems = "; ".join(table.problems)
        lines.append(f"| {table.name} | {table.frames} | {' | '.join(cells)} | {problems} |")
    return lines


def _number(value: float) -> str:
    return f"{value:.3g}" if math.isfinite(value) else "-"
