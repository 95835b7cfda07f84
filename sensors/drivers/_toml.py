"""Fields of a TOML file, taken out one by one with their types."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

from kinefed.datasets.errors import DataError, DataReason

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z")


class Table:
    """A table: each method takes a field out; `end` refuses what is left over.

    All of them raise `DataError` (``bad_format``) with the path of the wrong field.

    Parameters
    ----------
    data
        What was read.
    where
        File and path of the table.
    help
        The next step of an error.
    """

    def __init__(self, data: object, where: str, help: str) -> None:
        self.where = where
        self._help = help
        if not isinstance(data, Mapping):
            raise self.bad("expected a table")
        self._data = dict(data)

    def bad(self, what: str, name: str = "") -> DataError:
        """Make the error of a field, or of the whole table."""
        return DataError(
            DataReason.BAD_FORMAT,
            what,
            where=f"{self.where}: {name}" if name else self.where,
            next_step=self._help,
        )

    def text(self, name: str, default: str | None = None) -> str:
        """Take a text."""
        value = self._data.pop(name, default)
        if not isinstance(value, str):
            raise self.bad("expected text", name)
        return value

    def uuid(self, name: str) -> str:
        """Take a UUID of 36 characters, in lower case."""
        value = self.text(name).lower()
        if not _UUID.match(value):
            raise self.bad(f"{value!r} is no UUID of 36 characters", name)
        return value

    def number(self, name: str, default: float | None = None) -> float:
        """Take a finite number."""
        value = self._data.pop(name, default)
        if (
            isinstance(value, bool)
            or not isinstance(value, int | float)
            or not math.isfinite(value)
        ):
            raise self.bad("expected a number", name)
        return float(value)

    def positive(self, name: str, default: float | None = None) -> float:
        """Take a number above 0."""
        value = self.number(name, default)
        if value <= 0.0:
            raise self.bad(f"expected more than 0, it is {value:g}", name)
        return value

    def flag(self, name: str) -> bool:
        """Take true or false; false where it is not given."""
        value = self._data.pop(name, False)
        if not isinstance(value, bool):
            raise self.bad("expected true or false", name)
        return value

    def names(self, name: str) -> tuple[str, ...]:
        """Take a list of texts; empty where it is not given."""
        value = self._data.pop(name, [])
        if not isinstance(value, list) or not all(isinstance(v, str) and v for v in value):
            raise self.bad("expected a list of texts", name)
        return tuple(value)

    def values(self, name: str) -> dict[str, str | int | float | bool]:
        """Take a table of texts, numbers and flags; empty where it is not given."""
        value = self._data.pop(name, {})
        if not isinstance(value, Mapping) or not all(
            isinstance(each, str | int | float) for each in value.values()
        ):
            raise self.bad("expected a table of texts, numbers, true and false", name)
        return {str(key): each for key, each in value.items()}

    def table(self, name: str) -> Table:
        """Take a table."""
        return Table(self._data.pop(name, None), f"{self.where}: {name}", self._help)

    def tables(self, name: str) -> list[Table]:
        """Take a list of tables; empty where it is not given."""
        value = self._data.pop(name, [])
        if not isinstance(value, list):
            raise self.bad("expected a list of tables", name)
        return [Table(v, f"{self.where}: {name}[{i}]", self._help) for i, v in enumerate(value)]

    def end(self) -> None:
        """Refuse fields that nobody took."""
        if self._data:
            raise self.bad(f"unknown field {next(iter(self._data))!r}")
