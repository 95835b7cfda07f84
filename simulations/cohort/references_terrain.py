"""What published walking on inclines and stairs looks like: shapes that styles are fitted to.

Curves are given at every 5 % of a stride, from the right foot's contact: usual mean curves of
healthy adults, read off to about 4 degrees and 0.1 N m/kg; no recording is contained. Stairs:
Riener, Rabuffetti and Frigo 2002, Gait Posture 15:32; Nadeau, McFadyen and Malouin 2003, Clin
Biomech 18:950; McFadyen and Winter 1988, J Biomech 21:733. Inclines of 6 to 9 degrees: Lay, Hass
and Gregor 2006, J Biomech 39:1621; McIntosh et al. 2006, J Biomech 39:2491; Franz and Kram 2012,
Gait Posture 35:628. Pelvis and abduction, which they hardly give, are those of level walking.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np

from kinefed.datasets.types import FloatArray
from kinefed.simulations.cohort.references import Reference, on_grid

_Curve = Sequence[float]
_LIST = (1, 3, 4.5, 4.8, 4.2, 3.3, 2.4, 1.6, 1, 0.2)
_AIR = (0.0,) * 6


def _reference(
    hip: _Curve,
    knee: _Curve,
    ankle: _Curve,
    hip_moment: _Curve,
    knee_moment: _Curve,
    ankle_moment: _Curve,
    abduction_moment: _Curve,
    forward: _Curve,
    upward: _Curve,
) -> Reference:
    """Angles in degrees, moments in N m/kg, forces in body weights; 20 values, forces 14."""
    rad, moment = np.deg2rad(4.0), 0.12

    def angle(curve: _Curve, tolerance: float) -> tuple[FloatArray, float]:
        return np.deg2rad(on_grid(curve)), tolerance

    return Reference(
        {
            "hip_flexion_r": angle(hip, rad),
            "knee_flexion_r": angle(knee, rad),
            "ankle_dorsiflexion_r": angle(ankle, rad),
            "pelvis_list": angle((*_LIST, *(-x for x in _LIST)), np.deg2rad(2.0)),
        },
        {
            "hip_flexion_r": (on_grid(hip_moment), moment),
            "knee_flexion_r": (on_grid(knee_moment), moment),
            "ankle_dorsiflexion_r": (on_grid(ankle_moment), 0.1),
            "hip_adduction_r": (on_grid(abduction_moment), 0.15),
        },
        {0: (on_grid((*forward, *_AIR)), 0.04), 2: (on_grid((*upward, *_AIR)), 0.08)},
    )


TERRAIN_REFERENCES: Mapping[str, Reference] = MappingProxyType(
    {
        "stair_ascent": _reference(
            hip=(62, 59, 55, 50, 44, 38, 32, 26, 21, 16, 12, 9, 9, 15, 27, 42, 55, 64, 67, 65),
            knee=(64, 63, 59, 53, 46, 38, 30, 23, 17, 13, 11, 13, 24, 44, 66, 84, 92, 90, 80, 70),
            ankle=(8, 12, 15, 15, 13, 11, 9, 8, 7, 6, 4, -2, -12, -18, -10, 0, 5, 8, 8, 7),
            hip_moment=(
                *(0.3, 0.5, 0.65, 0.6, 0.5, 0.4, 0.3, 0.2, 0.12, 0.05, 0.0, -0.05, -0.1, -0.15),
                *(-0.2, -0.1, 0.0, 0.1, 0.2, 0.25),
            ),
            knee_moment=(
                *(0.05, 0.5, 0.95, 1.1, 1.0, 0.75, 0.5, 0.28, 0.12, 0.0, -0.08, -0.02, 0.08, 0.1),
                *(0.08, 0.05, 0.0, -0.05, -0.1, -0.08),
            ),
            ankle_moment=(
                *(0.0, 0.25, 0.5, 0.55, 0.5, 0.45, 0.45, 0.5, 0.6, 0.8, 1.1, 1.25, 0.75, 0.08),
                *_AIR,
            ),
            abduction_moment=(
                *(0.0, 0.35, 0.7, 0.8, 0.75, 0.68, 0.62, 0.6, 0.6, 0.6, 0.5, 0.25, 0.05, 0.0),
                *_AIR,
            ),
            forward=(
                0,
                -0.02,
                -0.05,
                -0.06,
                -0.05,
                -0.03,
                -0.01,
                0.01,
                0.02,
                0.04,
                0.06,
                0.07,
                0.03,
                0,
            ),
            upward=(0, 0.4, 0.8, 1.0, 1.02, 0.95, 0.85, 0.77, 0.78, 0.9, 1.08, 1.05, 0.5, 0.05),
        ),
        "stair_descent": _reference(
            hip=(20, 19, 17, 14, 12, 10, 9, 9, 10, 13, 17, 22, 28, 34, 39, 41, 38, 32, 26, 22),
            knee=(12, 16, 22, 26, 27, 27, 29, 32, 38, 47, 58, 72, 84, 90, 86, 70, 48, 28, 14, 9),
            ankle=(
                -18,
                -6,
                4,
                10,
                13,
                15,
                17,
                19,
                22,
                26,
                29,
                28,
                20,
                8,
                -4,
                -12,
                -17,
                -20,
                -21,
                -20,
            ),
            hip_moment=(
                *(0.0, 0.2, 0.25, 0.15, 0.1, 0.05, 0.0, -0.05, -0.1, -0.12, -0.12, -0.12, -0.12),
                *(-0.1, -0.1, -0.05, 0.0, 0.1, 0.15, 0.1),
            ),
            knee_moment=(
                *(0.0, 0.35, 0.75, 0.85, 0.7, 0.55, 0.5, 0.55, 0.7, 0.95, 1.2, 1.2, 0.7, 0.2),
                *(0.05, 0.0, 0.0, -0.05, -0.1, -0.08),
            ),
            ankle_moment=(
                *(0.0, 0.6, 1.05, 0.95, 0.75, 0.65, 0.62, 0.68, 0.8, 0.95, 1.0, 0.75, 0.25, 0.03),
                *_AIR,
            ),
            abduction_moment=(
                *(0.0, 0.5, 0.85, 0.82, 0.75, 0.7, 0.68, 0.68, 0.68, 0.65, 0.5, 0.25, 0.05, 0.0),
                *_AIR,
            ),
            forward=(0, -0.06, -0.1, -0.08, -0.05, -0.02, 0, 0.01, 0.03, 0.05, 0.07, 0.06, 0.02, 0),
            upward=(0, 0.7, 1.3, 1.25, 1.0, 0.88, 0.82, 0.82, 0.85, 0.9, 0.92, 0.65, 0.2, 0.02),
        ),
        "ramp_ascent": _reference(
            hip=(48, 48, 45, 40, 34, 27, 20, 13, 6, 0, -5, -7, -4, 6, 19, 32, 42, 49, 52, 50),
            knee=(24, 28, 31, 31, 28, 24, 20, 16, 13, 11, 12, 20, 35, 50, 58, 58, 52, 42, 32, 26),
            ankle=(8, 6, 7, 10, 12, 14, 15, 16, 17, 17, 13, 3, -12, -18, -9, 0, 5, 8, 9, 8),
            hip_moment=(
                *(0.6, 0.95, 1.0, 0.85, 0.65, 0.45, 0.3, 0.15, 0.0, -0.2, -0.45, -0.55, -0.45),
                *(-0.25, -0.1, 0.0, 0.05, 0.15, 0.3, 0.5),
            ),
            knee_moment=(
                *(-0.2, 0.1, 0.45, 0.55, 0.45, 0.25, 0.05, -0.12, -0.22, -0.22, -0.1, 0.08, 0.15),
                *(0.08, 0.03, 0.0, -0.05, -0.1, -0.2, -0.25),
            ),
            ankle_moment=(
                *(0.0, 0.0, 0.15, 0.35, 0.52, 0.65, 0.78, 0.95, 1.2, 1.45, 1.5, 1.1, 0.4, 0.03),
                *_AIR,
            ),
            abduction_moment=(
                *(0.0, 0.3, 0.7, 0.85, 0.75, 0.65, 0.6, 0.6, 0.65, 0.75, 0.7, 0.35, 0.05, 0.0),
                *_AIR,
            ),
            forward=(
                0,
                -0.05,
                -0.12,
                -0.14,
                -0.11,
                -0.06,
                -0.02,
                0.02,
                0.07,
                0.13,
                0.17,
                0.14,
                0.02,
                0,
            ),
            upward=(0, 0.4, 0.85, 1.05, 1.05, 0.92, 0.8, 0.78, 0.88, 1.05, 1.14, 0.78, 0.15, 0),
        ),
        "ramp_descent": _reference(
            hip=(22, 22, 20, 17, 14, 10, 7, 4, 1, -2, -4, -3, 2, 10, 18, 24, 27, 27, 25, 23),
            knee=(9, 16, 24, 28, 28, 26, 25, 25, 26, 29, 34, 42, 53, 63, 67, 62, 50, 33, 16, 8),
            ankle=(0, -8, -9, -4, 1, 4, 6, 8, 9, 9, 7, 2, -6, -10, -6, -2, 0, 1, 1, 1),
            hip_moment=(
                *(0.1, 0.3, 0.3, 0.15, 0.0, -0.1, -0.18, -0.25, -0.32, -0.4, -0.45, -0.4, -0.3),
                *(-0.2, -0.1, -0.05, 0.0, 0.1, 0.2, 0.2),
            ),
            knee_moment=(
                *(-0.15, 0.25, 0.85, 1.1, 0.95, 0.7, 0.5, 0.4, 0.35, 0.38, 0.5, 0.6, 0.45, 0.2),
                *(0.08, 0.02, -0.03, -0.1, -0.2, -0.22),
            ),
            ankle_moment=(
                *(0.0, -0.12, -0.02, 0.15, 0.3, 0.42, 0.55, 0.68, 0.82, 0.97, 1.0, 0.7, 0.25, 0.02),
                *_AIR,
            ),
            abduction_moment=(
                *(0.0, 0.3, 0.75, 0.88, 0.78, 0.68, 0.6, 0.6, 0.65, 0.72, 0.65, 0.35, 0.05, 0.0),
                *_AIR,
            ),
            forward=(
                0,
                -0.06,
                -0.15,
                -0.18,
                -0.13,
                -0.07,
                -0.03,
                0.02,
                0.07,
                0.12,
                0.16,
                0.14,
                0.02,
                0,
            ),
            upward=(0, 0.5, 1.05, 1.2, 1.05, 0.88, 0.78, 0.76, 0.83, 0.93, 0.95, 0.68, 0.15, 0),
        ),
    }
)
