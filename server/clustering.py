"""Task clusters on the server: federated k-means from sums alone."""

from __future__ import annotations

import logging
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kinefed.models import Sums
from kinefed.personalization import DESCRIPTOR_NAMES
from kinefed.personalization.kmeans import (
    ClusterSums,
    lloyd,
    standardisation,
    start_centres,
)
from kinefed.personalization.messages import (
    ClusterReply,
    ClusterTask,
    DescriptorTask,
    Statistics,
)
from kinefed.personalization.setup import ModelSetup
from kinefed.server.config import FederationConfig
from kinefed.server.errors import FederationError, ServerReason
from kinefed.server.exchange import Client
from kinefed.server.scaling import Ask, merge_sums

log = logging.getLogger("kinefed.server")

# Keeps the draw of start centres apart from the draw of clients, which has the same seed.
CLUSTER_STREAM = 0x6B6D


@dataclass(frozen=True, slots=True)
class Clusters:
    """Centres (k, d) in units of ``z_std`` about ``z_mean``, each (d,)."""

    centres: NDArray[np.float64]
    z_mean: NDArray[np.float64]
    z_std: NDArray[np.float64]
    inertia: float


def find_clusters(
    ask: Ask, config: FederationConfig, setup: ModelSetup, training: list[Client]
) -> Clusters:
    """Run federated k-means from several starts and keep the one of least inertia.

    Only counts, means, centred squares and per-cluster sums arrive here; with full-batch Lloyd
    steps the result equals k-means on all bouts in one place from the same start.
    """
    described = _described(ask, setup, training)
    z_mean, z_std = standardisation(described)
    total = float(described.count.max())
    rng = np.random.default_rng(np.random.SeedSequence([config.seed, CLUSTER_STREAM]))
    runs = [
        lloyd(
            start_centres(config.clusters, z_mean.size, rng),
            lambda centres: _step(ask, config, setup, training, centres, z_mean, z_std),
            config.cluster_iterations,
            min_members=config.min_members,
        )
        for _ in range(config.cluster_restarts)
    ]
    best = min(runs, key=lambda run: run.cost(total))
    return Clusters(best.centres, z_mean, z_std, best.cost(total))


def _described(ask: Ask, setup: ModelSetup, training: list[Client]) -> Sums:
    task = DescriptorTask(setup.to_json())
    replies = ask("query.descriptors", "descriptors", [(c, task) for c in training], Statistics)
    width = len(DESCRIPTOR_NAMES)
    merged, refused = merge_sums(replies, width)
    if len(replies) == len(refused):
        raise FederationError(
            ServerReason.QUORUM,
            "task clusters: no client sent usable bout descriptors",
            next_step="Run without clusters, or look in the log for why they were dropped",
        )
    return Sums(*merged)


def _step(
    ask: Ask,
    config: FederationConfig,
    setup: ModelSetup,
    training: list[Client],
    centres: NDArray[np.float64],
    z_mean: NDArray[np.float64],
    z_std: NDArray[np.float64],
) -> ClusterSums:
    k, d = centres.shape
    task = ClusterTask(setup.to_json(), k, config.min_members, centres.reshape(-1), z_mean, z_std)
    replies = ask("query.clusters", "clusters", [(c, task) for c in training], ClusterReply)
    total = ClusterSums(np.zeros((k, d)), np.zeros(k), np.zeros(k))
    for client, reply in replies:
        parts = (reply.counts, reply.inertia)
        if (
            reply.sums.size != k * d
            or not np.isfinite(reply.sums).all()
            or any(p.shape != (k,) or not np.isfinite(p).all() or (p < 0).any() for p in parts)
        ):
            log.warning("clusters: dropped client %s: impossible sums", client.key)
            continue
        total = total.merge(ClusterSums(reply.sums.reshape(k, d), reply.counts, reply.inertia))
    return total
