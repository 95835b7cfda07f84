"""The ``perturbed_ankle`` format: one person on a perturbed treadmill, one leg.

Source: github.com/FarzamTP/Replicating-Human-Joint-Moments-Using-Neural-Networks, as a table with
the columns ``time_s, vgrf_N, trunk_angle_rad, hip_angle_rad, knee_angle_rad, ankle_angle_rad,
ankle_moment_Nm``. Which leg is not said; it is filed as the right.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from kinefed.datasets.errors import DataError, DataReason
from kinefed.datasets.importers._build import (
    GRAVITY_M_S2,
    contact_trials,
    make_stream,
    streams_by_name,
)
from kinefed.datasets.importers._read import find_files, read_table, uniform_rate
from kinefed.datasets.importers._registry import Imported, ImportOptions
from kinefed.datasets.types import DatasetInfo, FloatArray, Recording, RecordingRef, Subject

_COLUMNS = (
    "time_s",
    "vgrf_N",
    "trunk_angle_rad",
    "hip_angle_rad",
    "knee_angle_rad",
    "ankle_angle_rad",
    "ankle_moment_Nm",
)
# A foot on the belt: above the drift of a treadmill's plate (here some 10 N in swing).
_CONTACT_N = 50.0
# Shorter than this, strides are too few for the mean force to be the weight.
_LEAST_S = 30.0


def read(src: Path, options: ImportOptions) -> Imported:
    """Read the walk as one recording.

    Over many strides the mean vertical force is the body weight (momentum returns to where it
    was), half of it on each leg; the mass is taken from that where `options` does not give it.

    Parameters
    ----------
    src
        The table, or the folder that holds ``data_ankle.csv[.gz]``.
    options
        ``mass_kg`` overrides the derived mass.
    """
    path = src if src.is_file() else find_files(src, "data_ankle.csv*")[0]
    table = read_table(path, _COLUMNS)
    rate_hz, start_s = uniform_rate(table["time_s"], path)
    mass_kg = options.mass_kg or _mass(table["vgrf_N"], rate_hz, path)
    moment = table["ankle_moment_Nm"] / mass_kg
    streams = streams_by_name(
        (
            make_stream(
                "kinematics",
                rate_hz,
                start_s,
                {
                    "angle.trunk_tilt": table["trunk_angle_rad"],
                    "angle.hip_flexion.r": table["hip_angle_rad"],
                    "angle.knee_flexion.r": table["knee_angle_rad"],
                    # Plantarflexion positive, and about -pi/2 in the neutral pose.
                    "angle.ankle_dorsiflexion.r": -(table["ankle_angle_rad"] + np.pi / 2.0),
                },
            ),
            make_stream(
                "torque",
                rate_hz,
                start_s,
                {
                    "torque.ankle.r": moment,
                    "valid.torque.r": np.isfinite(moment).astype(np.float64),
                },
            ),
            make_stream("grf", rate_hz, start_s, {"grf.foot.r.vertical": table["vgrf_N"]}),
        )
    )
    info = DatasetInfo(
        name="perturbed-walk-ankle",
        version="a51e100f",
        licence="Apache-2.0 (repository)",
        citation="Course data of A. Koelewijn (FAU), "
        "https://github.com/FarzamTP/Replicating-Human-Joint-Moments-Using-Neural-Networks",
        notes="Ankle moment only, plantarflexion positive as published; the side is not said and "
        f"filed as right. Body mass {mass_kg:.1f} kg "
        + ("as given." if options.mass_kg else "from twice the mean vertical force of one leg."),
    )
    on_belt = table["vgrf_N"] > _CONTACT_N
    recording = Recording(
        RecordingRef("P01", "s01", "walk-perturbed", 1),
        streams,
        trials=contact_trials([on_belt], rate_hz, on_belt.size),
    )
    return Imported(info, (Subject("P01", mass_kg=mass_kg),), (recording,))


def _mass(vertical_n: FloatArray, rate_hz: float, path: Path) -> float:
    if vertical_n.size < _LEAST_S * rate_hz:
        raise DataError(
            DataReason.NO_MASS,
            f"{vertical_n.size / rate_hz:.1f} s are too few strides to take the mass from",
            where=path,
            next_step="Give the body mass (mass_kg)",
        )
    return float(2.0 * np.mean(vertical_n) / GRAVITY_M_S2)
