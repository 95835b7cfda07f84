"""Jumps with both legs alike: from the forces and postures meant to one consistent movement.

The vertical force is drawn, so the height of the centre of mass is its double integral and in
flight a parabola. The pressure under the feet is drawn, so the centre of mass moves forward and
backward as a pendulum on it (`sway`). The legs follow on the ground; in the air their angles are
drawn between what the ground imposes at take-off and touch-down. What remains is the lean of the
trunk: it departs from what is meant by as little as brings the moment about the centre of mass to
what the pressure allows, which in flight is nothing (`balance`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from kinefed.datasets.types import FloatArray
from kinefed.simulations.cohort.contact import GRAVITY
from kinefed.simulations.cohort.curves import hermite, smoothstep
from kinefed.simulations.cohort.jumping_balance import balance, sway
from kinefed.simulations.cohort.jumping_body import Parts, Places, Pose, SagittalBody

# The pressure may leave its place by about this much.
_PRESSURE_M = 0.02
# What counts as no moment, in N m: the last of it is taken out of the accelerations.
_NOTHING_NM = 0.1
# This close to a flight the centre of mass does not answer to the trunk, and further off it does.
_CLOSE_S, _FADE_S = 0.06, 0.12
# Frames from which rates and accelerations at the edges of a flight are taken.
_EDGE = 5
_TURN_RAD = 1e-4
# A knee stops within this time of take-off, and begins to bend this long before touch-down, unless
# it would have to be straighter than this; a smooth stop takes this share of rate times time.
_STOP_S, _BEGIN_S, _STRAIGHT_RAD, _GLIDE = 0.06, 0.09, 0.09, 0.4
# Where to look for the hips first, below the centre of mass.
_HIP_DOWN_M = 0.1


@dataclass(frozen=True, slots=True)
class JumpPlan:
    """Jumps as they are meant, on an even grid of time.

    Attributes
    ----------
    time_s
        (frames,).
    force
        (frames,): vertical, in body weights; exactly 0 in flight.
    height
        (frames,): of the centre of mass.
    ground
        (frames,): origin of the soles, as of a `Sole`, ``forward + 1j * up``.
    pressure
        (frames,): forward position of the centre of pressure.
    lean, pitch
        (frames,): of the trunk and of the soles, rad.
    leave, meet
        (jumps,): last frame on the ground, and first frame on it again.
    tuck
        (jumps,): knee flexion half way through the flight, rad.
    """

    time_s: FloatArray
    force: FloatArray
    height: FloatArray
    ground: Places
    pressure: FloatArray
    lean: FloatArray
    pitch: FloatArray
    leave: NDArray[np.intp]
    meet: NDArray[np.intp]
    tuck: FloatArray

    @property
    def step_s(self) -> float:
        """Time between frames."""
        return float(self.time_s[1] - self.time_s[0])

    @property
    def grounded(self) -> NDArray[np.bool_]:
        """(frames,): the feet are on the ground."""
        frames = np.arange(len(self.time_s))[:, None]
        return np.asarray(~((frames > self.leave) & (frames < self.meet)).any(axis=1))

    def part(self, keep: slice) -> JumpPlan:
        """Return the plan of some frames; `leave`, `meet` and `tuck` stay those of the whole."""
        frames = ("time_s", "force", "height", "ground", "pressure", "lean", "pitch")
        return replace(self, **{name: getattr(self, name)[keep] for name in frames})

    def steady(self) -> FloatArray:
        """How far a frame is from any flight, (frames,): 0 close to it or in it, 1 away."""
        t = self.time_s[:, None]
        away = np.maximum(self.time_s[self.leave] - t, t - self.time_s[self.meet])
        return smoothstep((away.min(axis=1, initial=np.inf) - _CLOSE_S) / _FADE_S)


@dataclass(frozen=True, slots=True)
class Solved:
    """A movement that needs the planned forces.

    Attributes
    ----------
    pose, hip
        (frames,).
    ahead, leaning
        (frames,): where the centre of mass is, and how the trunk leans, beyond what the plan has.
    """

    pose: Pose
    hip: Places
    ahead: FloatArray
    leaning: FloatArray


def solve(plan: JumpPlan, body: SagittalBody, passes: int, known: Solved | None = None) -> Solved:
    """Find the movement that needs the planned forces, from that of a similar plan if known."""
    up = plan.height - plan.ground.imag
    ground = plan.grounded
    steady, none = plan.steady(), np.zeros_like(up)
    # The less the feet bear the less may be amiss: lightly they stand on a small part of the sole.
    load = body.mass_kg * GRAVITY * plan.force * np.minimum(plan.force, 1.0)
    allowed = np.hypot(_PRESSURE_M * load, _NOTHING_NM)
    first = sway(plan.force, up, plan.pressure, none, body.mass_kg, plan.step_s)
    x, lean = first, plan.lean
    hip = x + 1j * (plan.height - _HIP_DOWN_M)
    if known is not None:
        x, lean, hip = first + known.ahead, plan.lean + known.leaning, known.hip
    for turn in range(passes):
        pose, hip = _bent(plan, body, ground, x + 1j * plan.height, lean, hip, 2 if turn else 5)
        parts = body.parts(pose)
        spin = body.spin(parts, plan.step_s)
        moment = np.diff(spin, prepend=spin[0], append=spin[-1]) / plan.step_s
        if turn + 1 == passes or np.abs(moment[~ground]).max(initial=0.0) < _NOTHING_NM:
            break
        inertia = _inertia(plan, body, ground, pose, parts, hip, x + 1j * plan.height)
        more = _momentum_rate(inertia, lean - plan.lean, plan.step_s)
        meant = steady * (moment - more)
        x = sway(plan.force, up, plan.pressure, meant, body.mass_kg, plan.step_s)
        lean = lean + balance(inertia, moment - meant, allowed, lean - plan.lean, plan.step_s)
    return Solved(pose, hip, x - first, lean - plan.lean)


def _bent(
    plan: JumpPlan,
    body: SagittalBody,
    ground: NDArray[np.bool_],
    com: Places,
    lean: FloatArray,
    hip: Places,
    passes: int,
) -> tuple[Pose, Places]:
    """Legs on the ground and in the air, under a centre of mass and a trunk."""
    leg, knee, hip = np.zeros_like(lean), np.zeros_like(lean), hip.copy()
    ankle = body.ankle(plan.ground[ground], plan.pitch[ground])
    on, hip[ground] = body.grounded(
        com[ground], lean[ground], ankle, plan.pitch[ground], hip[ground], passes
    )
    leg[ground], knee[ground] = on.leg, on.knee
    for i, (a, b) in enumerate(zip(plan.leave, plan.meet, strict=True)):
        t, ends = plan.time_s[a + 1 : b], plan.time_s[[a, b]]
        edges = [
            (
                _edge(x[a - _EDGE + 1 : a + 1][::-1], -plan.step_s),
                _edge(x[b : b + _EDGE], plan.step_s),
            )
            for x in (leg, knee)
        ]
        leg[a + 1 : b] = hermite(t, ends, *np.stack(edges[0], axis=1))
        knee[a + 1 : b] = hermite(t, *_airborne(ends, *edges[1], plan.tuck[i]))
    pose = Pose(lean, leg, knee, plan.pitch)
    air = ~ground
    aloft = Pose(lean[air], leg[air], knee[air], plan.pitch[air])
    hip[air] = com[air] - body.com(aloft)
    return pose, hip


def _airborne(
    ends: FloatArray, off: FloatArray, on: FloatArray, tuck: float
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Knots of a knee in the air: times, flexion, rate and acceleration.

    It goes on extending as far as its rate carries it, bends as asked for half way, and straightens
    before touch-down as far as the rate with which it has to meet the ground needs.
    """
    stop = min(_STOP_S, max(off[0] - _STRAIGHT_RAD, 0.0) / (_GLIDE * max(-off[1], 1.0)))
    begin = min(_BEGIN_S, max(on[0] - _STRAIGHT_RAD, 0.0) / (_GLIDE * max(on[1], 1.0)))
    time = np.array([ends[0], ends[0] + stop, 0.5 * ends.sum(), ends[1] - begin, ends[1]])
    value = np.array(
        [off[0], off[0] + _GLIDE * off[1] * stop, tuck, on[0] - _GLIDE * on[1] * begin, on[0]]
    )
    # In between it bends like a cosine.
    half = np.diff(time)[1:3]
    way = tuck - value[[1, 3]]
    bend = 0.5 * np.pi**2 * way / half**2
    bends = np.array([off[2], bend[0], -bend.mean(), bend[1], on[2]])
    return time, value, np.array([off[1], 0.0, 0.0, 0.0, on[1]]), bends


def _edge(values: FloatArray, step_s: float) -> FloatArray:
    """Value, rate and acceleration at the first of five values."""
    rate = values @ np.array([-25.0, 48.0, -36.0, 16.0, -3.0]) / (12.0 * step_s)
    bend = values @ np.array([35.0, -104.0, 114.0, -56.0, 11.0]) / (12.0 * step_s**2)
    return np.array([values[0], rate, bend])


def _inertia(
    plan: JumpPlan,
    body: SagittalBody,
    ground: NDArray[np.bool_],
    pose: Pose,
    parts: Parts,
    hip: Places,
    com: Places,
) -> FloatArray:
    """Angular momentum per rate of the trunk's lean, feet and centre of mass left alone."""
    more = pose.lean + _TURN_RAD
    ankle = body.ankle(plan.ground[ground], plan.pitch[ground])
    on, _ = body.grounded(com[ground], more[ground], ankle, plan.pitch[ground], hip[ground], 1)
    leg, knee = pose.leg.copy(), pose.knee.copy()
    leg[ground], knee[ground] = on.leg, on.knee
    other = body.parts(Pose(more, leg, knee, pose.pitch))
    return body.spin_per_rate(parts, other, _TURN_RAD)


def _momentum_rate(inertia: FloatArray, lean: FloatArray, step_s: float) -> FloatArray:
    """``(J e')'`` as `balance` has it, (frames,)."""
    flow = 0.5 * (inertia[1:] + inertia[:-1]) * np.diff(lean)
    return np.diff(flow, prepend=0.0, append=0.0) / step_s**2
