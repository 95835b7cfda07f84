"""Settings of training, checked."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from kinefed.models.errors import ModelReason, NetworkError

Schedule = Literal["constant", "cosine"]


@dataclass(frozen=True, slots=True)
class TrainConfig:
    """Settings of `fit`. Papers leave nearly all of these open: the defaults are ours.

    Attributes
    ----------
    epochs
        Passes over the training windows, at most.
    batch
        Windows a step; the last batch of a pass may be smaller.
    rate
        Adam's first step size.
    weight_decay
        Decoupled decay, a share of the rate.
    patience
        Stop after this many epochs without a lower validation loss.
    schedule
        ``"constant"``, or ``"cosine"``: falls to 0 over `epochs`.
    steps
        Steps an epoch; None: a full pass.

    Raises
    ------
    NetworkError
        ``bad_argument``.
    """

    epochs: int = 100
    batch: int = 64
    rate: float = 1e-3
    weight_decay: float = 0.0
    patience: int = 10
    schedule: Schedule = "constant"
    steps: int | None = None

    def __post_init__(self) -> None:
        steps = 1 if self.steps is None else self.steps
        for name, whole in (
            ("epochs", self.epochs),
            ("batch", self.batch),
            ("patience", self.patience),
            ("steps", steps),
        ):
            if whole < 1:
                raise bad_argument(f"{whole} is below 1", f"train.{name}")
        if self.schedule not in ("constant", "cosine"):
            raise bad_argument(
                f"{self.schedule!r} is neither 'constant' nor 'cosine'", "train.schedule"
            )
        check_rates((self.rate,), self.weight_decay)

    def rate_at(self, progress: float) -> float:
        """Return the rate after a share of the training, 0 to 1."""
        if self.schedule == "constant":
            return self.rate
        return 0.5 * self.rate * (1.0 + math.cos(math.pi * progress))


def cosine_rates(rate: float, steps: int) -> tuple[float, ...]:
    """Return one rate a step, from ``rate`` down a half cosine towards 0 (never 0 itself)."""
    return tuple(0.5 * rate * (1.0 + math.cos(math.pi * i / steps)) for i in range(steps))


def check_rates(rates: Sequence[float], weight_decay: float) -> None:
    """Refuse a rate or decay that is negative or not finite."""
    if not all(math.isfinite(r) and r >= 0.0 for r in rates):
        raise bad_argument("a rate is negative or not finite", "train.rate")
    if not (math.isfinite(weight_decay) and weight_decay >= 0.0):
        raise bad_argument(f"{weight_decay} is negative or not finite", "train.weight_decay")


def bad_argument(what: str, where: str) -> NetworkError:
    """Error that names the setting."""
    return NetworkError(ModelReason.BAD_ARGUMENT, what, where=where)
