"""What virtual people can do: one `Task` each, by name in `TASKS`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from kinefed.datasets.errors import UsageError, UsageReason
from kinefed.simulations.cohort import daily, performing, performing_jumps
from kinefed.simulations.cohort.motion import Motion
from kinefed.simulations.cohort.people import VirtualPerson
from kinefed.simulations.cohort.style import style_for

RATES_HZ = (100.0, 500.0)
SHORTEST_S, LONGEST_S = 1.0, 3600.0
_Maker = Callable[[str, VirtualPerson, np.random.Generator, float, float], Motion]


@dataclass(frozen=True, slots=True)
class Task:
    """One movement.

    Attributes
    ----------
    name
        As in recordings.
    what
        One line for a person.
    styles
        Fitted styles that it is made of, which not every gait pattern has; empty: none.
    """

    name: str
    what: str
    _make: _Maker
    styles: tuple[str, ...] = ()

    def possible(self, pattern: str) -> bool:
        """Say whether people of a gait pattern have every style that it is made of."""
        try:
            for name in self.styles:
                style_for(name, pattern)
        except UsageError:
            return False
        return True

    def generate(
        self,
        person: VirtualPerson,
        rng: np.random.Generator,
        duration_s: float,
        rate_hz: float = 100.0,
    ) -> Motion:
        """Let a person do it.

        Parameters
        ----------
        person
            Who.
        rng
            Chance within the recording, such as `VirtualPerson.generator`.
        duration_s, rate_hz
            Length and sampling rate of the recording.

        Raises
        ------
        UsageError
            ``bad_argument`` for a duration or rate out of range, ``impossible`` where people of
            this gait pattern have no style for the task, ``missing_extra`` without MuJoCo.
        """
        check_recording(duration_s, rate_hz)
        return self._make(self.name, person, rng, duration_s, rate_hz)


def check_recording(duration_s: float, rate_hz: float) -> None:
    """Refuse a duration or rate out of range.

    Raises
    ------
    UsageError
        ``bad_argument``.
    """
    if not SHORTEST_S <= duration_s <= LONGEST_S:
        raise UsageError(
            UsageReason.BAD_ARGUMENT,
            f"a recording of {duration_s:g} s",
            where="duration_s",
            next_step=f"Ask for {SHORTEST_S:g} to {LONGEST_S:g} s",
        )
    if not RATES_HZ[0] <= rate_hz <= RATES_HZ[1]:
        raise UsageError(
            UsageReason.BAD_ARGUMENT,
            f"a rate of {rate_hz:g} Hz",
            where="rate_hz",
            next_step=f"Ask for {RATES_HZ[0]:g} to {RATES_HZ[1]:g} Hz and resample",
        )


def _walk(name: str, what: str) -> Task:
    return Task(name, f"walking {what}", performing.walk, (name,))


_ALL = (
    _walk("walk_normal", "on level ground at a normal pace"),
    _walk("walk_slow", "on level ground slowly"),
    _walk("walk_fast", "on level ground fast"),
    Task(
        "walk_turns",
        "walking with changes of pace, stops and starts",
        performing.walk_changing,
        ("walk_slow", "walk_normal"),
    ),
    Task(
        "daily",
        "walking, stopping to squat or to sit for a while, walking on",
        daily.daily,
        ("walk_normal",),
    ),
    _walk("stair_ascent", "up stairs, a step a tread"),
    _walk("stair_descent", "down stairs, a step a tread"),
    _walk("ramp_ascent", "up an incline of 8 degrees"),
    _walk("ramp_descent", "down an incline of 8 degrees"),
    Task("squat", "squatting again and again", performing.squat),
    Task("sit_to_stand", "standing up from a seat, then sitting down, in turn", performing.chair),
    Task("stand_to_sit", "sitting down on a seat, then standing up, in turn", performing.chair),
    Task("jump", "jumping on the spot with a counter-movement", performing_jumps.jump),
    Task("jump_up", "jumping up onto a step, then down from it, in turn", performing_jumps.step),
    Task("jump_down", "jumping down from a step, then up onto one, in turn", performing_jumps.step),
)
TASKS: Mapping[str, Task] = MappingProxyType({task.name: task for task in _ALL})


def task(name: str) -> Task:
    """Look a movement up.

    Raises
    ------
    UsageError
        ``unknown_name``.
    """
    if name not in TASKS:
        raise UsageError(
            UsageReason.UNKNOWN_NAME,
            f"no task {name!r}",
            next_step=f"Use one of {', '.join(TASKS)}",
        )
    return TASKS[name]
