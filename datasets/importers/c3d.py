"""The ``c3d`` format: a folder ``<subject>/*.c3d``, or one file."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from kinefed.datasets.errors import DataError, DataReason
from kinefed.datasets.importers import _pig
from kinefed.datasets.importers._build import cropped, make_stream, streams_by_name
from kinefed.datasets.importers._c3d import C3d, read_c3d
from kinefed.datasets.importers._emg_names import muscle_of
from kinefed.datasets.importers._read import find_files
from kinefed.datasets.importers._registry import Imported, ImportOptions
from kinefed.datasets.quality import with_emg_quality
from kinefed.datasets.types import (
    DatasetInfo,
    FloatArray,
    Recording,
    RecordingRef,
    Stream,
    Subject,
    check_name,
)
from kinefed.datasets.units import factor_to_stored

# Points that Vicon's models put beside the markers: axes of segments, virtual points.
_MARKER = re.compile(r"[A-Za-z][A-Za-z0-9_]*\Z")
_SEGMENT_AXIS = re.compile(r"[A-Z]{3}[OALP]\Z")


def read(src: Path, options: ImportOptions) -> Imported:
    """Read C3D files; the folder of a file names the person, its stem the task.

    A task is the stem without the number at its end: ``walk03.c3d`` is a ``walk``. Calibration
    poses (``IS_STATIC``) are left out.

    Parameters
    ----------
    src
        A ``.c3d`` file, or a folder that holds ``<subject>/**/*.c3d`` or ``*.c3d``.
    options
        ``mass_kg`` where the files do not store ``Bodymass``.
    """
    files = [src] if src.is_file() else find_files(src, "**/*.c3d")
    root = src.parent if src.is_file() else src
    people: dict[str, Subject] = {}
    counts: dict[tuple[str, str], int] = {}
    plan: list[tuple[Path, RecordingRef]] = []
    for path in files:
        c3d = read_c3d(path)
        if c3d.is_static:
            continue
        folders = path.relative_to(root).parts[:-1]
        who = folders[0] if folders else c3d.subject or "S01"
        people.setdefault(check_name(who, "subject ID", path), subject_of(c3d, who, options))
        task = path.stem.lower().rstrip("0123456789").rstrip("_- ") or "task"
        task = check_name(re.sub(r"[^a-z0-9-]+", "-", task).strip("-") or "task", "task", path)
        counts[who, task] = counts.get((who, task), 0) + 1
        plan.append((path, RecordingRef(who, "s01", task, counts[who, task])))
    if not plan:
        raise DataError(
            DataReason.EMPTY,
            "all C3D files are calibration poses",
            where=src,
            next_step="Give the folder with the movements",
        )
    info = DatasetInfo(
        name=re.sub(r"[^A-Za-z0-9]+", "-", src.stem).strip("-") or "c3d",
        notes="From C3D files. Angles in rad and moments in N m/kg as Plug-in-Gait wrote them "
        "(extension, plantarflexion, abduction positive); valid where a foot was wholly on a "
        "force plate; forces turned to the pelvis' heading.",
    )

    def recordings() -> Iterator[Recording]:
        for path, ref in plan:
            yield recording_of(read_c3d(path), ref, people[ref.subject])

    return Imported(info, tuple(people.values()), recordings())


def subject_of(c3d: C3d, who: str, options: ImportOptions) -> Subject:
    """Make a subject of what Vicon's model stored in the file (kg and mm)."""
    stored = c3d.processing
    lengths = {
        name: stored[key] / 1000.0
        for name, key in (
            ("leg.l", "LLegLength"),
            ("leg.r", "RLegLength"),
            ("thigh.l", "LFemurLength"),
            ("thigh.r", "RFemurLength"),
            ("shank.l", "LTibiaLength"),
            ("shank.r", "RTibiaLength"),
            ("foot.l", "LFootLength"),
            ("foot.r", "RFootLength"),
        )
        if stored.get(key, 0.0) > 0.0
    }
    height = stored.get("Height", 0.0) / 1000.0
    return Subject(
        who,
        height_m=height if height > 0.0 else None,
        mass_kg=options.mass_kg or stored.get("Bodymass") or None,
        segment_lengths_m=lengths,
    )


def recording_of(c3d: C3d, ref: RecordingRef, subject: Subject) -> Recording:
    """Make a recording of one file: streams, events, stance trials, EMG quality.

    Frames in which the model gave no angles, at the ends of some files, are left out of all
    streams; times stay those of the file.
    """
    force = None if subject.mass_kg is None else _pig.grf(c3d, subject.mass_kg)
    streams = streams_by_name(
        (_pig.kinematics(c3d), _pig.torque(c3d), force, emg(c3d), markers(c3d))
    )
    if not streams:
        raise DataError(
            DataReason.EMPTY,
            "it holds no marker, angle, moment or EMG that is known",
            where=c3d.path,
            next_step="Export it with its labels, or use the table format",
        )
    first_s, end_s = (frame / c3d.rate_hz for frame in _pig.modelled_frames(c3d))
    recording = Recording(
        ref,
        {name: cropped(stream, first_s, end_s) for name, stream in streams.items()},
        trials=_pig.stance_trials(c3d),
        events=tuple(event for event in c3d.events if first_s <= event.time_s <= end_s),
    )
    return with_emg_quality(recording)


def emg(c3d: C3d) -> Stream | None:
    """Raw EMG in V, or None: analog channels whose label names a muscle and a side."""
    columns: dict[str, FloatArray] = {}
    for label, samples in c3d.analogs.items():
        muscle = muscle_of(label)
        unit = c3d.analog_units.get(label) or "V"
        if muscle is not None and unit.lower() in ("v", "mv", "uv"):
            channel = f"emg.{muscle[1]}.{muscle[0]}"
            written = {"v": "V", "mv": "mV", "uv": "uV"}[unit.lower()]
            columns.setdefault(channel, samples * factor_to_stored(channel, written))
    return make_stream("emg", c3d.analog_rate_hz, 0.0, columns) if columns else None


def markers(c3d: C3d) -> Stream | None:
    """Markers in m, in the laboratory's axes; those never seen are left out."""
    columns: dict[str, FloatArray] = {}
    for label, path in c3d.points.items():
        physical = _MARKER.match(label) and not _SEGMENT_AXIS.match(label)
        if label in c3d.modelled or not physical or _is_model(label):
            continue
        if not np.isfinite(path).any():
            continue
        for axis, values in zip("xyz", path.T, strict=True):
            channel = f"marker.{label.lower()}.{axis}"
            columns.setdefault(channel, values * factor_to_stored(channel, c3d.unit))
    return make_stream("markers", c3d.rate_hz, 0.0, columns) if columns else None


def _is_model(label: str) -> bool:
    """Say whether a label is one that Plug-in-Gait computes and files beside the markers."""
    ends = ("Angles", "Angle", "Force", "Moment", "Power", "NormalisedGRF", "Index", "Height")
    return label.endswith(ends)
