from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from personal_worlds import BODY, LastFrame, Normalised, linear_model, unit_scaling, wearer

from kinefed.datasets import UsageError
from kinefed.models import (
    ModelError,
    TorqueNetwork,
    build,
    from_vector,
    predict,
    seeded,
    to_vector,
    train_steps,
)
from kinefed.personalization.scores import LabelErrors, label_errors
from kinefed.personalization.transfer import TransferConfig, adapt, trainable_names

SCALING = unit_scaling()
OTHER = BODY + np.array([[0.5, 0.0, 0.3], [0.0, -0.4, 0.2]], dtype=np.float32)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def lstm() -> TorqueNetwork:
    return seeded(
        1,
        lambda: build(
            "zhang2023lstm", n_channels=3, n_outputs=2, n_times=4, sample_rate_hz=100.0, hidden=6
        ),
    )


def tensors(module: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in module.state_dict().items()}


@pytest.mark.parametrize("make", [lstm, lambda: seeded(2, Normalised)], ids=["lstm", "dropout"])
def test_with_nothing_frozen_and_no_validation_it_is_train_steps(make) -> None:
    windows = wearer(rng(), OTHER, frames=132)
    assert len(windows) % 32, "the short last batch has to matter"
    plain, tuned = make(), make()
    train_steps(plain, windows, SCALING, steps=17, batch=32, rate=3e-3, rng=rng(7))
    config = TransferConfig(steps=17, batch=32, rate=3e-3, every=4)
    result = adapt(tuned, windows, SCALING, config, rng(7))
    np.testing.assert_array_equal(result.vector, to_vector(plain))
    np.testing.assert_array_equal(to_vector(tuned), result.vector)
    assert result.best_step == 17
    assert [look.step for look in result.history] == [0, 4, 8, 12, 16, 17]


def test_looking_at_validation_does_not_change_the_training() -> None:
    windows, validation = wearer(rng(), OTHER), wearer(rng(1), OTHER)
    config = TransferConfig(steps=12, every=3, rate=1e-2)
    blind = adapt(seeded(2, Normalised), windows, SCALING, config, rng(3))
    seen = adapt(seeded(2, Normalised), windows, SCALING, config, rng(3), validation)
    assert seen.best_step == 12, "or the vectors below are not of the same step"
    np.testing.assert_array_equal(seen.vector, blind.vector)


@pytest.mark.parametrize(
    ("config", "free"),
    [
        (TransferConfig(mode="head"), {"head"}),
        (TransferConfig(mode="last-k", k=1), {"head"}),
        (TransferConfig(mode="last-k", k=2), {"head", "scale"}),
        (TransferConfig(mode="last-k", k=9), {"head", "scale", "body"}),
        (TransferConfig(mode="all"), {"head", "scale", "body"}),
    ],
)
def test_frozen_layers_do_not_change_by_a_bit(config: TransferConfig, free: set[str]) -> None:
    module = seeded(2, Normalised)
    before = tensors(module)
    adapt(module, wearer(rng(), OTHER), SCALING, replace(config, steps=6, rate=1e-2), rng())
    for name, value in tensors(module).items():
        # Running statistics count as part of their layer, though they are no parameters.
        same = torch.equal(value, before[name])
        assert same == (name.split(".")[0] not in free), name


def test_step_zero_wins_where_the_global_model_is_right() -> None:
    module = linear_model()
    start = to_vector(module)
    # Labels to learn from are off by 1, labels to validate on are what the model says.
    result = adapt(
        module,
        wearer(rng(), offset=1.0),
        SCALING,
        TransferConfig(steps=20, rate=1e-2),
        rng(),
        wearer(rng(1)),
    )
    assert result.best_step == 0
    np.testing.assert_array_equal(result.vector, start)
    np.testing.assert_array_equal(to_vector(module), start)
    assert len(result.history) == 5


def test_the_best_weights_are_restored() -> None:
    module, validation = linear_model(), wearer(rng(1), offset=0.06)
    # The offset to learn is 1; on the way there the model passes 0.06.
    config = TransferConfig(mode="head", steps=40, every=2, rate=1e-2)
    result = adapt(module, wearer(rng(), offset=1.0), SCALING, config, rng(), validation)
    rmse = [look.errors.rmse for look in result.history if look.errors]
    best = int(np.argmin(rmse))
    assert 0 < best < len(rmse) - 1
    assert result.best_step == result.history[best].step
    from_vector(module, result.vector)
    assert label_errors(module, validation, SCALING).rmse == rmse[best]


def test_a_linear_wearer_is_learnt() -> None:
    module, held_out = linear_model(), wearer(rng(9), OTHER)
    before = label_errors(module, held_out, SCALING).rmse
    config = TransferConfig(mode="head", steps=800, every=100, rate=1e-2)
    adapt(module, wearer(rng(), OTHER), SCALING, config, rng(), wearer(rng(1), OTHER))
    assert before > 0.3
    assert label_errors(module, held_out, SCALING).rmse < 0.01
    np.testing.assert_allclose(module.head.weight.detach().numpy(), OTHER, atol=0.02)


def test_pull_of_full_strength_stays_at_the_global_model() -> None:
    module = linear_model()
    start = to_vector(module)
    config = TransferConfig(steps=10, rate=0.01, pull=100.0)
    result = adapt(module, wearer(rng(), OTHER), SCALING, config, rng())
    np.testing.assert_array_equal(result.vector, start)


def test_a_stronger_pull_stays_closer() -> None:
    distance = []
    for pull in (0.0, 1.0, 10.0):
        module = linear_model()
        start = to_vector(module)
        config = TransferConfig(steps=60, rate=0.01, pull=pull)
        adapt(module, wearer(rng(), OTHER), SCALING, config, rng())
        distance.append(float(np.linalg.norm(to_vector(module) - start)))
    assert distance[0] > distance[1] > distance[2] > 0.0


def test_pull_takes_away_its_share_of_the_way() -> None:
    start = to_vector(linear_model())
    windows = wearer(rng(), OTHER)
    free, pulled = (
        adapt(linear_model(), windows, SCALING, TransferConfig(steps=1, pull=pull), rng()).vector
        for pull in (0.0, 250.0)
    )
    # w1' = w0 + (1 - rate * pull) (w1 - w0), with rate * pull = 1/4.
    np.testing.assert_allclose(pulled - start, 0.75 * (free - start), atol=1e-6)
    assert np.abs(free - start).max() > 5e-4


def test_same_generator_state_same_weights_and_nothing_else_is_touched() -> None:
    torch.manual_seed(123)
    state = torch.get_rng_state()
    vectors = []
    for _ in range(2):
        module = seeded(2, Normalised)
        module.eval()
        module.head.bias.requires_grad_(False)
        config = TransferConfig(mode="last-k", k=2, steps=8)
        vectors.append(adapt(module, wearer(rng()), SCALING, config, rng(4), wearer(rng(1))).vector)
        assert not any(part.training for part in module.modules())
        assert not module.head.bias.requires_grad
        assert module.body.weight.requires_grad
        assert all(p.grad is None for p in module.parameters())
    np.testing.assert_array_equal(vectors[0], vectors[1])
    assert torch.equal(torch.get_rng_state(), state)


def test_another_seed_draws_other_batches() -> None:
    one, two = (
        adapt(linear_model(), wearer(rng(), OTHER), SCALING, TransferConfig(steps=3), rng(seed))
        for seed in (0, 1)
    )
    assert not np.array_equal(one.vector, two.vector)


def test_patience_ends_the_training() -> None:
    config = TransferConfig(steps=100, every=5, patience=3, rate=1e-2)
    result = adapt(
        linear_model(), wearer(rng(), offset=1.0), SCALING, config, rng(), wearer(rng(1))
    )
    assert [look.step for look in result.history] == [0, 5, 10, 15]


def test_divergence_is_an_error_or_falls_back() -> None:
    windows = wearer(rng(), OTHER)
    config = TransferConfig(steps=10, rate=1e30)
    with pytest.raises(ModelError, match="diverged"):
        adapt(linear_model(), windows, SCALING, config, rng())
    module = linear_model()
    start = to_vector(module)
    result = adapt(module, windows, SCALING, config, rng(), wearer(rng(1), OTHER))
    assert result.best_step == 0
    np.testing.assert_array_equal(to_vector(module), start)
    assert all(math.isfinite(look.errors.rmse) for look in result.history if look.errors)


def test_windows_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ModelError, match="windows have"):
        adapt(linear_model(), wearer(rng(), length=5), SCALING, TransferConfig(), rng())
    nothing = wearer(rng()).subset([])
    for given in ((nothing, None), (wearer(rng()), nothing)):
        with pytest.raises(ModelError, match="no window"):
            adapt(linear_model(), given[0], SCALING, TransferConfig(), rng(), given[1])


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("mode", "tail"),
        ("k", 0),
        ("steps", 0),
        ("steps", 1.5),
        ("every", 0),
        ("patience", -1),
        ("batch", 0),
        ("rate", -1.0),
        ("rate", float("nan")),
        ("pull", float("inf")),
        ("pull", 1e4),
        ("speed", 1),
    ],
)
def test_bad_settings_are_named(field: str, value: object) -> None:
    with pytest.raises(UsageError, match=rf"transfer\.{field}"):
        TransferConfig.from_dict({field: value})


def test_settings_survive_the_round_trip() -> None:
    config = TransferConfig(mode="last-k", k=2, pull=0.5, early=True)
    assert TransferConfig.from_dict(config.to_dict()) == config


def test_trainable_names_follow_the_layer_groups() -> None:
    module = seeded(0, LastFrame)
    assert trainable_names(module, TransferConfig(mode="head")) == ("head.weight", "head.bias")
    assert set(trainable_names(module, TransferConfig())) == set(dict(module.named_parameters()))


def test_label_errors_add_up() -> None:
    module, windows = linear_model(OTHER), wearer(rng(), noise=0.1)
    y = windows.gather(np.arange(len(windows)))[1]
    error = predict(module, windows, SCALING).astype(np.float64) - y
    whole = label_errors(module, windows, SCALING)
    assert whole.rmse == pytest.approx(np.sqrt((error**2).mean(axis=0)).mean(), rel=1e-12)
    parts = [
        label_errors(module, windows.subset(rows), SCALING)
        for rows in np.array_split(np.arange(len(windows)), 3)
    ]
    assert LabelErrors.merged(parts).rmse == pytest.approx(whole.rmse, rel=1e-6)
    assert math.isnan(LabelErrors(np.zeros(2), np.zeros(2)).rmse)
    # An output without labels does not count as one that is met.
    assert LabelErrors(np.array([4.0, 0.0]), np.array([1.0, 0.0])).rmse == 2.0
