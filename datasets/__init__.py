"""Recordings of people: their types, their folder on disk, importers and splits."""

from kinefed.datasets.channels import KINDS, ChannelName, Kind, unit_of, with_side
from kinefed.datasets.check import check_dataset
from kinefed.datasets.errors import (
    DataError,
    DataReason,
    KinefedError,
    OutsideError,
    OutsideReason,
    UsageError,
    UsageReason,
)
from kinefed.datasets.importers import IMPORTERS, ImportOptions, import_dataset
from kinefed.datasets.quality import emg_quality, with_emg_quality
from kinefed.datasets.rules import Fault, recording_faults
from kinefed.datasets.splits import (
    Split,
    leave_one_group_out,
    leave_one_session_out,
    leave_one_trial_out,
    splits_from_file,
)
from kinefed.datasets.store import Dataset, write_dataset
from kinefed.datasets.types import (
    DatasetInfo,
    Event,
    Gap,
    Recording,
    RecordingRef,
    Stream,
    Subject,
    Trial,
)

__all__ = [
    "IMPORTERS",
    "KINDS",
    "ChannelName",
    "DataError",
    "DataReason",
    "Dataset",
    "DatasetInfo",
    "Event",
    "Fault",
    "Gap",
    "ImportOptions",
    "Kind",
    "KinefedError",
    "OutsideError",
    "OutsideReason",
    "Recording",
    "RecordingRef",
    "Split",
    "Stream",
    "Subject",
    "Trial",
    "UsageError",
    "UsageReason",
    "check_dataset",
    "emg_quality",
    "import_dataset",
    "leave_one_group_out",
    "leave_one_session_out",
    "leave_one_trial_out",
    "recording_faults",
    "splits_from_file",
    "unit_of",
    "with_emg_quality",
    "with_side",
    "write_dataset",
]
