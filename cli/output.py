"""What a command prints: one JSON object or a table on stdout, everything else on stderr."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.console import Console

JsonFlag = Annotated[
    bool, typer.Option("--json", help="Print one JSON object on standard output, nothing else.")
]


def console(*, stderr: bool = False) -> Console:
    """Return a console that prints text as it is: names from outside are no markup."""
    # Rich takes as long to import as everything else that `--help` needs.
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    # Into a file or a pipe, a table is as wide as it needs to be.
    width = None if stream.isatty() else 200
    return Console(stderr=stderr, markup=False, highlight=False, soft_wrap=True, width=width)


def plain(text: object) -> str:
    """Return text as one line without control characters, so that no name can steer a terminal."""
    return "".join(c if c.isprintable() else " " for c in str(text)).strip()


def note(text: object) -> None:
    """Print a line on standard error."""
    console(stderr=True).print(plain(text))


def error(text: object) -> None:
    """Print the one line that a failed command ends with."""
    from rich.text import Text

    console(stderr=True).print(Text("error: ", style="bold red") + Text(plain(text)))


@contextmanager
def only_json(wanted: bool) -> Iterator[None]:
    """Send what libraries print to standard error while a command that prints JSON works."""
    if not wanted:
        yield
        return
    with redirect_stdout(sys.stderr):
        yield


def emit(value: dict[str, Any]) -> None:
    """Print one JSON object on standard output; numbers that are not finite become null."""
    sys.stdout.write(json.dumps(_finite(value), indent=1, allow_nan=False, default=str) + "\n")
    sys.stdout.flush()


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(k): _finite(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def show_table(title: str, head: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table on standard output; columns of numbers are right-aligned."""
    from rich import box
    from rich.table import Table

    lines = [[plain(cell) for cell in row] for row in rows]
    table = Table(title=plain(title), title_justify="left", box=box.SIMPLE, pad_edge=False)
    for i, name in enumerate(head):
        numeric = bool(lines) and all(line[i][:1] in "0123456789-–" for line in lines)
        table.add_column(name, justify="right" if numeric else "left")
    for line in lines:
        table.add_row(*line)
    console().print(table)


def figure(value: object, digits: int = 3) -> str:
    """Write a number with some digits; a dash where there is none."""
    if isinstance(value, int | float) and math.isfinite(value):
        return f"{value:.{digits}f}"
    return "–"


def words(text: str | None) -> tuple[str, ...]:
    """Split ``a,b`` into its parts."""
    return tuple(part.strip() for part in (text or "").split(",") if part.strip())
