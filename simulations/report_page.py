"""HTML pieces of the report: every text that comes from outside is escaped here."""

from __future__ import annotations

import base64
import math
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from kinefed.simulations.report_data import Personal, Row, RunFolder, method_rank
from kinefed.simulations.report_words import (
    METHODS,
    VERDICTS,
    Comparison,
    amount,
    method_name,
    percent,
    signed,
)

# Nothing may be loaded and no script may run, whatever a run folder holds.
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"

CSS = """
:root { color-scheme: light }
body { font: 16px/1.5 system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif;
  color: #1a1a1a; background: #fff; max-width: 62rem; margin: 2rem auto; padding: 0 1.2rem }
h1 { font-size: 1.7rem; line-height: 1.2; margin-bottom: .3rem }
h2 { font-size: 1.2rem; margin: 2.4rem 0 .5rem; padding-top: .6rem; border-top: 1px solid #d0d0d0 }
p, li { max-width: 46rem } p { margin: .5rem 0 } .meta, .note { color: #555; font-size: .9rem }
.answer { border-left: 4px solid #0072b2; padding: .3rem 1rem; margin: 1rem 0; background: #f4f8fb;
  max-width: 48rem } .answer ul { margin: .4rem 0; padding-left: 1.2rem; font-size: .94rem }
figure { margin: 1rem 0; break-inside: avoid } figure img { max-width: 100%; height: auto }
figcaption, caption { color: #444; font-size: .9rem; text-align: left }
caption { padding-bottom: .4rem; caption-side: top; width: max-content;
  max-width: min(46rem, 92vw) }
figcaption { max-width: 50rem }
.wide { overflow-x: auto } table { border-collapse: collapse; font-size: .88rem; margin: 1rem 0;
  font-variant-numeric: tabular-nums }
th, td { padding: .28rem 1.3rem .28rem 0; text-align: right; vertical-align: top;
  border-bottom: 1px solid #e6e6e6; white-space: nowrap }
thead th { border-bottom: 1.5px solid #444; vertical-align: bottom }
th:first-child, td:first-child, .text td, .text th { text-align: left }
tbody th { font-weight: normal } .text td:last-child { white-space: normal }
td small { color: #555; font-size: .92em } .best { font-weight: 700 }
pre { background: #f6f6f6; padding: .8rem; font-size: .82rem; white-space: pre-wrap;
  overflow-wrap: anywhere } summary { cursor: pointer; color: #0b5a8a; font-size: .92rem }
nav { font-size: .92rem } nav a { margin-right: 1rem } a { color: #0b5a8a }
@media print { body { font-size: 10pt; margin: 0; max-width: none; padding: 0 }
  nav, details:not([open]) { display: none } h2 { break-after: avoid }
  .wide { overflow: visible; break-inside: avoid } table { font-size: 7.5pt }
  th, td { padding-right: .7rem } thead th { white-space: normal } tr { break-inside: avoid } }
"""


def page(title: str, sections: Sequence[tuple[str, str, str]], lead: str) -> str:
    """Return a whole page.

    Parameters
    ----------
    title
        Plain text.
    sections
        (anchor, heading as plain text, HTML); those without HTML are left out.
    lead
        HTML above the first heading.
    """
    shown = [s for s in sections if s[2]]
    links = "".join(f'<a href="#{anchor}">{escape(head)}</a> ' for anchor, head, _ in shown)
    body = "".join(
        f'<section id="{anchor}"><h2>{escape(head)}</h2>{html}</section>\n'
        for anchor, head, html in shown
    )
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{CSS}</style></head>\n<body><main>\n"
        f'<h1>{escape(title)}</h1>\n{lead}\n<nav aria-label="Contents">{links}</nav>\n{body}'
        "</main></body></html>\n"
    )


def paragraphs(texts: Iterable[str], kind: str = "") -> str:
    """Return plain texts as paragraphs."""
    attribute = f' class="{kind}"' if kind else ""
    return "".join(f"<p{attribute}>{escape(t)}</p>" for t in texts)


def bullets(texts: Iterable[str]) -> str:
    """Return plain texts as a list."""
    return "<ul>" + "".join(f"<li>{escape(t)}</li>" for t in texts) + "</ul>"


def image(svg: bytes, alt: str, caption: str) -> str:
    """Return a figure; `alt` and `caption` are plain text."""
    data = base64.b64encode(svg).decode("ascii")
    return (
        f'<figure><img src="data:image/svg+xml;base64,{data}" alt="{escape(alt)}">'
        f"<figcaption>{escape(caption)}</figcaption></figure>\n"
    )


def table(caption: str, head: Sequence[str], rows: Iterable[Sequence[str]], kind: str = "") -> str:
    """Return a table; `caption` and `head` are plain text, cells are HTML, the first a header."""
    lines = "".join(
        f'<tr><th scope="row">{row[0]}</th>' + "".join(f"<td>{c}</td>" for c in row[1:]) + "</tr>"
        for row in rows
    )
    heads = "".join(f'<th scope="col">{escape(h)}</th>' for h in head)
    attribute = f' class="{kind}"' if kind else ""
    return (
        f'<div class="wide"><table{attribute}><caption>{escape(caption)}</caption>'
        f"<thead><tr>{heads}</tr></thead><tbody>{lines}</tbody></table></div>\n"
    )


def folded(summary: str, html: str) -> str:
    """Return HTML that opens on a click (and needs no script)."""
    return f"<details><summary>{escape(summary)}</summary>{html}</details>\n"


def _interval(row: Row) -> str:
    if math.isnan(row.ci_low) or math.isnan(row.ci_high):
        return amount(row.rmse)
    return f"{amount(row.rmse)} <small>[{amount(row.ci_low)}, {amount(row.ci_high)}]</small>"


def _bold(html: str, best: bool) -> str:
    return f'<span class="best">{html}</span>' if best else html


def _names(row: Row, networks: int) -> str:
    network = f" <small>{escape(row.network)}</small>" if networks > 1 and row.network else ""
    return escape(method_name(row.method)) + network


def results_tables(run: RunFolder) -> str:
    """Return the table of means and the table by joint."""
    ordered = sorted(run.rows, key=lambda r: (method_rank(r.method), r.network))
    means = [r for r in ordered if r.joint == "mean"]
    networks = len({r.network for r in run.rows if r.network})
    seeds = any(not math.isnan(r.seed_sd) for r in means)
    lowest = min((r.rmse for r in means if not math.isnan(r.rmse)), default=math.nan)
    head = ["method", "RMSE [95 %] N m/kg", "nRMSE", "r", "R²", "R² pooled", "worst person"]
    html = table(
        "Mean over the joints, of all test frames of each person, averaged over people. In "
        "brackets the 95 % bootstrap interval over people; nRMSE as a share of the person's range; "
        "R² pooled over all frames; the worst person with their RMSE. Bold: lowest error.",
        [*head, "SD over seeds"] if seeds else head,
        [
            [
                _names(r, networks),
                _bold(_interval(r), r.rmse == lowest),
                percent(r.nrmse),
                amount(r.r, 2),
                amount(r.r2, 2),
                amount(r.r2_pooled, 2),
                f"{escape(r.worst_person)} <small>{amount(r.worst_rmse)}</small>",
                *([amount(r.seed_sd)] if seeds else []),
            ]
            for r in means
        ],
    )
    best = {
        j: min((r.rmse for r in run.rows if r.joint == j and not math.isnan(r.rmse)), default=0.0)
        for j in run.joints
    }
    keys = list(dict.fromkeys((r.method, r.network) for r in ordered))
    lines = []
    for key in keys:
        own = {r.joint: r for r in ordered if (r.method, r.network) == key}
        some = next(iter(own.values()))
        cells = [_joint_cell(own.get(j), best[j]) for j in run.joints]
        lines.append([_names(some, networks), *cells])
    html += table(
        "By joint: RMSE [95 % interval over people] in N m/kg; below it R², r, and the worst "
        "person with their RMSE.",
        ["method", *run.joints],
        lines,
    )
    known = [m for m in run.methods if m in METHODS]
    return html + folded(
        "What each method is",
        table(
            "Methods",
            ["method", "id", "what it is"],
            [
                [escape(METHODS[m][0]), f"<code>{escape(m)}</code>", escape(METHODS[m][1])]
                for m in known
            ],
            "text",
        ),
    )


def _joint_cell(row: Row | None, best: float) -> str:
    if row is None:
        return "–"
    return (
        f"{_bold(_interval(row), row.rmse == best)}<br><small>R² {amount(row.r2, 2)} · r "
        f"{amount(row.r, 2)} · {escape(row.worst_person)} {amount(row.worst_rmse)}</small>"
    )


def comparison_table(compared: Sequence[Comparison]) -> str:
    """Return the paired comparisons."""
    if not compared:
        return ""
    return table(
        "Person by person, on the frames that both methods tested: mean difference of RMSE in "
        "N m/kg (negative: the first has the lower error) with the 95 % t interval over people. "
        "Better or worse: the interval leaves out zero.",
        ["method", "against", "difference [95 %]", "lower error for", "reads as"],
        [
            [
                escape(method_name(c.second)),
                escape(method_name(c.first)),
                f"{signed(c.pair.difference)} <small>[{signed(c.pair.low)}, "
                f"{signed(c.pair.high)}]</small>",
                f"{c.pair.lower} of {c.pair.people}",
                VERDICTS[c.pair.verdict],
            ]
            for c in compared
        ],
        "text",
    )


def gate_table(personal: Sequence[Personal]) -> str:
    """Return hurt, improved and gain, with and without the gate."""
    head = ["method", "hurt", "hurt, gated", "hurt, by coin", "improved", "improved, gated"]
    return table(
        "Share of cases (a person in one test direction and seed) in which the error rose by more "
        "than 1 % (hurt) or fell (improved) against the global model, and the median gain (fall of "
        "RMSE; positive is better), with and without the adoption gate; adopted: how often the "
        "gate chose the personal model; by coin: a gate that adopts as often, blindly.",
        [*head, "median gain", "median gain, gated", "adopted"],
        [
            [
                escape(method_name(p.method)),
                percent(p.ungated.hurt),
                percent(p.gated.hurt),
                percent(p.ungated.hurt * p.adopted_rate),
                percent(p.ungated.improved),
                percent(p.gated.improved),
                percent(p.ungated.median_gain, plus=True),
                percent(p.gated.median_gain, plus=True),
                percent(p.adopted_rate),
            ]
            for p in sorted(personal, key=lambda p: method_rank(p.method))
        ],
    )


def cell(value: object) -> str:
    """Return a value of the summary as the text of a cell."""
    if isinstance(value, float):
        return "–" if math.isnan(value) else f"{value:.4g}"
    if isinstance(value, list):
        return " · ".join(cell(v) for v in value)
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return "–" if value is None else escape(str(value))


def pairs_table(caption: str, pairs: Mapping[str, Any]) -> str:
    """Return names and values."""
    rows = [[escape(k.replace("_", " ")), cell(v)] for k, v in pairs.items()]
    return table(caption, ["what", "value"], rows, "text") if rows else ""
