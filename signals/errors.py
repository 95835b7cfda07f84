"""Why a signal, or a step that works on one, was refused."""

from __future__ import annotations

import enum

from kinefed.datasets.errors import KinefedError


class SignalReason(enum.StrEnum):
    """Why a signal or a step was refused."""

    RATE_TOO_LOW = "rate_too_low"
    NOT_FINITE = "not_finite"
    WRONG_CHANNELS = "wrong_channels"
    WRONG_SHAPE = "wrong_shape"
    OUT_OF_RANGE = "out_of_range"
    NOT_CAUSAL = "not_causal"
    NO_REFERENCE = "no_reference"
    TOO_SHORT = "too_short"
    UNKNOWN_STEP = "unknown_step"
    UNKNOWN_FIELD = "unknown_field"
    MISSING_FIELD = "missing_field"
    WRONG_TYPE = "wrong_type"


class SignalError(KinefedError):
    """A signal does not fit the step, window or scaling it was given to: exit code 3."""

    exit_code = 3
