"""What the server does with updates that cannot be."""

import numpy as np
import pytest

from kinefed.models.adam import FlatAdam
from kinefed.personalization.messages import Update
from kinefed.server.exchange import Client
from kinefed.server.updates import Expected, adam_reach, screen, weighted_mean

REFERENCE = np.zeros(100, np.float32)
EXPECTED = Expected("pooled", 3, "hash", REFERENCE, adam_reach(20, 3e-3, 0.0, 0.0, 100))


def update(vector=None, **changes):
    values = {
        "key": "P1",
        "model": "pooled",
        "round": 3,
        "examples": 10,
        "loss": 1.0,
        "schema": "hash",
        "vector": np.full(100, 0.01, np.float32) if vector is None else vector,
    }
    return Update(**(values | changes))


FAULTS = {
    "nan": (update(np.full(100, np.nan, np.float32)), "not finite"),
    "shape": (update(np.zeros(99, np.float32)), "99 weights"),
    "negative count": (update(examples=-5), "-5 examples"),
    "zero count": (update(examples=0), "0 examples"),
    "enormous count": (update(examples=10**12), "examples"),
    "enormous norm": (update(np.full(100, 1e6, np.float32)), "moved"),
    "wrong round": (update(round=2), "round 2"),
    "wrong network": (update(schema="other"), "schema"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_faulty_update_is_dropped_and_named_and_the_others_stay(name):
    faulty, words = FAULTS[name]
    good = (Client(1, "P1"), update())
    valid, dropped = screen([good, (Client(2, "P2"), faulty)], EXPECTED)
    assert valid == [good]
    assert [d.key for d in dropped] == ["P2"]
    assert words in dropped[0].reason


def test_weighted_mean_is_that_of_the_closed_form():
    parts = [update(np.full(4, v, np.float32), examples=n) for v, n in ((1.0, 30), (5.0, 10))]
    np.testing.assert_array_equal(weighted_mean(parts), np.full(4, 2.0, np.float32))


def test_honest_training_stays_within_reach_whatever_the_gradient():
    import torch

    rng = np.random.default_rng(0)
    weight = torch.nn.Parameter(torch.zeros(100))
    with FlatAdam([weight]) as adam:
        # The worst case for Adam: nothing for long, then one enormous gradient.
        for step in range(20):
            weight.grad[:] = torch.tensor(rng.normal(size=100) * (1e8 if step == 19 else 1e-12))
            adam.step(3e-3)
        norm = float(adam.weights.norm())
    assert 0.0 < norm <= EXPECTED.max_norm
