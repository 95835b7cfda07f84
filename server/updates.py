"""Nothing a client sends is trusted: each update is checked before it is averaged."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kinefed.personalization.messages import Update
from kinefed.server.exchange import Client, Dropped

MAX_EXAMPLES = 100_000_000


@dataclass(frozen=True, slots=True)
class Expected:
    """What a valid update of this round looks like.

    ``max_norm`` bounds ||update - reference||_2; see :func:`adam_reach`.
    """

    model: str
    round: int
    schema: str
    reference: NDArray[np.float32]
    max_norm: float


def adam_reach(
    steps: int, rate: float, weight_decay: float, reference_norm: float, n: int
) -> float:
    """Return the longest way that honest local training can go, in the 2-norm.

    One Adam step moves each weight by at most ``rate * (1 - b1) / sqrt(1 - b2)`` (Kingma and Ba
    2015, section 2.1), which is sqrt(10) times the rate at the usual b1 = 0.9, b2 = 0.999.
    Decoupled weight decay adds at most ``rate * weight_decay * ||w||`` a step.
    """
    stride = math.sqrt(10.0) * rate * math.sqrt(n)
    return 1.01 * steps * (stride + rate * weight_decay * (reference_norm + steps * stride))


def fault_of(update: Update, expected: Expected) -> str | None:
    """Return why this update may not be averaged, or None."""
    if update.model != expected.model or update.round != expected.round:
        return f"answers {update.model!r} round {update.round}, not {expected.round}"
    if update.schema != expected.schema:
        return f"network schema {update.schema!r} differs from {expected.schema!r}"
    if update.vector.shape != expected.reference.shape:
        return f"{update.vector.size} weights instead of {expected.reference.size}"
    if not 1 <= update.examples <= MAX_EXAMPLES:
        return f"claims {update.examples} examples"
    if not np.isfinite(update.vector).all():
        return "weights are not finite"
    norm = float(np.linalg.norm(update.vector.astype(np.float64) - expected.reference))
    if norm > expected.max_norm:
        return f"moved {norm:.3g}, training can reach {expected.max_norm:.3g}"
    return None


def screen(
    replies: Sequence[tuple[Client, Update]], expected: Expected
) -> tuple[list[tuple[Client, Update]], list[Dropped]]:
    """Part the valid updates from the faulty ones."""
    valid: list[tuple[Client, Update]] = []
    dropped: list[Dropped] = []
    for client, update in replies:
        fault = fault_of(update, expected)
        if fault is None:
            valid.append((client, update))
        else:
            dropped.append(Dropped(client.key, fault))
    return valid, dropped


def weighted_mean(updates: Sequence[Update]) -> NDArray[np.float32]:
    """Return sum n_i w_i / sum n_i (FedAvg, McMahan et al. 2017), summed in the order given.

    Parameters
    ----------
    updates
        Valid updates, in the order of their clients' keys: floating-point sums depend on order.
    """
    total = sum(u.examples for u in updates)
    mean = np.zeros(updates[0].vector.shape, dtype=np.float64)
    for update in updates:
        mean += update.vector.astype(np.float64) * (update.examples / total)
    return mean.astype(np.float32)
