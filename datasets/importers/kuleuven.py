"""The ``kuleuven`` format: one adult, eleven strides of the right leg.

Source: github.com/antoinefalisse/3dpredictsim, ``ExperimentalData/ExperimentalData.mat``. Each
stride is 100 points of a gait cycle; its sampling rate is found from the published velocities
(velocity over difference of angles). Torques are in N m, ground forces in percent of body weight,
and the body mass is not in the file: without ``mass_kg`` the source is refused, or, with
``torque=False``, imported without torque and force. The authors' own scripts use 62 kg.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from kinefed.datasets.errors import DataError, DataReason
from kinefed.datasets.importers._build import (
    GRAVITY_M_S2,
    make_stream,
    need_mass,
    streams_by_name,
)
from kinefed.datasets.importers._emg_names import muscle_site
from kinefed.datasets.importers._opensim import MIDDLE_ANGLES, SIDED_ANGLES, SIDED_MOMENTS
from kinefed.datasets.importers._read import find_files, need_columns, read_mat, reading
from kinefed.datasets.importers._registry import Imported, ImportOptions
from kinefed.datasets.types import (
    DatasetInfo,
    FloatArray,
    Recording,
    RecordingRef,
    Stream,
    Subject,
    Trial,
)

_POINTS = 100
_GRF = {"Fore-aft": "anterior", "Vertical": "vertical", "Lateral": "lateral"}
_LEG = ("hip_flexion", "knee_angle", "ankle_angle")


def read(src: Path, options: ImportOptions) -> Imported:
    """Read the set: one recording a stride.

    In this OpenSim model (gait2392) the knee coordinate is negative in flexion, so, unlike in the
    others, its angle is negated and its moment is not.

    Parameters
    ----------
    src
        ``ExperimentalData.mat``, or a folder above it.
    options
        ``mass_kg``, or ``torque=False``.
    """
    path = src if src.is_file() else find_files(src, "**/ExperimentalData.mat")[0]
    body = read_mat(path)
    with reading(path, "ExperimentalData"):
        data = body["ExperimentalData"]
        angles = _table(data.Q.subject1.Qs, path)
        velocities = _table(data.Q.subject1.Qdots, path)
        moments = _table(data.Torques.subject1, path)
        forces = _table(data.GRFs.subject1, path)
        envelopes = _table(data.EMG.subject1, path)
    need_columns(list(angles), _LEG, path)
    need_columns(list(velocities), _LEG, path)
    need_columns(list(moments), _LEG, path)
    mass_kg = need_mass(options.mass_kg, path) if options.torque else options.mass_kg
    strides = angles["knee_angle"].shape[1]
    info = DatasetInfo(
        name="kuleuven-gait",
        version="5fa3929f",
        licence="MIT",
        citation="Falisse et al. 2019, J R Soc Interface 16:20190402",
        notes="Right leg, stride by stride, EMG envelopes on the authors' scale. Extension, "
        "plantarflexion and abduction moments positive, "
        + (
            f"per kg of a given mass of {mass_kg:g} kg."
            if mass_kg is not None
            else "left out: the source gives no body mass."
        ),
    )

    def recordings() -> Iterator[Recording]:
        for k in range(strides):
            rate_hz = _rate(angles, velocities, k, path)
            yield Recording(
                RecordingRef("KUL01", "s01", "walk", k + 1),
                streams_by_name(
                    (
                        _kinematics(angles, k, rate_hz),
                        None if mass_kg is None else _torque(moments, k, rate_hz, mass_kg),
                        None if mass_kg is None else _force(forces, k, rate_hz, mass_kg),
                        _emg(envelopes, k, rate_hz),
                    )
                ),
                trials=(Trial(0, 0.0, _POINTS / rate_hz),),
            )

    return Imported(info, (Subject("KUL01", mass_kg=mass_kg),), recordings())


def _table(part: Any, path: Path) -> dict[str, FloatArray]:
    """Split (points, columns, strides) into columns of (points, strides)."""
    values = np.asarray(part.all, dtype=np.float64)
    names = [str(name) for name in np.atleast_1d(part.colheaders)]
    if values.ndim != 3 or values.shape[:2] != (_POINTS, len(names)):
        raise DataError(
            DataReason.BAD_FORMAT,
            f"a table is {values.shape}, not ({_POINTS}, {len(names)}, strides)",
            where=path,
            next_step="Download it again",
        )
    return {name: values[:, i, :] for i, name in enumerate(names)}


def _rate(
    angles: Mapping[str, FloatArray], velocities: Mapping[str, FloatArray], k: int, path: Path
) -> float:
    """Least-squares factor between a coordinate's velocity and its difference per point."""
    rates = []
    for name in _LEG:
        step = np.gradient(angles[name][:, k])
        rates.append(float(step @ velocities[name][:, k] / (step @ step)))
    rate_hz = float(np.median(rates))
    if not rate_hz > 0.0 or max(rates) - min(rates) > 0.02 * rate_hz:
        raise DataError(
            DataReason.RATE_MISMATCH,
            f"the velocities of stride {k + 1} do not fit its angles at one rate",
            where=path,
            next_step="Download it again",
        )
    return rate_hz


def _kinematics(table: Mapping[str, FloatArray], k: int, rate_hz: float) -> Stream:
    columns = {
        f"angle.{site}": np.deg2rad(table[name][:, k])
        for name, site in MIDDLE_ANGLES.items()
        if name in table
    }
    for name, site in SIDED_ANGLES.items():
        if name in table:
            sign = -1.0 if name == "knee_angle" else 1.0
            columns[f"angle.{site}.r"] = sign * np.deg2rad(table[name][:, k])
    return make_stream("kinematics", rate_hz, 0.0, columns)


def _torque(table: Mapping[str, FloatArray], k: int, rate_hz: float, mass_kg: float) -> Stream:
    columns: dict[str, FloatArray] = {}
    for name, (site, sign) in SIDED_MOMENTS.items():
        if name in table:
            here = 1.0 if name == "knee_angle" else sign
            columns[f"torque.{site}.r"] = here * table[name][:, k] / mass_kg
    finite = np.logical_and.reduce([np.isfinite(column) for column in columns.values()])
    columns["valid.torque.r"] = finite.astype(np.float64)
    return make_stream("torque", rate_hz, 0.0, columns)


def _force(table: Mapping[str, FloatArray], k: int, rate_hz: float, mass_kg: float) -> Stream:
    newton = mass_kg * GRAVITY_M_S2 / 100.0
    columns = {
        f"grf.foot.r.{axis}": newton * table[name][:, k]
        for name, axis in _GRF.items()
        if name in table
    }
    return make_stream("grf", rate_hz, 0.0, columns)


def _emg(table: Mapping[str, FloatArray], k: int, rate_hz: float) -> Stream | None:
    """Envelopes of this stride; a muscle that was not measured in it is left out."""
    columns = {
        f"envelope.{site}.r": values[:, k]
        for name, values in table.items()
        if (site := muscle_site(name)) is not None and np.isfinite(values[:, k]).all()
    }
    return make_stream("emg", rate_hz, 0.0, columns) if columns else None
