"""Every way to break a dataset folder is named, and a sound folder has no fault."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import people
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from kinefed.datasets import DataError, DataReason, Dataset, check_dataset

ONE = "recordings/S01/s01/walk_01"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    people.write(tmp_path / "made")
    return tmp_path / "made"


def _edit(path: Path, change: Callable[[pa.Table], pa.Table]) -> None:
    pq.write_table(change(pq.read_table(path)), path)


def _with_column(
    name: str, values: Callable[[np.ndarray], np.ndarray]
) -> Callable[[pa.Table], pa.Table]:
    def change(table: pa.Table) -> pa.Table:
        index = table.column_names.index(name)
        new = values(table.column(name).to_numpy().copy())
        return table.set_column(index, name, pa.array(new))

    return change


def _put(index: int, value: float) -> Callable[[np.ndarray], np.ndarray]:
    def values(column: np.ndarray) -> np.ndarray:
        column[index] = value
        return column

    return values


def _units(**units: str) -> Callable[[pa.Table], pa.Table]:
    def change(table: pa.Table) -> pa.Table:
        meta = {k.decode(): v.decode() for k, v in table.schema.metadata.items()}
        meta["units"] = json.dumps(
            json.loads(meta["units"]) | {k.replace("__", "."): v for k, v in units.items()}
        )
        return table.replace_schema_metadata(meta)

    return change


def _rename_channel(old: str, new: str) -> Callable[[pa.Table], pa.Table]:
    def change(table: pa.Table) -> pa.Table:
        names = [new if n == old else n for n in table.column_names]
        meta = {k.decode(): v.decode().replace(old, new) for k, v in table.schema.metadata.items()}
        return table.rename_columns(names).replace_schema_metadata(meta)

    return change


def _meta(**fields: str) -> Callable[[pa.Table], pa.Table]:
    def change(table: pa.Table) -> pa.Table:
        meta = {k.decode(): v.decode() for k, v in table.schema.metadata.items()} | fields
        return table.replace_schema_metadata(meta)

    return change


def _header(root: Path, **fields: object) -> None:
    path = root / ONE / "recording.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


def _truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


KNEE = "angle.knee_flexion.r"
BREAKS: dict[str, tuple[Callable[[Path], object], DataReason, str]] = {
    "missing stream": (
        lambda r: (r / ONE / "torque.parquet").unlink(),
        DataReason.NOT_FOUND,
        f"{ONE}/torque.parquet",
    ),
    "truncated stream": (
        lambda r: _truncate(r / ONE / "torque.parquet"),
        DataReason.TRUNCATED,
        f"{ONE}/torque.parquet",
    ),
    "empty stream": (
        lambda r: (r / ONE / "emg.parquet").write_bytes(b""),
        DataReason.TRUNCATED,
        f"{ONE}/emg.parquet",
    ),
    "missing header": (
        lambda r: (r / ONE / "recording.json").unlink(),
        DataReason.NOT_FOUND,
        f"{ONE}/recording.json",
    ),
    "truncated header": (
        lambda r: _truncate(r / ONE / "recording.json"),
        DataReason.TRUNCATED,
        f"{ONE}/recording.json",
    ),
    "header of another": (
        lambda r: _header(r, subject="S02"),
        DataReason.MISMATCH,
        f"{ONE}/recording.json",
    ),
    "header of wrong type": (
        lambda r: _header(r, trials=[["a"]]),
        DataReason.BAD_FORMAT,
        f"{ONE}/recording.json",
    ),
    "stream name escapes": (
        lambda r: _header(r, streams=["../../walk_02/emg"]),
        DataReason.PATH_ESCAPE,
        f"{ONE}/recording.json",
    ),
    "file nobody lists": (
        lambda r: (r / ONE / "notes.txt").write_text("x"),
        DataReason.MISMATCH,
        f"{ONE}/notes.txt",
    ),
    "NaN where valid": (
        lambda r: _edit(
            r / ONE / "torque.parquet", _with_column("torque.knee.r", _put(50, np.nan))
        ),
        DataReason.NOT_FINITE,
        f"{ONE}/torque",
    ),
    "NaN without a mask": (
        lambda r: _edit(r / ONE / "kinematics.parquet", _with_column(KNEE, _put(5, np.nan))),
        DataReason.NOT_FINITE,
        f"{ONE}/kinematics",
    ),
    "infinity": (
        lambda r: _edit(r / ONE / "kinematics.parquet", _with_column(KNEE, _put(5, np.inf))),
        DataReason.NOT_FINITE,
        f"{ONE}/kinematics",
    ),
    "mask that is none": (
        lambda r: _edit(r / ONE / "torque.parquet", _with_column("valid.torque.r", _put(50, 0.5))),
        DataReason.OUT_OF_RANGE,
        f"{ONE}/torque",
    ),
    "unknown channel": (
        lambda r: _edit(r / ONE / "kinematics.parquet", _rename_channel(KNEE, "angle.knee.r")),
        DataReason.UNKNOWN_CHANNEL,
        f"{ONE}/kinematics",
    ),
    "wrong unit": (
        lambda r: _edit(r / ONE / "kinematics.parquet", _units(angle__knee_flexion__r="deg")),
        DataReason.WRONG_UNIT,
        f"{ONE}/kinematics",
    ),
    "degrees": (
        lambda r: _edit(
            r / ONE / "kinematics.parquet", _with_column(KNEE, lambda x: np.rad2deg(x))
        ),
        DataReason.OUT_OF_RANGE,
        f"{ONE}/kinematics",
    ),
    "N m": (
        lambda r: _edit(
            r / ONE / "torque.parquet", _with_column("torque.knee.r", lambda x: 60.0 * x)
        ),
        DataReason.OUT_OF_RANGE,
        f"{ONE}/torque",
    ),
    "time backwards": (
        lambda r: _edit(r / ONE / "emg.parquet", _with_column("time_s", _put(500, 0.1))),
        DataReason.TIME_ORDER,
        f"{ONE}/emg.parquet",
    ),
    "time at another rate": (
        lambda r: _edit(r / ONE / "emg.parquet", _meta(rate_hz="1010.0")),
        DataReason.RATE_MISMATCH,
        f"{ONE}/emg.parquet",
    ),
    "no rate": (
        lambda r: _edit(r / ONE / "emg.parquet", _meta(rate_hz="fast")),
        DataReason.BAD_FORMAT,
        f"{ONE}/emg.parquet",
    ),
    "no time": (
        lambda r: _edit(r / ONE / "emg.parquet", lambda t: t.drop_columns(["time_s"])),
        DataReason.MISSING_COLUMN,
        f"{ONE}/emg.parquet",
    ),
    "words for numbers": (
        lambda r: _edit(
            r / ONE / "kinematics.parquet",
            lambda t: t.set_column(1, KNEE, pa.array(["x"] * t.num_rows)),
        ),
        DataReason.BAD_FORMAT,
        f"{ONE}/kinematics.parquet",
    ),
    "events backwards": (
        lambda r: _header(r, events=[[0.7, "foot_off", "r"], [0.1, "foot_strike", "r"]]),
        DataReason.TIME_ORDER,
        ONE,
    ),
    "trial backwards": (
        lambda r: _header(r, trials=[[0, 1.0, 0.1]]),
        DataReason.TIME_ORDER,
        ONE,
    ),
    "quality of an absent channel": (
        lambda r: _header(r, quality={"emg.soleus.l": "dead"}),
        DataReason.UNKNOWN_CHANNEL,
        ONE,
    ),
    "duplicate subject": (
        lambda r: _edit(r / "subjects.parquet", lambda t: pa.concat_tables([t, t.slice(0, 1)])),
        DataReason.DUPLICATE,
        "subjects.parquet",
    ),
    "unknown subject": (
        lambda r: _edit(r / "subjects.parquet", lambda t: t.slice(1)),
        DataReason.UNKNOWN_SUBJECT,
        ONE,
    ),
    "subject ID with a slash": (
        lambda r: _edit(
            r / "subjects.parquet",
            lambda t: t.set_column(0, "id", pa.array(["../S01", "S02", "S03"])),
        ),
        DataReason.PATH_ESCAPE,
        "subjects.parquet",
    ),
    "no subjects": (
        lambda r: (r / "subjects.parquet").unlink(),
        DataReason.NOT_FOUND,
        "subjects.parquet",
    ),
    "no toml": (lambda r: (r / "dataset.toml").unlink(), DataReason.NOT_FOUND, "dataset.toml"),
    "broken toml": (
        lambda r: (r / "dataset.toml").write_text("name ="),
        DataReason.BAD_FORMAT,
        "dataset.toml",
    ),
    "bad folder name": (
        lambda r: (r / ONE).rename(r / "recordings/S01/s01/walk"),
        DataReason.BAD_NAME,
        "recordings/S01/s01/walk",
    ),
    "no recordings": (
        lambda r: shutil.rmtree(r / "recordings"),
        DataReason.EMPTY,
        "recordings",
    ),
}


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
    _edit(root / ONE / "kinematics.parquet", _with_column(KNEE, _put(5, np.nan)))
    _header(root, gaps=[["kinematics", 0.05, 0.05]])
    assert check_dataset(root) == []
    _header(root, gaps=[["emg", 0.0, 1.0]])
    assert [fault.reason for fault in check_dataset(root)] == [DataReason.NOT_FINITE]
    _header(root, quality={KNEE: "dead"})
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
