"""The ``opencap`` format: movements of the OpenCap validation with OpenSim inverse dynamics.

Reads ``derived_id/<subject>__<trial>.csv[.gz]`` and ``derived_id/INDEX.csv`` (frames and body mass
of each). Angles in deg, moments in N m (OpenSim signs), forces on each foot in N, IMUs simulated
from the motion.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from kinefed.datasets.channels import ChannelName
from kinefed.datasets.errors import DataError, DataReason
from kinefed.datasets.importers import _opensim
from kinefed.datasets.importers._build import contact_trials, make_stream, streams_by_name
from kinefed.datasets.importers._read import (
    Columns,
    find_files,
    need_columns,
    read_csv_text,
    read_table,
    uniform_rate,
)
from kinefed.datasets.importers._registry import Imported, ImportOptions
from kinefed.datasets.types import (
    DatasetInfo,
    FloatArray,
    Recording,
    RecordingRef,
    Subject,
    check_name,
)

_TASKS = {
    "walking": "walk",
    "walkingti": "walk-toe-in",
    "walkingto": "walk-toe-out",
    "squats": "squat",
    "sts": "sit-to-stand",
    "stsasym": "sit-to-stand-asym",
    "dj": "drop-jump",
    "djasym": "drop-jump-asym",
    "static": "static",
}
BODIES = {"pelvis": "pelvis", "torso": "torso"} | {
    f"{bone}_{side}": f"{site}.{side}"
    for bone, site in (("femur", "thigh"), ("tibia", "shank"), ("calcn", "foot"))
    for side in "rl"
}
INFO = DatasetInfo(
    name="opencap",
    version="c405b056",
    licence="BSD-2-Clause (repository); CC BY 4.0 (AddBiomechanics)",
    citation="Uhlrich et al. 2023, PLoS Comput Biol 19:e1011462",
    notes="OpenSim inverse dynamics. Hip, knee, ankle, adduction and elbow moments negated to "
    "extension, plantarflexion and abduction positive, and divided by body mass. valid.torque: "
    "pelvis residual below 10 % of body weight. IMUs are simulated from optical motion. Forces "
    "in the laboratory's axes, x forward.",
)


def read(src: Path, options: ImportOptions) -> Imported:
    """Read the set: one recording a trial.

    Parameters
    ----------
    src
        The folder that holds ``derived_id``, or that folder.
    options
        Nothing is needed: ``INDEX.csv`` gives the mass.
    """
    folder = src / "derived_id" if (src / "derived_id").is_dir() else src
    rows = read_csv_text(folder / "INDEX.csv")
    index = folder / "INDEX.csv"
    need_columns(list(rows[0]) if rows else [], ("subject", "trial", "frames", "mass_kg"), index)
    people: dict[str, Subject] = {}
    plan: list[tuple[Path, RecordingRef, int]] = []
    counts: dict[tuple[str, str], int] = {}
    for row in sorted(rows, key=lambda r: (r["subject"], r["trial"])):
        who = check_name(row["subject"], "subject ID", index)
        trial = check_name(row["trial"], "trial", index)
        try:
            person, frames = Subject(who, mass_kg=float(row["mass_kg"])), int(row["frames"])
        except ValueError as error:
            raise DataError(
                DataReason.BAD_FORMAT,
                f"mass or frames of {who} is no number",
                where=index,
                next_step="Download it again",
            ) from error
        people.setdefault(who, person)
        word = trial.lower().rstrip("0123456789")
        task = _TASKS.get(word, re.sub(r"[^a-z0-9]+", "-", word).strip("-") or "task")
        counts[who, task] = counts.get((who, task), 0) + 1
        path = find_files(folder, f"{who}__{trial}.csv*")[0]
        plan.append((path, RecordingRef(who, "s01", task, counts[who, task]), frames))

    def recordings() -> Iterator[Recording]:
        for path, ref, frames in plan:
            table = read_table(path, ("time_s", "id_valid"))
            if table["time_s"].size != frames:
                raise DataError(
                    DataReason.TRUNCATED,
                    f"it has {table['time_s'].size} rows, INDEX.csv says {frames}",
                    where=path,
                    next_step="Download it again",
                )
            yield _recording(table, ref, people[ref.subject].mass_kg or 0.0, path)

    return Imported(INFO, tuple(people.values()), recordings())


def _recording(table: Columns, ref: RecordingRef, mass_kg: float, path: Path) -> Recording:
    rate_hz, start_s = uniform_rate(table["time_s"], path)
    angles = {
        channel: np.deg2rad(table[f"{name}_deg"])
        for name, channel in _opensim.angle_channels().items()
        if f"{name}_deg" in table
    }
    moments: dict[str, FloatArray] = {
        channel: sign * table[f"{name}_moment_Nm"] / mass_kg
        for name, (channel, sign) in _opensim.moment_channels().items()
        if f"{name}_moment_Nm" in table
    }
    if "angle.knee_flexion.r" not in angles or "torque.knee.r" not in moments:
        need_columns(list(table), ("knee_angle_r_deg", "knee_angle_r_moment_Nm"), path)
    good = table["id_valid"] == 1.0
    for side in "rl":
        finite = [np.isfinite(v) for c, v in moments.items() if ChannelName.parse(c).side == side]
        moments[f"valid.torque.{side}"] = np.logical_and.reduce([good, *finite]).astype(np.float64)
    moments["valid.torque"] = good.astype(np.float64)
    streams = streams_by_name(
        make_stream(name, rate_hz, start_s, columns)
        for name, columns in (
            ("kinematics", angles),
            ("torque", moments),
            ("grf", forces(table)),
            ("imu", imus(table)),
        )
        if columns
    )
    trials = contact_trials([good], rate_hz, good.size)
    sensors = dict.fromkeys(BODIES.values(), "simulated from optical motion")
    return Recording(ref, streams, trials=trials, sensors=sensors)


def forces(table: Columns) -> dict[str, FloatArray]:
    """Force on each foot (N), its point (m) and free moment (N m) from OpenSim's columns."""
    found: dict[str, FloatArray] = {}
    for side in "rl":
        stem = f"ground_force_{side}_"
        if f"{stem}vy" not in table:
            continue
        for axis, name in _opensim.AXES.items():
            found[f"grf.foot.{side}.{name}"] = table[f"{stem}v{axis}"]
            if f"{stem}p{axis}" in table:
                found[f"cop.foot.{side}.{name}"] = table[f"{stem}p{axis}"]
        if f"{stem}my" in table:
            found[f"free_moment.foot.{side}"] = table[f"{stem}my"]
    return found


def imus(table: Columns) -> dict[str, FloatArray]:
    """Return simulated specific force (m/s^2) and angular velocity (rad/s) in each body's axes."""
    return {
        f"{kind}.{site}.{axis}": table[column]
        for body, site in BODIES.items()
        for kind, word in (("acc", "acc"), ("gyro", "gyr"))
        for axis in "xyz"
        if (column := f"simimu_{body}_{word}_{axis}") in table
    }
