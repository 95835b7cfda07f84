"""What published movement looks like: the shapes that styles are fitted to, and bands of peaks.

Curves are given at every 5 % of a stride, from the right foot's contact. They are the usual mean
curves of healthy adults (Winter, Biomechanics and Motor Control of Human Movement, 4th ed.,
appendix A; Bovi et al. 2011, Gait Posture 33:6; Schwartz et al. 2008, J Biomech 41:1639, for how
they change with speed), read off to about 3 degrees and 0.1 N m/kg; no recording is contained.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from kinefed.datasets.errors import UsageError, UsageReason
from kinefed.datasets.types import FloatArray

# Shares of a stride at which curves are compared.
GRID: FloatArray = np.arange(0.0, 1.0, 0.025)

# Degrees.
_HIP = (30, 30, 28, 25, 20, 15, 9, 3, -2, -7, -10, -10, -5, 4, 14, 23, 29, 33, 34, 32)
_KNEE = (8, 13, 18, 20, 19, 17, 14, 12, 11, 11, 14, 22, 37, 52, 60, 59, 50, 35, 21, 12)
_ANKLE = (0, -5, -5, -1, 3, 6, 8, 9.5, 10.5, 11, 8, 0, -12, -18, -14, -7, -2, 0.5, 1, 1)
_LIST = (1, 3, 4.5, 4.8, 4.2, 3.3, 2.4, 1.6, 1, 0.2)
# N m/kg; extension, plantarflexion and abduction positive.
_HIP_MOMENT = (
    *(0.4, 0.6, 0.5, 0.35, 0.2, 0.05, -0.05, -0.2, -0.35, -0.5, -0.75, -0.75, -0.55, -0.3),
    *(-0.15, -0.05, 0.0, 0.1, 0.3, 0.45),
)
_KNEE_MOMENT = (
    *(-0.25, 0.0, 0.35, 0.55, 0.45, 0.2, 0.0, -0.15, -0.25, -0.25, -0.05, 0.15, 0.2, 0.1, 0.05),
    *(0.0, -0.05, -0.1, -0.2, -0.3),
)
_ANKLE_MOMENT = (
    *(0.0, -0.1, -0.05, 0.1, 0.3, 0.45, 0.6, 0.75, 1.0, 1.25, 1.35, 1.0, 0.35, 0.03),
    *(0.0, 0.0, 0.0, 0.0, 0.0, 0.0),
)
_ABDUCTION_MOMENT = (
    *(0.0, 0.3, 0.7, 0.85, 0.75, 0.65, 0.6, 0.6, 0.65, 0.75, 0.7, 0.35, 0.05),
    *(0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0),
)
# Body weights.
_FORWARD = (
    *(0.0, -0.06, -0.15, -0.18, -0.14, -0.08, -0.03, 0.02, 0.08, 0.15, 0.20, 0.15, 0.02),
    *(0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0),
)
# The curve's sum over both feet moves the centre of mass up and down by 3.5 cm at 1.2 m/s, as
# measured (Orendurff et al. 2004, J Rehabil Res Dev 41:829).
_UPWARD = (
    *(0.0, 0.6, 1.06, 1.15, 1.02, 0.85, 0.73, 0.76, 0.91, 1.06, 1.11, 0.75, 0.1),
    *(0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0),
)


@dataclass(frozen=True, slots=True)
class Reference:
    """A movement to come near to.

    Attributes
    ----------
    angles, moments
        Coordinate to a curve on `GRID` (rad; N m/kg) and its tolerance.
    forces
        Column of the right foot's force (0 forward, 2 up) to a curve in body weights and its
        tolerance.
    """

    angles: Mapping[str, tuple[FloatArray, float]]
    moments: Mapping[str, tuple[FloatArray, float]]
    forces: Mapping[int, tuple[FloatArray, float]]


def on_grid(curve: Sequence[float]) -> FloatArray:
    """Evenly spaced values of one stride, between them straight lines, on `GRID`."""
    times = np.linspace(0.0, 1.0, len(curve) + 1)
    return np.interp(GRID, times, [*curve, curve[0]])


def _walking(
    hip: float = 1.0,
    knee: float = 1.0,
    ankle: float = 1.0,
    force: float = 1.0,
    range_: float = 1.0,
    swing_knee: float = 1.0,
    push: float = 1.0,
) -> Reference:
    """Level walking, changed by scales.

    Of the moments of hip, knee and ankle, of the deviations of force from body weight, of the
    hip's range, of the knee's flexion in swing, and of the ankle's plantarflexion at push-off.
    """
    hip_mean = 11.0
    late = (GRID > 0.5) & (GRID < 0.95)
    knee_bend, ankle_bend = on_grid(_KNEE), on_grid(_ANKLE)
    knee_bend = np.where(late, _KNEE[10] + swing_knee * (knee_bend - _KNEE[10]), knee_bend)
    ankle_bend = np.where(late & (ankle_bend < 0.0), push * ankle_bend, ankle_bend)
    bend = np.deg2rad(hip_mean + range_ * (on_grid(_HIP) - hip_mean))
    upward = on_grid(_UPWARD)
    # In single support the force swings about body weight; in double support it is shared.
    alone = (GRID > 0.12) & (GRID < 0.5)
    upward = np.where(alone, 1.0 + force * (upward - 1.0), upward)
    rad = np.deg2rad(3.0)
    return Reference(
        {
            "hip_flexion_r": (bend, rad),
            "knee_flexion_r": (np.deg2rad(knee_bend), 0.8 * rad),
            "ankle_dorsiflexion_r": (np.deg2rad(ankle_bend), rad),
            "pelvis_list": (np.deg2rad(on_grid((*_LIST, *(-x for x in _LIST)))), np.deg2rad(1.5)),
        },
        {
            "hip_flexion_r": (hip * on_grid(_HIP_MOMENT), 0.085),
            "knee_flexion_r": (knee * on_grid(_KNEE_MOMENT), 0.12),
            "ankle_dorsiflexion_r": (ankle * on_grid(_ANKLE_MOMENT), 0.08),
            "hip_adduction_r": (on_grid(_ABDUCTION_MOMENT), 0.15),
        },
        {0: (force * on_grid(_FORWARD), 0.04), 2: (upward, 0.08)},
    )


_REFERENCES: Mapping[str, Reference] = {
    "walk_normal": _walking(),
    "walk_slow": _walking(hip=0.65, knee=0.5, ankle=0.92, force=0.5, range_=0.85),
    "walk_fast": _walking(hip=1.5, knee=1.6, ankle=1.12, force=1.5, range_=1.15),
    # Less push-off and hip extension than the young (Judge et al. 1996, J Gerontol A 51:M303;
    # Kerrigan et al. 1998, Arch Phys Med Rehabil 79:317).
    "walk_normal.older": _walking(hip=0.9, knee=0.8, ankle=0.9, force=0.75, range_=0.9, push=0.7),
    # Half the flexion in swing, as after a stroke (Perry and Burnfield 2010, chapter 11).
    "walk_normal.stiff-knee": _walking(
        hip=0.8, knee=0.7, ankle=0.9, force=0.6, range_=0.85, swing_knee=0.5, push=0.8
    ),
    # The calf can neither hold the shank back nor push off (Perry and Burnfield 2010, chapter 9).
    "walk_normal.weak-plantarflexor": _walking(
        hip=0.8, knee=0.9, ankle=0.65, force=0.6, range_=0.85, push=0.4
    ),
}


def reference(name: str) -> Reference:
    """Reference of a style.

    Raises
    ------
    UsageError
        ``unknown_name``.
    """
    if name not in _REFERENCES:
        raise UsageError(
            UsageReason.UNKNOWN_NAME,
            f"no reference for {name!r}",
            next_step=f"Use one of {', '.join(_REFERENCES)}",
        )
    return _REFERENCES[name]
