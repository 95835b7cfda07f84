"""Importers on the published recordings, which are not part of the project."""

from __future__ import annotations

import csv
import gzip
from pathlib import Path

import numpy as np
import pytest

from kinefed.datasets import (
    Dataset,
    ImportOptions,
    Recording,
    check_dataset,
    import_dataset,
    leave_one_group_out,
)

_MUSCLES = {
    "Rect": "rectus_femoris",
    "Hams": "hamstrings",
    "Gast": "gastrocnemius",
    "Tib_Ant": "tibialis_anterior",
}
_TASKS = {"walk": "Straight", "turn": "Turn"}
# The legs that carry sEMG by the source's own note; HC050A has no hamstrings, two have none.
_EMG_LEGS = {
    "HC002D": "r",
    "HC030A": "l",
    "HC031A": "r",
    "HC032A": "l",
    "HC038A": "r",
    "HC039A": "l",
    "HC050A": "r",
}


@pytest.fixture(scope="module")
def mcgill(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Recording]:
    dest = tmp_path_factory.mktemp("mcgill") / "made"
    dataset = import_dataset("mcgill", real_data / "mcgill_gait", dest)
    assert check_dataset(dest) == []
    assert len(dataset.subjects) == 9
    return [dataset.load(ref) for ref in dataset.refs]


@pytest.fixture(scope="module")
def opencap(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    dest = tmp_path_factory.mktemp("opencap") / "made"
    return import_dataset("opencap", real_data / "opencap", dest)


def _csv(path: Path) -> dict[str, np.ndarray]:
    with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as file:
        head = file.readline().strip().split(",")
        table = np.genfromtxt(file, delimiter=",")
    return {name: table[:, i] for i, name in enumerate(head)}


def _valid(recording: Recording, side: str) -> np.ndarray:
    return recording.streams["torque"].column(f"valid.torque.{side}") == 1.0


def _torque(recording: Recording, joint: str, side: str) -> np.ndarray:
    return recording.streams["torque"].column(f"torque.{joint}.{side}")


def test_mcgill_counts_the_valid_leg_frames(mcgill: list[Recording]) -> None:
    assert sum(_valid(r, side).sum() for r in mcgill for side in "lr") == 1866


def test_mcgill_equals_the_tables_made_from_it(mcgill: list[Recording], real_data: Path) -> None:
    compared = 0
    for recording in mcgill:
        name = f"{recording.ref.subject}_{_TASKS[recording.ref.task]}"
        table = _csv(real_data / "mcgill_gait/csv" / f"{name}_100Hz.csv")
        kinematics = recording.streams["kinematics"]
        first = round(kinematics.start_s * 100)
        rows = slice(first, first + len(kinematics.data))
        for letter in "LR":
            side = letter.lower()
            sites = {
                "HipAngles": ("hip_flexion", "hip_adduction", "hip_rotation"),
                "KneeAngles": ("knee_flexion", "knee_adduction", "knee_rotation"),
                "AnkleAngles": ("ankle_dorsiflexion", "ankle_adduction", "ankle_rotation"),
                "HipMoment": ("hip", "hip_abduction", "hip_rotation"),
                "KneeMoment": ("knee", "knee_abduction", "knee_rotation"),
                "AnkleMoment": ("ankle", "ankle_abduction", "ankle_rotation"),
            }
            for label, names in sites.items():
                for axis, site in zip("xyz", names, strict=True):
                    if label.endswith("Angles"):
                        found = np.rad2deg(kinematics.column(f"angle.{site}.{side}"))
                        column = table[f"{letter}{label}_{axis}_deg"]
                    else:
                        found = _torque(recording, site, side)
                        column = table[f"{letter}{label}_{axis}_Nm_per_kg"]
                    np.testing.assert_allclose(found, column[rows], rtol=2e-4, atol=2e-4)
                    compared += 1
            label = f"{letter}GroundReactionForce_z_N_per_kg"
            force = recording.streams["grf"]
            assert (label in table) == force.has(f"grf.foot.{side}.vertical")
            if label in table:
                np.testing.assert_allclose(
                    force.column(f"grf.foot.{side}.vertical") / _mass_kg(recording, real_data),
                    table[label][rows],
                    rtol=2e-4,
                    atol=2e-4,
                )
    assert compared == 18 * 36


def _mass_kg(recording: Recording, real_data: Path) -> float:
    with (real_data / "mcgill_gait/trials.csv").open() as file:
        masses = {row["subject"]: float(row["body_mass_kg"]) for row in csv.DictReader(file)}
    return masses[recording.ref.subject]


def test_mcgill_emg_equals_the_tables(mcgill: list[Recording], real_data: Path) -> None:
    for recording in mcgill[:4]:
        name = f"{recording.ref.subject}_{_TASKS[recording.ref.task]}_EMG_1000Hz.csv.gz"
        table = _csv(real_data / "mcgill_gait/csv" / name)
        emg = recording.streams["emg"]
        assert emg.rate_hz == 1000.0
        assert len(emg.channels) == 8
        for letter in "LR":
            for short, muscle in _MUSCLES.items():
                np.testing.assert_allclose(
                    emg.column(f"emg.{muscle}.{letter.lower()}"),
                    table[f"{letter}_{short}_V"],
                    rtol=1e-5,
                    atol=2e-6,
                )


def test_mcgill_peaks_have_the_signs_of_the_design(mcgill: list[Recording]) -> None:
    walks = [r for r in mcgill if r.ref.task == "walk"]
    seen = 0
    for recording in walks:
        for side in "lr":
            valid = _valid(recording, side)
            stance = np.flatnonzero(valid)
            if not stance.size:
                continue
            seen += 1
            early, late = stance[: stance.size // 2], stance[stance.size // 2 :]
            ankle = _torque(recording, "ankle", side)
            assert ankle[late].max() > 0.8  # push-off: plantarflexors
            assert ankle[late].max() > ankle[early].max()
            hip = _torque(recording, "hip", side)
            assert hip[early].max() > 0.3  # extensors, then flexors
            assert hip[late].min() < -0.3
            assert np.argmax(hip[stance]) < np.argmin(hip[stance])
            assert _torque(recording, "hip_abduction", side)[stance].mean() > 0.1
            force = recording.streams["grf"]
            anterior = force.column(f"grf.foot.{side}.anterior")
            assert np.nanmean(anterior[early]) < 0.0 < np.nanmean(anterior[late])  # brake, push
            lateral = np.nanmean(force.column(f"grf.foot.{side}.lateral")[stance])
            assert (lateral > 0.0) == (side == "l")  # the ground pushes both feet inwards
    assert seen == 18


def test_mcgill_emg_channels_are_found_by_their_samples(
    mcgill: list[Recording], real_data: Path
) -> None:
    """All 144 verdicts agree with the source's note, and none accepts what its table rejects."""
    with (real_data / "mcgill_gait/trials.csv").open() as file:
        listed = {
            (row["subject"], row["task"]): row["emg_channels_with_signal"].split("|")
            for row in csv.DictReader(file)
        }
    agree = accepted = in_table = 0
    for recording in mcgill:
        who = recording.ref.subject
        table = listed[who, _TASKS[recording.ref.task]]
        for letter in "LR":
            for short, muscle in _MUSCLES.items():
                side = letter.lower()
                noted = _EMG_LEGS.get(who) == side and (who, short) != ("HC050A", "Hams")
                good = f"emg.{muscle}.{side}" not in recording.quality
                agree += good == noted
                accepted += good
                in_table += f"{letter}_{short}" in table
                assert not good or f"{letter}_{short}" in table
    assert (agree, accepted) == (144, 54)
    # The table goes by amplitude alone and so also lists channels its own note calls noise.
    assert in_table == 71


def test_opencap_peaks_have_the_signs_of_the_design(opencap: Dataset) -> None:
    assert check_dataset(opencap.path) == []
    assert len(opencap.refs) == 19
    squat = opencap.load(opencap.select(task="squat")[0])
    for side in "lr":
        valid = _valid(squat, side)
        assert _torque(squat, "knee", side)[valid].max() > 0.8
        deep = squat.streams["kinematics"].column(f"angle.knee_flexion.{side}")[valid]
        assert deep.max() > 1.0
        # The deeper the knee, the larger the moment that holds it.
        assert np.corrcoef(deep, _torque(squat, "knee", side)[valid])[0, 1] > 0.8
    for task in ("walk", "walk-toe-in", "walk-toe-out"):
        for ref in opencap.select(task=task):
            walk = opencap.load(ref)
            for side in "lr":
                valid = _valid(walk, side)
                assert _torque(walk, "ankle", side)[valid].max() > 0.8
                assert _torque(walk, "hip_abduction", side)[valid].max() > 0.6
    frames = sum(_valid(opencap.load(ref), s).sum() for ref in opencap.refs for s in "lr")
    assert frames == 8308


def test_opencap_forces_carry_the_person(opencap: Dataset) -> None:
    static = opencap.load(opencap.select(task="static")[0]).streams["grf"]
    weight = sum(static.column(f"grf.foot.{side}.vertical").mean() for side in "lr")
    assert weight == pytest.approx(62.6 * 9.80665, rel=0.05)
    imu = opencap.load(opencap.select(task="static")[0]).streams["imu"]
    norm = np.sqrt(sum(imu.column(f"acc.shank.r.{axis}") ** 2 for axis in "xyz"))
    assert np.median(norm) == pytest.approx(9.8, rel=0.02)


def test_perturbed_walk(real_data: Path, tmp_path: Path) -> None:
    dataset = import_dataset("perturbed_ankle", real_data / "perturbed_walk_ankle", tmp_path / "m")
    recording = dataset.load(dataset.refs[0])
    assert check_dataset(dataset.path) == []
    assert dataset.subjects["P01"].mass_kg == pytest.approx(72.46, abs=0.01)
    moment = _torque(recording, "ankle", "r")
    assert moment.shape == (36000,)
    assert moment.max() == pytest.approx(126.0 / 72.46, rel=0.01)
    dorsiflexion = recording.streams["kinematics"].column("angle.ankle_dorsiflexion.r")
    # Plantarflexors load while the ankle dorsiflexes over the foot, and the foot points
    # down when they let go.
    late = [t for t in recording.trials if 0.4 < t.end_s - t.start_s < 1.0]
    assert len(late) > 250
    rises = [
        dorsiflexion[i] - dorsiflexion[round(t.start_s * 100) + 10]
        for t in late
        if (i := round(t.start_s * 100) + int(np.argmax(_cut(moment, t.start_s, t.end_s))))
    ]
    assert np.mean(np.array(rises) > 0.0) > 0.9


def _cut(values: np.ndarray, start_s: float, end_s: float) -> np.ndarray:
    return values[round(start_s * 100) : round(end_s * 100)]


def test_kuleuven(real_data: Path, tmp_path: Path) -> None:
    dataset = import_dataset(
        "kuleuven", real_data / "kuleuven_gait", tmp_path / "m", ImportOptions(mass_kg=62.0)
    )
    assert check_dataset(dataset.path) == []
    assert len(dataset.refs) == 11
    for ref in dataset.refs:
        recording = dataset.load(ref)
        assert 0.9 < recording.streams["kinematics"].duration_s < 1.2
        assert _torque(recording, "ankle", "r")[40:60].max() > 0.8
        assert _torque(recording, "knee", "r")[10:25].max() > 0.4  # loading response
        assert _torque(recording, "hip", "r")[:10].max() > 0.3
        knee = recording.streams["kinematics"].column("angle.knee_flexion.r")
        assert knee[60:85].max() > 0.9  # swing
        assert recording.streams["emg"].has("envelope.soleus.r")


def test_elderly_pairs_share_a_group(real_data: Path, tmp_path: Path) -> None:
    dataset = import_dataset("elderly_isometric", real_data / "elderly_isometric", tmp_path / "m")
    assert check_dataset(dataset.path) == []
    assert (len(dataset.subjects), len(dataset.groups), len(dataset.refs)) == (22, 12, 66)
    assert dataset.subjects["ID01"].mass_kg == 94.0
    assert len(leave_one_group_out(dataset)) == 12
    idle = {
        ref.subject
        for ref in dataset.select(task="dorsiflexion")
        if "force.load_cell.r" in dataset.load(ref).quality
    }
    assert idle == {"ID10", "ID20", "ID21", "ID22", "ID23"}
    prime = [
        "emg.vastus_lateralis.r" not in dataset.load(ref).quality
        for ref in dataset.select(task="knee-extension")
    ]
    assert np.mean(prime) > 0.9  # the muscle that works carries signal


def test_cmu(real_data: Path, tmp_path: Path) -> None:
    dataset = import_dataset("cmu", real_data / "cmu_imu_grf", tmp_path / "m")
    assert check_dataset(dataset.path) == []
    assert (len(dataset.subjects), len(dataset.refs)) == (7, 14)
    assert dataset.subjects["Sub01"].sex == "f"
    for ref in dataset.refs:
        recording = dataset.load(ref)
        force = recording.streams["grf"]
        weight = sum(force.column(f"grf.foot.{side}.vertical").mean() for side in "lr")
        mass_kg = dataset.subjects[ref.subject].mass_kg
        assert mass_kg is not None
        assert weight == pytest.approx(mass_kg * 9.80665, rel=0.1)
        imu = recording.streams["imu"]
        norm = np.sqrt(sum(imu.column(f"acc.pelvis.{axis}") ** 2 for axis in "xyz"))
        assert norm.mean() == pytest.approx(9.9, abs=0.8)
