"""Frozen dataclasses to plain data and back, naming the path of a bad field.

Only the field types that steps and specs use: ``bool``, ``int``, ``float``, ``str``, and tuples
of these, nested.
"""

from __future__ import annotations

import dataclasses
import math
import types
import typing
from collections.abc import Mapping
from typing import Any, TypeVar

from kinefed.signals.errors import SignalError, SignalReason

T = TypeVar("T")

Plain = bool | int | float | str | list["Plain"] | dict[str, "Plain"] | None


def encode(obj: object) -> dict[str, Plain]:
    """Give the fields of a frozen dataclass as JSON-ready data, tuples as lists."""
    if not dataclasses.is_dataclass(obj):
        raise TypeError(f"{type(obj).__name__} is no dataclass")
    return {f.name: _plain(getattr(obj, f.name)) for f in dataclasses.fields(obj)}


def decode(cls: type[T], data: object, path: str) -> T:
    """Build a dataclass from what `encode` gave.

    Parameters
    ----------
    cls
        The dataclass.
    data
        A mapping of field names to plain values.
    path
        Where `data` lies in its file, for messages: ``pipeline.steps[2]``.

    Raises
    ------
    SignalError
        ``unknown_field``, ``missing_field`` or ``wrong_type``, with the path of the field.
    """
    if not isinstance(data, Mapping):
        raise _wrong("a table of fields", data, path)
    fields = {f.name: f for f in dataclasses.fields(cls)}  # type: ignore[arg-type]
    for name in data:
        if name not in fields:
            raise SignalError(
                SignalReason.UNKNOWN_FIELD,
                f"unknown argument {name!r}",
                where=f"{path}.{name}",
                next_step=f"Known: {', '.join(fields)}",
            )
    hints = typing.get_type_hints(cls)
    values: dict[str, Any] = {}
    for name, field in fields.items():
        if name in data:
            values[name] = _value(hints[name], data[name], f"{path}.{name}")
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            raise SignalError(
                SignalReason.MISSING_FIELD, "a value is needed", where=f"{path}.{name}"
            )
    return cls(**values)


def _plain(value: object) -> Plain:
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(f"{type(value).__name__} cannot be written as plain data")


def _value(hint: Any, value: object, path: str) -> Any:
    origin = typing.get_origin(hint)
    if origin is tuple:
        if not isinstance(value, list | tuple):
            raise _wrong("a list", value, path)
        args = typing.get_args(hint)
        inner = [args[0]] * len(value) if args[-1] is Ellipsis else list(args)
        if len(inner) != len(value):
            raise _wrong(f"a list of {len(inner)}", value, path)
        return tuple(
            _value(h, v, f"{path}[{i}]") for i, (h, v) in enumerate(zip(inner, value, strict=True))
        )
    if origin in (types.UnionType, typing.Union):
        if value is None:
            return None
        return _value(next(a for a in typing.get_args(hint) if a is not type(None)), value, path)
    # bool is an int in Python; a truth value where a number belongs is a mistake.
    if hint is bool or isinstance(value, bool):
        if hint is bool and isinstance(value, bool):
            return value
        raise _wrong(f"`{hint.__name__}`", value, path)
    if hint is float and isinstance(value, int | float) and math.isfinite(value):
        return float(value)
    if hint in (int, str) and isinstance(value, hint):
        return value
    raise _wrong(f"`{hint.__name__}`", value, path)


def _wrong(expected: str, value: object, path: str) -> SignalError:
    return SignalError(
        SignalReason.WRONG_TYPE, f"expected {expected}, found {value!r}"[:200], where=path
    )
