"""A whole study on one machine: federations, their controls, personalisation, scores.

Every piece of work leaves its result in the run folder, so that a study that was interrupted
goes on where it stopped when the same command is given again.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from kinefed.datasets import Dataset, UsageError, UsageReason
from kinefed.simulations import jobs
from kinefed.simulations.choice import choose_transfer
from kinefed.simulations.config import StudyConfig, claim_folder
from kinefed.simulations.federate import federate, federate_on_ray, federate_whole
from kinefed.simulations.folds import Fold, from_file, leave_out, one_more_out
from kinefed.simulations.hooks import StudyHooks
from kinefed.simulations.nms_control import nms
from kinefed.simulations.results import summarise_run
from kinefed.simulations.workers import WorkerPool, available_cores

__all__ = ["StudyConfig", "StudyHooks", "run_study"]

# Methods that need federations, and those that also need the personal part at the end.
FEDERATED = ("fedavg", "fedavg+transfer", "task-clusters", "task-clusters+transfer")


def run_study(config: StudyConfig, hooks: StudyHooks | None = None) -> dict[str, Any]:
    """Run or finish a study.

    Parameters
    ----------
    config
        Settings; ``config.out`` is made, or gone on with.
    hooks
        Told of the progress.

    Returns
    -------
    dict
        The contents of ``summary.json``.

    Raises
    ------
    UsageError
        Where the dataset has too few people, or the folder belongs to another study.
    """
    hooks = hooks or StudyHooks()
    began = time.monotonic()
    dataset = Dataset.open(config.data)
    claim_folder(config)
    with WorkerPool(config.processes or available_cores()) as pool:
        study = _Study(config, hooks, pool, dataset)
        study.run()
        return summarise_run(config, dataset, study.subjects, time.monotonic() - began)


class _Study:
    def __init__(
        self, config: StudyConfig, hooks: StudyHooks, pool: WorkerPool, dataset: Dataset
    ) -> None:
        self.config, self.hooks, self.pool, self.dataset = config, hooks, pool, dataset
        self.setup = config.setup.to_json()
        self.subjects: tuple[str, ...] = ()
        self.folds: list[Fold] = []

    def run(self) -> None:
        self._truth()
        people = {self.dataset.subjects[s].group for s in self.subjects}
        if len(people) < 3:
            raise UsageError(
                UsageReason.IMPOSSIBLE,
                f"{len(people)} people with torque that fits the inputs; a study needs 3",
                where=self.config.data,
                next_step="Look at `kinefed data inspect` for the channels that are there",
            )
        if self.config.split == "loso":
            self.folds = leave_out(self.dataset, self.subjects)
        else:
            self.folds = from_file(self.dataset, self.subjects, self.config.split)
        self._claim_folds()
        methods = self.config.methods
        if "mean-profile" in methods:
            self._folds(
                "mean-profile", jobs.mean_profile, lambda f, s: (f.train, f.test, self.setup)
            )
        if "trees" in methods:
            self._folds(
                "trees", jobs.trees, lambda f, s: (f.train, f.test, self._plain_federation(s))
            )
        if "pooled" in methods:
            self._folds(
                "pooled", jobs.pooled, lambda f, s: (f.train, f.test, self._plain_federation(s))
            )
        if "local" in methods:
            self._alone("local", jobs.local, self.config.seeds)
        if "nms" in methods:
            # Nothing in it is random.
            self._alone("nms", nms, self.config.seeds[:1])
        if any(m in FEDERATED for m in methods):
            self._federations(self._choices())

    def _claim_folds(self) -> None:
        """Keep the folds, or refuse to mix them with others: a split file may have changed."""
        path = self.config.out / "folds.json"
        folds = [{"name": f.name, "train": [*f.train], "test": [*f.test]} for f in self.folds]
        if _is_json(path) and json.loads(path.read_text(encoding="utf-8")) != folds:
            raise UsageError(
                UsageReason.BAD_ARGUMENT,
                "the people or their folds are not those that this run was begun with",
                where=path,
                next_step="Choose another --out, or delete that folder",
            )
        with _replacing(path) as file:
            file.write(json.dumps(folds, indent=1).encode())

    def _plain_federation(self, seed: int) -> Any:
        return self.config.federation(seed, (), "", "", clusters=0, personalise="none")

    def _truth(self) -> None:
        subjects = sorted(self.dataset.subjects)
        found = []
        with self._stage("recordings", len(subjects)):
            work = [(self.config.data, s, self.setup) for s in subjects]
            truths = self.pool.map(jobs.truth_of, work, self.hooks.advance)
        for subject, truth in zip(subjects, truths, strict=True):
            if truth is None:
                self.hooks.note(f"{subject}: no torque with these inputs, left out")
                continue
            found.append(subject)
            path = self.config.out / "truth" / f"{subject}.npz"
            with _replacing(path) as file:
                np.savez_compressed(file, **truth)
        self.subjects = tuple(found)

    @contextmanager
    def _stage(self, name: str, total: int) -> Iterator[None]:
        self.hooks.stage(name, total)
        yield

    def _file(self, method: str, seed: int, subject: str) -> Path:
        return self.config.out / "predictions" / method / str(seed) / f"{subject}.npy"

    def _save(self, method: str, seed: int, subject: str, estimate: NDArray[np.float32]) -> None:
        with _replacing(self._file(method, seed, subject)) as file:
            np.save(file, estimate)

    def _folds(
        self,
        method: str,
        function: Callable[..., jobs.Predictions],
        args: Callable[[Fold, int], tuple[Any, ...]],
    ) -> None:
        """Run a control for every fold and seed that is not there yet."""
        seeds = self.config.seeds[:1] if method == "mean-profile" else self.config.seeds
        todo = [
            (fold, seed)
            for seed in seeds
            for fold in self.folds
            if not all(_whole(self._file(method, seed, s)) for s in fold.test)
        ]
        self.hooks.stage(method, len(todo))
        work = [(self.config.data, *args(fold, seed)) for fold, seed in todo]
        for i, estimates in self.pool.each(function, work, self.hooks.advance):
            for subject, estimate in estimates.items():
                self._save(method, todo[i][1], subject, estimate)

    def _alone(
        self,
        method: str,
        function: Callable[..., NDArray[np.float32] | None],
        seeds: Sequence[int],
    ) -> None:
        """Run a control that knows nobody but the person it is tested on."""
        todo = [
            (subject, seed)
            for seed in seeds
            for subject in self.subjects
            if not _whole(self._file(method, seed, subject))
        ]
        self.hooks.stage(method, len(todo))
        work = [(self.config.data, s, self._plain_federation(seed)) for s, seed in todo]
        for i, estimate in self.pool.each(function, work, self.hooks.advance):
            subject, seed = todo[i]
            if estimate is None:
                self.hooks.note(f"{subject}: left out of {method}, which needs more than is there")
            else:
                self._save(method, seed, subject, estimate)

    def _choices(self) -> dict[str, dict[str, Any]]:
        """Choose each fold's adaptation settings without its held-out people."""
        config = self.config
        transfers = any(m.endswith("+transfer") for m in config.methods)
        if not (transfers and config.nested and len(config.transfer) > 1):
            return {fold.name: config.transfer[0] for fold in self.folds}
        runs = [
            (fold, config.seeds[0], f"inner/{fold.name}", json.dumps(list(config.transfer)))
            for fold in one_more_out(self.dataset, self.folds)
        ]
        results = self._run_federations("choosing the adaptation", runs, clusters=0)
        rows = [row for result in results for row in result["personal"]]
        choices = choose_transfer(self.folds, rows, config.transfer)
        with _replacing(config.out / "choices.json") as file:
            file.write(json.dumps(choices, indent=1).encode())
        return {choice["fold"]: config.transfer[choice["setting"]] for choice in choices}

    def _federations(self, choices: dict[str, dict[str, Any]]) -> None:
        runs = [
            (fold, seed, f"{seed}/{fold.name}", json.dumps([choices[fold.name]]))
            for seed in self.config.seeds
            for fold in self.folds
        ]
        self._run_federations("federations", runs)
        for fold, seed, name, _ in runs:
            for subject in fold.test:
                self._collect(seed, name, subject)

    def _collect(self, seed: int, name: str, subject: str) -> None:
        """Bring a virtual client's estimates together with those of the other methods."""
        folder = self.config.out / "clients" / name / subject / "estimates"
        for path in sorted(folder.glob("*.npy")):
            self._save(path.stem, seed, subject, np.load(path))

    def _discard_torn(self, fold: Fold, name: str) -> None:
        """Have the last step of a federation done again where a file of it is damaged."""
        result = self.config.out / "federations" / name / "result.json"
        clients = self.config.out / "clients" / name
        estimates = [p for s in fold.test for p in (clients / s / "estimates").glob("*.npy")]
        if result.exists() and not (_is_json(result) and all(map(_whole, estimates))):
            self.hooks.note(f"{result.parent}: damaged, finished again from its checkpoint")
            result.unlink()

    def _run_federations(
        self, stage: str, runs: Sequence[tuple[Fold, int, str, str]], **changes: Any
    ) -> list[dict[str, Any]]:
        config = self.config
        self.hooks.stage(stage, len(runs))
        for fold, _, name, _ in runs:
            self._discard_torn(fold, name)
        work = [
            (
                config.data,
                tuple(s for s in self.subjects if s in fold.people),
                config.out / "clients" / name,
                config.federation(
                    seed,
                    fold.test,
                    transfer,
                    str(config.out / "federations" / name),
                    **changes,
                ),
            )
            for fold, seed, name, transfer in runs
        ]
        if config.engine == "ray":
            return [self._advance(federate_on_ray(*w, self.pool.processes)) for w in work]
        if len(work) >= 2 * self.pool.processes:
            # Whole federations side by side leave no worker idle at the end of a round.
            return self.pool.map(federate_whole, work, self.hooks.advance)
        return [self._advance(federate(*w, self.pool)) for w in work]

    def _advance(self, result: dict[str, Any]) -> dict[str, Any]:
        self.hooks.advance()
        return result


@contextmanager
def _replacing(path: Path) -> Iterator[BinaryIO]:
    """Write a neighbour, then rename: a reader sees the old file or the new, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(".new")
    with fresh.open("wb") as file:
        yield file
    fresh.replace(path)


def _whole(path: Path) -> bool:
    """Whether an array is there and all of it; after a power failure it may be cut."""
    try:
        np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return False
    return True


def _is_json(path: Path) -> bool:
    try:
        json.loads(path.read_bytes())
    except (OSError, ValueError):
        return False
    return True
