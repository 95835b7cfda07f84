from __future__ import annotations

import ast
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.cluster import KMeans

from kinefed.models import Sums
from kinefed.personalization import kmeans
from kinefed.personalization.kmeans import (
    REACH,
    Clustering,
    ClusterSums,
    cluster_sums,
    descriptor_sums,
    lloyd,
    merge_cluster_sums,
    nearest,
    squared_distances,
    standardisation,
    standardised,
    start_centres,
    update_centres,
)

seeds = st.integers(0, 2**31)


def blobs(
    rng: np.random.Generator, clusters: int = 3, each: int = 20, d: int = 5
) -> tuple[np.ndarray, np.ndarray]:
    """Points about centres that lie apart, and whose they are."""
    truth = np.repeat(np.arange(clusters), each)
    middle = 6.0 * np.linalg.qr(rng.standard_normal((d, d)))[0][:clusters]
    z = middle[truth] + 0.5 * rng.standard_normal((len(truth), d))
    return (z - z.mean(axis=0)) / z.std(axis=0), truth


def asker(*parts: np.ndarray, min_members: int = 1) -> Callable[[np.ndarray], ClusterSums]:
    return lambda centres: merge_cluster_sums(
        cluster_sums(part, centres, min_members=min_members) for part in parts
    )


def plain_lloyd(z: np.ndarray, centres: np.ndarray, iterations: int) -> np.ndarray:
    """All points in one place, the textbook way."""
    centres = centres.copy()
    for _ in range(iterations):
        label = ((z[:, None] - centres) ** 2).sum(axis=2).argmin(axis=1)
        for k in range(len(centres)):
            if (label == k).any():
                centres[k] = z[label == k].mean(axis=0)
    return centres


@settings(max_examples=60, deadline=None)
@given(seed=seeds, people=st.integers(1, 9), clusters=st.integers(1, 5))
def test_equals_pooled_lloyd_for_any_division_over_clients(
    seed: int, people: int, clusters: int
) -> None:
    rng = np.random.default_rng(seed)
    z = rng.standard_normal((int(rng.integers(5, 60)), 4))
    owner = rng.integers(people, size=len(z))
    start = start_centres(clusters, 4, rng)
    parts = [z[owner == i] for i in range(people)]  # some clients may have no bout at all
    found = lloyd(start, asker(*parts), 12, tolerance=-1.0)
    np.testing.assert_allclose(found.centres, plain_lloyd(z, start, 12), atol=1e-9)


@settings(max_examples=30, deadline=None)
@given(seed=seeds, people=st.integers(1, 6))
def test_division_does_not_matter_with_missing_components(seed: int, people: int) -> None:
    rng = np.random.default_rng(seed)
    z = rng.standard_normal((40, 5))
    z[rng.random(z.shape) < 0.3] = np.nan
    owner = rng.integers(people, size=len(z))
    start = start_centres(3, 5, rng)
    together = lloyd(start, asker(z), 8)
    apart = lloyd(start, asker(*(z[owner == i] for i in range(people))), 8)
    np.testing.assert_allclose(apart.centres, together.centres, atol=1e-9)
    np.testing.assert_allclose(apart.inertia, together.inertia, atol=1e-9)


@pytest.mark.parametrize("seed", range(5))
def test_equals_scikit_learn_from_the_same_start(seed: int) -> None:
    rng = np.random.default_rng(seed)
    z = rng.standard_normal((150, 6))
    start = z[rng.choice(len(z), 4, replace=False)]
    rival = KMeans(4, init=start, n_init=1, algorithm="lloyd", max_iter=300, tol=0.0).fit(z)
    found = lloyd(start, asker(*np.array_split(z, 7)), 300)
    np.testing.assert_allclose(found.centres, rival.cluster_centers_, atol=1e-9)
    np.testing.assert_array_equal(nearest(z, found.centres), rival.labels_)
    assert found.inertia.sum() == pytest.approx(rival.inertia_, rel=1e-12)
    assert found.counts.sum() == len(z)


def test_an_empty_cluster_keeps_its_centre() -> None:
    z = np.array([[0.0, 0.0], [0.2, 0.0], [0.0, 0.2]])
    start = np.array([[0.0, 0.0], [100.0, 100.0]])
    with np.errstate(all="raise"):
        found = lloyd(start, asker(z), 5)
    np.testing.assert_array_equal(found.centres[1], start[1])
    np.testing.assert_allclose(found.centres[0], z.mean(axis=0))
    assert found.counts.tolist() == [3.0, 0.0]


def test_nobody_answers_anything() -> None:
    start = np.array([[1.0], [2.0]])
    nothing = cluster_sums(np.empty((0, 1)), start)
    np.testing.assert_array_equal(update_centres(start, nothing), start)
    with pytest.raises(ValueError, match="no client"):
        merge_cluster_sums([])


def test_a_single_bout_does_not_leave_the_device() -> None:
    centres = np.array([[0.0, 0.0], [10.0, 10.0]])
    z = np.array([[0.1, 0.3], [-0.1, 0.0], [9.3, 10.7]])
    sent = cluster_sums(z, centres)
    assert sent.counts.tolist() == [2.0, 0.0]
    assert not sent.sums[1].any()
    assert sent.inertia[1] == 0.0
    np.testing.assert_allclose(sent.sums[0], z[:2].sum(axis=0))
    # Without the guard, the sum over one bout is that bout: the leak that it closes.
    np.testing.assert_array_equal(cluster_sums(z, centres, min_members=1).sums[1], z[2])


def test_a_component_known_of_a_single_bout_does_not_leave_either() -> None:
    centres = np.array([[0.5, 0.25]])
    z = np.array([[1.0, np.nan], [3.0, 7.0]])
    sent = cluster_sums(z, centres)
    np.testing.assert_allclose(sent.sums, [[4.0, 0.5]])  # the centre stands in for both
    np.testing.assert_allclose(cluster_sums(z, centres, min_members=1).sums, [[4.0, 7.25]])


def test_weights_count_as_repeated_bouts() -> None:
    rng = np.random.default_rng(0)
    z, weights = rng.standard_normal((9, 3)), rng.integers(1, 4, size=9)
    centres = start_centres(2, 3, rng)
    weighted = cluster_sums(z, centres, weights.astype(float), min_members=1)
    repeated = cluster_sums(np.repeat(z, weights, axis=0), centres, min_members=1)
    for name in ("sums", "counts", "inertia"):
        np.testing.assert_allclose(getattr(weighted, name), getattr(repeated, name), atol=1e-12)


@settings(max_examples=30, deadline=None)
@given(seed=seeds)
def test_each_step_lowers_the_distance_over_known_components(seed: int) -> None:
    rng = np.random.default_rng(seed)
    z = rng.standard_normal((50, 6))
    z[rng.random(z.shape) < 0.4] = np.nan
    centres = start_centres(3, 6, rng)
    before = np.inf
    for _ in range(10):
        sums = cluster_sums(z, centres, min_members=1)
        assert sums.inertia.sum() <= before + 1e-9
        before = float(sums.inertia.sum())
        centres = update_centres(centres, sums)


def test_missing_components_pull_no_centre_towards_zero() -> None:
    # Two groups at +-2 in both components; half of the bouts lack the second.
    rng = np.random.default_rng(1)
    z = np.repeat([[2.0, 2.0], [-2.0, -2.0]], 40, axis=0) + 0.05 * rng.standard_normal((80, 2))
    z[::2, 1] = np.nan
    found = lloyd(np.array([[0.1, 0.0], [-0.1, 0.0]]), asker(z), 200)
    np.testing.assert_allclose(found.centres, [[2.0, 2.0], [-2.0, -2.0]], atol=0.05)


@settings(max_examples=40, deadline=None)
@given(seed=seeds, people=st.integers(1, 6), offset=st.sampled_from([0.0, 1e6]))
def test_standardisation_equals_that_of_all_bouts(seed: int, people: int, offset: float) -> None:
    rng = np.random.default_rng(seed)
    z = offset + rng.standard_normal((50, 4))
    z[rng.random(z.shape) < 0.2] = np.nan
    owner = rng.integers(people, size=len(z))
    merged = Sums.zeros(4)
    for i in range(people):
        merged = merged.merge(descriptor_sums(z[owner == i], min_bouts=1))
    mean, std = standardisation(merged)
    np.testing.assert_allclose(mean, np.nanmean(z, axis=0), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(std, np.nanstd(z, axis=0), rtol=1e-9)


def test_constant_and_unknown_components_are_only_centred() -> None:
    z = np.stack([np.full(9, 0.1 + 0.2), np.full(9, np.nan), np.arange(9.0)], axis=1)
    mean, std = standardisation(descriptor_sums(z))
    np.testing.assert_allclose(mean, [0.3, 0.0, 4.0])
    np.testing.assert_allclose(std, [1.0, 1.0, np.arange(9).std()])


def test_too_few_bouts_send_no_descriptor_sums() -> None:
    z = np.array([[1.0, 5.0], [2.0, 6.0], [4.0, np.nan]])
    sums = descriptor_sums(z)
    assert sums.count.tolist() == [3.0, 0.0]
    assert sums.mean[1] == sums.m2[1] == 0.0
    # Why three: two values follow from their count, mean and squares.
    two = descriptor_sums(z[:2], min_bouts=2)
    np.testing.assert_allclose(two.mean + np.sqrt(two.m2 / 2), [2.0, 6.0])
    assert not descriptor_sums(z[:2]).count.any()


@pytest.mark.parametrize("clusters", [2, 3])
def test_drawn_starts_find_clusters_that_lie_apart(clusters: int) -> None:
    for seed in range(10):
        rng = np.random.default_rng(seed)
        z, truth = blobs(rng, clusters)
        runs = [lloyd(start_centres(clusters, 5, rng), asker(z), 50) for _ in range(6)]
        best = min(runs, key=lambda run: run.cost(len(z)))
        label = nearest(z, best.centres)
        assert len({(a, b) for a, b in zip(truth, label, strict=True)}) == clusters


def test_same_seed_same_start() -> None:
    one, two = (start_centres(3, 4, np.random.default_rng(5)) for _ in range(2))
    np.testing.assert_array_equal(one, two)


def test_bouts_that_clients_hide_cost_what_they_would_unexplained() -> None:
    hiding = Clustering(np.zeros((2, 4)), np.array([5.0, 0.0]), np.array([2.0, 0.0]), 1)
    open_ = Clustering(np.zeros((2, 4)), np.array([5.0, 3.0]), np.array([2.0, 6.0]), 1)
    assert hiding.cost(8.0) == 2.0 + 3.0 * 4.0
    assert open_.cost(8.0) == 8.0


def test_few_members_at_the_server_keep_the_centre() -> None:
    centres = np.array([[1.0], [2.0]])
    merged = ClusterSums(np.array([[8.0], [9.0]]), np.array([4.0, 1.0]), np.zeros(2))
    np.testing.assert_array_equal(update_centres(centres, merged, 2), [[2.0], [2.0]])
    np.testing.assert_array_equal(update_centres(centres, merged), [[2.0], [9.0]])


def test_lloyd_stops_when_centres_rest_and_at_its_limit() -> None:
    z = np.array([[0.0], [1.0], [10.0], [11.0]])
    start = np.array([[0.0], [10.0]])
    assert lloyd(start, asker(z), 50).iterations == 2
    assert lloyd(start, asker(z), 1).iterations == 1


def test_distances_of_a_bout_do_not_depend_on_its_neighbours() -> None:
    rng = np.random.default_rng(3)
    z, centres = rng.standard_normal((64, 14)), rng.standard_normal((5, 14))
    alone = np.concatenate([squared_distances(row[None], centres) for row in z])
    np.testing.assert_array_equal(squared_distances(z, centres), alone)


def test_the_server_may_import_this_module() -> None:
    tree = ast.parse(Path(kmeans.__file__).read_text(encoding="utf-8"))
    imported = {
        name
        for node in ast.walk(tree)
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    own = {name for name in imported if name.split(".")[0] not in sys.stdlib_module_names}
    assert own == {"numpy", "numpy.typing", "kinefed.models"}


def test_standardised_descriptors_are_cut_off_where_the_server_stops_believing():
    z = standardised(np.array([[1e9, 3.0], [np.nan, -1e9]]), np.array([1.0, 1.0]), np.ones(2))
    np.testing.assert_array_equal(z, [[REACH, 2.0], [np.nan, -REACH]])


@pytest.mark.parametrize(
    ("change", "possible"),
    [
        ({}, True),
        ({"sums": np.array([[41.0, 0.0], [0.0, 0.0]])}, False),
        ({"sums": np.array([[np.nan, 0.0], [0.0, 0.0]])}, False),
        ({"counts": np.array([3.5, 2.0])}, False),
        ({"counts": np.array([-4.0, 2.0])}, False),
        ({"counts": np.array([7.0, 0.0])}, False),
        ({"inertia": np.array([-1.0, 0.0])}, False),
        ({"inertia": np.array([1e6, 0.0])}, False),
    ],
)
def test_impossible_cluster_sums_are_told_from_possible_ones(change, possible):
    honest = {
        "sums": np.array([[40.0, -40.0], [0.0, 1.0]]),
        "counts": np.array([4.0, 2.0]),
        "inertia": np.array([800.0, 1.0]),
    }
    assert ClusterSums(**{**honest, **change}).possible(np.zeros((2, 2)), 6) is possible
