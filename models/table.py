"""The result table: one row for each method, network and joint, and for their mean."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TypedDict

from kinefed.models.errors import ModelError, ModelReason
from kinefed.models.metrics import PersonScores, bootstrap_ci, nan_mean, pooled_r2

MEAN = "mean"


class SummaryRow(TypedDict):
    """One row, ready for JSON: None where a metric is not defined.

    Metrics are computed on all test frames of each person, then averaged over people; the row
    ``joint == "mean"`` first averages over the joints of each person. ``r2_pooled`` is over the
    frames of all people (its mean row: mean over joints). ``ci95_rmse`` is the bootstrap interval
    over people of the mean RMSE.
    """

    method: str
    network: str
    joint: str
    rmse_nm_per_kg: float | None
    mae_nm_per_kg: float | None
    nrmse_range: float | None
    nrmse_sd: float | None
    rrmse: float | None
    r: float | None
    rho: float | None
    r2: float | None
    r2_pooled: float | None
    people: int
    worst_person: str
    worst_rmse_nm_per_kg: float
    ci95_rmse: list[float] | None


def summarise(
    method: str, network: str, people: Sequence[PersonScores], *, seed: int = 0
) -> list[SummaryRow]:
    """Average over people, with the worst person shown.

    Parameters
    ----------
    method, network
        What is scored; the network is empty for methods that have none.
    people
        One entry a person, all with the same joints in the same order.
    seed
        Of the bootstrap.

    Returns
    -------
    list of SummaryRow
        One a joint, then ``"mean"``.

    Raises
    ------
    ModelError
        ``no_windows`` without people, ``wrong_shape`` where joints or people do not fit.
    """
    if not people:
        raise ModelError(ModelReason.NO_WINDOWS, "nobody to summarise", where=method)
    names = [joint.joint for joint in people[0].joints]
    if any([joint.joint for joint in p.joints] != names for p in people):
        raise ModelError(ModelReason.WRONG_SHAPE, "people differ in their joints", where=method)
    if len({p.person for p in people}) != len(people):
        raise ModelError(ModelReason.WRONG_SHAPE, "a person is listed twice", where=method)
    by_joint = [[p.joints[column] for p in people] for column in range(len(names))]
    pooled = [pooled_r2(column) for column in by_joint]
    rows = [
        _row(method, network, people, [PersonScores("", (s,)) for s in column], name, r2, seed)
        for column, name, r2 in zip(by_joint, names, pooled, strict=True)
    ]
    return [*rows, _row(method, network, people, people, MEAN, nan_mean(pooled), seed)]


def _row(
    method: str,
    network: str,
    people: Sequence[PersonScores],
    scores: Sequence[PersonScores],
    joint: str,
    r2_pooled: float,
    seed: int,
) -> SummaryRow:
    rmse = [s.mean("rmse_nm_per_kg") for s in scores]
    worst = max(range(len(rmse)), key=rmse.__getitem__)
    low, high = bootstrap_ci(rmse, seed=seed)

    def over_people(metric: str) -> float | None:
        return _plain(nan_mean([s.mean(metric) for s in scores]))

    return SummaryRow(
        method=method,
        network=network,
        joint=joint,
        rmse_nm_per_kg=over_people("rmse_nm_per_kg"),
        mae_nm_per_kg=over_people("mae_nm_per_kg"),
        nrmse_range=over_people("nrmse_range"),
        nrmse_sd=over_people("nrmse_sd"),
        rrmse=over_people("rrmse"),
        r=over_people("r"),
        rho=over_people("rho"),
        r2=over_people("r2"),
        r2_pooled=_plain(r2_pooled),
        people=len(people),
        worst_person=people[worst].person,
        worst_rmse_nm_per_kg=rmse[worst],
        ci95_rmse=None if math.isnan(low) else [low, high],
    )


def _plain(value: float) -> float | None:
    return None if math.isnan(value) else value
