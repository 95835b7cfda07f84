"""Training: a fixed number of steps (`train_steps`), or epochs with early stopping (`fit`)."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from kinefed.models.adam import FlatAdam
from kinefed.models.augment import Augment
from kinefed.models.base import TorqueNetwork
from kinefed.models.errors import ModelError, ModelReason
from kinefed.models.history import EpochRow, History, TrainHook
from kinefed.models.predict import batch_tensors, check_windows, in_mode, masked_mse, mean_loss
from kinefed.models.seeds import torch_seed
from kinefed.models.train_config import TrainConfig, bad_argument, check_rates
from kinefed.models.vector import from_vector, to_vector
from kinefed.signals.scaling import Scaling
from kinefed.signals.windows import Windows


def train_steps(
    module: TorqueNetwork,
    windows: Windows,
    scaling: Scaling,
    *,
    steps: int,
    batch: int,
    rate: float | Sequence[float],
    rng: np.random.Generator,
    trainable: Collection[str] | None = None,
    weight_decay: float = 0.0,
    augment: Augment | None = None,
) -> float:
    """Take a fixed number of Adam steps; the optimiser starts fresh.

    The same arguments, weights and generator state give the same weights bit for bit on one
    machine; torch's global random state is neither read nor changed.

    Parameters
    ----------
    module
        Trained in place and given back in the mode (training or evaluation) it was in.
    windows
        Labelled windows; drawn without replacement, in a new order each time they run out.
    scaling
        Centre and spread of inputs and outputs.
    steps
        Number of steps.
    batch
        Windows a step, or all of them where there are fewer.
    rate
        Step size, or one for each step (see `cosine_rates`).
    rng
        Draws the batches, and one seed for dropout.
    trainable
        Names of the parameters that may change (see `TorqueNetwork.layer_groups`); None: all.
        Buffers follow the data in any case.
    weight_decay
        Decoupled decay: each step takes away ``rate * weight_decay`` of each weight.
    augment
        Noise on the inputs of each batch; None: none.

    Returns
    -------
    float
        Loss in scaled units, mean over the steps, each before its update.

    Raises
    ------
    NetworkError
        ``bad_argument``.
    ModelError
        ``wrong_shape``, ``no_windows``; ``diverged``: the weights are then unusable.
    """
    if steps < 1 or batch < 1:
        raise bad_argument(f"{steps} steps of {batch} windows", "train_steps")
    rates = [float(rate)] * steps if isinstance(rate, int | float) else [float(r) for r in rate]
    if len(rates) != steps:
        raise bad_argument(f"{len(rates)} rates for {steps} steps", "train_steps.rate")
    check_rates(rates, weight_decay)
    check_windows(module, windows, some=True)
    seed = int(rng.integers(2**63))
    total = torch.zeros(())
    with (
        torch_seed(seed),
        _training(module, trainable) as chosen,
        FlatAdam(chosen, weight_decay) as adam,
    ):
        for step_rate, rows in zip(rates, _batches(len(windows), batch, rng), strict=False):
            total += _step(module, adam, windows, scaling, rows, step_rate, augment)
    return _finite(float(total) / steps, adam)


def fit(
    module: TorqueNetwork,
    windows: Windows,
    scaling: Scaling,
    config: TrainConfig,
    *,
    rng: np.random.Generator,
    validation: Windows | None = None,
    trainable: Collection[str] | None = None,
    hook: TrainHook | None = None,
) -> History:
    """Train for some epochs; stop early and keep the best weights where there is validation.

    Deterministic in the sense of `train_steps`.

    Parameters
    ----------
    module, windows, scaling, rng, trainable
        As in `train_steps`.
    config
        Epochs, batch, rate, patience.
    validation
        Windows that are not learnt from; their loss decides which weights are kept. None: all
        epochs run and the last weights stay.
    hook
        Told of every step and epoch.

    Raises
    ------
    ModelError
        As in `train_steps`.
    """
    check_windows(module, windows, some=True)
    hook = hook or TrainHook()
    per_epoch = config.steps or math.ceil(len(windows) / config.batch)
    rows: list[EpochRow] = []
    best: tuple[float, int, NDArray[np.float32]] | None = None
    stopped = False
    hook.on_fit_begin(config.epochs, per_epoch)
    with (
        torch_seed(int(rng.integers(2**63))),
        _training(module, trainable) as chosen,
        FlatAdam(chosen, config.weight_decay) as adam,
    ):
        draw = _batches(len(windows), config.batch, rng, drop_last=False)
        for epoch in range(config.epochs):
            rate, total = config.rate, 0.0
            for step in range(per_epoch):
                rate = config.rate_at((epoch + step / per_epoch) / config.epochs)
                loss = float(_step(module, adam, windows, scaling, next(draw), rate))
                total += loss
                hook.on_step_end(epoch, step, loss)
            mean = _finite(total / per_epoch, adam)
            judged = None
            if validation is not None:
                judged = _finite(mean_loss(module, validation, scaling), adam)
            improved = judged is not None and (best is None or judged < best[0])
            if judged is not None and improved:
                best = (judged, epoch, to_vector(module))
            rows.append(EpochRow(epoch, mean, judged, rate, improved))
            hook.on_epoch_end(rows[-1])
            if best is not None and epoch - best[1] >= config.patience:
                stopped = True
                break
    if best is not None:
        from_vector(module, best[2])
    history = History(tuple(rows), rows[-1].epoch if best is None else best[1], stopped)
    hook.on_fit_end(history)
    return history


def _step(
    module: TorqueNetwork,
    adam: FlatAdam,
    windows: Windows,
    scaling: Scaling,
    rows: NDArray[np.int64],
    rate: float,
    augment: Augment | None = None,
) -> Tensor:
    x, y, valid = batch_tensors(windows, scaling, rows)
    if augment is not None:
        x = augment.apply(x)
    loss = masked_mse(module(x), y, valid)
    loss.backward()  # type: ignore[no-untyped-call]
    adam.step(rate)
    return loss.detach()


def _batches(
    n: int, batch: int, rng: np.random.Generator, *, drop_last: bool = True
) -> Iterator[NDArray[np.int64]]:
    """Yield batches for ever: pass after pass over 0..n-1, each in a new order."""
    size = min(batch, n)
    end = n - size + 1 if drop_last else n
    while True:
        order = rng.permutation(n)
        for start in range(0, end, size):
            yield order[start : start + size]


@contextmanager
def _training(
    module: TorqueNetwork, trainable: Collection[str] | None
) -> Iterator[list[nn.Parameter]]:
    """Free the chosen parameters and freeze the rest, so that backward stops where it may."""
    named = dict(module.named_parameters())
    names = set(named) if trainable is None else set(trainable)
    if not names or names - set(named):
        raise bad_argument(f"{sorted(names - set(named)) or 'nothing'} to train", "trainable")
    before = {name: p.requires_grad for name, p in named.items()}
    try:
        for name, p in named.items():
            p.requires_grad_(name in names)
        with in_mode(module, training=True):
            yield [p for name, p in named.items() if name in names]
    finally:
        for name, p in named.items():
            p.requires_grad_(before[name])


def _finite(loss: float, adam: FlatAdam) -> float:
    if not (math.isfinite(loss) and bool(torch.isfinite(adam.weights).all())):
        raise ModelError(
            ModelReason.DIVERGED,
            f"training diverged (loss {loss:g})",
            next_step="Lower the rate, or look for outliers in the signals",
        )
    return loss
