"""How a person jumps on the spot, up onto a step and down from it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from kinefed.biomechanics.body import COORDINATES, LEG
from kinefed.biomechanics.engine import Dynamics, Engine
from kinefed.datasets.types import FloatArray
from kinefed.simulations.cohort.contact import GRAVITY, TOUCH_N, Support, share_wrench
from kinefed.simulations.cohort.curves import derivatives
from kinefed.simulations.cohort.faults import Fault, find_faults, terrain_faults
from kinefed.simulations.cohort.jumping import JumpPlan, solve
from kinefed.simulations.cohort.jumping_body import Places, Pose, SagittalBody
from kinefed.simulations.cohort.jumping_ground import Boxes, boxes
from kinefed.simulations.cohort.jumping_plan import Leap, Posture, plan_jumps
from kinefed.simulations.cohort.kinematics import LegGeometry, LegPose, Sole
from kinefed.simulations.cohort.motion import Labels, Motion, root_residual
from kinefed.simulations.cohort.people import VirtualPerson
from kinefed.simulations.cohort.plan import SIDES

# Forces rise within hundredths of a second, so a movement is solved at this rate or a little more.
_FINE_HZ = 500.0
# Standing before the recording and before the first jump, and time for the last jump to end.
_BEFORE_S, _FIRST_S, _AFTER_S = 0.5, 0.5, 4.0
# Passes of the solution before the heights of the hips are corrected, and after it.
_FIRST_PASSES, _PASSES = 4, 25
# No jump takes less, so there are enough of them.
_SHORTEST_S = 1.5
# In flight, accelerations are those of a free body; they may differ from those of the movement as
# it is sampled by this much, m/s^2 and rad/s^2.
_CORRECTION_LIMIT = 0.2
# Below this share of the weight a small moment would move the centre of pressure far, so there too
# accelerations are made exact.
_LIGHT = 0.05
_ROOT = [COORDINATES.index(name) for name in ("pelvis_x", "pelvis_z", "pelvis_tilt")]
# Coefficients of variation of take-off speed between people, beside that of their legs' length, and
# between one person's jumps. 25 players differed by 9 % (Feltner et al. 1999); that one person's
# jumps differ by much less is an assumption.
_SPEED_PEOPLE, _SPEED_JUMPS = 0.06, 0.02
# Of everything else, as in squats.
_PEOPLE, _JUMPS = 0.07, 0.03
# What people who do not move as healthy young adults do manage of their speed and their step.
_EFFORT = 0.8
# Take-off speed of a jump on the spot, over the root of gravity times leg length: 2.29 m/s, a
# height of 0.27 m, for a leg of 0.9 m; players reach 2.44 m/s (Feltner et al. 1999). Going up and
# down as shares of it.
_SPEED, _UP, _DOWN = 0.77, 0.98, 0.40
# Height of the step as a share of the person's jump on the spot, 0.27 m; what is free between the
# feet before and after over leg length, going up and down: 0.17 and 0.09 m.
_STEP, _BETWEEN_UP, _BETWEEN_DOWN = 1.0, 0.19, 0.10


def jump(
    name: str, person: VirtualPerson, rng: np.random.Generator, duration_s: float, rate_hz: float
) -> Motion:
    """Jump on the spot again and again, with a counter-movement."""
    own = _Manner(person, rng)
    leaps = [own.leap(0.0, 0.0) for _ in range(_count(duration_s))]
    return _perform((name,), leaps, 0.0, person, duration_s, rate_hz)


def step(
    name: str, person: VirtualPerson, rng: np.random.Generator, duration_s: float, rate_hz: float
) -> Motion:
    """Jump up onto a step and down from it, in turn, beginning with what the task is named after.

    Steps stand in a row, so that up and down are both forward.
    """
    own, leg = _Manner(person, rng), LegGeometry.of(person.body)
    rise = _STEP * own.height_m
    foot = leg.heel + leg.toe
    both = {
        "jump_up": (rise, foot + _BETWEEN_UP * leg.standing_m),
        "jump_down": (-rise, foot + _BETWEEN_DOWN * leg.standing_m),
    }
    names = (name, *(other for other in both if other != name))
    leaps = [own.leap(*both[names[i % 2]]) for i in range(_count(duration_s))]
    height_m = 0.0 if name == "jump_up" else rise
    return _perform(names, leaps, height_m, person, duration_s, rate_hz)


class _Manner:
    """A person's jumps, each a little different."""

    def __init__(self, person: VirtualPerson, rng: np.random.Generator) -> None:
        self._person, self._rng = person, rng
        effort = 1.0 if person.pattern == "healthy" else _EFFORT
        reach = math.sqrt(GRAVITY * LegGeometry.of(person.body).standing_m)
        self._speed = _SPEED * effort * reach

    @property
    def height_m(self) -> float:
        """The person's usual height of jumping on the spot."""
        own = self._speed * (1.0 + _SPEED_PEOPLE * self._person.manner("jump speed"))
        return 0.5 * own**2 / GRAVITY

    def _drawn(
        self, trait: str, middle: float, people: float = _PEOPLE, jumps: float = _JUMPS
    ) -> float:
        chance = float(np.clip(self._rng.standard_normal(), -2.0, 2.0))
        return (
            middle * (1.0 + people * self._person.manner(f"jump {trait}")) * (1.0 + jumps * chance)
        )

    def leap(self, rise_m: float, far_m: float) -> Leap:
        """The next jump."""
        drawn = self._drawn
        share = 1.0 if not far_m else _UP if rise_m > 0.0 else _DOWN
        speed = share * drawn("speed", self._speed, _SPEED_PEOPLE, _SPEED_JUMPS)
        lean, sink = drawn("lean", 1.0), drawn("landing", 1.0)
        # Who jumps higher goes deeper, so that the force grows less than the height.
        deep = drawn("depth", speed / (share * self._speed), _JUMPS)
        make = Posture.degrees
        if not far_m:
            low, off = make(98.0 * deep, 49.0 * lean, 0.0, 0.38), make(28.0, 26.0, -28.0, 0.78)
            meet, end = make(40.0, 23.0, -24.0, 0.78), make(92.0 * sink, 58.0 * lean, 0.0, 0.5)
            aim, tuck = (22.0, 27.0), 12.0
        elif rise_m > 0.0:
            low, off = make(91.0 * deep, 60.0 * lean, 0.0, 0.38), make(28.0, 16.0, -28.0, 1.7)
            meet, end = make(62.0, 34.0, -12.0, -0.1), make(92.0 * sink, 58.0 * lean, 0.0, 0.4)
            aim, tuck = (17.0, 37.0), 85.0
        else:
            low, off = make(62.0 * deep, 35.0 * lean, 0.0, 0.38), make(28.0, 11.0, -24.0, 1.9)
            meet, end = make(40.0, 32.0, -24.0, -0.05), make(97.0 * sink, 62.0 * lean, 0.0, 0.4)
            aim, tuck = (15.0, 41.0), 46.0
        return Leap(
            rise_m=rise_m,
            far_m=far_m,
            speed_m_s=speed,
            low=low,
            off=off,
            meet=meet,
            sink=end,
            aim_rad=(math.radians(aim[0]), math.radians(aim[1])),
            tuck_rad=math.radians(tuck),
            pace=drawn("pace", 1.0),
            rest_s=drawn("rest", 0.8),
        )


def _count(duration_s: float) -> int:
    return int((duration_s + _AFTER_S) / _SHORTEST_S) + 1


def _perform(
    names: tuple[str, ...],
    leaps: Sequence[Leap],
    height_m: float,
    person: VirtualPerson,
    duration_s: float,
    rate_hz: float,
) -> Motion:
    """Do one jump after the other, named in turn, beginning on ground of a height."""
    finer = int(np.ceil(_FINE_HZ / rate_hz))
    fine_hz = rate_hz * finer
    before, frames = round(_BEFORE_S * rate_hz), round(duration_s * rate_hz)
    after = round(_AFTER_S * rate_hz)
    t = np.arange(-before * finer, (frames + after) * finer) / fine_hz
    body = SagittalBody(person.rigid_body(), LegGeometry.of(person.body))
    plan, starts, ends = plan_jumps(t, leaps, _FIRST_S, height_m, body)
    # How the trunk comes to lean is known only then, and how high the hips are depends on it.
    found = solve(plan, body, _FIRST_PASSES)
    com = found.hip + body.com(found.pose)
    leaps = _as_seen(leaps, plan, found.pose, com, body.leg.ball)
    plan, starts, ends = plan_jumps(t, leaps, _FIRST_S, height_m, body)
    found = solve(plan, body, _PASSES, found)
    q = body.coordinates(found.pose, found.hip)
    qd, qdd = derivatives(q, fine_hz)
    keep = slice(before * finer, (before + frames) * finer, finer)
    turn = np.searchsorted(starts, t[keep], side="right") - 1
    inside = (turn >= 0) & (t[keep] < ends[np.maximum(turn, 0)])
    labels = Labels(
        names,
        (np.maximum(turn, 0) % len(names)).astype(np.int16),
        np.where(inside, turn, -1).astype(np.int32),
    )
    movement = q[keep], qd[keep], qdd[keep]
    return _finish(plan.part(keep), boxes(plan, body.leg), person, movement, labels, rate_hz)


def _as_seen(
    leaps: Sequence[Leap], plan: JumpPlan, pose: Pose, com: Places, ball_m: float
) -> list[Leap]:
    """Jumps whose postures at take-off and touch-down lean as the solution does."""
    ahead = (com - plan.ground).real / ball_m

    def seen(posture: Posture, at: int) -> Posture:
        return replace(posture, lean=float(pose.lean[at]), ahead=float(ahead[at]))

    known = [
        replace(leap, off=seen(leap.off, a), meet=seen(leap.meet, b))
        for leap, a, b in zip(leaps, plan.leave, plan.meet, strict=False)
    ]
    return [*known, *leaps[len(known) :]]


def _finish(
    plan: JumpPlan,
    terrain: Boxes,
    person: VirtualPerson,
    movement: tuple[FloatArray, FloatArray, FloatArray],
    labels: Labels,
    rate_hz: float,
) -> Motion:
    """Find the forces, and which frames are at fault; the plan is that of the frames."""
    engine, leg = Engine(person.rigid_body()), LegGeometry.of(person.body)
    q, qd, qdd = movement
    load_n = plan.force * person.body.mass_kg * GRAVITY
    # A frame that bears next to nothing counts as flight, for it has no centre of pressure.
    air = load_n < 2.0 * TOUCH_N
    light = load_n < _LIGHT * person.body.mass_kg * GRAVITY
    place = np.stack([plan.pressure, plan.ground.imag], axis=1)
    change = _exact(engine, (q[light], qd[light], qdd[light]), place[light], air[light])
    qdd = qdd.copy()
    qdd[np.ix_(np.flatnonzero(light), np.array(_ROOT))] += change
    dynamics = engine.inverse(q, qd, qdd)
    support = _support(plan, leg, ~air)
    height_m = float((dynamics.com[:, 2] - plan.ground.imag).mean())
    contacts = share_wrench(*dynamics.root_wrench(), dynamics.anchors[:, 3], support, height_m)
    feet = [(*_standing(plan, leg, dynamics, side, ~air), ~air) for side in SIDES]
    found = find_faults(leg, contacts, support, root_residual(dynamics, contacts), feet)
    wrong = np.abs(change).max(axis=1, initial=0.0) > _CORRECTION_LIMIT
    found[np.flatnonzero(light)[wrong]] |= np.uint8(Fault.RESIDUAL)
    found |= terrain_faults(terrain, leg, contacts, dynamics)
    nothing = np.zeros((len(q), 3))
    return Motion(
        rate_hz,
        q,
        qd,
        qdd,
        contacts.force,
        contacts.point,
        contacts.free_moment,
        nothing,
        nothing,
        nothing[:, 0],
        found,
        labels.task,
        labels.tasks,
        labels.stride,
    )


def _exact(
    engine: Engine,
    movement: tuple[FloatArray, FloatArray, FloatArray],
    place: FloatArray,
    air: NDArray[np.bool_],
) -> FloatArray:
    """Change of the root's accelerations, (frames, 3), for nothing to hold the body in the air.

    On the ground the force is left as it is and acts at a place, (frames, 2).
    """
    q, qd, qdd = movement

    def wrench(bend: FloatArray) -> FloatArray:
        whole = engine.whole(q, qd, bend)
        return np.stack([whole.force[:, 0], whole.force[:, 2], whole.moment[:, 1]], axis=1)

    has = wrench(qdd)
    arm = place - q[:, _ROOT[:2]]
    turn = arm[:, 1] * has[:, 0] - arm[:, 0] * has[:, 1]
    wanted = np.where(air[:, None], 0.0, np.column_stack([has[:, :2], turn]))
    columns = [wrench(qdd + np.eye(qdd.shape[1])[j]) - has for j in _ROOT]
    change = np.linalg.solve(np.stack(columns, axis=2), (wanted - has)[:, :, None])
    return np.asarray(change[:, :, 0], dtype=np.float64)


def _support(plan: JumpPlan, leg: LegGeometry, bears: NDArray[np.bool_]) -> Support:
    """Both feet alike."""
    frames = len(bears)
    point = np.empty((frames, 2, 3))
    point[:, :, 0] = plan.pressure[:, None]
    point[:, :, 1] = [-leg.half_width, leg.half_width]
    point[:, :, 2] = plan.ground[:, None].imag
    share = np.repeat(np.where(bears, 0.5, 0.0)[:, None], 2, axis=1)
    return Support(share, point, np.zeros(frames))


def _standing(
    plan: JumpPlan, leg: LegGeometry, dynamics: Dynamics, side: str, bears: NDArray[np.bool_]
) -> tuple[Sole, LegPose]:
    """Where a foot is meant to be, and where it is, in the frames in which it bears."""
    ground, pitch = plan.ground[bears], plan.pitch[bears]
    lateral = float(leg.hip_offset(side)[1])
    zero = np.zeros_like(pitch)
    origin = np.stack([ground.real, zero + lateral, ground.imag], axis=1)
    ankle = dynamics.points[f"ankle_{side}"][bears]
    foot = dynamics.orientation[f"foot_{side}"][bears]
    pose = LegPose(np.zeros((len(zero), len(LEG))), foot, ankle, ankle, zero, zero > 0.0)
    return Sole(origin, pitch, zero + leg.ball, zero), pose
