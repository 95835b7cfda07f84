"""The adoption gate: a personal model is served only where it has shown that it is better.

Errors are cross-fitted: every part of the wearer's adaptation data is scored by a model that was
adapted on the other parts. Test recordings never come here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from kinefed.datasets.errors import UsageError, UsageReason
from kinefed.models import TorqueNetwork, from_vector, to_vector
from kinefed.personalization.scores import LabelErrors
from kinefed.personalization.transfer import AdaptResult, TransferConfig, adapt
from kinefed.signals import Scaling, Windows

IntArray = NDArray[np.int64]

# With fewer recordings than this, contacts are left out instead: one of two recordings is half of
# the data, and often all there is of its task.
MIN_RECORDINGS = 3
MAX_FOLDS = 5


class GateReason(StrEnum):
    """Why a personal model is served or not."""

    BETTER = "better"
    NOT_BETTER = "not-better"
    WITHIN_MARGIN = "within-margin"
    UNCERTAIN = "uncertain"
    TOO_FEW_UNITS = "too-few-units"
    DIVERGED = "diverged"


@dataclass(frozen=True, slots=True)
class GateConfig:
    """How much better a personal model has to be.

    Attributes
    ----------
    margin
        Share of the global model's error that the personal one has to save at least, 0 to 1.
    caution
        How many standard errors the mean saving over the folds has to be above 0. 1 is the
        one-standard-error rule (Breiman, Friedman, Olshen and Stone, 1984); with two folds both
        have to improve then. 0 looks at the mean alone.

    Raises
    ------
    UsageError
        ``bad_argument``, naming the field.
    """

    margin: float = 0.0
    caution: float = 0.0

    def __post_init__(self) -> None:
        for name, value, top in (("margin", self.margin, 1.0), ("caution", self.caution, 10.0)):
            if not 0.0 <= value <= top:
                raise UsageError(
                    UsageReason.BAD_ARGUMENT, f"{value} is not in 0..{top:g}", where=f"gate.{name}"
                )


@dataclass(frozen=True, slots=True)
class CrossFit:
    """Errors on parts of the data that the model was not adapted on.

    Attributes
    ----------
    units
        Recordings or contacts that the folds are made of.
    personal, global_
        One a fold. The personal ones are taken after the number of steps that the *other*
        folds' errors choose, so that no fold is scored after as many steps as suit it best.
    steps
        Number of steps that all folds together choose: how long to adapt on all data. 0: the
        global model.
    """

    units: int
    personal: tuple[LabelErrors, ...]
    global_: tuple[LabelErrors, ...]
    steps: int


@dataclass(frozen=True, slots=True)
class GateDecision:
    """Whether to serve the personal model, and why.

    Attributes
    ----------
    adopt
        Serve it.
    personal_rmse, global_rmse
        Cross-fitted, N m/kg, mean over outputs; NaN where there was nothing to compare.
    relative_gain
        ``(global_rmse - personal_rmse) / global_rmse``; NaN likewise.
    units
        Recordings or contacts compared on.
    reason
        What decided.
    """

    adopt: bool
    personal_rmse: float
    global_rmse: float
    relative_gain: float
    units: int
    reason: GateReason


def units(windows: Windows) -> IntArray:
    """Number the parts of a wearer's data that are left out together.

    Windows of one contact are near-copies of one another, so that the smallest honest part is a
    foot contact or repetition; recordings where there are at least `MIN_RECORDINGS`.

    Returns
    -------
    (windows,) int
        0, 1, ... without gaps, in the order of time.
    """
    recordings, of_recording = np.unique(windows.recording, return_inverse=True)
    if len(recordings) >= MIN_RECORDINGS:
        return of_recording.astype(np.int64)
    _, of_contact = np.unique(windows.contact, return_inverse=True)
    return of_contact.astype(np.int64)


def folds(unit: IntArray) -> IntArray:
    """Give each window its fold: one unit each, or every fifth where there are more than five."""
    return unit % MAX_FOLDS


def crossfit(
    module: TorqueNetwork,
    windows: Windows,
    scaling: Scaling,
    config: TransferConfig,
    seed: int,
) -> CrossFit | None:
    """Adapt on all folds but one, score on that one, for each in turn.

    Parameters
    ----------
    module
        Holds the global weights, and holds them again afterwards.
    windows
        The wearer's adaptation data; never test recordings.
    scaling
        That of the global model.
    config
        How to adapt.
    seed
        From 0.

    Returns
    -------
    CrossFit or None
        None with fewer than two units.
    """
    unit = units(windows)
    n_units = int(unit.max(initial=-1)) + 1
    if n_units < 2:
        return None
    fold = folds(unit)
    start = to_vector(module)
    results: list[AdaptResult] = []
    for left_out in range(int(fold.max()) + 1):
        from_vector(module, start)
        results.append(
            adapt(
                module,
                windows.subset(np.flatnonzero(fold != left_out)),
                scaling,
                config,
                np.random.default_rng(np.random.SeedSequence([seed, left_out])),
                windows.subset(np.flatnonzero(fold == left_out)),
            )
        )
    from_vector(module, start)
    # Where a fold ended early (patience, divergence) all are judged up to there.
    looks = min(len(result.history) for result in results)
    curves = [[_errors(result, look) for look in range(looks)] for result in results]
    chosen = [_best(curves, config, skip=i) for i in range(len(curves))]
    return CrossFit(
        n_units,
        tuple(curve[look] for curve, look in zip(curves, chosen, strict=True)),
        tuple(curve[0] for curve in curves),
        results[0].history[_best(curves, config)].step,
    )


def decide(fit: CrossFit | None, config: GateConfig) -> GateDecision:
    """Decide whether to serve the personal model.

    Adopt where ``personal < (1 - margin) * global`` over all folds, strictly, and with
    ``caution`` c > 0 also ``mean(d) > c * sd(d) / sqrt(folds)`` for the differences d of the
    folds' errors.

    Parameters
    ----------
    fit
        None: too few units, no adoption.
    config
        Margin and caution.
    """
    if fit is None:
        return refused(GateReason.TOO_FEW_UNITS)
    personal = LabelErrors.merged(fit.personal).rmse
    shared = LabelErrors.merged(fit.global_).rmse
    saved = np.array([g.rmse - p.rmse for p, g in zip(fit.personal, fit.global_, strict=True)])
    doubt = config.caution * float(saved.std(ddof=1)) / math.sqrt(len(saved))
    if not personal < shared:
        reason = GateReason.NOT_BETTER
    elif not personal < (1.0 - config.margin) * shared:
        reason = GateReason.WITHIN_MARGIN
    elif config.caution and not float(saved.mean()) > doubt:
        reason = GateReason.UNCERTAIN
    else:
        reason = GateReason.BETTER
    gain = (shared - personal) / shared if shared > 0.0 else 0.0
    return GateDecision(reason is GateReason.BETTER, personal, shared, gain, fit.units, reason)


def refused(reason: GateReason, n_units: int = 0) -> GateDecision:
    """Return the decision not to adopt where nothing could be compared."""
    return GateDecision(False, math.nan, math.nan, math.nan, n_units, reason)


def _errors(result: AdaptResult, look: int) -> LabelErrors:
    errors = result.history[look].errors
    assert errors is not None  # crossfit always validates
    return errors


def _best(curves: list[list[LabelErrors]], config: TransferConfig, skip: int = -1) -> int:
    """Return the look with the lowest error over all folds but one; of equal ones the first."""
    looks = range(len(curves[0]))
    if not config.early:
        return looks[-1]
    kept = [curve for i, curve in enumerate(curves) if i != skip]
    return min(looks, key=lambda look: LabelErrors.merged(c[look] for c in kept).rmse)
