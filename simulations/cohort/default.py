"""The cohort that studies use when they are given no data: made once, then kept."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from importlib import resources
from pathlib import Path

import platformdirs

from kinefed.datasets import Dataset
from kinefed.simulations.cohort.config import CohortConfig
from kinefed.simulations.cohort.generate import generate_cohort
from kinefed.simulations.workers import WorkerPool

# Enough people that leaving one out leaves a crowd, in tasks that differ; small enough that the
# whole default study of them takes minutes. Two days: one to adapt on, one to test. Two takes: the
# adoption gate leaves recordings out, and without a task's only one it would judge another task.
DEFAULT = CohortConfig(
    people=8,
    tasks=("walk_normal", "sit_to_stand", "squat"),
    sessions=2,
    takes=2,
    minutes=0.05,
    seed=1,
)
CACHE_VARIABLE = "KINEFED_CACHE"
# Whose source decides what virtual people are like.
MADE_BY = ("kinefed.simulations.cohort", "kinefed.biomechanics")


def default_folder() -> Path:
    """Where the default cohort is kept: a folder for each version of how it is made."""
    base = os.environ.get(CACHE_VARIABLE) or platformdirs.user_cache_dir("kinefed", appauthor=False)
    made_by = hashlib.sha256(DEFAULT.to_json().encode())
    for package in MADE_BY:
        files = (f for f in resources.files(package).iterdir() if f.name.endswith((".py", ".toml")))
        for source in sorted(files, key=lambda f: f.name):
            made_by.update(source.read_bytes())
    return Path(base) / f"virtual-people-{made_by.hexdigest()[:12]}"


def default_cohort(
    pool: Callable[[], WorkerPool], begin: Callable[[int], None], advance: Callable[[], None]
) -> Dataset:
    """Open the default cohort; make it first where it is not there.

    Parameters
    ----------
    pool
        Gives worker processes, called only where the cohort has to be made.
    begin, advance
        Called with the number of people before it is made, and once a person.
    """
    folder = default_folder()
    if folder.exists():
        return Dataset.open(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    begin(DEFAULT.people)
    with pool() as workers:
        return generate_cohort(DEFAULT, folder, workers, advance)
