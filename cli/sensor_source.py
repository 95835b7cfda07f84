"""Where the sensors of a command come from: a real radio, or an emulated one with a person."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import click
import typer
from typer.core import TyperCommand

if TYPE_CHECKING:
    from kinefed.datasets import Recording
    from kinefed.sensors.radio import Radio
    from kinefed.sensors.worn import Worn

WornOption = Annotated[
    Path | None,
    typer.Option(
        "--worn", help="TOML file of the sensors that are worn.", show_default=False, metavar="TOML"
    ),
]
SimulateOption = Annotated[
    str | None,
    typer.Option(
        "--simulate",
        metavar="[DATASET]",
        help="Emulated sensors on a person of a dataset folder; without one, on swinging legs.",
        show_default=False,
    ),
]
RecordingOption = Annotated[
    str | None,
    typer.Option(
        "--recording",
        help="Recording of the simulated person, S01/s01/walk_01.",
        show_default="the first with sensors",
    ),
]
AdapterOption = Annotated[
    str | None,
    typer.Option(help="Bluetooth adapter, on Linux.", show_default="the system's first"),
]
FindOption = Annotated[
    float, typer.Option("--find", min=0.1, help="Seconds to look for each sensor.")
]


class SourceCommand(TyperCommand):
    """Lets ``--simulate`` stand without a value."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put the empty value where none is given."""
        given = list(args)
        for i, word in enumerate(args):
            bare = i + 1 == len(args) or args[i + 1].startswith("-")
            if word == "--simulate" and bare:
                given.insert(i + 1 + len(given) - len(args), "")
        return super().parse_args(ctx, given)


@dataclass(frozen=True, slots=True)
class Source:
    """What was asked for; `open` makes it.

    Attributes
    ----------
    worn, simulate, recording, adapter, find_s
        Values of the options.
    """

    worn: Path | None
    simulate: str | None
    recording: str | None = None
    adapter: str | None = None
    find_s: float = 10.0

    @contextlib.asynccontextmanager
    async def open(
        self, *, need_worn: bool = True
    ) -> AsyncIterator[tuple[Radio, tuple[Worn, ...]]]:
        """Give the radio and the sensors.

        Parameters
        ----------
        need_worn
            False where the command does without a list of sensors.

        Raises
        ------
        UsageError
            ``bad_argument`` without ``--worn`` on a real radio, ``missing_extra``.
        DataError
            Where the file or the dataset is wrong.
        """
        from kinefed.sensors.worn_file import read_worn

        worn = None if self.worn is None else read_worn(self.worn)
        if self.simulate is not None:
            need("bumble", "ble-sim")
            from kinefed.sensors.virtual.person import default_worn, swinging, virtual_person

            if self.simulate:
                person = self._person(Path(self.simulate))
                worn = worn or default_worn(person)
            else:
                worn = worn or _legs()
                person = swinging(worn)
            async with virtual_person(person, worn, find_s=self.find_s) as there:
                yield there.radio, there.worn
            return
        need("bleak", "sensors")
        from kinefed.sensors.radio import Radio

        if worn is None and need_worn:
            raise click.UsageError("Give --worn TOML, or --simulate to try it without sensors.")
        yield Radio(self.adapter, find_s=self.find_s), worn or ()

    def _person(self, folder: Path) -> Recording:
        from kinefed.datasets import DataError, DataReason, Dataset, RecordingRef

        dataset = Dataset.open(folder)
        if self.recording is not None:
            return dataset.load(RecordingRef.parse(self.recording))
        for ref in dataset.refs:
            found = dataset.load(ref)
            if any(c.startswith("acc.") for s in found.streams.values() for c in s.channels):
                return found
        raise DataError(
            DataReason.MISSING_COLUMN,
            "no recording of it has an IMU",
            where=folder,
            next_step="Choose another dataset; 'kinefed data simulate' makes one",
        )


def _legs() -> tuple[Worn, ...]:
    """Choose what a person wears of whom nothing is known."""
    from kinefed.sensors.worn import Worn

    places = ("pelvis", "thigh.r", "shank.r", "foot.r")
    return (
        *(Worn(place, "movella-dot", place=place) for place in places),
        Worn("calf.r", "myo", electrodes={1: "tibialis_anterior.r", 4: "soleus.r"}),
    )


def need(module: str, extra: str) -> None:
    """Refuse where a library is not installed, with the extra that has it.

    Raises
    ------
    UsageError
        ``missing_extra``.
    """
    import importlib.util

    from kinefed.datasets.errors import UsageError, UsageReason

    if importlib.util.find_spec(module) is None:
        raise UsageError(
            UsageReason.MISSING_EXTRA,
            f"the library {module} is not installed",
            next_step=f'Install it with pip install "kinefed[{extra}]"',
        )
