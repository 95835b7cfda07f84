"""Plug-in-Gait: what Vicon's model writes among a C3D file's points, as streams.

Its angles and moments already follow the project's signs (moments internal, extension,
plantarflexion and abduction positive), so only units change. The moments' unit says Nmm, but the
model writes Nmm per kg of body mass. Ground reaction forces are per kg, in the axes of the
laboratory, and act on the person.
"""

from __future__ import annotations

import numpy as np

from kinefed.datasets.importers._build import (
    BoolArray,
    contact_trials,
    make_stream,
    runs,
    whole_contacts,
)
from kinefed.datasets.importers._c3d import C3d
from kinefed.datasets.types import FloatArray, Stream, Trial

_SIDES = {"l": "L", "r": "R"}
ANGLE_SITES = {
    "Hip": ("hip_flexion", "hip_adduction", "hip_rotation"),
    "Knee": ("knee_flexion", "knee_adduction", "knee_rotation"),
    "Ankle": ("ankle_dorsiflexion", "ankle_adduction", "ankle_rotation"),
}
MOMENT_SITES = {
    "Hip": ("hip", "hip_abduction", "hip_rotation"),
    "Knee": ("knee", "knee_abduction", "knee_rotation"),
    "Ankle": ("ankle", "ankle_abduction", "ankle_rotation"),
}
# The least vertical force, N/kg, that is a foot on a plate and not noise.
CONTACT_N_PER_KG = 0.5


def kinematics(c3d: C3d) -> Stream | None:
    """Joint angles in rad, or None where the model was not run."""
    columns = {
        f"angle.{site}.{side}": np.asarray(np.deg2rad(c3d.points[label][:, axis]))
        for side, letter in _SIDES.items()
        for joint, sites in ANGLE_SITES.items()
        if (label := f"{letter}{joint}Angles") in c3d.points
        for axis, site in enumerate(sites)
    }
    return make_stream("kinematics", c3d.rate_hz, 0.0, columns) if columns else None


def contacts(c3d: C3d) -> dict[str, BoolArray]:
    """Frames of each side in which that foot was wholly on a force plate."""
    found: dict[str, BoolArray] = {}
    for side, letter in _SIDES.items():
        force = c3d.points.get(f"{letter}GroundReactionForce")
        if force is None:
            found[side] = np.zeros(c3d.frames, dtype=bool)
            continue
        frames = {
            name: [
                round(event.time_s * c3d.rate_hz)
                for event in c3d.events
                if event.side == side and event.name == name
            ]
            for name in ("foot_strike", "foot_off")
        }
        found[side] = whole_contacts(
            force[:, 2], CONTACT_N_PER_KG, frames["foot_strike"], frames["foot_off"]
        )
    return found


def torque(c3d: C3d) -> Stream | None:
    """Joint moments in N m/kg with ``valid.torque.<side>``, or None where there are none."""
    on_plate = contacts(c3d)
    columns: dict[str, FloatArray] = {}
    for side, letter in _SIDES.items():
        good = on_plate[side].copy()
        for joint, sites in MOMENT_SITES.items():
            moment = c3d.points.get(f"{letter}{joint}Moment")
            if moment is None:
                continue
            for axis, site in enumerate(sites):
                columns[f"torque.{site}.{side}"] = moment[:, axis] / 1000.0
                good &= np.isfinite(moment[:, axis])
        if f"torque.knee.{side}" in columns:
            columns[f"valid.torque.{side}"] = good.astype(np.float64)
    return make_stream("torque", c3d.rate_hz, 0.0, columns) if columns else None


def grf(c3d: C3d, mass_kg: float) -> Stream | None:
    """Ground reaction force in N, in walking axes, with ``valid.grf.<side>``.

    The horizontal axes are turned from the laboratory's to the pelvis' heading, frame by frame,
    so that braking is negative ``anterior`` in a turn as well. Without pelvis markers only the
    vertical component is given.
    """
    forward = _heading(c3d)
    columns: dict[str, FloatArray] = {}
    for side, letter in _SIDES.items():
        force = c3d.points.get(f"{letter}GroundReactionForce")
        if force is None:
            continue
        newton: FloatArray = force * mass_kg
        columns[f"grf.foot.{side}.vertical"] = newton[:, 2]
        if forward is not None:
            x, y = forward.T
            columns[f"grf.foot.{side}.anterior"] = newton[:, 0] * x + newton[:, 1] * y
            columns[f"grf.foot.{side}.lateral"] = newton[:, 0] * y - newton[:, 1] * x
        columns[f"valid.grf.{side}"] = np.isfinite(newton.sum(axis=1)).astype(float)
    return make_stream("grf", c3d.rate_hz, 0.0, columns) if columns else None


def modelled_frames(c3d: C3d) -> tuple[int, int]:
    """Find the longest stretch in which the model gave every leg angle it gives at all.

    Plug-in-Gait stops where markers leave the volume; frames beyond it have no angles.

    Returns
    -------
    tuple of int
        First frame, and one past the last; the whole file where the model was not run.
    """
    angles = [
        c3d.points[label]
        for letter in _SIDES.values()
        for joint in ANGLE_SITES
        if (label := f"{letter}{joint}Angles") in c3d.points
    ]
    if not angles:
        return 0, c3d.frames
    seen = runs(np.asarray(np.isfinite(np.hstack(angles)).all(axis=1)))
    return max(seen, key=lambda run: run[1] - run[0], default=(0, c3d.frames))


def stance_trials(c3d: C3d) -> tuple[Trial, ...]:
    """Make a trial of each whole stance contact, of both legs, in order of time."""
    return contact_trials(contacts(c3d).values(), c3d.rate_hz, c3d.frames)


def _heading(c3d: C3d) -> FloatArray | None:
    """Horizontal unit vector from the sacrum to between the ASIS, (frames, 2)."""
    points = c3d.points
    if not {"LASI", "RASI"} <= set(points):
        return None
    if "SACR" in points:
        back = points["SACR"]
    elif {"LPSI", "RPSI"} <= set(points):
        back = (points["LPSI"] + points["RPSI"]) / 2.0
    else:
        return None
    forward = ((points["LASI"] + points["RASI"]) / 2.0 - back)[:, :2]
    seen = np.isfinite(forward).all(axis=1)
    if not seen.any():
        return None
    # Frames without markers take the nearest heading in time.
    frame = np.arange(len(forward))
    known = np.flatnonzero(seen)
    right = np.clip(np.searchsorted(known, frame), 0, known.size - 1)
    left = np.clip(right - 1, 0, None)
    nearer = np.abs(known[left] - frame) < np.abs(known[right] - frame)
    forward = forward[known[np.where(nearer, left, right)]]
    unit: FloatArray = forward / np.linalg.norm(forward, axis=1, keepdims=True)
    return unit
