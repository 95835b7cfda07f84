"""From a virtual movement to a recording: what a laboratory and worn sensors would see."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from kinefed.biomechanics.body import COORDINATES, IMU_SITES, LEG, Body
from kinefed.biomechanics.engine import Dynamics, Engine, external
from kinefed.biomechanics.geometry import MuscleSet, leg_muscles
from kinefed.datasets import Gap, Recording, RecordingRef, Stream, Trial
from kinefed.datasets.types import FloatArray
from kinefed.simulations.cohort.electrodes import Electrodes, place_electrodes
from kinefed.simulations.cohort.motion import Motion
from kinefed.simulations.cohort.muscles import HiddenMuscles, draw_muscles, drive, limber
from kinefed.simulations.cohort.radio import LinkConfig, Received, transmit
from kinefed.simulations.cohort.semg import mvc_reference, mvc_trial, raw_semg, semg_envelope
from kinefed.simulations.cohort.wear import Placement, place_imu, worn_imu

SIDES = ("r", "l")
# Channels of the electrodes on each leg.
LEG_EMG = (
    "rectus_femoris",
    "vastus_lateralis",
    "vastus_medialis",
    "hamstrings",
    "gastrocnemius",
    "soleus",
    "tibialis_anterior",
    "gluteus_maximus",
    "gluteus_medius",
    "adductors",
)
RAW_EMG_HZ = 1000.0
# Labels beside the coordinates that they are minus the torque about, per body mass.
_LABELS = {
    "hip": "hip_flexion",
    "hip_abduction": "hip_adduction",
    "knee": "knee_flexion",
    "ankle": "ankle_dorsiflexion",
}
_SEGMENT_OF_SITE = {site: site.removeprefix("imu_").replace("trunk", "torso") for site in IMU_SITES}


@dataclass(frozen=True, slots=True)
class Outfit:
    """A person's muscles, and what they wear in one session.

    Attributes
    ----------
    muscles, hidden
        The textbook's leg at the person's size, and what is the person's own.
    electrodes, reference
        Side to electrodes, and to the envelopes' reference (channels,) in volts: that of maximal
        contractions at the start of the session.
    imus
        Site to how the sensor sits.
    """

    muscles: MuscleSet
    hidden: HiddenMuscles
    electrodes: Mapping[str, Electrodes]
    reference: Mapping[str, FloatArray]
    imus: Mapping[str, Placement]


def dress(body: Body, rate_hz: float, person: Sequence[int], session: int) -> Outfit:
    """Draw a person's muscles and put the sensors on for one session.

    Parameters
    ----------
    body
        The person's.
    rate_hz
        Of the recordings to come.
    person
        Seed words of the person: the same in every session.
    session
        Number of the session.
    """
    p = body.params
    muscles = leg_muscles(p.height_m, p.mass_kg, p.lengths_m["thigh"], p.lengths_m["shank"])
    drawn = draw_muscles(len(muscles.names), np.random.default_rng([*person, 0]))
    hidden = limber(muscles, drawn)
    day = np.random.default_rng([*person, 1, session])
    groups = [[i] for i in range(len(muscles.names))]
    electrodes, reference = {}, {}
    for number, side in enumerate(SIDES):
        skin = np.random.default_rng([*person, 2, number])
        channels = [f"emg.{site}.{side}" for site in LEG_EMG]
        electrodes[side] = place_electrodes(channels, muscles.names, skin, day)
        effort = mvc_trial(len(muscles.names), groups, rate_hz, day)
        envelope = semg_envelope(electrodes[side], effort, rate_hz, day)
        reference[side] = mvc_reference(envelope, rate_hz)
    imus = {site: place_imu(day) for site in IMU_SITES}
    return Outfit(muscles, hidden, electrodes, reference, imus)


def joint_torques_nm(dynamics: Dynamics, motion: Motion) -> FloatArray:
    """Return torques about all coordinates, (frames, 16), those of the root being the residual."""
    tau = dynamics.tau.copy()
    for i, side in enumerate(SIDES):
        tau -= external(
            dynamics, side, motion.force[:, i], motion.cop[:, i], motion.free_moment[:, i]
        )
    if motion.seat_force.any():
        tau -= external(dynamics, "pelvis", motion.seat_force, motion.seat_point)
    return tau


def record(
    engine: Engine,
    outfit: Outfit,
    motion: Motion,
    ref: RecordingRef,
    rng: np.random.Generator,
    *,
    raw_emg: bool = False,
    link: LinkConfig | None = None,
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
    link
        Loss and clock of the radio; lost samples hold the last one and are entered as gaps.
    """
    # Times are made by multiplication, so that the rate comes back a rounding off.
    motion = replace(motion, rate_hz=round(motion.rate_hz, 6))
    rate_hz = motion.rate_hz
    dynamics = engine.inverse(motion.q, motion.qd, motion.qdd)
    tau = joint_torques_nm(dynamics, motion)
    streams = [_kinematics(motion), _torque(tau, motion, engine.body.params.mass_kg), _grf(motion)]
    streams.append(worn_emg(outfit, dynamics, motion, tau, rng, raw=raw_emg))
    imus, gaps = worn_imus(outfit, dynamics, rate_hz, rng, link)
    streams += imus
    return Recording(
        ref,
        {stream.name: stream for stream in streams},
        trials=_trials(motion),
        gaps=tuple(gaps),
    )


def worn_imus(
    outfit: Outfit,
    dynamics: Dynamics,
    rate_hz: float,
    rng: np.random.Generator,
    link: LinkConfig | None = None,
) -> tuple[list[Stream], list[Gap]]:
    """Return what the IMUs measure, a stream each, and what was lost on the way."""
    streams, gaps = [], []
    for site, placement in outfit.imus.items():
        acc, gyro = worn_imu(*dynamics.imu(site), rate_hz, placement, rng)
        received = transmit(np.hstack([acc, gyro]), rate_hz, rng, link)
        name = _SEGMENT_OF_SITE[site]
        segment, _, side = name.partition("_")
        part = f"{segment}.{side}" if side else segment
        channels = tuple(f"{kind}.{part}.{axis}" for kind in ("acc", "gyro") for axis in "xyz")
        units = ("m/s^2",) * 3 + ("rad/s",) * 3
        stream = Stream(f"imu_{name}", rate_hz, 0.0, channels, units, _held(received))
        streams.append(stream)
        gaps += _gaps(stream.name, received, rate_hz)
    return streams, gaps


def _stream(name: str, rate_hz: float, columns: Mapping[str, FloatArray], unit: str) -> Stream:
    units = tuple("1" if channel.startswith("valid.") else unit for channel in columns)
    data = np.column_stack(list(columns.values()))
    return Stream(name, rate_hz, 0.0, tuple(columns), units, data)


def _column(values: FloatArray, coordinate: str) -> FloatArray:
    return values[:, COORDINATES.index(coordinate)]


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
    return _stream("kinematics", motion.rate_hz, columns, "rad")


def _torque(tau: FloatArray, motion: Motion, mass_kg: float) -> Stream:
    valid = (motion.faults == 0).astype(np.float64)
    columns: dict[str, FloatArray] = {}
    for side in SIDES:
        for label, coordinate in _LABELS.items():
            columns[f"torque.{label}.{side}"] = -_column(tau, f"{coordinate}_{side}") / mass_kg
        columns[f"valid.torque.{side}"] = valid
    return _stream("torque", motion.rate_hz, columns, "N m/kg")


def _grf(motion: Motion) -> Stream:
    """Force on the feet in walking axes: up, forward, and to the person's right."""
    columns: dict[str, FloatArray] = {}
    for i, side in enumerate(SIDES):
        forward, left, up = motion.force[:, i].T
        columns[f"grf.foot.{side}.vertical"] = up
        columns[f"grf.foot.{side}.anterior"] = forward
        columns[f"grf.foot.{side}.lateral"] = -left
    return _stream("grf", motion.rate_hz, columns, "N")


def worn_emg(
    outfit: Outfit,
    dynamics: Dynamics,
    motion: Motion,
    tau: FloatArray,
    rng: np.random.Generator,
    *,
    raw: bool = False,
) -> Stream:
    """Return what the electrodes of both legs measure: envelopes, or raw at 1000 Hz."""
    columns: dict[str, FloatArray] = {}
    for side in SIDES:
        own = [COORDINATES.index(f"{name}_{side}") for name in LEG]
        activity = drive(
            outfit.muscles,
            outfit.hidden,
            motion.q[:, own],
            motion.qd[:, own],
            tau[:, own],
            motion.rate_hz,
        )
        electrodes = outfit.electrodes[side]
        # The thigh's shaking stands for that of every electrode of the leg.
        shake, _ = dynamics.imu(f"imu_thigh_{side}")
        shaken = np.linalg.norm(shake - shake.mean(axis=0), axis=1)
        acceleration = np.repeat(shaken[:, None], len(electrodes.channels), axis=1)
        if raw:
            volts = raw_semg(
                electrodes,
                activity.excitation,
                motion.rate_hz,
                RAW_EMG_HZ,
                rng,
                acceleration=acceleration,
            )
            columns |= {f"emg.{c}": v for c, v in zip(electrodes.channels, volts.T, strict=True)}
        else:
            volts = semg_envelope(
                electrodes, activity.excitation, motion.rate_hz, rng, acceleration=acceleration
            )
            share = (volts / outfit.reference[side]).T
            columns |= {f"envelope.{c}": v for c, v in zip(electrodes.channels, share, strict=True)}
    return _stream("emg", RAW_EMG_HZ if raw else motion.rate_hz, columns, "V" if raw else "1")


def _held(received: Received) -> FloatArray:
    """Hold the last sample that arrived; before the first one, that one."""
    at = np.where(received.arrived, np.arange(len(received.arrived)), -1)
    at = np.maximum.accumulate(at)
    at[at < 0] = int(np.argmax(received.arrived))
    return np.nan_to_num(received.samples[at])


def _gaps(stream: str, received: Received, rate_hz: float) -> list[Gap]:
    edges = np.flatnonzero(np.diff(np.concatenate([[True], received.arrived, [True]])))
    pairs = edges.reshape(-1, 2)
    return [Gap(stream, float(a) / rate_hz, float(b) / rate_hz) for a, b in pairs]


def _trials(motion: Motion) -> tuple[Trial, ...]:
    """Strides or repetitions as trials."""
    found = []
    for number in np.unique(motion.stride[motion.stride >= 0]):
        frames = np.flatnonzero(motion.stride == number)
        start, end = frames[0] / motion.rate_hz, (frames[-1] + 1) / motion.rate_hz
        found.append(Trial(int(number), float(start), float(end)))
    return tuple(found)
