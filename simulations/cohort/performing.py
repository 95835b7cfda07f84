"""How a person performs each kind of movement: from their manner and chance to a `Motion`."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kinefed.biomechanics.engine import Engine
from kinefed.datasets.types import FloatArray
from kinefed.simulations.cohort.cadence import varied_steps
from kinefed.simulations.cohort.gait import Steps, footsteps, plan_walk
from kinefed.simulations.cohort.kinematics import LegGeometry
from kinefed.simulations.cohort.motion import Labels, Motion, realise
from kinefed.simulations.cohort.people import VirtualPerson
from kinefed.simulations.cohort.plan import Plan
from kinefed.simulations.cohort.standing import (
    Chair,
    SeatPosture,
    Squats,
    plan_chair,
    plan_squat,
)
from kinefed.simulations.cohort.style import (
    FOOT_PLACEMENT_M,
    STEP_LENGTH,
    STEP_TIME,
    own_style,
    style_for,
    vary,
)
from kinefed.simulations.cohort.terrain import terrain_of

# Beyond each end of a recording the movement goes on for this long, so that no end is felt within.
MARGIN_S = 2.0
# Repetitions of one person vary by this share, people by twice as much.
_REPEAT = 0.05
# Centre of pressure of quiet standing: a third of the way from ankle to ball.
AT_EASE = 0.35
_OLDER_PACE = 0.8


def walk(
    name: str, person: VirtualPerson, rng: np.random.Generator, duration_s: float, rate_hz: float
) -> Motion:
    """Go on walking at one speed, on whatever ground the task is named after."""
    leg = LegGeometry.of(person.body)
    terrain = terrain_of(name, leg)
    style = own_style(style_for(name, person.pattern), person, level=terrain is None)
    stride_s = style.stride_s(leg)
    stride_m = style.speed_m_s(leg) * stride_s
    time_s, keep = clock(duration_s, rate_hz)
    # Five strides more than fit hold the footsteps that the margins need.
    count = 2 * int(np.ceil((duration_s + 2.0 * MARGIN_S) / stride_s)) + 10
    chance = rng.standard_normal((2, count))
    step_m = 0.5 * stride_m * (1.0 + STEP_LENGTH * chance[1])
    if terrain is not None and terrain.tread_m:
        # A step a tread, with every foot a little in front of its place or behind it.
        spot = FOOT_PLACEMENT_M * np.clip(chance[1], -2.0, 2.0)
        step_m = terrain.tread_m + np.diff(spot, append=0.0)
    steps = footsteps(
        vary(style, rng, count),
        0.5 * stride_s * (1.0 + STEP_TIME * chance[0]),
        step_m,
        np.full(count, style.width * leg.standing_m),
        -MARGIN_S - stride_s * (1.5 + rng.random()),
        terrain=terrain,
    )
    labels = Labels.of_one(name, stride_numbers(time_s, steps))
    return realise_as(plan_walk(time_s, steps, leg), person, keep, labels)


def walk_changing(
    name: str, person: VirtualPerson, rng: np.random.Generator, duration_s: float, rate_hz: float
) -> Motion:
    """Walk with changes of pace, stops and starts."""
    leg = LegGeometry.of(person.body)
    styles = [
        own_style(style_for(f"walk_{pace}", person.pattern), person) for pace in ("slow", "normal")
    ]
    time_s, keep = clock(duration_s, rate_hz)
    longest = max(style.stride_s(leg) for style in styles)
    start_s = -MARGIN_S - longest * (1.5 + rng.random())
    until_s = duration_s + MARGIN_S + 2.5 * longest
    steps = varied_steps(styles, leg, until_s - start_s, start_s, rng)
    labels = Labels.of_one(name, stride_numbers(time_s, steps))
    return realise_as(plan_walk(time_s, steps, leg), person, keep, labels)


def squat(
    name: str, person: VirtualPerson, rng: np.random.Generator, duration_s: float, rate_hz: float
) -> Motion:
    """Squat again and again."""
    leg = LegGeometry.of(person.body)
    time_s, keep = clock(duration_s, rate_hz)
    own = Manner(person, rng, int(duration_s / 1.5) + 4)
    squats = squats_of(own, -MARGIN_S)
    labels = Labels.of_one(name, _repetitions(time_s, squats.start, squats.end))
    return realise_as(plan_squat(time_s, squats, leg, AT_EASE), person, keep, labels)


def chair(
    name: str, person: VirtualPerson, rng: np.random.Generator, duration_s: float, rate_hz: float
) -> Motion:
    """Stand up and sit down again and again, beginning with what the task is named after."""
    leg = LegGeometry.of(person.body)
    time_s, keep = clock(duration_s, rate_hz)
    count = int(duration_s / 2.0) + 4
    own = Manner(person, rng, count)
    up = (np.arange(count) % 2 == 0) == (name == "sit_to_stand")
    # The first movement begins within the recording, for half of it to be seen from rest.
    moves = chair_of(own, up, 0.5)
    posture = seat_of(own)
    number = _repetitions(time_s, moves.start, moves.end)
    other = "stand_to_sit" if name == "sit_to_stand" else "sit_to_stand"
    turn = np.searchsorted(moves.start, time_s, side="right") - 1
    which = np.where(up[np.maximum(turn, 0)] == (name == "sit_to_stand"), 0, 1)
    labels = Labels((name, other), which.astype(np.int16), number)
    return realise_as(plan_chair(time_s, moves, posture, leg, AT_EASE), person, keep, labels)


class Manner:
    """Numbers about a middle: a person's own, and those of each of their repetitions."""

    def __init__(self, person: VirtualPerson, rng: np.random.Generator, count: int) -> None:
        self.person, self._rng, self._count = person, rng, count

    def once(self, trait: str, middle: float) -> float:
        """The person's own number."""
        return middle * (1.0 + 2.0 * _REPEAT * self.person.manner(trait))

    def often(self, trait: str, middle: float) -> FloatArray:
        """The number at each repetition."""
        chance = np.clip(self._rng.standard_normal(self._count), -2.0, 2.0)
        return self.once(trait, middle) * (1.0 + _REPEAT * chance)


def squats_of(own: Manner, start_s: float) -> Squats:
    """Squat as somebody does, one after the other, after resting from `start_s` on."""
    slow = own.often("squat pace", 1.0)
    down, bottom, up = 1.1 * slow, 0.1 * slow, 1.0 * slow
    rest = own.often("squat rest", 0.5)
    start = start_s + np.cumsum(rest + np.concatenate([[0.0], (down + bottom + up)[:-1]]))
    return Squats(
        start,
        start + down,
        start + down + bottom,
        start + down + bottom + up,
        np.deg2rad(own.often("squat depth", 92.0)),
        np.deg2rad(own.often("squat lean", 36.0)),
        np.deg2rad(own.often("squat tilt", 26.0)),
        own.often("squat pressure", 0.42),
    )


def chair_of(own: Manner, up: NDArray[np.bool_], start_s: float) -> Chair:
    """Stand up and sit down as somebody does, in turn, the first time at `start_s`."""
    slow = own.often("chair pace", 1.0 if own.person.pattern == "healthy" else 1.0 / _OLDER_PACE)
    takes = 2.1 * slow
    start = start_s + np.cumsum(own.often("chair rest", 0.9) + np.concatenate([[-0.9], takes[:-1]]))
    part = 0.42 * takes
    return Chair(
        up,
        start,
        start + np.where(up, part, takes - part),
        start + takes,
        np.deg2rad(own.often("chair lean", 44.0)),
        np.deg2rad(own.often("chair tilt", 29.0)),
        own.often("chair pressure", 0.3) - 0.4,
    )


def seat_of(own: Manner) -> SeatPosture:
    """Sit as somebody does."""
    return SeatPosture(
        shank=np.deg2rad(own.once("seat shank", 18.0)),
        rise=0.02 * own.person.manner("seat height"),
        lean=np.deg2rad(own.once("seat lean", 2.0)),
        tilt=np.deg2rad(own.once("seat tilt", -8.0)),
    )


def clock(duration_s: float, rate_hz: float) -> tuple[FloatArray, slice]:
    """Times of the frames with margins, and which of them are kept."""
    margin, frames = round(MARGIN_S * rate_hz), round(duration_s * rate_hz)
    return np.arange(-margin, frames + margin) / rate_hz, slice(margin, margin + frames)


def stride_numbers(time_s: FloatArray, steps: Steps) -> NDArray[np.int32]:
    """Number of the right foot's stride in every frame, from 0 within the recording."""
    starts = steps.strike[steps.right]
    number = np.searchsorted(starts, time_s, side="right")
    return (number - np.searchsorted(starts, 0.0, side="right")).astype(np.int32)


def _repetitions(time_s: FloatArray, start: FloatArray, end: FloatArray) -> NDArray[np.int32]:
    """Number of the repetition in every frame, from 0 within the recording; -1 at rest."""
    turn = np.searchsorted(start, time_s, side="right") - 1
    inside = (turn >= 0) & (time_s < end[np.maximum(turn, 0)])
    first = np.searchsorted(end, 0.0, side="right")
    return np.where(inside, turn - first, -1).astype(np.int32)


def realise_as(plan: Plan, person: VirtualPerson, keep: slice, labels: Labels) -> Motion:
    """Let a person follow a plan; `keep` are the frames between the margins."""
    engine = Engine(person.rigid_body())
    leg = LegGeometry.of(person.body)
    return realise(plan, leg, engine, person.body.mass_kg, keep, labels)
