"""A whole cohort as a dataset folder: in parallel, the same for the same seed, taken up again."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from pathlib import Path

from kinefed.biomechanics.engine import Engine, load_mujoco
from kinefed.datasets import (
    DataError,
    DataReason,
    Dataset,
    DatasetInfo,
    OutsideError,
    OutsideReason,
    Recording,
    RecordingRef,
    UsageError,
    UsageReason,
    write_dataset,
)
from kinefed.datasets.join import join_datasets
from kinefed.simulations.cohort.arm import ARM_TASKS
from kinefed.simulations.cohort.outfit import dress, dress_arm
from kinefed.simulations.cohort.people import PATTERNS, VirtualPerson, sample_people
from kinefed.simulations.cohort.recording import record, record_arm
from kinefed.simulations.cohort.tasks import RATES_HZ, TASKS
from kinefed.simulations.cohort.worn import RAW_EMG_HZ
from kinefed.simulations.workers import WorkerPool

SESSION = "s01"


@dataclass(frozen=True, slots=True)
class CohortConfig:
    """What to generate.

    Attributes
    ----------
    people
        How many.
    tasks
        Names of `TASKS` and `ARM_TASKS`.
    takes
        Recordings of each task.
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
    """

    people: int = 20
    tasks: tuple[str, ...] = tuple(TASKS)
    takes: int = 1
    minutes: float = 1.0
    seed: int = 1
    patterns: tuple[str, ...] = ("healthy",)
    rate_hz: float = 100.0
    raw_emg: bool = False
    insoles: bool = False

    def __post_init__(self) -> None:
        if not 1 <= self.people <= 10_000:
            raise _usage(f"{self.people} people", "Ask for 1 to 10000")
        if not 1 <= self.takes <= 99:
            raise _usage(f"{self.takes} takes", "Ask for 1 to 99 recordings of each task")
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

    def to_json(self) -> str:
        """Return everything that decides the result."""
        return json.dumps(dataclasses.asdict(self), sort_keys=True)


@lru_cache(maxsize=2)
def _people(config: CohortConfig) -> list[VirtualPerson]:
    return sample_people(config.people, config.seed, config.patterns)


def generate_cohort(
    config: CohortConfig,
    dest: Path,
    pool: WorkerPool,
    progress: Callable[[], None] = lambda: None,
) -> Dataset:
    """Write a cohort as a dataset folder.

    Each person is finished on its own in a folder beside `dest`; at the end all are joined. Given
    the same command again, it goes on with the people that are not done. Where it ends before
    anybody is done, nothing is left.

    Parameters
    ----------
    config
        What to generate.
    dest
        The new folder.
    pool
        Started worker processes.
    progress
        Called once a person.

    Raises
    ------
    DataError
        ``exists`` where `dest` is there already.
    UsageError
        Where another cohort was begun for `dest`, or MuJoCo is not installed.
    OutsideError
        ``storage`` where the disk is full.
    """
    if dest.exists():
        raise DataError(
            DataReason.EXISTS,
            "it is there already",
            where=dest,
            next_step="Choose another name or remove it first",
        )
    load_mujoco()
    work = dest.parent / f".{dest.name}.making"
    _claim(work, config)
    jobs = [
        (config, number, work / "people" / person.subject.id)
        for number, person in enumerate(_people(config))
    ]
    try:
        for _ in pool.each(generate_person, jobs):
            progress()
    except BaseException:
        # Without anybody to go on with, what was begun must not stand in the way of another wish.
        if not any(folder.exists() for _, _, folder in jobs):
            shutil.rmtree(work, ignore_errors=True)
        raise
    info = DatasetInfo(
        name=f"virtual-people-{config.seed}",
        version="1",
        licence="CC0-1.0",
        citation="kinefed: simulated people, not recordings of anyone",
        notes=f"Generated with {config.to_json()}",
    )
    whole = work / "whole"
    if not (whole / "dataset.toml").exists():
        join_datasets(whole, info, [job[2] for job in jobs])
    whole.rename(dest)
    shutil.rmtree(work)
    return Dataset.open(dest)


def generate_person(config: CohortConfig, number: int, folder: Path) -> None:
    """Write one person's recordings as a dataset of its own (a job for a worker)."""
    if folder.exists():
        return
    person = _people(config)[number]
    body = person.rigid_body()
    engine = Engine(body)
    seed = (config.seed, number)
    outfit = dress(body, config.rate_hz, seed, 0)

    def recordings() -> Iterator[Recording]:
        for task, take in product(config.tasks, range(config.takes)):
            rng = person.generator(task, take)
            ref = RecordingRef(person.subject.id, SESSION, task, take + 1)
            asked = person, rng, 60.0 * config.minutes, config.rate_hz
            if task in ARM_TASKS:
                sleeve = dress_arm(person.body, config.rate_hz, seed, 0)
                bent = ARM_TASKS[task].generate(*asked)
                yield record_arm(sleeve, bent, ref, rng, raw_emg=config.raw_emg)
                continue
            motion = TASKS[task].generate(*asked)
            yield record(
                engine, outfit, motion, ref, rng, raw_emg=config.raw_emg, insoles=config.insoles
            )

    try:
        write_dataset(folder, DatasetInfo("part"), [person.subject], recordings())
    except OSError as error:
        raise OutsideError(
            OutsideReason.STORAGE,
            f"cannot be written ({error.strerror})",
            where=folder,
            next_step="Free some space and give the same command again; it goes on",
        ) from None


def _claim(work: Path, config: CohortConfig) -> None:
    """Make the working folder, or go on in one that was begun with the same settings."""
    path = work / "cohort.json"
    if not path.exists():
        (work / "people").mkdir(parents=True, exist_ok=True)
        path.write_text(config.to_json(), encoding="utf-8")
    elif path.read_text(encoding="utf-8") != config.to_json():
        raise _usage(
            f"another cohort was begun in {work}", "Remove that folder, or choose another name"
        )


def _usage(what: str, next_step: str) -> UsageError:
    return UsageError(UsageReason.BAD_ARGUMENT, what, next_step=next_step)
