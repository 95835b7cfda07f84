"""What can go wrong on a client."""

from __future__ import annotations

from enum import StrEnum

from kinefed.datasets import KinefedError


class ClientReason(StrEnum):
    """Why a client cannot do what it was asked."""

    CONFIG = "config"
    MODEL = "model"
    STORE = "store"
    NOTHING = "nothing"


class ClientConfigError(KinefedError):
    """The node does not know whose data to use, or where: exit code 2."""

    exit_code = 2


class ClientError(KinefedError):
    """The client refuses an order or its store is unusable: exit code 3."""

    exit_code = 3


class NothingToLearnError(ClientError):
    """The recordings hold nothing that the model could learn from: no fault of the client."""
