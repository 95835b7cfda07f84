"""Noise on the inputs while training."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Augment:
    """Noise on scaled inputs while training, against learning a few people by heart.

    Attributes
    ----------
    noise
        Standard deviation of white noise on every sample of measured channels, in units of the
        channel's spread over people.
    offset
        Standard deviation of a constant shift of a window's ``shifted`` channels, in the same
        units: markers and sensors sit a little differently on every person.
    shifted
        Rows of x that may be shifted, for example the joint angles.
    quiet
        How many of the last rows are availability flags, which stay as they are.
    """

    noise: float = 0.0
    offset: float = 0.0
    shifted: tuple[int, ...] = ()
    quiet: int = 0

    def apply(self, x: Tensor) -> Tensor:
        """Return x (windows, channels, times) with noise from torch's seeded generator."""
        noise = self.noise * torch.randn_like(x)
        if self.offset and self.shifted:
            rows = list(self.shifted)
            noise[:, rows] += self.offset * torch.randn(len(x), len(rows), 1)
        if self.quiet:
            noise[:, -self.quiet :] = 0.0
        return x + noise
