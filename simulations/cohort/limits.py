"""Within what a style of walking may be fitted: bounds of its parameters."""

from __future__ import annotations

from collections.abc import Mapping

# What may not be fitted away: the foot's events stay in their order, trunk and pelvis move as
# little as a person's do, the knee never locks. The sway of the trunk is that of nine children by
# their markers (line from pelvis to shoulders: cosine 0.3 and sine -1 degree of the step): a larger
# one, or the other way round, would take a moment from one half of a step to the other.
_LIMITS: Mapping[str, tuple[float, float]] = {
    "stance": (0.62, 0.66),
    "flat": (0.05, 0.13),
    "lift": (0.24, 0.46),
    "pitch_strike": (0.05, 0.45),
    "pitch_opposite": (-0.5, -0.12),
    "pitch_off": (-1.4, -0.6),
    "rate_strike": (-7.0, 0.0),
    "rate_off": (-10.0, 0.0),
    "cop_flat": (0.02, 0.45),
    "cop_mid": (0.2, 0.9),
    "cop_lift": (-0.6, 0.3),
    "cop_opposite": (-0.3, 0.7),
    "cop_off": (0.0, 0.9),
    "knee_strike": (0.14, 0.6),
    "knee_load": (0.15, 0.6),
    "knee_mid": (0.165, 0.6),
    "knee_late": (0.14, 0.5),
    "at_load": (0.15, 0.45),
    "at_mid": (0.45, 0.65),
    "at_late": (0.66, 0.95),
    "tilt": (0.07, 0.25),
    "tilt_c": (-0.03, 0.03),
    "tilt_s": (-0.03, 0.03),
    "lean": (-0.04, 0.12),
    "lean_c": (-0.005, 0.03),
    "lean_s": (-0.02, 0.03),
    "list_c": (-0.12, 0.12),
    "list_s": (-0.12, 0.12),
    "bend_c": (-0.1, 0.1),
    "bend_s": (-0.16, 0.16),
    "out_0": (-0.06, 0.12),
    "out_1": (-0.1, 0.12),
    "out_2": (-0.06, 0.12),
}

# What is different where the ground is not level. On stairs the forefoot touches first, the foot
# lies flat for longer and the knee bears weight deeply bent; the trunk leans into an ascent.
_UPHILL: Mapping[str, tuple[float, float]] = {
    "lean": (-0.05, 0.3),
    "tilt": (0.03, 0.4),
    "lean_c": (-0.03, 0.03),
    "lean_s": (-0.03, 0.03),
    "out_0": (-0.06, 0.2),
    "out_1": (-0.06, 0.2),
    "out_2": (-0.06, 0.2),
}
_STAIRS: Mapping[str, tuple[float, float]] = {
    **_UPHILL,
    "flat": (0.04, 0.15),
    "lift": (0.24, 0.47),
    "pitch_strike": (-0.5, -0.08),
    "pitch_off": (-1.2, -0.3),
    "rate_strike": (0.0, 6.0),
    "rate_opposite": (-5.0, 0.0),
    "cop_flat": (0.2, 1.0),
    "cop_mid": (0.2, 1.0),
    "cop_off": (0.0, 0.7),
    "cop_opposite": (-0.3, 0.65),
    "knee_strike": (0.13, 1.4),
    "knee_load": (0.15, 1.4),
    "knee_mid": (0.13, 1.2),
    "knee_late": (0.13, 1.4),
}
_LIMITS_ON: Mapping[str, Mapping[str, tuple[float, float]]] = {
    # People bend the knee further in loading than a style by up to 2 degrees.
    "walk_normal": {"knee_load": (0.15, 0.365)},
    # Who walks slowly stands on both feet for longer; who walks fast for less long.
    "walk_slow": {"stance": (0.645, 0.7)},
    "walk_fast": {"stance": (0.6, 0.64)},
    "ramp_ascent": {**_UPHILL, "knee_strike": (0.13, 0.8), "knee_load": (0.15, 0.8)},
    "ramp_descent": {**_UPHILL, "knee_mid": (0.13, 0.8), "knee_late": (0.13, 0.9)},
    "stair_ascent": {**_STAIRS, "stance": (0.635, 0.68), "lean": (0.12, 0.3)},
    "stair_descent": _STAIRS,
}


def limits_of(name: str) -> dict[str, tuple[float, float]]:
    """Bounds of the parameters of a style; one that is not named has none."""
    return {**_LIMITS, **_LIMITS_ON.get(name, {})}
