"""What can go wrong on the server."""

from __future__ import annotations

from enum import StrEnum

from kinefed.models import KinefedError


class ServerReason(StrEnum):
    """Why the federation stopped."""

    SETTING = "setting"
    CHECKPOINT = "checkpoint"
    NO_CLIENTS = "no_clients"
    QUORUM = "quorum"


class SettingError(KinefedError):
    """A setting of the federation that cannot be: exit code 2."""

    exit_code = 2


class CheckpointError(KinefedError):
    """A checkpoint that is damaged or belongs to another federation: exit code 3."""

    exit_code = 3


class FederationError(KinefedError):
    """Too few clients to go on: exit code 4."""

    exit_code = 4
