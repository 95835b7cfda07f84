"""Why a calibration is refused."""

from __future__ import annotations

import enum

from kinefed.datasets.errors import KinefedError


class CalibrationReason(enum.StrEnum):
    """Why a calibration is refused."""

    NO_SAMPLES = "no_samples"
    MOVED = "moved"
    TOO_SMALL = "too_small"
    NOT_PLANAR = "not_planar"
    WRONG_WAY = "wrong_way"
    NOT_ALIKE = "not_alike"
    MISPLACED = "misplaced"
    BAD_FILE = "bad_file"


class CalibrationError(KinefedError):
    """A calibration movement or file cannot be used: exit code 3."""

    exit_code = 3
