"""Runs of four samples as sorted hashes: in the bits of one number format.

A look-up has three stages, each of which leaves far less to the next: a table of the values
that occur at all, the hash of four values, and the values themselves.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

RUN = 4

Bits = NDArray[np.unsignedinteger[Any]]
Rows = NDArray[np.int64]

# Odd multipliers: 2^64 and 2^32 over the golden ratio (Knuth, TAOCP 3, 6.4).
_GOLDEN_64 = 0x9E3779B97F4A7C15
_GOLDEN_32 = 0x9E3779B9
# A table of 16 slots a value lets 1 in 16 of foreign values pass, and so 1 in 65 536 of fours.
_SLOTS = 16
_MAX_TABLE = 27
# Pairs of a wire position and a place that are compared in one go.
_AT_ONCE = 1 << 18


def mix(a: Bits, b: Bits, c: Bits, d: Bits) -> NDArray[np.uint64]:
    """Hash four values, each (n,) of any width, to (n,)."""
    factor = np.uint64(_GOLDEN_64)
    mixed = a.astype(np.uint64)
    for item in (b, c, d):
        mixed = (mixed ^ (mixed >> np.uint64(29))) * factor + item
    return mixed


def distinct(a: NDArray[Any], b: NDArray[Any], c: NDArray[Any], d: NDArray[Any]) -> NDArray[Any]:
    """Say where four values hold three distinct ones: where at most one pair is equal."""
    pairs = itertools.combinations((a, b, c, d), 2)
    equal: NDArray[Any] = sum((x == y).astype(np.int8) for x, y in pairs)
    return equal <= 1


def runs_inside(starts: Rows, length: int) -> NDArray[np.bool_]:
    """Say at which place a run of some length stays inside its column, (places,)."""
    inside = np.ones(int(starts[-1]), dtype=bool)
    for begin, end in itertools.pairwise(starts.tolist()):
        inside[max(begin, end - length + 1) : end] = False
    return inside


def chains(at: Rows, places: Rows, stride: int, run: int) -> Iterator[tuple[int, int, int]]:
    """Join runs that overlap into one.

    Yields
    ------
    at, place, length : int
        Position on the wire, place in the signals, samples in a row.
    """
    if not at.size:
        return
    line = at - places * stride
    order = np.lexsort((places, line))
    at, places, line = at[order], places[order], line[order]
    new = np.flatnonzero((np.diff(line) != 0) | (np.diff(places) != 1)) + 1
    bounds = [0, *new.tolist(), len(at)]
    for begin, end in itertools.pairwise(bounds):
        yield int(at[begin]), int(places[begin]), run + end - begin - 1


def expand(low: Rows, high: Rows) -> tuple[Rows, Rows]:
    """Turn ranges into (row of the range, member of it) pairs."""
    counts = high - low
    rows = np.repeat(np.arange(len(low), dtype=np.int64), counts)
    before = np.cumsum(counts) - counts
    return rows, np.arange(len(rows), dtype=np.int64) - before[rows] + low[rows]


@dataclass(frozen=True, slots=True)
class Quads:
    """Hashes in order, and the place of each."""

    hashes: NDArray[np.uint64]
    places: NDArray[np.uint32]

    @classmethod
    def build(cls, hashes: NDArray[np.uint64], usable: NDArray[np.bool_]) -> Quads:
        """Sort the hashes of the usable places."""
        places = np.flatnonzero(usable).astype(np.uint32)
        order = np.argsort(hashes[places], kind="stable")
        return cls(hashes[places][order], places[order])

    def find(self, hashes: NDArray[np.uint64], *, every: bool) -> Iterator[tuple[Rows, Rows]]:
        """Look hashes up, (n,).

        Yields
        ------
        rows, places
            Pairs of a row of ``hashes`` and a place with that hash; every such place, or the
            first. In parts, as a signal that repeats itself has many places for one hash.
        """
        if not self.hashes.size:
            return
        low = np.searchsorted(self.hashes, hashes)
        hit = np.flatnonzero(self.hashes[np.minimum(low, len(self.hashes) - 1)] == hashes)
        low = low[hit]
        high = np.searchsorted(self.hashes, hashes[hit], side="right") if every else low + 1
        parts = np.cumsum(high - low) // _AT_ONCE
        for part in np.split(np.arange(len(hit)), np.flatnonzero(np.diff(parts)) + 1):
            rows, members = expand(low[part], high[part])
            yield hit[part][rows], self.places[members].astype(np.int64)


@dataclass(frozen=True, slots=True)
class Table:
    """Which values occur, by a hash without chains: it lets some foreign values pass."""

    slots: NDArray[np.bool_]
    width: int

    @classmethod
    def build(cls, keys: Bits) -> Table:
        """Make a table of some keys, (keys,) of 16, 32 or 64 bits."""
        width = min(_MAX_TABLE, max(16, math.ceil(math.log2(_SLOTS * len(keys) + 1))))
        width = 16 if keys.dtype.itemsize == 2 else width
        table = cls(np.zeros(1 << width, dtype=bool), width)
        table.slots[table._slot(keys)] = True
        return table

    def has(self, keys: Bits) -> NDArray[np.bool_]:
        """Say which keys may be there."""
        found: NDArray[np.bool_] = self.slots.take(self._slot(keys))
        return found

    def _slot(self, keys: Bits) -> NDArray[np.int64]:
        if keys.dtype.itemsize == 8:
            keys = (keys * np.uint64(_GOLDEN_64)) >> np.uint64(64 - self.width)
        elif keys.dtype.itemsize == 4:
            keys = (keys * np.uint32(_GOLDEN_32)) >> np.uint32(32 - self.width)
        return keys.astype(np.int64)


@dataclass(frozen=True, slots=True)
class Codec:
    """The signals in one float format.

    Attributes
    ----------
    size
        Bytes of a value.
    run
        Samples in a row that make a hit.
    bits
        (places,) the samples of all columns, one behind the other.
    whole
        (places,) whether a run stays inside its column.
    table, pairs
        Of the samples; and, in float16, of each with the next one.
    """

    size: int
    run: int
    bits: Bits
    whole: NDArray[np.bool_]
    quads: Quads
    table: Table
    pairs: Table

    @classmethod
    def build(cls, values: NDArray[np.float64], starts: Rows, dtype: str, run: int) -> Codec:
        """Index the values of all columns, one behind the other, (places,)."""
        with np.errstate(over="ignore", under="ignore"):
            cast = values.astype(dtype)
        # Subnormal numbers are counters in disguise: 1, 2, 3 in the last bits.
        sound = np.isfinite(cast) & ((cast == 0) | (np.abs(cast) >= np.finfo(cast.dtype).tiny))
        size = cast.dtype.itemsize
        bits: Bits = cast.view(f"u{size}")
        usable = usable_runs(bits, sound, starts)
        used = np.zeros(len(bits), dtype=bool)
        for i in range(RUN):
            used[i : len(usable) + i] |= usable
        return cls(
            size,
            run,
            bits,
            runs_inside(starts, run),
            Quads.build(mix(*windows(bits)), usable),
            Table.build(bits[used]),
            Table.build(_pair(bits[:-1], bits[1:])[used[:-1] & (size == 2)]),
        )

    def find(
        self, items: Bits, members: NDArray[np.bool_], stride: int, own: int
    ) -> tuple[Rows, Rows]:
        """Find the runs that begin at the first ``own`` items.

        Parameters
        ----------
        items
            (items,) of the wire, in native byte order.
        members
            (items,) which of them the table has: the same for all strides.

        Returns
        -------
        at, places
            (hits,) position among the items and place in the signals.
        """
        alive = members[:own].copy()
        for i in range(1, RUN):
            alive &= members[i * stride : i * stride + own]
        rows = np.flatnonzero(alive)
        if self.size == 2:
            # Much of what two bytes can be occurs somewhere in a signal; pairs say more.
            rows = rows[self.pairs.has(_pair(items[rows], items[rows + stride]))]
        hashes = mix(*(items[rows + i * stride] for i in range(RUN)))
        steps = np.arange(self.run, dtype=np.int64)
        found_at, found_places = [rows[:0]], [rows[:0]]
        # A longer run may go on at any of the places where its first four samples stand.
        for which, places in self.quads.find(hashes, every=self.run > RUN):
            inside = self.whole[places]
            at, places = rows[which[inside]], places[inside]
            same = self.bits[places[:, None] + steps] == items[at[:, None] + steps * stride]
            exact = same.all(axis=1)
            found_at.append(at[exact])
            found_places.append(places[exact])
        return np.concatenate(found_at), np.concatenate(found_places)


def windows(values: NDArray[Any]) -> list[NDArray[Any]]:
    """Return the first, second, third and fourth value of every run of four."""
    return [values[i : max(0, len(values) - RUN + 1) + i] for i in range(RUN)]


def usable_runs(values: NDArray[Any], sound: NDArray[np.bool_], starts: Rows) -> NDArray[np.bool_]:
    """Say where four sound values of one column hold three distinct ones, (places - 3,)."""
    inside = runs_inside(starts, RUN)[: max(0, len(values) - RUN + 1)]
    usable: NDArray[np.bool_] = inside & distinct(*windows(values))
    for part in windows(sound):
        usable &= part
    return usable


def _pair(first: Bits, second: Bits) -> Bits:
    pair: Bits = first.astype(np.uint32) | (second.astype(np.uint32) << np.uint32(16))
    return pair
