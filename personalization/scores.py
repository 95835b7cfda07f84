"""Squared errors that can be added up over folds, contacts and recordings."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kinefed.models import TorqueNetwork, predict
from kinefed.signals import Scaling, Windows

# Windows whose labels are gathered at a time; see `kinefed.models.predict`.
_BATCH = 2048


@dataclass(frozen=True, slots=True)
class LabelErrors:
    """Sums of squared errors.

    Attributes
    ----------
    total : (outputs,) float64
        In (N m/kg)^2.
    count : (outputs,) float64
        Labels summed over.
    """

    total: NDArray[np.float64]
    count: NDArray[np.float64]

    @property
    def rmse(self) -> float:
        """Root mean squared error in N m/kg, mean over the outputs that have labels."""
        there = self.count > 0
        if not there.any():
            return float("nan")
        return float(np.sqrt(self.total[there] / self.count[there]).mean())

    @classmethod
    def merged(cls, parts: Iterable[LabelErrors]) -> LabelErrors:
        """Add some errors, at least one."""
        first, *rest = parts
        total, count = first.total, first.count
        for part in rest:
            total, count = total + part.total, count + part.count
        return cls(total, count)


def label_errors(module: TorqueNetwork, windows: Windows, scaling: Scaling) -> LabelErrors:
    """Sum the squared errors of a network over all valid labels of some windows.

    Parameters
    ----------
    module
        Evaluated with the weights it holds.
    windows
        One label a window.
    scaling
        The one the network was trained with.
    """
    total, count = np.zeros(windows.n_outputs), np.zeros(windows.n_outputs)
    for start in range(0, len(windows), _BATCH):
        part = windows.subset(np.arange(start, min(start + _BATCH, len(windows))))
        _, y, mask = part.gather(np.arange(len(part)))
        valid = np.isfinite(y) & mask[:, None]
        error = predict(module, part, scaling).astype(np.float64) - y
        total += np.where(valid, error**2, 0.0).sum(axis=0)
        count += valid.sum(axis=0)
    return LabelErrors(total, count)
