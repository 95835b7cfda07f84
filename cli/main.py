"""The ``kinefed`` command: its groups, and the one place where errors become exit codes."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

# Before anything of Flower is imported: it reads these once, and would otherwise report each run
# to its makers, ask for updates, and install packages at run time.
os.environ.setdefault("FLWR_TELEMETRY_ENABLED", "0")
os.environ.setdefault("FLWR_DISABLE_UPDATE_CHECK", "1")
os.environ.setdefault("FLWR_DISABLE_RUNTIME_DEPENDENCY_INSTALLATION", "1")

import click
import typer
import typer.core

from kinefed.cli import (
    data,
    evaluate,
    export,
    live,
    models,
    personalize,
    report,
    sensors,
    simulate,
    tasks,
    train,
)
from kinefed.cli.sensor_source import SourceCommand

# With Rich installed Typer puts backslashes into plain help as well ("\\[required]").
typer.core.HAS_RICH = False

INTERRUPTED = 130
OUTSIDE = 4


@dataclass(slots=True)
class Globals:
    """Flags that stand before the command."""

    debug: bool = False


app = typer.Typer(
    name="kinefed",
    help="Federated, personalised estimation of joint torque from wearable sensors.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,  # Rich would double the time of --help
    pretty_exceptions_enable=False,
)
app.command("simulate", short_help="A whole federation on one machine: table and report.")(
    simulate.simulate
)
data.app.command("export", short_help="A recording as EDF+ or BDF+.")(export.export)
app.add_typer(data.app, name="data")
app.add_typer(models.app, name="models")
app.add_typer(sensors.app, name="sensors")
app.command("train", short_help="One model, all data in one place.")(train.train)
app.command("evaluate", short_help="Score a model person by person.")(evaluate.evaluate)
app.command("personalize", short_help="Adapt a model to one wearer, behind the gate.")(
    personalize.personalize
)
app.command("live", cls=SourceCommand, short_help="Worn sensors to torque.")(live.live)
app.command("tasks", short_help="Learn to tell movements apart, for `live`.")(tasks.tasks)
app.command("report", short_help="The report of a run again.")(report.report)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(version("kinefed"))
        raise typer.Exit


@app.callback()
def _globals(
    context: typer.Context,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    if isinstance(context.obj, Globals):
        context.obj.debug = debug


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    arguments
        Without the program's name; None: those of this process.

    Returns
    -------
    int
        0 done, 1 a fault in kinefed, 2 wrong use, 3 bad data or bundle, 4 something outside
        failed, 130 interrupted.
    """
    flags = Globals()
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        code = typer.main.get_command(app).main(
            given, prog_name="kinefed", standalone_mode=False, obj=flags
        )
    except (click.Abort, KeyboardInterrupt):
        code = INTERRUPTED
    except click.exceptions.NoArgsIsHelpError as error:
        sys.stderr.write(f"{error.format_message()}\n")
        return 2
    except click.ClickException as error:
        path = error.ctx.command_path if isinstance(error, click.UsageError) and error.ctx else ""
        hint = f" See `{path or 'kinefed'} --help`"
        return _fail(f"{error.format_message().rstrip('.')}.{hint}", 2, label=True)
    except Exception as error:
        if flags.debug:
            import traceback

            traceback.print_exc()
        return _explain(error)
    if code == INTERRUPTED:  # Typer turns Ctrl-C into this code
        return _fail("interrupted; run the same command again to go on", INTERRUPTED)
    return code if isinstance(code, int) else 0


def _explain(error: Exception) -> int:
    from kinefed.datasets.errors import KinefedError

    if isinstance(error, KinefedError):
        return _fail(str(error), error.exit_code, label=True)
    if isinstance(error, OSError):
        text = f"{error}. Look at the path, its permissions and the space on the disk"
        return _fail(text, OUTSIDE, label=True)
    kind = type(error).__name__
    text = f"unexpected {kind}: {error}. Please report it with the output of `kinefed --debug ...`"
    return _fail(text, 1, label=True)


def _fail(text: str, code: int, *, label: bool = False) -> int:
    from kinefed.cli import output

    (output.error if label else output.note)(text)
    return code


if __name__ == "__main__":
    sys.exit(main())
