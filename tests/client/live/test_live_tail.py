"""The buffer behind frames, against a list that keeps everything."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from kinefed.client.live.tail import Tail


@given(st.integers(1, 7), st.lists(st.integers(0, 20), max_size=40))
def test_the_last_rows_are_always_there(keep: int, sizes: list[int]) -> None:
    tail, every = Tail(keep, 2), np.empty((0, 2))
    for size in sizes:
        rows = np.arange(len(every), len(every) + size)[:, None] * [1.0, -1.0]
        tail.append(rows)
        every = np.vstack([every, rows])
        assert tail.count == len(every)
        assert tail.oldest <= max(0, len(every) - keep)
        n = min(keep, len(every))
        if n:
            found = tail.get(len(every) - n, n)
            np.testing.assert_array_equal(found, every[-n:].T)


def test_before_the_first_row_it_is_repeated() -> None:
    tail = Tail(4, 1)
    tail.append(np.array([[5.0], [6.0]]))
    np.testing.assert_array_equal(tail.get(-2, 4), [[5.0, 5.0, 5.0, 6.0]])


def test_what_is_passed_over_is_forgotten() -> None:
    tail = Tail(3, 1)
    tail.append(np.arange(3.0)[:, None])
    tail.pass_over(10)
    assert (tail.count, tail.oldest) == (10, 10)
    tail.append(np.array([[7.0]]))
    np.testing.assert_array_equal(tail.get(8, 3), [[7.0, 7.0, 7.0]])


def test_it_does_not_grow() -> None:
    tail = Tail(50, 3, np.float32)
    size = tail._rows.nbytes
    for _ in range(1000):
        tail.append(np.ones((7, 3), np.float32))
    assert tail._rows.nbytes == size == 4 * 50 * 3 * 4
