"""Transfer learning: fine-tune a global model on one wearer's own windows."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from kinefed.datasets.errors import UsageError, UsageReason
from kinefed.models import (
    ModelError,
    ModelReason,
    TorqueNetwork,
    from_vector,
    masked_mse,
    to_vector,
    torch_seed,
)
from kinefed.models.adam import FlatAdam
from kinefed.models.predict import batch_tensors, check_windows
from kinefed.personalization.scores import LabelErrors, label_errors
from kinefed.signals import Scaling, Windows

Mode = Literal["head", "last-k", "all"]


@dataclass(frozen=True, slots=True)
class TransferConfig:
    """How a global model is fine-tuned.

    Attributes
    ----------
    mode
        Which layers may change: the ``"head"``, the ``"last-k"`` layer groups, or ``"all"``.
    k
        Number of layer groups of ``"last-k"``.
    rate, batch
        Adam's step size, and windows a step.
    steps
        Steps at most.
    every
        Validation errors are looked at every so many steps, and after the last.
    patience
        Stop after so many looks in a row without a lower validation error; 0: never.
    early
        Whether the wearer's own left-out data choose the number of steps. If not, all ``steps``
        are taken: better with only two or three contacts, whose choice is mostly chance.
    pull
        L2 pull back to the global model: every step takes away ``rate * pull`` of the distance
        to it (L2-SP, Li, Grandvalet and Davoine, ICML 2018, decoupled from Adam as weight decay
        is in Loshchilov and Hutter, ICLR 2019).

    Raises
    ------
    UsageError
        ``bad_argument``, naming the field.
    """

    mode: Mode = "all"
    k: int = 1
    rate: float = 1e-3
    steps: int = 20
    every: int = 5
    patience: int = 0
    early: bool = False
    pull: float = 0.0
    batch: int = 32

    def __post_init__(self) -> None:
        if self.mode not in get_args(Mode):
            raise _bad("mode", f"{self.mode!r} is none of {', '.join(get_args(Mode))}")
        for name, least in (("k", 1), ("steps", 1), ("every", 1), ("patience", 0), ("batch", 1)):
            value = getattr(self, name)
            if type(value) is not int or value < least:
                raise _bad(name, f"{value!r} is not a whole number from {least}")
        for name in ("rate", "pull"):
            value = getattr(self, name)
            if not (isinstance(value, int | float) and math.isfinite(value) and value >= 0.0):
                raise _bad(name, f"{value!r} is negative or not finite")
        if self.rate * self.pull > 1.0:
            raise _bad("pull", f"rate * pull is {self.rate * self.pull:g}: a step would overshoot")

    def to_dict(self) -> dict[str, str | int | float | bool]:
        """Give the fields as JSON-ready data."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> TransferConfig:
        """Read `to_dict` back; fields left out keep their defaults.

        Raises
        ------
        UsageError
            ``bad_argument``, naming the field.
        """
        unknown = set(data) - {field.name for field in dataclasses.fields(cls)}
        if unknown:
            raise _bad(min(unknown), "no such setting")
        return cls(**data)


@dataclass(frozen=True, slots=True)
class Look:
    """The model after some steps.

    Attributes
    ----------
    step
        Steps taken; 0 is the global model.
    loss
        Training loss in scaled units, mean over the steps since the last look; NaN at step 0.
    errors
        On the validation windows; None without any.
    """

    step: int
    loss: float
    errors: LabelErrors | None


@dataclass(frozen=True, slots=True)
class AdaptResult:
    """The best weights seen (the last without validation), (weights,), and how they came.

    ``best_step`` is the number of steps that they took; 0 is the global model itself.
    """

    vector: NDArray[np.float32]
    best_step: int
    history: tuple[Look, ...]


def adapt(
    module: TorqueNetwork,
    windows: Windows,
    scaling: Scaling,
    config: TransferConfig,
    rng: np.random.Generator,
    validation: Windows | None = None,
) -> AdaptResult:
    """Fine-tune a network from the weights it holds.

    With nothing frozen, no pull and no validation this is `kinefed.models.train_steps`, bit for
    bit. The same arguments and generator state give the same weights on one machine.

    Parameters
    ----------
    module
        Holds the global weights; afterwards those of the result. Its mode is left as it was.
    windows
        The wearer's labelled windows to learn from.
    scaling
        That of the global model.
    config
        What may change, and for how long.
    rng
        Draws the batches, and one seed for dropout.
    validation
        The wearer's windows of other recordings or contacts. The look with the lowest error on
        them wins; at a tie the earlier one, so that step 0 stays unless something is better.

    Raises
    ------
    ModelError
        ``wrong_shape``, ``no_windows``; ``diverged`` where there is no validation to fall back
        on. With validation, training ends at the first weights that are not finite.
    """
    check_windows(module, windows, some=True)
    if validation is not None:
        check_windows(module, validation, some=True)
    start = to_vector(module)
    looks = [Look(0, math.nan, _look(module, validation, scaling))]
    best, best_step = start, 0
    lowest, stale = _rmse(looks[0]), 0
    with _fine_tuning(module, config, int(rng.integers(2**63))) as (adam, anchor):
        total, since = 0.0, 0
        for step, rows in zip(
            range(1, config.steps + 1), _batches(len(windows), config.batch, rng), strict=False
        ):
            x, y, valid = batch_tensors(windows, scaling, rows)
            loss = masked_mse(module(x), y, valid)
            loss.backward()  # type: ignore[no-untyped-call]
            adam.step(config.rate)
            if config.pull:
                adam.weights.lerp_(anchor, config.rate * config.pull)
            total, since = total + float(loss.detach()), since + 1
            if step % config.every and step != config.steps:
                continue
            if not (math.isfinite(total) and bool(torch.isfinite(adam.weights).all())):
                if validation is None:
                    raise ModelError(
                        ModelReason.DIVERGED, "fine-tuning diverged", next_step="Lower the rate"
                    )
                break
            looks.append(Look(step, total / since, _look(module, validation, scaling)))
            total, since = 0.0, 0
            if validation is None or _rmse(looks[-1]) < lowest:
                best, best_step = to_vector(module), step
                lowest, stale = _rmse(looks[-1]), 0
            else:
                stale += 1
                if config.patience and stale >= config.patience:
                    break
    from_vector(module, best)
    return AdaptResult(best, best_step, tuple(looks))


def trainable_names(module: TorqueNetwork, config: TransferConfig) -> tuple[str, ...]:
    """Return the names of the parameters that may change.

    ``"last-k"`` with as many groups as the network has, or more, is ``"all"``.
    """
    groups = module.layer_groups()
    if config.mode == "all":
        return tuple(name for name, _ in module.named_parameters())
    kept = groups[-1:] if config.mode == "head" else groups[-config.k :]
    return tuple(name for group in kept for name in group)


@contextmanager
def _fine_tuning(
    module: TorqueNetwork, config: TransferConfig, seed: int
) -> Iterator[tuple[FlatAdam, torch.Tensor]]:
    """Freeze what may not change, and give back everything but the weights as it was."""
    free = set(trainable_names(module, config))
    named = dict(module.named_parameters())
    wanted = {name: p.requires_grad for name, p in named.items()}
    modes = {part: part.training for part in module.modules()}
    try:
        for name, p in named.items():
            p.requires_grad_(name in free)
        module.train()
        for part in _frozen_parts(module, free):
            part.eval()
        chosen = [p for name, p in named.items() if name in free]
        with torch_seed(seed), FlatAdam(chosen) as adam:
            yield adam, adam.weights.clone()
    finally:
        for name, p in named.items():
            p.requires_grad_(wanted[name])
        for part, mode in modes.items():
            part.training = mode


def _frozen_parts(module: nn.Module, free: set[str]) -> list[nn.Module]:
    """Return modules with running statistics that must not follow the wearer's data.

    Freezing a normalisation layer's parameters alone would leave its mean and variance moving.
    """
    if free == {name for name, _ in module.named_parameters()}:
        return []
    return [
        part
        for path, part in module.named_modules()
        if any(True for _ in part.buffers(recurse=False))
        and not any(
            f"{path}.{own}".lstrip(".") in free for own, _ in part.named_parameters(recurse=False)
        )
    ]


def _batches(n: int, batch: int, rng: np.random.Generator) -> Iterator[NDArray[np.int64]]:
    # The order of `train_steps`: passes without replacement, a short last batch left out.
    size = min(batch, n)
    while True:
        order = rng.permutation(n)
        for start in range(0, n - size + 1, size):
            yield order[start : start + size]


def _look(
    module: TorqueNetwork, validation: Windows | None, scaling: Scaling
) -> LabelErrors | None:
    if validation is None:
        return None
    # Validation happens between two steps: layers go back to the very modes they were in.
    modes = {part: part.training for part in module.modules()}
    errors = label_errors(module, validation, scaling)
    for part, mode in modes.items():
        part.training = mode
    return errors


def _rmse(look: Look) -> float:
    return math.inf if look.errors is None else look.errors.rmse


def _bad(name: str, what: str) -> UsageError:
    return UsageError(UsageReason.BAD_ARGUMENT, what, where=f"transfer.{name}")
