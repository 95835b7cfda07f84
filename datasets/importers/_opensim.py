"""OpenSim's names and signs, and its ``.mot`` and ``.sto`` files.

OpenSim's generalised force of a coordinate is positive towards the coordinate. The coordinates are
flexion (hip, knee), adduction and dorsiflexion, so the internal extension, abduction and
plantarflexion moments of this project are its negatives, on both sides alike.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from kinefed.datasets.errors import DataError, DataReason
from kinefed.datasets.importers._build import GRAVITY_M_S2, BoolArray, eroded
from kinefed.datasets.importers._read import need_file, reading
from kinefed.datasets.types import FloatArray

# coordinate -> site of the angle; a coordinate of two sides is named <coordinate>_<side>
SIDED_ANGLES = {
    "hip_flexion": "hip_flexion",
    "hip_adduction": "hip_adduction",
    "hip_rotation": "hip_rotation",
    "knee_angle": "knee_flexion",
    "ankle_angle": "ankle_dorsiflexion",
    "subtalar_angle": "subtalar_inversion",
    "arm_flex": "shoulder_flexion",
    "arm_add": "shoulder_adduction",
    "arm_rot": "shoulder_rotation",
    "elbow_flex": "elbow_flexion",
    "pro_sup": "forearm_pronation",
}
_MIDDLE = "pelvis_tilt pelvis_list pelvis_rotation lumbar_extension lumbar_bending lumbar_rotation"
MIDDLE_ANGLES = {name: name for name in _MIDDLE.split()}
# coordinate -> site of the moment and its sign
SIDED_MOMENTS = {
    "hip_flexion": ("hip", -1.0),
    "hip_adduction": ("hip_abduction", -1.0),
    "hip_rotation": ("hip_rotation", 1.0),
    "knee_angle": ("knee", -1.0),
    "ankle_angle": ("ankle", -1.0),
    "subtalar_angle": ("subtalar", 1.0),
    "elbow_flex": ("elbow", -1.0),
}
MIDDLE_MOMENTS = {
    "lumbar_extension": ("lumbar", 1.0),
    "lumbar_bending": ("lumbar_bending", 1.0),
    "lumbar_rotation": ("lumbar_rotation", 1.0),
}
# OpenSim's ground: x forward, y up, z to the right.
AXES = {"x": "anterior", "y": "vertical", "z": "lateral"}
# A residual above this share of body weight means a contact that no plate measured.
RESIDUAL_SHARE = 0.1


def angle_channels(sided: bool = True) -> dict[str, str]:
    """Map coordinate names (with ``_r`` and ``_l`` where sided) to angle channels."""
    found = {name: f"angle.{site}" for name, site in MIDDLE_ANGLES.items()}
    for name, site in SIDED_ANGLES.items():
        for side in "rl":
            found[f"{name}_{side}" if sided else name] = f"angle.{site}.{side}"
    return found


def moment_channels() -> dict[str, tuple[str, float]]:
    """Map coordinate names to moment channels and the sign to multiply by."""
    found = {name: (f"torque.{site}", sign) for name, (site, sign) in MIDDLE_MOMENTS.items()}
    for name, (site, sign) in SIDED_MOMENTS.items():
        for side in "rl":
            found[f"{name}_{side}"] = (f"torque.{site}.{side}", sign)
    return found


def read_storage(path: Path) -> tuple[dict[str, FloatArray], bool]:
    """Read a ``.mot`` or ``.sto`` file.

    Returns
    -------
    tuple
        Columns, each (rows,), and whether the header says ``inDegrees=yes``.

    Raises
    ------
    DataError
        ``bad_format`` without ``endheader``, ``truncated`` where rows are missing or short.
    """
    with reading(need_file(path), "OpenSim storage"):
        text = path.read_text(encoding="utf-8")
    head, found, body = text.partition("endheader")
    lines = [line for line in body.splitlines() if line.strip()]
    if not found or len(lines) < 2:
        raise DataError(
            DataReason.BAD_FORMAT,
            "it has no 'endheader' with rows below it",
            where=path,
            next_step="Export it from OpenSim again",
        )
    header = {
        key.strip().lower(): value.strip()
        for key, _, value in (line.partition("=") for line in head.splitlines())
    }
    names = lines[0].split()
    with reading(path, "OpenSim storage"):
        table = np.loadtxt(io.StringIO("\n".join(lines[1:])), ndmin=2)
    rows = header.get("nrows", str(len(table)))
    if table.shape[1] != len(names) or str(len(table)) != rows or names[0] != "time":
        raise DataError(
            DataReason.TRUNCATED,
            f"it has {table.shape[0]} rows of {table.shape[1]}, its header promises {rows} of "
            f"{len(names)} beginning with 'time'",
            where=path,
            next_step="Export it from OpenSim again",
        )
    columns = {name: table[:, i] for i, name in enumerate(names)}
    return columns, header.get("indegrees", "no").lower() == "yes"


def residual_valid(forces: Mapping[str, FloatArray], mass_kg: float) -> BoolArray:
    """Frames whose pelvis residual is small, with two frames taken off each end.

    Parameters
    ----------
    forces
        Residual forces on the pelvis in N along three axes, each (frames,).
    mass_kg
        Body mass.

    Returns
    -------
    (frames,) bool
        True below 10 % of body weight: every contact with the ground was measured.
    """
    size = np.sqrt(sum(np.square(force) for force in forces.values()))
    good: BoolArray = size < RESIDUAL_SHARE * mass_kg * GRAVITY_M_S2
    return eroded(good, 2)
