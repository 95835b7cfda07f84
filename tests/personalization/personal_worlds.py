"""Small worlds whose right answers are known: legs, networks and wearers for the tests."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from kinefed.models import TorqueNetwork, seeded
from kinefed.signals import LegSeries, LegSpec, Scaling, Windows, contacts_of

ANGLES = ("angle.hip_flexion", "angle.knee_flexion", "angle.ankle_dorsiflexion")
EMG = ("envelope.rectus_femoris", "envelope.vastus_lateralis", "envelope.tibialis_anterior")
SPEC = LegSpec(inputs=ANGLES, outputs=("torque.hip", "torque.knee"), optional=EMG)
RATE_HZ = 100.0
# A linear model of the last frame: torque = BODY @ x.
BODY = np.array([[1.0, -0.5, 0.2], [0.3, 0.8, -0.6]], dtype=np.float32)


def leg(
    x: np.ndarray,
    *,
    y: np.ndarray | None = None,
    mask: np.ndarray | None = None,
    available: Sequence[bool] | None = None,
    n_optional: int = 0,
    key: str = "S1/s1/walk_00",
    side: str = "r",
) -> LegSeries:
    frames = len(x)
    mask = np.ones(frames, bool) if mask is None else mask
    return LegSeries(
        subject="S1",
        group="S1",
        session="s1",
        task=key.split("/")[-1].split("_")[0],
        side=side,
        key=key,
        rate_hz=RATE_HZ,
        x=x,
        available=np.ones(x.shape[1], bool) if available is None else np.array(available),
        y=np.zeros((frames, 2)) if y is None else y,
        mask=mask,
        contact=contacts_of(mask),
        n_optional=n_optional,
    )


def contacts_mask(frames: int, n: int) -> np.ndarray:
    """Divide the frames into n contacts with gaps between them."""
    mask = np.zeros(frames, bool)
    width = frames // n
    for i in range(n):
        mask[i * width + 3 : (i + 1) * width - 3] = True
    return mask


def wearer(
    rng: np.random.Generator,
    weights: np.ndarray = BODY,
    *,
    recordings: int = 1,
    contacts: int = 4,
    frames: int = 120,
    noise: float = 0.0,
    offset: float = 0.0,
    length: int = 4,
) -> Windows:
    """Windows of someone whose torque is ``weights @ x + offset`` at the last frame."""
    series = []
    for i in range(recordings):
        x = rng.standard_normal((frames, 3))
        y = x @ weights.T + offset + noise * rng.standard_normal((frames, 2))
        series.append(leg(x, y=y, mask=contacts_mask(frames, contacts), key=f"S1/s1/walk_{i:02d}"))
    return Windows(series, length)


class LastFrame(TorqueNetwork):
    """Linear in the last frame: a body layer that starts as identity, and a linear head."""

    def __init__(
        self, n_channels: int = 3, n_outputs: int = 2, n_times: int = 4, rate: float = RATE_HZ
    ) -> None:
        super().__init__(n_channels, n_outputs, n_times, rate)
        self.body = nn.Linear(n_channels, n_channels)
        self.head = nn.Linear(n_channels, n_outputs)

    def estimate(self, x: Tensor) -> Tensor:
        out: Tensor = self.head(self.body(x[:, :, -1]))
        return out


class Normalised(LastFrame):
    """With a normalisation layer and dropout between."""

    def __init__(self) -> None:
        super().__init__()
        del self.body, self.head  # layers stand in the order in which data pass them
        self.body = nn.Linear(3, 3)
        self.scale = nn.BatchNorm1d(3)
        self.drop = nn.Dropout(0.3)
        self.head = nn.Linear(3, 2)

    def estimate(self, x: Tensor) -> Tensor:
        out: Tensor = self.head(self.drop(self.scale(self.body(x[:, :, -1]))))
        return out


def linear_model(weights: np.ndarray = BODY) -> LastFrame:
    """Return the network that estimates ``weights @ x`` exactly."""
    module = seeded(0, LastFrame)
    with torch.no_grad():
        module.body.weight.copy_(torch.eye(3))
        module.body.bias.zero_()
        module.head.weight.copy_(torch.from_numpy(np.asarray(weights, dtype=np.float32)))
        module.head.bias.zero_()
    return module


def unit_scaling(n_channels: int = 3, n_outputs: int = 2) -> Scaling:
    return Scaling(
        np.zeros(n_channels), np.ones(n_channels), np.zeros(n_outputs), np.ones(n_outputs)
    )
