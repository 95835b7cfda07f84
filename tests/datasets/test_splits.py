"""Splits keep one person on one side, and recordings whole."""

from __future__ import annotations

from pathlib import Path

import people
import pytest

from kinefed.datasets import (
    DataError,
    DataReason,
    Dataset,
    DatasetInfo,
    Split,
    Subject,
    leave_one_group_out,
    leave_one_session_out,
    leave_one_trial_out,
    splits_from_file,
    write_dataset,
)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return people.write(tmp_path_factory.mktemp("splits") / "made")


def test_groups_are_held_out_whole_and_each_once(dataset: Dataset) -> None:
    splits = leave_one_group_out(dataset)
    assert [split.name for split in splits] == ["S03", "twins"]
    held = [ref for split in splits for ref in split.test]
    assert sorted(held) == list(dataset.refs)
    for split in splits:
        assert {dataset.group_of(r) for r in split.train}.isdisjoint(
            dataset.group_of(r) for r in split.test
        )
        assert sorted(split.train + split.test) == list(dataset.refs)
    assert {ref.subject for ref in splits[1].test} == {"S01", "S02"}


def test_sessions_and_trials_are_held_out_within_a_group(dataset: Dataset) -> None:
    sessions = leave_one_session_out(dataset)
    assert len(sessions) == 4 + 2
    for split in sessions:
        assert len({dataset.group_of(r) for r in split.train + split.test}) == 1
        assert len({(r.subject, r.session) for r in split.test}) == 1
        assert {(r.subject, r.session) for r in split.test}.isdisjoint(
            (r.subject, r.session) for r in split.train
        )
    trials = leave_one_trial_out(dataset)
    assert len(trials) == len(dataset.refs)
    for split in trials:
        (test,) = split.test
        assert {r.task for r in split.train} == {test.task}
        assert {dataset.group_of(r) for r in split.train} == {dataset.group_of(test)}


def test_one_recording_cannot_be_split(tmp_path: Path) -> None:
    one = write_dataset(tmp_path / "one", DatasetInfo("x"), [Subject("S01")], [people.recording()])
    for split in (leave_one_group_out, leave_one_session_out, leave_one_trial_out):
        with pytest.raises(DataError) as caught:
            split(one)
        assert caught.value.reason is DataReason.EMPTY


def test_a_file_says_which(dataset: Dataset, tmp_path: Path) -> None:
    file = tmp_path / "splits.toml"
    file.write_text(
        '[[split]]\nname = "a"\ntest_groups = ["twins"]\n'
        '[[split]]\nname = "b"\ntrain = ["S03/s01/walk_01"]\ntest = ["S03/s02/walk_01"]\n'
    )
    a, b = splits_from_file(dataset, file)
    assert a == Split("a", dataset.select("S03"), dataset.select("S01") + dataset.select("S02"))
    assert [r.key for r in b.train + b.test] == ["S03/s01/walk_01", "S03/s02/walk_01"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("split = 3", DataReason.BAD_FORMAT),
        ("nonsense", DataReason.BAD_FORMAT),
        ('[[split]]\ntest_groups = ["S03"]', DataReason.BAD_FORMAT),
        ('[[split]]\nname = "a"\ntest_groups = ["S09"]', DataReason.NOT_FOUND),
        ('[[split]]\nname = "a"\ntest = ["S09/s01/walk_01"]', DataReason.NOT_FOUND),
        ('[[split]]\nname = "a"\ntest = ["../s01/walk_01"]', DataReason.PATH_ESCAPE),
        ('[[split]]\nname = "a"\ntest_groups = ["S03", "twins"]', DataReason.EMPTY),
        (
            '[[split]]\nname = "a"\ntest_groups = ["S03"]\ntrain = ["S01/s01/walk_01"]',
            DataReason.BAD_FORMAT,
        ),
        (
            '[[split]]\nname = "a"\ntest = ["S01/s01/walk_01"]\ntrain = ["S01/s01/walk_01"]',
            DataReason.DUPLICATE,
        ),
    ],
)
def test_a_bad_file_is_refused(
    dataset: Dataset, tmp_path: Path, text: str, reason: DataReason
) -> None:
    file = tmp_path / "splits.toml"
    file.write_text(text)
    with pytest.raises(DataError) as caught:
        splits_from_file(dataset, file)
    assert caught.value.reason is reason


def test_a_missing_file_is_refused(dataset: Dataset, tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        splits_from_file(dataset, tmp_path / "none.toml")
    assert caught.value.reason is DataReason.NOT_FOUND
