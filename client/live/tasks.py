"""Which movement is under way: what a recogniser is, and one that always says the same."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from kinefed.sensors import Even

ANY = "any"
"""The models of tasks that have none of their own, or that are not recognised surely enough."""


@dataclass(frozen=True, slots=True)
class TaskGuess:
    """What a recogniser takes the movement for.

    Attributes
    ----------
    task
        Its name.
    confidence
        0 to 1.
    """

    task: str
    confidence: float = 1.0


class TaskRecogniser(Protocol):
    """Follows the streams and says which movement is under way.

    It must take its time from what it is given: the same calls give the same answers.
    """

    def take(self, stream: str, even: Even) -> None:
        """Take the next samples of a stream, in the units of recordings."""

    def guess(self, now_s: float) -> TaskGuess:
        """Say what is done at a time, in seconds since the streams' time zero."""


class ConstantTask:
    """A recogniser for who knows what is done.

    Parameters
    ----------
    task
        Its name.
    """

    def __init__(self, task: str = ANY) -> None:
        self._guess = TaskGuess(task)

    def take(self, stream: str, even: Even) -> None:
        """Need nothing of it."""

    def guess(self, now_s: float) -> TaskGuess:
        """Give the task."""
        return self._guess
