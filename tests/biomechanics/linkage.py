"""Pendulums for the engine, with their equations of motion in closed form."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kinefed.biomechanics import mjcf
from kinefed.biomechanics.anthropometry import BodyParameters, body_parameters

GRAVITY = 9.80665


@dataclass(frozen=True)
class Pendulum:
    """Links that hang below one another and swing about -y: positive angles to the front."""

    mass: tuple[float, ...]
    com: tuple[float, ...]
    length: tuple[float, ...]
    inertia: tuple[float, ...]

    @property
    def params(self) -> BodyParameters:
        return body_parameters("m", 1.7, 70.0)

    @property
    def coordinates(self):
        return tuple(f"link_{i}" for i in range(len(self.mass)))

    @property
    def chains(self):
        return {"tip": self.coordinates}

    @property
    def sites(self):
        return {f"imu_{i}": mjcf.Site(f"part_{i}", (0.0, 0.0, -x)) for i, x in enumerate(self.com)}

    def mjcf(self) -> str:
        inside = [mjcf.point("tip", (0.0, 0.0, -self.length[-1]))]
        for i in reversed(range(len(self.mass))):
            origin = (0.0, 0.0, -self.length[i - 1] if i else 0.0)
            inertia = np.diag([self.inertia[i]] * 2 + [1e-3])
            lump = mjcf.Lump(self.mass[i], np.array([0.0, 0.0, -self.com[i]]), inertia)
            joint = mjcf.joint(f"link_{i}", (0.0, -1.0, 0.0))
            inside = [mjcf.segment(f"part_{i}", origin, lump, [joint], self.sites, inside)]
        return mjcf.document(inside[0], self.sites)


def single_torque(p: Pendulum, q, qdd):
    """``(I + m c^2) q'' + m g c sin q``."""
    m, c = p.mass[0], p.com[0]
    return (p.inertia[0] + m * c**2) * qdd + m * GRAVITY * c * np.sin(q)


def double_torque(p: Pendulum, q, qd, qdd):
    """Torques of two links, the second angle counted from the first (frames, 2).

    The equations of a planar two-link arm (Craig, Introduction to Robotics, section 6.7), with
    distributed mass.
    """
    (m1, m2), (c1, c2), l1 = p.mass, p.com, p.length[0]
    (i1, i2), (q1, q2) = p.inertia, q.T
    h = m2 * l1 * c2
    d11 = i1 + i2 + m1 * c1**2 + m2 * (l1**2 + c2**2) + 2.0 * h * np.cos(q2)
    d12 = i2 + m2 * c2**2 + h * np.cos(q2)
    d22 = i2 + m2 * c2**2
    spin = h * np.sin(q2)
    g2 = m2 * GRAVITY * c2 * np.sin(q1 + q2)
    g1 = (m1 * c1 + m2 * l1) * GRAVITY * np.sin(q1) + g2
    first = d11 * qdd[:, 0] + d12 * qdd[:, 1] - spin * (2.0 * qd[:, 0] + qd[:, 1]) * qd[:, 1] + g1
    second = d12 * qdd[:, 0] + d22 * qdd[:, 1] + spin * qd[:, 0] ** 2 + g2
    return np.stack([first, second], axis=1)


def smooth_motion(columns: int, frames: int = 400, rate_hz: float = 200.0, seed: int = 5):
    """Sums of sines with their exact first and second derivatives, each (frames, columns)."""
    rng = np.random.default_rng(seed)
    time_s = np.arange(frames)[:, None, None] / rate_hz
    omega = 2.0 * np.pi * rng.uniform(0.3, 2.0, (columns, 3))
    size = rng.uniform(0.1, 0.4, (columns, 3)) / omega * 3.0
    phase = omega * time_s + rng.uniform(0.0, 6.3, (columns, 3))
    return (
        (size * np.sin(phase)).sum(-1),
        (size * omega * np.cos(phase)).sum(-1),
        (-size * omega**2 * np.sin(phase)).sum(-1),
    )
