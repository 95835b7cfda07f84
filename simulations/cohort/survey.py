"""Virtual people against published ranges: measure many, count how many are in range."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from kinefed.biomechanics.engine import Engine
from kinefed.datasets.errors import KinefedError
from kinefed.datasets.types import FloatArray
from kinefed.simulations.cohort.arm import ARM_TASKS, ArmTask
from kinefed.simulations.cohort.faults import count_faults
from kinefed.simulations.cohort.literature import Band, Literature
from kinefed.simulations.cohort.measures import QUANTITIES
from kinefed.simulations.cohort.motion import Motion
from kinefed.simulations.cohort.people import sample_people
from kinefed.simulations.cohort.repetitions import repetitions, torques, transitions
from kinefed.simulations.cohort.tasks import TASKS, Task

EVERY_TASK: Mapping[str, Task | ArmTask] = MappingProxyType({**TASKS, **ARM_TASKS})
# What starts and stops is recorded so many times as long as the rest: then all that belongs to it
# comes at least once.
LONGER: Mapping[str, float] = MappingProxyType({"walk_turns": 3.0, "daily": 4.0})
WALKS = frozenset({"walk_slow", "walk_normal"})


@dataclass(frozen=True, slots=True)
class Sample:
    """One person doing one task.

    Attributes
    ----------
    task
        Its name.
    person
        Number in the sample.
    values
        Key of a range to the quantity's mean over repetitions; nan where no repetition has it.
    repetitions
        How many lay whole within the recording.
    frames
        Length of the recording.
    faults
        Frames with each kind of fault, and with any.
    problem
        Why there is no recording; empty where there is one.
    """

    task: str
    person: int
    values: Mapping[str, float]
    repetitions: int = 0
    frames: int = 0
    faults: Mapping[str, int] | None = None
    problem: str = ""


def measure_person(
    task: str, person: int, seed: int, seconds: float, asked: Mapping[str, Sequence[str]]
) -> Sample:
    """Let one healthy person do one task and measure it (a job for a worker).

    Parameters
    ----------
    task
        One of `EVERY_TASK`.
    person, seed
        Number within the sample of that seed.
    seconds
        Length of the recording, which is longer where a task is made of others.
    asked
        Keys of ranges, and the tasks whose repetitions count for each; none for the task's own.
    """
    who = sample_people(person + 1, seed)[person]
    try:
        long_s = seconds * LONGER.get(task, 1.0)
        motion = EVERY_TASK[task].generate(who, who.generator(task), long_s)
    except KinefedError as error:
        return Sample(task, person, dict.fromkeys(asked, np.nan), problem=str(error))
    # A movement of an arm has no contact, so nothing of it can be at fault.
    faults = count_faults(motion.faults) if isinstance(motion, Motion) else None
    engine = Engine(who.rigid_body() if isinstance(motion, Motion) else motion.arm)
    names = motion.tasks if isinstance(motion, Motion) else (motion.task,)
    moments = torques(engine, motion)
    mass_kg = who.body.mass_kg
    found = {name: repetitions(name, motion, moments, mass_kg) for name in names}
    # A day is made of the repetitions of other tasks.
    count = len(found.get(task) or [rep for reps in found.values() for rep in reps])
    if task in LONGER and isinstance(motion, Motion):
        found |= transitions(motion, moments, mass_kg)
    values = {}
    for key, like in asked.items():
        quantity = QUANTITIES[key.rpartition(".")[2]]
        kinds = [kind for kind in (*like, quantity.name) if kind in found] or [task]
        reps = [rep for kind in kinds for rep in found.get(kind, ())]
        if task in LONGER and not WALKS.isdisjoint(like):
            # What is published is of walking that neither starts nor stops.
            reps = [rep for rep in reps if rep.goes_on]
        values[key] = _mean([quantity.of(rep) for rep in reps])
    return Sample(task, person, values, count, len(motion.q), faults)


def _mean(values: Sequence[float]) -> float:
    finite = [value for value in values if np.isfinite(value)]
    return float(np.mean(finite)) if finite else float("nan")


@dataclass(frozen=True, slots=True)
class Row:
    """One quantity of one task: what is published, and what people do.

    Attributes
    ----------
    band
        The published range.
    values
        (people,): nan where a person has none.
    """

    band: Band
    values: FloatArray

    @property
    def inside(self) -> int:
        """How many people are within the range."""
        return int(np.count_nonzero(self.band.holds(self.values)))

    @property
    def share(self) -> float:
        """Share of all people who are within the range."""
        return self.inside / len(self.values)

    @property
    def quantiles(self) -> tuple[float, float, float]:
        """5th percentile, median and 95th percentile of the people."""
        finite = self.values[np.isfinite(self.values)]
        if not len(finite):
            return (float("nan"),) * 3
        low, middle, high = np.percentile(finite, [5.0, 50.0, 95.0])
        return float(low), float(middle), float(high)

    @property
    def off(self) -> str:
        """``below`` or ``above`` where the median is out of range, ``missing`` without one."""
        middle = self.quantiles[1]
        if not np.isfinite(middle):
            return "missing"
        return "below" if middle < self.band.low else "above" if middle > self.band.high else ""


@dataclass(frozen=True, slots=True)
class TaskTable:
    """One task of all people."""

    name: str
    what: str
    rows: tuple[Row, ...]
    samples: tuple[Sample, ...]

    @property
    def faults(self) -> dict[str, int] | None:
        """Frames with each kind of fault over all people; None for a task without such checks."""
        counts = [sample.faults for sample in self.samples if sample.faults is not None]
        if not counts:
            return None
        return {kind: sum(count[kind] for count in counts) for kind in counts[0]}

    @property
    def frames(self) -> int:
        """Of all people."""
        return sum(sample.frames for sample in self.samples)

    @property
    def problems(self) -> list[str]:
        """Why people have no recording or no repetition, each reason once."""
        found = [sample.problem for sample in self.samples if sample.problem]
        if any(not sample.problem and not sample.repetitions for sample in self.samples):
            found.append("no whole repetition within the recording; ask for more seconds")
        return sorted(set(found))


def share_in_range(rows: Sequence[Row]) -> float:
    """Share of all people and quantities that are in range; nan without any."""
    total = sum(len(row.values) for row in rows)
    return sum(row.inside for row in rows) / total if total else float("nan")


def all_rows(tables: Sequence[TaskTable]) -> list[Row]:
    """Every quantity of every task."""
    return [row for table in tables for row in table.rows]


def percent(share: float) -> str:
    """Write a share for a person; a dash where there is none."""
    return f"{100.0 * share:.0f} %" if np.isfinite(share) else "-"


def tabulate(
    tasks: Sequence[str], samples: Sequence[Sample], literature: Literature
) -> Iterator[TaskTable]:
    """Put what was measured beside what is published, task by task."""
    for name in tasks:
        own = tuple(
            sorted((s for s in samples if s.task == name), key=lambda sample: sample.person)
        )
        rows = tuple(
            Row(band, np.array([sample.values[band.key] for sample in own]))
            for band in literature.bands.get(name, ())
        )
        yield TaskTable(name, EVERY_TASK[name].what, rows, own)
