"""Which sensor is on which segment and side, told by how it moves in walking: finds mix-ups.

- **The pelvis** turns far less than any segment of a leg.
- **Legs**: sensors of one leg turn fast at the same time, in its swing; those of the other leg rest
  then.
- **Segments** of a leg: a foot turns faster than its shank, and a shank faster than its thigh.
- **Sides**: as long as a foot bears the body, its leg turns forward over it, and the body is
  accelerated away from that foot, to the left over a right one. So the acceleration to the left
  goes with turning forward on a right leg, and against it on a left one. Both change their signs
  with the direction that is taken for left, so none has to be known; thighs and shanks tell it.

On seven adults who walked normally and with one knee kept stiff (worn Xsens sensors; Pearl et al.,
2022) each of these held, where comparing segments of different legs did not: a stiff leg's foot may
turn less than the other leg's shank.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from kinefed.datasets.types import FloatArray
from kinefed.sensors.alignment import SEGMENTS, Span
from kinefed.sensors.calibration_errors import CalibrationError, CalibrationReason
from kinefed.sensors.orientation import ImuSamples

# By how much an order must be wrong to be told. Neighbouring segments of a leg differ by 30 % or
# more, of a stiff one by 6 %.
_CLEARLY = 1.15
# Mean of `pushed` over a leg's thigh and shank: 0.5 to 1 on the right, as much below 0 on the left.
_CLEARLY_PUSHED = 0.2
# Somebody who walks turns each thigh at 1 to 2 rad/s, root mean square; shuffling is half of it.
_LEAST_RAD_S = 0.6
# Strides a second, from very slow to running.
_STRIDES_HZ = (0.4, 1.6)
_LEAST_WALK_S = 6.0
# Rate at which sensors are compared: many times that of strides.
_COMPARED_HZ = 50.0


@dataclass(frozen=True, slots=True)
class Placement:
    """Where the sensors are.

    Attributes
    ----------
    found
        Place that a sensor was said to be on to the place where it is.
    turning_rad_s
        Place that it was said to be on to its root mean square angular velocity in walking.
    pushed
        The same to -1..1: how much a sensor of a leg is pushed as on a right leg.
    """

    found: Mapping[str, str]
    turning_rad_s: Mapping[str, float]
    pushed: Mapping[str, float]

    @property
    def wrong(self) -> dict[str, str]:
        """Those of `found` that are elsewhere than was said."""
        return {said: place for said, place in self.found.items() if said != place}

    @property
    def fault(self) -> str:
        """What is wrong, in one sentence; empty where all is right."""
        wrong = self.wrong
        pairs = [(a, b) for a, b in wrong.items() if wrong.get(b) == a and a < b]
        told = [f"the sensors of {a} and {b} are swapped" for a, b in pairs]
        rest = [said for said in wrong if all(said not in pair for pair in pairs)]
        told += [f"the sensor of {said} is on {wrong[said]}" for said in rest]
        return "; ".join(told)


def find_placement(imus: Mapping[str, ImuSamples], stand: Span, walk: Span) -> Placement:
    """Find where the sensors of a calibration are.

    Parameters
    ----------
    imus
        Place that a sensor was said to be on to its samples; what was said tells how many sensors
        each leg has. Other segments than `SEGMENTS` are passed over.
    stand, walk
        As for `align`.

    Returns
    -------
    Placement
        What is not clearly otherwise is as it was said.

    Raises
    ------
    CalibrationError
        ``no_samples``, or ``too_small`` where nobody walked.
    """
    seen = {
        place: _see(place, each, stand, walk)
        for place, each in imus.items()
        if _segment(place) in SEGMENTS
    }
    turning = {place: one.turning for place, one in seen.items()}
    if not turning or max(turning.values()) < _LEAST_RAD_S:
        raise CalibrationError(
            CalibrationReason.TOO_SMALL,
            "nobody walked",
            next_step="Walk ten steps or more with all sensors on",
        )
    legs = sorted(turning, key=lambda said: turning[said])
    found: dict[str, str] = {}
    if "pelvis" in seen:
        said = "pelvis" if turning["pelvis"] < _CLEARLY * turning[legs[0]] else legs[0]
        found[said] = "pelvis"
        legs.remove(said)
    found |= _on_legs(seen, legs)
    pushed = {said: seen[said].pushed for said in legs}
    return Placement({said: found[said] for said in seen}, turning, pushed)


def check_placement(imus: Mapping[str, ImuSamples], stand: Span, walk: Span) -> Placement:
    """Refuse sensors that are not where they were said to be.

    Raises
    ------
    CalibrationError
        ``misplaced`` with all that is wrong, and those of `find_placement`.
    """
    placement = find_placement(imus, stand, walk)
    if placement.wrong:
        raise CalibrationError(
            CalibrationReason.MISPLACED,
            placement.fault,
            next_step="Move the sensors, or correct their places, and calibrate again",
        )
    return placement


@dataclass(frozen=True, slots=True)
class _Seen:
    """How one sensor moves in walking: root mean square, speed at `_COMPARED_HZ`, and `pushed`."""

    turning: float
    speed: FloatArray
    pushed: float


def _see(place: str, samples: ImuSamples, stand: Span, walk: Span) -> _Seen:
    still, part = samples.between(*stand), samples.between(*walk)
    there, valid = samples.valid[still], samples.valid[part]
    if valid.sum() < _LEAST_WALK_S * samples.rate_hz or not there.any():
        raise CalibrationError(
            CalibrationReason.NO_SAMPLES,
            f"it sent less than {_LEAST_WALK_S:g} s of walking, or nothing of standing",
            where=place,
            next_step="Walk for longer; charge the sensor and bring it nearer",
        )
    gyro = samples.gyro[part] - samples.gyro[still][there].mean(axis=0)
    gyro = np.where(valid[:, None], gyro, 0.0)
    acc = np.where(valid[:, None], samples.acc[part], samples.acc[part][valid].mean(axis=0))
    up = samples.acc[still][there].mean(axis=0)
    rise, _ = Rotation.align_vectors([[0.0, 0.0, 1.0]], [up])
    level = rise.apply(gyro)[:, :2]
    across = np.linalg.eigh(level.T @ level)[1][:, 1]
    size = np.linalg.norm(gyro, axis=1)
    times = samples.start_s + np.arange(part.start, part.start + len(size)) / samples.rate_hz
    compared = np.arange(walk[0], walk[1], 1.0 / _COMPARED_HZ)
    return _Seen(
        float(np.sqrt((size[valid] ** 2).mean())),
        np.interp(compared, times, size),
        _pushed(rise.apply(acc)[:, :2] @ across, level @ across, samples.rate_hz),
    )


def _on_legs(seen: Mapping[str, _Seen], legs: Sequence[str]) -> dict[str, str]:
    """Said place to place for the sensors of the legs."""
    if not legs:
        return {}
    segments = {side: [_segment(p) for p in seen if p.endswith(f".{side}")] for side in "rl"}
    groups = _grouped(seen, legs, len(segments["r"]))
    turning = {said: seen[said].turning for said in legs}
    ordered = {side: _ordered(groups[side], segments[side], turning) for side in "rl"}
    pushes = [
        seen[said].pushed * (1.0 if side == "r" else -1.0)
        for side, found in ordered.items()
        for said, segment in found.items()
        if segment != "foot"
    ]
    flipped = bool(pushes) and float(np.mean(pushes)) < -_CLEARLY_PUSHED
    names = {"r": "l", "l": "r"} if flipped else {"r": "r", "l": "l"}
    return {
        said: f"{segment}.{names[side]}"
        for side, found in ordered.items()
        for said, segment in found.items()
    }


def _grouped(
    seen: Mapping[str, _Seen], legs: Sequence[str], rights: int
) -> dict[str, tuple[str, ...]]:
    """Share the sensors out to two legs, as many to each as was said: those that move alike."""
    alike = np.atleast_2d(np.corrcoef([seen[said].speed for said in legs]))
    best, groups = -np.inf, {"r": tuple(legs), "l": ()}
    for chosen in itertools.combinations(range(len(legs)), rights):
        right = np.isin(np.arange(len(legs)), chosen)
        score = float(np.where(right[:, None] == right, alike, -alike).sum())
        # Either of two legs may be the right one: the more sensors were said to be on it.
        score += 1e-6 * sum(said.endswith(".r") == r for said, r in zip(legs, right, strict=True))
        if score > best:
            best = score
            groups = {
                side: tuple(s for s, r in zip(legs, right, strict=True) if r == (side == "r"))
                for side in "rl"
            }
    return groups


def _ordered(
    group: Sequence[str], segments: Sequence[str], turning: Mapping[str, float]
) -> dict[str, str]:
    """Said place to segment within a leg: as said where its order is not clearly wrong."""
    said = {place: _segment(place) for place in group}
    rank = {place: SEGMENTS.index(segment) for place, segment in said.items()}
    right = sorted(said.values()) == sorted(segments) and all(
        turning[slow] < _CLEARLY * turning[fast]
        for slow, fast in itertools.permutations(group, 2)
        if rank[slow] < rank[fast]
    )
    if right:
        return said
    by_turning = sorted(group, key=lambda place: turning[place])
    return dict(zip(by_turning, sorted(segments, key=SEGMENTS.index), strict=True))


def _segment(place: str) -> str:
    return place.partition(".")[0]


def _pushed(acc: FloatArray, gyro: FloatArray, rate_hz: float) -> float:
    """Coherence, -1..1, of acceleration to the left and turning forward at the stride's rate."""
    window = np.hanning(len(acc))
    pushes, turns = (np.fft.rfft((x - x.mean()) * window) for x in (acc, gyro))
    hertz = np.fft.rfftfreq(len(acc), 1.0 / rate_hz)
    band = np.flatnonzero((hertz >= _STRIDES_HZ[0]) & (hertz <= _STRIDES_HZ[1]))
    top = int(band[np.abs(turns[band]).argmax()])
    # The window spreads a tone over its neighbours.
    near = slice(max(0, top - 2), top + 3)
    cross = (pushes[near] * turns[near].conj()).sum().real
    power = (np.abs(pushes[near]) ** 2).sum() * (np.abs(turns[near]) ** 2).sum()
    return float(cross / np.sqrt(max(power, 1e-30)))
