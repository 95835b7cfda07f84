"""Weights as one flat vector: aliases once, buffers too, nothing half written."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from kinefed.models import ModelError, ModelReason, from_vector, schema_hash, to_vector, vector_size


class Tied(nn.Module):
    """Two names for one matrix, a tensor that is a view of it, and a normalisation layer."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Linear(3, 3)
        self.b = nn.Linear(3, 3)
        self.b.weight = self.a.weight
        self.norm = nn.BatchNorm1d(3)
        self.c = nn.Linear(3, 3)
        self.c.weight.data = self.a.weight.data


def test_aliased_tensors_count_once() -> None:
    tied = Tied()
    # 9 shared weights, 3 biases of 3, norm: weight, bias, mean, variance of 3 and one counter.
    assert vector_size(tied) == 9 + 9 + 12 + 1
    assert to_vector(tied).size == vector_size(tied)


def test_all_names_of_an_alias_follow() -> None:
    tied = Tied()
    from_vector(tied, np.arange(31, dtype=np.float32))
    assert torch.equal(tied.a.weight, tied.b.weight)
    assert torch.equal(tied.a.weight, tied.c.weight)
    assert tied.a.weight[0].tolist() == [0.0, 1.0, 2.0]


def test_statistics_of_normalisation_travel() -> None:
    one, other = Tied(), Tied()
    one.norm(torch.randn(16, 3) * 5.0 + 2.0)
    from_vector(other, to_vector(one))
    assert torch.equal(other.norm.running_var, one.norm.running_var)
    assert int(other.norm.num_batches_tracked) == 1
    assert other.norm.num_batches_tracked.dtype == torch.int64


def test_counter_of_an_average_is_rounded() -> None:
    tied = Tied()
    vector = to_vector(tied)
    # Behind the shared matrix, the biases of a and b, and the layer's four vectors.
    vector[9 + 3 + 3 + 12] = 2.6
    from_vector(tied, vector)
    assert int(tied.norm.num_batches_tracked) == 3


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e300])
def test_values_that_are_not_finite_change_nothing(bad: float) -> None:
    module = nn.Linear(3, 2)
    before = to_vector(module)
    vector = np.ones(8)
    vector[-1] = bad
    with pytest.raises(ModelError) as caught:
        from_vector(module, vector)
    assert caught.value.reason is ModelReason.NOT_FINITE
    assert caught.value.exit_code == 3
    assert np.array_equal(to_vector(module), before)


@pytest.mark.parametrize("shape", [(7,), (9,), (0,), (8, 1), (2, 4)])
def test_wrong_size_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ModelError) as caught:
        from_vector(nn.Linear(3, 2), np.zeros(shape, np.float32))
    assert caught.value.reason is ModelReason.WRONG_SIZE


def test_the_vector_is_a_copy() -> None:
    module = nn.Linear(3, 2)
    vector = to_vector(module)
    before = vector.copy()
    vector[:] = 7.0
    assert np.array_equal(to_vector(module), before)
    from_vector(module, vector)
    vector[:] = 8.0
    assert np.array_equal(to_vector(module), np.full(8, 7.0, np.float32))


def test_read_only_vectors_are_welcome() -> None:
    vector = np.ones(8, np.float32)
    vector.flags.writeable = False
    module = nn.Linear(3, 2)
    from_vector(module, vector)
    assert to_vector(module).sum() == 8.0


def test_schema_hash_follows_names_and_shapes() -> None:
    assert schema_hash(nn.Linear(3, 2)) == schema_hash(nn.Linear(3, 2))
    assert schema_hash(nn.Linear(3, 2)) != schema_hash(nn.Linear(2, 3))
    assert schema_hash(nn.Linear(3, 2)) != schema_hash(nn.Linear(3, 2, bias=False))
    assert schema_hash(nn.Linear(3, 2)) != schema_hash(nn.Linear(3, 2, dtype=torch.float64))
