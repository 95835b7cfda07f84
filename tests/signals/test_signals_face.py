"""The public names of the folder, and that its imports run up only."""

import pickle
from pathlib import Path

import pytest

import kinefed.signals as face
from kinefed.datasets.errors import KinefedError


def test_the_face_is_sorted_and_whole():
    assert face.__all__ == sorted(face.__all__, key=lambda n: (not n.isupper(), n.islower(), n))
    assert all(hasattr(face, name) for name in face.__all__)


def test_every_error_reason_is_used():
    folder = Path(face.__file__).parent
    source = "".join(p.read_text("utf-8") for p in folder.glob("*.py") if p.name != "errors.py")
    unused = [
        reason.name for reason in face.SignalReason if f"SignalReason.{reason.name}" not in source
    ]
    assert unused == []


def test_an_error_survives_a_process_boundary():
    error = face.SignalError(face.SignalReason.TOO_SHORT, "two samples", where="emg", next_step="x")
    back = pickle.loads(pickle.dumps(error))
    assert (back.reason, str(back), back.exit_code) == (error.reason, str(error), 3)
    with pytest.raises(KinefedError):
        raise back
