"""The report of a run: one self-contained HTML page, and the figure of the README."""

from __future__ import annotations

import math
from html import escape
from pathlib import Path

from matplotlib.figure import Figure

from kinefed.simulations import report_figures as figures
from kinefed.simulations import report_page as page
from kinefed.simulations.report_curves import Curves, contact_curves, headline
from kinefed.simulations.report_data import RunFolder
from kinefed.simulations.report_read import number, read_run
from kinefed.simulations.report_tables import choice_tables, cluster_tables
from kinefed.simulations.report_words import answer, comparisons, limits, method_name, question

__all__ = ["results_figure", "write_report"]

COSTS = {
    "wall_s": "run time (s)",
    "bytes_up_per_client_round": "upload of one client in one round (bytes)",
    "bytes_down_per_client_round": "download of one client in one round (bytes)",
}
NO_SIGNAL = "This run holds no predictions to draw."


def write_report(run: Path) -> Path:
    """Write ``report.html`` into a run folder.

    Parameters
    ----------
    run
        Folder that ``kinefed simulate`` left; parts that are missing are left out of the page.

    Returns
    -------
    Path
        The page. It loads nothing from anywhere and needs no script.

    Raises
    ------
    DataError
        If the folder or a file in it cannot be read; nothing is written then.
    """
    data = read_run(run)
    with figures.style():
        html = _page(data)
    # Renamed into place: a reader never sees half a page.
    target = run / "report.html"
    partial = run / ".report.html.part"
    partial.write_text(html, encoding="utf-8")
    partial.replace(target)
    return target


def results_figure(run: Path, path_png: Path) -> Path:
    """Draw the README's figure: torque curves by joint, and the error of every method.

    Parameters
    ----------
    run
        Folder that ``kinefed simulate`` left.
    path_png
        Where to write it.

    Raises
    ------
    DataError
        If the run cannot be read.
    """
    data = read_run(run)
    curves = contact_curves(data, [m for m in _compared(data) if m in data.predictions])
    joints = data.joints if curves.people else ()
    with figures.style():
        figure = Figure(figsize=(11.0, 3.4), layout="constrained")
        grid = figure.add_gridspec(1, len(joints) + 1, width_ratios=[*(1.0 for _ in joints), 1.25])
        for i, joint in enumerate(joints):
            axis = figure.add_subplot(grid[0, i])
            figures.draw_curves(axis, curves, i)
            axis.set_title(figures.label(joint))
            if i == 0:
                axis.set_ylabel(figures.MOMENT)
                figures.legend(figure, axis)
        axis = figure.add_subplot(grid[0, -1])
        figures.draw_methods(axis, [r for r in data.rows if r.joint == "mean"])
        axis.set_title("error, mean of the joints")
        path_png.write_bytes(figures.png(figure))
    return path_png


def _page(data: RunFolder) -> str:
    curves = contact_curves(data, [m for m in _compared(data) if m in data.predictions])
    lead = page.paragraphs([question(data)])
    lead += f'<div class="answer">{page.paragraphs([" ".join(answer(data))])}</div>'
    return page.page(
        f"Joint torque by federated learning: {data.dataset.get('name') or data.path.name}",
        [
            ("results", "Results", _results(data)),
            ("curves", "Torque over the contact", _curves(curves, data)),
            ("people", "Error of each person", _people(data)),
            ("gate", "Did adapting hurt anyone?", _gate(data)),
            ("traces", "Curves of each person", _traces(curves, data)),
            ("learning", "Learning", _learning(data)),
            ("clusters", "What was clustered with what", cluster_tables(data.clusters)),
            ("choices", "What nested selection chose", choice_tables(data.choices)),
            ("limits", "Limits", page.bullets(limits(data))),
            ("data", "Data and licence", _source(data)),
            ("settings", "Settings", _settings(data)),
        ],
        lead,
    )


def _compared(data: RunFolder) -> tuple[str, ...]:
    return headline(data) or ("fedavg",)


def _results(data: RunFolder) -> str:
    if not data.rows:
        return page.paragraphs(["This run holds no results."])
    figure = page.image(
        figures.svg(figures.methods_figure(data.rows, data.joints)),
        "Dot plot of the root mean square error of each method with its 95 % interval over "
        "people, one panel a joint. The numbers are in the tables below.",
        "Error of each method; bars are 95 % intervals over people. Grey: baselines and controls; "
        "blue: federated, no data of the wearer; orange: adapted to the wearer (open: no gate).",
    )
    return figure + page.results_tables(data) + page.comparison_table(comparisons(data))


def _joints(data: RunFolder) -> tuple[str, ...]:
    outputs = next((t.outputs for t in data.truth.values()), ())
    return data.joints if len(data.joints) == len(outputs) else outputs


def _curves(curves: Curves, data: RunFolder) -> str:
    if not curves.people:
        return page.paragraphs([NO_SIGNAL], "note")
    names = " and ".join(method_name(n) for n in curves.series if n != "measured")
    return page.image(
        figures.svg(figures.curves_figure(curves, _joints(data))),
        f"Line plots of joint moment over the contact, measured and estimated by {names}, mean "
        f"over {len(curves.people)} people.",
        f"Mean over {len(curves.people)} people (each person's mean over their contacts and over "
        "seeds); bands are one standard deviation over people, of the measured and the personal "
        "curve. Errors that differ in sign between people cancel here; the next sections show each "
        "person. Internal moments: extension and plantarflexion are positive.",
    )


def _traces(curves: Curves, data: RunFolder) -> str:
    if not curves.people:
        return ""
    left_out = len(curves.people) - figures.MAX_PEOPLE
    more = f" {left_out} more people are not drawn." if left_out > 0 else ""
    return page.image(
        figures.svg(figures.people_figure(curves, _joints(data))),
        "Grid of line plots: measured and estimated joint moment over the contact, one row a "
        "person, one column a joint.",
        f"The same for each person: mean over their contacts.{more}",
    )


def _people(data: RunFolder) -> str:
    personal = [p for p in data.personal if p.people]
    if not personal:
        return ""
    return page.image(
        figures.svg(figures.errors_figure(personal)),
        "Dot plot: for each person the error of the global model, of the personal model without "
        "the gate, and of the model that the gate serves.",
        "Each line is a person, in order of the global model's error. A diamond to the left of "
        "its square: fine-tuning helped. The ring is what the wearer gets. Means over seeds and "
        "test directions, so a ring can lie between the two.",
    )


def _gate(data: RunFolder) -> str:
    return page.gate_table(data.personal) if data.personal else ""


def _learning(data: RunFolder) -> str:
    if not data.curves:
        return ""
    return page.image(
        figures.svg(figures.learning_figure(data.curves)),
        "Line plots of the training loss over federated rounds, one panel a model.",
        "Mean training loss of the clients, by round. Thin: each fold and seed; thick: their "
        "median.",
    )


def _source(data: RunFolder) -> str:
    dataset = data.dataset
    texts = [
        f"Dataset: {dataset.get('name', 'unnamed')}.",
        f"Citation: {dataset.get('citation') or 'none given in the dataset'}",
        f"Licence: {dataset.get('licence') or 'none given in the dataset'}",
    ]
    return page.paragraphs(texts)


def _settings(data: RunFolder) -> str:
    cost = {name: data.numbers.get(key) for key, name in COSTS.items()}
    html = page.pairs_table(
        "What the run cost", {k: v for k, v in cost.items() if not math.isnan(number(v))}
    )
    html += page.pairs_table("The network", data.network)
    html += page.pairs_table("The machine", data.machine)
    if data.config_text:
        html += page.paragraphs(["config.toml, as resolved:"])
        html += f"<pre>{escape(data.config_text)}</pre>"
    return html
