"""Which global model serves which movement of one wearer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kinefed.datasets.errors import UsageError, UsageReason
from kinefed.models import TorqueNetwork, from_vector, to_vector
from kinefed.personalization.scores import label_errors
from kinefed.signals import Scaling, Windows

Vector = NDArray[np.float32]

POOLED = "pooled"
NO_CLUSTER = -1


def cluster_model(cluster: int) -> str:
    """Name the global model of a cluster, ``"cluster-0"``; of no cluster, the pooled one."""
    return POOLED if cluster == NO_CLUSTER else f"cluster-{cluster}"


@dataclass(frozen=True, slots=True)
class ClusterChoice:
    """The global model for one cluster of a wearer.

    Attributes
    ----------
    model
        Name of the better one on the wearer's adaptation data.
    windows
        Adaptation windows in this cluster.
    rmse
        Error of each candidate on them, N m/kg, mean over outputs.
    """

    model: str
    windows: int
    rmse: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Choice:
    """The global models of one wearer.

    Attributes
    ----------
    clusters
        One entry for each cluster with adaptation data; `NO_CLUSTER` stands for windows that lie
        in no bout, or for all of them where there are no clusters.
    available
        Names of all global models.
    """

    clusters: Mapping[int, ClusterChoice]
    available: frozenset[str]

    def model_for(self, cluster: int) -> str:
        """Return the global model's name for windows of a cluster.

        A cluster without adaptation data is served by its own global model: there is nothing to
        say that another fits better. The pooled one stands in where it has none.
        """
        if cluster in self.clusters:
            return self.clusters[cluster].model
        name = cluster_model(cluster)
        return name if name in self.available else POOLED


def choose_global(
    module: TorqueNetwork,
    candidates: Mapping[str, Vector],
    windows: Windows,
    clusters: NDArray[np.integer],
    scaling: Scaling,
) -> Choice:
    """Pick, for each cluster, between its own global model and the pooled one.

    Parameters
    ----------
    module
        Of the candidates' architecture; holds the weights it came with again afterwards.
    candidates
        Weights by name: `POOLED`, and `cluster_model` of any cluster.
    windows
        The wearer's adaptation data.
    clusters : (windows,) int
        The nearest cluster of each window's bout, `NO_CLUSTER` outside of bouts.
    scaling
        That of the candidates.

    Returns
    -------
    Choice
        At equal errors the pooled model: it has seen more people.

    Raises
    ------
    UsageError
        ``bad_argument`` where there is no pooled model, or not one cluster a window.
    """
    if POOLED not in candidates:
        raise _bad("candidates", f"no {POOLED!r} among {sorted(candidates)}")
    if clusters.shape != (len(windows),):
        raise _bad("clusters", f"shape {clusters.shape} for {len(windows)} windows")
    before = to_vector(module)
    chosen: dict[int, ClusterChoice] = {}
    for cluster in np.unique(clusters).tolist():
        part = windows.subset(np.flatnonzero(clusters == cluster))
        names = dict.fromkeys([POOLED, cluster_model(cluster)])
        rmse: dict[str, float] = {}
        for name in names:
            if name in candidates:
                from_vector(module, candidates[name])
                rmse[name] = label_errors(module, part, scaling).rmse
        best = min(rmse, key=rmse.__getitem__)
        chosen[cluster] = ClusterChoice(best, len(part), rmse)
    from_vector(module, before)
    return Choice(chosen, frozenset(candidates))


def _bad(where: str, what: str) -> UsageError:
    return UsageError(UsageReason.BAD_ARGUMENT, what, where=where)
