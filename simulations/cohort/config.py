"""What cohort is wanted, refused where it cannot be had."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass

from kinefed.datasets import UsageError, UsageReason
from kinefed.simulations.cohort.arm import ARM_TASKS
from kinefed.simulations.cohort.people import PATTERNS
from kinefed.simulations.cohort.tasks import RATES_HZ, TASKS
from kinefed.simulations.cohort.worn import RAW_EMG_HZ

MOST_TAKES = 99


@dataclass(frozen=True, slots=True)
class CohortConfig:
    """What to generate.

    Attributes
    ----------
    people
        How many.
    tasks
        Names of `TASKS` and `ARM_TASKS`.
    sessions
        Days on which each person is recorded: sensors are put on anew, body and muscles stay.
    takes
        Recordings of each task in a session.
    minutes
        Length of each recording.
    seed
        The same seed gives the same folder, bit for bit on one machine.
    patterns
        Gait patterns, in turn over the people.
    rate_hz
        Of everything but raw EMG.
    raw_emg
        Raw EMG at 1000 Hz instead of envelopes.
    insoles
        Pressure insoles as well.
    mvc
        The maximal contractions that each session begins with as recordings of their own.
    """

    people: int = 20
    tasks: tuple[str, ...] = tuple(TASKS)
    sessions: int = 1
    takes: int = 1
    minutes: float = 1.0
    seed: int = 1
    patterns: tuple[str, ...] = ("healthy",)
    rate_hz: float = 100.0
    raw_emg: bool = False
    insoles: bool = False
    mvc: bool = False

    def __post_init__(self) -> None:
        if not 1 <= self.people <= 10_000:
            raise _usage(f"{self.people} people", "Ask for 1 to 10000")
        if not 1 <= self.sessions <= 99:
            raise _usage(f"{self.sessions} sessions", "Ask for 1 to 99 days of each person")
        if not 1 <= self.takes <= MOST_TAKES:
            raise _usage(
                f"{self.takes} takes", f"Ask for 1 to {MOST_TAKES} recordings of each task"
            )
        if not 0.05 <= self.minutes <= 60.0:
            raise _usage(f"{self.minutes:g} minutes", "Ask for 0.05 (3 s) to 60")
        low, high = RATES_HZ
        if not low <= self.rate_hz <= high:
            raise _usage(
                f"{self.rate_hz:g} Hz",
                f"Choose {low:g} to {high:g}; raw EMG has {RAW_EMG_HZ:g} Hz anyway",
            )
        if not 0 <= self.seed < 2**31:
            raise _usage(f"seed {self.seed}", "Choose 0 to 2147483647")
        if not self.tasks or len(set(self.tasks)) != len(self.tasks):
            raise _usage(f"tasks {', '.join(self.tasks) or '(none)'}", "Name each once")
        for kind, names, known in (
            ("task", self.tasks, (*TASKS, *ARM_TASKS)),
            ("pattern", self.patterns, PATTERNS),
        ):
            for name in names:
                if name not in known:
                    raise UsageError(
                        UsageReason.UNKNOWN_NAME,
                        f"no {kind} {name!r}",
                        next_step=f"There are {', '.join(known)}",
                    )
        for pattern in dict.fromkeys(self.patterns):
            self._refuse_impossible(pattern)

    def _refuse_impossible(self, pattern: str) -> None:
        """Refuse tasks that people of a pattern have no style for, before anybody is made."""
        able = [
            name
            for name in (*TASKS, *ARM_TASKS)
            if name in ARM_TASKS or TASKS[name].possible(pattern)
        ]
        unable = [name for name in self.tasks if name not in able]
        if unable:
            raise UsageError(
                UsageReason.IMPOSSIBLE,
                f"{', '.join(unable)}: no style for people of the pattern {pattern!r}",
                next_step=f"They can do {', '.join(able)}",
            )

    def to_json(self) -> str:
        """Return everything that decides the result."""
        return json.dumps(dataclasses.asdict(self), sort_keys=True)


def _usage(what: str, next_step: str) -> UsageError:
    return UsageError(UsageReason.BAD_ARGUMENT, what, next_step=next_step)
