"""A virtual person is worn: emulated sensors, a paced link, calibration, the live engine."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def found():
    """What the benchmark prints, for a small study; it takes most of a minute."""
    pytest.importorskip("bumble")
    command = [sys.executable, "benchmarks/worn_person.py", "--json"]
    command += ["--people", "4", "--seconds", "12", "--epochs", "4"]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_every_output_is_ok_once_all_sensors_are_there(found):
    assert found["outputs"] > 1500
    assert found["not_ok_once_connected"] == 0


def test_joint_angles_are_within_3_degrees_of_the_truth(found):
    angles = found["angle_error_deg"]
    assert len(angles) == 8
    assert {name: error for name, error in angles.items() if error > 3.0} == {}


@pytest.mark.parametrize("network", ["imus", "angles"])
def test_torque_is_as_good_as_on_the_clean_recording(found, network):
    assert found[network]["all"]["ratio"] < 1.1
