"""Ways to break a dataset folder, each with the reason and place that must be named."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from kinefed.datasets import DataReason

ONE = "recordings/S01/s01/walk_01"


def edit(path: Path, change: Callable[[pa.Table], pa.Table]) -> None:
    pq.write_table(change(pq.read_table(path)), path)


def with_column(
    name: str, values: Callable[[np.ndarray], np.ndarray]
) -> Callable[[pa.Table], pa.Table]:
    def change(table: pa.Table) -> pa.Table:
        index = table.column_names.index(name)
        new = values(table.column(name).to_numpy().copy())
        return table.set_column(index, name, pa.array(new))

    return change


def put(index: int, value: float) -> Callable[[np.ndarray], np.ndarray]:
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


def header(root: Path, **fields: object) -> None:
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
        lambda r: header(r, subject="S02"),
        DataReason.MISMATCH,
        f"{ONE}/recording.json",
    ),
    "header of wrong type": (
        lambda r: header(r, trials=[["a"]]),
        DataReason.BAD_FORMAT,
        f"{ONE}/recording.json",
    ),
    "stream name escapes": (
        lambda r: header(r, streams=["../../walk_02/emg"]),
        DataReason.PATH_ESCAPE,
        f"{ONE}/recording.json",
    ),
    "file nobody lists": (
        lambda r: (r / ONE / "notes.txt").write_text("x"),
        DataReason.MISMATCH,
        f"{ONE}/notes.txt",
    ),
    "NaN where valid": (
        lambda r: edit(r / ONE / "torque.parquet", with_column("torque.knee.r", put(50, np.nan))),
        DataReason.NOT_FINITE,
        f"{ONE}/torque",
    ),
    "NaN without a mask": (
        lambda r: edit(r / ONE / "kinematics.parquet", with_column(KNEE, put(5, np.nan))),
        DataReason.NOT_FINITE,
        f"{ONE}/kinematics",
    ),
    "infinity": (
        lambda r: edit(r / ONE / "kinematics.parquet", with_column(KNEE, put(5, np.inf))),
        DataReason.NOT_FINITE,
        f"{ONE}/kinematics",
    ),
    "mask that is none": (
        lambda r: edit(r / ONE / "torque.parquet", with_column("valid.torque.r", put(50, 0.5))),
        DataReason.OUT_OF_RANGE,
        f"{ONE}/torque",
    ),
    "unknown channel": (
        lambda r: edit(r / ONE / "kinematics.parquet", _rename_channel(KNEE, "angle.knee.r")),
        DataReason.UNKNOWN_CHANNEL,
        f"{ONE}/kinematics",
    ),
    "wrong unit": (
        lambda r: edit(r / ONE / "kinematics.parquet", _units(angle__knee_flexion__r="deg")),
        DataReason.WRONG_UNIT,
        f"{ONE}/kinematics",
    ),
    "degrees": (
        lambda r: edit(r / ONE / "kinematics.parquet", with_column(KNEE, lambda x: np.rad2deg(x))),
        DataReason.OUT_OF_RANGE,
        f"{ONE}/kinematics",
    ),
    "N m": (
        lambda r: edit(
            r / ONE / "torque.parquet", with_column("torque.knee.r", lambda x: 60.0 * x)
        ),
        DataReason.OUT_OF_RANGE,
        f"{ONE}/torque",
    ),
    "time backwards": (
        lambda r: edit(r / ONE / "emg.parquet", with_column("time_s", put(500, 0.1))),
        DataReason.TIME_ORDER,
        f"{ONE}/emg.parquet",
    ),
    "time at another rate": (
        lambda r: edit(r / ONE / "emg.parquet", _meta(rate_hz="1010.0")),
        DataReason.RATE_MISMATCH,
        f"{ONE}/emg.parquet",
    ),
    "no rate": (
        lambda r: edit(r / ONE / "emg.parquet", _meta(rate_hz="fast")),
        DataReason.BAD_FORMAT,
        f"{ONE}/emg.parquet",
    ),
    "no time": (
        lambda r: edit(r / ONE / "emg.parquet", lambda t: t.drop_columns(["time_s"])),
        DataReason.MISSING_COLUMN,
        f"{ONE}/emg.parquet",
    ),
    "words for numbers": (
        lambda r: edit(
            r / ONE / "kinematics.parquet",
            lambda t: t.set_column(1, KNEE, pa.array(["x"] * t.num_rows)),
        ),
        DataReason.BAD_FORMAT,
        f"{ONE}/kinematics.parquet",
    ),
    "events backwards": (
        lambda r: header(r, events=[[0.7, "foot_off", "r"], [0.1, "foot_strike", "r"]]),
        DataReason.TIME_ORDER,
        ONE,
    ),
    "trial backwards": (
        lambda r: header(r, trials=[[0, 1.0, 0.1]]),
        DataReason.TIME_ORDER,
        ONE,
    ),
    "quality of an absent channel": (
        lambda r: header(r, quality={"emg.soleus.l": "dead"}),
        DataReason.UNKNOWN_CHANNEL,
        ONE,
    ),
    "duplicate subject": (
        lambda r: edit(r / "subjects.parquet", lambda t: pa.concat_tables([t, t.slice(0, 1)])),
        DataReason.DUPLICATE,
        "subjects.parquet",
    ),
    "unknown subject": (
        lambda r: edit(r / "subjects.parquet", lambda t: t.slice(1)),
        DataReason.UNKNOWN_SUBJECT,
        ONE,
    ),
    "subject ID with a slash": (
        lambda r: edit(
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
