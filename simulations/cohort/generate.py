"""A whole cohort as a dataset folder: in parallel, the same for the same seed, taken up again."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from functools import lru_cache
from itertools import chain
from pathlib import Path

from kinefed.biomechanics.engine import Engine, load_mujoco
from kinefed.datasets import (
    DataError,
    DataReason,
    Dataset,
    DatasetInfo,
    OutsideError,
    OutsideReason,
    UsageError,
    UsageReason,
    write_dataset,
)
from kinefed.datasets.join import join_datasets
from kinefed.simulations.cohort.config import CohortConfig
from kinefed.simulations.cohort.people import VirtualPerson, sample_people
from kinefed.simulations.cohort.sessions import record_session
from kinefed.simulations.workers import WorkerPool


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
    engine = Engine(person.rigid_body())
    recordings = chain.from_iterable(
        record_session(person, engine, config, session) for session in range(config.sessions)
    )
    try:
        write_dataset(folder, DatasetInfo("part"), [person.subject], recordings)
    except OSError as error:
        raise _unwritable(folder, error) from None


def _claim(work: Path, config: CohortConfig) -> None:
    """Make the working folder, or go on in one that was begun with the same settings."""
    path = work / "cohort.json"
    if not path.exists():
        try:
            (work / "people").mkdir(parents=True, exist_ok=True)
            path.write_text(config.to_json(), encoding="utf-8")
        except OSError as error:
            # An empty file would pass for another cohort's.
            shutil.rmtree(work, ignore_errors=True)
            raise _unwritable(work, error) from None
    elif path.read_text(encoding="utf-8") != config.to_json():
        raise UsageError(
            UsageReason.BAD_ARGUMENT,
            f"another cohort was begun in {work}",
            next_step="Remove that folder, or choose another name",
        )


def _unwritable(where: Path, error: OSError) -> OutsideError:
    return OutsideError(
        OutsideReason.STORAGE,
        f"cannot be written ({error.strerror})",
        where=where,
        next_step="Free some space and give the same command again; it goes on",
    )
