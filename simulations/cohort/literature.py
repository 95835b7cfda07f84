"""Published ranges of movement, as ``ranges.toml`` holds them with their sources."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kinefed.datasets.errors import DataError, DataReason
from kinefed.datasets.types import FloatArray
from kinefed.simulations.cohort.measures import QUANTITIES, Quantity

# What a range spans, as `of` says in the file.
SPANS = MappingProxyType(
    {
        "means": "range of means",
        "people": "range of people",
        "definition": "definition of the movement",
        "bodies": "computed from published bodies",
    }
)
PLACES = ("table", "text", "abstract", "figure")
_KEYS = {"low", "high", "of", "mean", "sd", "read", "checked", "source", "note"}
_LIKE_KEYS = {"like", "source", "note"}


@dataclass(frozen=True, slots=True)
class Band:
    """A published range of a quantity.

    Attributes
    ----------
    quantity
        What is compared.
    low, high
        Its ends, in the quantity's unit.
    kind
        What the range spans: ``mean ± 2 SD`` or one of `SPANS`.
    read
        Where in the source it stands, one of `PLACES`.
    checked
        Compared with the source's own words when it was entered.
    sources
        Short names.
    note
        What else to know; may be empty.
    part
        Of a task that is made of others: what of it is compared; else empty.
    like
        The tasks whose ranges this one spans; may be empty.
    """

    quantity: Quantity
    low: float
    high: float
    kind: str
    read: str
    checked: bool
    sources: tuple[str, ...]
    note: str
    part: str = ""
    like: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """The quantity's name, which in another part of the task may come again."""
        return f"{self.part}.{self.quantity.name}" if self.part else self.quantity.name

    @property
    def what(self) -> str:
        """The quantity, for a table."""
        return f"{self.part}: {self.quantity.what}" if self.part else self.quantity.what

    def holds(self, values: FloatArray) -> NDArray[np.bool_]:
        """Say which values lie within, (people,); one that is missing does not."""
        return np.asarray((values >= self.low) & (values <= self.high))


@dataclass(frozen=True, slots=True)
class Literature:
    """All published ranges.

    Attributes
    ----------
    bands
        Task to its ranges.
    sources
        Short name to citation.
    """

    bands: Mapping[str, tuple[Band, ...]]
    sources: Mapping[str, str]


def read_literature(text: str | None = None) -> Literature:
    """Read published ranges.

    Parameters
    ----------
    text
        TOML as in ``ranges.toml``; None reads that file.

    Raises
    ------
    DataError
        ``unreadable`` where it is no TOML, ``bad_format`` for an entry that is not understood.
    """
    if text is None:
        text = resources.files(__package__).joinpath("ranges.toml").read_text(encoding="utf-8")
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise DataError(
            DataReason.UNREADABLE,
            f"not TOML ({error})",
            where="ranges.toml",
            next_step="Correct it there",
        ) from None
    sources = tables.pop("sources", {})
    own = {
        task: {
            name: _band(f"{task}.{name}", name, entry, sources)
            for name, entry in rows.items()
            if "like" not in entry
        }
        for task, rows in tables.items()
    }
    bands = {
        task: tuple(
            own[task].get(name) or _alike(f"{task}.{name}", name, entry, sources, own)
            for name, entry in rows.items()
        )
        for task, rows in tables.items()
    }
    return Literature(MappingProxyType(bands), MappingProxyType(sources))


def _refusal(where: str, what: str, next_step: str) -> DataError:
    return DataError(DataReason.BAD_FORMAT, what, where=where, next_step=next_step)


def _alike(
    where: str,
    name: str,
    entry: dict[str, Any],
    sources: Mapping[str, str],
    own: Mapping[str, Mapping[str, Band]],
) -> Band:
    """Read an entry that spans the ranges of the same quantity in other tasks."""
    part, _, quantity = name.rpartition(".")
    like = tuple(entry["like"])
    spanned = [own[task][quantity] for task in like if quantity in own.get(task, {})]
    more = entry.get("source", [])
    if not spanned or len(spanned) != len(like):
        raise _refusal(where, "like tasks without this quantity", "Name tasks that have it")
    if extra := set(entry) - _LIKE_KEYS:
        raise _refusal(where, f"unknown {', '.join(sorted(extra))}", "Give like, source, note")
    if any(key not in sources for key in more):
        raise _refusal(where, "a source that is not listed", "Name keys of [sources]")
    return Band(
        spanned[0].quantity,
        min(band.low for band in spanned),
        max(band.high for band in spanned),
        f"as {' and '.join(like)}",
        max((band.read for band in spanned), key=PLACES.index),
        all(band.checked for band in spanned),
        tuple(dict.fromkeys([*(key for band in spanned for key in band.sources), *more])),
        entry.get("note", ""),
        part,
        like,
    )


def _band(where: str, name: str, entry: dict[str, Any], sources: Mapping[str, str]) -> Band:
    def refuse(what: str, next_step: str) -> DataError:
        return _refusal(where, what, next_step)

    if name not in QUANTITIES:
        raise refuse(f"no quantity {name!r}", f"Use one of {', '.join(QUANTITIES)}")
    if extra := set(entry) - _KEYS:
        raise refuse(f"unknown {', '.join(sorted(extra))}", f"Use {', '.join(sorted(_KEYS))}")
    if entry.get("read") not in PLACES:
        raise refuse("it is not said where the numbers stand", f"read = {' or '.join(PLACES)}")
    known = [key for key in entry.get("source", []) if key in sources]
    if not known or len(known) != len(entry["source"]):
        raise refuse("a source that is not listed", "Name one or more keys of [sources]")
    if {"mean", "sd"} <= set(entry):
        mean, sd = np.atleast_1d(entry["mean"]), np.atleast_1d(entry["sd"])
        low, high = float((mean - 2.0 * sd).min()), float((mean + 2.0 * sd).max())
        kind = "mean ± 2 SD"
    elif {"low", "high", "of"} <= set(entry) and entry["of"] in SPANS:
        low, high, kind = float(entry["low"]), float(entry["high"]), SPANS[entry["of"]]
    else:
        raise refuse("no range", f"Give mean and sd, or low, high and of = {' or '.join(SPANS)}")
    if not low < high:
        raise refuse(f"a range from {low:g} to {high:g}", "Let low be below high")
    return Band(
        QUANTITIES[name],
        low,
        high,
        kind,
        entry["read"],
        bool(entry.get("checked", False)),
        tuple(known),
        entry.get("note", ""),
    )
