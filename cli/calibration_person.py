"""A virtual person who does what calibration asks for: stands, bends the knees, walks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.interpolate import CubicSpline

from kinefed.biomechanics import COORDINATES, Engine
from kinefed.datasets.types import FloatArray, Recording, RecordingRef, Stream
from kinefed.sensors.worn import Worn
from kinefed.simulations.cohort.curves import derivatives, smoothstep
from kinefed.simulations.cohort.outfit import Outfit, dress
from kinefed.simulations.cohort.people import VirtualPerson, sample_people
from kinefed.simulations.cohort.radio import LinkConfig
from kinefed.simulations.cohort.tasks import task
from kinefed.simulations.cohort.worn import worn_imus

_RATE_HZ = 100.0
# From one phase to the next.
_CHANGE_S = 1.5
# Quiet standing sways by some tenths of a degree (Winter, Gait & Posture 3, 1995), slowly.
_SWAY_RAD = 0.004
_SWAY_HZ = (0.13, 0.31, 0.57)


@dataclass(frozen=True, slots=True)
class Performance:
    """What a virtual person did.

    Attributes
    ----------
    recording
        Worn IMUs, a stream each, and the true joint angles (stream ``kinematics``).
    phases
        Name to first and last second: ``"stand"``, then the tasks in their order.
    """

    recording: Recording
    phases: dict[str, tuple[float, float]]


def perform(
    person: VirtualPerson,
    outfit: Outfit,
    tasks: Sequence[tuple[str, float]],
    *,
    stand_s: float = 6.0,
    rate_hz: float = 100.0,
    posture_rad: float = 0.0,
    link: LinkConfig | None = None,
    take: int = 0,
) -> Performance:
    """Let a person stand upright, then do tasks, with sensors that are worn throughout.

    Parameters
    ----------
    person, outfit
        Who, and how the sensors sit.
    tasks
        Names of tasks of the cohort and seconds of each, in order.
    stand_s
        How long they stand first.
    rate_hz
        Of the sensors.
    posture_rad
        How far each joint is from zero while they stand, standard deviation.
    link
        Loss and clocks; by default those of the cohort.
    take
        Number of the performance: another one has other noise and strides.
    """
    rng = person.generator("calibration", take)
    q = _standing(person, round(stand_s * rate_hz), rate_hz, posture_rad, rng)
    phases = {"stand": (0.0, stand_s)}
    for name, seconds in tasks:
        motion = task(name).generate(person, rng, seconds, rate_hz)
        between = round(_CHANGE_S * rate_hz)
        begin = len(q) + between
        q = _joined(q, motion.q, between)
        phases[name] = (begin / rate_hz, len(q) / rate_hz)
    engine = Engine(person.rigid_body())
    streams, gaps = worn_imus(
        outfit, engine.inverse(q, *derivatives(q, rate_hz)), rate_hz, rng, link
    )
    legs = [i for i, name in enumerate(COORDINATES) if name.endswith(("_r", "_l"))]
    names = [f"angle.{COORDINATES[i][:-2]}.{COORDINATES[i][-1]}" for i in legs]
    truth = Stream("kinematics", rate_hz, 0.0, tuple(names), ("rad",) * len(names), q[:, legs])
    ref = RecordingRef(person.subject.id, "calibration", "calibration", 1)
    kept = {stream.name: stream for stream in (truth, *streams)}
    return Performance(Recording(ref, kept, gaps=tuple(gaps)), phases)


def calibration_person(
    stand_s: float, bend_s: float, walk_s: float, worn: Sequence[Worn] = ()
) -> Performance:
    """Let a virtual person do what the command asks for, with clean sensors put on askew.

    Parameters
    ----------
    stand_s, bend_s, walk_s
        Seconds of each.
    worn
        For the muscles under their electrodes, which work half of each second.
    """
    person = sample_people(1, 1)[0]
    outfit = dress(person.rigid_body(), _RATE_HZ, (1, 0), 0)
    wired = LinkConfig(loss=0.0, skew_ppm=0.0, offset_s=0.0)
    tasks = (("squat", bend_s), ("walk_normal", walk_s))
    done = perform(person, outfit, tasks, stand_s=stand_s, rate_hz=_RATE_HZ, link=wired)
    muscles = dict.fromkeys(muscle for each in worn for muscle in each.electrodes.values())
    if not muscles:
        return done
    frames = len(done.recording.streams["kinematics"].data)
    pulse = np.maximum(0.05, np.sin(2.0 * np.pi * np.arange(frames) / _RATE_HZ))
    names = tuple(f"envelope.{muscle}" for muscle in muscles)
    data = np.repeat(pulse[:, None], len(names), axis=1)
    emg = Stream("emg", _RATE_HZ, 0.0, names, ("1",) * len(names), data)
    streams = {**done.recording.streams, "emg": emg}
    return replace(done, recording=replace(done.recording, streams=streams))


def _standing(
    person: VirtualPerson,
    frames: int,
    rate_hz: float,
    posture_rad: float,
    rng: np.random.Generator,
) -> FloatArray:
    """Coordinates while standing, (frames, 16): not far from zero, and swaying."""
    time = np.arange(frames)[:, None] / rate_hz
    q = np.zeros((frames, len(COORDINATES)))
    lengths = person.body.lengths_m
    q[:, 2] = lengths["thigh"] + lengths["shank"] + lengths["ankle_height"]
    turning = slice(4, len(COORDINATES))
    count = q[:, turning].shape[1]
    q[:, turning] = posture_rad * rng.standard_normal(count)
    for frequency in _SWAY_HZ:
        phase = rng.uniform(0.0, 2.0 * np.pi, count)
        q[:, turning] += _SWAY_RAD / 3.0 * np.sin(2.0 * np.pi * frequency * time + phase)
    return q


def _joined(before: FloatArray, after: FloatArray, frames: int) -> FloatArray:
    """One movement after another, over some frames between them; the second begins where it is.

    Movements begin in full swing, so the second one's time begins to run little by little.
    """
    share = smoothstep(np.arange(1, frames + 1) / (frames + 1.0))
    late = np.cumsum(1.0 - share)
    time = np.arange(1, len(after) + frames + 1, dtype=np.float64)
    time -= np.concatenate([late, np.full(len(after), late[-1])])
    time = time[time <= len(after) - 1]
    after = np.asarray(CubicSpline(np.arange(len(after)), after)(time))
    first = after[0].copy()
    first[:2] -= before[-1, :2]
    after[:, :2] -= first[:2]
    first[:2] = before[-1, :2]
    between = before[-1] + share[:, None] * (first - before[-1])
    return np.vstack([before, between, after])
