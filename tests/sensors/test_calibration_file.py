"""A calibration comes back as it was, to the bit, and a bad file is refused with its field."""

from datetime import UTC, datetime

import numpy as np
import pytest

from kinefed.datasets.types import Recording, RecordingRef, Stream
from kinefed.sensors.alignment import Alignment
from kinefed.sensors.calibration import Calibration, calibrated, emg_reference
from kinefed.sensors.calibration_errors import CalibrationError, CalibrationReason
from kinefed.sensors.worn import Worn

WHEN = datetime(2026, 5, 4, 9, 30, tzinfo=UTC)
WORN = (
    Worn("dot-1", "movella-dot", address="F0:01", place="thigh.r"),
    Worn("dot-2", "movella-dot", place="shank.r"),
    Worn("band", "myo", electrodes={1: "soleus.r"}),
)


def sits(seed):
    rng = np.random.default_rng(seed)
    quat = rng.standard_normal(4)
    return Alignment(quat / np.linalg.norm(quat), 0.97, 0.6, 0.004, 0.01 * rng.standard_normal(3))


def whole():
    aligned = {"thigh.r": sits(1), "shank.r": sits(2)}
    reference = {"emg.soleus.r": 1 / 3e4, "emg.tibialis_anterior.l": 1e-5}
    return Calibration(WHEN, calibrated(WORN, aligned), reference, "mvc")


def test_it_comes_back_as_it_was(tmp_path):
    path = whole().save(tmp_path / "calibration.toml")
    again = Calibration.load(path)
    assert (again.made, again.emg_from) == (WHEN, "mvc")
    assert again.emg_reference == whole().emg_reference
    assert list(again.sensors) == ["thigh.r", "shank.r"]
    for place, each in whole().sensors.items():
        back = again.sensors[place]
        assert (back.name, back.driver_id, back.address) == (
            each.name,
            each.driver_id,
            each.address,
        )
        for name in ("quat", "gyro_bias", "share", "range_rad", "still_rad_s"):
            ours, theirs = (getattr(x.alignment, name) for x in (each, back))
            assert np.array_equal(ours, theirs), name
    assert again.alignments["shank.r"].rotation.magnitude() > 0.0
    bare = Calibration(WHEN)
    assert Calibration.load(bare.save(path)) == bare


def test_a_crash_while_writing_leaves_the_old_one(tmp_path, monkeypatch):
    path = whole().save(tmp_path / "calibration.toml")
    old = path.read_bytes()

    def full(_number):
        raise OSError("no space left")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="no space"):
        Calibration(WHEN).save(path)
    assert path.read_bytes() == old
    assert [each.name for each in tmp_path.iterdir()] == ["calibration.toml"]


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("format = 1", "format = 2", "format: expected 1"),
        ("format = 1", "", "format: expected a number"),
        ("format = 1", "format = ", "cannot be read"),
        ("+00:00", "", "time zone"),
        ("2026", "soon", "is no time"),
        ('"mvc"', '"guess"', "emg_from"),
        ('"mvc"', '""', "emg_from"),
        ('"emg.soleus.r" = ', '"emg.soleus.r" = -', "emg_reference: emg.soleus.r: expected volts"),
        ('"emg.soleus.r"', '"acc.foot.r.x"', "expected a channel of EMG"),
        ('"emg.soleus.r"', '"emg.wing.r"', "emg.wing.r"),
        ('place = "shank.r"', 'place = "thigh.r"', "sensor[1]: place"),
        ('place = "shank.r"', 'place = "head"', "'head' is no segment"),
        ("w = ", "w = 1", "quat"),
        ("w = ", "q = ", "quat: w"),
        ("share = 0.97", "share = nan", "share"),
        ("share = 0.97", "share = 0.97\nextra = 1", "unknown field 'extra'"),
        ("gyro_bias", "bias", "gyro_bias"),
    ],
)
def test_a_bad_file_is_refused_with_what_is_wrong(tmp_path, old, new, told):
    path = whole().save(tmp_path / "calibration.toml")
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1) if "place" not in old else text.replace(old, new))
    with pytest.raises(CalibrationError) as caught:
        Calibration.load(path)
    assert caught.value.reason is CalibrationReason.BAD_FILE
    assert caught.value.exit_code == 3
    assert told in str(caught.value)
    assert "calibrate" in caught.value.next_step


@pytest.mark.parametrize("data", [b"\xff\xfe", b"", b"[[sensor]]\n" * 3])
def test_what_is_no_calibration_at_all_is_refused(tmp_path, data):
    path = tmp_path / "calibration.toml"
    path.write_bytes(data)
    with pytest.raises(CalibrationError):
        Calibration.load(path)
    with pytest.raises(CalibrationError, match="there is no such file"):
        Calibration.load(tmp_path / "none.toml")


def test_other_sensors_than_were_calibrated_are_told():
    made = whole()
    assert made.differs(WORN) == ""
    assert "nothing is worn on shank.r" in made.differs(WORN[:1])
    other = Worn("dot-9", "movella-dot", address="F0:09", place="thigh.r")
    assert "another sensor is on thigh.r" in made.differs((other, WORN[1]))
    wit = Worn("wit", "witmotion", place="shank.r")
    assert "another sensor is on shank.r" in made.differs((WORN[0], wit))


def muscle(seconds=6.0):
    """Bursts once a second; loud contractions in the last 2 s, and a dead channel beside it."""
    rng = np.random.default_rng(0)
    t = np.arange(round(seconds * 1000.0)) / 1000.0
    noise = np.diff(rng.standard_normal(len(t) + 8).cumsum())[:-7]
    noise = np.convolve(noise, np.ones(6) / 6.0, "same")
    height = np.where(np.sin(2 * np.pi * t) > 0.0, 1e-4, 5e-6) * np.where(t > 4.0, 3.0, 1.0)
    names = ("emg.soleus.r", "emg.tibialis_anterior.r")
    data = np.column_stack([height * noise, 1e-9 * rng.standard_normal(len(t))])
    stream = Stream("calf", 1000.0, 10.0, names, ("V", "V"), data)
    return Recording(RecordingRef("S", "s", "t", 1), {"calf": stream})


def test_the_reference_is_that_of_its_stretch_alone_and_leaves_dead_channels_out():
    recording = muscle()
    quiet, loud = emg_reference(recording, (10.0, 14.0)), emg_reference(recording, (14.0, 16.0))
    assert set(quiet) == set(loud) == {"emg.soleus.r"}
    assert loud["emg.soleus.r"] == pytest.approx(3.0 * quiet["emg.soleus.r"], rel=0.25)
    assert emg_reference(recording, (15.8, 16.0)) == {}
