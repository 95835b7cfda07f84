"""Newton's and Euler's equations of a tree of segments, for all frames at once.

The recursive Newton-Euler algorithm (Featherstone, Rigid Body Dynamics Algorithms, 2008, chapter
5): from the root outward how every segment moves (`segments`), then from the tips inward what force
and moment that takes. The rate of change of the angular momentum about a segment's centre of mass
is ``sum_kl J_kl R_k x R''_l`` with J the integral of ``r_k r_l dm`` (`Link.spread`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from kinefed.biomechanics.segments import Moving, carried, combined, cross, dot, feel, turned
from kinefed.biomechanics.tree import Link
from kinefed.datasets.types import FloatArray

# Frames a block: fewer, and the calls cost more than the arithmetic; more, and the cache is left.
_BLOCK = 4096


@dataclass(frozen=True, slots=True)
class Result:
    """What comes of it, frames last.

    Attributes
    ----------
    tau
        (coordinates, frames).
    axes, anchors
        (coordinates, 3, frames).
    com
        (3, frames).
    points
        Mark to (3, frames).
    orientation
        Segment to (3, 3, frames): rows, columns.
    felt
        Mark to (6, frames): specific force and angular velocity in its axes.
    """

    tau: FloatArray
    axes: FloatArray
    anchors: FloatArray
    com: FloatArray
    points: Mapping[str, FloatArray]
    orientation: Mapping[str, FloatArray]
    felt: Mapping[str, FloatArray]


@dataclass(frozen=True, slots=True)
class Whole:
    """A movement as a whole, each (frames, 3).

    Attributes
    ----------
    force, moment
        What all external forces add up to: N, and N m about the pelvis origin, world axes.
    pelvis, com
        Positions of the pelvis origin and of the centre of mass, m.
    """

    force: FloatArray
    moment: FloatArray
    pelvis: FloatArray
    com: FloatArray


def inverse_dynamics(
    links: Sequence[Link],
    gravity_m_s2: float,
    motion: tuple[FloatArray, FloatArray, FloatArray],
    points: Sequence[str],
    sensors: Sequence[str],
) -> Result:
    """Generalised forces of a motion.

    Parameters
    ----------
    links
        The tree, each segment after the one it hangs on.
    gravity_m_s2
        Downward along z.
    motion
        Coordinates and their first and second derivatives, each (frames, coordinates).
    points, sensors
        Which marks' positions, and which marks' sensations are wanted.
    """
    frames, count = motion[0].shape
    result = Result(
        np.empty((count, frames)),
        np.empty((count, 3, frames)),
        np.empty((count, 3, frames)),
        np.zeros((3, frames)),
        {name: np.empty((3, frames)) for name in points},
        {link.name: np.empty((3, 3, frames)) for link in links},
        {name: np.empty((6, frames)) for name in sensors},
    )
    for part, block in _blocks(motion):
        moving = carried(links, gravity_m_s2, block)
        for link, now in zip(links, moving, strict=True):
            for k in range(3):
                result.orientation[link.name][:, k, part] = now.axes[k]
            for mark in link.marks:
                if mark.name in result.points:
                    at = now.origin + turned(now.axes, mark.position_m)
                    result.points[mark.name][:, part] = at
                if mark.name in result.felt:
                    feel(now, mark, result.felt[mark.name][:, part])
        _add_up(links, moving, result, part)
    return result


def whole_body_wrench(
    links: Sequence[Link],
    gravity_m_s2: float,
    motion: tuple[FloatArray, FloatArray, FloatArray],
) -> Whole:
    """What all external forces add up to, which takes half the time of the joints' forces too.

    Parameters
    ----------
    links, gravity_m_s2, motion
        As of `inverse_dynamics`.
    """
    found = np.empty((4, 3, len(motion[0])))
    mass = sum(link.mass_kg for link in links)
    for part, block in _blocks(motion):
        moving = carried(links, gravity_m_s2, block)
        force, moment, origin, com = found[:, :, part]
        origin[:] = moving[0].origin
        force[:], moment[:], com[:] = 0.0, 0.0, 0.0
        for link, now in zip(links, moving, strict=True):
            middle, own, turning = _inertial(link, now, origin)
            force += own
            moment += turning
            com += (link.mass_kg / mass) * middle
        com += origin
    return Whole(*(x.T for x in found))


def _blocks(
    motion: tuple[FloatArray, FloatArray, FloatArray],
) -> Iterator[tuple[slice, list[FloatArray]]]:
    frames = len(motion[0])
    for start in range(0, frames, _BLOCK):
        part = slice(start, min(start + _BLOCK, frames))
        yield part, [np.ascontiguousarray(x[part].T) for x in motion]


def _add_up(links: Sequence[Link], moving: Sequence[Moving], out: Result, part: slice) -> None:
    """From the tips inward: what each joint bears."""
    # About the first segment's origin: far from it moments would lose digits.
    centre = moving[0].origin
    mass = sum(link.mass_kg for link in links)
    forces = [np.zeros_like(centre) for _ in links]
    moments = [np.zeros_like(centre) for _ in links]
    com = centre.copy()
    for i in reversed(range(len(links))):
        link, now = links[i], moving[i]
        middle, own, turning = _inertial(link, now, centre)
        com += (link.mass_kg / mass) * middle
        forces[i] += own
        moments[i] += turning
        if link.parent >= 0:
            forces[link.parent] += forces[i]
            moments[link.parent] += moments[i]
        about = moments[i] - cross(now.origin - centre, forces[i])
        for joint, (along, anchor) in zip(link.joints, now.joints, strict=True):
            j = joint.column
            out.axes[j, :, part], out.anchors[j, :, part] = along, anchor
            out.tau[j, part] = dot(along, forces[i] if joint.slides else about)
    out.com[:, part] = com


def _inertial(
    link: Link, now: Moving, centre: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """A segment's centre of mass from `centre`, and the force and moment there that move it."""
    middle = now.origin - centre
    middle += turned(now.axes, link.com_m)
    force = now.bend + turned(now.axes_bend, link.com_m)
    force *= link.mass_kg
    moment = cross(middle, force)
    moment += _momentum_rate(link, now)
    return middle, force, moment


def _momentum_rate(link: Link, now: Moving) -> FloatArray:
    """Rate of change of the angular momentum about the segment's centre of mass."""
    each = np.einsum("kif,kjf->ijf", now.axes, combined(link.spread, now.axes_bend))
    return np.stack([each[1, 2] - each[2, 1], each[2, 0] - each[0, 2], each[0, 1] - each[1, 0]])
