"""Federated scaling: mean and spread over all training people from sums alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kinefed.models import Scaling, Sums
from kinefed.personalization.messages import Statistics, StatisticsTask
from kinefed.personalization.setup import ModelSetup, pack_scaling
from kinefed.server.errors import FederationError, ServerReason
from kinefed.server.exchange import Client

Ask = Callable[..., list[tuple[Client, Any]]]


def merge_sums(
    replies: Sequence[tuple[Client, Statistics]], width: int
) -> tuple[NDArray[np.float64], list[str]]:
    """Merge count, mean and centred squares (Chan, Golub and LeVeque 1983), in the order given.

    Returns
    -------
    merged : (3, width)
        Rows: count, mean, sum of squares about the mean.
    refused : list of str
        Keys of clients whose sums cannot be (wrong length, not finite, negative).
    """
    total: Sums | None = None
    refused: list[str] = []
    for client, reply in replies:
        table = reply.sums.reshape(3, -1) if reply.sums.size == 3 * width else None
        if table is None or not np.isfinite(table).all() or (table[[0, 2]] < 0).any():
            refused.append(client.key)
            continue
        sums = Sums(*table)
        total = sums if total is None else total.merge(sums)
    if total is None:
        return np.zeros((3, width)), refused
    return np.stack([total.count, total.mean, total.m2]), refused


def federated_scaling(
    ask: Ask, setup: ModelSetup, training: Sequence[Client], needed: int
) -> NDArray[np.float32]:
    """Ask the training clients for their sums and return the scaling as one row."""
    task = StatisticsTask(setup.to_json())
    replies = ask("query.statistics", "statistics", [(c, task) for c in training], Statistics)
    values = setup.n_values
    width = values + setup.n_outputs
    merged, refused = merge_sums(replies, width)
    if len(replies) - len(refused) < needed:
        raise FederationError(
            ServerReason.QUORUM,
            f"statistics: {len(replies) - len(refused)} valid answers, {needed} needed",
        )
    x, y = Sums(*merged[:, :values]), Sums(*merged[:, values:])
    return pack_scaling(Scaling.from_sums(x, y, setup.n_optional))
