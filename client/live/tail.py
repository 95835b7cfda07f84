"""The newest samples of an endless stream, in one run of memory that does not grow."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray


class Tail:
    """Keeps at least the last `keep` rows of what is appended.

    Rows lie behind one another in a buffer of four times that size; where it is full, the last
    ones are moved to its beginning, so that an append costs the same however long it goes on.

    Parameters
    ----------
    keep
        Rows.
    columns
        Values in a row.
    dtype
        Their type.

    Attributes
    ----------
    count
        Rows appended so far.
    """

    def __init__(self, keep: int, columns: int, dtype: DTypeLike = np.float64) -> None:
        self._keep = keep
        # Column by column: a window is then one run of memory a channel, as networks read it.
        self._rows = np.zeros((columns, 4 * keep), dtype)
        self._end = 0
        self.count = 0

    @property
    def oldest(self) -> int:
        """Number of the first row that is still there."""
        return self.count - self._end

    def pass_over(self, count: int) -> None:
        """Forget all rows and go on with row number `count`."""
        self._end, self.count = 0, count

    def append(self, rows: NDArray[Any]) -> None:
        """Append (n, columns) rows."""
        n = len(rows)
        if n == 0:
            return
        if n > self._keep:
            self.pass_over(self.count + n - self._keep)
            rows = rows[-self._keep :]
        self.count += len(rows)
        if self._end + len(rows) > self._rows.shape[1]:
            kept = min(self._end, self._keep)
            self._rows[:, :kept] = self._rows[:, self._end - kept : self._end].copy()
            self._end = kept
        self._rows[:, self._end : self._end + len(rows)] = rows.T
        self._end += len(rows)

    def get(self, first: int, n: int) -> NDArray[Any]:
        """Look at rows `first` to ``first + n - 1``, (columns, n); valid until the next append.

        Rows before the oldest one there are that one repeated.
        """
        start = first - self.oldest
        if start >= 0:
            return self._rows[:, start : start + n]
        return self._rows[:, np.maximum(np.arange(start, start + n), 0)]
