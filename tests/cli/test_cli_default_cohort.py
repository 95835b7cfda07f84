"""`kinefed simulate` without data makes virtual people once and keeps them."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from kinefed.client.data import local_data
from kinefed.client.directions import directions
from kinefed.personalization.gate import units
from kinefed.simulations.cohort import default
from kinefed.simulations.cohort.config import CohortConfig
from kinefed.simulations.cohort.generate import generate_cohort
from kinefed.simulations.config import StudyConfig
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
    # Other muscles would make other people: the sources of the bodies count too.
    with monkeypatch.context() as fewer:
        fewer.setattr(default, "MADE_BY", default.MADE_BY[:1])
        assert default.default_folder() != folder
    monkeypatch.setattr(default, "DEFAULT", CohortConfig(people=1, tasks=("squat",), minutes=0.1))
    assert default.default_folder() != folder


def test_a_study_adapts_on_one_day_and_tests_on_the_other(tmp_path: Path) -> None:
    one = dataclasses.replace(default.DEFAULT, people=1)
    with WorkerPool(1) as pool:
        data = generate_cohort(one, tmp_path / "data", pool).path
    settings = StudyConfig(data, tmp_path / "out").federation(0, (), "", "")
    windows = local_data(data, "V001", settings.setup).windows
    days = {way.name: way for way in directions(windows, settings.protocol)}
    assert set(days) == {"s01", "s02"}
    for day, way in days.items():
        adapt, test = windows.subset(way.adapt), windows.subset(way.test)
        assert set(adapt.session) == {day} != set(test.session)
        assert set(adapt.task) == set(test.task) == set(one.tasks)
        # The gate leaves each of these out in turn: every task has to be among the rest.
        unit = units(adapt)
        for out in set(unit):
            assert set(adapt.task[unit != out]) == set(one.tasks)
