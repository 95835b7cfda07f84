"""The typed parts of a bundle's metadata, and how they are read from what nobody vouches for."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

from kinefed.models.errors import BundleError, BundleReason

T = TypeVar("T", bool, int, float, str, dict[str, Any], list[Any])


@dataclass(frozen=True, slots=True)
class Privacy:
    """Differential-privacy budget that was spent on the people whose data trained this model.

    Attributes
    ----------
    epsilon, delta
        (epsilon, delta) at the level of `unit`.
    unit
        Whose presence is hidden: ``"person"`` or ``"window"``.
    """

    epsilon: float
    delta: float
    unit: str = "person"


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where a model comes from. Counts only: nothing that names or shows a person.

    Attributes
    ----------
    parent
        `ModelBundle.digest` of the model it was trained from; empty: from random weights.
    methods
        Method ids in the order applied, for example ``("fedavg", "transfer")``.
    round
        Federation round it was made in; 0: none.
    dataset
        Name and version of the data.
    people, recordings, windows
        How much it was trained on.
    seed
        Of the training; None: not known.
    privacy
        None: trained without differential privacy.
    """

    parent: str = ""
    methods: tuple[str, ...] = ()
    round: int = 0
    dataset: str = ""
    people: int = 0
    recordings: int = 0
    windows: int = 0
    seed: int | None = None
    privacy: Privacy | None = None

    def to_dict(self) -> dict[str, Any]:
        """Give the fields as JSON-ready data."""
        return asdict(self) | {"methods": list(self.methods)}

    @classmethod
    def from_dict(cls, raw: dict[str, Any], path: str) -> Provenance:
        """Read `to_dict` back.

        Raises
        ------
        BundleError
            ``bad_field`` with its path.
        """
        counts = {n: field(raw, n, int, path) for n in ("round", "people", "recordings", "windows")}
        for name, count in counts.items():
            if count < 0:
                raise bad_field(f"{path}.{name}", f"{count} is below 0")
        methods = field(raw, "methods", list[Any], path)
        if not all(isinstance(m, str) for m in methods):
            raise bad_field(f"{path}.methods", "expected a list of words")
        privacy = None
        if raw.get("privacy") is not None:
            inner, below = field(raw, "privacy", dict[str, Any], path), f"{path}.privacy"
            privacy = Privacy(
                field(inner, "epsilon", float, below),
                field(inner, "delta", float, below),
                field(inner, "unit", str, below),
            )
        return cls(
            parent=field(raw, "parent", str, path),
            methods=tuple(methods),
            dataset=field(raw, "dataset", str, path),
            seed=None if raw.get("seed") is None else field(raw, "seed", int, path),
            privacy=privacy,
            **counts,
        )


def field(raw: Mapping[str, Any], name: str, kind: type[T], path: str) -> T:
    """Take one typed value out of parsed JSON.

    Parameters
    ----------
    raw
        The object that should hold it.
    name, path
        Its name, and where the object lies, for the message.
    kind
        What it must be. A whole number passes for a float, a truth value for nothing else.

    Raises
    ------
    BundleError
        ``bad_field``.
    """
    where = f"{path}.{name}"
    if name not in raw:
        raise bad_field(where, "is missing")
    value = raw[name]
    plain = getattr(kind, "__origin__", kind)
    if plain is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value) if abs(value) < 1 << 53 else math.inf
    right = isinstance(value, plain) and (plain is bool or not isinstance(value, bool))
    if not right or (isinstance(value, float) and not math.isfinite(value)):
        raise bad_field(where, f"expected {plain.__name__}, found {value!r}"[:160])
    return value  # type: ignore[no-any-return]


def numbers(raw: Mapping[str, Any], name: str, path: str) -> dict[str, float]:
    """Take a table of finite numbers out of parsed JSON.

    Raises
    ------
    BundleError
        ``bad_field``.
    """
    table = field(raw, name, dict[str, Any], path)
    return {key: field(table, key, float, f"{path}.{name}") for key in table}


def words(raw: Mapping[str, Any], name: str, path: str) -> dict[str, str]:
    """Take a table of words out of parsed JSON.

    Raises
    ------
    BundleError
        ``bad_field``.
    """
    table = field(raw, name, dict[str, Any], path)
    return {key: field(table, key, str, f"{path}.{name}") for key in table}


def bad_field(where: str, what: str) -> BundleError:
    """Make the error for a field that is not what it must be."""
    return BundleError(
        BundleReason.BAD_FIELD, what, where=where, next_step="Get the bundle again from its maker"
    )
