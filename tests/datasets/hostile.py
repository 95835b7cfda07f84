"""Ways to spoil the small sources, each with the reason it must be refused for."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import scipy.io

from kinefed.datasets import DataReason


def _edit_csv(path: Path, change: Callable[[list[str]], list[str]]) -> None:
    packed = path.suffix == ".gz"
    content = path.read_bytes()
    rows = (gzip.decompress(content) if packed else content).decode().splitlines()
    text = ("\n".join(change(rows)) + "\n").encode()
    path.write_bytes(gzip.compress(text) if packed else text)


def _npz(path: Path, **arrays: object) -> None:
    with np.load(path, allow_pickle=False) as archive:
        body = {name: archive[name] for name in archive.files}
    np.savez(path, **(body | arrays))  # type: ignore[arg-type]


def _replace(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def _patch(path: Path, old: bytes, new: bytes) -> None:
    content = path.read_bytes()
    assert old in content
    assert len(old) == len(new)
    path.write_bytes(content.replace(old, new, 1))


def _swap(rows: list[str]) -> list[str]:
    return [*rows[:20], rows[21], rows[20], *rows[22:]]


def _without(column: str) -> Callable[[list[str]], list[str]]:
    def change(rows: list[str]) -> list[str]:
        at = rows[0].split(",").index(column)
        return [",".join(c for i, c in enumerate(r.split(",")) if i != at) for r in rows]

    return change


def _set(column: str, row: int, value: str) -> Callable[[list[str]], list[str]]:
    def change(rows: list[str]) -> list[str]:
        at = rows[0].split(",").index(column)
        cells = rows[row].split(",")
        cells[at] = value
        return [*rows[:row], ",".join(cells), *rows[row + 1 :]]

    return change


def _strides(path: Path, change: Callable[[Any], None]) -> None:
    body = scipy.io.loadmat(path, struct_as_record=False, squeeze_me=True)["ExperimentalData"]
    change(body)
    scipy.io.savemat(path, {"ExperimentalData": body})


HOSTILE: dict[str, tuple[str, Callable[[Path], object], DataReason]] = {
    "pickle in npz": (
        "cmu",
        lambda f: _npz(f / "Sub01_EMGBaseline.npz", acc=np.array([{}], dtype=object)),
        DataReason.UNREADABLE,
    ),
    "npz lacks an array": (
        "elderly_isometric",
        lambda f: np.savez(f / "ID01.npz", EMG_VL=np.zeros((10, 4))),
        DataReason.MISSING_COLUMN,
    ),
    "npz of integers": (
        "elderly_isometric",
        lambda f: _npz(f / "ID01.npz", DNM=np.zeros((4000, 4), dtype=np.int64)),
        DataReason.BAD_FORMAT,
    ),
    "npz of another shape": (
        "cmu",
        lambda f: _npz(f / "Sub01_EMGBaseline.npz", acc=np.zeros((300, 23))),
        DataReason.BAD_FORMAT,
    ),
    "npz time backwards": (
        "cmu",
        lambda f: _npz(f / "Sub01_EMGBaseline.npz", t_imu=-np.arange(300) / 100.0),
        DataReason.TIME_ORDER,
    ),
    "npz with a NaN": (
        "cmu",
        lambda f: _npz(f / "Sub01_EMGBaseline.npz", gyr=np.full((300, 24), np.nan)),
        DataReason.NOT_FINITE,
    ),
    "npz in g": (
        "cmu",
        lambda f: _npz(f / "Sub01_EMGBaseline.npz", acc=np.full((300, 24), 0.57)),
        DataReason.OUT_OF_RANGE,
    ),
    "npz in degrees": (
        "cmu",
        lambda f: _npz(f / "Sub01_EMGBaseline.npz", gyr=np.full((300, 24), 180.0)),
        DataReason.OUT_OF_RANGE,
    ),
    "npz of another name": (
        "elderly_isometric",
        lambda f: (f / "ID01.npz").rename(f / "ID0x.npz"),
        DataReason.BAD_NAME,
    ),
    "one ID twice": (
        "elderly_isometric",
        lambda f: (f / "ID001.npz").write_bytes((f / "ID01.npz").read_bytes()),
        DataReason.DUPLICATE,
    ),
    "a workbook that is none": (
        "elderly_isometric",
        lambda f: (f / "Demographics.xlsx").write_bytes(b"PK"),
        DataReason.UNREADABLE,
    ),
    "csv time backwards": (
        "opencap",
        lambda f: _edit_csv(
            f / "derived_id/S4__squats1.csv.gz", lambda r: _with_index(f, _swap(r))
        ),
        DataReason.TIME_ORDER,
    ),
    "csv lacks a column": (
        "opencap",
        lambda f: _edit_csv(f / "derived_id/S4__squats1.csv.gz", _without("id_valid")),
        DataReason.MISSING_COLUMN,
    ),
    "csv lacks the knee": (
        "opencap",
        lambda f: _edit_csv(
            f / "derived_id/S4__squats1.csv.gz", _without("knee_angle_r_moment_Nm")
        ),
        DataReason.MISSING_COLUMN,
    ),
    "csv lost rows": (
        "opencap",
        lambda f: _edit_csv(f / "derived_id/S4__squats1.csv.gz", lambda r: r[:-5]),
        DataReason.TRUNCATED,
    ),
    "csv in degrees where radians are": (
        "opencap",
        lambda f: _edit_csv(
            f / "derived_id/S4__squats1.csv.gz", _set("knee_angle_r_deg", 30, "3600")
        ),
        DataReason.OUT_OF_RANGE,
    ),
    "csv with a NaN": (
        "opencap",
        lambda f: _edit_csv(f / "derived_id/S4__squats1.csv.gz", _set("hip_flexion_r_deg", 30, "")),
        DataReason.NOT_FINITE,
    ),
    "csv with a word": (
        "perturbed_ankle",
        lambda f: _edit_csv(f / "data_ankle.csv.gz", _set("vgrf_N", 30, "heavy")),
        DataReason.BAD_FORMAT,
    ),
    "csv with a gap in time": (
        "perturbed_ankle",
        lambda f: _edit_csv(f / "data_ankle.csv.gz", lambda r: r[:50] + r[60:]),
        DataReason.RATE_MISMATCH,
    ),
    "csv too short for a mass": (
        "perturbed_ankle",
        lambda f: _edit_csv(f / "data_ankle.csv.gz", lambda r: r[:1000]),
        DataReason.NO_MASS,
    ),
    "a subject with a slash": (
        "opencap",
        lambda f: _replace(f / "derived_id/INDEX.csv", "S4,", "../S4,"),
        DataReason.PATH_ESCAPE,
    ),
    "a trial with a path": (
        "opencap",
        lambda f: _replace(f / "derived_id/INDEX.csv", "squats1", "../../squats1"),
        DataReason.PATH_ESCAPE,
    ),
    "an impossible mass": (
        "opencap",
        lambda f: _replace(f / "derived_id/INDEX.csv", "50.0", "-50.0"),
        DataReason.OUT_OF_RANGE,
    ),
    "a mass of words": (
        "opencap",
        lambda f: _replace(f / "derived_id/INDEX.csv", "50.0", "light"),
        DataReason.BAD_FORMAT,
    ),
    "mat of another layout": (
        "kuleuven",
        lambda f: scipy.io.savemat(f / "ExperimentalData.mat", {"x": 1.0}),
        DataReason.UNREADABLE,
    ),
    "mat with a NaN": (
        "kuleuven",
        lambda f: _strides(
            f / "ExperimentalData.mat", lambda e: e.Q.subject1.Qs.all.__setitem__((5, 1, 0), np.nan)
        ),
        DataReason.NOT_FINITE,
    ),
    "mat whose speeds are others": (
        "kuleuven",
        lambda f: _strides(
            f / "ExperimentalData.mat",
            lambda e: e.Q.subject1.Qdots.all.__imul__(np.array([1.0, 1.0, 3.0, 1.0])[:, None]),
        ),
        DataReason.RATE_MISMATCH,
    ),
    "storage without a mass": (
        "opensim",
        lambda f: _replace(f / "P1/subject.toml", "mass_kg = 50.0", ""),
        DataReason.NO_MASS,
    ),
    "storage of an unnamed plate": (
        "opensim",
        lambda f: _replace(f / "P1/squat1_grf.mot", "ground_force_r_v", "ground_force_1_v"),
        DataReason.MISSING_COLUMN,
    ),
    "storage that says radians": (
        "opensim",
        lambda f: _replace(f / "P1/squat1_ik.mot", "inDegrees=yes", "inDegrees=no"),
        DataReason.OUT_OF_RANGE,
    ),
    "storage with an odd person": (
        "opensim",
        lambda f: _replace(f / "P1/subject.toml", "mass_kg", "weight"),
        DataReason.BAD_FORMAT,
    ),
    "storage with a person of 20 cm": (
        "opensim",
        lambda f: _replace(f / "P1/subject.toml", "height_m = 1.8", "height_m = 0.2"),
        DataReason.OUT_OF_RANGE,
    ),
    "storage with a person who leaves": (
        "opensim",
        lambda f: _replace(f / "P1/subject.toml", "mass_kg", 'id = "../x"\nmass_kg'),
        DataReason.PATH_ESCAPE,
    ),
    "table path leaves": (
        "table",
        lambda f: _replace(f / "mapping.toml", '"walk.csv"', '"../walk.csv"'),
        DataReason.PATH_ESCAPE,
    ),
    "table path is absolute": (
        "table",
        lambda f: _replace(f / "mapping.toml", '"walk.csv"', '"/etc/passwd"'),
        DataReason.PATH_ESCAPE,
    ),
    "table unit is wrong": (
        "table",
        lambda f: _replace(f / "mapping.toml", '"deg"', '"N m"'),
        DataReason.WRONG_UNIT,
    ),
    "table unit is missing a mass": (
        "table",
        lambda f: _replace(f / "mapping.toml", "mass_kg = 70.0", ""),
        DataReason.NO_MASS,
    ),
    "table says radians of degrees": (
        "table",
        lambda f: _replace(f / "mapping.toml", '"deg"', '"rad"'),
        DataReason.OUT_OF_RANGE,
    ),
    "table channel is unknown": (
        "table",
        lambda f: _replace(f / "mapping.toml", "angle.knee_flexion.r", "angle.knee.r"),
        DataReason.UNKNOWN_CHANNEL,
    ),
    "table column is missing": (
        "table",
        lambda f: _replace(f / "mapping.toml", '"KneeR"', '"KneeX"'),
        DataReason.MISSING_COLUMN,
    ),
    "table sign is two": (
        "table",
        lambda f: _replace(f / "mapping.toml", "sign = -1", "sign = 2"),
        DataReason.BAD_FORMAT,
    ),
    "table rate is wrong": (
        "table",
        lambda f: _replace(
            f / "mapping.toml", 'time = "t"\nrate_hz = 1000', 'time = "t"\nrate_hz = 900'
        ),
        DataReason.RATE_MISMATCH,
    ),
    "table without time": (
        "table",
        lambda f: _replace(
            f / "mapping.toml",
            'rate_hz = 1000\ncolumns = [{ column = "Mknee"',
            'columns = [{ column = "Mknee"',
        ),
        DataReason.BAD_FORMAT,
    ),
    "table of a stranger": (
        "table",
        lambda f: _replace(f / "mapping.toml", 'subject = "P1"', 'subject = "P2"'),
        DataReason.UNKNOWN_SUBJECT,
    ),
    "table time backwards": (
        "table",
        lambda f: _edit_csv(f / "walk.csv", _swap),
        DataReason.TIME_ORDER,
    ),
    "table mapping is no TOML": (
        "table",
        lambda f: (f / "mapping.toml").write_text("[dataset"),
        DataReason.BAD_FORMAT,
    ),
    "edf that is none": (
        "edf",
        lambda f: (f / "own.edf").write_bytes(b"not a recording " * 100),
        DataReason.UNREADABLE,
    ),
    "edf with bytes behind its end": (
        "edf",
        lambda f: (f / "own.edf").write_bytes((f / "own.edf").read_bytes() + b"xx"),
        DataReason.UNREADABLE,
    ),
    "edf in pieces": (
        "edf",
        lambda f: _patch(f / "own.edf", b"EDF+C", b"EDF+D"),
        DataReason.RATE_MISMATCH,
    ),
    "edf without a span": (
        "edf",
        lambda f: _patch(f / "own.edf", b"-32768  -32768", b"32767   -32768"),
        DataReason.UNREADABLE,
    ),
    "edf with a limit that is none": (
        "edf",
        lambda f: _patch(f / "own.edf", b"9.8101  ", b"nan     "),
        DataReason.BAD_FORMAT,
    ),
    "edf of a newer format": (
        "edf",
        lambda f: _patch(f / "own.edf", b'"format": 1', b'"format": 9'),
        DataReason.UNREADABLE,
    ),
    "edf of a person who leaves": (
        "edf",
        lambda f: _patch(f / "own.edf", b"P1/home/push_02", b"../home/push_02"),
        DataReason.PATH_ESCAPE,
    ),
    "edf of an unknown channel": (
        "edf",
        lambda f: _patch(f / "own.edf", b"emg.soleus.r of", b"emg.solexs.r of"),
        DataReason.UNKNOWN_CHANNEL,
    ),
    "edf of another unit": (
        "edf",
        lambda f: _patch(f / "own.edf", b"uV      ", b"Pa      "),
        DataReason.WRONG_UNIT,
    ),
    "edf with fewer samples than it says": (
        "edf",
        lambda f: _patch(f / "own.edf", b'"samples": 500', b'"samples": 999'),
        DataReason.UNREADABLE,
    ),
    "bdf cut short": (
        "edf",
        lambda f: (f / "P2/walk1.bdf").write_bytes((f / "P2/walk1.bdf").read_bytes()[:-1]),
        DataReason.UNREADABLE,
    ),
    "c3d that is none": (
        "c3d",
        lambda f: (f / "P1/walk01.c3d").write_bytes(b"not a recording " * 100),
        DataReason.BAD_FORMAT,
    ),
    "c3d task unknown": (
        "mcgill",
        lambda f: (f / "P1/Turn").rename(f / "P1/Hop"),
        DataReason.BAD_NAME,
    ),
}


def _with_index(folder: Path, rows: list[str]) -> list[str]:
    return rows
