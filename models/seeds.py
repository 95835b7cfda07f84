"""Seeds for torch without touching the caller's random numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import torch

T = TypeVar("T")


@contextmanager
def torch_seed(seed: int) -> Iterator[None]:
    """Run the block on a seeded CPU generator, then give the old state back.

    Dropout and weight initialisation draw from torch's default generator and take no other; so
    it is lent, not changed. ``torch.manual_seed`` would also reseed every accelerator.

    Parameters
    ----------
    seed
        0 or above, below 2^63.
    """
    before = torch.default_generator.get_state()
    torch.default_generator.manual_seed(seed)
    try:
        yield
    finally:
        torch.default_generator.set_state(before)


def seeded(seed: int, make: Callable[[], T]) -> T:
    """Call ``make``, which draws random weights, so that the same seed gives the same weights.

    Parameters
    ----------
    seed
        0 or above, below 2^63.
    make
        For example ``lambda: build("zhang2023lstm", ...)``.
    """
    with torch_seed(seed):
        return make()
