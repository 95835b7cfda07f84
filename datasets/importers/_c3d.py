"""C3D files through ezc3d, which is an optional extra."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kinefed.datasets.errors import DataError, DataReason, UsageError, UsageReason
from kinefed.datasets.importers._c3d_layout import check_layout
from kinefed.datasets.importers._read import need_file, reading
from kinefed.datasets.types import Event, FloatArray

_GET_AGAIN = "Export it again from the motion-capture program"


@dataclass(frozen=True, slots=True)
class C3d:
    """One C3D file, in its own units.

    Attributes
    ----------
    path
        The file.
    rate_hz, analog_rate_hz
        Of points and of analog channels.
    points
        Label to (frames, 3): markers in `unit`, and what a model wrote among them.
    unit
        Of marker positions: ``"mm"`` or ``"m"``.
    modelled
        Labels that are no markers (angles, forces, moments, powers, scalars).
    analogs, analog_units
        Label to (samples,) and to its unit.
    events
        On the recording's clock, whose zero is the first frame.
    processing
        Single numbers a model stored, such as ``Bodymass``.
    subject
        Name in the file, or "".
    is_static
        A calibration pose.
    """

    path: Path
    rate_hz: float
    analog_rate_hz: float
    points: Mapping[str, FloatArray]
    unit: str
    modelled: frozenset[str]
    analogs: Mapping[str, FloatArray]
    analog_units: Mapping[str, str]
    events: tuple[Event, ...]
    processing: Mapping[str, float]
    subject: str
    is_static: bool

    @property
    def frames(self) -> int:
        """Number of point frames."""
        return len(next(iter(self.points.values())))


def read_c3d(path: Path) -> C3d:
    """Read a C3D file.

    Raises
    ------
    UsageError
        ``missing_extra`` where ezc3d is not installed.
    DataError
        ``truncated`` where the file is shorter than its header says, ``bad_format`` where it is
        no C3D, ``unreadable`` for anything else ezc3d refuses.
    """
    try:
        import ezc3d
    except ImportError as error:
        raise UsageError(
            UsageReason.MISSING_EXTRA,
            "C3D files need the ezc3d library",
            next_step='Install it with: pip install "kinefed[import]"',
        ) from error
    check_layout(need_file(path))
    with reading(path, "C3D"):
        body: Any = ezc3d.c3d(str(path))
        return _make(path, body)


def _make(path: Path, body: Any) -> C3d:
    groups = body["parameters"]
    point = groups["POINT"]
    labels = [str(label).strip() for label in _series(point, "LABELS")]
    data = np.asarray(body["data"]["points"], dtype=np.float64)[:3]
    names: dict[str, FloatArray] = {}
    for i, label in enumerate(labels[: data.shape[1]]):
        names.setdefault(label, data[:, i, :].T)
    if not names or data.shape[2] == 0:
        raise DataError(DataReason.EMPTY, "it has no points", where=path, next_step=_GET_AGAIN)
    modelled = {
        str(label).strip()
        for group in ("ANGLES", "FORCES", "MOMENTS", "POWERS", "SCALARS")
        for label in _series(point, group)
    }
    rate_hz = float(body["header"]["points"]["frame_rate"])
    analog = groups.get("ANALOG", {})
    series = np.asarray(body["data"]["analogs"], dtype=np.float64)[0]
    analog_labels = [str(label).strip() for label in _series(analog, "LABELS")]
    units = [str(unit).strip() for unit in _series(analog, "UNITS")]
    channels = dict(zip(analog_labels, series, strict=False))
    return C3d(
        path=path,
        rate_hz=rate_hz,
        analog_rate_hz=float(body["header"]["analogs"]["frame_rate"]) if channels else 0.0,
        points=names,
        unit=str((_series(point, "UNITS") or ["mm"])[0]).strip(),
        modelled=frozenset(modelled),
        analogs=channels,
        analog_units=dict(zip(analog_labels, units, strict=False)),
        events=_events(groups, rate_hz, int(body["header"]["points"]["first_frame"])),
        processing=_numbers(groups.get("PROCESSING", {})),
        subject=str((_series(groups.get("SUBJECTS", {}), "NAMES") or [""])[0]).strip(),
        is_static=bool(np.any(_values(groups.get("SUBJECTS", {}), "IS_STATIC"))),
    )


def _events(groups: Mapping[str, Any], rate_hz: float, first_frame: int) -> tuple[Event, ...]:
    group = groups.get("EVENT", {})
    times = _values(group, "TIMES")
    if np.size(times) == 0:
        return ()
    minutes_seconds = np.asarray(times, dtype=np.float64).reshape(2, -1)
    found = []
    sides = {"left": "l", "right": "r"}
    for label, context, (minutes, seconds) in zip(
        _series(group, "LABELS"), _series(group, "CONTEXTS"), minutes_seconds.T, strict=False
    ):
        name = str(label).strip().lower().replace(" ", "_")
        at = 60.0 * float(minutes) + float(seconds) - first_frame / rate_hz
        found.append(Event(at, name, sides.get(str(context).strip().lower())))
    return tuple(sorted(found, key=lambda e: (e.time_s, e.name, e.side or "")))


def _numbers(group: Mapping[str, Any]) -> dict[str, float]:
    found = {}
    for name in group:
        values = np.ravel(_values(group, name))
        if values.size == 1 and values.dtype.kind in "if":
            found[name] = float(values[0])
    return found


def _series(group: Mapping[str, Any], name: str) -> list[Any]:
    """Join ``LABELS``, ``LABELS2``, ...: a C3D parameter holds 255 entries at most."""
    found: list[Any] = []
    number = 1
    while (key := name if number == 1 else f"{name}{number}") in group:
        found.extend(_values(group, key))
        number += 1
    return found


def _values(group: Mapping[str, Any], name: str) -> Any:
    entry = group.get(name, {})
    return entry.get("value", []) if hasattr(entry, "get") else []
