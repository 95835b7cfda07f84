"""``kinefed data simulate``."""

from pathlib import Path

import pytest
from cli_run import Run

from kinefed.datasets import Dataset, check_dataset

pytest.importorskip("mujoco", reason="needs the extra sim")


def test_virtual_people_become_a_dataset(kinefed: Run, tmp_path: Path) -> None:
    dest = tmp_path / "people"
    options = ["--people", 1, "--tasks", "walk_normal", "--minutes", 0.05, "--processes", 1]
    found = kinefed("data", "simulate", dest, *options, "--json").json
    assert (found["people"], found["recordings"], found["tasks"]) == (1, 1, ["walk_normal"])
    assert check_dataset(dest) == []
    assert Dataset.open(dest).info.licence == "CC0-1.0"
    again = kinefed("data", "simulate", dest, *options)
    assert again.code == 3
    assert "already" in again.err


def test_days_and_maximal_contractions_are_asked_for_by_name(kinefed: Run, tmp_path: Path) -> None:
    options = ["--people", 1, "--tasks", "elbow", "--minutes", 0.05, "--processes", 1]
    dest = tmp_path / "days"
    kinefed("data", "simulate", dest, *options, "--sessions", 2, "--mvc", "--raw-emg")
    found = [ref.key for ref in Dataset.open(dest).refs]
    assert found == [f"V001/s0{day}/{task}_01" for day in (1, 2) for task in ("elbow", "mvc")]
    assert check_dataset(dest) == []


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--people", 0], "0 people"),
        (["--tasks", "fly"], "walk_normal"),
        (["--rate", 10], "10 Hz"),
        (["--sessions", 0], "0 sessions"),
        (["--patterns", "older"], "They can do walk_normal, daily, squat"),
    ],
)
def test_a_bad_request_leaves_nothing(
    kinefed: Run, tmp_path: Path, options: list[object], says: str
) -> None:
    result = kinefed("data", "simulate", tmp_path / "people", *options)
    assert result.code == 2
    assert says in result.err
    assert list(tmp_path.iterdir()) == []
