"""Whole recordings and whole cohorts of virtual people."""

from __future__ import annotations

import errno
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from kinefed.biomechanics.body import COORDINATES
from kinefed.biomechanics.engine import Engine
from kinefed.datasets import (
    DataError,
    Dataset,
    OutsideError,
    RecordingRef,
    UsageError,
    UsageReason,
    check_dataset,
)
from kinefed.simulations.cohort import generate
from kinefed.simulations.cohort.config import CohortConfig
from kinefed.simulations.cohort.generate import generate_cohort, generate_person
from kinefed.simulations.cohort.outfit import SIDES, dress
from kinefed.simulations.cohort.people import sample_people
from kinefed.simulations.cohort.radio import LinkConfig
from kinefed.simulations.cohort.recording import joint_torques_nm, record
from kinefed.simulations.cohort.tasks import TASKS
from kinefed.simulations.workers import InlinePool, WorkerPool

pytest.importorskip("mujoco", reason="needs the extra sim")

RATE_HZ = 100.0
CONFIG = CohortConfig(people=2, tasks=("walk_normal",), takes=2, minutes=0.05, seed=3)


@pytest.fixture(scope="module")
def walk():
    """Give a person's engine, what they wear, and four seconds of walking."""
    person = sample_people(1, 3)[0]
    motion = TASKS["walk_normal"].generate(person, person.generator("walk_normal"), 4.0, RATE_HZ)
    outfit = dress(person.rigid_body(), RATE_HZ, (3, 0), 0)
    return person, Engine(person.rigid_body()), outfit, motion


def recording_of(walk, seed=0, **options):
    person, engine, outfit, motion = walk
    ref = RecordingRef(person.subject.id, "s01", "walk_normal", 1)
    return record(engine, outfit, motion, ref, np.random.default_rng(seed), **options)


def test_forces_on_the_feet_carry_the_whole_motion(walk):
    _, engine, _, motion = walk
    tau = joint_torques_nm(engine.inverse(motion.q, motion.qd, motion.qdd), motion)
    assert np.abs(tau[:, :6]).max() < 1e-6
    assert np.abs(tau[:, 6:]).max() > 10.0


def test_labels_are_torque_against_the_coordinate_per_body_mass(walk):
    person, engine, _, motion = walk
    tau = joint_torques_nm(engine.inverse(motion.q, motion.qd, motion.qdd), motion)
    found = recording_of(walk).streams["torque"]
    for side in SIDES:
        for label, coordinate in (("hip_abduction", "hip_adduction"), ("knee", "knee_flexion")):
            wanted = -tau[:, COORDINATES.index(f"{coordinate}_{side}")] / person.body.mass_kg
            np.testing.assert_array_equal(found.column(f"torque.{label}.{side}"), wanted)


def test_a_frame_with_a_fault_has_no_valid_label(walk):
    person, engine, outfit, motion = walk
    faults = np.zeros(len(motion.q), np.uint8)
    faults[7] = 8
    spoilt = (person, engine, outfit, replace(motion, faults=faults))
    valid = recording_of(spoilt).streams["torque"].column("valid.torque.r")
    np.testing.assert_array_equal(valid, np.arange(len(faults)) != 7)


def test_feet_bear_the_person_and_forces_have_the_sign_of_the_table(walk):
    person, _, _, motion = walk
    grf = recording_of(walk).streams["grf"]
    total = grf.column("grf.foot.r.vertical") + grf.column("grf.foot.l.vertical")
    assert total.mean() == pytest.approx(person.body.mass_kg * 9.81, rel=0.05)
    np.testing.assert_array_equal(grf.column("grf.foot.l.lateral"), -motion.force[:, 1, 1])


def test_what_the_radio_loses_is_held_and_entered_as_a_gap(walk):
    found = recording_of(walk, link=LinkConfig(loss=0.1))
    lossless = recording_of(walk, link=LinkConfig(loss=0.0))
    assert lossless.gaps == ()
    assert {gap.stream for gap in found.gaps} <= {s for s in found.streams if s.startswith("imu_")}
    gap = next(gap for gap in found.gaps if gap.start_s > 0.0)
    stream = found.streams[gap.stream]
    first, end = (round(t * RATE_HZ) for t in (gap.start_s, gap.end_s))
    assert end > first > 0
    assert (stream.data[first:end] == stream.data[first - 1]).all()
    assert np.isfinite(stream.data).all()


def test_raw_emg_has_its_own_rate_and_unit(walk):
    raw = recording_of(walk, raw_emg=True).streams["emg"]
    assert (raw.rate_hz, set(raw.units)) == (1000.0, {"V"})
    # Up to the time of the last frame.
    assert len(raw.data) == 10 * (len(walk[3].q) - 1) + 1
    assert all(channel.startswith("emg.") for channel in raw.channels)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_a_cohort_is_a_dataset_and_the_same_whatever_interrupted_it(tmp_path):
    with WorkerPool(2) as pool:
        whole = generate_cohort(CONFIG, tmp_path / "whole", pool)
    assert check_dataset(whole.path) == []
    assert list(whole.subjects) == ["V001", "V002"]
    assert [ref.index for ref in whole.refs] == [1, 2, 1, 2]
    first, second = (whole.load(ref).streams["kinematics"].data for ref in whole.refs[:2])
    assert not np.array_equal(first, second)
    # As if it had been killed after the second person.
    begun = tmp_path / ".again.making"
    generate._claim(begun, CONFIG)
    steps: list[int] = []
    with WorkerPool(1) as pool:
        # In a worker, for rounding depends on how many threads BLAS has.
        pool.map(generate_person, [(CONFIG, 1, begun / "people" / "V002")])
        again = generate_cohort(CONFIG, tmp_path / "again", pool, lambda: steps.append(1))
    assert contents(again.path) == contents(whole.path)
    assert len(steps) == 2
    assert sorted(p.name for p in tmp_path.iterdir()) == ["again", "whole"]


def test_another_seed_gives_other_people(tmp_path):
    generate_person(CONFIG, 0, tmp_path / "a")
    generate_person(replace(CONFIG, seed=4), 0, tmp_path / "b")
    a, b = (Dataset.open(tmp_path / name).subjects["V001"] for name in "ab")
    assert a.height_m != b.height_m


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"people": 0}, "0 people"),
        ({"takes": 0}, "0 takes"),
        ({"minutes": 0.0}, "0 minutes"),
        ({"rate_hz": 20.0}, "20 Hz"),
        ({"rate_hz": 60.0}, "60 Hz"),
        ({"seed": -1}, "seed -1"),
        ({"tasks": ()}, "tasks"),
        ({"tasks": ("fly",)}, "no task 'fly'"),
        ({"patterns": ("drunk",)}, "no pattern 'drunk'"),
        ({"sessions": 0}, "0 sessions"),
        # Said before the healthy people among them are made.
        (
            {"patterns": ("healthy", "older"), "tasks": ("squat", "walk_fast", "walk_turns")},
            "walk_fast, walk_turns: no style for people of the pattern 'older'",
        ),
    ],
)
def test_a_bad_request_is_one_clear_error(change, says):
    with pytest.raises(UsageError, match=says) as caught:
        replace(CONFIG, **change)
    assert caught.value.exit_code == 2
    assert caught.value.next_step


def test_a_folder_that_is_there_is_kept(tmp_path):
    with pytest.raises(DataError):
        generate_cohort(CONFIG, tmp_path, InlinePool())
    assert list(tmp_path.iterdir()) == []


def test_another_cohort_that_was_begun_is_kept(tmp_path):
    generate._claim(tmp_path / ".dest.making", replace(CONFIG, people=3))
    with pytest.raises(UsageError, match="another cohort"):
        generate_cohort(CONFIG, tmp_path / "dest", InlinePool())


def test_a_request_that_fails_at_the_first_person_leaves_nothing_in_the_way(tmp_path):
    class Failing(WorkerPool):
        def each(self, *_):
            raise UsageError(UsageReason.IMPOSSIBLE, "nobody can")

    with pytest.raises(UsageError, match="nobody can"):
        generate_cohort(CONFIG, tmp_path / "people", Failing(1))
    assert list(tmp_path.iterdir()) == []


def test_a_disk_full_from_the_start_leaves_nothing(tmp_path, monkeypatch):
    def full(path, *_args, **_options):
        path.touch()
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(OutsideError, match="No space left"):
        generate_cohort(CONFIG, tmp_path / "people", WorkerPool(1))
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_named_and_leaves_no_half_person(tmp_path, monkeypatch):
    def full(*_args):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("kinefed.datasets.store.write_recording", full)
    with pytest.raises(OutsideError, match="No space left") as caught:
        generate_person(CONFIG, 0, tmp_path / "people" / "V001")
    assert caught.value.exit_code == 4
    assert not (tmp_path / "people" / "V001").exists()


def test_an_arm_is_recorded_with_its_own_sensors(tmp_path):
    config = CohortConfig(people=1, tasks=("elbow", "elbow_load", "wrist"), minutes=0.2, seed=3)
    with WorkerPool(1) as pool:
        dataset = generate_cohort(config, tmp_path / "arms", pool)
    assert not check_dataset(dataset.path)
    made = {ref.task: dataset.load(ref) for ref in dataset.refs}
    curl = made["elbow_load"]
    angle = curl.find("angle.elbow_flexion.r").column("angle.elbow_flexion.r")
    moment = curl.find("torque.elbow.r").column("torque.elbow.r")
    # Gravity is held by flexion, most with the forearm level; extension is positive.
    assert moment[np.abs(angle - 0.5 * np.pi) < 0.2].mean() < 2.0 * moment[angle < 0.4].mean() < 0.0
    free = made["elbow"].find("torque.elbow.r").column("torque.elbow.r")
    assert moment.min() < 2.0 * free.min()
    emg = {task: each.streams["emg"] for task, each in made.items()}
    name = "envelope.biceps_brachii.r"
    assert emg["elbow_load"].column(name).mean() > 3.0 * emg["elbow"].column(name).mean()
    wrist = emg["wrist"].column("envelope.wrist_extensors.r")
    assert wrist.max() > 2.0 * emg["elbow"].column("envelope.wrist_extensors.r").max()
    assert {"imu_upper_arm_r", "imu_forearm_r", "imu_hand_r"} <= set(curl.streams)
    assert len(curl.trials) >= 3


def test_insoles_show_the_force_under_the_foot_and_where_it_is(walk):
    recording = recording_of(walk, insoles=True)
    insole, grf = recording.streams["insole"], recording.streams["grf"]
    for side in SIDES:
        force = insole.column(f"insole_force.foot.{side}")
        true = grf.column(f"grf.foot.{side}.vertical")
        assert np.corrcoef(force, true)[0, 1] > 0.99
        ahead = insole.column(f"insole_cop.foot.{side}.anterior")
        assert (np.isnan(ahead) == (force == 0.0)).all()
        # From heel to toe in each stance.
        assert np.nanmin(ahead) < -0.02
        assert np.nanmax(ahead) > 0.12
    without = recording_of(walk)
    assert "insole" not in without.streams
    for name, stream in without.streams.items():
        np.testing.assert_array_equal(stream.data, recording.streams[name].data)
