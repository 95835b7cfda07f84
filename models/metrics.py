"""Scores of torque estimates, each defined once: per person and joint."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import rankdata

from kinefed.models.errors import ModelError, ModelReason

FloatArray = NDArray[np.float64]

# Below this share of its magnitude, the spread of a label is rounding of float32: nothing to
# explain, and R2 or r of it would be noise (scikit-learn gives -4e31).
_CONSTANT = 1e-6
# N m/kg: a thousandth of a millionth of walking's peaks, and no sensor's resolution.
_NOTHING = 1e-9


@dataclass(frozen=True, slots=True)
class JointScore:
    """Scores at one joint; NaN where one is not defined.

    With y measured and e estimated, sums over frames:

    Attributes
    ----------
    joint
        Name of the output.
    frames
        Frames with a label.
    rmse_nm_per_kg
        ``sqrt(mean((e - y)^2))``.
    mae_nm_per_kg
        ``mean(|e - y|)``.
    nrmse_range, nrmse_sd
        RMSE over the range, and over the standard deviation, of y on these frames. Never over
        the mean, which is near zero for a moment that changes sign.
    rrmse
        RMSE over half the sum of the ranges of y and e (Ren, Jones, Howard, J Biomech 41(12),
        2008).
    r, rho
        Pearson and Spearman correlation.
    r2
        ``1 - sum((e - y)^2) / sum((y - mean(y))^2)``: the coefficient of determination, not r^2.
    sse, y_mean, y_m2
        Sum of squared errors, mean of y and ``sum((y - mean(y))^2)``: from these, R2 over the
        frames of several people follows.
    """

    joint: str
    frames: int
    rmse_nm_per_kg: float
    mae_nm_per_kg: float
    nrmse_range: float
    nrmse_sd: float
    rrmse: float
    r: float
    rho: float
    r2: float
    sse: float
    y_mean: float
    y_m2: float


@dataclass(frozen=True, slots=True)
class PersonScores:
    """All joints of one person.

    Attributes
    ----------
    person
        Subject ID.
    joints
        One score an output, in the order of the outputs.
    """

    person: str
    joints: tuple[JointScore, ...]

    def mean(self, metric: str) -> float:
        """Mean of a metric over the joints where it is defined, NaN where it is nowhere."""
        return nan_mean([float(getattr(joint, metric)) for joint in self.joints])


def score(y: ArrayLike, yhat: ArrayLike, joints: Sequence[str]) -> tuple[JointScore, ...]:
    """Score the estimates of one person.

    Parameters
    ----------
    y
        (frames, joints) measured torque, N m/kg; NaN where a label is missing.
    yhat
        (frames, joints) estimates; finite wherever there is a label.
    joints
        Names of the columns.

    Raises
    ------
    ModelError
        ``wrong_shape``, ``not_finite``, or ``no_windows`` where a joint has no label at all.
    """
    truth = np.asarray(y, dtype=np.float64)
    guess = np.asarray(yhat, dtype=np.float64)
    if truth.ndim != 2 or truth.shape != guess.shape or truth.shape[1] != len(joints):
        raise ModelError(
            ModelReason.WRONG_SHAPE,
            f"labels {truth.shape} and estimates {guess.shape} for {len(joints)} joints",
            where="score",
        )
    return tuple(
        _joint_score(name, truth[:, column], guess[:, column]) for column, name in enumerate(joints)
    )


def person_scores(
    person: str, y: ArrayLike, yhat: ArrayLike, joints: Sequence[str]
) -> PersonScores:
    """Score one person; see `score`."""
    return PersonScores(person, score(y, yhat, joints))


def pooled_r2(scores: Sequence[JointScore]) -> float:
    """R2 over the frames of all people together, NaN for constant labels.

    The spread is that about the mean of all frames, so differences between people count.

    Parameters
    ----------
    scores
        One joint, one score a person.
    """
    frames = np.array([s.frames for s in scores], dtype=np.float64)
    means = np.array([s.y_mean for s in scores])
    centre = float((frames * means).sum() / frames.sum())
    spread = float(sum(s.y_m2 for s in scores) + (frames * (means - centre) ** 2).sum())
    if spread <= frames.sum() * max(_CONSTANT * abs(centre), _NOTHING) ** 2:
        return float("nan")
    return 1.0 - sum(s.sse for s in scores) / spread


def bootstrap_ci(
    values: ArrayLike, *, seed: int, resamples: int = 2000, level: float = 0.95
) -> tuple[float, float]:
    """Percentile interval of a mean over people, who are drawn with replacement.

    Frames of one person are not independent, so people, not frames, are drawn (Efron and
    Tibshirani, An Introduction to the Bootstrap, 1993).

    Parameters
    ----------
    values
        (people,) one number a person.
    seed
        Of the draws.
    resamples
        How many draws.
    level
        Share of the draws that lie inside.

    Returns
    -------
    low, high
        NaN with fewer than two people: one person says nothing about the next.
    """
    data = np.asarray(values, dtype=np.float64)
    if len(data) < 2:
        return float("nan"), float("nan")
    rng = np.random.default_rng(seed)
    means = data[rng.integers(0, len(data), size=(resamples, len(data)))].mean(axis=1)
    tail = 50.0 * (1.0 - level)
    low, high = np.percentile(means, [tail, 100.0 - tail])
    return float(low), float(high)


def nan_mean(values: Sequence[float]) -> float:
    """Mean of the values that are defined, NaN where none is (numpy would warn)."""
    defined = [v for v in values if np.isfinite(v)]
    return float(np.mean(defined)) if defined else float("nan")


def _joint_score(name: str, y: FloatArray, e: FloatArray) -> JointScore:
    labelled = ~np.isnan(y)
    y, e = y[labelled], e[labelled]
    if not len(y):
        raise ModelError(ModelReason.NO_WINDOWS, "no frame has a label", where=name)
    if not (np.isfinite(y).all() and np.isfinite(e).all()):
        raise ModelError(
            ModelReason.NOT_FINITE,
            f"{int((~np.isfinite(e)).sum())} estimates are not finite",
            where=name,
            next_step="Score only the frames that the method tested",
        )
    error = e - y
    sse = float((error * error).sum())
    rmse = float(np.sqrt(sse / len(y)))
    mean = float(y.mean())
    m2 = float(((y - mean) ** 2).sum())
    reach, reach_e = float(np.ptp(y)), float(np.ptp(e))
    constant, constant_e = _is_constant(y), _is_constant(e)
    nan = float("nan")
    return JointScore(
        joint=name,
        frames=len(y),
        rmse_nm_per_kg=rmse,
        mae_nm_per_kg=float(np.abs(error).mean()),
        nrmse_range=nan if constant else rmse / reach,
        nrmse_sd=nan if constant else rmse / float(np.sqrt(m2 / len(y))),
        rrmse=nan if constant and constant_e else rmse / (0.5 * (reach + reach_e)),
        r=nan if constant or constant_e else _pearson(y, e),
        rho=nan if constant or constant_e else _spearman(y, e),
        r2=nan if constant else 1.0 - sse / m2,
        sse=sse,
        y_mean=mean,
        y_m2=m2,
    )


def _is_constant(values: FloatArray) -> bool:
    return float(np.ptp(values)) <= max(_CONSTANT * float(np.abs(values).max()), _NOTHING)


def _pearson(a: FloatArray, b: FloatArray) -> float:
    a, b = a - a.mean(), b - b.mean()
    return float((a * b).sum() / np.sqrt((a * a).sum() * (b * b).sum()))


def _spearman(a: FloatArray, b: FloatArray) -> float:
    return _pearson(rankdata(a), rankdata(b))
