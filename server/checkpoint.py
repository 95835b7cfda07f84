"""The state of a federation after a round, on disk: a killed server goes on from there."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from kinefed.server.errors import CheckpointError, ServerReason

NO_CENTRES: NDArray[np.float64] = np.zeros(0, dtype=np.float64)


@dataclass(frozen=True, slots=True)
class State:
    """Everything that the next round depends on.

    Attributes
    ----------
    digest
        Hash of the settings; a checkpoint of other settings is refused.
    done
        Finished work: ``{"statistics": 1, "pooled": 7, ...}`` (rounds by model).
    vectors
        Weights by model name, each (p,) float32.
    scaling
        Input and output scaling in one row, (2 * c + 2 * o,) float32; empty before it is known.
    centres, z_mean, z_std
        Task clusters: (k * d,), (d,) and (d,); empty without clusters.
    history
        One dict a round: model, round, loss, clients, examples, dropped.
    """

    digest: str
    done: dict[str, int] = field(default_factory=dict)
    vectors: dict[str, NDArray[np.float32]] = field(default_factory=dict)
    scaling: NDArray[np.float32] = field(default_factory=lambda: np.zeros(0, np.float32))
    centres: NDArray[np.float64] = field(default_factory=lambda: NO_CENTRES)
    z_mean: NDArray[np.float64] = field(default_factory=lambda: NO_CENTRES)
    z_std: NDArray[np.float64] = field(default_factory=lambda: NO_CENTRES)
    history: tuple[dict[str, Any], ...] = ()

    def after(self, step: str, count: int, **changes: Any) -> State:
        """Return the state with ``step`` done ``count`` times and other fields changed."""
        return replace(self, done={**self.done, step: count}, **changes)


def save_state(path: Path, state: State) -> None:
    """Write a state: to a neighbour first, synced, then renamed over the old one."""
    tensors: dict[str, NDArray[Any]] = {
        "scaling": state.scaling,
        "centres": state.centres,
        "z_mean": state.z_mean,
        "z_std": state.z_std,
    }
    tensors |= {f"vector.{name}": vector for name, vector in state.vectors.items()}
    meta = {"digest": state.digest, "done": state.done, "history": state.history}
    data = save(tensors, metadata={"kinefed-checkpoint": json.dumps(meta)})
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(".new")
    with fresh.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


def load_state(path: Path, digest: str) -> State | None:
    """Read the state to go on from, or None where there is none.

    Raises
    ------
    CheckpointError
        Where the file is damaged or belongs to other settings.
    """
    if not path.exists():
        return None
    try:
        with safe_open(path, framework="numpy") as file:
            meta = json.loads((file.metadata() or {})["kinefed-checkpoint"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        state = State(
            digest=str(meta["digest"]),
            done={str(k): int(v) for k, v in meta["done"].items()},
            vectors={n[7:]: t for n, t in tensors.items() if n.startswith("vector.")},
            scaling=tensors["scaling"],
            centres=tensors["centres"],
            z_mean=tensors["z_mean"],
            z_std=tensors["z_std"],
            history=tuple(meta["history"]),
        )
    except (OSError, SafetensorError, KeyError, ValueError, TypeError, AttributeError) as error:
        raise CheckpointError(
            ServerReason.CHECKPOINT,
            f"{path}: damaged checkpoint ({error}); delete it to begin again",
        ) from None
    if state.digest != digest:
        raise CheckpointError(
            ServerReason.CHECKPOINT,
            f"{path}: checkpoint of other settings ({state.digest}, now {digest}); "
            "choose another output folder or delete it",
        )
    return state
