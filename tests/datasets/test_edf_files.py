"""EDF+ and BDF+: what is written comes back, to half a step; what is damaged is refused."""

from __future__ import annotations

import builtins
import dataclasses
import datetime
import itertools
import sys
from pathlib import Path

import edfio
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kinefed.datasets import (
    DataError,
    DataReason,
    Event,
    Gap,
    ImportOptions,
    KinefedError,
    Recording,
    RecordingRef,
    Stream,
    Subject,
    Trial,
    UsageError,
    import_dataset,
)
from kinefed.datasets.edf import label_of, physical_range, write_edf

REF = RecordingRef("S07", "home", "walk", 3)
WHO = Subject("S07", "family-2", "f", 31.0, 1.7, 64.5, "healthy", {"leg.r": 0.83})
STEPS = {".edf": 65535, ".bdf": 16777215}


def person(seed: int = 0) -> Recording:
    """EMG, a late IMU at another rate, torque with a mask, markers with holes; all at once."""
    rng = np.random.default_rng(seed)
    emg = Stream(
        "band-emg",
        200.0,
        0.0,
        ("emg.vastus_lateralis.r", "emg.gastrocnemius_lateralis.r"),
        ("V", "V"),
        rng.normal(0.0, [1e-4, 2.0], (2013, 2)),
    )
    imu = Stream(
        "shank-imu",
        60.0,
        1.0083,
        tuple(f"{kind}.shank.r.{axis}" for kind in ("acc", "gyro") for axis in "xyz"),
        ("m/s^2",) * 3 + ("rad/s",) * 3,
        rng.normal(0.0, 9.0, (400, 6)),
    )
    torque = rng.normal(0.0, 1.0, 901)
    torque[:40] = np.nan
    valid = np.isfinite(torque).astype(float)
    lab = Stream(
        "torque",
        100.0,
        0.5,
        ("torque.knee.r", "valid.torque.r"),
        ("N m/kg", "1"),
        np.column_stack([torque, valid]),
    )
    path = rng.normal(0.0, 1.0, (500, 3))
    path[100:130] = path[300:301] = np.nan
    markers = Stream(
        "markers", 100.0, 0.0, tuple(f"marker.c7.{a}" for a in "xyz"), ("m",) * 3, path
    )
    return Recording(
        REF,
        {s.name: s for s in (emg, imu, lab, markers)},
        (Trial(1, 0.5, 4.0), Trial(2, 4.0, 8.25)),
        (Event(0.61, "foot_strike", "r"), Event(1.2, "turn to the left")),
        (Gap("shank-imu", 2.0, 2.5),),
        {"shank.r": "Movella DOT", "band": "Thalmic Myo"},
        {"emg.vastus_lateralis.r": "noisy"},
    )


def back(path: Path, tmp_path: Path) -> tuple[Recording, Subject]:
    dataset = import_dataset("edf", path, tmp_path / "made")
    (ref,) = dataset.refs
    return dataset.load(ref), dataset.subjects[ref.subject]


@pytest.mark.parametrize("suffix", STEPS)
def test_a_recording_comes_back_to_half_a_step(suffix: str, tmp_path: Path) -> None:
    recording = person()
    again, who = back(write_edf(tmp_path / f"x{suffix}", recording, WHO), tmp_path)
    assert again.ref == REF
    assert who == WHO
    assert again.sensors == recording.sensors
    assert again.quality == recording.quality
    assert [(e.name, e.side) for e in again.events] == [
        ("foot_strike", "r"),
        ("turn to the left", None),
    ]
    assert [e.time_s for e in again.events] == pytest.approx([0.61, 1.2])
    assert [(t.index, t.start_s, t.end_s) for t in again.trials] == [
        (1, pytest.approx(0.5), pytest.approx(4.0)),
        (2, pytest.approx(4.0), pytest.approx(8.25)),
    ]
    (gap,) = again.gaps
    assert (gap.stream, gap.start_s, gap.end_s) == ("shank-imu", pytest.approx(2.0), 2.5)
    assert set(again.streams) == set(recording.streams)
    for name, stream in recording.streams.items():
        other = again.streams[name]
        assert (other.rate_hz, other.start_s) == (stream.rate_hz, stream.start_s)
        assert (other.channels, other.units) == (stream.channels, stream.units)
        assert (np.isnan(other.data) == np.isnan(stream.data)).all()
        span = np.nanmax(stream.data, axis=0) - np.nanmin(stream.data, axis=0)
        # The limits are rounded outwards to what 8 characters hold.
        allowed = 0.5 * 1.02 * span / STEPS[suffix] + 1e-12
        assert (np.nanmax(np.abs(other.data - stream.data), axis=0) <= allowed).all()
    assert (again.streams["torque"].column("valid.torque.r") % 1.0 == 0.0).all()


def test_24_bits_lose_less_than_16(tmp_path: Path) -> None:
    lost = []
    for suffix in STEPS:
        again, _ = back(write_edf(tmp_path / f"x{suffix}", person()), tmp_path / suffix[1:])
        lost.append(np.abs(again.streams["shank-imu"].data - person().streams["shank-imu"].data))
    assert lost[0].mean() > 100 * lost[1].mean()


def test_other_programs_read_it(tmp_path: Path) -> None:
    path = write_edf(tmp_path / "x.edf", person(), WHO)
    file = edfio.read_edf(path)
    assert file.reserved == "EDF+C"
    assert file.is_continuous
    emg = file.get_signal("emg VastLate r")
    assert (emg.sampling_frequency, emg.physical_dimension) == (200.0, "uV")
    assert emg.data[:2013] == pytest.approx(person().streams["band-emg"].data[:, 0] * 1e6, abs=0.1)
    texts = [note.text for note in file.annotations]
    assert "event r foot_strike" in texts
    assert "gap shank-imu" in texts
    # No name, no birth date, no day.
    assert file.local_patient_identification == "X F X X"
    assert file.starttime == datetime.time(0, 0, 0)
    # A stream that starts later lies where it started.
    acc = file.get_signal("acc.shank.r.x")
    truth = person().streams["shank-imu"].data[:, 0]
    assert acc.data[round(1.0083 * 60) :][:400] == pytest.approx(truth, abs=1e-3)


@given(
    st.lists(st.floats(-1e6, 1e6, allow_subnormal=False), min_size=2, max_size=30),
    st.sampled_from([1e-9, 1e-3, 1.0]),
)
def test_every_range_fits_into_8_characters(values: list[float], scale: float) -> None:
    column = np.array(values) * scale
    low, high = physical_range(column)
    assert low <= column.min()
    assert high >= column.max()
    assert low < high
    for limit in (low, high):
        text = str(int(limit) if limit.is_integer() else limit)
        assert len(text) <= 8
        assert "e" not in text


def test_labels_are_short_and_those_of_one_leg_differ() -> None:
    from kinefed.datasets import KINDS

    muscles = [label_of(f"emg.{site}.r") for site in KINDS["emg"].sites]
    assert max(map(len, muscles)) <= 16
    assert len(set(muscles)) == len(muscles)
    assert label_of("acc.shank.r.x") == "acc.shank.r.x"


RATES = [(148.148148148, 100.0), (1111.0 + 1 / 9, 200.0), (59.94, 100.0), (0.5, 4.0)]


@pytest.mark.parametrize("rates", RATES)
def test_odd_rates_come_back_exactly(rates: tuple[float, float], tmp_path: Path) -> None:
    streams = {
        f"s{i}": Stream(f"s{i}", r, 0.25 * i, (f"force.load_cell.{s}",), ("N",), np.ones((37, 1)))
        for (i, r), s in zip(enumerate(rates), "lr", strict=True)
    }
    again, _ = back(write_edf(tmp_path / "x.edf", Recording(REF, streams)), tmp_path)
    for name, stream in streams.items():
        assert again.streams[name].rate_hz == stream.rate_hz
        assert len(again.streams[name].data) == 37
        assert again.streams[name].start_s == stream.start_s


def test_rates_without_a_common_record_are_refused(tmp_path: Path) -> None:
    streams = {
        f"s{i}": Stream(f"s{i}", r, 0.0, (f"force.load_cell.{s}",), ("N",), np.ones((9, 1)))
        for i, r, s in ((0, 1 / 59, "l"), (1, 1 / 53, "r"))
    }
    with pytest.raises(DataError, match="common data record") as caught:
        write_edf(tmp_path / "x.edf", Recording(REF, streams))
    assert caught.value.reason is DataReason.RATE_MISMATCH
    assert list(tmp_path.iterdir()) == []


@settings(max_examples=20, deadline=None)
@given(st.floats(-50.0, 50.0), st.integers(1, 300), st.integers(0, 2**31))
def test_any_start_and_length_comes_back(
    tmp_path_factory: pytest.TempPathFactory, start_s: float, samples: int, seed: int
) -> None:
    tmp_path = tmp_path_factory.mktemp("edf")
    data = np.random.default_rng(seed).normal(0.0, 3.0, (samples, 1))
    data[np.random.default_rng(seed).random(samples) < 0.2] = np.nan
    stream = Stream("markers", 100.0, start_s, ("marker.c7.x",), ("m",), data)
    other = Stream("force", 80.0, 0.0, ("force.load_cell",), ("N",), np.ones((80, 1)))
    recording = Recording(REF, {s.name: s for s in (stream, other)})
    again, _ = back(write_edf(tmp_path / "x.edf", recording), tmp_path)
    assert again.streams["markers"].start_s == start_s
    assert (np.isnan(again.streams["markers"].data) == np.isnan(data)).all()
    assert np.nan_to_num(again.streams["markers"].data) == pytest.approx(
        np.nan_to_num(data), abs=2e-4
    )


def test_nothing_is_written_over_and_endings_are_known(tmp_path: Path) -> None:
    (tmp_path / "x.edf").write_bytes(b"mine")
    with pytest.raises(DataError) as caught:
        write_edf(tmp_path / "x.edf", person())
    assert caught.value.reason is DataReason.EXISTS
    assert (tmp_path / "x.edf").read_bytes() == b"mine"
    with pytest.raises(UsageError, match="in neither"):
        write_edf(tmp_path / "x.txt", person())
    odd = dataclasses.replace(person(), events=(Event(1.0, "a\x14b"),))
    with pytest.raises(DataError, match="printable"):
        write_edf(tmp_path / "y.edf", odd)
    empty = dataclasses.replace(person(), streams={})
    with pytest.raises(DataError, match="no samples"):
        write_edf(tmp_path / "y.edf", empty)


def test_without_edfio_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "edfio", raising=False)
    real = builtins.__import__

    def without(name: str, *args: object, **kwargs: object) -> object:
        if name == "edfio":
            raise ImportError(name)
        return real(name, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(UsageError, match=r'pip install "kinefed\[import\]"'):
        write_edf(tmp_path / "x.edf", person())


def foreign(path: Path, labels: dict[str, str], rate_hz: float = 1000.0) -> Path:
    rng = np.random.default_rng(1)
    signals = [
        edfio.EdfSignal(
            rng.normal(0.0, 50.0, round(2 * rate_hz)),
            rate_hz,
            label=label,
            physical_dimension=unit,
        )
        for label, unit in labels.items()
    ]
    path.parent.mkdir(exist_ok=True, parents=True)
    edfio.Edf(signals, patient=edfio.Patient(sex="M", name="Jane")).write(path)
    return path


def test_other_programs_files_are_read_by_their_labels(tmp_path: Path) -> None:
    foreign(tmp_path / "src/P3/walk02.edf", {"EMG L Tib Ant": "uV", "EEG Fz": "uV"})
    dataset = import_dataset("edf", tmp_path / "src", tmp_path / "made")
    (ref,) = dataset.refs
    assert ref == RecordingRef("P3", "s01", "walk", 1)
    assert dataset.subjects["P3"].sex == "m"
    (stream,) = dataset.load(ref).streams.values()
    assert (stream.name, stream.rate_hz) == ("emg", 1000.0)
    assert stream.channels == ("emg.tibialis_anterior.l",)
    assert stream.data.std() == pytest.approx(50e-6, rel=0.05)
    assert "Jane" not in repr((dataset.subjects, dataset.load(ref)))


def test_a_mapping_names_what_labels_do_not(tmp_path: Path) -> None:
    path = foreign(tmp_path / "src/walk.edf", {"CH1": "mV", "CH2": "N"})
    with pytest.raises(DataError, match="there are CH1, CH2") as caught:
        import_dataset("edf", path, tmp_path / "made")
    assert caught.value.reason is DataReason.EMPTY
    mapping = tmp_path / "names.toml"
    mapping.write_text('[signals]\nCH1 = "emg.soleus.r"\nCH2 = "force.load_cell"\n')
    dataset = import_dataset("edf", path, tmp_path / "made", ImportOptions(mapping=mapping))
    recording = dataset.load(dataset.refs[0])
    assert {s.name: s.channels for s in recording.streams.values()} == {
        "emg": ("emg.soleus.r",),
        "signals": ("force.load_cell",),
    }
    assert recording.streams["emg"].data.std() == pytest.approx(50e-3, rel=0.05)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[signals", DataReason.BAD_FORMAT),
        ("[channels]\n", DataReason.BAD_FORMAT),
        ('[signals]\nCH1 = "emg.elbow.r"\n', DataReason.UNKNOWN_CHANNEL),
        ('[signals]\nCH1 = "force.load_cell"\n', DataReason.WRONG_UNIT),
        (
            '[signals]\nCH1 = "emg.soleus.r"\nCH2 = "emg.soleus.r"\n',
            DataReason.DUPLICATE,
        ),
    ],
)
def test_wrong_mappings_are_refused(text: str, reason: DataReason, tmp_path: Path) -> None:
    path = foreign(tmp_path / "src/walk.edf", {"CH1": "uV", "CH2": "uV"})
    mapping = tmp_path / "names.toml"
    mapping.write_text(text)
    with pytest.raises(DataError) as caught:
        import_dataset("edf", path, tmp_path / "made", ImportOptions(mapping=mapping))
    assert caught.value.reason is reason
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("seed", range(60))
def test_damaged_files_are_refused_or_read_and_never_crash(seed: int, tmp_path: Path) -> None:
    path = write_edf(tmp_path / ("x.edf" if seed % 2 else "x.bdf"), person(), WHO)
    content = bytearray(path.read_bytes())
    rng = np.random.default_rng(seed)
    header = int(content[184:192])
    for at in rng.integers(0, header + 4000, 1 + seed % 6):
        content[at] = rng.integers(256)
    path.write_bytes(content)
    try:
        import_dataset("edf", path, tmp_path / "made")
    except KinefedError as error:
        assert error.exit_code == 3, error  # noqa: PT017
        assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("suffix", STEPS)
def test_a_file_cut_anywhere_is_refused(suffix: str, tmp_path: Path) -> None:
    path = write_edf(tmp_path / f"x{suffix}", person(), WHO)
    content = path.read_bytes()
    for end in itertools.chain(range(0, 600, 97), range(600, len(content), 19_997)):
        path.write_bytes(content[:end])
        with pytest.raises(DataError) as caught:
            import_dataset("edf", path, tmp_path / "made")
        assert path.name in caught.value.where
        assert caught.value.next_step
