"""Every importer on a small source of known numbers: signs, units, masks, and hostile input."""

from __future__ import annotations

import builtins
import math
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sources

from kinefed.datasets import (
    IMPORTERS,
    DataError,
    DataReason,
    Dataset,
    ImportOptions,
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
    binary = (".c3d", ".edf", ".gz", ".npz", ".mat", ".sto")
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
    "edf": {"force.load_cell": 9.81, "emg.soleus.r": 1e-3},
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


def test_a_knee_that_counts_extension_is_turned_round(
    source: sources.Sources, tmp_path: Path
) -> None:
    usual = _first(_import(source, "opensim", tmp_path / "made"))
    folder = source.folder / "P1"
    for name, number in (("squat1_ik.mot", "90"), ("squat1_id.sto", "100")):
        text = (folder / name).read_text()
        cells = {f"\t{number}\t": f"\t-{number}\t", f"\t-{number}\t": f"\t{number}\t"}
        turned = re.sub("|".join(cells), lambda found, cells=cells: cells[found[0]], text)
        assert turned != text
        (folder / name).write_text(turned)
    with pytest.raises(DataError, match="beyond extension"):
        import_dataset("opensim", source.folder, tmp_path / "refused")
    assert not (tmp_path / "refused").exists()
    with (folder / "subject.toml").open("a") as file:
        file.write('knee_angle = "extension"\n')
    other = _first(import_dataset("opensim", source.folder, tmp_path / "turned"))
    for stream, channel in (("kinematics", "angle.knee_flexion.r"), ("torque", "torque.knee.r")):
        ours, theirs = (r.streams[stream].column(channel) for r in (usual, other))
        np.testing.assert_allclose(theirs, ours)
        assert np.abs(ours).min() > 0.0


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
