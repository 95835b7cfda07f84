"""`kinefed simulate` without data makes virtual people once and keeps them."""

from __future__ import annotations

from pathlib import Path

import pytest

from kinefed.simulations.cohort import default
from kinefed.simulations.cohort.generate import CohortConfig
from kinefed.simulations.workers import WorkerPool

pytest.importorskip("mujoco")


def test_it_is_made_once_and_kept_apart_by_how_it_was_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(default.CACHE_VARIABLE, str(tmp_path / "cache"))
    monkeypatch.setattr(default, "DEFAULT", CohortConfig(people=2, tasks=("squat",), minutes=0.1))
    begun: list[int] = []
    done: list[int] = []

    def open_it() -> Path:
        return default.default_cohort(
            lambda: WorkerPool(1), begun.append, lambda: done.append(1)
        ).path

    folder = open_it()
    assert folder.parent == tmp_path / "cache"
    assert (begun, len(done)) == ([2], 2)
    assert open_it() == folder
    assert begun == [2]
    monkeypatch.setattr(default, "DEFAULT", CohortConfig(people=1, tasks=("squat",), minutes=0.1))
    assert default.default_folder() != folder
