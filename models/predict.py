"""Run a network over windows, and its loss on them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from kinefed.models.base import TorqueNetwork
from kinefed.models.errors import ModelError, ModelReason
from kinefed.signals.scaling import Scaling
from kinefed.signals.windows import Windows

# The fastest of 32..2048 on one core: the activations of a batch still fit the cache.
PREDICT_BATCH = 256


def masked_mse(estimate: Tensor, target: Tensor, valid: Tensor | None = None) -> Tensor:
    """Mean squared error over the labels that are there.

    ``sum(valid * (estimate - target)^2) / sum(valid)``; 0 where no label is valid.

    Parameters
    ----------
    estimate, target
        (windows, outputs), scaled. A target that is not valid must still be finite.
    valid
        (windows, outputs) of 0 and 1 in float32; None: all are valid.
    """
    error = estimate - target
    if valid is None:
        return (error * error).mean()
    return (valid * error * error).sum() / valid.sum().clamp(min=1.0)


def check_windows(module: TorqueNetwork, windows: Windows, *, some: bool = False) -> None:
    """Refuse windows that do not fit a network.

    Parameters
    ----------
    module
        The network.
    windows
        One label a window, with its channels, outputs and length.
    some
        There must be at least one.

    Raises
    ------
    ModelError
        ``wrong_shape`` or ``no_windows``.
    """
    have = (windows.n_channels, windows.n_outputs, windows.length, windows.target)
    need = (module.n_channels, module.n_outputs, module.n_times, "last")
    if have != need:
        raise ModelError(
            ModelReason.WRONG_SHAPE,
            f"windows have (channels, outputs, frames, target) = {have}, the network needs {need}",
            where=module.network_id or type(module).__name__,
            next_step="Make the windows from the spec and window length of this model",
        )
    if some and not len(windows):
        raise ModelError(
            ModelReason.NO_WINDOWS,
            "there is no window with a label to learn from",
            next_step="Check that the recordings have valid torque frames",
        )


def batch_tensors(
    windows: Windows, scaling: Scaling, indices: NDArray[np.integer]
) -> tuple[Tensor, Tensor, Tensor | None]:
    """Gather and scale one batch.

    Returns
    -------
    x
        (n, channels, times) float32.
    y
        (n, outputs) float32; 0 where there is no label.
    valid
        (n, outputs) float32 of 0 and 1, or None where every label is there.
    """
    x, y, mask = windows.gather(indices)
    target = scaling.scale_y(y)
    valid = np.isfinite(target) & mask[:, None]
    inputs = torch.from_numpy(scaling.scale_x(x))
    if valid.all():
        return inputs, torch.from_numpy(target), None
    target = np.where(valid, target, np.float32(0.0))
    return inputs, torch.from_numpy(target), torch.from_numpy(valid.astype(np.float32))


def predict(
    module: TorqueNetwork, windows: Windows, scaling: Scaling, *, batch: int = PREDICT_BATCH
) -> NDArray[np.float32]:
    """Estimate the torques of all windows.

    Parameters
    ----------
    module
        Used in evaluation mode and given back in the mode it was in.
    windows
        (n) windows.
    scaling
        The one the network was trained with.
    batch
        Windows at a time; changes the result by no more than rounding.

    Returns
    -------
    numpy.ndarray
        (n, outputs) float32, N m/kg.

    Raises
    ------
    ModelError
        ``wrong_shape``.
    """
    check_windows(module, windows)
    out = np.empty((len(windows), module.n_outputs), dtype=np.float32)
    with in_mode(module, training=False), torch.inference_mode():
        for start in range(0, len(windows), batch):
            rows = np.arange(start, min(start + batch, len(windows)))
            x = torch.from_numpy(scaling.scale_x(windows.gather(rows)[0]))
            out[rows] = scaling.unscale_y(module(x).numpy())
    return out


def mean_loss(
    module: TorqueNetwork, windows: Windows, scaling: Scaling, *, batch: int = PREDICT_BATCH
) -> float:
    """Return the masked mean squared error over all windows, in scaled units.

    Parameters are those of `predict`.

    Raises
    ------
    ModelError
        ``wrong_shape`` or ``no_windows``.
    """
    check_windows(module, windows, some=True)
    total = count = 0.0
    with in_mode(module, training=False), torch.inference_mode():
        for start in range(0, len(windows), batch):
            rows = np.arange(start, min(start + batch, len(windows)))
            x, y, valid = batch_tensors(windows, scaling, rows)
            labels = float(y.numel() if valid is None else valid.sum())
            total += labels * float(masked_mse(module(x), y, valid))
            count += labels
    return total / max(count, 1.0)


@contextmanager
def in_mode(module: nn.Module, *, training: bool) -> Iterator[None]:
    """Put a network in one mode for the block, then every layer back in the one it was in."""
    before = {part: part.training for part in module.modules()}
    module.train(training)
    try:
        yield
    finally:
        for part, mode in before.items():
            part.training = mode
