"""From a virtual movement to a recording: what a laboratory and worn sensors would see."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from kinefed.biomechanics.arm import ARM_COORDINATES
from kinefed.biomechanics.body import COORDINATES, LEG
from kinefed.biomechanics.dynamics import torques_of
from kinefed.biomechanics.engine import Dynamics, Engine, external
from kinefed.datasets import Event, Recording, RecordingRef, Stream, Trial
from kinefed.datasets.types import FloatArray
from kinefed.simulations.cohort.arm import ArmMotion
from kinefed.simulations.cohort.kinematics import LegGeometry
from kinefed.simulations.cohort.motion import Motion
from kinefed.simulations.cohort.outfit import SIDES, Outfit
from kinefed.simulations.cohort.radio import LinkConfig
from kinefed.simulations.cohort.worn import Moved, stream_of, worn_emg, worn_imus, worn_insoles

# Labels beside the coordinates that they are minus the torque about, per body mass.
_LABELS = {
    "hip": "hip_flexion",
    "hip_abduction": "hip_adduction",
    "knee": "knee_flexion",
    "ankle": "ankle_dorsiflexion",
}


def joint_torques_nm(dynamics: Dynamics, motion: Motion) -> FloatArray:
    """Return torques about all coordinates, (frames, 16), those of the root being the residual."""
    tau = dynamics.tau.copy()
    for i, side in enumerate(SIDES):
        tau -= external(
            dynamics, side, motion.force[:, i], motion.cop[:, i], motion.free_moment[:, i]
        )
    if motion.seat_force.any():
        tau -= external(
            dynamics, "pelvis", motion.seat_force, motion.seat_point, motion.seat_free_moment
        )
    return tau


def record(
    engine: Engine,
    outfit: Outfit,
    motion: Motion,
    ref: RecordingRef,
    rng: np.random.Generator,
    *,
    raw_emg: bool = False,
    insoles: bool = False,
    link: LinkConfig | None = None,
    elapsed_s: float = 0.0,
) -> Recording:
    """Turn a movement into the streams of a dataset.

    Frames that fail a check of the contact forces (`Motion.faults`) have no valid torque.

    Parameters
    ----------
    engine
        Of the person's body.
    outfit
        Of the person's session.
    motion
        The movement.
    ref
        Whose and which it is.
    rng
        Of the recording: noise of the sensors.
    raw_emg
        Raw EMG at 1000 Hz instead of envelopes.
    insoles
        Pressure insoles as well: vertical force and centre of pressure of each foot.
    link
        Loss and clock of the radio; lost samples hold the last one and are entered as gaps.
    elapsed_s
        Time of the first frame since the start of the session.
    """
    # Times are made by multiplication, so that the rate comes back a rounding off.
    motion = replace(motion, rate_hz=round(motion.rate_hz, 6))
    rate_hz = motion.rate_hz
    dynamics = motion.dynamics or engine.inverse(motion.q, motion.qd, motion.qdd)
    tau = joint_torques_nm(dynamics, motion)
    streams = [_kinematics(motion), _torque(tau, motion, engine.body.params.mass_kg), _grf(motion)]
    moved = {side: leg_effort(dynamics, motion, tau, side) for side in SIDES}
    streams.append(worn_emg(outfit, moved, rate_hz, rng, raw=raw_emg, elapsed_s=elapsed_s))
    imus, gaps = worn_imus(outfit, dynamics, rate_hz, rng, link)
    streams += imus
    if insoles:
        leg = LegGeometry.of(engine.body.params)
        streams.append(worn_insoles(outfit, leg, dynamics, motion, rng))
    return Recording(
        ref,
        {stream.name: stream for stream in streams},
        trials=_trials(motion.stride, rate_hz),
        events=_changes(motion),
        gaps=tuple(gaps),
    )


def record_arm(
    outfit: Outfit,
    motion: ArmMotion,
    ref: RecordingRef,
    rng: np.random.Generator,
    *,
    raw_emg: bool = False,
    link: LinkConfig | None = None,
    elapsed_s: float = 0.0,
) -> Recording:
    """Turn a movement of the right arm into the streams of a dataset.

    Parameters
    ----------
    outfit
        Of the person's arm, from `dress_arm`.
    motion
        The movement.
    ref, rng, raw_emg, link, elapsed_s
        As of `record`.
    """
    rate_hz = round(motion.rate_hz, 6)
    dynamics = Engine(motion.arm).inverse(motion.q, motion.qd, motion.qdd)
    found = torques_of(dynamics, (), motion.arm.params.mass_kg)
    angles = dict(zip((f"angle.{n}.r" for n in ARM_COORDINATES), motion.q.T, strict=True))
    labels = dict(zip((f"{name}.r" for name in found.channels), found.labels.T, strict=True))
    moved = Moved(motion.q, motion.qd, found.tau, ARM_COORDINATES)
    shaken = dynamics.imu("imu_upper_arm")[0]
    limbs = {"r": (moved, shaken)}
    emg = worn_emg(outfit, limbs, rate_hz, rng, raw=raw_emg, elapsed_s=elapsed_s)
    imus, gaps = worn_imus(outfit, dynamics, rate_hz, rng, link)
    streams = [
        stream_of("kinematics", rate_hz, angles, "rad"),
        stream_of("torque", rate_hz, labels, "N m/kg"),
        emg,
        *imus,
    ]
    return Recording(
        ref,
        {stream.name: stream for stream in streams},
        trials=_trials(motion.stride, rate_hz),
        gaps=tuple(gaps),
    )


def _column(values: FloatArray, coordinate: str) -> FloatArray:
    return values[:, COORDINATES.index(coordinate)]


def leg_effort(
    dynamics: Dynamics, motion: Motion, tau: FloatArray, side: str
) -> tuple[Moved, FloatArray]:
    """Movement of one leg, and the shaking of its thigh, which stands for that of its muscles."""
    own = [COORDINATES.index(f"{name}_{side}") for name in LEG]
    moved = Moved(motion.q[:, own], motion.qd[:, own], tau[:, own], LEG)
    return moved, dynamics.imu(f"imu_thigh_{side}")[0]


def _kinematics(motion: Motion) -> Stream:
    q = motion.q
    columns = {f"angle.{name}.{s}": _column(q, f"{name}_{s}") for s in SIDES for name in LEG}
    columns |= {
        "angle.pelvis_tilt": _column(q, "pelvis_tilt"),
        "angle.pelvis_list": _column(q, "pelvis_list"),
        "angle.pelvis_rotation": _column(q, "pelvis_yaw"),
        "angle.lumbar_extension": -_column(q, "lumbar_flexion"),
        "angle.lumbar_bending": _column(q, "lumbar_bend"),
    }
    return stream_of("kinematics", motion.rate_hz, columns, "rad")


def _torque(tau: FloatArray, motion: Motion, mass_kg: float) -> Stream:
    valid = (motion.faults == 0).astype(np.float64)
    columns: dict[str, FloatArray] = {}
    for side in SIDES:
        for label, coordinate in _LABELS.items():
            columns[f"torque.{label}.{side}"] = -_column(tau, f"{coordinate}_{side}") / mass_kg
        columns[f"valid.torque.{side}"] = valid
    return stream_of("torque", motion.rate_hz, columns, "N m/kg")


def _grf(motion: Motion) -> Stream:
    """Force on the feet in walking axes: up, forward, and to the person's right."""
    columns: dict[str, FloatArray] = {}
    for i, side in enumerate(SIDES):
        forward, left, up = motion.force[:, i].T
        columns[f"grf.foot.{side}.vertical"] = up
        columns[f"grf.foot.{side}.anterior"] = forward
        columns[f"grf.foot.{side}.lateral"] = -left
    return stream_of("grf", motion.rate_hz, columns, "N")


def _trials(stride: NDArray[np.int32], rate_hz: float) -> tuple[Trial, ...]:
    """Strides or repetitions as trials."""
    frames = np.flatnonzero(stride >= 0)
    numbers, first = np.unique(stride[frames], return_index=True)
    last = len(frames) - 1 - np.unique(stride[frames][::-1], return_index=True)[1]
    return tuple(
        Trial(int(number), float(start / rate_hz), float((end + 1) / rate_hz))
        for number, start, end in zip(numbers, frames[first], frames[last], strict=True)
    )


def _changes(motion: Motion) -> tuple[Event, ...]:
    """When each task begins, by its name, where there are several."""
    if len(motion.tasks) == 1:
        return ()
    at = np.flatnonzero(np.diff(motion.task, prepend=-1))
    return tuple(Event(float(i) / motion.rate_hz, motion.tasks[motion.task[i]]) for i in at)
