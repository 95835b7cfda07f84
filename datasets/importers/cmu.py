"""The ``cmu`` format: walking with eight worn IMUs on an instrumented treadmill.

Source: github.com/opearl-cmu/CapacitiveSensingDataset, as ``<person>_<trial>.npz`` with ``acc``,
``gyr``, ``imu_names``, ``t_imu``, ``grf``, ``grf_cols``. IMU and forces have clocks that were only
roughly aligned: align them before one is used to predict the other.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from kinefed.datasets.errors import DataError, DataReason
from kinefed.datasets.importers._build import make_stream, streams_by_name
from kinefed.datasets.importers._opensim import AXES
from kinefed.datasets.importers._read import (
    find_files,
    need_columns,
    read_npz,
    read_xlsx,
    uniform_rate,
)
from kinefed.datasets.importers._registry import Imported, ImportOptions
from kinefed.datasets.types import (
    DatasetInfo,
    FloatArray,
    Recording,
    RecordingRef,
    Stream,
    Subject,
    Trial,
)

_TASKS = {"EMGBaseline": "walk", "EMGStiffKnee": "walk-stiff-knee"}
_BODIES = {"torso": "torso", "pelvis": "pelvis"} | {
    f"{bone}_{side}": f"{site}.{side}"
    for bone, site in (("femur", "thigh"), ("tibia", "shank"), ("toes", "foot"))
    for side in "rl"
}
_ARRAYS = ("acc", "gyr", "imu_names", "t_imu", "grf", "grf_cols")
INFO = DatasetInfo(
    name="cmu-imu-grf",
    version="2fb09953",
    licence="MIT",
    citation="Pearl et al. 2022, https://github.com/opearl-cmu/CapacitiveSensingDataset",
    notes="Worn XSens IMUs in each sensor's own axes; forces on each foot in the laboratory's "
    "axes, x forward. IMU and force clocks agree only roughly. No torque.",
)


def read(src: Path, options: ImportOptions) -> Imported:
    """Read the set: one recording a file.

    Parameters
    ----------
    src
        The folder with ``*.npz`` and, if it is there, ``MetaData.xlsx``.
    options
        Nothing is needed.
    """
    rows = read_xlsx(src / "MetaData.xlsx") if (src / "MetaData.xlsx").is_file() else []
    described = {row.get("Subject ID", "").split(" ")[0]: row for row in rows}
    plan: list[tuple[Path, RecordingRef]] = []
    people: dict[str, Subject] = {}
    for path in find_files(src, "*.npz"):
        match = re.fullmatch(r"(Sub(\d{1,3}))_(\w+)", path.stem)
        if match is None or match[3] not in _TASKS:
            raise DataError(
                DataReason.BAD_NAME,
                f"not named Sub<number>_<{' or '.join(_TASKS)}>.npz",
                where=path,
                next_step="Rename it as published",
            )
        people[match[1]] = _subject(match[1], described.get(str(int(match[2])), {}), src)
        plan.append((path, RecordingRef(match[1], "s01", _TASKS[match[3]], 1)))

    def recordings() -> Iterator[Recording]:
        for path, ref in plan:
            yield _recording(read_npz(path, _ARRAYS), ref, path)

    return Imported(INFO, tuple(people.values()), recordings())


def _recording(arrays: dict[str, Any], ref: RecordingRef, path: Path) -> Recording:
    names = [str(name).removesuffix("_imu_offset_imu") for name in arrays["imu_names"]]
    need_columns(names, tuple(_BODIES), path)
    columns: dict[str, FloatArray] = {}
    for kind, key in (("acc", "acc"), ("gyro", "gyr")):
        values = _matrix(arrays[key], 3 * len(names), key, path)
        for i, name in enumerate(names):
            for j, axis in enumerate("xyz"):
                if name in _BODIES:
                    columns[f"{kind}.{_BODIES[name]}.{axis}"] = values[:, 3 * i + j]
    rate_hz, start_s = uniform_rate(arrays["t_imu"].astype(np.float64), path)
    imu = make_stream("imu", rate_hz, start_s, columns)
    streams = streams_by_name((imu, _grf(arrays, path)))
    sensors = dict.fromkeys(_BODIES.values(), "XSens, worn")
    return Recording(
        ref, streams, trials=(Trial(0, start_s, start_s + imu.duration_s),), sensors=sensors
    )


def _grf(arrays: dict[str, Any], path: Path) -> Stream:
    names = [str(name) for name in arrays["grf_cols"]]
    values = _matrix(arrays["grf"], len(names), "grf", path)
    table = {name: values[:, i] for i, name in enumerate(names)}
    need_columns(names, ("time", *(f"{s}F{a}" for s in "lr" for a in "xyz")), path)
    rate_hz, start_s = uniform_rate(table["time"], path)
    columns: dict[str, FloatArray] = {}
    for side in "lr":
        for axis, name in AXES.items():
            columns[f"grf.foot.{side}.{name}"] = table[f"{side}F{axis}"]
            if f"{side}COP{axis}" in table:
                columns[f"cop.foot.{side}.{name}"] = table[f"{side}COP{axis}"]
        if f"{side}My" in table:
            columns[f"free_moment.foot.{side}"] = table[f"{side}My"]
    return make_stream("grf", rate_hz, start_s, columns)


def _matrix(array: Any, width: int, name: str, path: Path) -> FloatArray:
    if array.ndim != 2 or array.shape[1] != width or array.dtype.kind != "f":
        raise DataError(
            DataReason.BAD_FORMAT,
            f"{name} is {array.dtype} of {array.shape}, not real of (samples, {width})",
            where=path,
            next_step="Download it again",
        )
    found: FloatArray = array.astype(np.float64)
    return found


def _subject(name: str, row: dict[str, str], src: Path) -> Subject:
    try:
        number = {
            key: float(row[column])
            for key, column in (
                ("age_years", "Age (Years)"),
                ("height_m", "Height (m)"),
                ("mass_kg", "Mass (kg)"),
                ("leg", "LegLength (m)"),
            )
            if column in row
        }
    except ValueError as error:
        raise DataError(
            DataReason.BAD_FORMAT, f"{name} has no number: {error}", where=src / "MetaData.xlsx"
        ) from error
    sex = row.get("Sex (Self-Reported)", "").strip().lower()
    return Subject(
        name,
        sex=sex if sex in ("f", "m") else None,
        age_years=number.get("age_years"),
        height_m=number.get("height_m"),
        mass_kg=number.get("mass_kg"),
        segment_lengths_m={"leg": number["leg"]} if "leg" in number else {},
    )
