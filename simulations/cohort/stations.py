"""Transitions: what people do where they stop on their way, and the plan that joins it to walking.

Feet do not move while somebody stands, so squatting and sitting down go on where the last step set
them. The plan of walking passes into the plan of what is done there, and back, while both mean to
stand at ease.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from kinefed.datasets.types import FloatArray
from kinefed.simulations.cohort.curves import smoothstep
from kinefed.simulations.cohort.kinematics import LegGeometry
from kinefed.simulations.cohort.plan import FootPlan, Plan

# From walking to standing at ease, and back.
BLEND_S = 0.6
# Height nodes follow the knee at this spacing.
_NODE_S = 0.05
_X, _Z, _TILT = 0, 2, 5


@dataclass(frozen=True, slots=True)
class Part:
    """One repetition of what is done at a station, in seconds from its beginning."""

    task: str
    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True)
class Station:
    """What somebody does where they stand.

    Attributes
    ----------
    duration_s
        It begins and ends with standing at ease.
    parts
        In order of time; between them they stand.
    plan
        Of times since its beginning, about feet at x = 0; before it and after it standing at ease.
    """

    duration_s: float
    parts: tuple[Part, ...]
    plan: Callable[[FloatArray], Plan]


@dataclass(frozen=True, slots=True)
class Stop:
    """A station on the way: when it begins, and where the ankles are then."""

    station: Station
    begin_s: float
    place_m: float

    @property
    def end_s(self) -> float:
        """When it ends."""
        return self.begin_s + self.station.duration_s

    def weight(self, time_s: FloatArray) -> FloatArray:
        """How far the plan is the station's, 0 to 1, (frames,)."""
        into = smoothstep((time_s - self.begin_s) / BLEND_S + 1.0)
        return into - smoothstep((time_s - self.end_s) / BLEND_S)


def with_stops(walk: Plan, stops: Sequence[Stop], leg: LegGeometry) -> Plan:
    """Join what is done at stops to a plan of level walking.

    Parameters
    ----------
    walk
        With both feet level with one another and standing from `BLEND_S` before each stop begins
        to as long after it ends.
    stops
        In order of time.
    leg
        Of the person.
    """
    t = walk.time_s
    pelvis, lumbar, height = walk.pelvis.copy(), walk.lumbar.copy(), walk.height
    seat = np.zeros((len(t), 4))
    for stop in stops:
        w = stop.weight(t)
        here = np.flatnonzero(w > 0.0)
        if not len(here):
            continue
        plan = stop.station.plan(t[here] - stop.begin_s)
        plan.pelvis[:, _X] += stop.place_m
        for old, new, columns in (
            (pelvis, plan.pelvis, (_X, _Z, _TILT)),
            (lumbar, plan.lumbar, (0,)),
        ):
            for column in columns:
                old[here, column] += w[here] * (new[:, column] - old[here, column])
        if plan.seat is not None:
            seat[here] = plan.seat
            seat[here, _X] += stop.place_m
        height = _with_heights(height, stop, leg)
    feet = tuple(_with_pressure(foot, stops) for foot in walk.feet)
    return replace(
        walk,
        pelvis=pelvis,
        lumbar=lumbar,
        feet=(feet[0], feet[1]),
        height=height,
        seat=seat if seat[:, 3].any() else None,
    )


def _with_heights(height: FloatArray, stop: Stop, leg: LegGeometry) -> FloatArray:
    """Nodes of height with those of a stop in the place of walking's, (nodes, 3)."""
    count = int(stop.station.duration_s / _NODE_S) + 1
    since = np.linspace(0.0, stop.station.duration_s, count)
    plan = stop.station.plan(since)
    if len(plan.height):
        knee = np.interp(since, plan.height[:, 0], plan.height[:, 2])
    else:
        # The plan says how high the hips are, and so how far from the ankles.
        square = plan.pelvis[:, _X] ** 2 + (plan.pelvis[:, _Z] - leg.ankle_height) ** 2
        rest = square - leg.thigh**2 - leg.shank**2
        knee = np.arccos(np.clip(rest / (2.0 * leg.thigh * leg.shank), -1.0, 1.0))
    own = np.stack([stop.begin_s + since, np.zeros(count), knee], axis=1)
    apart = (height[:, 0] < stop.begin_s - _NODE_S) | (height[:, 0] > stop.end_s + _NODE_S)
    every = np.concatenate([height[apart], own])
    return every[np.argsort(every[:, 0], kind="stable")]


def _with_pressure(foot: FootPlan, stops: Sequence[Stop]) -> FootPlan:
    """A foot whose centre of pressure is where each station has it."""

    def pressure(t: FloatArray) -> FloatArray:
        ahead = foot.pressure(t).copy()
        for stop in stops:
            w = stop.weight(t)
            here = np.flatnonzero(w > 0.0)
            if len(here):
                since = t[here] - stop.begin_s
                # Both feet of a station bear alike.
                wanted = stop.station.plan(since).feet[0].pressure(since)
                ahead[here] += w[here] * (wanted - ahead[here])
        return ahead

    return replace(foot, pressure=pressure)
