"""The muscle model as a control: what it may see, and that it learns the person."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from two_link_arm import write_two_link_arm

from kinefed.client.data import local_data
from kinefed.client.directions import directions
from kinefed.datasets import write_dataset
from kinefed.simulations.cohort.config import CohortConfig
from kinefed.simulations.cohort.generate import generate_cohort
from kinefed.simulations.config import DEFAULT_METHODS, StudyConfig
from kinefed.simulations.hooks import StudyHooks
from kinefed.simulations.jobs import truth_of
from kinefed.simulations.nms_control import nms
from kinefed.simulations.study import run_study
from kinefed.simulations.workers import WorkerPool

pytest.importorskip("mujoco", reason="needs the extra sim")


@pytest.fixture(scope="module")
def walkers(tmp_path_factory):
    """One virtual person's two walks: adapted on one and tested on the other, both ways."""
    config = CohortConfig(people=1, tasks=("walk_normal",), takes=2, minutes=0.08, seed=5)
    with WorkerPool(1) as pool:
        return generate_cohort(config, tmp_path_factory.mktemp("nms") / "data", pool)


def settings(data, out):
    config = StudyConfig(data, out, methods=("nms",), seeds=(0,))
    return config.federation(0, (), "", "", clusters=0, personalise="none")


def copy(dataset, folder, change=lambda recording: recording, person=lambda subject: subject):
    """The same dataset with other recordings or people."""
    write_dataset(
        folder,
        dataset.info,
        [person(subject) for subject in dataset.subjects.values()],
        (change(dataset.load(ref)) for ref in dataset.refs),
    )
    return folder


def test_it_learns_the_person(walkers, tmp_path):
    config = settings(walkers.path, tmp_path)
    estimate = nms(walkers.path, "V001", config)
    truth = truth_of(walkers.path, "V001", config.setup)["y"]
    assert estimate.shape == truth.shape
    assert np.isfinite(estimate).all()
    error = np.sqrt(((estimate - truth) ** 2).mean(axis=0))
    assert (error < 0.75 * truth.std(axis=0))[1:].all()


def test_torques_of_the_tested_recording_are_not_looked_at(walkers, tmp_path):
    config = settings(walkers.path, tmp_path)
    windows = local_data(walkers.path, "V001", config.setup).windows
    direction = directions(windows, config.protocol)[0]
    tested = set(windows.recording[direction.test])

    def doubled(recording):
        if recording.ref.key not in tested:
            return recording
        torque = recording.streams["torque"]
        labels = [i for i, name in enumerate(torque.channels) if name.startswith("torque.")]
        data = np.array(torque.data)
        data[:, labels] *= 2.0
        return replace(
            recording, streams={**recording.streams, "torque": replace(torque, data=data)}
        )

    other = copy(walkers, tmp_path / "other", doubled)
    before, after = nms(walkers.path, "V001", config), nms(other, "V001", config)
    assert np.array_equal(before[direction.test], after[direction.test])
    assert not np.array_equal(before[direction.adapt], after[direction.adapt])


def test_without_emg_or_a_mass_there_is_no_estimate(walkers, tmp_path):
    def bare(recording):
        streams = {name: s for name, s in recording.streams.items() if name != "emg"}
        return replace(recording, streams=streams)

    config = settings(walkers.path, tmp_path)
    assert nms(copy(walkers, tmp_path / "bare", bare), "V001", config) is None
    light = copy(walkers, tmp_path / "light", person=lambda s: replace(s, mass_kg=None))
    assert nms(light, "V001", config) is None


def test_a_study_says_whom_it_leaves_out(tmp_path):
    notes = []

    class Notes(StudyHooks):
        def note(self, text):
            notes.append(text)

    data = write_two_link_arm(tmp_path / "data", people=3)
    config = StudyConfig(data.path, tmp_path / "run", methods=("mean-profile", "nms"), processes=1)
    summary = run_study(config, Notes())
    assert {row["method"] for row in summary["rows"]} == {"mean-profile"}
    assert sum("left out of nms" in note for note in notes) == 3


def test_it_is_asked_for_by_name():
    assert "nms" not in DEFAULT_METHODS
