"""The ``opensim`` format: one folder a person, with OpenSim's own result files.

::

    SRC/<person>/subject.toml        mass_kg = 62.6, and what else is known of the person; with
                                     knee_angle = "extension" for a model such as gait2392
    SRC/<person>/<trial>_ik.mot      joint coordinates
    SRC/<person>/<trial>_id.sto      generalised forces (optional)
    SRC/<person>/<trial>_grf.mot     ground_force_{l,r}_{v,p,m}{x,y,z} on the feet (optional)

A task is the trial's name without the number at its end.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from kinefed.datasets.errors import DataError, DataReason
from kinefed.datasets.importers import _opensim
from kinefed.datasets.importers._build import contact_trials, make_stream, streams_by_name
from kinefed.datasets.importers._read import find_files, need_columns, uniform_rate
from kinefed.datasets.importers._registry import Imported, ImportOptions
from kinefed.datasets.importers.opencap import forces
from kinefed.datasets.types import (
    DatasetInfo,
    FloatArray,
    Recording,
    RecordingRef,
    Stream,
    Subject,
    check_name,
)

# A model's knee coordinate counts one of these as positive; the first if nothing is said.
_KNEE_SIGNS = {"flexion": 1.0, "extension": -1.0}
# No healthy knee extends so far: an angle beyond is flexion that is counted negative.
_OVEREXTENDED_RAD = np.deg2rad(-20.0)
_RESIDUALS = ("pelvis_tx_force", "pelvis_ty_force", "pelvis_tz_force")


def read(src: Path, options: ImportOptions) -> Imported:
    """Read a folder of OpenSim results.

    Moments are divided by the body mass and brought to the project's signs. Where the result file
    has residuals on the pelvis, a frame's moments are valid if the residual force is below 10 % of
    body weight; without them all frames are.

    Parameters
    ----------
    src
        The folder of people, or one person's folder.
    options
        ``mass_kg`` for a single person without one in ``subject.toml``.
    """
    folders = sorted(path.parent for path in find_files(src, "**/subject.toml"))
    people: dict[str, Subject] = {}
    knees: dict[str, float] = {}
    plan: list[tuple[Path, str, RecordingRef]] = []
    counts: dict[tuple[str, str], int] = {}
    for folder in folders:
        person, knee = _subject(folder / "subject.toml", options)
        if person.id in people:
            raise DataError(
                DataReason.DUPLICATE,
                f"subject ID {person.id!r} appears twice",
                where=folder / "subject.toml",
                next_step="Give each person one folder",
            )
        people[person.id], knees[person.id] = person, knee
        for path in find_files(folder, "*_ik.mot"):
            trial = path.name.removesuffix("_ik.mot")
            word = re.sub(r"[^a-z0-9]+", "-", trial.lower().rstrip("0123456789")).strip("-")
            task = check_name(word or "task", "task", path)
            counts[person.id, task] = counts.get((person.id, task), 0) + 1
            ref = RecordingRef(person.id, "s01", task, counts[person.id, task])
            plan.append((folder, trial, ref))

    def recordings() -> Iterator[Recording]:
        for folder, trial, ref in plan:
            yield _recording(folder, trial, ref, people[ref.subject], knees[ref.subject])

    info = DatasetInfo(
        name=re.sub(r"[^A-Za-z0-9]+", "-", src.name).strip("-") or "opensim",
        notes="From OpenSim. Hip, knee, ankle, adduction and elbow moments negated to extension, "
        "plantarflexion and abduction positive, per kg. Forces in the laboratory's axes.",
    )
    return Imported(info, tuple(people.values()), recordings())


def _recording(
    folder: Path, trial: str, ref: RecordingRef, person: Subject, knee: float
) -> Recording:
    path = folder / f"{trial}_ik.mot"
    table, in_degrees = _opensim.read_storage(path)
    rate_hz, start_s = uniform_rate(table["time"], path)
    factor = np.pi / 180.0 if in_degrees else 1.0
    angles = {
        channel: (knee if "knee_flexion" in channel else 1.0) * factor * table[name]
        for name, channel in _opensim.angle_channels().items()
        if name in table
    }
    _check_knees(angles, path)
    if not angles:
        need_columns(list(table), ("hip_flexion_r", "knee_angle_r", "ankle_angle_r"), path)
    kinematics = make_stream("kinematics", rate_hz, start_s, angles)
    torque = _torque(folder / f"{trial}_id.sto", person, knee)
    force = _force(folder / f"{trial}_grf.mot")
    mask = np.ones(kinematics.data.shape[0], dtype=bool)
    clock, begin = rate_hz, start_s
    if torque is not None:
        mask = torque.column("valid.torque") == 1.0
        clock, begin = torque.rate_hz, torque.start_s
    trials = tuple(
        type(t)(t.index, begin + t.start_s, begin + t.end_s)
        for t in contact_trials([mask], clock, mask.size)
    )
    return Recording(ref, streams_by_name((kinematics, torque, force)), trials=trials)


def _check_knees(angles: Mapping[str, FloatArray], path: Path) -> None:
    """Refuse knees that bend the wrong way: their moments would have the wrong sign too."""
    for channel, angle in angles.items():
        lowest = np.nanmin(angle, initial=0.0)
        if "knee_flexion" in channel and lowest < _OVEREXTENDED_RAD:
            raise DataError(
                DataReason.OUT_OF_RANGE,
                f"{channel} goes to {np.rad2deg(lowest):.0f} degrees, beyond extension",
                where=path,
                next_step='Write knee_angle = "extension" in subject.toml for a model whose knee '
                'coordinate is positive in extension, such as gait2392, or "flexion" otherwise',
            )


def _torque(path: Path, person: Subject, knee: float) -> Stream | None:
    if not path.is_file():
        return None
    if person.mass_kg is None:
        raise DataError(
            DataReason.NO_MASS,
            "moments are in N m and the person has no mass",
            where=path,
            next_step="Write mass_kg in subject.toml",
        )
    table, _ = _opensim.read_storage(path)
    rate_hz, start_s = uniform_rate(table["time"], path)
    columns: dict[str, FloatArray] = {
        channel: (knee if name.startswith("knee_angle") else 1.0)
        * sign
        * table[f"{name}_moment"]
        / person.mass_kg
        for name, (channel, sign) in _opensim.moment_channels().items()
        if f"{name}_moment" in table
    }
    if not columns:
        need_columns(list(table), ("knee_angle_r_moment",), path)
    good = np.logical_and.reduce([np.isfinite(column) for column in columns.values()])
    if set(_RESIDUALS) <= set(table):
        residuals = {name: table[name] for name in _RESIDUALS}
        good &= _opensim.residual_valid(residuals, person.mass_kg)
    for mask in ("valid.torque", "valid.torque.l", "valid.torque.r"):
        columns[mask] = good.astype(np.float64)
    return make_stream("torque", rate_hz, start_s, columns)


def _force(path: Path) -> Stream | None:
    if not path.is_file():
        return None
    table, _ = _opensim.read_storage(path)
    columns = forces(table)
    if not columns:
        raise DataError(
            DataReason.MISSING_COLUMN,
            "no column ground_force_r_vy or ground_force_l_vy: which foot a plate carried is not "
            "said",
            where=path,
            next_step="Rename the plates' columns to ground_force_r_* and ground_force_l_*",
        )
    rate_hz, start_s = uniform_rate(table["time"], path)
    return make_stream("grf", rate_hz, start_s, columns)


def _subject(path: Path, options: ImportOptions) -> tuple[Subject, float]:
    """Read a person, and the sign of the knee coordinate of the person's model."""
    try:
        body: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise DataError(
            DataReason.BAD_FORMAT, f"not TOML ({error})", where=path, next_step="Correct it"
        ) from error
    positive = body.pop("knee_angle", "flexion")
    if positive not in _KNEE_SIGNS:
        raise DataError(
            DataReason.BAD_FORMAT,
            f"knee_angle = {positive!r}",
            where=path,
            next_step='Write "flexion" or "extension": what the coordinate counts as positive',
        )
    who = str(body.get("id", path.parent.name))
    return subject_from_toml(who, body, path, options.mass_kg), _KNEE_SIGNS[positive]


def subject_from_toml(
    who: str, body: Mapping[str, Any], path: Path, mass_kg: float | None = None
) -> Subject:
    """Make a subject of a TOML table; keys are the fields of `Subject`."""
    known = {"id", "group", "sex", "age_years", "height_m", "mass_kg", "condition"}
    odd = sorted(set(body) - known)
    if odd:
        raise DataError(
            DataReason.BAD_FORMAT,
            f"subject {who} has the unknown key {odd[0]!r}",
            where=path,
            next_step=f"Use {', '.join(sorted(known))}",
        )
    fields = {key: value for key, value in body.items() if key != "id"}
    try:
        return Subject(who, **({"mass_kg": mass_kg} | fields))
    except TypeError as error:
        raise DataError(
            DataReason.BAD_FORMAT,
            f"subject {who} has a value of the wrong type ({error})",
            where=path,
            next_step="Write numbers for age_years, height_m and mass_kg",
        ) from error
