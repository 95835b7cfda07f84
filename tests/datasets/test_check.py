"""Every way to break a dataset folder is named, and a sound folder has no fault."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import people
import pytest
from breaks import BREAKS, KNEE, ONE, edit, header, put, with_column

from kinefed.datasets import DataError, DataReason, Dataset, check_dataset


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return people.write(tmp_path_factory.mktemp("sound") / "made").path


@pytest.fixture
def root(sound: Path, tmp_path: Path) -> Path:
    shutil.copytree(sound, tmp_path / "made")
    return tmp_path / "made"


def test_a_sound_folder_has_no_fault(root: Path) -> None:
    assert check_dataset(root) == []


@pytest.mark.parametrize("name", BREAKS)
def test_every_break_is_named_with_its_place(root: Path, name: str) -> None:
    do, reason, where = BREAKS[name]
    do(root)
    faults = check_dataset(root)
    assert (reason, where) in {(fault.reason, fault.where) for fault in faults}, faults


def test_all_faults_are_named_at_once(root: Path) -> None:
    for name in ("NaN where valid", "time backwards", "degrees"):
        BREAKS[name][0](root)
    (root / "recordings/S03/s02/turn_01/emg.parquet").unlink()
    (root / "dataset.toml").unlink()
    assert {fault.reason for fault in check_dataset(root)} == {
        DataReason.NOT_FINITE,
        DataReason.TIME_ORDER,
        DataReason.OUT_OF_RANGE,
        DataReason.NOT_FOUND,
    }
    assert len(check_dataset(root)) == 5


def test_a_link_out_of_the_folder_is_an_escape(root: Path, tmp_path: Path) -> None:
    shutil.move(root / ONE, tmp_path / "outside")
    (root / ONE).symlink_to(tmp_path / "outside")
    assert [fault.reason for fault in check_dataset(root)] == [DataReason.PATH_ESCAPE]
    with pytest.raises(DataError) as caught:
        Dataset.open(root)
    assert caught.value.reason is DataReason.PATH_ESCAPE


def test_a_linked_stream_out_of_the_folder_is_an_escape(root: Path, tmp_path: Path) -> None:
    shutil.move(root / ONE / "emg.parquet", tmp_path / "emg.parquet")
    (root / ONE / "emg.parquet").symlink_to(tmp_path / "emg.parquet")
    assert [fault.reason for fault in check_dataset(root)] == [DataReason.PATH_ESCAPE]
    dataset = Dataset.open(root)
    with pytest.raises(DataError) as caught:
        dataset.load(dataset.select("S01", "walk")[0])
    assert caught.value.reason is DataReason.PATH_ESCAPE


def test_a_gap_and_a_quality_note_excuse_missing_samples(root: Path) -> None:
    edit(root / ONE / "kinematics.parquet", with_column(KNEE, put(5, np.nan)))
    header(root, gaps=[["kinematics", 0.05, 0.05]])
    assert check_dataset(root) == []
    header(root, gaps=[["emg", 0.0, 1.0]])
    assert [fault.reason for fault in check_dataset(root)] == [DataReason.NOT_FINITE]
    header(root, quality={KNEE: "dead"})
    assert check_dataset(root) == []


def test_an_accelerometer_in_g_is_found() -> None:
    from kinefed.datasets import Recording, RecordingRef, recording_faults

    still = people.stream(
        "imu",
        acc__shank__r__x=np.ones(50),
        acc__shank__r__y=np.zeros(50),
        acc__shank__r__z=np.zeros(50),
    )
    body = Recording(RecordingRef("S01", "s01", "walk", 1), {"imu": still})
    assert [fault.reason for fault in recording_faults(body)] == [DataReason.OUT_OF_RANGE]
