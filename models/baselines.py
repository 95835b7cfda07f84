"""What a network has to beat: the mean torque profile, and trees on three taps."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from kinefed.models.errors import ModelError, ModelReason
from kinefed.signals.windows import Windows

Float32Array = NDArray[np.float32]

PROFILE_POINTS = 101
"""0 to 100 % of the contact."""

TAPS_S = (0.0, 0.05, 0.1)
"""Delays of the trees' taps; EMG leads motion by 30 to 150 ms (the review, see `Source`)."""

PREDICT_ROWS = 4096


def labels(windows: Windows) -> Float32Array:
    """Return the labels of all windows, (windows, outputs) float32, N m/kg."""
    y: Float32Array = windows.gather(np.arange(len(windows)))[1]
    return y


def contact_phase(windows: Windows) -> NDArray[np.float64]:
    """Return where in its contact each window's label stands, (windows,), 0 at its start to 1.

    The end of a contact is not known before it comes: a phase is an **oracle**, for baselines and
    plots, never an input. Ends are those of the leg's whole contact, also for a subset of its
    windows; a contact of one frame has phase 0.
    """
    phase = np.zeros(len(windows))
    for number in np.unique(windows.leg).tolist():
        rows = np.flatnonzero(windows.leg == number)
        contact = windows.series[number].contact
        inside = np.flatnonzero(contact >= 0)
        ids = contact[inside]
        size = int(ids.max(initial=-1)) + 1
        first, last = np.full(size, len(contact)), np.zeros(size, dtype=np.int64)
        np.minimum.at(first, ids, inside)
        np.maximum.at(last, ids, inside)
        frames = windows.frame[rows]
        own = contact[frames]
        phase[rows] = (frames - first[own]) / np.maximum(last[own] - first[own], 1)
    return phase


class MeanProfile:
    """The training people's mean torque over the contact, the comparison of Molinaro et al. (2020).

    Each contact is stretched to 0..100 %, contacts are averaged within a person, people are
    averaged with equal weight. With phase it is an **oracle**: it is told when a test contact
    will end, which no wearable system knows; it needs no signal at all. Without phase it is the
    constant mean torque.

    Parameters
    ----------
    phase
        False: the constant mean.

    Attributes
    ----------
    profile
        (101, outputs) float32, N m/kg, after `fit`; all rows are equal without phase.
    """

    def __init__(self, *, phase: bool = True) -> None:
        self.phase = phase
        self.profile: Float32Array | None = None

    def fit(self, windows: Windows) -> MeanProfile:
        """Average the labels of the training people.

        Raises
        ------
        ModelError
            ``no_windows``.
        """
        if not len(windows):
            raise _nothing("mean profile")
        y = labels(windows).astype(np.float64)
        grid = np.linspace(0.0, 1.0, PROFILE_POINTS)
        at = contact_phase(windows) if self.phase else np.zeros(len(windows))
        people = []
        for person in np.unique(windows.group):
            own = windows.group == person
            curves = []
            for contact in np.unique(windows.contact[own]):
                rows = np.flatnonzero(own & (windows.contact == contact))
                rows = rows[np.argsort(at[rows], kind="stable")]
                curves.append([np.interp(grid, at[rows], y[rows, k]) for k in range(y.shape[1])])
            people.append(np.mean(curves, axis=0) if self.phase else y[own].mean(axis=0)[:, None])
        mean = np.mean(people, axis=0).T
        self.profile = np.broadcast_to(mean, (PROFILE_POINTS, y.shape[1])).astype(np.float32)
        return self

    def predict(self, windows: Windows) -> Float32Array:
        """Read the profile at each window's phase: (windows, outputs) float32, N m/kg.

        Raises
        ------
        ModelError
            ``no_windows`` before `fit`.
        """
        if self.profile is None:
            raise _nothing("mean profile", "Call fit first")
        at = contact_phase(windows) if self.phase else np.zeros(len(windows))
        grid = np.linspace(0.0, 1.0, PROFILE_POINTS)
        columns = [np.interp(at, grid, self.profile[:, k]) for k in range(self.profile.shape[1])]
        return np.stack(columns, axis=1).astype(np.float32)


class Trees:
    """Extremely randomised trees (Geurts, Ernst, Wehenkel 2006) on a few delayed samples.

    Scale-free, no tuning, seconds to train: a network that does not beat them on the same frames
    is not worth its weights.

    Parameters
    ----------
    seed
        Of the forest.
    trees, min_samples_leaf
        As in scikit-learn.
    taps_s
        Delays of the samples, seconds; the window must reach the longest.
    jobs
        Trees grown at a time; does not change the result, bit for bit.
    """

    def __init__(
        self,
        *,
        seed: int = 0,
        trees: int = 200,
        min_samples_leaf: int = 2,
        taps_s: tuple[float, ...] = TAPS_S,
        jobs: int = 1,
    ) -> None:
        # Half a second to import, and only this baseline needs it.
        from sklearn.ensemble import ExtraTreesRegressor

        self.taps_s = taps_s
        self._forest: Any = ExtraTreesRegressor(
            n_estimators=trees,
            min_samples_leaf=min_samples_leaf,
            random_state=seed,
            n_jobs=jobs,
        )
        self._outputs = 0

    def features(self, windows: Windows) -> Float32Array:
        """Return the taps of every channel, (windows, channels * taps) float32, unscaled.

        Raises
        ------
        ModelError
            ``wrong_shape`` where the window is shorter than the longest tap.
        """
        delays = [round(tap * windows.rate_hz) for tap in self.taps_s]
        if max(delays) >= windows.length:
            raise ModelError(
                ModelReason.WRONG_SHAPE,
                f"a window of {windows.length} frames does not reach back {max(self.taps_s)} s",
                where="trees",
                next_step=f"Use windows of {max(delays) + 1} frames or more",
            )
        columns = [windows.length - 1 - delay for delay in delays]
        parts = [np.empty((0, windows.n_channels * len(delays)), dtype=np.float32)]
        for start in range(0, len(windows), PREDICT_ROWS):
            rows = np.arange(start, min(start + PREDICT_ROWS, len(windows)))
            parts.append(windows.gather(rows)[0][:, :, columns].reshape(len(rows), -1))
        return np.concatenate(parts)

    def fit(self, windows: Windows) -> Trees:
        """Grow the forest.

        Raises
        ------
        ModelError
            ``no_windows`` or ``wrong_shape``.
        """
        if not len(windows):
            raise _nothing("trees")
        y = labels(windows)
        self._outputs = y.shape[1]
        # One output must be a vector, or scikit-learn warns.
        self._forest.fit(self.features(windows), y[:, 0] if self._outputs == 1 else y)
        # Threads add up their trees in the order they finish: another last bit in each run.
        self._forest.set_params(n_jobs=1)
        return self

    def predict(self, windows: Windows) -> Float32Array:
        """Estimate torques: (windows, outputs) float32, N m/kg.

        Raises
        ------
        ModelError
            ``no_windows`` before `fit`, ``wrong_shape``.
        """
        if not self._outputs:
            raise _nothing("trees", "Call fit first")
        if not len(windows):
            return np.empty((0, self._outputs), dtype=np.float32)
        y: Float32Array = self._forest.predict(self.features(windows)).astype(np.float32)
        return y.reshape(-1, self._outputs)


def _nothing(where: str, next_step: str = "Give training windows with labels") -> ModelError:
    return ModelError(
        ModelReason.NO_WINDOWS, "nothing was learnt", where=where, next_step=next_step
    )
