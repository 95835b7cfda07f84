"""How each IMU sits on its segment: from standing still, bending the knees, and walking.

Standing upright, gravity gives the axis that points up the segment. The axis that the segment
turns about when the knees bend (when walking, for a foot, which stays on the ground otherwise)
lies across it: it is the one that most of the angular velocity is about (functional calibration;
Cutti et al., Med Biol Eng Comput 48, 2010; Seel et al., Sensors 14(4), 2014). Which of its two
directions points to the left is told by the way in which a knee bends: shank and pelvis lean
forward, the thigh back; and a heel rises further than toes do.

Segment axes are those of `kinefed.biomechanics.body`: x forward, y to the left, z up. Joint angles
are 0 as the person stands, so they should stand upright with straight knees.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from kinefed.datasets.types import FloatArray
from kinefed.sensors.calibration_errors import CalibrationError, CalibrationReason
from kinefed.sensors.orientation import ImuSamples, Oriented, orientations

SEGMENTS = ("pelvis", "thigh", "shank", "foot")
"""Segments that can be aligned; others, such as the torso, only need to be upright."""

# Somebody who stands still turns by some tenths of a degree a second (Winter, 1995); VQF counts
# up to 2 deg/s as rest, the bias of a gyroscope apart.
_STILL_RAD_S = np.deg2rad(3.0)
_STILL_S = 2.0
# A worn accelerometer is off by a percent or two; more is movement, or a wrong unit.
_GRAVITY, _GRAVITY_OFF = 9.80665, 0.5
# What a movement must reach: 8 degrees of noise and sway at most change the axis by 0.1 of it.
_LEAST_RAD = {"pelvis": np.deg2rad(8.0), "thigh": np.deg2rad(20.0), "shank": np.deg2rad(10.0)}
_LEAST_FOOT_RAD = np.deg2rad(25.0)
# Share of the turning that must be about one axis. Bending knees and walking feet reach 0.95.
_LEAST_SHARE = 0.8
# A knee does not bend backwards by more than this when walking, whatever zero it stood at.
_BACK_RAD = np.deg2rad(-15.0)

Span = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Alignment:
    """How one IMU sits on its segment.

    Attributes
    ----------
    quat
        (4,) w, x, y, z: takes vectors from the sensor's axes to the segment's.
    share
        Share of the turning about one axis in the movement that gave it, 0.5..1: the quality of
        its heading.
    range_rad
        Range of the segment's lean in that movement.
    still_rad_s
        Root mean square of the angular velocity while standing, without its mean.
    gyro_bias
        (3,) rad/s, while standing.
    """

    quat: FloatArray
    share: float
    range_rad: float
    still_rad_s: float
    gyro_bias: FloatArray

    @property
    def rotation(self) -> Rotation:
        """`quat` as a rotation."""
        return Rotation.from_quat(self.quat, scalar_first=True)


def align(
    imus: Mapping[str, ImuSamples], stand: Span, bend: Span, walk: Span | None = None
) -> dict[str, Alignment]:
    """Find how the IMUs of a person sit.

    Parameters
    ----------
    imus
        Place to samples, ``"shank.r"``; places that are none of `SEGMENTS` are passed over.
    stand, bend, walk
        First and last second of standing still and upright, of bending the knees several times
        as if to sit down, and of walking; walking may be left out without a sensor on a foot.

    Returns
    -------
    dict
        Place to alignment.

    Raises
    ------
    CalibrationError
        ``no_samples``, ``moved``, ``too_small``, ``not_planar`` or ``wrong_way``, with the sensor
        and what to do again.
    """
    found: dict[str, Alignment] = {}
    for place, samples in imus.items():
        segment = place.partition(".")[0]
        if segment not in SEGMENTS:
            continue
        moving = walk if segment == "foot" else bend
        if moving is None:
            raise CalibrationError(
                CalibrationReason.NO_SAMPLES,
                "nobody walked, and a foot turns in no other movement",
                where=place,
                next_step="Walk as well, or leave the sensors of the feet out",
            )
        found[place] = _align(place, segment, samples, stand, moving)
    if walk is not None:
        _check_knees(imus, found, walk)
    return found


def lean(up: FloatArray) -> FloatArray:
    """How far a segment is turned about its y axis, (n,) rad: positive with its top forward.

    Parameters
    ----------
    up
        (n, 3) the vertical in the segment's axes.
    """
    return np.arctan2(-up[:, 0], up[:, 2])


def vertical(oriented: Oriented, part: slice = slice(None)) -> FloatArray:
    """Give the vertical in the sensor's axes, (n, 3)."""
    turn = Rotation.from_quat(oriented.quat[part], scalar_first=True)
    return np.asarray(turn.inv().apply([0.0, 0.0, 1.0]))


def _align(place: str, segment: str, samples: ImuSamples, stand: Span, moving: Span) -> Alignment:
    up, bias, still = _upright(place, samples, stand)
    rise, _ = Rotation.align_vectors([[0.0, 0.0, 1.0]], [up])
    part = samples.between(*moving)
    valid = samples.valid[part]
    if valid.sum() < _STILL_S * samples.rate_hz:
        raise _no_samples(place, "the movement")
    turning = rise.apply(samples.gyro[part][valid] - bias)[:, :2]
    power, axes = np.linalg.eigh(turning.T @ turning)
    share = float(power[1] / max(power.sum(), 1e-12))
    left = np.array([*axes[:, 1], 0.0])
    # Rows: x, y and z of the segment in axes that are upright already.
    level = Rotation.from_matrix(np.stack([np.cross(left, [0.0, 0.0, 1.0]), left, [0, 0, 1.0]]))
    oriented = orientations(samples)
    settled = oriented.known[part]
    leans = lean((level * rise).apply(vertical(oriented, part)[settled]))
    if len(leans) < _STILL_S * samples.rate_hz:
        raise _no_samples(place, "the movement")
    low, high = np.quantile(leans, (0.02, 0.98))
    least = _LEAST_FOOT_RAD if segment == "foot" else _LEAST_RAD[segment]
    if high - low < least:
        raise CalibrationError(
            CalibrationReason.TOO_SMALL,
            f"it leant by only {np.degrees(high - low):.0f} degrees",
            where=place,
            next_step="Walk with whole steps"
            if segment == "foot"
            else "Bend the knees as deeply as if to sit down, with the chest forward, five times",
        )
    if share < _LEAST_SHARE:
        raise CalibrationError(
            CalibrationReason.NOT_PLANAR,
            f"only {100.0 * share:.0f} % of its turning was about one axis",
            where=place,
            next_step="Let the knees point forward, without turning; see that the strap is tight",
        )
    # The thigh's knee end goes forward, so it leans back; all others lean forward.
    forward = -(low + high) if segment == "thigh" else low + high
    if forward < 0.0:
        level = Rotation.from_rotvec([0.0, 0.0, np.pi]) * level
    quat = (level * rise).as_quat(scalar_first=True)
    return Alignment(quat, share, float(high - low), still, bias)


def _upright(place: str, samples: ImuSamples, stand: Span) -> tuple[FloatArray, FloatArray, float]:
    """Give the vertical in the sensor's axes, the gyroscope's bias, and how still it was."""
    part = samples.between(*stand)
    valid = samples.valid[part]
    acc, gyro = samples.acc[part][valid], samples.gyro[part][valid]
    if len(acc) < _STILL_S * samples.rate_hz:
        raise _no_samples(place, "standing")
    bias = gyro.mean(axis=0)
    still = float(np.sqrt(((gyro - bias) ** 2).sum(axis=1).mean()))
    up = acc.mean(axis=0)
    size = float(np.linalg.norm(up))
    # Half of the time against the other half: a slow turn is no bias.
    halves = [half.mean(axis=0) for half in np.array_split(acc, 2)]
    turned = float(np.linalg.norm(halves[0] - halves[1])) / size
    if still > _STILL_RAD_S or turned > 0.05 or abs(size - _GRAVITY) > _GRAVITY_OFF:
        raise CalibrationError(
            CalibrationReason.MOVED,
            f"it was not still: it turned at {np.degrees(still):.1f} degrees a second and felt "
            f"{size:.1f} m/s^2",
            where=place,
            next_step="Stand upright without moving, then calibrate again",
        )
    return up / size, bias, still


def _check_knees(
    imus: Mapping[str, ImuSamples], found: Mapping[str, Alignment], walk: Span
) -> None:
    """Refuse knees that bend backwards in walking: they did not bend forward before, or slipped."""
    for place, shank in found.items():
        segment, _, side = place.partition(".")
        thigh = found.get(f"thigh.{side}")
        if segment != "shank" or thigh is None:
            continue
        leans = []
        for name, alignment in ((f"thigh.{side}", thigh), (place, shank)):
            oriented = orientations(imus[name])
            up = vertical(oriented, imus[name].between(*walk))
            leans.append(lean(alignment.rotation.apply(up)))
        frames = min(map(len, leans))
        knee = leans[1][:frames] - leans[0][:frames]
        if frames and np.quantile(knee, 0.05) < _BACK_RAD:
            raise CalibrationError(
                CalibrationReason.WRONG_WAY,
                f"the knee seems to bend backwards, to {np.degrees(knee.min()):.0f} degrees",
                where=f"thigh.{side} and {place}",
                next_step="Tighten the straps; then stand, bend the knees and walk again",
            )


def _no_samples(place: str, when: str) -> CalibrationError:
    return CalibrationError(
        CalibrationReason.NO_SAMPLES,
        f"it sent less than {_STILL_S:g} s of {when}",
        where=place,
        next_step="Charge the sensor, bring it nearer, and calibrate again",
    )
