"""Rigid segments as MJCF, MuJoCo's model format: the pieces that body and arm are built of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from kinefed.biomechanics.anthropometry import BodyParameters
from kinefed.datasets.types import FloatArray

GRAVITY_M_S2 = 9.80665

Triple = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Lump:
    """Mass, centre and inertia of segments that move as one.

    Attributes
    ----------
    mass_kg
        Their mass.
    com_m
        (3,) from the origin of the segment, along its axes.
    inertia
        (3, 3) kg m^2 about the centre of mass.
    """

    mass_kg: float
    com_m: FloatArray
    inertia: FloatArray


@dataclass(frozen=True, slots=True)
class Site:
    """A place on a segment where a sensor sits.

    Attributes
    ----------
    segment
        Name of the segment.
    position_m
        From the segment's origin (its upper joint) along its axes.
    quaternion
        w, x, y, z: turns the sensor's axes out of those of the segment (x forward, y left, z up
        while standing).
    """

    segment: str
    position_m: Triple
    quaternion: tuple[float, float, float, float] = (1.0, 0.0, 0.0, 0.0)


class Model(Protocol):
    """What the engine computes: `kinefed.biomechanics.body.Body`, or an arm."""

    @property
    def params(self) -> BodyParameters:
        """Of the person."""

    @property
    def coordinates(self) -> tuple[str, ...]:
        """Names of the joints, in the order of the model."""

    @property
    def chains(self) -> Mapping[str, tuple[str, ...]]:
        """Coordinates between the world and each place that a force may act on."""

    @property
    def sites(self) -> Mapping[str, Site]:
        """Its IMUs."""

    def mjcf(self) -> str:
        """The model in MuJoCo's format."""


def part(params: BodyParameters, name: str, com_m: Triple) -> Lump:
    """Take one row of de Leva's table as a lump, its centre of mass at `com_m`."""
    return Lump(params.segment_mass_kg(name), np.array(com_m), np.diag(params.inertia(name)))


def join(parts: Iterable[Lump]) -> Lump:
    """Add lumps up by the parallel axis theorem."""
    parts = list(parts)
    mass = sum(one.mass_kg for one in parts)
    com = np.sum([one.mass_kg * one.com_m for one in parts], axis=0) / mass
    inertia = np.zeros((3, 3))
    for one in parts:
        r = one.com_m - com
        inertia += one.inertia + one.mass_kg * ((r @ r) * np.eye(3) - np.outer(r, r))
    return Lump(mass, com, inertia)


def joint(name: str, axis: Triple, kind: str = "hinge") -> str:
    """Write a joint at the segment's origin, without friction or limit."""
    return f'<joint name="{name}" type="{kind}" axis="{_row(axis)}"/>'


def point(name: str, position_m: Triple) -> str:
    """Write a place whose path is wanted."""
    return f'<site name="{name}" pos="{_row(position_m)}"/>'


def segment(
    name: str,
    origin_m: Triple,
    lump: Lump,
    joints: Iterable[str],
    sites: Mapping[str, Site],
    inside: Iterable[str] = (),
) -> str:
    """Write a segment, the sensors on it, and what hangs on it.

    Parameters
    ----------
    name
        Of the segment.
    origin_m
        In the axes of the segment it hangs on.
    lump
        Its inertia.
    joints
        From the outer to the inner one: each turns what the ones before have turned.
    sites
        All sensors; those of other segments are left out.
    inside
        Points and segments that hang on it.
    """
    i = lump.inertia
    full = (i[0, 0], i[1, 1], i[2, 2], i[0, 1], i[0, 2], i[1, 2])
    own = "".join(
        f'<site name="{key}" pos="{_row(site.position_m)}" quat="{_row(site.quaternion)}"/>'
        for key, site in sites.items()
        if site.segment == name
    )
    return (
        f'<body name="{name}" pos="{_row(origin_m)}"><inertial pos="{_row(lump.com_m)}" '
        f'mass="{float(lump.mass_kg)!r}" fullinertia="{_row(full)}"/>'
        f"{''.join(joints)}{own}{''.join(inside)}</body>"
    )


def document(tree: str, sites: Iterable[str]) -> str:
    """Write the model around a tree of segments, an IMU at each site; contacts are off."""
    sensors = "".join(
        f'<accelerometer site="{name}"/><gyro name="imu {name}" site="{name}"/>' for name in sites
    )
    return (
        '<mujoco model="person"><compiler angle="radian" autolimits="false"/>'
        f'<option gravity="0 0 {-GRAVITY_M_S2}">'
        '<flag contact="disable" constraint="disable"/></option>'
        f"<worldbody>{tree}</worldbody><sensor>{sensors}</sensor></mujoco>"
    )


def _row(values: FloatArray | tuple[float, ...]) -> str:
    return " ".join(repr(float(value)) for value in values)
