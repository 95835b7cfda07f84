"""One person's recordings as windows, ready for a network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kinefed.client.errors import ClientError, ClientReason, NothingToLearnError
from kinefed.datasets import Dataset
from kinefed.datasets.types import MVC_TASK
from kinefed.personalization import (
    NO_CLUSTER,
    Bout,
    bout_of_window,
    bouts,
    descriptor_table,
    nearest,
    standardised,
)
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
    emg_reference
        ``emg.<muscle>.<side>`` to the volts that envelopes are a fraction of.
    source
        Dataset folder, person and setup, as given to :func:`local_data`.
    """

    series: tuple[LegSeries, ...]
    windows: Windows
    bouts: tuple[Bout, ...]
    window_bout: NDArray[np.intp]
    emg_reference: Mapping[str, float]
    source: tuple[Path, str, str]

    @property
    def descriptors(self) -> NDArray[np.float64]:
        """Bout descriptors, (bouts, d)."""
        return descriptor_table(self.bouts)

    def sums(self) -> NDArray[np.float64]:
        """Return count, mean and centred squares, (3, values + outputs)."""
        x, y = leg_sums(self.series)
        return np.concatenate([np.stack([s.count, s.mean, s.m2]) for s in (x, y)], axis=1)

    def referenced(self, rows: NDArray[np.intp]) -> LocalData:
        """Return the same windows with envelopes as a fraction of some recordings' peaks.

        Parameters
        ----------
        rows : (n,)
            Windows of the adaptation recordings, which alone give the reference. With none there
            is no reference, and the windows come without EMG.
        """
        if not ModelSetup.from_json(self.source[2]).n_optional:
            return self
        return local_data(*self.source, tuple(np.unique(self.windows.recording[rows]).tolist()))

    def clusters(
        self,
        centres: NDArray[np.float64],
        z_mean: NDArray[np.float64],
        z_std: NDArray[np.float64],
    ) -> NDArray[np.intp]:
        """Return the nearest cluster of each window's bout, `NO_CLUSTER` where it is in no bout.

        Parameters
        ----------
        centres : (k * d,)
            In standardised units; ``z_mean`` and ``z_std`` are (d,).
        """
        if not centres.size or not self.bouts:
            return np.full(len(self.windows), NO_CLUSTER, dtype=np.intp)
        z = standardised(self.descriptors, z_mean, z_std)
        of_bout = nearest(z, centres.reshape(-1, z.shape[1]))
        return np.where(self.window_bout >= 0, of_bout[self.window_bout], NO_CLUSTER)


@lru_cache(maxsize=CACHED_PEOPLE)
def local_data(
    data: Path, subject: str, setup_json: str, reference: tuple[str, ...] | None = None
) -> LocalData:
    """Read and prepare one person's recordings.

    Parameters
    ----------
    data, subject, setup_json
        Dataset folder, person and ``ModelSetup``.
    reference
        Keys of the recordings whose EMG envelopes' peaks are the reference of all envelopes. None:
        all of this person's, which is right only where none of them is a test: for the people
        that a model is trained on, whose peak is the steadier the more recordings it is over.
        Recordings of maximal contractions count with any recording of their session, whose
        electrodes they share; with none given, all of them: nothing is tested on them.
        See :meth:`LocalData.referenced` for the others.

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
    peaks: dict[str, float] = {}
    if spec.optional:
        given = [r for r in refs if reference is None or r.key in reference]
        days = {r.session for r in given or refs}
        used = [r for r in refs if r in given or (r.task == MVC_TASK and r.session in days)]
        peaks = emg_reference_of(dataset.load(r) for r in used)
    for ref in refs:
        series += leg_series(dataset.load(ref), person, spec, peaks)
    if not series:
        raise NothingToLearnError(ClientReason.NOTHING, "no recording has the model's channels")
    windows = Windows(series, setup.window)
    found = tuple(bouts(series, spec))
    of_window = bout_of_window(windows, found)
    place = (data, subject, setup_json)
    return LocalData(tuple(series), windows, found, of_window, peaks, place)


@lru_cache(maxsize=4)
def _dataset(path: Path) -> Dataset:
    return Dataset.open(path)
