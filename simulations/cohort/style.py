"""Fitted styles of movement, and one person's way of varying them.

``styles.toml`` holds one table a style: what `calibrate` fitted to published movement, in numbers
that do not depend on a person's size.
"""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from types import MappingProxyType

import numpy as np

from kinefed.datasets.errors import UsageError, UsageReason
from kinefed.datasets.types import FloatArray
from kinefed.simulations.cohort.contact import GRAVITY
from kinefed.simulations.cohort.kinematics import LegGeometry
from kinefed.simulations.cohort.people import VirtualPerson

# What counts as one step of a parameter, by the first part of its name: a few degrees, a hundredth
# of a stride, a tenth of a foot. Fitting is damped, and people and strides vary, in these units.
_UNIT = MappingProxyType(
    {
        "stance": 0.01,
        "flat": 0.01,
        "lift": 0.03,
        "pitch": 0.06,
        "rate": 0.3,
        "cop": 0.1,
        "at": 0.02,
        "list": 0.02,
    }
)
_UNIT_ELSE = 0.04
# Standard deviations in those units. They look small, but some forty parameters vary at once, and
# bodies, pace and step lengths besides.
BETWEEN_PEOPLE = 0.2
BETWEEN_STRIDES = 0.07
# Coefficients of variation of pace between people and of step time and length between steps:
# 2 to 3 % within a healthy walker (Hausdorff 2005, J NeuroEng Rehabil 2:19).
PACE_BETWEEN_PEOPLE = 0.05
STEP_TIME = 0.015
STEP_LENGTH = 0.015
# Standard deviation of where on a stair's tread a foot comes to stand.
FOOT_PLACEMENT_M = 0.005


@dataclass(frozen=True, slots=True)
class Style:
    """One fitted style of walking.

    Attributes
    ----------
    speed
        Over the root of gravity times leg length.
    stride
        Duration of a stride over the root of leg length over gravity.
    width
        Distance between the feet over leg length.
    values
        The parameters.
    """

    speed: float
    stride: float
    width: float
    values: Mapping[str, float]

    def speed_m_s(self, leg: LegGeometry) -> float:
        """Speed of a person with such a leg."""
        return self.speed * float(np.sqrt(GRAVITY * leg.standing_m))

    def stride_s(self, leg: LegGeometry) -> float:
        """Duration of a stride of a person with such a leg."""
        return self.stride * float(np.sqrt(leg.standing_m / GRAVITY))


def unit_of(key: str) -> float:
    """Step of a style parameter that counts as one."""
    return _UNIT.get(key.split("_")[0], _UNIT_ELSE)


@functools.cache
def styles() -> Mapping[str, Style]:
    """All fitted styles by name."""
    text = resources.files(__package__).joinpath("styles.toml").read_text(encoding="utf-8")
    table = {}
    for name, values in tomllib.loads(text).items():
        speed, stride, width = (values.pop(key) for key in ("speed", "stride", "width"))
        table[name] = Style(speed, stride, width, MappingProxyType(values))
    return MappingProxyType(table)


def style_for(task: str, pattern: str) -> Style:
    """Style of a task for people of a gait pattern.

    Raises
    ------
    UsageError
        ``impossible`` where none was fitted.
    """
    known = styles()
    name = task if pattern == "healthy" else f"{task}.{pattern}"
    if name not in known:
        has = sorted(
            key.partition(".")[2] or "healthy" for key in known if key.split(".")[0] == task
        )
        raise UsageError(
            UsageReason.IMPOSSIBLE,
            f"{task!r} has no style for the pattern {pattern!r}",
            next_step=f"It has {', '.join(has) or 'none'}",
        )
    return known[name]


def own_style(style: Style, person: VirtualPerson, *, level: bool = True) -> Style:
    """Move a style by a person's manner: its parameters, its pace and the steps to that pace.

    Parameters
    ----------
    style
        As fitted.
    person
        Whose manner it is.
    level
        On level ground another pace brings what sets slow and normal walking apart.
    """
    pace = 1.0 + PACE_BETWEEN_PEOPLE * person.manner("pace")
    more = style.speed * (pace - 1.0)
    slope = _per_speed() if level else dict.fromkeys(style.values, 0.0)
    values = {
        key: value + more * slope[key] + unit_of(key) * BETWEEN_PEOPLE * person.manner(key)
        for key, value in style.values.items()
    }
    # Who walks faster takes longer steps and more of them, half and half (Winter 1991, ch. 2).
    return Style(style.speed * pace, style.stride / float(np.sqrt(pace)), style.width, values)


@functools.cache
def _per_speed() -> Mapping[str, float]:
    """By how much each parameter changes with the speed, between slow and normal walking."""
    slow, normal = styles()["walk_slow"], styles()["walk_normal"]
    step = normal.speed - slow.speed
    return {key: (value - slow.values[key]) / step for key, value in normal.values.items()}


def vary(style: Style, rng: np.random.Generator, steps: int) -> dict[str, FloatArray]:
    """Parameters of every step: those of a person's own style, moved by chance.

    Returns
    -------
    dict
        Parameter to (steps,).
    """
    return {
        key: value + unit_of(key) * BETWEEN_STRIDES * rng.standard_normal(steps)
        for key, value in style.values.items()
    }
