"""What can go wrong with a network, its weights, its training or its bundle."""

from __future__ import annotations

import enum

from kinefed.datasets.errors import DataError, UsageError


class ModelReason(enum.StrEnum):
    """Why a network, a training or a score was refused."""

    UNKNOWN_NETWORK = "unknown_network"
    BAD_ARGUMENT = "bad_argument"
    WRONG_SHAPE = "wrong_shape"
    WRONG_SIZE = "wrong_size"
    NOT_FINITE = "not_finite"
    NO_WINDOWS = "no_windows"
    DIVERGED = "diverged"


class BundleReason(enum.StrEnum):
    """Why a bundle was refused."""

    NOT_FOUND = "not_found"
    TOO_LARGE = "too_large"
    TRUNCATED = "truncated"
    BAD_FORMAT = "bad_format"
    WRONG_VERSION = "wrong_version"
    BAD_FIELD = "bad_field"
    UNKNOWN_NETWORK = "unknown_network"
    SCHEMA_MISMATCH = "schema_mismatch"
    WRONG_SHAPE = "wrong_shape"
    NOT_FINITE = "not_finite"
    CHANNEL_MISMATCH = "channel_mismatch"
    UNIT_MISMATCH = "unit_mismatch"
    RATE_MISMATCH = "rate_mismatch"


class NetworkError(UsageError):
    """A network that does not exist or cannot be built as asked: exit code 2."""


class ModelError(DataError):
    """Weights, windows or labels that do not fit the model: exit code 3."""


class BundleError(DataError):
    """A bundle that cannot be trusted or does not fit the data at hand: exit code 3."""
