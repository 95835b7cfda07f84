"""Every importer on a small source of known numbers: signs, units, masks, and hostile input."""

from __future__ import annotations

import builtins
import gzip
import math
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.io
import sources

from kinefed.datasets import (
    IMPORTERS,
    DataError,
    DataReason,
    Dataset,
    ImportOptions,
    KinefedError,
    Recording,
    UsageError,
    UsageReason,
    check_dataset,
    import_dataset,
)

OPTIONS = {"kuleuven": ImportOptions(mass_kg=60.0)}
FORMATS = sorted(IMPORTERS)


def _import(source: sources.Sources, name: str, dest: Path) -> Dataset:
    return import_dataset(name, source.write(name), dest, OPTIONS.get(name))


def _first(dataset: Dataset) -> Recording:
    return dataset.load(dataset.refs[0])


def _level(recording: Recording, channel: str) -> float:
    stream = recording.find(channel)
    assert stream is not None, channel
    return float(np.nanmax(stream.column(channel), initial=-np.inf))


@pytest.mark.parametrize("name", FORMATS)
def test_every_importer_makes_a_sound_dataset(
    name: str, source: sources.Sources, tmp_path: Path
) -> None:
    dataset = _import(source, name, tmp_path / "made")
    assert dataset.refs
    assert check_dataset(dataset.path) == []
    assert dataset.info.notes
    assert IMPORTERS[name].about


@pytest.mark.parametrize("name", FORMATS)
def test_every_importer_refuses_an_existing_destination(
    name: str, source: sources.Sources, tmp_path: Path
) -> None:
    (tmp_path / "made").mkdir()
    with pytest.raises(DataError) as caught:
        _import(source, name, tmp_path / "made")
    assert caught.value.reason is DataReason.EXISTS


@pytest.mark.parametrize("name", FORMATS)
def test_every_importer_refuses_an_empty_folder(name: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError) as caught:
        import_dataset(name, tmp_path / "empty", tmp_path / "made", OPTIONS.get(name))
    assert caught.value.reason is DataReason.NOT_FOUND
    with pytest.raises(DataError):
        import_dataset(name, tmp_path / "none", tmp_path / "made", OPTIONS.get(name))


@pytest.mark.parametrize("cut", [0.0, 0.1, 0.5, 0.97])
@pytest.mark.parametrize("name", FORMATS)
def test_a_truncated_file_is_one_clear_error_and_nothing_is_written(
    name: str, cut: float, source: sources.Sources, tmp_path: Path
) -> None:
    folder = source.write(name)
    binary = (".c3d", ".gz", ".npz", ".mat", ".sto")
    (path, *_) = sorted(
        p for p in folder.rglob("*") if p.suffix in (binary if name != "table" else (".csv",))
    )
    content = path.read_bytes()
    # A table of text is cut inside a row: between rows it would be a shorter, whole table.
    end = int(len(content) * cut)
    if path.suffix == ".csv" and end:
        end = content.rfind(b",", 0, end)
    path.write_bytes(content[:end])
    with pytest.raises(DataError) as caught:
        import_dataset(name, folder, tmp_path / "made", OPTIONS.get(name))
    assert path.name in caught.value.where
    assert caught.value.next_step
    assert sorted(p.name for p in tmp_path.iterdir()) == ["source"]


def test_an_unknown_format_is_wrong_use(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        import_dataset("excel", tmp_path, tmp_path / "made")
    assert caught.value.reason is UsageReason.UNKNOWN_NAME
    assert "mcgill" in str(caught.value)


def test_c3d_without_the_extra_says_what_to_install(
    source: sources.Sources, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = source.c3d()
    monkeypatch.delitem(sys.modules, "ezc3d", raising=False)
    real = builtins.__import__

    def without(name: str, *args: Any, **kwargs: Any) -> Any:
        if name == "ezc3d":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(UsageError, match=r'pip install "kinefed\[import\]"') as caught:
        import_dataset("c3d", folder, tmp_path / "made")
    assert caught.value.reason is UsageReason.MISSING_EXTRA


# What each small source must become: signs and units by hand.
EXPECTED: dict[str, Mapping[str, float]] = {
    "c3d": {
        "angle.hip_flexion.r": math.radians(10.0),
        "angle.ankle_dorsiflexion.l": math.radians(30.0),
        "torque.hip.r": 1.0,
        "torque.knee.r": 2.0,
        "torque.ankle.l": 3.0,
        "torque.hip_abduction.r": 0.5,
        "grf.foot.r.vertical": 9.0 * sources.MASS_KG,
        "grf.foot.r.anterior": 1.0 * sources.MASS_KG,  # walking along y
        "grf.foot.r.lateral": 2.0 * sources.MASS_KG,  # x is to the right of y
        "marker.sacr.z": 0.9,
    },
    "opencap": {
        "angle.knee_flexion.r": math.radians(60.0),
        "angle.ankle_dorsiflexion.l": math.radians(-20.0),
        "torque.hip.r": 1.0,
        "torque.hip_abduction.l": 0.5,
        "torque.knee.r": 2.0,
        "torque.ankle.l": 1.5,
        "grf.foot.r.vertical": 500.0,
        "grf.foot.l.anterior": 10.0,
        "grf.foot.r.lateral": -20.0,
        "acc.shank.r.y": 9.8,
    },
    "perturbed_ankle": {
        "angle.hip_flexion.r": 0.3,
        "angle.ankle_dorsiflexion.r": 0.2,
        "torque.ankle.r": 120.0 / (700.0 / 9.80665),
    },
    "cmu": {
        "acc.torso.x": 4.0,
        "acc.shank.r.y": 11.0,
        "gyro.foot.l.z": 2.7,
        "grf.foot.l.vertical": 2.0,
        "grf.foot.r.anterior": 7.0,
        "cop.foot.r.lateral": 12.0,
        "free_moment.foot.r": 17.0,
    },
    "kuleuven": {
        "angle.knee_flexion.r": math.radians(60.0),
        "torque.hip.r": 40.0 / 60.0,
        "torque.hip_abduction.r": 0.5,
        "torque.knee.r": 50.0 / 60.0,
        "torque.ankle.r": 1.5,
        "grf.foot.r.vertical": 60.0 * 9.80665,
        "envelope.soleus.r": 0.199,
    },
    "opensim": {
        "angle.knee_flexion.r": math.radians(90.0),
        "torque.knee.r": 2.0,
        "torque.hip_rotation.r": 0.1,
        "grf.foot.r.vertical": 250.0,
    },
    "table": {
        "angle.knee_flexion.r": math.radians(60.0),
        "torque.knee.r": 0.5,
        "emg.vastus_lateralis.r": 50e-6,
    },
}


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_signs_and_units(name: str, source: sources.Sources, tmp_path: Path) -> None:
    recording = _first(_import(source, name, tmp_path / "made"))
    found = {channel: _level(recording, channel) for channel in EXPECTED[name]}
    assert found == pytest.approx(EXPECTED[name], rel=1e-4)


def test_c3d_keeps_people_events_and_whole_contacts(
    source: sources.Sources, tmp_path: Path
) -> None:
    dataset = _import(source, "c3d", tmp_path / "made")
    person = dataset.subjects["P1"]
    assert (person.mass_kg, person.height_m) == (pytest.approx(40.0), pytest.approx(1.5))
    assert person.segment_lengths_m["thigh.r"] == pytest.approx(0.36)
    recording = _first(dataset)
    assert recording.ref.key == "P1/s01/walk_01"
    torque = recording.streams["torque"]
    # The right contact is whole; the left force begins 20 frames after the foot does.
    np.testing.assert_array_equal(
        np.flatnonzero(torque.column("valid.torque.r")), np.arange(20, 80)
    )
    assert torque.column("valid.torque.l").sum() == 0
    assert [(t.start_s, t.end_s) for t in recording.trials] == [(0.2, 0.8)]
    assert [(e.name, e.side, round(e.time_s, 2)) for e in recording.events] == [
        ("foot_strike", "l", 0.2),
        ("foot_strike", "r", 0.2),
        ("foot_off", "l", 0.79),
        ("foot_off", "r", 0.82),
    ]
    assert set(recording.quality) == {"emg.rectus_femoris.r", "emg.tibialis_anterior.l"}


def test_opencap_takes_its_valid_frames(source: sources.Sources, tmp_path: Path) -> None:
    recording = _first(_import(source, "opencap", tmp_path / "made"))
    valid = recording.streams["torque"].column("valid.torque.r")
    np.testing.assert_array_equal(np.flatnonzero(valid), np.arange(10, 60))
    assert recording.ref.task == "squat"


def test_opensim_residuals_make_the_mask(source: sources.Sources, tmp_path: Path) -> None:
    recording = _first(_import(source, "opensim", tmp_path / "made"))
    valid = recording.streams["torque"].column("valid.torque.r")
    # 40 frames are balanced, two are taken off each end.
    np.testing.assert_array_equal(np.flatnonzero(valid), np.arange(2, 38))


def test_the_mass_of_the_perturbed_walk_is_its_mean_force(
    source: sources.Sources, tmp_path: Path
) -> None:
    dataset = _import(source, "perturbed_ankle", tmp_path / "made")
    assert dataset.subjects["P01"].mass_kg == pytest.approx(700.0 / 9.80665, rel=1e-6)
    assert "71.4 kg" in dataset.info.notes


def test_isometric_pairs_are_one_group_and_idle_cells_are_dead(
    source: sources.Sources, tmp_path: Path
) -> None:
    dataset = _import(source, "elderly_isometric", tmp_path / "made")
    assert dataset.groups == ("pair01-02",)
    pulled, idle = (
        dataset.load(dataset.select(who, "knee-extension")[0]) for who in ("ID01", "ID02")
    )
    assert _level(pulled, "force.load_cell.r") == pytest.approx(98.0665)
    assert pulled.streams["force"].data.shape[0] == 3000  # the NaN padding is cut
    assert "force.load_cell.r" not in pulled.quality
    assert idle.quality["force.load_cell.r"] == "dead"


def test_kuleuven_without_a_mass_is_refused_or_without_torque(
    source: sources.Sources, tmp_path: Path
) -> None:
    folder = source.kuleuven()
    with pytest.raises(DataError) as caught:
        import_dataset("kuleuven", folder, tmp_path / "made")
    assert caught.value.reason is DataReason.NO_MASS
    assert "mass_kg" in caught.value.next_step
    bare = import_dataset("kuleuven", folder, tmp_path / "made", ImportOptions(torque=False))
    recording = _first(bare)
    assert set(recording.streams) == {"kinematics", "emg"}
    assert recording.streams["kinematics"].rate_hz == pytest.approx(100.0, rel=2e-3)
    assert not recording.streams["emg"].has("envelope.biceps_femoris.r")  # NaN in this stride


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


@pytest.mark.parametrize("case", sorted(HOSTILE))
def test_hostile_input_is_one_clear_error_and_nothing_is_written(
    case: str, source: sources.Sources, tmp_path: Path
) -> None:
    name, spoil, reason = HOSTILE[case]
    folder = source.write(name)
    spoil(folder)
    with pytest.raises(DataError) as caught:
        import_dataset(name, folder, tmp_path / "made", OPTIONS.get(name))
    assert caught.value.reason is reason, caught.value
    assert caught.value.next_step, caught.value
    assert sorted(p.name for p in tmp_path.iterdir()) == ["source"]


@pytest.mark.parametrize("seed", range(40))
def test_a_damaged_c3d_parameter_section_is_refused_or_read(
    seed: int, source: sources.Sources, tmp_path: Path
) -> None:
    """ezc3d 1.7 ends the process on some damaged sections: the layout is checked before it."""
    from kinefed.datasets.importers._c3d import read_c3d

    path = source.c3d() / "P1/walk01.c3d"
    content = bytearray(path.read_bytes())
    rng = np.random.default_rng(seed)
    for at in rng.integers(512, 512 * 6, 5):
        content[at] = rng.integers(256)
    path.write_bytes(content)
    try:
        assert read_c3d(path).frames > 0
    except KinefedError as error:
        assert error.exit_code == 3  # noqa: PT017
