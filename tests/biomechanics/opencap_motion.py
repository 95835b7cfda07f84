"""Motion and forces of the OpenCap recordings in the terms of the body."""

from __future__ import annotations

import gzip
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
from scipy.spatial.transform import Rotation

from kinefed.biomechanics.anthropometry import SAMPLE_HEIGHT_M, SEGMENTS
from kinefed.biomechanics.dynamics import Wrench
from kinefed.biomechanics.mjcf import Lump, join
from kinefed.datasets import Recording
from kinefed.datasets.importers._read import read_table

MASS_KG = 62.6
# OpenSim's x forward, y up, z right to x forward, y left, z up.
TO_WORLD = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])
# Middle of the hip centres from the pelvis origin (between the front spines of the hip bones), as
# shares of the 1.70 m of the skeleton of Rajagopal et al. 2016.
HIPS_FROM_PELVIS = np.array([-0.0563, -0.0785, 0.0]) / 1.70
LEG = ("hip_flexion", "hip_adduction", "hip_rotation", "knee_flexion", "ankle_dorsiflexion")


def stature(folder: Path) -> float:
    """Stature in m, which the files lack: from the height of the seventh cervical vertebra.

    De Leva's cervicale is that vertebra, and the head above it a known share of stature.
    """
    path = folder / "raw" / "Subject4" / "MarkerData" / "static1.trc.gz"
    with gzip.open(path, "rt") as file:
        lines = file.read().splitlines()
    column = lines[3].split("\t").index("C7") + 1
    heights = [float(line.split("\t")[column]) for line in lines[5:] if line.strip()]
    return float(np.mean(heights)) / (1.0 - SEGMENTS["m"]["head"].length_m / SAMPLE_HEIGHT_M["m"])


def scaled_model(folder: Path) -> tuple[dict[str, float], dict[str, Lump]]:
    """Lengths and the inertia of one leg of the model that was scaled to this person."""
    path = folder / "raw" / "Subject4" / "Models" / "optimized_scale_and_markers.osim.gz"
    root = ElementTree.fromstring(gzip.decompress(path.read_bytes()))

    def numbers(element: ElementTree.Element, tag: str) -> np.ndarray:
        return np.array(element.findtext(tag, "").split(), float)

    at = {
        (joint.get("name"), frame.get("name")): TO_WORLD @ numbers(frame, "translation")
        for joint in root.iter()
        if joint.tag in ("CustomJoint", "PinJoint")
        for frame in joint.iter("PhysicalOffsetFrame")
    }
    knee_of_femur = at["walker_knee_r", "femur_r_offset"]
    knee_of_tibia = at["walker_knee_r", "tibia_r_offset"]
    heel_of_talus = at["subtalar_r", "talus_r_offset"]
    ball_of_heel = at["mtp_r", "calcn_r_offset"]
    origins = {
        "femur_r": np.zeros(3),
        "tibia_r": -knee_of_tibia,
        "patella_r": -knee_of_tibia,
        "talus_r": np.zeros(3),
        "calcn_r": heel_of_talus,
        "toes_r": heel_of_talus + ball_of_heel,
    }
    lumps = {}
    for body in root.iter("Body"):
        name = body.get("name", "")
        if name in origins:
            com = origins[name] + TO_WORLD @ numbers(body, "mass_center")
            inertia = TO_WORLD @ np.diag(numbers(body, "inertia")[:3]) @ TO_WORLD.T
            lumps[name] = Lump(float(body.findtext("mass", "")), com, inertia)
    leg = {
        "thigh": lumps["femur_r"],
        "shank": join([lumps["tibia_r"], lumps["patella_r"]]),
        "foot": join([lumps[name] for name in ("talus_r", "calcn_r", "toes_r")]),
    }
    lengths = {
        "thigh": float(np.linalg.norm(knee_of_femur)),
        "shank": float(np.linalg.norm(at["ankle_r", "tibia_r_offset"] - knee_of_tibia)),
        "pelvis_width": -2.0 * float(at["hip_r", "pelvis_offset"][1]),
    }
    return lengths, leg


def coordinates(
    recording: Recording, table: Path, names: tuple[str, ...], height_m: float
) -> np.ndarray:
    """Columns of q by name: angles from the importer, the pelvis' place from the table."""
    stream = recording.streams["kinematics"]
    raw = read_table(table, ("pelvis_tx_m", "pelvis_ty_m", "pelvis_tz_m"))

    def angle(site: str) -> np.ndarray:
        return stream.column(f"angle.{site}")

    order = [angle(f"pelvis_{word}") for word in ("tilt", "list", "rotation")]
    turn = Rotation.from_euler("ZXY", np.stack(order, axis=1)).as_matrix()
    place = np.stack([raw[f"pelvis_t{axis}_m"] for axis in "xyz"], axis=1)
    place += turn @ (height_m * HIPS_FROM_PELVIS)
    yaw, roll, tilt = Rotation.from_matrix(TO_WORLD @ turn @ TO_WORLD.T).as_euler("ZXY").T
    found = dict(zip(("pelvis_x", "pelvis_y", "pelvis_z"), (place @ TO_WORLD.T).T, strict=True))
    found |= {"pelvis_yaw": np.unwrap(yaw), "pelvis_list": -roll, "pelvis_tilt": tilt}
    found |= {
        "lumbar_flexion": -angle("lumbar_extension"),
        "lumbar_bend": angle("lumbar_bending"),
    }
    found |= {f"{name}_{side}": angle(f"{name}.{side}") for name in LEG for side in "rl"}
    return np.stack([found[name] for name in names], axis=1)


def wrenches(recording: Recording) -> list[Wrench]:
    """The measured forces under both feet."""
    grf = recording.streams["grf"]

    def world(kind: str, side: str) -> np.ndarray:
        forward, up, right = (
            grf.column(f"{kind}.foot.{side}.{axis}") for axis in ("anterior", "vertical", "lateral")
        )
        return np.stack([forward, -right, up], axis=1)

    return [
        Wrench(side, world("grf", side), world("cop", side), grf.column(f"free_moment.foot.{side}"))
        for side in "rl"
    ]
