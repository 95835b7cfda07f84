"""A small dataset with exact joint torques: swinging legs of three links.

The leg is a planar chain of thigh, shank and foot, hung at a fixed hip. With the segments' angles
``phi`` from the downward vertical (forward positive) its equations of motion are

    Q_i = sum_j a_ij (cos(phi_i - phi_j) phi_j'' + sin(phi_i - phi_j) phi_j'^2) + g b_i sin(phi_i)

with constants ``a`` and ``b`` of masses, lengths and inertias. Movements are sums of sines, so
angles, velocities, accelerations and torques are exact to rounding. People differ in mass, height
and segment proportions, which is what a personal model has to learn.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kinefed.datasets import (
    Dataset,
    DatasetInfo,
    Recording,
    RecordingRef,
    Stream,
    Subject,
    Trial,
    write_dataset,
)

FloatArray = NDArray[np.float64]

GRAVITY_M_S2 = 9.80665
RATE_HZ = 100.0
TASKS = ("reach", "lift")
ANGLES = ("hip_flexion", "knee_flexion", "ankle_dorsiflexion")
JOINTS = ("hip", "knee", "ankle")
# Thigh, shank, foot: share of body mass, centre of mass and radius of gyration as shares of the
# segment's length (de Leva 1996, J Biomech 29:1223, men), length as a share of height
# (Drillis and Contini, in Winter 2009).
_MASS_SHARE = np.array([0.1416, 0.0433, 0.0137])
_COM_SHARE = np.array([0.4095, 0.4459, 0.4415])
_GYRATION_SHARE = np.array([0.329, 0.255, 0.257])
_LENGTH_SHARE = np.array([0.245, 0.246, 0.152])
# Joint angles (flexion, flexion, dorsiflexion) of the segments' angles: q = SEGMENTS phi + const.
_JOINT_OF_SEGMENT = np.array([[1.0, 0.0, 0.0], [1.0, -1.0, 0.0], [0.0, -1.0, 1.0]])
_NEUTRAL = np.array([0.0, 0.0, -np.pi / 2.0])


@dataclass(frozen=True)
class Leg:
    """Masses (kg), lengths, centres of mass (m) and central inertias (kg m^2), each (3,)."""

    body_mass_kg: float
    mass: FloatArray
    length: FloatArray
    com: FloatArray
    inertia: FloatArray

    @property
    def a(self) -> FloatArray:
        """Inertia constants, (3, 3) symmetric."""
        below = np.array([self.mass[i + 1 :].sum() for i in range(3)])
        first = self.mass * self.com + self.length * below
        a = np.diag(self.inertia + self.mass * self.com**2 + self.length**2 * below)
        for i in range(3):
            for j in range(i + 1, 3):
                a[i, j] = a[j, i] = self.length[i] * first[j]
        return a

    @property
    def b(self) -> FloatArray:
        """Gravity constants, (3,)."""
        below = np.array([self.mass[i + 1 :].sum() for i in range(3)])
        return self.mass * self.com + self.length * below


@dataclass(frozen=True)
class Movement:
    """Joint angles ``offset + sum_k amplitude_k sin(2 pi f_k t + phase_k)``: arrays (3, terms)."""

    offset: FloatArray
    amplitude: FloatArray
    frequency_hz: FloatArray
    phase: FloatArray

    def at(self, time_s: FloatArray, shift: float = 0.0) -> tuple[FloatArray, ...]:
        """Angles, velocities and accelerations, each (samples, 3), `shift` of a cycle later."""
        omega = 2.0 * np.pi * self.frequency_hz[:, :, None]
        # The same fraction of the base cycle for every term: the other leg does the same later.
        late = time_s - shift / self.frequency_hz[0, 0]
        argument = omega * late + self.phase[:, :, None]
        amplitude = self.amplitude[:, :, None]
        q = self.offset[:, None] + (amplitude * np.sin(argument)).sum(axis=1)
        dq = (amplitude * omega * np.cos(argument)).sum(axis=1)
        ddq = -(amplitude * omega**2 * np.sin(argument)).sum(axis=1)
        return q.T, dq.T, ddq.T


def inverse_dynamics(leg: Leg, q: FloatArray, dq: FloatArray, ddq: FloatArray) -> FloatArray:
    """Moments at hip, knee and ankle towards the angles (N m, flexion positive), (samples, 3)."""
    to_segments = np.linalg.inv(_JOINT_OF_SEGMENT)
    phi = (q - _NEUTRAL) @ to_segments.T
    dphi, ddphi = dq @ to_segments.T, ddq @ to_segments.T
    difference = phi[:, :, None] - phi[:, None, :]
    force = np.einsum("ij,sij,sj->si", leg.a, np.cos(difference), ddphi)
    force += np.einsum("ij,sij,sj->si", leg.a, np.sin(difference), dphi**2)
    force += GRAVITY_M_S2 * leg.b * np.sin(phi)
    return force @ to_segments


def make_leg(rng: np.random.Generator) -> tuple[Leg, float]:
    """Draw a leg and the height of its person."""
    mass_kg, height_m = rng.uniform(50.0, 95.0), rng.uniform(1.50, 1.95)
    mass = mass_kg * _MASS_SHARE * rng.uniform(0.85, 1.15, 3)
    length = height_m * _LENGTH_SHARE * rng.uniform(0.95, 1.05, 3)
    leg = Leg(mass_kg, mass, length, length * _COM_SHARE, mass * (length * _GYRATION_SHARE) ** 2)
    return leg, height_m


def make_movement(task: str, rng: np.random.Generator) -> Movement:
    """Draw a movement: "reach" swings the whole leg quickly, "lift" bends knee and hip slowly."""
    base_hz = rng.uniform(0.9, 1.1) if task == "reach" else rng.uniform(0.6, 0.8)
    if task == "reach":
        offset = np.array([0.15, 0.45, 0.0])
        amplitude = np.array([[0.45, 0.05], [0.35, 0.10], [0.20, 0.05]])
        phase = np.array([[0.0, 0.4], [1.9, 0.7], [2.6, 0.3]])
    else:
        offset = np.array([0.60, 0.90, 0.05])
        amplitude = np.array([[0.40, 0.10], [0.65, 0.10], [0.15, 0.08]])
        phase = np.array([[0.0, 1.2], [0.2, 0.9], [0.5, 2.0]])
    frequency = np.broadcast_to(base_hz * np.array([1.0, 2.0]), (3, 2))
    return Movement(
        offset + rng.normal(0.0, 0.03, 3),
        amplitude * rng.uniform(0.85, 1.15, (3, 2)),
        np.asarray(frequency),
        phase + rng.normal(0.0, 0.1, (3, 2)),
    )


def write_two_link_arm(
    dest: str | Path, people: int = 6, seconds: float = 6.0, seed: int = 0
) -> Dataset:
    """Write the dataset folder: `people` persons, two tasks, both sides, 100 Hz.

    Frames of every repetition count as valid but for a short rest at its end, so that a recording
    holds several separate contacts.

    Parameters
    ----------
    dest
        New folder.
    people
        Number of persons, S01, S02, ...
    seconds
        Length of each recording.
    seed
        The same seed writes the same numbers.
    """
    rng = np.random.default_rng(seed)
    drawn = [make_leg(rng) for _ in range(people)]
    subjects = [
        Subject(f"S{i + 1:02d}", height_m=height, mass_kg=leg.body_mass_kg)
        for i, (leg, height) in enumerate(drawn)
    ]
    time_s = np.arange(round(seconds * RATE_HZ)) / RATE_HZ

    def recordings() -> Iterator[Recording]:
        for subject, (leg, _) in zip(subjects, drawn, strict=True):
            for task in TASKS:
                movement = make_movement(task, rng)
                yield _recording(RecordingRef(subject.id, "s01", task, 1), leg, movement, time_s)

    info = DatasetInfo(
        name="three-link-legs",
        licence="CC0-1.0",
        notes="Made by a closed form; extension and plantarflexion moments positive.",
    )
    return write_dataset(dest, info, subjects, recordings())


def _recording(ref: RecordingRef, leg: Leg, movement: Movement, time_s: FloatArray) -> Recording:
    angles: dict[str, FloatArray] = {}
    moments: dict[str, FloatArray] = {}
    cycle = time_s * movement.frequency_hz[0, 0]
    valid = (cycle % 1.0 < 0.85).astype(np.float64)
    for side, shift in (("l", 0.0), ("r", 0.5)):
        q, dq, ddq = movement.at(time_s, shift)
        towards_flexion = inverse_dynamics(leg, q, dq, ddq)
        for i, (angle, joint) in enumerate(zip(ANGLES, JOINTS, strict=True)):
            angles[f"angle.{angle}.{side}"] = q[:, i]
            moments[f"torque.{joint}.{side}"] = -towards_flexion[:, i] / leg.body_mass_kg
        moments[f"valid.torque.{side}"] = valid
    starts = np.flatnonzero(np.diff(valid, prepend=0.0) > 0)
    ends = np.flatnonzero(np.diff(valid, append=0.0) < 0) + 1
    return Recording(
        ref,
        {
            "kinematics": _stream("kinematics", angles, "rad"),
            "torque": _stream("torque", moments, "N m/kg"),
        },
        trials=tuple(
            Trial(i, a / RATE_HZ, b / RATE_HZ)
            for i, (a, b) in enumerate(zip(starts, ends, strict=True))
        ),
    )


def _stream(name: str, columns: dict[str, FloatArray], unit: str) -> Stream:
    units = tuple("1" if channel.startswith("valid.") else unit for channel in columns)
    return Stream(
        name, RATE_HZ, 0.0, tuple(columns), units, np.column_stack(list(columns.values()))
    )


if __name__ == "__main__":
    import sys

    if len(sys.argv) != 2:
        sys.exit("usage: two_link_arm.py DEST")
    write_two_link_arm(sys.argv[1])
