"""``calibration.toml``: what is remembered of a wearer's calibration.

::

    format = 1
    made = "2026-05-04T09:30:00+00:00"
    emg_from = "walk"

    [emg_reference]
    "emg.soleus.r" = 0.00021

    [[sensor]]
    place = "shank.r"
    name = "shank"
    driver = "movella-dot"
    address = "F0:00:00:00:00:02"
    quat = { w = 0.99, x = 0.1, y = 0.0, z = 0.0 }
    share = 0.99
    range_rad = 0.52
    still_rad_s = 0.004
    gyro_bias = { x = 0.001, y = 0.0, z = -0.002 }
"""

from __future__ import annotations

import json
import math
import os
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

import numpy as np

from kinefed.datasets.channels import ChannelName
from kinefed.datasets.errors import DataError
from kinefed.datasets.quality import with_emg_quality
from kinefed.datasets.types import FloatArray, Recording
from kinefed.sensors.alignment import SEGMENTS, Alignment, Span
from kinefed.sensors.calibration_errors import CalibrationError, CalibrationReason
from kinefed.sensors.drivers._toml import Table
from kinefed.sensors.worn import Worn
from kinefed.signals import emg_reference_of

FORMAT = 1
EMG_SOURCES = ("", "mvc", "walk")
_HELP = "Calibrate again with 'kinefed sensors calibrate'"


@dataclass(frozen=True, slots=True)
class Calibrated:
    """One sensor that was calibrated.

    Attributes
    ----------
    name, driver_id, address
        As of `Worn`; the address is that of the very sensor.
    alignment
        How it sits.
    """

    name: str
    driver_id: str
    address: str | None
    alignment: Alignment


@dataclass(frozen=True, slots=True)
class Calibration:
    """What is remembered of a wearer.

    Attributes
    ----------
    made
        When, with its time zone.
    sensors
        Place to what is there.
    emg_reference
        ``emg.<muscle>.<side>`` to volts, for `kinefed.signals.Reference`.
    emg_from
        ``"mvc"``, ``"walk"``, or empty where there is no reference.
    """

    made: datetime
    sensors: Mapping[str, Calibrated] = field(default_factory=dict)
    emg_reference: Mapping[str, float] = field(default_factory=dict)
    emg_from: str = ""

    @property
    def alignments(self) -> dict[str, Alignment]:
        """Place to alignment, for `JointAngles`."""
        return {place: each.alignment for place, each in self.sensors.items()}

    def differs(self, worn: Iterable[Worn]) -> str:
        """Say in one sentence what is worn otherwise than it was calibrated; else empty.

        Sensors without an address are told by their kind alone, and other places do not matter.
        """
        there = {each.place: each for each in worn if each.place is not None}
        for place, each in self.sensors.items():
            now = there.get(place)
            if now is None:
                return f"nothing is worn on {place}, which was calibrated"
            same = now.address is None or each.address is None or now.address == each.address
            if now.driver_id != each.driver_id or not same:
                return f"another sensor is on {place} than was calibrated"
        return ""

    def save(self, path: str | Path) -> Path:
        """Write it whole or not at all: over the file that is there, which stays if this fails.

        Raises
        ------
        OSError
            Where the disk is full or the folder cannot be written to.
        """
        file = Path(path)
        fresh = file.with_name(f"{file.name}.{os.getpid()}.new")
        try:
            with fresh.open("w", encoding="utf-8") as out:
                out.write(self._text())
                out.flush()
                os.fsync(out.fileno())
            fresh.replace(file)
        finally:
            fresh.unlink(missing_ok=True)
        return file

    def _text(self) -> str:
        lines = ["# Made by kinefed sensors calibrate: docs/sensors.md", f"format = {FORMAT}"]
        lines.append(f"made = {_value(self.made.isoformat())}")
        lines.append(f"emg_from = {_value(self.emg_from)}")
        lines += ["", "[emg_reference]"]
        lines += [f"{_value(name)} = {_value(volts)}" for name, volts in self.emg_reference.items()]
        for place, each in self.sensors.items():
            sits = each.alignment
            lines += ["", "[[sensor]]", f"place = {_value(place)}", f"name = {_value(each.name)}"]
            lines.append(f"driver = {_value(each.driver_id)}")
            if each.address is not None:
                lines.append(f"address = {_value(each.address)}")
            lines.append(f"quat = {_parts('wxyz', sits.quat)}")
            for name in ("share", "range_rad", "still_rad_s"):
                lines.append(f"{name} = {_value(float(getattr(sits, name)))}")
            lines.append(f"gyro_bias = {_parts('xyz', sits.gyro_bias)}")
        return "\n".join(lines) + "\n"

    @classmethod
    def load(cls, path: str | Path) -> Calibration:
        """Read one.

        Raises
        ------
        CalibrationError
            ``bad_file`` with the field that is wrong.
        """
        file = Path(path)
        try:
            return _read(Table(tomllib.loads(file.read_text(encoding="utf-8")), str(file), _HELP))
        except DataError as error:
            what, where = error.what, error.where
        except FileNotFoundError:
            what, where = "there is no such file", str(file)
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            what, where = f"it cannot be read: {error}", str(file)
        raise CalibrationError(CalibrationReason.BAD_FILE, what, where=where, next_step=_HELP)


def calibrated(worn: Iterable[Worn], sits: Mapping[str, Alignment]) -> dict[str, Calibrated]:
    """Put alignments and sensors together: place to both, for `Calibration.sensors`."""
    return {
        each.place: Calibrated(each.name, each.driver_id, each.address, sits[each.place])
        for each in worn
        if each.place is not None and each.place in sits
    }


def emg_reference(recording: Recording, span: Span) -> dict[str, float]:
    """Take each muscle's reference from a stretch of a recording.

    Parameters
    ----------
    recording
        Of maximal voluntary contractions, one muscle after the other, or of walking.
    span
        First and last second of it.

    Returns
    -------
    dict
        ``emg.<muscle>.<side>`` to the peak of its envelope there, in volts (`emg_reference_of`);
        channels without muscle in them are left out.
    """
    streams = {}
    for name, stream in recording.streams.items():
        if any(channel.startswith("emg.") for channel in stream.channels):
            first, last = (round((t - stream.start_s) * stream.rate_hz) for t in span)
            first = max(0, first)
            part = stream.data[first : max(first, last)]
            start_s = stream.start_s + first / stream.rate_hz
            # Half a second is the least that a verdict can be made of.
            if len(part) > 0.5 * stream.rate_hz:
                streams[name] = replace(stream, start_s=start_s, data=part)
    return emg_reference_of([with_emg_quality(replace(recording, streams=streams, gaps=()))])


def _read(root: Table) -> Calibration:
    if root.number("format") != FORMAT:
        raise root.bad(f"expected {FORMAT}, the format this kinefed knows", "format")
    text = root.text("made")
    try:
        made = datetime.fromisoformat(text)
    except ValueError:
        raise root.bad(f"{text!r} is no time", "made") from None
    if made.tzinfo is None:
        raise root.bad("it has no time zone", "made")
    emg_from = root.text("emg_from")
    if emg_from not in EMG_SOURCES:
        raise root.bad(f"expected one of {', '.join(map(repr, EMG_SOURCES))}", "emg_from")
    reference: dict[str, float] = {}
    for channel, volts in root.values("emg_reference").items():
        if ChannelName.parse(channel).kind != "emg":
            raise root.bad("expected a channel of EMG", f"emg_reference: {channel}")
        if isinstance(volts, str) or not (math.isfinite(volts) and volts > 0.0):
            raise root.bad("expected volts above 0", f"emg_reference: {channel}")
        reference[channel] = float(volts)
    if bool(reference) != bool(emg_from):
        raise root.bad("it says not where the reference is from, or has none", "emg_from")
    sensors: dict[str, Calibrated] = {}
    for table in root.tables("sensor"):
        place = table.text("place")
        if place.partition(".")[0] not in SEGMENTS or place in sensors:
            raise table.bad(f"{place!r} is no segment of its own", "place")
        name, driver = table.text("name"), table.text("driver")
        address = table.text("address", "") or None
        sensors[place] = Calibrated(name, driver, address, _alignment(table))
    root.end()
    return Calibration(made, sensors, reference, emg_from)


def _alignment(table: Table) -> Alignment:
    quat = _vector(table, "quat", "wxyz")
    size = float(np.linalg.norm(quat))
    if abs(size - 1.0) > 1e-6:
        raise table.bad(f"expected a rotation, its size is {size:g} and not 1", "quat")
    share, range_rad = table.positive("share"), table.positive("range_rad")
    still = table.number("still_rad_s")
    bias = _vector(table, "gyro_bias", "xyz")
    table.end()
    return Alignment(quat, share, range_rad, still, bias)


def _vector(table: Table, name: str, axes: str) -> FloatArray:
    parts = table.table(name)
    vector = np.array([parts.number(axis) for axis in axes])
    parts.end()
    return vector


def _value(value: object) -> str:
    """Write a value as TOML does, which for text and numbers is as JSON does."""
    return json.dumps(value, ensure_ascii=False)


def _parts(axes: str, vector: FloatArray) -> str:
    parts = (f"{a} = {_value(v)}" for a, v in zip(axes, vector.tolist(), strict=True))
    return f"{{ {', '.join(parts)} }}"
