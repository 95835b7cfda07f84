"""What a person adapts on, and what is then tested."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kinefed.client.data import LocalData
from kinefed.signals import Windows

FloatArray = NDArray[np.float32]
IntArray = NDArray[np.intp]


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
        ``each-task``: adapt on one task and test on the others, for each task in turn; where
        there is one task only, adapt on one half of the recordings and test on the other, both
        ways. ``all``: adapt on everything and test on nothing.
    """
    rows = np.arange(len(windows))
    if protocol == "all":
        return [Direction("all", rows, rows[:0])]
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


def each_direction(
    local: LocalData, protocol: str, estimate: Callable[[LocalData], FloatArray]
) -> FloatArray:
    """Estimate a tested person's windows without a look at the recording that is tested.

    A model that adapts to nobody still reads envelopes, and these are a fraction of a reference
    that only adaptation recordings may give: so each direction is estimated with its own.

    Parameters
    ----------
    local
        The person.
    protocol
        As in `directions`.
    estimate
        Gives (windows, outputs) for all windows of the data it is called with.
    """
    found = estimate(local)
    for direction in directions(local.windows, protocol):
        own = local.referenced(direction.adapt)
        if own is not local:
            found[direction.test] = estimate(own)[direction.test]
    return found
