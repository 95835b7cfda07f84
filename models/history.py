"""What happened in a training, and the hooks through which others watch it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class EpochRow:
    """One epoch.

    Attributes
    ----------
    epoch
        From 0.
    train_loss
        Mean over its steps, scaled units.
    validation_loss
        After the epoch, scaled units; None without validation windows.
    rate
        Rate of its last step.
    improved
        The validation loss was the lowest so far.
    """

    epoch: int
    train_loss: float
    validation_loss: float | None
    rate: float
    improved: bool


@dataclass(frozen=True, slots=True)
class History:
    """All epochs of a training.

    Attributes
    ----------
    rows
        One an epoch, in order.
    best_epoch
        The epoch whose weights were kept.
    stopped_early
        Patience ran out before the last epoch.
    """

    rows: tuple[EpochRow, ...]
    best_epoch: int
    stopped_early: bool

    @property
    def best(self) -> EpochRow:
        """The row of `best_epoch`."""
        return self.rows[self.best_epoch]


class TrainHook:
    """Watches a training; override what you need. Nothing here changes the result."""

    def on_fit_begin(self, epochs: int, steps_per_epoch: int) -> None:
        """Before the first step, with the most that there can be."""

    def on_step_end(self, epoch: int, step: int, loss: float) -> None:
        """After each step, with the loss before its update."""

    def on_epoch_end(self, row: EpochRow) -> None:
        """After each epoch and its validation."""

    def on_fit_end(self, history: History) -> None:
        """After the best weights were put back."""
