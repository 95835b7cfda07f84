"""A network's weights as one flat float32 vector: how a model travels."""

from __future__ import annotations

import hashlib

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn

from kinefed.models.errors import ModelError, ModelReason


def named_tensors(module: nn.Module) -> dict[str, Tensor]:
    """Return parameters and persistent buffers in the order of the state dict, each once.

    A tensor that is held under two names (tied weights) counts once, under the first. Statistics
    of normalisation layers are buffers and belong to the model.
    """
    seen: set[tuple[int, int, tuple[int, ...], tuple[int, ...]] | int] = set()
    found: dict[str, Tensor] = {}
    for name, tensor in module.state_dict(keep_vars=True).items():
        # An empty or meta tensor has no address; only the object tells it apart.
        address = 0 if tensor.is_meta else tensor.untyped_storage().data_ptr()
        place = (
            (address, tensor.storage_offset(), tuple(tensor.shape), tensor.stride())
            if address
            else id(tensor)
        )
        if place not in seen:
            seen.add(place)
            found[name] = tensor
    return found


def vector_size(module: nn.Module) -> int:
    """Return the length of `to_vector`."""
    return sum(tensor.numel() for tensor in named_tensors(module).values())


def to_vector(module: nn.Module) -> NDArray[np.float32]:
    """Copy all weights and buffers into one vector.

    Returns
    -------
    numpy.ndarray
        (n,) float32. Whole-number buffers (batch counters) are exact up to 2^24.
    """
    parts = [
        tensor.detach().to("cpu", torch.float32).reshape(-1).numpy()
        for tensor in named_tensors(module).values()
    ]
    return np.concatenate(parts) if parts else np.empty(0, dtype=np.float32)


def from_vector(module: nn.Module, vector: ArrayLike) -> None:
    """Overwrite all weights and buffers of a network, or none.

    Parameters
    ----------
    module
        Of the architecture that `to_vector` was called on.
    vector
        (n,) numbers; taken as float32.

    Raises
    ------
    ModelError
        ``wrong_size`` or ``not_finite``; the network is unchanged then.
    """
    with np.errstate(over="ignore"):
        values = np.asarray(vector, dtype=np.float32)
    tensors = named_tensors(module)
    size = sum(tensor.numel() for tensor in tensors.values())
    if values.shape != (size,):
        raise ModelError(
            ModelReason.WRONG_SIZE,
            f"a vector of shape {values.shape} does not fill {size} weights",
            where=type(module).__name__,
            next_step="Compare the schema hashes: the vector is of another network",
        )
    if not np.isfinite(values).all():
        raise ModelError(
            ModelReason.NOT_FINITE,
            f"{int((~np.isfinite(values)).sum())} of {size} weights are NaN or infinite",
            where=type(module).__name__,
        )
    source = torch.tensor(values)
    start = 0
    with torch.no_grad():
        for tensor in tensors.values():
            piece = source[start : start + tensor.numel()].view(tensor.shape)
            # A mean over clients may lie between two whole numbers.
            tensor.copy_(piece if tensor.is_floating_point() else piece.round())
            start += tensor.numel()


def schema_hash(module: nn.Module) -> str:
    """Return 32 hex digits that are equal just where vectors are interchangeable.

    SHA-256 over the network id and the name, type and shape of every tensor, in order.
    """
    lines = [str(getattr(module, "network_id", "") or type(module).__name__)]
    lines += [
        f"{name}:{tensor.dtype}:{tuple(tensor.shape)}"
        for name, tensor in named_tensors(module).items()
    ]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:32]
