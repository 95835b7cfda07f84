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


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--people", 0], "0 people"),
        (["--tasks", "fly"], "walk_normal"),
        (["--rate", 10], "10 Hz"),
    ],
)
def test_a_bad_request_leaves_nothing(
    kinefed: Run, tmp_path: Path, options: list[object], says: str
) -> None:
    result = kinefed("data", "simulate", tmp_path / "people", *options)
    assert result.code == 2
    assert says in result.err
    assert list(tmp_path.iterdir()) == []
