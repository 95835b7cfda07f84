"""One person's recordings as windows, ready for a network."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kinefed.client.errors import ClientError, ClientReason, NothingToLearnError
from kinefed.datasets import Dataset
from kinefed.personalization import Bout, bout_of_window, bouts, descriptor_table
from kinefed.personalization.setup import ModelSetup
from kinefed.signals import LegSeries, LegSpec, Windows, emg_reference_of, leg_series, leg_sums

# Worker processes serve many people in turn; the last ones used stay in memory.
CACHED_PEOPLE = 64


@dataclass(frozen=True)
class LocalData:
    """What a client learns from.

    Attributes
    ----------
    series
        One per recording and leg, in the order of the recordings' keys.
    windows
        All windows that end at a label-valid frame of ``series``.
    bouts
        Stretches of movement with their descriptors.
    window_bout : (windows,) int
        Index into ``bouts`` of the bout that holds each window's last frame, -1 for none.
    """

    series: tuple[LegSeries, ...]
    windows: Windows
    bouts: tuple[Bout, ...]
    window_bout: NDArray[np.intp]

    @property
    def descriptors(self) -> NDArray[np.float64]:
        """Bout descriptors, (bouts, d)."""
        return descriptor_table(self.bouts)

    def sums(self) -> NDArray[np.float64]:
        """Return count, mean and centred squares, (3, values + outputs)."""
        x, y = leg_sums(self.series)
        return np.concatenate([np.stack([s.count, s.mean, s.m2]) for s in (x, y)], axis=1)


@lru_cache(maxsize=CACHED_PEOPLE)
def local_data(data: Path, subject: str, setup_json: str) -> LocalData:
    """Read and prepare one person's recordings.

    Raises
    ------
    ClientError
        Where the dataset has no such person; ``NothingToLearnError`` where none of this person's
        recordings has the model's channels.
    """
    setup = ModelSetup.from_json(setup_json)
    dataset = _dataset(data)
    if subject not in dataset.subjects:
        raise ClientError(
            ClientReason.MODEL,
            f"no subject {subject!r} in {data}",
            next_step=f"It has: {', '.join(sorted(dataset.subjects))[:200]}",
        )
    person, spec = dataset.subjects[subject], LegSpec.from_dict(setup.spec)
    series: list[LegSeries] = []
    refs = dataset.select(subject=subject)
    # The first recording stands in for a calibration: its envelope peaks scale all the others.
    reference = emg_reference_of([dataset.load(r) for r in refs[:1]]) if spec.optional else {}
    for ref in refs:
        series += leg_series(dataset.load(ref), person, spec, reference)
    if not series:
        raise NothingToLearnError(ClientReason.NOTHING, "no recording has the model's channels")
    windows = Windows(series, setup.window)
    found = tuple(bouts(series, spec))
    return LocalData(tuple(series), windows, found, bout_of_window(windows, found))


@lru_cache(maxsize=4)
def _dataset(path: Path) -> Dataset:
    return Dataset.open(path)
