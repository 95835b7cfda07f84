"""Progress bars on standard error, for studies and for trainings."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from kinefed.cli.output import plain
from kinefed.models.history import EpochRow, TrainHook
from kinefed.simulations.hooks import StudyHooks


class Bars:
    """One bar a stage; stages before it stay as finished lines.

    Without a terminal (a log file) each stage is one line when it begins.
    """

    def __init__(self) -> None:
        self.console = Console(stderr=True, markup=False, highlight=False)
        self._bars = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=self.console,
        )
        self._task = self._bars.add_task("", total=0, visible=False)

    def __enter__(self) -> Self:
        if self.console.is_terminal:
            self._bars.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        if self.console.is_terminal:
            self._bars.stop()

    def stage(self, name: str, total: int) -> None:
        """Begin a bar."""
        if total <= 0:
            return
        self._task = self._bars.add_task(plain(name), total=total)
        if not self.console.is_terminal:
            self.console.print(f"{plain(name)}: {total}")

    def advance(self, n: int = 1) -> None:
        """Move the present bar on."""
        self._bars.advance(self._task, n)

    def finish(self) -> None:
        """Fill the present bar: what it counted ended early."""
        total = self._bars.tasks[self._task].total
        self._bars.update(self._task, completed=total)

    def note(self, text: str) -> None:
        """Print a line above the bars."""
        self.console.print(plain(text))


class StudyProgress(Bars, StudyHooks):
    """Shows the stages of a study."""


class TrainProgress(TrainHook):
    """Shows the epochs of a training.

    Parameters
    ----------
    bars
        Where.
    """

    def __init__(self, bars: Bars) -> None:
        self.bars = bars

    def on_fit_begin(self, epochs: int, steps_per_epoch: int) -> None:
        """Begin the bar."""
        self.bars.stage("training, epochs at most", epochs)

    def on_epoch_end(self, row: EpochRow) -> None:
        """Move it on."""
        self.bars.advance()
