"""Federated k-means: Lloyd's algorithm from sums, so that no descriptor leaves its device.

A client sends, for each cluster, the sum and the number of its bouts; the server divides. That is
Lloyd's step on all bouts together, whatever the division over clients. This file holds both
sides, and the standardisation before them, in plain numpy.

What the sums still tell: a sum over one bout *is* that bout, so that a client leaves a cluster
with fewer than ``min_members`` of its bouts out of its answer (the rule of FKM, arXiv 2310.01195).
A server that sends chosen centres, or compares successive answers of one client, can take a
cluster apart all the same; against that helps only secure aggregation over the cohort.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kinefed.models import Sums

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]

# From count, mean and centred squares of two values both can be worked out (mean +- sqrt(m2 / 2)).
MIN_BOUTS = 3
# Length of the start centres relative to the spread of the bouts; see start_centres.
START_SPREAD = 0.3
# A standardised descriptor further out than this is cut off on the device, so that the server can
# tell an impossible sum from a possible one; for a normal spread it never happens.
REACH = 10.0


@dataclass(frozen=True, slots=True)
class ClusterSums:
    """What one Lloyd step needs of some bouts.

    Attributes
    ----------
    sums : (clusters, components)
        Weighted sum of the standardised descriptors of each cluster.
    counts : (clusters,)
        Weight of the bouts in each cluster; their number where they weigh the same.
    inertia : (clusters,)
        Weighted squared distance of the bouts to the centre they were given.
    """

    sums: FloatArray
    counts: FloatArray
    inertia: FloatArray

    def merge(self, other: ClusterSums) -> ClusterSums:
        """Add the sums of other bouts."""
        return ClusterSums(
            self.sums + other.sums, self.counts + other.counts, self.inertia + other.inertia
        )

    def possible(self, centres: FloatArray, max_bouts: float) -> bool:
        """Say whether standardised descriptors of whole bouts can give these sums (server side).

        Parameters
        ----------
        centres : (clusters, components)
            That the bouts were given to.
        max_bouts
            As many as the client can have.
        """
        parts = (self.sums, self.counts, self.inertia)
        if not all(np.isfinite(part).all() for part in parts) or (self.counts < 0).any():
            return False
        if (self.counts != np.round(self.counts)).any() or self.counts.sum() > max_bouts:
            return False
        # One part in a million for the rounding of a sum.
        limit = 1.000001 * self.counts
        farthest = ((np.abs(centres) + REACH) ** 2).sum(axis=1)
        return bool(
            (np.abs(self.sums) <= limit[:, None] * REACH).all()
            and (self.inertia >= 0).all()
            and (self.inertia <= limit * farthest).all()
        )


@dataclass(frozen=True, slots=True)
class Clustering:
    """Where Lloyd's algorithm ended.

    Attributes
    ----------
    centres : (clusters, components)
        In standardised units.
    counts, inertia : (clusters,)
        As the clients last reported them.
    iterations
        Lloyd steps made.
    """

    centres: FloatArray
    counts: FloatArray
    inertia: FloatArray
    iterations: int

    def cost(self, total: float) -> float:
        """Return the inertia of all bouts, to compare starts.

        Parameters
        ----------
        total
            Weight of all bouts. Those that clients left out (``min_members``) are charged the
            mean square of a standardised descriptor, its number of components: otherwise the
            start that hides most bouts would look best.
        """
        hidden = max(0.0, total - float(self.counts.sum()))
        return float(self.inertia.sum()) + hidden * float(self.centres.shape[1])


def descriptor_sums(z: FloatArray, min_bouts: int = MIN_BOUTS) -> Sums:
    """Return count, mean and centred squares of each component (client side).

    Parameters
    ----------
    z : (bouts, components)
        Raw descriptors, NaN where a component is missing: it is skipped, not taken for zero.
    min_bouts
        A component known of fewer bouts counts as unknown, since its sums would give it away.

    Returns
    -------
    Sums
        Each (components,); merging the clients' gives those of all bouts (Chan, Golub and
        LeVeque 1983), without the cancellation of a sum of squares.
    """
    known = ~np.isnan(z)
    return Sums.of(z, known & (known.sum(axis=0) >= min_bouts))


def standardised(z: FloatArray, mean: FloatArray, deviation: FloatArray) -> FloatArray:
    """Return descriptors in units of the federation's spread, cut off at `REACH` (client side).

    Parameters
    ----------
    z : (bouts, components)
        Raw descriptors, NaN where a component is missing.
    mean, deviation : (components,)
        Of the federation.
    """
    return np.clip((z - mean) / deviation, -REACH, REACH)


def standardisation(sums: Sums) -> tuple[FloatArray, FloatArray]:
    """Return mean and standard deviation of each component (server side).

    Returns
    -------
    z_mean, z_std : (components,)
        A component that is unknown or the same everywhere gets the deviation 1.
    """
    std = np.sqrt(sums.variance)
    # Rounding leaves a trace of spread in a constant; dividing by it would make it the loudest.
    constant = std <= 1e-9 * np.maximum(np.abs(sums.mean), 1.0)
    return sums.mean, np.where(constant, 1.0, std)


def squared_distances(z: FloatArray, centres: FloatArray) -> FloatArray:
    """Return squared distances over the known components, (bouts, clusters).

    Notes
    -----
    Differences are taken one by one, not by the inner-product identity: its rounding depends on
    how many bouts share a matrix product, and so on the division over clients.
    """
    difference = z[:, None, :] - centres[None, :, :]
    squares = np.where(np.isnan(difference), 0.0, difference**2)
    distances: FloatArray = squares.sum(axis=2)
    return distances


def nearest(z: FloatArray, centres: FloatArray) -> IntArray:
    """Return the nearest centre of each bout, (bouts,); of equal ones the first.

    Parameters
    ----------
    z : (bouts, components)
        Standardised descriptors; NaN components are passed over.
    centres : (clusters, components)
    """
    closest: IntArray = squared_distances(z, centres).argmin(axis=1)
    return closest


def cluster_sums(
    z: FloatArray,
    centres: FloatArray,
    weights: FloatArray | None = None,
    *,
    min_members: int = 2,
) -> ClusterSums:
    """Assign bouts to their nearest centres and sum (client side).

    Parameters
    ----------
    z : (bouts, components)
        Standardised descriptors, NaN where a component is missing.
    centres : (clusters, components)
    weights : (bouts,), optional
        For example durations; 1 by default.
    min_members
        Clusters with fewer of these bouts are left out (zeros). 1 leaves nothing out.

    Notes
    -----
    A missing component is given the value of the bout's centre. Lloyd's step then lowers the
    distance over the known components (k-POD: Chi, Chi and Baraniuk, The American Statistician
    70(1), 2016), and a client without EMG pulls no centre towards zero. A component known of
    fewer than ``min_members`` bouts of a cluster is treated as missing in all of them.
    """
    clusters, components = centres.shape
    weight = np.ones(len(z)) if weights is None else np.asarray(weights, dtype=np.float64)
    distance = squared_distances(z, centres)
    label = distance.argmin(axis=1)
    sums = np.zeros((clusters, components))
    counts, inertia = np.zeros(clusters), np.zeros(clusters)
    for k in range(clusters):
        members = np.flatnonzero(label == k)
        if members.size < max(1, min_members):
            continue
        known = ~np.isnan(z[members])
        known &= known.sum(axis=0) >= min_members
        filled = np.where(known, z[members], centres[k])
        sums[k] = (weight[members, None] * filled).sum(axis=0)
        counts[k] = weight[members].sum()
        inertia[k] = (weight[members] * distance[members, k]).sum()
    return ClusterSums(sums, counts, inertia)


def merge_cluster_sums(parts: Iterable[ClusterSums]) -> ClusterSums:
    """Add the answers of several clients, in the order given.

    Raises
    ------
    ValueError
        Where there is none.
    """
    merged: ClusterSums | None = None
    for part in parts:
        merged = part if merged is None else merged.merge(part)
    if merged is None:
        raise ValueError("no cluster sums to merge: no client has answered")
    return merged


def update_centres(centres: FloatArray, merged: ClusterSums, min_members: int = 1) -> FloatArray:
    """Return the new centres (server side).

    Parameters
    ----------
    centres : (clusters, components)
        Those that the clients were sent.
    merged
        Their answers, added.
    min_members
        A cluster with less weight than this keeps its old centre; so does an empty one always.
    """
    enough = (merged.counts > 0.0) & (merged.counts >= min_members)
    divisor = np.where(enough, merged.counts, 1.0)
    return np.where(enough[:, None], merged.sums / divisor[:, None], centres)


def start_centres(clusters: int, components: int, rng: np.random.Generator) -> FloatArray:
    """Draw start centres without looking at anyone's bouts.

    Standardised bouts have mean 0 and variance 1 in each component, so that draws from a normal
    distribution about 0 lie among them: the server needs nothing that it does not have already,
    where k-means++ would need bouts, or noise on bouts. They are drawn shorter than the bouts
    lie apart because a centre far out is nearest to none; at a short length the first step
    divides the bouts by direction, which leaves no cluster empty.

    Returns
    -------
    (clusters, components)
    """
    return START_SPREAD * rng.standard_normal((clusters, components))


def lloyd(
    start: FloatArray,
    ask: Callable[[FloatArray], ClusterSums],
    iterations: int,
    *,
    min_members: int = 1,
    tolerance: float = 1e-9,
) -> Clustering:
    """Run Lloyd's algorithm (IEEE Transactions on Information Theory 28(2), 1982) from one start.

    Parameters
    ----------
    start : (clusters, components)
    ask
        Sends centres to the clients and returns their merged sums.
    iterations
        Steps at most.
    min_members
        See :func:`update_centres`.
    tolerance
        Ends where no coordinate of a centre moved further than this.
    """
    centres, steps = start, 0
    while True:
        merged = ask(centres)
        moved = update_centres(centres, merged, min_members)
        shift = float(np.abs(moved - centres).max(initial=0.0))
        centres, steps = moved, steps + 1
        if shift <= tolerance or steps >= iterations:
            return Clustering(centres, merged.counts, merged.inertia, steps)
