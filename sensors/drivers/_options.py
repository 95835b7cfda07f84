"""Checks of the settings a driver is made with."""

from __future__ import annotations

from collections.abc import Collection
from typing import TypeVar

from kinefed.datasets.errors import UsageError, UsageReason

Value = TypeVar("Value", int, float, str)


def one_of(driver: str, option: str, value: Value, allowed: Collection[Value]) -> Value:
    """Return a setting that the sensor has.

    Raises
    ------
    UsageError
        ``bad_argument`` with all that it has.
    """
    if value not in allowed:
        has = f"{allowed.start} to {allowed.stop - 1}" if isinstance(allowed, range) else None
        raise UsageError(
            UsageReason.BAD_ARGUMENT,
            f"{option} is {value!r}",
            where=f"sensor {driver}",
            next_step=f"It has {has or ', '.join(str(each) for each in sorted(allowed))}",
        )
    return value
