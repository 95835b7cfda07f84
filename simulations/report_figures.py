"""The report's figures, as SVG: colour-blind-safe, a unit on every axis, nothing that is not data.

The palette is that of Okabe and Ito (2008); lines differ in dash and markers in shape as well, so
that a print in grey can be read.
"""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from kinefed.simulations.report_curves import Curves
from kinefed.simulations.report_data import LearningCurve, Personal, Row, method_rank
from kinefed.simulations.report_words import method_name

BLACK, BLUE, ORANGE, GREEN, GREY = "#000000", "#0072B2", "#D55E00", "#009E73", "#767676"
MODEL_COLOURS = (BLUE, "#CC79A7", "#E69F00", "#56B4E9", GREEN)
STYLES = ((BLACK, "-"), (BLUE, "--"), (ORANGE, "-"))
STYLE = {
    "font.size": 9.0,
    "axes.titlesize": 9.0,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "legend.frameon": False,
    "svg.fonttype": "path",  # the same on a computer without the font
    "svg.hashsalt": "kinefed",  # the same file from the same run
}
MOMENT = "joint moment (N m/kg)"
ERROR = "RMSE (N m/kg)"
# More rows than this are a wall of thumbnails that nobody reads.
MAX_PEOPLE = 24


def style() -> AbstractContextManager[None]:
    """Return the context in which every figure here is made and written."""
    return mpl.rc_context(STYLE)  # type: ignore[arg-type]


def label(text: str, longest: int = 24) -> str:
    """Make outside text safe for a figure: no mathtext, one line, not too long."""
    plain = "".join(c if c.isascii() and c.isprintable() else "?" for c in text)
    short = plain if len(plain) <= longest else f"{plain[: longest - 12]}...{plain[-9:]}"
    return short.replace("$", r"\$")


def method_label(method: str) -> str:
    """Return a method's name for a figure."""
    return label(method_name(method), longest=36)


def svg(figure: Figure) -> bytes:
    """Return a figure as an SVG file."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    return buffer.getvalue()


def png(figure: Figure, dpi: int = 160) -> bytes:
    """Return a figure as a PNG file."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi, metadata={"Software": None})
    return buffer.getvalue()


def panels(
    rows: int, columns: int, width: float, height: float, **kwargs: Any
) -> tuple[Figure, list[Axes]]:
    """Return a figure of `rows` x `columns` axes, in inches, and its axes in reading order."""
    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False, **kwargs)
    return figure, [axis for line in axes for axis in line]


def legend(figure: Figure, axis: Axes) -> None:
    """Put the legend of one panel above all of them."""
    handles, names = axis.get_legend_handles_labels()
    figure.legend(handles, names, loc="outside upper left", ncols=3)


def draw_methods(axis: Axes, rows: Sequence[Row], names: bool = True) -> None:
    """Draw RMSE with its 95 % interval, one method a line, in reading order."""
    rows = sorted(rows, key=lambda r: method_rank(r.method), reverse=True)
    for y, row in enumerate(rows):
        colour = ORANGE if "+transfer" in row.method else BLUE
        if row.method in ("mean-profile", "trees", "local", "nms", "pooled"):
            colour = GREY
        if not (math.isnan(row.ci_low) or math.isnan(row.ci_high)):
            axis.plot([row.ci_low, row.ci_high], [y, y], color=colour, linewidth=1.6)
        filled = not row.method.endswith("-ungated")
        face = colour if filled else "white"
        axis.plot(row.rmse, y, "o", color=colour, markerfacecolor=face, markersize=5.5)
    axis.set_yticks(range(len(rows)), [method_label(r.method) if names else "" for r in rows])
    axis.set_ylim(-0.6, len(rows) - 0.4)
    axis.grid(axis="x", color="#e0e0e0", linewidth=0.6)
    axis.tick_params(axis="y", length=0)
    axis.spines["left"].set_visible(False)
    axis.xaxis.set_major_locator(MaxNLocator(3))
    axis.set_xlabel(ERROR)


def methods_figure(rows: Sequence[Row], joints: Sequence[str]) -> Figure:
    """Error of every method, one panel a joint and one for their mean."""
    shown = [j for j in (*joints, "mean") if any(r.joint == j for r in rows)]
    count = len({r.method for r in rows})
    figure, axes = panels(1, max(len(shown), 1), 9.6, 1.1 + 0.26 * count, sharex=True)
    for i, (axis, joint) in enumerate(zip(axes, shown, strict=False)):
        draw_methods(axis, [r for r in rows if r.joint == joint], names=i == 0)
        axis.set_title("mean of the joints" if joint == "mean" else label(joint))
    return figure


def curve_styles(names: Sequence[str]) -> list[tuple[str, str, str]]:
    """Return (name, colour, dash) of measured, global and personal curves."""
    return [(n, c, d) for n, (c, d) in zip(names, STYLES, strict=False)]


def draw_curves(axis: Axes, curves: Curves, output: int) -> None:
    """Draw one joint: the mean over people, with a band of one SD for measured and the last."""
    percent = 100.0 * curves.phase
    styles = curve_styles(list(curves.series))
    for name, colour, dash in styles:
        values = curves.series[name][:, :, output]
        mean = values.mean(axis=0)
        if name in ("measured", styles[-1][0]) and len(values) > 1:
            sd = values.std(axis=0, ddof=1)
            alpha = 0.16 if name == "measured" else 0.22
            axis.fill_between(percent, mean - sd, mean + sd, color=colour, alpha=alpha, linewidth=0)
        axis.plot(percent, mean, dash, color=colour, linewidth=1.8, label=curve_name(name))
    axis.axhline(0.0, color=GREY, linewidth=0.6, zorder=0)
    axis.set_xlim(0, 100)
    axis.set_xlabel("contact (%)")


def curve_name(name: str) -> str:
    """Return a curve's name in a legend."""
    return "measured" if name == "measured" else method_label(name)


def curves_figure(curves: Curves, joints: Sequence[str]) -> Figure:
    """Torque over the contact phase, one panel a joint, mean and SD over people."""
    figure, axes = panels(1, len(joints), 9.6, 3.1)
    for i, (axis, joint) in enumerate(zip(axes, joints, strict=True)):
        draw_curves(axis, curves, i)
        axis.set_title(label(joint))
    axes[0].set_ylabel(MOMENT)
    legend(figure, axes[0])
    return figure


def people_figure(curves: Curves, joints: Sequence[str]) -> Figure:
    """Small multiples: one row a person, one column a joint."""
    people = curves.people[:MAX_PEOPLE]
    figure, axes = panels(
        len(people), len(joints), 9.6, 0.7 + 1.15 * len(people), sharex=True, sharey="col"
    )
    for p, person in enumerate(people):
        for j, joint in enumerate(joints):
            axis = axes[p * len(joints) + j]
            for name, colour, dash in curve_styles(list(curves.series)):
                line = curves.series[name][p, :, j]
                axis.plot(
                    100.0 * curves.phase,
                    line,
                    dash,
                    color=colour,
                    linewidth=1.3,
                    label=curve_name(name),
                )
            axis.axhline(0.0, color=GREY, linewidth=0.5, zorder=0)
            axis.set_xlim(0, 100)
            axis.yaxis.set_major_locator(MaxNLocator(3))
            if p == 0:
                axis.set_title(label(joint))
            if p == len(people) - 1:
                axis.set_xlabel("contact (%)")
        axes[p * len(joints)].set_ylabel(label(person), rotation=0, ha="right", va="center")
    legend(figure, axes[0])
    figure.supylabel(MOMENT, fontsize=9)
    return figure


def draw_people_errors(axis: Axes, personal: Personal) -> None:
    """Draw each person's error by the global, the fine-tuned and the served model."""
    people = sorted(
        personal.people, key=lambda p: (not math.isnan(p.global_rmse), p.global_rmse), reverse=False
    )
    for y, person in enumerate(people):
        values = [person.global_rmse, person.personal_rmse, person.gated_rmse]
        finite = [v for v in values if not math.isnan(v)]
        if finite:
            axis.plot([min(finite), max(finite)], [y, y], color="#c8c8c8", linewidth=2.0, zorder=1)
    ys = range(len(people))
    axis.scatter(
        [p.gated_rmse for p in people],
        ys,
        s=70,
        facecolors="none",
        edgecolors=GREEN,
        linewidths=1.5,
        label="served by the gate",
        zorder=2,
    )
    axis.scatter(
        [p.global_rmse for p in people], ys, s=20, color=BLUE, marker="s", label="global", zorder=3
    )
    axis.scatter(
        [p.personal_rmse for p in people],
        ys,
        s=24,
        color=ORANGE,
        marker="D",
        label="personal, no gate",
        zorder=3,
    )
    axis.set_yticks(ys, [label(p.subject) for p in people])
    axis.set_ylim(-0.6, len(people) - 0.4)
    axis.grid(axis="x", color="#e0e0e0", linewidth=0.6)
    axis.tick_params(axis="y", length=0)
    axis.spines["left"].set_visible(False)
    axis.set_xlabel(f"{ERROR}, mean of the joints")


def errors_figure(personal: Sequence[Personal]) -> Figure:
    """Error per person: one panel for each personalised method."""
    tallest = max(len(p.people) for p in personal)
    figure, axes = panels(1, len(personal), 9.6, 1.3 + 0.24 * tallest, sharex=True)
    for axis, entry in zip(axes, personal, strict=True):
        draw_people_errors(axis, entry)
        axis.set_title(method_label(entry.method))
    legend(figure, axes[0])
    return figure


def learning_figure(curves: Sequence[LearningCurve]) -> Figure:
    """Training loss over rounds, one panel a model: folds and seeds thin, their median thick."""
    models = sorted({c.model for c in curves}, key=lambda m: (m != "pooled", m))
    figure, axes = panels(1, len(models), min(9.6, 1.0 + 3.2 * len(models)), 2.7, sharey=True)
    for k, (axis, model) in enumerate(zip(axes, models, strict=True)):
        own = [c for c in curves if c.model == model]
        for curve in own:
            axis.plot(curve.rounds, curve.loss, color=GREY, alpha=0.35, linewidth=0.7)
        rounds = sorted({r for c in own for r in c.rounds})
        table = [dict(zip(c.rounds, c.loss, strict=True)) for c in own]
        median = [float(np.median([t[r] for t in table if r in t])) for r in rounds]
        colour = MODEL_COLOURS[k % len(MODEL_COLOURS)]
        axis.plot(rounds, median, color=colour, linewidth=2.2)
        axis.set_title(f"{label(model)} ({len(own)} runs)")
        axis.set_xlabel("round")
        axis.set_ylim(bottom=0.0)
        axis.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes[0].set_ylabel("training loss (scaled torque², no unit)")
    return figure
