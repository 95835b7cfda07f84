"""Jumps drawn one after the other: forces, postures, pressure and soles over time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kinefed.datasets.types import FloatArray
from kinefed.simulations.cohort.contact import GRAVITY
from kinefed.simulations.cohort.curves import hermite
from kinefed.simulations.cohort.jumping import JumpPlan
from kinefed.simulations.cohort.jumping_balance import drawn_force
from kinefed.simulations.cohort.jumping_body import SagittalBody

# Centre of pressure of quiet standing, when going down, between ball and toes before take-off, on
# the ball at touch-down and deep after landing: shares of the way from ankle to ball.
_AT_EASE, _LOW, _TOES, _BALL, _SUNK = 0.35, 0.42, 1.22, 1.12, 0.57
# Knees of a person who is about to jump.
_READY_KNEE = np.deg2rad(12.0)
# Going down takes this long, or this many times the square root of its way over gravity: people do
# not let themselves fall. Pushing off takes as long as its way at this share of the final speed
# needs, about 0.25 s. Sinking after landing takes this many times as long as its way would at the
# speed of the impact, and rising then this long.
_DOWN_S, _DROP, _PUSH_SHARE, _SINK_SHARE, _UP_S = 0.55, 3.2, 0.63, 2.5, 0.8
# The heel leaves the ground before take-off and meets it after touch-down by these times; the foot
# is stretched this long after the one and before the other.
_HEEL_UP_S, _HEEL_DOWN_S, _STRETCHED_S, _READY_S = 0.20, 0.08, 0.09, 0.10
# This long before take-off the sole has come this share of its way, at this rate a metre a second:
# the ankle is the last joint to extend, and then does so fast.
_ROLL_S, _ROLL_SHARE, _ROLL_RATE = 0.07, 0.3, -1.1
# Rates at take-off and touch-down, a metre a second of speed: of the soles, and of the trunk. What
# the ankle does is not left to a knee that is almost straight and would have to be very fast.
_PITCH_OFF, _PITCH_MEET = -5.6, 3.2
_LEAN_OFF, _LEAN_MEET = -1.3, 0.8
# How much further the soles turn down in the air, a metre a second of speed, and how much further
# than at touch-down they are shortly before.
_STRETCH, _READY_RAD = -0.26, 0.25
# The pressure has come to its low place after this share of the time of going down; it is foremost
# from this long before take-off to this long after touch-down, and has come back when the person
# has sunk about as deep as they will.
_LOW_SHARE, _TOES_S, _LANDED_S, _SUNK_S = 0.6, 0.08, 0.02, 0.28
# In flight the trunk rises a little, as arms and legs come down.
_RISEN_RAD = 0.1


@dataclass(frozen=True, slots=True)
class Posture:
    """How the body is bent at an instant.

    Attributes
    ----------
    knee, lean, pitch
        Knee flexion, lean of the trunk, pitch of the soles (toes up positive), rad.
    ahead
        Centre of mass in front of the ankles when the foot is flat, share of the way to the ball.
    """

    knee: float
    lean: float
    pitch: float
    ahead: float

    @classmethod
    def degrees(cls, knee: float, lean: float, pitch: float, ahead: float) -> Posture:
        """Make one from angles in degrees."""
        return cls(math.radians(knee), math.radians(lean), math.radians(pitch), ahead)


@dataclass(frozen=True, slots=True)
class Leap:
    """One jump as it is meant.

    Attributes
    ----------
    rise_m, far_m
        From where the feet leave to where they land.
    speed_m_s
        Upward, at take-off.
    low, off, meet, sink
        Deepest before the jump, at take-off, at touch-down, deepest after it: the centre of mass is
        as high as it is in these postures.
    aim_rad
        Lean of the trunk that is meant at take-off and at touch-down. It comes to lean otherwise,
        as flight has it, and `off` and `meet` say how.
    tuck_rad
        Knee flexion half way through the flight.
    pace
        Stretches the times of going down before and of rising after the jump.
    rest_s
        Standing afterwards.
    """

    rise_m: float
    far_m: float
    speed_m_s: float
    low: Posture
    off: Posture
    meet: Posture
    sink: Posture
    aim_rad: tuple[float, float]
    tuck_rad: float
    pace: float
    rest_s: float


class _Sheet:
    """What is drawn, on the grid of time, while jump follows jump."""

    def __init__(self, time_s: FloatArray, body: SagittalBody, height_m: float) -> None:
        self.time_s, self.body = time_s, body
        self.step_s = float(time_s[1] - time_s[0])
        self.stand = float(self._heights(Posture(_READY_KNEE, 0.0, 0.0, _AT_EASE))[0])
        self.place = complex(0.0, height_m)
        self.force = np.ones_like(time_s)
        self.height = np.full_like(time_s, self.stand + height_m)
        self.ground = np.full(len(time_s), self.place)
        self.start: list[float] = []
        self.end: list[float] = []
        self.leave: list[int] = []
        self.meet: list[int] = []
        self.tuck: list[float] = []
        self.pressure: list[tuple[float, float]] = []
        self.lean: list[tuple[float, float, float]] = []
        self.pitch: list[tuple[float, float, float]] = []

    def draw(self, leap: Leap, begin: int) -> int:
        """Add a jump that begins at a frame, if it ends in time; returns the frame after it."""
        step = self.step_s
        low, off, meet, sink = self._heights(leap.low, leap.off, leap.meet, leap.sink) - self.stand
        fall = off - meet - leap.rise_m
        long = leap.speed_m_s + np.sqrt(leap.speed_m_s**2 + 2.0 * GRAVITY * fall)
        air_s = self._grid(long / GRAVITY)
        # Times are rounded to the grid, which a slightly other speed makes good.
        speed = 0.5 * GRAVITY * air_s - fall / air_s
        hit = speed - GRAVITY * air_s
        down = max(_DOWN_S * leap.pace, _DROP * np.sqrt(-low / GRAVITY))
        push = (off - low) / (_PUSH_SHARE * speed)
        turn, leave = (self._grid(x) for x in (down, down + push))
        pushed = drawn_force((1.0, 0.0), leave, [(turn, low, 0.0), (leave, off, speed)], step)
        deep = _SINK_SHARE * (sink - meet) / hit
        turn, stand = (self._grid(x) for x in (deep, deep + _UP_S * leap.pace))
        landed = drawn_force(
            (0.0, 1.0),
            stand,
            [(x, to - meet - hit * x, -hit) for x, to in ((turn, sink), (stand, 0.0))],
            step,
        )
        air = np.zeros(round(air_s / step) - 1)
        force = np.concatenate([pushed, air, landed])
        off_at = begin + len(pushed) - 1
        meet_at = off_at + len(air) + 1
        end = begin + len(force)
        if end >= len(self.time_s):
            return end
        rate = GRAVITY * cumulative(force - 1.0, step)
        self.force[begin:end] = force
        self.height[begin:end] = self.stand + self.place.imag + cumulative(rate, step)
        self.leave.append(off_at)
        self.meet.append(meet_at)
        times = [float(x) for x in self.time_s[[begin, off_at, meet_at, end - 1]]]
        self._pose(leap, times, down, speed, -hit)
        self.place += complex(leap.far_m, leap.rise_m)
        self.ground[(off_at + meet_at) // 2 :] = self.place
        self.height[end:] = self.stand + self.place.imag
        return end

    def _heights(self, *postures: Posture) -> FloatArray:
        """Of the centre of mass above the ground, (postures,)."""
        rows = np.array([[p.lean, p.knee, p.pitch, p.ahead * self.body.leg.ball] for p in postures])
        return self.body.height(*rows.T)

    def _pose(self, leap: Leap, times: list[float], down: float, speed: float, hit: float) -> None:
        begin, off, meet, end = times
        ball, here = self.body.leg.ball, self.place.real
        there = here + leap.far_m
        self.start.append(begin)
        self.end.append(end)
        self.tuck.append(leap.tuck_rad)
        self.pressure += [
            (begin, here + _AT_EASE * ball),
            (begin + _LOW_SHARE * down, here + _LOW * ball),
            (off - _TOES_S, here + _TOES * ball),
            (meet + _LANDED_S, there + _BALL * ball),
            (meet + _SUNK_S, there + _SUNK * ball),
            (end, there + _AT_EASE * ball),
        ]
        self.lean += [
            (begin, 0.0, 0.0),
            (begin + down, leap.low.lean, 0.0),
            (off, leap.aim_rad[0], _LEAN_OFF * speed),
            (0.5 * (off + meet), 0.5 * sum(leap.aim_rad) - _RISEN_RAD, 0.0),
            (meet, leap.aim_rad[1], _LEAN_MEET * hit),
            (meet + _SUNK_S, leap.sink.lean, 0.0),
            (end, 0.0, 0.0),
        ]
        self.pitch += [
            (off - _HEEL_UP_S, 0.0, 0.0),
            (off - _ROLL_S, _ROLL_SHARE * leap.off.pitch, _ROLL_RATE * speed),
            (off, leap.off.pitch, _PITCH_OFF * speed),
            (off + _STRETCHED_S, leap.off.pitch + _STRETCH * speed, 0.0),
            (meet - _READY_S, leap.meet.pitch - _READY_RAD, 0.0),
            (meet, leap.meet.pitch, _PITCH_MEET * hit),
            (meet + _HEEL_DOWN_S, 0.0, 0.0),
        ]

    def _grid(self, time_s: float) -> float:
        return round(time_s / self.step_s) * self.step_s


def cumulative(values: FloatArray, step_s: float) -> FloatArray:
    """Integral from the first frame, by trapezia, (frames,)."""
    return np.concatenate([[0.0], np.cumsum(0.5 * step_s * (values[1:] + values[:-1]))])


def plan_jumps(
    time_s: FloatArray, leaps: Sequence[Leap], first_s: float, height_m: float, body: SagittalBody
) -> tuple[JumpPlan, FloatArray, FloatArray]:
    """Plan of one jump after the other, and when each begins and ends, (jumps,) each.

    Parameters
    ----------
    time_s
        Evenly spaced, (frames,). Jumps that do not end in time are left out.
    leaps
        In order.
    first_s
        When the first one begins.
    height_m
        Of the ground there.
    body
        Whose.
    """
    sheet = _Sheet(time_s, body, height_m)
    at = int(np.searchsorted(time_s, first_s))
    for leap in leaps:
        if at >= len(time_s):
            break
        at = sheet.draw(leap, at) + round(leap.rest_s / sheet.step_s)
    plan = JumpPlan(
        time_s,
        sheet.force,
        sheet.height,
        sheet.ground,
        hermite(time_s, *np.array(sheet.pressure).T),
        hermite(time_s, *np.array(sheet.lean).T),
        hermite(time_s, *np.array(sheet.pitch).T),
        np.array(sheet.leave),
        np.array(sheet.meet),
        np.array(sheet.tuck),
    )
    return plan, np.array(sheet.start), np.array(sheet.end)
