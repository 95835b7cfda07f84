"""Task clusters on the server: federated k-means from sums alone."""

from __future__ import annotations

import logging
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kinefed.models import Sums
from kinefed.personalization import DESCRIPTOR_NAMES
from kinefed.personalization.kmeans import (
    MIN_BOUTS,
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
    described, bouts = _described(ask, setup, training)
    z_mean, z_std = standardisation(described)
    total = float(described.count.max())
    rng = np.random.default_rng(np.random.SeedSequence([config.seed, CLUSTER_STREAM]))
    runs = [
        lloyd(
            start_centres(config.clusters, z_mean.size, rng),
            lambda centres: _step(ask, config, setup, training, bouts, centres, z_mean, z_std),
            config.cluster_iterations,
            min_members=config.min_members,
        )
        for _ in range(config.cluster_restarts)
    ]
    best = min(runs, key=lambda run: run.cost(total))
    return Clusters(best.centres, z_mean, z_std, best.cost(total))


def _described(
    ask: Ask, setup: ModelSetup, training: list[Client]
) -> tuple[Sums, dict[str, float]]:
    """Return the sums of all descriptors, and how many bouts each client says it has."""
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
    bouts = {
        client.key: float(reply.sums[:width].max())
        for client, reply in replies
        if client.key not in refused
    }
    return Sums(*merged), bouts


def _step(
    ask: Ask,
    config: FederationConfig,
    setup: ModelSetup,
    training: list[Client],
    bouts: dict[str, float],
    centres: NDArray[np.float64],
    z_mean: NDArray[np.float64],
    z_std: NDArray[np.float64],
) -> ClusterSums:
    k, d = centres.shape
    task = ClusterTask(setup.to_json(), k, config.min_members, centres.reshape(-1), z_mean, z_std)
    replies = ask("query.clusters", "clusters", [(c, task) for c in training], ClusterReply)
    total = ClusterSums(np.zeros((k, d)), np.zeros(k), np.zeros(k))
    for client, reply in replies:
        shapes = (reply.sums.size, reply.counts.shape, reply.inertia.shape)
        if shapes == (k * d, (k,), (k,)):
            sums = ClusterSums(reply.sums.reshape(k, d), reply.counts, reply.inertia)
            # Those with too few bouts to describe have fewer than MIN_BOUTS.
            if sums.possible(centres, bouts.get(client.key, MIN_BOUTS - 1.0)):
                total = total.merge(sums)
                continue
        log.warning("clusters: dropped client %s: impossible sums", client.key)
    return total
