from __future__ import annotations

import numpy as np
import pytest
from personal_worlds import BODY, linear_model, unit_scaling, wearer

from kinefed.datasets import UsageError
from kinefed.models import to_vector
from kinefed.personalization.choose import NO_CLUSTER, POOLED, choose_global, cluster_model
from kinefed.signals import Windows

SCALING = unit_scaling()
STAIRS = BODY + 0.7
MODELS = {
    POOLED: to_vector(linear_model()),
    "cluster-0": to_vector(linear_model(STAIRS)),
    "cluster-1": to_vector(linear_model(BODY - 0.3)),
}


def windows_of(weights: np.ndarray, seed: int) -> Windows:
    return wearer(np.random.default_rng(seed), weights)


def mixed() -> tuple[Windows, np.ndarray]:
    """Stairs in cluster 0 and level walking, that the pooled model knows, in cluster 1."""
    stairs, level = windows_of(STAIRS, 0), windows_of(BODY, 1)
    windows = Windows([*stairs.series, *level.series], 4)
    return windows, np.where(windows.leg == 0, 0, 1)


def test_the_smaller_error_on_the_wearers_data_chooses() -> None:
    windows, clusters = mixed()
    choice = choose_global(linear_model(), MODELS, windows, clusters, SCALING)
    assert choice.model_for(0) == "cluster-0"
    assert choice.model_for(1) == POOLED
    assert choice.clusters[0].rmse["cluster-0"] == pytest.approx(0.0, abs=1e-6)
    assert choice.clusters[1].rmse[POOLED] == pytest.approx(0.0, abs=1e-6)
    assert set(choice.clusters[1].rmse) == {POOLED, "cluster-1"}
    assert choice.clusters[0].windows + choice.clusters[1].windows == len(windows)


def test_a_cluster_without_data_serves_its_own_model() -> None:
    windows = windows_of(BODY, 0)
    zeros = np.zeros(len(windows), dtype=int)
    choice = choose_global(linear_model(), MODELS, windows, zeros, SCALING)
    assert choice.model_for(0) == POOLED
    assert choice.model_for(1) == "cluster-1"
    assert choice.model_for(5) == POOLED  # no such model
    assert choice.model_for(NO_CLUSTER) == POOLED


def test_equal_errors_choose_the_pooled_model() -> None:
    models = {POOLED: MODELS[POOLED], "cluster-0": MODELS[POOLED]}
    windows = windows_of(STAIRS, 0)
    zeros = np.zeros(len(windows), dtype=int)
    choice = choose_global(linear_model(), models, windows, zeros, SCALING)
    assert choice.model_for(0) == POOLED


def test_windows_outside_of_bouts_are_served_by_the_pooled_model() -> None:
    windows = windows_of(STAIRS, 0)
    outside = np.full(len(windows), NO_CLUSTER)
    choice = choose_global(linear_model(), MODELS, windows, outside, SCALING)
    assert choice.model_for(NO_CLUSTER) == POOLED
    assert set(choice.clusters[NO_CLUSTER].rmse) == {POOLED}
    assert cluster_model(NO_CLUSTER) == POOLED


def test_the_module_keeps_its_weights() -> None:
    module = linear_model(BODY + 5.0)
    before = to_vector(module)
    choose_global(module, MODELS, *mixed(), SCALING)
    np.testing.assert_array_equal(to_vector(module), before)


def test_impossible_requests_are_refused() -> None:
    windows, clusters = mixed()
    with pytest.raises(UsageError, match="pooled"):
        choose_global(linear_model(), {"cluster-0": MODELS[POOLED]}, windows, clusters, SCALING)
    with pytest.raises(UsageError, match="clusters"):
        choose_global(linear_model(), MODELS, windows, clusters[1:], SCALING)
