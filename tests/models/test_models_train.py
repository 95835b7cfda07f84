"""Training against torch.optim, closed forms, and itself."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from kinefed.models import (
    EpochRow,
    History,
    ModelError,
    ModelReason,
    NetworkError,
    TorqueNetwork,
    TrainConfig,
    TrainHook,
    available,
    build,
    cosine_rates,
    fit,
    masked_mse,
    mean_loss,
    predict,
    seeded,
    to_vector,
    train_steps,
)
from kinefed.models.adam import FlatAdam
from kinefed.models.predict import batch_tensors
from kinefed.signals.legs import LegSeries
from kinefed.signals.scaling import Scaling, leg_sums
from kinefed.signals.windows import Windows

Data = tuple[Windows, Scaling]
MakeLegs = Callable[..., list[LegSeries]]


def make(network_id: str = "zhang2023lstm", **args: float) -> TorqueNetwork:
    sizes = {"n_channels": 4, "n_outputs": 2, "n_times": 10}
    return seeded(0, lambda: build(network_id, **sizes, sample_rate_hz=100.0, **args))  # type: ignore[arg-type]


class Line(TorqueNetwork):
    """Linear regression on the last frame: its optimum is a closed form."""

    def __init__(self, *sizes: float) -> None:
        super().__init__(*sizes)  # type: ignore[arg-type]
        self.head = nn.Linear(self.n_channels, self.n_outputs)

    def estimate(self, x: Tensor) -> Tensor:
        y: Tensor = self.head(x[:, :, -1])
        return y


@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_flat_adam_is_torch_adam(weight_decay: float) -> None:
    torch.manual_seed(0)
    ours = nn.Sequential(nn.Linear(7, 11), nn.Tanh(), nn.Linear(11, 3))
    theirs = nn.Sequential(nn.Linear(7, 11), nn.Tanh(), nn.Linear(11, 3))
    theirs.load_state_dict(ours.state_dict())
    # AdamW without decay is Adam.
    optimiser = torch.optim.AdamW(theirs.parameters(), lr=1.0, weight_decay=weight_decay)
    rates = [0.01, 0.003, 0.0] + [0.02] * 60
    with FlatAdam(list(ours.parameters()), weight_decay) as adam:
        for rate in rates:
            x, y = torch.randn(16, 7), torch.randn(16, 3)
            for module in (ours, theirs):
                masked_mse(module(x), y).backward()
            adam.step(rate)
            optimiser.param_groups[0]["lr"] = rate
            optimiser.step()
            optimiser.zero_grad()
    for mine, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-5, atol=1e-6)
    # Each parameter owns its memory again.
    assert len({p.untyped_storage().data_ptr() for p in ours.parameters()}) == 4
    assert all(p.grad is None for p in ours.parameters())


@pytest.mark.parametrize("network_id", available())
def test_train_steps_equals_a_plain_torch_loop(data: Data, network_id: str) -> None:
    windows, scaling = data
    args = {} if network_id == "zhang2023lstm" else {"dropout": 0.0}
    ours, theirs = make(network_id, **args), make(network_id, **args)
    loss = train_steps(
        ours, windows, scaling, steps=12, batch=50, rate=0.01, rng=np.random.default_rng(4)
    )
    rng = np.random.default_rng(4)
    rng.integers(2**63)
    optimiser = torch.optim.Adam(theirs.parameters(), lr=0.01)
    losses, order = [], np.empty(0, dtype=int)
    for _ in range(12):
        if len(order) < 50:
            order = rng.permutation(len(windows))
        rows, order = order[:50], order[50:]
        x, y, mask = windows.gather(rows)
        assert mask.all()
        estimate = theirs(torch.from_numpy(scaling.scale_x(x)))
        error = nn.functional.mse_loss(estimate, torch.from_numpy(scaling.scale_y(y)))
        optimiser.zero_grad()
        error.backward()
        optimiser.step()
        losses.append(error.item())
    assert loss == pytest.approx(np.mean(losses), rel=1e-5)
    np.testing.assert_allclose(to_vector(ours), to_vector(theirs), rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("network_id", available())
def test_same_seed_same_weights_bit_for_bit(data: Data, network_id: str) -> None:
    results = []
    for seed in (3, 3, 4):
        module = make(network_id)
        torch.manual_seed(len(results))
        before = torch.default_generator.get_state()
        train_steps(module, *data, steps=6, batch=16, rate=1e-2, rng=np.random.default_rng(seed))
        assert torch.equal(torch.default_generator.get_state(), before)
        results.append(to_vector(module))
    assert results[0].tobytes() == results[1].tobytes()
    assert results[0].tobytes() != results[2].tobytes()


def test_dropout_is_on_while_training_and_the_mode_is_given_back(data: Data) -> None:
    windows, scaling = data
    dropped, whole = make("moreira2021cnn"), make("moreira2021cnn", dropout=0.0)
    whole.eval()
    for module in (dropped, whole):
        module.dropout.training = False
        train_steps(
            module, windows, scaling, steps=2, batch=16, rate=1e-2, rng=np.random.default_rng(0)
        )
        assert not module.dropout.training
    assert dropped.training
    assert not whole.training
    assert not np.array_equal(to_vector(dropped), to_vector(whole))


@pytest.mark.parametrize("network_id", available())
def test_only_trainable_parameters_change(data: Data, network_id: str) -> None:
    module = make(network_id)
    head = module.layer_groups()[-1]
    before = {name: p.detach().clone() for name, p in module.named_parameters()}
    rng = np.random.default_rng(0)
    train_steps(module, *data, steps=3, batch=16, rate=1e-2, rng=rng, trainable=head)
    for name, p in module.named_parameters():
        assert torch.equal(p, before[name]) == (name not in head), name
        assert p.requires_grad
        assert p.grad is None


def test_a_frozen_parameter_stays_frozen_for_the_caller(data: Data) -> None:
    module = make()
    module.lstm.weight_ih_l0.requires_grad_(False)
    train_steps(module, *data, steps=1, batch=8, rate=1e-2, rng=np.random.default_rng(0))
    assert not module.lstm.weight_ih_l0.requires_grad
    assert module.head.weight.requires_grad


def test_every_window_is_drawn_once_a_pass(data: Data) -> None:
    """With a rate of 0 the mean loss over whole passes is the loss over all windows."""
    windows, scaling = data
    whole = windows.subset(np.arange(96))
    module = make()
    loss = train_steps(
        module, whole, scaling, steps=6, batch=32, rate=0.0, rng=np.random.default_rng(0)
    )
    assert loss == pytest.approx(mean_loss(module, whole, scaling), rel=1e-5)


def test_fewer_windows_than_a_batch(data: Data) -> None:
    windows, scaling = data
    few = windows.subset([3, 1, 2])
    rng = np.random.default_rng(0)
    loss = train_steps(make(), few, scaling, steps=40, batch=32, rate=1e-2, rng=rng)
    assert math.isfinite(loss)


def test_training_finds_the_least_squares_solution(make_legs: MakeLegs) -> None:
    legs = make_legs(people=2, noise=0.3)
    windows, scaling = Windows(legs, 3), Scaling.from_sums(*leg_sums(legs))
    line = seeded(0, lambda: Line(4, 2, 3, 100.0))
    rng = np.random.default_rng(0)
    rates = cosine_rates(0.05, 400)
    train_steps(line, windows, scaling, steps=400, batch=10**6, rate=rates, rng=rng)
    x, y, _ = batch_tensors(windows, scaling, np.arange(len(windows)))
    design = np.column_stack([x[:, :, -1].numpy(), np.ones(len(windows))])
    exact, *_ = np.linalg.lstsq(design, y.numpy(), rcond=None)
    np.testing.assert_allclose(line.head.weight.detach().numpy(), exact[:-1].T, atol=2e-4)
    np.testing.assert_allclose(line.head.bias.detach().numpy(), exact[-1], atol=2e-4)


def test_rates_are_taken_one_a_step(data: Data) -> None:
    module = make()
    before = to_vector(module)
    rng = np.random.default_rng(0)
    train_steps(module, *data, steps=3, batch=8, rate=[0.0, 0.0, 0.0], rng=rng)
    assert np.array_equal(to_vector(module), before)
    train_steps(module, *data, steps=2, batch=8, rate=[0.1, 0.0], rng=rng)
    # The first step of Adam moves each weight that has a gradient by the rate.
    moved = np.abs(to_vector(module) - before)
    assert np.median(moved) == pytest.approx(0.1, rel=1e-2)


def test_weight_decay_is_decoupled(data: Data) -> None:
    windows, scaling = data
    plain, decayed = make(), make()
    before = to_vector(plain).astype(np.float64)
    for module, decay in ((plain, 0.0), (decayed, 0.5)):
        train_steps(
            module,
            windows,
            scaling,
            steps=1,
            batch=16,
            rate=0.1,
            rng=np.random.default_rng(0),
            weight_decay=decay,
        )
    lost = to_vector(plain) - to_vector(decayed)
    np.testing.assert_allclose(lost, 0.1 * 0.5 * before, atol=1e-6)


def test_cosine_rates_fall_from_the_rate_towards_zero() -> None:
    rates = cosine_rates(2.0, 4)
    assert rates[0] == 2.0
    assert rates[2] == pytest.approx(1.0)
    assert all(a > b > 0 for a, b in pairwise(rates))


def test_masked_mse_leaves_out_missing_labels() -> None:
    estimate = torch.tensor([[1.0, 5.0], [3.0, 7.0]])
    target = torch.tensor([[0.0, 0.0], [1.0, 0.0]])
    valid = torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    assert masked_mse(estimate, target, valid).item() == pytest.approx((1.0 + 4.0) / 2)
    assert masked_mse(estimate, target).item() == pytest.approx((1 + 25 + 4 + 49) / 4)
    assert masked_mse(estimate, target, torch.zeros(2, 2)).item() == 0.0


def test_missing_labels_do_not_teach(data: Data) -> None:
    """A batch with a NaN label gives the gradient of the batch without it."""
    windows, scaling = data

    class Holed:
        n_channels, n_outputs, length, target = 4, 2, 10, "last"

        def __len__(self) -> int:
            return 4

        def gather(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
            x, y, mask = windows.gather(rows)
            y[rows == 1] = np.nan
            return x, y, mask & (rows != 2)

    holed, clean = make(), make()
    losses = [
        train_steps(module, part, scaling, steps=1, batch=4, rate=0.1, rng=np.random.default_rng(0))  # type: ignore[arg-type]
        for module, part in ((holed, Holed()), (clean, windows.subset([0, 3])))
    ]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)
    assert mean_loss(holed, Holed(), scaling) == pytest.approx(  # type: ignore[arg-type]
        mean_loss(holed, windows.subset([0, 3]), scaling), rel=1e-5
    )


def test_divergence_is_an_error(data: Data) -> None:
    with pytest.raises(ModelError) as caught:
        train_steps(
            make("moreira2021cnn"),
            *data,
            steps=8,
            batch=8,
            rate=1e30,
            rng=np.random.default_rng(0),
        )
    assert caught.value.reason is ModelReason.DIVERGED


@pytest.mark.parametrize(
    "wrong",
    [
        {"steps": 0},
        {"batch": 0},
        {"rate": -1.0},
        {"rate": math.nan},
        {"rate": [0.1]},
        {"weight_decay": -0.1},
        {"trainable": ["tail.weight"]},
        {"trainable": []},
    ],
)
def test_wrong_settings_are_refused(data: Data, wrong: dict[str, object]) -> None:
    settings = {"steps": 2, "batch": 4, "rate": 0.1, "rng": np.random.default_rng(0)} | wrong
    with pytest.raises(NetworkError) as caught:
        train_steps(make(), *data, **settings)  # type: ignore[arg-type]
    assert caught.value.reason is ModelReason.BAD_ARGUMENT


def test_windows_that_do_not_fit_are_refused(data: Data) -> None:
    windows, scaling = data
    rng = np.random.default_rng(0)
    module = make()
    for wrong in (Windows(windows.series, 9), Windows(windows.series, 10, target="sequence")):
        with pytest.raises(ModelError) as caught:
            predict(module, wrong, scaling)
        assert caught.value.reason is ModelReason.WRONG_SHAPE
        with pytest.raises(ModelError):
            train_steps(module, wrong, scaling, steps=1, batch=1, rate=0.1, rng=rng)
    nothing = windows.subset([])
    with pytest.raises(ModelError) as caught:
        train_steps(module, nothing, scaling, steps=1, batch=1, rate=0.1, rng=rng)
    assert caught.value.reason is ModelReason.NO_WINDOWS
    assert predict(module, nothing, scaling).shape == (0, 2)


def test_predict_is_unscaled_and_the_batch_does_not_matter(data: Data) -> None:
    windows, scaling = data
    module = make("moreira2021cnn").train()
    whole = predict(module, windows, scaling, batch=10**6)
    assert whole.dtype == np.float32
    assert module.training
    np.testing.assert_allclose(predict(module, windows, scaling, batch=7), whole, atol=1e-6)
    x = torch.from_numpy(scaling.scale_x(windows.gather([5])[0]))
    scaled = module.eval()(x).detach().numpy()
    np.testing.assert_allclose(whole[5], scaled[0] * scaling.y_std + scaling.y_mean, atol=1e-6)


class Watcher(TrainHook):
    def __init__(self) -> None:
        self.calls: list[str] = []
        self.rows: list[EpochRow] = []
        self.weights: list[np.ndarray] = []
        self.module: TorqueNetwork | None = None

    def on_fit_begin(self, epochs: int, steps_per_epoch: int) -> None:
        self.calls.append(f"begin {epochs} {steps_per_epoch}")

    def on_step_end(self, epoch: int, step: int, loss: float) -> None:
        self.calls.append("step")

    def on_epoch_end(self, row: EpochRow) -> None:
        self.rows.append(row)
        if self.module is not None:
            self.weights.append(to_vector(self.module))

    def on_fit_end(self, history: History) -> None:
        self.calls.append("end")


def test_fit_keeps_the_best_weights_and_stops(data: Data, make_legs: MakeLegs) -> None:
    windows, scaling = data
    # The labels of a stranger with another law: validation gets worse as training goes on.
    stranger = make_legs(people=1, first=7)[0]
    validation = Windows([replace(stranger, y=-stranger.y)], 10)
    module, watcher = make(), Watcher()
    watcher.module = module
    config = TrainConfig(epochs=50, batch=64, rate=0.01, patience=3)
    history = fit(
        module,
        windows,
        scaling,
        config,
        rng=np.random.default_rng(0),
        validation=validation,
        hook=watcher,
    )
    assert history.stopped_early
    assert len(history.rows) == history.best_epoch + 1 + 3
    judged = [row.validation_loss for row in history.rows]
    assert judged[history.best_epoch] == min(v for v in judged if v is not None)
    assert history.best.improved
    assert np.array_equal(to_vector(module), watcher.weights[history.best_epoch])
    assert mean_loss(module, validation, scaling) == pytest.approx(history.best.validation_loss)
    assert tuple(watcher.rows) == history.rows


def test_fit_learns_and_is_deterministic(data: Data, make_legs: MakeLegs) -> None:
    windows, scaling = data
    validation = Windows(make_legs(people=1, first=5), 10)
    config = TrainConfig(epochs=25, rate=0.01, schedule="cosine")
    results = []
    for _ in range(2):
        module = make("cnn-lstm")
        first = mean_loss(module, validation, scaling)
        rng = np.random.default_rng(0)
        history = fit(module, windows, scaling, config, rng=rng, validation=validation)
        results.append(to_vector(module).tobytes())
    assert results[0] == results[1]
    assert mean_loss(module, validation, scaling) < 0.2 * first
    assert history.rows[0].rate > history.rows[-1].rate


def test_fit_without_validation_runs_all_epochs(data: Data) -> None:
    windows, scaling = data
    watcher = Watcher()
    config = TrainConfig(epochs=2, batch=100, patience=1)
    history = fit(make(), windows, scaling, config, rng=np.random.default_rng(0), hook=watcher)
    steps = math.ceil(len(windows) / 100)
    assert watcher.calls == [f"begin 2 {steps}", *["step"] * 2 * steps, "end"]
    assert history.best_epoch == 1
    assert not history.stopped_early
    assert all(row.validation_loss is None for row in history.rows)


def test_fit_with_fixed_steps_an_epoch(data: Data) -> None:
    watcher = Watcher()
    config = TrainConfig(epochs=3, batch=8, steps=2)
    fit(make(), *data, config, rng=np.random.default_rng(0), hook=watcher)
    assert watcher.calls.count("step") == 6


def test_hooks_do_nothing_by_themselves() -> None:
    hook = TrainHook()
    row = EpochRow(0, 1.0, None, 0.1, False)
    hook.on_fit_begin(1, 1)
    hook.on_step_end(0, 0, 1.0)
    hook.on_epoch_end(row)
    hook.on_fit_end(History((row,), 0, False))
    assert vars(hook) == {}


@pytest.mark.parametrize(
    "wrong",
    [
        {"epochs": 0},
        {"batch": 0},
        {"patience": 0},
        {"steps": 0},
        {"rate": -1.0},
        {"weight_decay": math.inf},
        {"schedule": "steps"},
    ],
)
def test_wrong_config_is_refused_by_name(wrong: dict[str, float]) -> None:
    with pytest.raises(NetworkError) as caught:
        TrainConfig(**wrong)  # type: ignore[arg-type]
    assert caught.value.where == f"train.{next(iter(wrong))}"
