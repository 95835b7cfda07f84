"""The honesty table of virtual people: what they do beside what is published of healthy adults.

``python -m kinefed.simulations.cohort.ranges --people 24 --seed 7 --out FOLDER`` lets random
healthy people do every task, prints the table as Markdown and writes it with a figure and all
numbers. ``--page docs/virtual-people.md`` puts the table and the figure in the documentation and
leaves what people wrote there. Progress goes to standard error.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from matplotlib.figure import Figure
from rich.console import Console
from rich.progress import Progress

from kinefed.biomechanics.engine import load_mujoco
from kinefed.datasets.errors import (
    KinefedError,
    OutsideError,
    OutsideReason,
    UsageError,
    UsageReason,
)
from kinefed.simulations.cohort.literature import Literature, read_literature
from kinefed.simulations.cohort.ranges_figure import ranges_figure
from kinefed.simulations.cohort.ranges_page import Asked, to_json, to_markdown
from kinefed.simulations.cohort.survey import (
    EVERY_TASK,
    TaskTable,
    all_rows,
    measure_person,
    percent,
    share_in_range,
    tabulate,
)
from kinefed.simulations.cohort.tasks import check_recording
from kinefed.simulations.report_figures import png, style, svg
from kinefed.simulations.workers import WorkerPool, available_cores

MOST_PEOPLE = 1000
# What follows this line in a page is written by the command; the rest is left as it is.
PAGE_HEAD = "## Beside published ranges\n"


def survey(
    tasks: Sequence[str], asked: Asked, literature: Literature, processes: int
) -> list[TaskTable]:
    """Measure people at tasks in worker processes.

    Parameters
    ----------
    tasks
        Names of `EVERY_TASK`.
    asked
        How many people, of which draw, for how long.
    literature
        The ranges to compare with.
    processes
        Workers.

    Raises
    ------
    UsageError
        ``unknown_name``, ``bad_argument``, or ``missing_extra`` without MuJoCo.
    """
    for name in tasks:
        if name not in EVERY_TASK:
            raise UsageError(
                UsageReason.UNKNOWN_NAME,
                f"no task {name!r}",
                next_step=f"Use one of {', '.join(EVERY_TASK)}",
            )
    for what, value, least, most in (
        ("people", asked.people, 1, MOST_PEOPLE),
        ("seed", asked.seed, 0, 2**31 - 1),
        ("processes", processes, 1, 1024),
    ):
        if not least <= value <= most:
            raise UsageError(
                UsageReason.BAD_ARGUMENT,
                f"{what} {value}",
                next_step=f"Give {least} to {most}",
            )
    check_recording(asked.seconds, 100.0)
    load_mujoco()
    wanted = {t: {b.key: b.like for b in literature.bands.get(t, ())} for t in tasks}
    everybody = range(asked.people)
    jobs = [(t, who, asked.seed, asked.seconds, wanted[t]) for t in tasks for who in everybody]
    title = f"{asked.people} people, {len(tasks)} tasks"
    console = Console(stderr=True)
    if not console.is_terminal:
        console.print(f"{title}: {len(jobs)} recordings")
    bars = Progress(console=console, disable=not console.is_terminal, transient=True)
    with bars, WorkerPool(min(processes, len(jobs))) as pool:
        bar = bars.add_task(title, total=len(jobs))
        samples = pool.map(measure_person, jobs, lambda: bars.advance(bar))
    return list(tabulate(tasks, samples, literature))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Parameters
    ----------
    arguments
        Without the program's name; None: those of this process.

    Returns
    -------
    int
        0 done, 2 wrong use, 3 bad ranges, 4 the folder cannot be written.
    """
    parser = argparse.ArgumentParser(prog="kinefed.simulations.cohort.ranges", description=__doc__)
    parser.add_argument("--people", type=int, default=24, help="how many (default 24)")
    parser.add_argument("--seed", type=int, default=7, help="the same seed, the same people")
    parser.add_argument("--tasks", default="", help="comma-separated (default: all)")
    parser.add_argument("--seconds", type=float, default=20.0, help="of each task (default 20)")
    parser.add_argument("--processes", type=int, default=available_cores(), help="workers")
    parser.add_argument("--out", type=Path, help="folder for ranges.md, .json, .svg and .png")
    parser.add_argument("--page", type=Path, help=f"page to renew from {PAGE_HEAD!r} on")
    parser.add_argument("--json", action="store_true", help="print JSON instead of Markdown")
    given = parser.parse_args(arguments)
    tasks = [t.strip() for t in given.tasks.split(",") if t.strip()] or list(EVERY_TASK)
    asked = Asked(given.people, given.seed, given.seconds)
    try:
        literature = read_literature()
        if given.out is not None:
            with _storing(given.out):
                given.out.mkdir(parents=True, exist_ok=True)
        kept = "" if given.page is None else _kept(given.page)
        tables = survey(list(dict.fromkeys(tasks)), asked, literature, given.processes)
        numbers = json.dumps(to_json(tables, literature, asked), indent=1, allow_nan=False)
        page = to_markdown(tables, literature, asked)
        share = percent(share_in_range(all_rows(tables)))
        who = f"{given.people} virtual people beside published ranges: {share} in range"
        figure = ranges_figure(tables, who)
        if given.out is not None:
            with _storing(given.out):
                _write(given.out, page, numbers, figure)
        if given.page is not None:
            with _storing(given.page):
                _renew(given.page, kept, page, figure)
    except KinefedError as error:
        sys.stderr.write(f"error: {error}\n")
        return error.exit_code
    sys.stdout.write(f"{numbers}\n" if given.json else page)
    return 0


@contextmanager
def _storing(folder: Path) -> Iterator[None]:
    """Say what to do where a folder cannot be written."""
    try:
        yield
    except OSError as error:
        raise OutsideError(
            OutsideReason.STORAGE,
            f"cannot be written ({error.strerror})",
            where=folder,
            next_step="Choose another place with --out or --page",
        ) from None


def _write(folder: Path, page: str, numbers: str, figure: Figure) -> None:
    (folder / "ranges.md").write_text(page, encoding="utf-8")
    (folder / "ranges.json").write_text(f"{numbers}\n", encoding="utf-8")
    with style():
        (folder / "ranges.svg").write_bytes(svg(figure))
        (folder / "ranges.png").write_bytes(png(figure))


def _kept(path: Path) -> str:
    """What people wrote in a page, up to the table."""
    with _storing(path):
        kept, head, _ = path.read_text(encoding="utf-8").partition(PAGE_HEAD)
    if not head:
        raise UsageError(
            UsageReason.BAD_ARGUMENT,
            f"{path} has no line {PAGE_HEAD.strip()!r}",
            next_step="Write that line where the table is to begin",
        )
    return kept


def _renew(path: Path, kept: str, page: str, figure: Figure) -> None:
    """Write the table into a page below its own heading, and the picture beside the page."""
    path.write_text(kept + PAGE_HEAD + page.partition("\n")[2], encoding="utf-8")
    picture = path.parent / "figures" / f"{path.stem}.png"
    picture.parent.mkdir(exist_ok=True)
    with style():
        picture.write_bytes(png(figure, dpi=110))


if __name__ == "__main__":
    sys.exit(main())
