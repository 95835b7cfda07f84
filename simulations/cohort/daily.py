"""A stretch of daily life in one recording: walking, and squats or a chair where somebody stops."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise

import numpy as np

from kinefed.datasets.types import FloatArray
from kinefed.simulations.cohort.cadence import varied_steps
from kinefed.simulations.cohort.gait import Steps, plan_walk
from kinefed.simulations.cohort.kinematics import LegGeometry
from kinefed.simulations.cohort.motion import Labels, Motion
from kinefed.simulations.cohort.people import VirtualPerson
from kinefed.simulations.cohort.performing import (
    AT_EASE,
    MARGIN_S,
    Manner,
    chair_of,
    clock,
    realise_as,
    seat_of,
    squats_of,
)
from kinefed.simulations.cohort.standing import plan_chair, plan_squat
from kinefed.simulations.cohort.stations import Part, Station, Stop, with_stops
from kinefed.simulations.cohort.style import own_style, style_for

_TASKS = ("walk_slow", "walk_normal", "stand", "squat", "stand_to_sit", "sit", "sit_to_stand")

# Who stops stands at ease after this time, and this long before the next step.
_ARRIVE_S, _LEAVE_S = 1.3, 1.1
_SQUATS = (1, 3)
_SIT_S = (1.5, 4.0)
# No stretch of walking is shorter, so there are no more stops than this many seconds hold.
_APART_S = 4.0
_Maker = Callable[[VirtualPerson, LegGeometry, np.random.Generator], Station]


def daily(
    _name: str, person: VirtualPerson, rng: np.random.Generator, duration_s: float, rate_hz: float
) -> Motion:
    """Walk at changing pace, and stop to squat or to sit down for a while and stand up again."""
    leg = LegGeometry.of(person.body)
    names = ["walk_slow", "walk_normal"] if person.pattern == "healthy" else ["walk_normal"]
    paces = [own_style(style_for(name, person.pattern), person) for name in names]
    time_s, keep = clock(duration_s, rate_hz)
    stride_s = max(style.stride_s(leg) for style in paces)
    start_s = -MARGIN_S - stride_s * (1.5 + rng.random())
    until_s = duration_s + MARGIN_S + 2.5 * stride_s
    stations: list[Station] = []
    steps = varied_steps(
        paces, leg, until_s - start_s, start_s, rng, _standing(stations, person, leg, rng)
    )
    stood = np.flatnonzero(steps.pause)
    stops = [
        Stop(station, float(steps.strike[i]) + _ARRIVE_S, float(steps.place[i, 0]))
        for station, i in zip(stations, stood, strict=False)
    ]
    plan = with_stops(plan_walk(time_s, steps, leg), stops, leg)
    labels = _labels(time_s, steps, stops, [style.speed_m_s(leg) for style in paces])
    return realise_as(plan, person, keep, labels)


def _standing(
    stations: list[Station], person: VirtualPerson, leg: LegGeometry, rng: np.random.Generator
) -> Iterator[float]:
    """Choose what is done at each stop, into a list; give how long that takes to stand."""
    makers: tuple[_Maker, ...] = (_some_squats, _a_seat)
    while True:
        # Each once before any comes again.
        for i in rng.permutation(len(makers)):
            stations.append(makers[i](person, leg, rng))
            yield _ARRIVE_S + stations[-1].duration_s + _LEAVE_S


def _some_squats(person: VirtualPerson, leg: LegGeometry, rng: np.random.Generator) -> Station:
    count = int(rng.integers(*_SQUATS, endpoint=True))
    moves = squats_of(Manner(person, rng, count), 0.0)
    parts = (Part("squat", a, b) for a, b in zip(moves.start, moves.end, strict=True))
    return Station(float(moves.end[-1]), tuple(parts), lambda t: plan_squat(t, moves, leg, AT_EASE))


def _a_seat(person: VirtualPerson, leg: LegGeometry, rng: np.random.Generator) -> Station:
    own = Manner(person, rng, 2)
    moves, posture = chair_of(own, np.array([False, True]), 0.3), seat_of(own)
    more = rng.uniform(*_SIT_S)
    for times in (moves.start, moves.off, moves.end):
        times[1] += more
    ends = np.stack([moves.start, moves.end], axis=1).ravel().tolist()
    parts = (
        Part(task, a, b)
        for task, (a, b) in zip(
            ("stand_to_sit", "sit", "sit_to_stand"), pairwise(ends), strict=True
        )
    )
    return Station(ends[-1], tuple(parts), lambda t: plan_chair(t, moves, posture, leg, AT_EASE))


def _labels(time_s: FloatArray, steps: Steps, stops: list[Stop], paces_m_s: list[float]) -> Labels:
    """What is done when: strides of the right foot and repetitions are numbered in their order.

    A stretch of walking is named after the pace nearest to that of its faster steps: the others
    lead to standing, or away from it.
    """
    stood = np.flatnonzero(steps.pause)
    begin, end = steps.strike[stood], steps.strike[stood] + steps.pause[stood]
    task = np.full(len(time_s), _TASKS.index("walk_normal"), dtype=np.int16)
    speed_m_s = np.diff(steps.place[:, 0]) / (np.diff(steps.strike) - steps.pause[:-1])
    edges = [0, *stood.tolist(), len(speed_m_s)]
    for first, last in pairwise(edges):
        own = speed_m_s[first:last]
        if len(own) and len(paces_m_s) > 1 and np.quantile(own, 0.75) < np.mean(paces_m_s):
            until_s = steps.strike[min(last, len(steps.strike) - 1)]
            task[(time_s >= steps.strike[first]) & (time_s < until_s)] = _TASKS.index("walk_slow")
    for a, b in zip(begin, end, strict=True):
        task[(time_s >= a) & (time_s < b)] = _TASKS.index("stand")
    spans = [
        (float(a), float(b))
        for a, b in pairwise(steps.strike[steps.right])
        if not ((begin < b) & (end > a)).any()
    ]
    for stop in stops:
        for part in stop.station.parts:
            a, b = stop.begin_s + part.start_s, stop.begin_s + part.end_s
            task[(time_s >= a) & (time_s < b)] = _TASKS.index(part.task)
            spans.append((a, b))
    number = np.full(len(time_s), -1, dtype=np.int32)
    for n, (a, b) in enumerate(sorted(span for span in spans if span[1] > 0.0)):
        number[(time_s >= a) & (time_s < b)] = n
    return Labels(_TASKS, task, number)
