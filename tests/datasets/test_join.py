"""Parts that become one dataset."""

import dataclasses

import numpy as np
import pytest
from two_link_arm import write_two_link_arm

from kinefed.datasets import (
    DataError,
    DataReason,
    Dataset,
    DatasetInfo,
    check_dataset,
    write_dataset,
)
from kinefed.datasets.join import join_datasets

INFO = DatasetInfo("whole", licence="CC0-1.0")


@pytest.fixture
def parts(tmp_path):
    """Split a dataset of three people into one folder each; return it and the folders."""
    arm = write_two_link_arm(tmp_path / "arm", people=3, seconds=1.0)
    folders = []
    for subject in arm.subjects.values():
        folder = tmp_path / "parts" / subject.id
        mine = (arm.load(ref) for ref in arm.select(subject=subject.id))
        write_dataset(folder, DatasetInfo("part"), [subject], mine)
        folders.append(folder)
    return arm, folders


def test_the_parts_together_are_the_whole(parts, tmp_path):
    arm, folders = parts
    whole = join_datasets(tmp_path / "whole", INFO, folders)
    assert check_dataset(whole.path) == []
    assert whole.info == INFO
    assert whole.subjects == arm.subjects
    assert whole.refs == arm.refs
    for ref in whole.refs:
        for name, stream in arm.load(ref).streams.items():
            np.testing.assert_array_equal(whole.load(ref).streams[name].data, stream.data)


def test_an_interrupted_join_goes_on(parts, tmp_path):
    arm, folders = parts
    whole = tmp_path / "whole"
    (whole / "recordings").mkdir(parents=True)
    (folders[0] / "recordings" / "S01").rename(whole / "recordings" / "S01")
    with pytest.raises(DataError) as caught:
        Dataset.open(whole)  # no dataset yet
    assert caught.value.reason is DataReason.NOT_FOUND
    assert join_datasets(whole, INFO, folders).refs == arm.refs


def test_one_person_in_two_parts_is_refused_before_anything_is_moved(parts, tmp_path):
    arm, folders = parts
    again = tmp_path / "again"
    twin = dataclasses.replace(next(iter(arm.subjects.values())))
    write_dataset(again, INFO, [twin], (arm.load(r) for r in arm.select(subject=twin.id)))
    with pytest.raises(DataError) as caught:
        join_datasets(tmp_path / "whole", INFO, [*folders, again])
    assert caught.value.reason is DataReason.DUPLICATE
    assert not (tmp_path / "whole").exists()
    assert len(Dataset.open(folders[0]).refs) == 2


def test_a_dataset_that_is_there_is_kept(parts, tmp_path):
    _, folders = parts
    join_datasets(tmp_path / "whole", INFO, folders[:1])
    with pytest.raises(DataError) as caught:
        join_datasets(tmp_path / "whole", INFO, folders[1:])
    assert caught.value.reason is DataReason.EXISTS
    assert len(Dataset.open(folders[1]).refs) == 2
