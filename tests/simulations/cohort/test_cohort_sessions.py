"""Days of one person: sensors put on anew, maximal contractions, sweat; what stays hidden."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pyarrow.parquet as pq
import pytest

from kinefed.biomechanics.engine import Engine
from kinefed.biomechanics.geometry import arm_muscles, leg_muscles
from kinefed.datasets import Dataset, check_dataset
from kinefed.signals import emg_reference_of
from kinefed.simulations.cohort import sessions
from kinefed.simulations.cohort.config import CohortConfig
from kinefed.simulations.cohort.generate import generate_person
from kinefed.simulations.cohort.muscles import draw_muscles
from kinefed.simulations.cohort.outfit import ARM_MVC, LEG_EMG, LEG_MVC, dress, dress_arm
from kinefed.simulations.cohort.people import sample_people
from kinefed.simulations.cohort.radio import LinkConfig
from kinefed.simulations.cohort.semg import mvc_reference

pytest.importorskip("mujoco", reason="needs the extra sim")

SEED = 3
TWO_DAYS = CohortConfig(
    people=1,
    tasks=("walk_normal", "elbow"),
    sessions=2,
    takes=2,
    minutes=0.05,
    seed=SEED,
    mvc=True,
)


@pytest.fixture(scope="module")
def person():
    return sample_people(1, SEED)[0]


@pytest.fixture(scope="module")
def days(tmp_path_factory):
    folder = tmp_path_factory.mktemp("days") / "V001"
    generate_person(TWO_DAYS, 0, folder)
    return Dataset.open(folder)


def load(dataset, key):
    return dataset.load(next(ref for ref in dataset.refs if ref.key == f"V001/{key}"))


def test_each_day_is_a_session_of_the_dataset(days):
    wanted = ("elbow_01", "elbow_02", "mvc_01", "mvc_02", "walk_normal_01", "walk_normal_02")
    assert [ref.key for ref in days.refs] == [
        f"V001/{s}/{w}" for s in ("s01", "s02") for w in wanted
    ]
    assert check_dataset(days.path) == []


def test_the_first_day_does_not_depend_on_what_else_is_recorded(days, tmp_path):
    generate_person(replace(TWO_DAYS, sessions=1, mvc=False), 0, tmp_path / "V001")
    alone = Dataset.open(tmp_path / "V001")
    assert {ref.session for ref in alone.refs} == {"s01"}
    assert "mvc" not in alone.tasks
    for ref in alone.refs:
        for path in sorted((alone.path / "recordings" / ref.key).iterdir()):
            twin = days.path / "recordings" / ref.key / path.name
            assert path.read_bytes() == twin.read_bytes()


def test_body_and_muscles_stay_and_sensors_are_put_on_anew(person):
    body = person.rigid_body()
    for wear in (lambda day: dress(body, 100.0, (SEED, 0), day),
                 lambda day: dress_arm(person.body, 100.0, (SEED, 0), day)):  # fmt: skip
        first, second = wear(0), wear(1)
        for name in ("strength", "optimal", "slack", "a_shape", "delay_s", "co_contraction"):
            np.testing.assert_array_equal(getattr(first.hidden, name), getattr(second.hidden, name))
        for side, electrodes in first.electrodes.items():
            other = second.electrodes[side]
            ratio = other.mixing.max(axis=1) / electrodes.mixing.max(axis=1)
            # The day's gain and shift, on the same skin.
            assert np.abs(np.log(ratio)).min() > 1e-6
            assert np.abs(np.log(ratio)).max() < 1.5
            assert (electrodes.drift != other.drift).all()
        for site, imu in first.imus.items():
            turned = imu.rotation.T @ second.imus[site].rotation
            degrees = np.rad2deg(np.arccos((np.trace(turned) - 1.0) / 2.0))
            assert 0.1 < degrees < 45.0
            assert np.linalg.norm(imu.shift_m - second.imus[site].shift_m) > 1e-4


def test_an_imu_points_elsewhere_on_another_day_and_not_within_one(days):
    def mean_acc(session, take):
        recording = load(days, f"{session}/walk_normal_{take:02d}")
        return np.stack(
            [
                recording.streams[name].data[:, :3].mean(axis=0)
                for name in sorted(recording.streams)
                if name.startswith("imu_")
            ]
        )

    def apart(one, other):
        return np.linalg.norm(one - other, axis=1).mean()

    within = apart(mean_acc("s01", 1), mean_acc("s01", 2))
    assert apart(mean_acc("s01", 1), mean_acc("s02", 1)) > 3.0 * within


def test_every_muscle_contracts_maximally_at_some_time():
    for efforts, muscles in ((LEG_MVC, leg_muscles()), (ARM_MVC, arm_muscles())):
        assert {name for together in efforts.values() for name in together} == set(muscles.names)


def test_maximal_contractions_are_recorded_one_after_the_other(days):
    recording = load(days, "s02/mvc_01")
    emg = recording.streams["emg"]
    assert list(recording.streams) == ["emg"]
    assert [event.name for event in recording.events] == list(LEG_MVC)
    assert len(emg.channels) == 2 * len(LEG_EMG)
    when = {
        e.name: (t.start_s, t.end_s)
        for e, t in zip(recording.events, recording.trials, strict=True)
    }

    def peak(effort, site):
        start, end = (round(t * emg.rate_hz) for t in when[effort])
        return emg.column(f"envelope.{site}.l")[start:end].max()

    for effort, own, other in (
        ("knee_extension", "vastus_lateralis", "soleus"),
        ("plantarflexion", "soleus", "tibialis_anterior"),
        ("dorsiflexion", "tibialis_anterior", "vastus_lateralis"),
    ):
        assert peak(effort, own) > 0.75
        assert peak(effort, other) < 0.4
    # The reference is the largest mean over half a second of this very recording.
    assert mvc_reference(emg.data, emg.rate_hz) == pytest.approx(1.0, rel=1e-9)


def test_a_laboratory_finds_the_reference_in_raw_contractions(person):
    outfit = dress(person.rigid_body(), 100.0, (SEED, 0), 1)
    ref = sessions.RecordingRef("V001", "s02", "mvc", 1)
    asked = outfit, ref, 100.0, np.random.default_rng(1)
    found = emg_reference_of([sessions.record_mvc(*asked, raw_emg=True)])
    true = {
        f"emg.{channel}": volts
        for side, electrodes in outfit.electrodes.items()
        for channel, volts in zip(electrodes.channels, outfit.reference[side], strict=True)
    }
    assert set(found) == set(true)
    # A peak of the envelope, where ours is a mean over half a second: some 30 % above it.
    ratio = np.array([found[channel] / volts for channel, volts in true.items()])
    assert ratio.min() > 1.0
    assert ratio.max() < 1.7


def test_sweat_works_over_the_whole_session(person, monkeypatch):
    seen = []

    def noted(*given, elapsed_s, **options):
        seen.append(elapsed_s)
        return sessions_record(*given, elapsed_s=elapsed_s, **options)

    sessions_record = sessions.record
    monkeypatch.setattr(sessions, "record", noted)
    config = replace(TWO_DAYS, tasks=("walk_normal",), takes=2)
    engine = Engine(person.rigid_body())
    recorded = list(sessions.record_session(person, engine, config, 0))
    # After eight contractions of five seconds and a pause, then after the first walk and a pause.
    assert seen == pytest.approx([40.0 + 60.0, 40.0 + 60.0 + 3.0 + 60.0])
    mvc, first, _ = recorded
    assert mvc.ref.task == "mvc"
    # Sweat that doubles the gain in the end doubles what muscles show, and no noise or artefact.
    outfit = dress(person.rigid_body(), 100.0, (SEED, 0), 0)
    wet = {
        side: replace(each, drift=np.ones(len(each.drift)))
        for side, each in outfit.electrodes.items()
    }
    outfit = replace(outfit, electrodes=wet)
    motion = sessions.TASKS["walk_normal"].generate(person, np.random.default_rng(0), 3.0)
    fresh, late = (
        sessions_record(
            engine, outfit, motion, first.ref, np.random.default_rng(5), elapsed_s=hours * 3600.0
        ).streams["emg"]
        for hours in (0.0, 10.0)
    )
    gain = np.sqrt((late.data**2).mean(axis=0) / (fresh.data**2).mean(axis=0))
    assert gain.min() > 1.2
    assert np.median(gain) > 1.7
    assert gain.max() < 2.05


def numbers_of(dataset):
    """Every number in the files of a dataset, and all their text."""
    numbers, text = [], []
    for path in sorted(dataset.path.rglob("*")):
        if path.suffix == ".parquet":
            table = pq.read_table(path)
            text += [*table.column_names, str(table.schema.metadata)]
            for column in table.columns:
                values = column.to_pylist()
                text += [str(v) for v in values if not isinstance(v, float | int)]
                numbers += [float(v) for v in values if isinstance(v, float | int)]
        elif path.is_file():
            text.append(path.read_text(encoding="utf-8"))
    words = " ".join(text)
    numbers += [float(n) for n in re.findall(r"-?\d+\.\d+(?:e-?\d+)?", words)]
    return np.array(numbers), words


def test_what_is_hidden_of_a_person_is_in_no_file(days, person):
    numbers, words = numbers_of(days)
    body = person.rigid_body()
    worn = dress(body, 100.0, (SEED, 0), 0), dress_arm(person.body, 100.0, (SEED, 0), 0)
    assert len(numbers) > 100_000
    # The search finds what is there.
    assert np.isclose(numbers, person.subject.mass_kg, rtol=1e-9, atol=0.0).any()
    for outfit in worn:
        hidden = outfit.hidden
        secret = np.concatenate(
            [
                hidden.strength,
                hidden.optimal,
                hidden.slack,
                hidden.a_shape,
                [hidden.delay_s, hidden.co_contraction],
            ]
        )
        near = np.sort(numbers)
        at = np.clip(np.searchsorted(near, secret), 1, len(near) - 1)
        closest = np.minimum(np.abs(near[at] - secret), np.abs(near[at - 1] - secret))
        assert (closest > 1e-12).all()
    for name in ("strength", "a_shape", "delay", "co_contraction", "slack"):
        assert name not in words


def test_hidden_muscles_are_not_drawn_from_the_numbers_of_the_body(person):
    outfit = dress(person.rigid_body(), 100.0, (SEED, 0), 0)
    # A seed is padded with zeros, so that these two are one stream.
    for words in ([SEED, 0], [SEED, 0, 0]):
        same = draw_muscles(len(outfit.muscles.names), np.random.default_rng(words))
        assert not np.isclose(same.strength, outfit.hidden.strength).any()


def test_worn_imus_of_a_dataset_lose_packets_and_have_clocks_of_their_own(days, person):
    gaps = [gap for ref in days.refs for gap in days.load(ref).gaps]
    assert gaps
    assert all(gap.stream.startswith("imu_") for gap in gaps)
    motion = sessions.TASKS["walk_normal"].generate(person, np.random.default_rng(0), 3.0)
    outfit = dress(person.rigid_body(), 100.0, (SEED, 0), 0)
    asked = Engine(person.rigid_body()), outfit, motion, load(days, "s01/walk_normal_01").ref
    # What a written dataset goes through, and the same draws with a perfect clock.
    usual, perfect = (
        sessions.record(*asked, np.random.default_rng(5), link=link).streams
        for link in (None, replace(LinkConfig(), skew_ppm=0.0, offset_s=0.0))
    )
    for name in usual:
        apart = np.abs(usual[name].data - perfect[name].data).max()
        assert (apart > 1e-3) == name.startswith("imu_"), name
