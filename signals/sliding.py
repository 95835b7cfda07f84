"""Sums and sign changes over sliding windows, each sample taken once.

Windows of 150 samples every 10 share most of their samples. Sums are made of the sums of whole
hops, which depend on nothing but the samples of the hop, so results do not depend on how a stream
was cut into chunks. No running total is kept: it would gather rounding errors for hours.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from kinefed.signals.steps import Samples

Flags = NDArray[np.bool_]
Counts = Callable[[Samples, Samples], Flags]
"""Of the values before and after a change of sign: whether it counts."""


def window_sums(values: Samples | Flags, size: int, hop: int, count: int) -> Samples:
    """Sum over windows.

    Parameters
    ----------
    values
        (n, channels); n of ``(count - 1) hop + size`` or more.
    size, hop
        Of the windows, samples.
    count
        How many.

    Returns
    -------
    (count, channels) float64
    """
    whole, rest = divmod(size, hop)
    channels = values.shape[1]
    total: Samples = np.zeros((count, channels))
    if whole:
        blocks = count - 1 + whole
        hops: Samples = (
            values[: blocks * hop].reshape(blocks, hop, channels).sum(axis=1, dtype=np.float64)
        )
        for i in range(whole):
            total = total + hops[i : i + count]
    if rest:
        parts = sliding_window_view(values[whole * hop :], rest, axis=0)[::hop][:count]
        for i in range(rest):
            total = total + np.asarray(parts[..., i], dtype=np.float64)
    return total


def window_sign_changes(x: Samples, size: int, hop: int, count: int, counts: Counts) -> Samples:
    """Count changes of sign within windows; zeros have no sign.

    Parameters
    ----------
    x
        (n, channels).
    size, hop, count
        As for `window_sums`.
    counts
        Which of them count.

    Returns
    -------
    (count, channels) float64
        Within each window alone: what lies before it is not known to it.
    """
    there = x != 0
    if there.all():
        before, now = x[:-1], x[1:]
        changed = ((before < 0) != (now < 0)) & counts(before, now)
        return window_sums(changed, size - 1, hop, count)
    rows = np.arange(len(x))[:, None]
    last = np.maximum.accumulate(np.where(there, rows, 0), axis=0)
    before, now = np.take_along_axis(x, last, axis=0)[:-1], x[1:]
    changed = (np.sign(before) * np.sign(now) < 0) & counts(before, now)
    total = window_sums(changed, size - 1, hop, count)
    # The first value of a window that begins with zeros is compared with one before the window.
    following = np.where(there, rows, len(x))[::-1]
    first = np.minimum.accumulate(following, axis=0)[::-1][: count * hop : hop]
    start = hop * np.arange(count)[:, None]
    foreign = (first > start) & (first < start + size)
    index = np.clip(first - 1, 0, len(changed) - 1)
    return total - (foreign & np.take_along_axis(changed, index, axis=0))
