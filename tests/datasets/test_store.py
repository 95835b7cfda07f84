"""The dataset folder: written all or nothing, read back equal."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import people
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kinefed.datasets import (
    DataError,
    DataReason,
    Dataset,
    DatasetInfo,
    Recording,
    RecordingRef,
    Stream,
    Subject,
    write_dataset,
)


def test_a_dataset_comes_back_as_it_was_written(tmp_path: Path) -> None:
    dataset = people.write(tmp_path / "made")
    again = Dataset.open(tmp_path / "made")
    assert again == dataset
    assert again.info.notes == "signs:\n\textension + \x7f é"
    assert again.subjects["S01"] == Subject(
        "S01", group="twins", mass_kg=60.0, height_m=1.7, sex="f", age_years=30.0
    )
    assert again.subjects["S02"].segment_lengths_m == {"leg.r": 0.8}
    assert again.subjects["S03"].group == "S03"
    assert again.tasks == ("turn", "walk")
    assert again.groups == ("S03", "twins")
    assert len(again.select(subject="S02", task="walk")) == 4
    for ref in again.refs:
        expected, found = people.recording(ref.subject, ref.session, ref.task, ref.index), None
        found = again.load(ref)
        assert found.ref == ref == RecordingRef.parse(ref.key)
        for field in ("trials", "events", "gaps", "sensors", "quality"):
            assert getattr(found, field) == getattr(expected, field)
        for name, stream in expected.streams.items():
            np.testing.assert_array_equal(found.streams[name].data, stream.data)
            assert found.streams[name].units == stream.units
            assert found.streams[name].rate_hz == stream.rate_hz


def test_no_thread_of_arrow_holds_bytes_of_python(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Read from a file of Python's, half of all programs that ended at once were aborted."""
    people.write(tmp_path / "made")
    sources: list[object] = []

    plain = pq.ParquetFile

    def opened(source: object) -> pq.ParquetFile:
        sources.append(source)
        return plain(source)

    monkeypatch.setattr("kinefed.datasets._files.pq.ParquetFile", opened)
    Dataset.open(tmp_path / "made")
    assert sources
    assert all(isinstance(s, pa.NativeFile) and not isinstance(s, pa.PythonFile) for s in sources)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rate_hz=st.floats(0.5, 5000.0),
    start_s=st.floats(-1e4, 1e4),
    values=st.lists(st.floats(-3.0, 3.0), min_size=1, max_size=30),
)
def test_numbers_survive_to_the_last_bit(
    tmp_path_factory: pytest.TempPathFactory, rate_hz: float, start_s: float, values: list[float]
) -> None:
    stream = Stream(
        "kinematics", rate_hz, start_s, ("angle.knee_flexion.r",), ("rad",), np.c_[values]
    )
    body = Recording(RecordingRef("S", "s", "t", 0), {"kinematics": stream})
    dest = tmp_path_factory.mktemp("bits") / "made"
    dataset = write_dataset(dest, DatasetInfo("x"), [Subject("S")], [body])
    found = dataset.load(dataset.refs[0]).streams["kinematics"]
    np.testing.assert_array_equal(found.data, stream.data)
    assert (found.rate_hz, found.start_s) == (rate_hz, start_s)


def test_an_existing_destination_is_refused_and_kept(tmp_path: Path) -> None:
    (tmp_path / "made").mkdir()
    (tmp_path / "made" / "precious").write_text("x")
    with pytest.raises(DataError) as caught:
        people.write(tmp_path / "made")
    assert caught.value.reason is DataReason.EXISTS
    assert [p.name for p in (tmp_path / "made").iterdir()] == ["precious"]


def test_a_failure_half_way_leaves_nothing(tmp_path: Path) -> None:
    def broken() -> Iterator[Recording]:
        yield people.recording()
        raise RuntimeError("the disk caught fire")

    with pytest.raises(RuntimeError):
        write_dataset(tmp_path / "made", DatasetInfo("x"), [Subject("S01")], broken())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("subjects", "recordings", "reason"),
    [
        ([Subject("S01"), Subject("S01")], [people.recording()], DataReason.DUPLICATE),
        ([Subject("S01")], [people.recording(), people.recording()], DataReason.DUPLICATE),
        ([Subject("S02")], [people.recording()], DataReason.UNKNOWN_SUBJECT),
        ([Subject("S01")], [], DataReason.EMPTY),
    ],
)
def test_what_does_not_fit_together_is_refused(
    tmp_path: Path, subjects: list[Subject], recordings: list[Recording], reason: DataReason
) -> None:
    with pytest.raises(DataError) as caught:
        write_dataset(tmp_path / "made", DatasetInfo("x"), subjects, recordings)
    assert caught.value.reason is reason
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["../x", "a/b", "a\\b", "..", "a..b"])
def test_a_name_that_leaves_the_folder_is_an_escape(name: str) -> None:
    with pytest.raises(DataError) as caught:
        Subject(name)
    assert caught.value.reason is DataReason.PATH_ESCAPE
    with pytest.raises(DataError):
        RecordingRef("S01", name, "walk", 1)
    with pytest.raises(DataError):
        RecordingRef("S01", "s01", name, 1)


@pytest.mark.parametrize(
    "name", ["", ".hidden", "a b", "x" * 81, "CON", "naïve", "a\n", "trailing."]
)
def test_a_name_that_is_no_folder_on_every_system_is_refused(name: str) -> None:
    with pytest.raises(DataError):
        Subject(name)


@pytest.mark.parametrize("key", ["S01/s01/walk", "S01/walk_01", "S01/s01/_01", "S01/s01/walk_x"])
def test_a_key_that_names_no_recording_is_refused(key: str) -> None:
    with pytest.raises(DataError):
        RecordingRef.parse(key)


def test_data_of_a_stream_cannot_be_changed() -> None:
    body = people.recording().streams["kinematics"]
    with pytest.raises(ValueError, match="read-only"):
        body.data[0, 0] = 1.0
    with pytest.raises(ValueError, match="read-only"):
        body.column("angle.knee_flexion.r")[0] = 1.0


@pytest.mark.parametrize(
    "broken",
    [
        {"rate_hz": 0.0},
        {"rate_hz": float("nan")},
        {"start_s": float("inf")},
        {"units": ("rad", "rad")},
        {"data": np.zeros(3)},
        {"data": np.zeros((3, 2))},
        {
            "channels": ("angle.knee_flexion.r",) * 2,
            "units": ("rad",) * 2,
            "data": np.zeros((3, 2)),
        },
    ],
)
def test_a_stream_that_contradicts_itself_is_refused(broken: dict[str, object]) -> None:
    fields = {
        "name": "kinematics",
        "rate_hz": 100.0,
        "start_s": 0.0,
        "channels": ("angle.knee_flexion.r",),
        "units": ("rad",),
        "data": np.zeros((3, 1)),
    }
    with pytest.raises(DataError):
        Stream(**(fields | broken))  # type: ignore[arg-type]


def test_errors_cross_a_process_pool_whole() -> None:
    error = DataError(DataReason.EMPTY, "no rows", where="a.csv", next_step="Export again")
    again = pickle.loads(pickle.dumps(error))
    assert (again.reason, str(again), again.exit_code) == (error.reason, str(error), 3)
    assert str(error) == "a.csv: no rows. Export again"


def test_a_subject_out_of_this_world_is_refused() -> None:
    for fields in (
        {"mass_kg": 0.0},
        {"mass_kg": 0.7},
        {"height_m": 170.0},
        {"height_m": 0.2},
        {"age_years": -1.0},
        {"age_years": 0.0},
        {"sex": "F"},
    ):
        with pytest.raises(DataError):
            Subject("S01", **fields)  # type: ignore[arg-type]
