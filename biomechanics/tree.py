"""The tree of segments that `kinefed.biomechanics.newton_euler` works on, from a compiled model.

MuJoCo's compiler has resolved masses, inertias and places; a `Model` need not say them twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from kinefed.datasets.errors import UsageError, UsageReason
from kinefed.datasets.types import FloatArray

# Of MuJoCo's joint types, that of a slide (mjJNT_SLIDE).
_SLIDE = 2
_NOT_TURNED = (1.0, 0.0, 0.0, 0.0)


@dataclass(frozen=True, slots=True)
class Joint:
    """A coordinate between a segment and the one it hangs on.

    Attributes
    ----------
    column
        Of the coordinates.
    axis, sign
        The segment's axis (0, 1, 2) along which it slides or about which it turns, and whether
        forward (1) or backward (-1).
    slides
        Along its axis instead of turning about it.
    """

    column: int
    axis: int
    sign: float
    slides: bool


@dataclass(frozen=True, slots=True)
class Mark:
    """A place on a segment, with axes: position (3,) in m and rotation (3, 3) of the segment's."""

    name: str
    position_m: FloatArray
    rotation: FloatArray


@dataclass(frozen=True, slots=True)
class Link:
    """A segment of the tree.

    Attributes
    ----------
    name
        Of the segment.
    parent
        Place of the segment it hangs on, before this one; -1: the world.
    origin_m
        (3,) in the axes of that one; its axes are the same where all coordinates are zero.
    mass_kg, com_m, spread
        Mass, centre (3,) in the segment's axes, and the integral of ``r_k r_l dm`` about it,
        (3, 3), which the inertia I gives as ``tr(I) / 2 - I``.
    joints
        From the outer to the inner one, all at the origin; those that slide come before those that
        turn, and only on the first segment.
    marks
        Points and sensors on it.
    """

    name: str
    parent: int
    origin_m: FloatArray
    mass_kg: float
    com_m: FloatArray
    spread: FloatArray
    joints: tuple[Joint, ...]
    marks: tuple[Mark, ...]


def links_of(model: Any) -> list[Link]:
    """Take the tree of segments out of a compiled model.

    Raises
    ------
    UsageError
        ``impossible`` for a joint that is not along an axis of its segment at its origin, or one
        that slides on a segment that hangs on another.
    """
    links = []
    for i in range(1, model.nbody):
        body = model.body(i)
        turn = _matrix(body.iquat)
        links.append(
            Link(
                body.name,
                int(body.parentid[0]) - 1,
                body.pos.copy(),
                float(body.mass[0]),
                body.ipos.copy(),
                turn @ np.diag(0.5 * body.inertia.sum() - body.inertia) @ turn.T,
                tuple(
                    _joint(model.joint(j)) for j in range(model.njnt) if model.jnt_bodyid[j] == i
                ),
                tuple(
                    Mark(site.name, site.pos.copy(), _matrix(site.quat))
                    for site in map(model.site, range(model.nsite))
                    if site.bodyid[0] == i
                ),
            )
        )
        slides = [joint.slides for joint in links[-1].joints]
        if slides != sorted(slides, reverse=True) or (any(slides) and links[-1].parent >= 0):
            raise _impossible(f"{body.name} slides other than as the root")
        if not np.array_equal(body.quat, _NOT_TURNED):
            raise _impossible(f"the axes of {body.name} are turned")
    return links


def _joint(joint: Any) -> Joint:
    axis = int(np.argmax(np.abs(joint.axis)))
    if joint.pos.any() or np.count_nonzero(joint.axis) != 1:
        raise _impossible(f"joint {joint.name} is not on an axis of its segment")
    slides = int(joint.type[0]) == _SLIDE
    return Joint(int(joint.dofadr[0]), axis, float(np.sign(joint.axis[axis])), slides)


def _matrix(quaternion: FloatArray) -> FloatArray:
    w, x, y, z = quaternion
    return np.array(
        [
            [1.0 - 2.0 * (y * y + z * z), 2.0 * (x * y - w * z), 2.0 * (x * z + w * y)],
            [2.0 * (x * y + w * z), 1.0 - 2.0 * (x * x + z * z), 2.0 * (y * z - w * x)],
            [2.0 * (x * z - w * y), 2.0 * (y * z + w * x), 1.0 - 2.0 * (x * x + y * y)],
        ]
    )


def _impossible(what: str) -> UsageError:
    return UsageError(
        UsageReason.IMPOSSIBLE,
        what,
        where="Engine",
        next_step="Put joints at the origins of segments, along their axes, slides at the root",
    )
