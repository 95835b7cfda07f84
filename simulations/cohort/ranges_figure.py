"""One picture of virtual people beside published ranges: a panel a task, a line a quantity."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from kinefed.simulations.cohort.survey import Row, TaskTable, share_in_range
from kinefed.simulations.report_figures import BLUE, GREY, ORANGE, style

COLUMNS = 2
# Inches: a line, a panel's title with the gap above it, and the three parts of a panel's width.
_LINE, _TITLE = 0.2, 0.5
_NAMES, _PLOT, _NUMBERS = 3.3, 2.7, 1.6
_TOP, _EDGE = 0.6, 0.2
# Every range is drawn from 0 to 1; people beyond these ends are drawn at them.
_ENDS = (-1.0, 2.0)


def ranges_figure(tables: Sequence[TaskTable], title: str) -> Figure:
    """Draw all tasks with published ranges.

    Parameters
    ----------
    tables
        As `tabulate` gives them.
    title
        A line above the panels.
    """
    shown = [table for table in tables if table.rows]
    columns = _columns(shown)
    wide = _NAMES + _PLOT + _NUMBERS + _EDGE
    width = wide * max(len(columns), 1)
    height = _TOP + _EDGE + max((sum(map(_height, c)) for c in columns), default=1.0)
    with style():
        figure = Figure(figsize=(width, height))
        figure.text(_EDGE / width, 1.0 - 0.25 / height, title, fontsize=10, weight="bold")
        figure.text(
            _EDGE / width,
            1.0 - 0.47 / height,
            "grey: published range, drawn equally wide; a mark is one person (blue within, orange "
            "diamonds beyond, triangles beyond the picture)",
            fontsize=8,
            color=GREY,
        )
        for i, column in enumerate(columns):
            top = height - _TOP
            for table in column:
                tall = _LINE * len(table.rows)
                box = (i * wide + _NAMES, top - _TITLE - tall, _PLOT, tall)
                scaled = (box[0] / width, box[1] / height, box[2] / width, box[3] / height)
                _draw(figure.add_axes(scaled), table)
                top -= _height(table)
    return figure


def _height(table: TaskTable) -> float:
    return _TITLE + _LINE * len(table.rows)


def _columns(tables: Sequence[TaskTable]) -> list[list[TaskTable]]:
    """Share the panels among columns of about the same height, in their order."""
    columns: list[list[TaskTable]] = [[] for _ in range(min(COLUMNS, len(tables)))]
    for table in tables:
        shortest = min(columns, key=lambda column: sum(map(_height, column)))
        shortest.append(table)
    return columns


def _draw(axis: Axes, table: TaskTable) -> None:
    count = len(table.rows)
    axis.set_xlim(*_ENDS)
    axis.set_ylim(count - 0.5, -0.5)
    axis.set_axis_off()
    share = f"{100.0 * share_in_range(table.rows):.0f} % in range"
    axis.text(
        _ENDS[0], -0.75, f"{table.name}: {share}", ha="left", va="bottom", weight="bold", fontsize=9
    )
    for y, row in enumerate(table.rows):
        band = row.band
        axis.plot(_ENDS, (y, y), color="#e8e8e8", linewidth=0.6, zorder=0)
        axis.barh(y, 1.0, 0.62, 0.0, color="#d4d4d4", zorder=1)
        _people(axis, row, y)
        name = f"{band.what} ({band.quantity.unit})"
        axis.text(_ENDS[0] - 0.06, y, name, ha="right", va="center", fontsize=7.5)
        numbers = f"{band.low:.3g} to {band.high:.3g}"
        axis.text(_ENDS[1] + 0.12, y, numbers, ha="left", va="center", fontsize=7.5, color=GREY)
        percent = f"{100.0 * row.share:.0f} %"
        axis.text(_ENDS[1] + 1.65, y, percent, ha="right", va="center", fontsize=7.5)


def _people(axis: Axes, row: Row, y: int) -> None:
    values = row.values[np.isfinite(row.values)]
    at = (values - row.band.low) / (row.band.high - row.band.low)
    # Spread over the line's height in order of people, so that equal values stay apart.
    lift = y + 0.2 * np.sin(2.4 * np.arange(len(at)))
    inside = row.band.holds(values)
    near = (at > _ENDS[0]) & (at < _ENDS[1])
    for chosen, marker, colour in (
        (inside, "o", BLUE),
        (~inside & near, "D", ORANGE),
        (at <= _ENDS[0], "<", ORANGE),
        (at >= _ENDS[1], ">", ORANGE),
    ):
        axis.scatter(
            np.clip(at[chosen], *_ENDS),
            lift[chosen],
            s=9,
            marker=marker,
            color=colour,
            alpha=0.75,
            linewidths=0,
            zorder=2,
            clip_on=False,
        )
