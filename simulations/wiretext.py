"""The signals as decimal text: the numbers that stand in some bytes, and the samples they round."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kinefed.simulations.wireindex import RUN, Quads, Rows, distinct, mix, usable_runs, windows

MIN_FIGURES = 4
# So many hits in one batch of numbers settle the matter.
_ENOUGH = 1000
# Keeps sign, exponent and 7 bits of the mantissa of a float64: cells of 0.4 to 0.8 %.
_CELL_BITS = np.uint64(45)
_HALF_STEP = 2.0**-11
_SINGLE_STEP = 2.0**-24
# Four numbers of one figure each and what stands between them are shorter than this.
_PRINTABLE = re.compile(rb"[\t\n\r\x20-\x7e]{12,}")
# A word with digits (a key such as "joint_1") is no number. A missing value keeps its place, as
# the strides count places.
_NUMBER = re.compile(
    rb"(?<![\w.])(?:[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:e[-+]?\d+)?|nan|null)(?!\w|\.\d)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Numbers:
    """Written numbers in order.

    Attributes
    ----------
    value
        (numbers,) float64; nan for a missing value.
    decimals, figures
        (numbers,) places after the point, and significant figures, as written.
    start, end
        (numbers,) byte offsets.
    """

    value: NDArray[np.float64]
    decimals: NDArray[np.float64]
    figures: NDArray[np.float64]
    start: NDArray[np.int64]
    end: NDArray[np.int64]


def numbers(data: bytes, batch: int, overlap: int) -> Iterator[Numbers]:
    """Read the numbers written in the printable stretches of the data.

    Parameters
    ----------
    data
        Any bytes.
    batch
        At most this many new numbers at once.
    overlap
        So many numbers of the batch before stand at the head of the next one.
    """
    tokens = (
        (run.start() + token.start(), token.group())
        for run in _PRINTABLE.finditer(data)
        for token in _NUMBER.finditer(run.group())
    )
    kept: list[tuple[float, float, float, int, int]] = []
    while fresh := [_read(*token) for token in itertools.islice(tokens, batch)]:
        kept += fresh
        value, decimals, figures, start, end = zip(*kept, strict=True)
        yield Numbers(
            np.array(value),
            np.array(decimals, dtype=np.float64),
            np.array(figures, dtype=np.float64),
            np.array(start, dtype=np.int64),
            np.array(end, dtype=np.int64),
        )
        kept = kept[max(0, len(kept) - overlap) :]


def _read(start: int, token: bytes) -> tuple[float, float, float, int, int]:
    end = start + len(token)
    value = math.nan if token[:1] in b"nN" else float(token)
    if not math.isfinite(value):
        return math.nan, 0.0, 0.0, start, end
    mantissa, _, exponent = token.lower().partition(b"e")
    whole, _, fraction = mantissa.lstrip(b"+-").partition(b".")
    figures = len((whole + fraction).lstrip(b"0"))
    # An exponent beyond a float's was refused as infinite, or made a zero of the number.
    decimals = len(fraction) - (int(exponent[:6]) if exponent else 0)
    return value, float(decimals), float(figures), start, end


def _cells(values: NDArray[np.float64]) -> NDArray[np.uint64]:
    # Adding zero makes one zero of the two.
    return (values + 0.0).view(np.uint64) >> _CELL_BITS


@dataclass(frozen=True, slots=True)
class TextIndex:
    """The signals as written numbers, to the figures that stand there."""

    values: NDArray[np.float64]
    quads: Quads

    @classmethod
    def build(cls, values: NDArray[np.float64], starts: Rows) -> TextIndex:
        """Index the values of all columns, one behind the other, (places,)."""
        usable = usable_runs(values, np.isfinite(values), starts)
        return cls(values, Quads.build(mix(*windows(_cells(values))), usable))

    def find(self, written: Numbers, stride: int) -> tuple[Rows, Rows]:
        """Find runs of four; a sample fits if it rounds to the number as written.

        How a number was rounded is read from the four together, as writers drop closing zeros:
        to the most decimals, or to the most significant figures, that one of them shows.

        Returns
        -------
        at, places
            (hits,) index of the first number and place in the signals.
        """
        none = np.empty(0, dtype=np.int64)
        count = len(written.value) - (RUN - 1) * stride
        if count <= 0 or not self.quads.hashes.size:
            return none, none
        columns = [slice(i * stride, i * stride + count) for i in range(RUN)]
        decimals = np.max([written.decimals[c] for c in columns], axis=0)
        figures = np.max([written.figures[c] for c in columns], axis=0)
        text = np.stack([written.value[c] for c in columns], axis=1)
        fit = distinct(*text.T) & (figures >= MIN_FIGURES) & np.isfinite(text).all(axis=1)
        rows = np.flatnonzero(fit)
        text, size = text[rows], np.abs(text[rows])
        with np.errstate(divide="ignore", over="ignore", under="ignore"):
            exponent = np.floor(np.log10(np.where(size > 0, size, 1.0)))
            by_figures = 0.5 * 10.0 ** (exponent - figures[rows, None] + 1)
            by_decimals = 0.5 * 10.0 ** -decimals[rows, None]
        # Half a unit of the fourth figure of 1.000 is the coarsest that is taken.
        tolerance = np.minimum(np.maximum(by_figures, by_decimals), 0.5e-3 * size)
        tolerance = tolerance * (1 + 1e-6) + 2.0**-52 * size
        # A float16 or float32 may have been written; twice this is less than a cell.
        margin = tolerance + _HALF_STEP * size
        low, high = _cells(text - margin), _cells(text + margin)
        found: set[tuple[int, int]] = set()
        for ends in itertools.product((False, True), repeat=RUN):
            upper = np.array(ends)
            probe = np.flatnonzero(((low != high) | ~upper).all(axis=1))
            cells = np.where(upper, high[probe], low[probe])
            for which, places in self.quads.find(mix(*cells.T), every=True):
                at = probe[which]
                good = self._fits(text[at], tolerance[at], places)
                found.update(zip(rows[at[good]].tolist(), places[good].tolist(), strict=True))
                if len(found) >= _ENOUGH:
                    break
        pairs = np.array(sorted(found), dtype=np.int64).reshape(-1, 2)
        return pairs[:, 0], pairs[:, 1]

    def _fits(
        self, text: NDArray[np.float64], tolerance: NDArray[np.float64], places: Rows
    ) -> NDArray[np.bool_]:
        samples = self.values[places[:, None] + np.arange(RUN)]
        with np.errstate(over="ignore", under="ignore"):
            halves = samples.astype(np.float16).astype(np.float64)
        wide = tolerance + _SINGLE_STEP * np.abs(samples)
        fits: NDArray[np.bool_] = (np.abs(text - samples) <= wide).all(axis=1)
        fits |= (np.abs(text - halves) <= tolerance).all(axis=1)
        return fits
