"""The exception tree of kinefed: one root, three leaves, each with a reason a caller can act on.

::

    KinefedError
    ├── UsageError    (exit 2)  the caller asked for something that cannot be
    ├── DataError     (exit 3)  recordings, a bundle or a file are not what they must be
    └── OutsideError  (exit 4)  a sensor, the network or a server failed
"""

from __future__ import annotations

import enum
from typing import ClassVar, Self


class DataReason(enum.StrEnum):
    """Why data were refused."""

    NOT_FOUND = "not_found"
    EXISTS = "exists"
    UNREADABLE = "unreadable"
    TRUNCATED = "truncated"
    BAD_FORMAT = "bad_format"
    EMPTY = "empty"
    MISSING_COLUMN = "missing_column"
    UNKNOWN_CHANNEL = "unknown_channel"
    WRONG_UNIT = "wrong_unit"
    NOT_FINITE = "not_finite"
    OUT_OF_RANGE = "out_of_range"
    TIME_ORDER = "time_order"
    RATE_MISMATCH = "rate_mismatch"
    DUPLICATE = "duplicate"
    UNKNOWN_SUBJECT = "unknown_subject"
    PATH_ESCAPE = "path_escape"
    BAD_NAME = "bad_name"
    NO_MASS = "no_mass"
    MISMATCH = "mismatch"


class UsageReason(enum.StrEnum):
    """Why a request was refused."""

    BAD_ARGUMENT = "bad_argument"
    UNKNOWN_NAME = "unknown_name"
    MISSING_EXTRA = "missing_extra"
    IMPOSSIBLE = "impossible"


class OutsideReason(enum.StrEnum):
    """What outside of this program failed."""

    NETWORK = "network"
    SERVER = "server"
    SENSOR = "sensor"
    STORAGE = "storage"
    PROCESS = "process"
    TIMEOUT = "timeout"


class KinefedError(Exception):
    """Root of all errors that kinefed raises on purpose.

    Parameters
    ----------
    reason
        Member of the reason enum: what a program acts on.
    what
        What is wrong, for a person.
    where
        The file, channel or field it was found in.
    next_step
        What to do about it.
    """

    exit_code: ClassVar[int] = 1

    def __init__(
        self, reason: enum.StrEnum, what: str, *, where: object = "", next_step: str = ""
    ) -> None:
        self.reason = reason
        self.what = what
        self.where = str(where)
        self.next_step = next_step
        head = f"{self.where}: {what}" if self.where else what
        super().__init__(f"{head}. {next_step}" if next_step else head)

    def __reduce__(
        self,
    ) -> tuple[object, tuple[type[Self], enum.StrEnum, str, str, str]]:
        # Errors cross process pools; the default rebuild would lose the keyword arguments.
        return (_rebuild, (type(self), self.reason, self.what, self.where, self.next_step))


class UsageError(KinefedError):
    """The request itself is wrong: exit code 2."""

    exit_code = 2


class DataError(KinefedError):
    """Data or a model bundle is wrong and nothing was written: exit code 3."""

    exit_code = 3


class OutsideError(KinefedError):
    """Something outside failed (sensor, network, server): exit code 4."""

    exit_code = 4


def _rebuild(
    kind: type[KinefedError], reason: enum.StrEnum, what: str, where: str, next_step: str
) -> KinefedError:
    return kind(reason, what, where=where, next_step=next_step)
