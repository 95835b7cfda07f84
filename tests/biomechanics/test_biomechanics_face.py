"""The public names of the folder, and what they must not drag in."""

import subprocess
import sys

import kinefed.biomechanics as face


def test_the_face_is_sorted_and_whole():
    assert face.__all__ == sorted(face.__all__, key=lambda n: (not n.isupper(), n.islower(), n))
    assert all(hasattr(face, name) for name in face.__all__)


def test_optional_extras_are_imported_only_where_they_are_needed():
    """Muscles and anthropometry work without MuJoCo and OpenSim."""
    code = (
        "import sys, kinefed.biomechanics; sys.exit(bool({'mujoco', 'opensim'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
