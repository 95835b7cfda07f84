"""Folds by people: groups stay together, and a split file cannot leak a person."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from kinefed.datasets import (
    DataReason,
    Dataset,
    DatasetInfo,
    KinefedError,
    Recording,
    RecordingRef,
    Stream,
    Subject,
    UsageReason,
    write_dataset,
)
from kinefed.simulations.folds import Fold, from_file, leave_out, one_more_out

GROUPS = {"S01": "", "S02": "twins", "S03": "", "S04": "twins", "S05": ""}
PEOPLE = tuple(GROUPS)


def write(path: Path, groups: dict[str, str]) -> Dataset:
    stream = Stream("kinematics", 100.0, 0.0, ("angle.knee_flexion.r",), ("rad",), np.zeros((5, 1)))
    return write_dataset(
        path,
        DatasetInfo("five"),
        [Subject(name, group=group) for name, group in groups.items()],
        [
            Recording(RecordingRef(name, "s01", "walk", i), {"kinematics": stream})
            for name in groups
            for i in (1, 2)
        ],
    )


@pytest.fixture(scope="module")
def five(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return write(tmp_path_factory.mktemp("folds") / "five", GROUPS)


def test_each_group_is_tested_once_and_together(five: Dataset) -> None:
    assert leave_out(five, PEOPLE) == [
        Fold("S01", ("S02", "S03", "S04", "S05"), ("S01",)),
        Fold("S03", ("S01", "S02", "S04", "S05"), ("S03",)),
        Fold("S05", ("S01", "S02", "S03", "S04"), ("S05",)),
        Fold("twins", ("S01", "S03", "S05"), ("S02", "S04")),
    ]


def test_who_cannot_be_used_is_in_no_fold(five: Dataset) -> None:
    assert leave_out(five, ("S01", "S03", "S04")) == [
        Fold("S01", ("S03", "S04"), ("S01",)),
        Fold("S03", ("S01", "S04"), ("S03",)),
        Fold("twins", ("S01", "S03"), ("S04",)),
    ]
    assert leave_out(five, ("S02", "S04")) == []


def test_the_inner_folds_are_each_pair_of_groups_once(five: Dataset) -> None:
    inner = one_more_out(five, leave_out(five, PEOPLE))
    assert [(f.name, f.test) for f in inner] == [
        ("S01+S03", ("S01", "S03")),
        ("S01+S05", ("S01", "S05")),
        ("S01+twins", ("S01", "S02", "S04")),
        ("S03+S05", ("S03", "S05")),
        ("S03+twins", ("S02", "S03", "S04")),
        ("S05+twins", ("S02", "S04", "S05")),
    ]
    for fold in inner:
        assert fold.train == tuple(s for s in PEOPLE if s not in fold.test)


def test_the_inner_folds_of_larger_folds_leave_those_out_too(five: Dataset) -> None:
    """Each outer fold has inner ones that hold out all its people and one group more."""
    outer = [
        Fold("a", ("S02", "S04", "S05"), ("S01", "S03")),
        Fold("b", ("S01", "S03"), ("S02", "S04", "S05")),
    ]
    inner = one_more_out(five, outer)
    assert inner == [
        Fold("a+S05", ("S02", "S04"), ("S01", "S03", "S05")),
        Fold("a+twins", ("S05",), ("S01", "S02", "S03", "S04")),
        Fold("b+S01", ("S03",), ("S01", "S02", "S04", "S05")),
        Fold("b+S03", ("S01",), ("S02", "S03", "S04", "S05")),
    ]
    # A last group that would leave nobody to train on is not held out.
    assert one_more_out(five, [Fold("c", ("S02", "S04"), ("S01",))]) == []


def test_a_group_that_is_no_folder_name_is_refused(tmp_path: Path) -> None:
    data = write(tmp_path / "odd", {"S01": "../../home", "S02": "", "S03": ""})
    with pytest.raises(KinefedError, match="cannot be a folder name") as caught:
        leave_out(data, ("S01", "S02", "S03"))
    assert caught.value.exit_code == 3


def split(name: str, body: str) -> str:
    return f'[[split]]\nname = "{name}"\n{body}\n'


def test_a_split_file_divides_the_people(five: Dataset, tmp_path: Path) -> None:
    path = tmp_path / "splits.toml"
    walks = {s: f'"{s}/s01/walk_01", "{s}/s01/walk_02"' for s in PEOPLE}
    path.write_text(
        split("first", 'test_groups = ["S01", "twins"]')
        + split("second", f"test = [{walks['S05']}]\ntrain = [{walks['S01']}, {walks['S02']}]")
    )
    assert from_file(five, PEOPLE, str(path)) == [
        Fold("first", ("S03", "S05"), ("S01", "S02", "S04")),
        Fold("second", ("S01", "S02"), ("S05",)),
    ]
    # Of S03 nothing can be used: the fold goes on without.
    usable = tuple(s for s in PEOPLE if s != "S03")
    assert from_file(five, usable, str(path))[0] == Fold("first", ("S05",), ("S01", "S02", "S04"))


ONE = '"S01/s01/walk_01", "S01/s01/walk_02"'
TWO = '"S02/s01/walk_01", "S02/s01/walk_02"'
FOUR = '"S04/s01/walk_01", "S04/s01/walk_02"'
USAGE = {
    "a twin on each side": (
        split("a", f"train = [{TWO}]\ntest = [{FOUR}]"),
        "trains and tests on twins",
    ),
    "one person's recordings on both sides": (
        split("a", 'train = ["S01/s01/walk_01"]\ntest = ["S01/s01/walk_02"]'),
        "trains and tests on S01",
    ),
    "some of a person's recordings": (
        split("a", f'train = ["S03/s01/walk_01"]\ntest = [{ONE}]'),
        "only some of the recordings of S03",
    ),
    "tested twice": (
        split("a", 'test_groups = ["S01", "S03"]') + split("b", 'test_groups = ["S03"]'),
        "'b' tests S03 a second time",
    ),
}
DATA = {
    "not TOML": ("splits?", DataReason.BAD_FORMAT, "not a file of splits"),
    "empty": ("", DataReason.BAD_FORMAT, "not a file of splits"),
    "no split": ("split = []", DataReason.EMPTY, "no split"),
    "not text": (b"\xff\xfe\x00", DataReason.BAD_FORMAT, "not a file of splits"),
    "unknown group": (split("a", 'test_groups = ["S09"]'), DataReason.NOT_FOUND, "'S09'"),
    "all in test": (
        split("a", 'test_groups = ["S01", "S03", "S05", "twins"]'),
        DataReason.EMPTY,
        "no training",
    ),
    "one name twice": (
        split("a", 'test_groups = ["S01"]') + split("a", 'test_groups = ["S03"]'),
        DataReason.DUPLICATE,
        "two splits are named 'a'",
    ),
    "a name that climbs": (
        split("../a", 'test_groups = ["S01"]'),
        DataReason.PATH_ESCAPE,
        "cannot be a folder name",
    ),
    "a name with a folder": (
        split("a/b", 'test_groups = ["S01"]'),
        DataReason.PATH_ESCAPE,
        "cannot be a folder name",
    ),
}


@pytest.mark.parametrize("case", USAGE)
def test_a_split_that_leaks_is_refused(five: Dataset, tmp_path: Path, case: str) -> None:
    text, says = USAGE[case]
    path = tmp_path / "splits.toml"
    path.write_text(text)
    with pytest.raises(KinefedError) as caught:
        from_file(five, PEOPLE, str(path))
    assert caught.value.exit_code == 2
    assert caught.value.reason is UsageReason.IMPOSSIBLE
    assert says in str(caught.value)
    assert str(path) in str(caught.value)
    assert "Divide by people" in caught.value.next_step


@pytest.mark.parametrize("case", DATA)
def test_a_bad_split_file_is_one_clear_error(five: Dataset, tmp_path: Path, case: str) -> None:
    content, reason, says = DATA[case]
    path = tmp_path / "splits.toml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(KinefedError) as caught:
        from_file(five, PEOPLE, str(path))
    assert caught.value.exit_code == 3
    assert caught.value.reason is reason
    assert says in str(caught.value)
    assert caught.value.next_step
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("usable", "side"), [(PEOPLE[1:], "test"), (PEOPLE[:1], "train")])
def test_a_side_without_a_usable_person_is_refused(five, tmp_path, usable, side) -> None:
    path = tmp_path / "splits.toml"
    path.write_text(split("a", 'test_groups = ["S01"]'))
    with pytest.raises(KinefedError, match=f"nobody with torque to {side} on") as caught:
        from_file(five, usable, str(path))
    assert caught.value.exit_code == 3


def test_no_file_is_one_clear_error(five: Dataset, tmp_path: Path) -> None:
    for path in (tmp_path / "none.toml", tmp_path):
        with pytest.raises(KinefedError, match="cannot be read") as caught:
            from_file(five, PEOPLE, str(path))
        assert caught.value.exit_code == 3
