"""What can go wrong between client and server, and in personalisation."""

from __future__ import annotations

from enum import StrEnum

from kinefed.datasets.errors import KinefedError


class MessageReason(StrEnum):
    """Why a message was refused."""

    SCHEMA = "schema"
    KIND = "kind"
    FIELD = "field"
    ARRAY = "array"


class MessageError(KinefedError):
    """A message that does not fit the schema; it is dropped and counted, never repaired."""

    exit_code = 4
