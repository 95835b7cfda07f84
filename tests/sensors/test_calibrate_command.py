"""A virtual person is calibrated over the air, and their joint angles are then those they have."""

import asyncio
import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from kinefed.cli import sensor_calibrate
from kinefed.cli.calibration_person import calibration_person
from kinefed.cli.calibration_session import Guide, Phase, measured
from kinefed.cli.main import app
from kinefed.cli.sensor_source import Source
from kinefed.sensors.calibration import Calibration
from kinefed.sensors.calibration_errors import CalibrationError, CalibrationReason
from kinefed.sensors.joint_angles import joint_angles
from kinefed.sensors.streaming import State
from kinefed.sensors.worn import Worn
from kinefed.sensors.worn_file import write_worn

LENGTHS_S = {"stand": 3.0, "bend": 5.0, "walk": 7.0}
WORN = (
    *(Worn(f"dot-{place}", "movella-dot", place=place) for place in ("thigh.r", "shank.r")),
    Worn("calf", "myo", electrodes={1: "soleus.r", 4: "tibialis_anterior.r"}),
)


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    """What comes of one session over the emulated radio; it takes its time."""
    file = write_worn(tmp_path_factory.mktemp("worn") / "worn.toml", WORN)
    return asyncio.run(measured(Source(file, None), LENGTHS_S, simulate=True))


def calibrated(session, out, monkeypatch, *options):
    async def done(_source, lengths_s, simulate):
        assert lengths_s == LENGTHS_S
        assert simulate
        return session

    monkeypatch.setattr(sensor_calibrate, "measured", done)
    lengths = [word for name, s in LENGTHS_S.items() for word in (f"--{name}-s", str(s))]
    words = ["sensors", "calibrate", "--simulate", "--out", str(out), *lengths, *options]
    return CliRunner().invoke(app, words)


def test_angles_over_the_air_are_within_3_degrees_of_the_truth(session, tmp_path, monkeypatch):
    result = calibrated(session, tmp_path / "c.toml", monkeypatch)
    assert result.exit_code == 0, result.output
    _, recording, spans = session
    made = Calibration.load(tmp_path / "c.toml")
    found = joint_angles(recording, made.alignments).streams["joint-knee.r"]
    person = calibration_person(3.0 + 0.7 * len(WORN), 5.0, 7.0, WORN)
    truth = person.recording.streams["kinematics"]
    # Both know when the walk began.
    later_s = spans["walk"][0] - 0.5 - person.phases["walk_normal"][0]
    inside = (found.time_s >= spans["walk"][0]) & (found.time_s < spans["walk"][1])
    true = np.interp(found.time_s - later_s, truth.time_s, truth.column("angle.knee_flexion.r"))
    off = np.degrees(found.column("angle.knee_flexion.r") - true)[inside]
    assert inside.sum() > 300
    # A busy computer gets packets late, and with them the clocks' fit: part of the 3 degrees.
    assert np.sqrt((off**2).mean()) < 3.0


def test_the_file_remembers_sensors_and_muscles(session, tmp_path, monkeypatch):
    out = tmp_path / "c.toml"
    result = calibrated(session, out, monkeypatch, "--json")
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert told["calibration"] == str(out)
    assert [row["place"] for row in told["sensors"]] == ["thigh.r", "shank.r"]
    assert all(row["pushed"] > 0.3 and row["share"] > 0.9 for row in told["sensors"])
    low, high = told["walking_deg"]["angle.knee_flexion.r"]
    assert -5.0 < low < 15.0
    assert 45.0 < high < 80.0
    assert set(told["emg_reference"]) == {"emg.soleus.r", "emg.tibialis_anterior.r"}
    made = Calibration.load(out)
    assert made.emg_from == told["emg_from"] == "walk"
    assert made.emg_reference == told["emg_reference"]
    assert made.differs(session[0]) == ""
    assert made.sensors["shank.r"].address is not None


def test_swapped_sensors_are_told_and_nothing_is_written(session, tmp_path, monkeypatch):
    worn, recording, spans = session
    names = {"thigh.r": "shank.r", "shank.r": "thigh.r"}
    streams = {}
    for name, stream in recording.streams.items():
        swap = {p: to for p, to in names.items() if any(f".{p}." in c for c in stream.channels)}
        channels = tuple(c.replace(p, to) for p, to in swap.items() for c in stream.channels)
        streams[name] = type(stream)(
            name, stream.rate_hz, stream.start_s, channels or stream.channels, stream.units,
            stream.data,
        )  # fmt: skip
    swapped = type(recording)(recording.ref, streams, gaps=recording.gaps)
    result = calibrated((worn, swapped, spans), tmp_path / "c.toml", monkeypatch)
    assert isinstance(result.exception, CalibrationError)
    assert result.exception.reason is CalibrationReason.MISPLACED
    assert "the sensors of shank.r and thigh.r are swapped" in str(result.exception)
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_to_is_told(session, tmp_path, monkeypatch):
    result = calibrated(session, tmp_path / "none" / "c.toml", monkeypatch)
    assert result.exception.exit_code == 4
    assert "cannot be written" in str(result.exception)


def test_what_a_virtual_person_cannot_do_is_refused(tmp_path):
    words = ["sensors", "calibrate", "--simulate", "--mvc-s", "5", "--out", str(tmp_path / "c")]
    result = CliRunner().invoke(app, words)
    assert result.exception.exit_code == 2
    assert "greatest effort" in str(result.exception)


def test_somebody_who_listens_is_told_each_phase_once_and_in_time(monkeypatch, capsys):
    now = [1000.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    guide = Guide({"stand": 4.0, "walk": 8.0})
    assert guide.seconds == 18.0
    state, told = State(0.0, {}, {}, {}), []
    while now[0] < 1018.0:
        guide.watch(state)
        told += [(now[0] - 1000.0, line[:5]) for line in capsys.readouterr().err.splitlines()]
        now[0] += 0.25
    assert told == [(0.0, "Stand"), (7.0, "Walk ")]
    spans = guide.spans(990 * 10**9)
    assert spans["stand"] == pytest.approx((13.5, 16.5))
    assert spans["walk"] == pytest.approx((20.5, 27.5))


def test_somebody_who_does_not_is_followed_from_when_all_are_connected(monkeypatch):
    now = [1002.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    guide = Guide({}, (Phase("stand", 1000.0, 1006.0), Phase("walk", 1008.0, 1016.0)))
    assert guide.seconds == 14.0
    guide.watch(State(0.0, {}, {}, {}))
    spans = guide.spans(1001 * 10**9)
    assert spans["stand"] == pytest.approx((1.5, 4.5))
    assert spans["walk"] == pytest.approx((7.5, 14.5))


def test_the_documented_files_are_where_they_are_said_to_be():
    text = (Path(__file__).parents[2] / "docs" / "sensors.md").read_text(encoding="utf-8")
    for word in ("kinefed sensors calibrate", "--mvc-s", "calibration.toml"):
        assert word in text
