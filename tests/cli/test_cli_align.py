"""`kinefed sensors align` over emulated sensors that were turned together in the hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from cli_run import Run
from scipy.spatial.transform import Rotation

from kinefed.datasets import DatasetInfo, Recording, RecordingRef, Stream, Subject, write_dataset
from kinefed.sensors.worn import Worn
from kinefed.sensors.worn_file import write_worn

pytest.importorskip("bumble")
LATE_MS = {"thigh.r": 0.0, "shank.r": 21.3, "foot.r": -8.6, "pelvis": 3.4}


def in_the_hand(place: str, rng: np.random.Generator) -> Stream:
    """One sensor of those in the hand, held in its own way, with its own delay."""
    time_s = np.arange(12 * 60) / 60.0 - 1e-3 * LATE_MS[place]
    turns = [(2.1, 5.3, 0.2), (1.4, 8.1, 1.1), (1.7, 3.7, 2.0)]
    held = Rotation.random(rng=rng)
    gyro = held.apply(np.column_stack([a * np.sin(w * time_s + p) for a, w, p in turns]))
    acc = held.apply(np.tile([0.0, 0.0, 9.81], (len(gyro), 1)))
    channels = tuple(f"{kind}.{place}.{axis}" for kind in ("acc", "gyro") for axis in "xyz")
    units = ("m/s^2",) * 3 + ("rad/s",) * 3
    name = f"imu_{place.replace('.', '_')}"
    return Stream(name, 60.0, 0.0, channels, units, np.hstack([acc, gyro]))


def test_sensors_with_delays_are_brought_to_one_time(kinefed: Run, tmp_path: Path) -> None:
    """From the radio to the new worn.toml, and with it to times that agree."""
    rng = np.random.default_rng(4)
    streams = {each.name: each for each in (in_the_hand(place, rng) for place in LATE_MS)}
    hand = Recording(RecordingRef("S01", "s01", "hand", 1), streams)
    write_dataset(tmp_path / "hand", DatasetInfo("hand"), [Subject("S01")], [hand])
    first = tmp_path / "worn.toml"
    write_worn(first, [Worn(place, "movella-dot", place=place, address=f"F0:00:00:00:00:{i:02X}")
                       for i, place in enumerate(LATE_MS)])  # fmt: skip
    toml = first
    for turn, most_ms in enumerate((None, 3.0)):
        data, out = tmp_path / f"data{turn}", tmp_path / f"worn{turn}.toml"
        result = kinefed("sensors", "record", "--simulate", tmp_path / "hand", "--worn", toml,
                         "--seconds", 8, "--out", data)  # fmt: skip
        assert result.code == 0, result.err
        result = kinefed("sensors", "align", data, "--worn", toml, "--out", out, "--json")
        assert result.code == 0, result.err
        found = {row["place"]: row["found_ms"] for row in result.json["sensors"]}
        if most_ms is None:
            middle_ms = np.median(list(LATE_MS.values()))
            for place, late_ms in LATE_MS.items():
                assert found[place] == pytest.approx(late_ms - middle_ms, abs=5.0)
        else:
            assert max(map(abs, found.values())) < most_ms
        toml = out
