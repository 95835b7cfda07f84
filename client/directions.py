"""What a person adapts on, and what is then tested.

EMG envelopes are a fraction of a reference that only adaptation recordings may give: a reference
from the recording that is tested would tell how strong its own contractions will get. So a tested
person has, for each direction, windows of their own (:func:`ways`), in which all recordings are
scaled by the adaptation recordings of that direction. Whatever reads these windows, a global
model or a personal one, the choice of a cluster or a score, takes them from there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from kinefed.client.data import LocalData
from kinefed.signals import Windows

FloatArray = NDArray[np.float32]
IntArray = NDArray[np.intp]
Values = TypeVar("Values", FloatArray, IntArray)


@dataclass(frozen=True, slots=True)
class Direction:
    """Which of a person's windows to adapt on, and which to test on.

    Attributes
    ----------
    name
        Of the part adapted on.
    adapt, test : (n,) int
        Rows of the person's windows; they share no recording.
    """

    name: str
    adapt: IntArray
    test: IntArray


def directions(windows: Windows, protocol: str) -> list[Direction]:
    """Divide a person's windows.

    Parameters
    ----------
    windows
        All of one person.
    protocol
        ``each-session``: adapt on one session and test on the others, for each session in turn;
        where there is one session only, as ``each-task``. ``each-task``: adapt on one task and
        test on the others, for each task in turn; where there is one task only, adapt on one half
        of the recordings and test on the other, both ways. ``all``: adapt on everything and test
        on nothing.
    """
    rows = np.arange(len(windows))
    if protocol == "all":
        return [Direction("all", rows, rows[:0])]
    part = windows.session
    names = np.unique(part)
    if protocol == "each-task" or len(names) < 2:
        part = windows.task
        names = np.unique(part)
    if len(names) < 2:
        recordings = np.unique(windows.recording)
        first = np.isin(windows.recording, recordings[: len(recordings) // 2])
        part = np.where(first, "first-half", "second-half")
        names = np.unique(part)
    if len(names) < 2:
        return []
    return [
        Direction(str(name), np.flatnonzero(part == name), np.flatnonzero(part != name))
        for name in names
    ]


def ways(local: LocalData, protocol: str) -> tuple[tuple[Direction, LocalData], ...]:
    """Return each direction with the person's data as that direction may see them.

    Parameters
    ----------
    local
        The person; every direction's rows are those of ``local.windows``.
    protocol
        As in :func:`directions`.
    """
    return tuple(
        (direction, local.referenced(direction.adapt))
        for direction in directions(local.windows, protocol)
    )


def each_direction(
    local: LocalData, protocol: str, estimate: Callable[[LocalData], Values]
) -> Values:
    """Work something out for a person's windows without a look at the recording that is tested.

    Parameters
    ----------
    local
        The person.
    protocol
        As in :func:`directions`.
    estimate
        Gives a new array (windows, ...) for all windows of the data it is called with: the
        estimates of a model that adapts to nobody, or clusters.

    Returns
    -------
    (windows, ...)
        Tested windows as their direction sees them; of several directions that test a window the
        last one counts. Someone with a single recording has no direction: all that could give a
        reference is tested itself, so these windows are read without EMG.
    """
    every = ways(local, protocol)
    nothing: IntArray = np.zeros(0, dtype=np.intp)
    untested: list[IntArray] = [
        direction.adapt for direction, _ in every if not len(direction.test)
    ]
    base = local.referenced(np.concatenate([nothing, *untested]))
    found = estimate(base)
    for direction, own in every:
        if own is not base:
            found[direction.test] = estimate(own)[direction.test]
    return found
