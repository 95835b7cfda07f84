"""Muscle-tendon lengths and moment arms as polynomials of the joint angles.

The moment arm about a coordinate q is ``r = -dL/dq`` (An et al., J Biomech Eng 106, 1984), so a
muscle with a positive arm turns its joint towards the movement the coordinate is named after:
tau = sum over muscles of r F, and a label such as ``torque.knee`` (extension positive) is -tau
over mass for every joint of the leg and the arm alike.

Lengths scale with the segment the muscle lies along, force with muscle volume over fibre length.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from kinefed.biomechanics import muscle_data as data
from kinefed.biomechanics.hill import MAX_VELOCITY, HillParameters
from kinefed.datasets.errors import DataError, DataReason
from kinefed.datasets.types import FloatArray

# Volume of the muscles of a leg, cm^3 = A * mass * height + B (Handsfield et al., J Biomech 47,
# 2014: 24 healthy people, r^2 0.92).
_VOLUME_A, _VOLUME_B = 47.05, 1289.6
# Frames a block: its tables stay in the cache, which makes the evaluation several times faster.
_BLOCK = 2048


@dataclass(frozen=True, slots=True)
class Paths:
    """Lengths of several muscles as polynomials of shared coordinates.

    Attributes
    ----------
    monomials
        How each monomial but the first (which is 1) comes from an earlier one: the index of that
        one and the coordinate to multiply it by.
    matrix
        (monomials, muscles * (1 + coordinates)): lengths in metres, then arms about each
        coordinate.
    low_rad, high_rad
        (coordinates,). Beyond, the length goes on in a straight line with the arm of the end.
    """

    monomials: tuple[tuple[int, int], ...]
    matrix: FloatArray
    low_rad: FloatArray
    high_rad: FloatArray

    @classmethod
    def of(
        cls, lengths: Sequence[data.Polynomial], low_rad: FloatArray, high_rad: FloatArray
    ) -> Paths:
        """Prepare polynomials: powers of the coordinates to metres, one mapping a muscle."""
        coordinates, muscles = len(low_rad), len(lengths)
        wanted = {power for polynomial in lengths for power in polynomial}
        index = {(0,) * coordinates: 0}
        monomials: list[tuple[int, int]] = []

        def enter(power: tuple[int, ...]) -> int:
            if power not in index:
                c = max(range(coordinates), key=lambda c: power[c])
                parent = enter(_lower(power, c))
                monomials.append((parent, c))
                index[power] = len(monomials)
            return index[power]

        for power in sorted(wanted):
            enter(power)
            for c in range(coordinates):
                if power[c]:
                    enter(_lower(power, c))
        matrix = np.zeros((len(index), 1 + coordinates, muscles))
        for muscle, polynomial in enumerate(lengths):
            for power, value in polynomial.items():
                matrix[index[power], 0, muscle] += value
                for c in range(coordinates):
                    if power[c]:
                        matrix[index[_lower(power, c)], 1 + c, muscle] -= power[c] * value
        return cls(tuple(monomials), matrix.reshape(len(index), -1), low_rad, high_rad)

    def evaluate(self, angles_rad: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Evaluate all muscles.

        Parameters
        ----------
        angles_rad
            (frames, coordinates).

        Returns
        -------
        lengths_m
            (frames, muscles).
        arms_m
            (frames, muscles, coordinates), minus the derivative of the length.
        """
        frames, coordinates = angles_rad.shape
        # Frames last in memory, as all that works on them runs along the frames.
        values = np.empty((self.matrix.shape[1], frames))
        for start in range(0, frames, _BLOCK):
            part = slice(start, start + _BLOCK)
            inside = np.clip(angles_rad[part], self.low_rad, self.high_rad).T
            table = np.ones((len(self.matrix), inside.shape[1]))
            for k, (parent, c) in enumerate(self.monomials, start=1):
                np.multiply(table[parent], inside[c], out=table[k])
            values[:, part] = self.matrix.T @ table
        shaped = values.reshape(1 + coordinates, -1, frames).T
        lengths, arms = shaped[:, :, 0], shaped[:, :, 1:]
        beyond = angles_rad - np.clip(angles_rad, self.low_rad, self.high_rad)
        outside = beyond.any(axis=1)
        lengths[outside] -= np.einsum("fmc,fc->fm", arms[outside], beyond[outside])
        return lengths, arms


@dataclass(frozen=True, slots=True)
class MuscleSet:
    """Muscles of one limb of one person.

    Attributes
    ----------
    names
        Muscles in order; most are sites of the channel table.
    coordinates
        The joint angles they span, in order, positive as named.
    paths
        Lengths and arms.
    hill
        Parameters.
    """

    names: tuple[str, ...]
    coordinates: tuple[str, ...]
    paths: Paths
    hill: HillParameters

    def evaluate(
        self, angles_rad: FloatArray, velocities_rad_s: FloatArray
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Lengths, velocities and moment arms in each frame.

        Parameters
        ----------
        angles_rad, velocities_rad_s
            (frames, coordinates).

        Returns
        -------
        lengths_m, velocities_m_s
            (frames, muscles).
        arms_m
            (frames, muscles, coordinates).

        Raises
        ------
        DataError
            ``mismatch`` where the shapes do not agree with the coordinates.
        """
        count = len(self.coordinates)
        if angles_rad.shape != velocities_rad_s.shape or angles_rad.shape[1:] != (count,):
            raise DataError(
                DataReason.MISMATCH,
                f"angles {angles_rad.shape} and velocities {velocities_rad_s.shape}",
                where="MuscleSet",
                next_step=f"Give (frames, {count}): {', '.join(self.coordinates)}",
            )
        lengths, arms = self.paths.evaluate(angles_rad)
        return lengths, -np.einsum("fmc,fc->fm", arms, velocities_rad_s), arms

    def index(self, name: str) -> int:
        """Give the place of a muscle.

        Raises
        ------
        DataError
            ``not_found``.
        """
        if name not in self.names:
            raise DataError(
                DataReason.NOT_FOUND,
                f"no muscle {name!r}",
                next_step=f"There are {', '.join(self.names)}",
            )
        return self.names.index(name)


def leg_muscles(
    height_m: float = data.REFERENCE_HEIGHT_M,
    mass_kg: float = data.REFERENCE_MASS_KG,
    thigh_m: float | None = None,
    shank_m: float | None = None,
) -> MuscleSet:
    """Give the 19 muscles of a leg (either side) of a person.

    Parameters
    ----------
    height_m, mass_kg
        Set the strength through the volume of the muscles, and the lengths not given.
    thigh_m, shank_m
        Lengths of the segments, hip to knee and knee to ankle; None: Winter's share of height.
    """
    ratio = height_m / data.REFERENCE_HEIGHT_M
    scales = {
        "thigh": ratio if thigh_m is None else thigh_m / data.REFERENCE_THIGH_M,
        "shank": ratio if shank_m is None else shank_m / data.REFERENCE_SHANK_M,
    }
    return _scaled(
        data.LEG,
        data.leg_lengths(),
        data.LEG_COORDINATES,
        data.LEG_RANGE_DEG,
        scales,
        _volume_ratio(height_m, mass_kg),
    )


def arm_muscles(
    height_m: float = data.REFERENCE_HEIGHT_M,
    mass_kg: float = data.REFERENCE_MASS_KG,
    upper_arm_m: float | None = None,
) -> MuscleSet:
    """Give the 6 muscles of the elbow and the 2 of the wrist of a person; see `leg_muscles`."""
    ratio = height_m / data.REFERENCE_HEIGHT_M
    scale = ratio if upper_arm_m is None else upper_arm_m / data.REFERENCE_UPPER_ARM_M
    return _scaled(
        data.ARM,
        data.arm_lengths(),
        data.ARM_COORDINATES,
        data.ARM_RANGE_DEG,
        {"upper_arm": scale},
        _volume_ratio(height_m, mass_kg),
    )


def _volume_ratio(height_m: float, mass_kg: float) -> float:
    if not (height_m > 0.0 and mass_kg > 0.0):
        raise DataError(
            DataReason.OUT_OF_RANGE,
            f"a person of {height_m} m and {mass_kg} kg has no muscles",
            next_step="Give a positive height in m and mass in kg",
        )
    reference = data.REFERENCE_HEIGHT_M * data.REFERENCE_MASS_KG
    return (_VOLUME_A * height_m * mass_kg + _VOLUME_B) / (_VOLUME_A * reference + _VOLUME_B)


def _scaled(
    rows: Sequence[data.Row],
    lengths: Mapping[str, data.Polynomial],
    coordinates: tuple[str, ...],
    range_deg: tuple[tuple[float, float], ...],
    scales: Mapping[str, float],
    volume: float,
) -> MuscleSet:
    scale = np.array([scales[row.segment] for row in rows])
    scaled = [
        {power: value * scales[row.segment] for power, value in lengths[row.name].items()}
        for row in rows
    ]
    low, high = np.radians(np.array(range_deg)).T
    hill = HillParameters(
        max_force_n=np.array([row.max_force_n for row in rows]) * volume / scale,
        optimal_length_m=np.array([row.optimal_length_m for row in rows]) * scale,
        slack_length_m=np.array([row.slack_length_m for row in rows]) * scale,
        pennation_rad=np.radians([row.pennation_deg for row in rows]),
        max_velocity=np.full(len(rows), MAX_VELOCITY),
    )
    names = tuple(row.name for row in rows)
    return MuscleSet(names, coordinates, Paths.of(scaled, low, high), hill)


def _lower(power: tuple[int, ...], coordinate: int) -> tuple[int, ...]:
    return tuple(k - (c == coordinate) for c, k in enumerate(power))
