"""The public face of `kinefed.datasets` and its importers."""

from __future__ import annotations

import kinefed.datasets
import kinefed.datasets.importers
from kinefed.datasets import DataError, DataReason, KinefedError, OutsideError, UsageError

FACE = """
IMPORTERS KINDS ChannelName DataError DataReason Dataset DatasetInfo Event Fault Gap ImportOptions
Kind KinefedError OutsideError OutsideReason Recording RecordingRef Split Stream Subject Trial
UsageError UsageReason check_dataset emg_quality import_dataset leave_one_group_out
leave_one_session_out leave_one_trial_out recording_faults splits_from_file unit_of
with_emg_quality with_side write_dataset
"""


def test_the_face_is_pinned_and_sorted() -> None:
    names = kinefed.datasets.__all__
    assert set(names) == set(FACE.split())
    assert names == sorted(names, key=lambda n: (not n.isupper(), n[0].islower(), n))
    for name in names:
        assert getattr(kinefed.datasets, name) is not None


def test_importers_are_keyed_by_their_format() -> None:
    for key, importer in kinefed.datasets.importers.IMPORTERS.items():
        assert importer.format == key


def test_exit_codes_are_those_of_the_command() -> None:
    assert (UsageError.exit_code, DataError.exit_code, OutsideError.exit_code) == (2, 3, 4)
    for leaf in (UsageError, DataError, OutsideError):
        assert issubclass(leaf, KinefedError)
    assert isinstance(DataError(DataReason.EMPTY, "x").reason, DataReason)
