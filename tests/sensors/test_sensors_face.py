"""The public names of the folder, and what they need."""

import subprocess
import sys
from pathlib import Path

import kinefed.sensors as face


def test_the_face_is_sorted_and_whole():
    assert face.__all__ == sorted(face.__all__, key=lambda n: (not n.isupper(), n.islower(), n))
    assert all(hasattr(face, name) for name in face.__all__)


def test_the_face_needs_no_bluetooth_and_no_emulator():
    """Logs can be replayed and profiles checked where the extras are not installed."""
    code = (
        "import sys\n"
        "for name in ('bleak', 'bleak_retry_connector', 'bumble', 'dbus_fast'):\n"
        "    sys.modules[name] = None\n"
        "import kinefed.sensors\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_every_error_reason_is_used():
    folder = Path(face.__file__).parent
    source = "".join(p.read_text("utf-8") for p in folder.glob("*.py") if p.name != "errors.py")
    unused = [r.name for r in face.SensorReason if f"SensorReason.{r.name}" not in source]
    assert unused == []


def test_modules_are_short():
    folder = Path(face.__file__).parent
    long = {p.name for p in folder.rglob("*.py") if p.read_text("utf-8").count("\n") >= 300}
    assert long == set()
