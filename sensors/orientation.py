"""Orientation of one IMU without a magnetometer: gravity gives the tilt, the gyroscope the rest.

It is VQF's 6D filter (Laidig and Seel, "VQF: Highly accurate IMU orientation estimation with bias
estimation and magnetic disturbance rejection", Information Fusion 91, 2023). The heading begins at
0 and drifts with what is left of the gyroscope's bias; `kinefed.sensors.joint_angles` takes that
out between two sensors.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline

from kinefed.datasets.errors import UsageError, UsageReason
from kinefed.datasets.types import FloatArray, Recording
from kinefed.sensors.grid import BoolArray

BRIDGE_S = 0.1
"""A gap up to this long is integrated over by a cubic through its edges. On virtual people who walk
that is off by less than 3 degrees; over twice as long it may be 10."""
SETTLE_S = 2.0
"""After a start the tilt is not to be relied on for this long: a stride or two, over which the
acceleration is gravity in the mean."""


@dataclass(frozen=True, slots=True)
class ImuSamples:
    """What one IMU measured, at even times.

    Attributes
    ----------
    rate_hz, start_s
        Samples a second; time of the first one on the recording's clock.
    acc, gyro
        (samples, 3) m/s^2 and rad/s in the sensor's axes.
    valid
        (samples,) False in a gap, where the values do not count.
    """

    rate_hz: float
    start_s: float
    acc: FloatArray
    gyro: FloatArray
    valid: BoolArray

    def between(self, start_s: float, end_s: float) -> slice:
        """Samples of a stretch of time."""
        first, last = ((t - self.start_s) * self.rate_hz for t in (start_s, end_s))
        return slice(max(0, math.ceil(first - 1e-6)), max(0, math.ceil(last - 1e-6)))


@dataclass(frozen=True, slots=True)
class Oriented:
    """Orientations of an IMU.

    Attributes
    ----------
    quat
        (samples, 4) w, x, y, z: takes vectors from the sensor's axes to a world with z up.
    gyro
        (samples, 3) angular velocity without the bias that was found, rad/s in the sensor's axes;
        0 in a gap.
    known
        (samples,) False in a gap and until the tilt has settled after a start.
    run
        (samples,) how often it had begun anew: headings of two runs have nothing in common.
    """

    quat: FloatArray
    gyro: FloatArray
    known: BoolArray
    run: NDArray[np.int64]


class OrientationSession:
    """Orientations as samples come; however they are cut, the result is the same to the bit.

    Lost samples hold the orientation and are marked. After a short gap (`BRIDGE_S`) the filter is
    taken over it; after a longer one it begins anew, with the gyroscope's bias that it had found.

    Parameters
    ----------
    rate_hz
        Samples a second.

    Raises
    ------
    UsageError
        ``missing_extra`` without the library ``vqf``, ``bad_argument`` for a rate below 20 Hz,
        which no movement of a leg fits into.
    """

    def __init__(self, rate_hz: float) -> None:
        if not rate_hz >= 20.0:
            raise UsageError(
                UsageReason.BAD_ARGUMENT,
                f"orientations from {rate_hz:g} samples a second",
                where="rate_hz",
                next_step="Let the IMU send 50 Hz or more",
            )
        self._period_s = 1.0 / rate_hz
        self._bridge = round(BRIDGE_S * rate_hz)
        self._settle = round(SETTLE_S * rate_hz)
        self._vqf = _filter(self._period_s)
        # The last two samples before a gap, and the one after it that waits for another.
        self._tail, self._edge = np.empty((0, 6)), np.empty((0, 6))
        self._quat = np.array([1.0, 0.0, 0.0, 0.0])
        self._gap = self._since = self._count = 0

    def push(self, acc: FloatArray, gyro: FloatArray, valid: BoolArray | None = None) -> Oriented:
        """Take the next samples.

        Parameters
        ----------
        acc, gyro, valid
            As in `ImuSamples`; None: all are valid. Samples that are not finite are not.
        """
        both = np.hstack([np.asarray(gyro, dtype=np.float64), acc])
        there = np.asarray(np.isfinite(both).all(axis=1))
        if valid is not None:
            there &= valid
        n = len(both)
        out = Oriented(np.empty((n, 4)), np.zeros((n, 3)), np.zeros(n, bool), np.empty(n, np.int64))
        edges = [0, *(np.flatnonzero(np.diff(there)) + 1).tolist(), n]
        for begin, end in itertools.pairwise(edges):
            part = slice(begin, end)
            if begin == end:
                continue
            if there[begin]:
                self._run(both[part], out, part)
            else:
                self._gap += len(self._edge) + end - begin
                self._edge = self._edge[:0]
                out.quat[part] = self._quat
            out.run[part] = self._count
        return out

    def _run(self, rows: FloatArray, out: Oriented, part: slice) -> None:
        """Take consecutive samples; the first one after a short gap waits for a second."""
        waited, held = len(self._edge), 0
        rows = np.vstack([self._edge, rows])
        if self._gap > self._bridge:
            self._restart()
        elif self._gap:
            # However many come at once: what waited is not known.
            held = 1
            if len(rows) < 2:
                self._edge, out.quat[part] = rows, self._quat
                return
            if len(self._tail) == 2:
                self._turn(_bridged(self._tail, rows[:2], self._gap))
        quat, gyro = self._turn(rows)
        since = self._since + np.arange(1, len(rows) + 1)
        known = since > self._settle
        quat[:held], gyro[:held], known[:held] = self._quat, 0.0, False
        out.quat[part], out.gyro[part], out.known[part] = (
            values[waited:] for values in (quat, gyro, known)
        )
        self._gap, self._since, self._quat = 0, int(since[-1]), quat[-1]
        self._edge = self._edge[:0]
        self._tail = np.vstack([self._tail, rows])[-2:]

    def _restart(self) -> None:
        bias = self._vqf.getBiasEstimate()
        self._vqf = _filter(self._period_s)
        self._vqf.setBiasEstimate(*bias)
        self._since = 0
        self._count += 1

    def _turn(self, both: FloatArray) -> tuple[FloatArray, FloatArray]:
        gyro, acc = both[:, :3].copy(), both[:, 3:].copy()
        found = self._vqf.updateBatch(gyro, acc)
        return found["quat6D"], gyro - found["bias"]


def orientations(samples: ImuSamples) -> Oriented:
    """Estimate the orientations of a whole recording, as `OrientationSession` does live.

    Raises
    ------
    UsageError
        As `OrientationSession`.
    """
    return OrientationSession(samples.rate_hz).push(samples.acc, samples.gyro, samples.valid)


def imus_of(recording: Recording) -> dict[str, ImuSamples]:
    """Find the IMUs of a recording.

    Returns
    -------
    dict
        Place to samples, ``"shank.r"``, for all with three axes of acceleration and angular
        velocity in one stream; samples in a gap of it are not valid.
    """
    found: dict[str, ImuSamples] = {}
    for stream in recording.streams.values():
        for channel in stream.channels:
            if not (channel.startswith("acc.") and channel.endswith(".x")):
                continue
            place = channel[len("acc.") : -len(".x")]
            names = {k: [f"{k}.{place}.{a}" for a in "xyz"] for k in ("acc", "gyro")}
            if place in found or not all(stream.has(n) for both in names.values() for n in both):
                continue
            parts: Mapping[str, FloatArray] = {
                kind: np.column_stack([stream.column(name) for name in three])
                for kind, three in names.items()
            }
            valid = np.asarray(np.isfinite(np.hstack(list(parts.values()))).all(axis=1))
            times = stream.time_s
            # Times of gaps are written as decimals, so a sample at an edge may be a rounding off.
            slack = 0.01 / stream.rate_hz
            for gap in recording.gaps:
                if gap.stream == stream.name:
                    valid &= (times < gap.start_s - slack) | (times > gap.end_s + slack)
            found[place] = ImuSamples(
                stream.rate_hz, stream.start_s, parts["acc"], parts["gyro"], valid
            )
    return found


def _bridged(before: FloatArray, after: FloatArray, missing: int) -> FloatArray:
    """Fill a gap, (missing, 6), with the cubic through two samples on either side of it."""
    times = np.array([-1.0, 0.0, missing + 1.0, missing + 2.0])
    curve = CubicSpline(times, np.vstack([before, after]))
    return np.asarray(curve(np.arange(1, missing + 1)))


def _filter(period_s: float) -> Any:
    try:
        from vqf import VQF
    except ImportError:
        raise UsageError(
            UsageReason.MISSING_EXTRA,
            "orientations need the library vqf",
            next_step='Install it with pip install "kinefed[sensors]"',
        ) from None
    return VQF(period_s)
