"""Inverse dynamics of linked segments, of all frames at once.

The only module that imports ``mujoco`` (package ``mujoco-core``), and only once an `Engine` is
made: MuJoCo compiles the model, and `newton_euler` computes what MuJoCo's inverse dynamics would,
to rounding, but for all frames together. `Dynamics.tau` is ``M(q) q'' + C(q, q') + G(q)``: what all
forces, internal and external, add up to. The part of an external force is `external`, to be
subtracted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np

from kinefed.biomechanics.body import ROOT
from kinefed.biomechanics.mjcf import Model
from kinefed.biomechanics.newton_euler import Whole, inverse_dynamics, whole_body_wrench
from kinefed.biomechanics.segments import cross, dot
from kinefed.biomechanics.tree import links_of
from kinefed.datasets.errors import UsageError, UsageReason
from kinefed.datasets.types import FloatArray

_SLIDES = ROOT[:3]


@dataclass(frozen=True, slots=True)
class Dynamics:
    """What the engine knows of every frame.

    Attributes
    ----------
    coordinates, chains
        Of the model: names of the columns, and which of them lead to each place.
    tau
        (frames, coordinates): generalised forces without external ones, N and N m, towards the
        coordinates.
    axes, anchors
        (frames, coordinates, 3): axis of each joint and a point on it, in the world.
    com
        (frames, 3): centre of mass of the whole.
    points
        Name to (frames, 3) in the world; for a body ``ankle_r``, ``heel_r``, ``ball_r`` and those
        of the left foot.
    orientation
        Segment to (frames, 3, 3): columns are its forward, left and up axes.
    imus
        Site to (frames, 6): specific force (m/s^2, +g upward at rest) and angular velocity
        (rad/s) in the axes of the site.
    """

    coordinates: tuple[str, ...]
    chains: Mapping[str, tuple[str, ...]]
    tau: FloatArray
    axes: FloatArray
    anchors: FloatArray
    com: FloatArray
    points: Mapping[str, FloatArray]
    orientation: Mapping[str, FloatArray]
    imus: Mapping[str, FloatArray]

    def imu(self, site: str) -> tuple[FloatArray, FloatArray]:
        """Return specific force and angular velocity at a site, (frames, 3) each.

        Raises
        ------
        UsageError
            ``unknown_name``.
        """
        both = self.imus[_known(site, self.imus, "an IMU")]
        return both[:, :3], both[:, 3:]

    def root_wrench(self, tau: FloatArray | None = None) -> tuple[FloatArray, FloatArray]:
        """Force and moment about the pelvis origin that the root rows stand for.

        Parameters
        ----------
        tau
            (frames, coordinates) generalised forces; by default those of the motion, which makes
            the result the sum of all external forces.

        Returns
        -------
        tuple
            Force (frames, 3) in N and moment (frames, 3) in N m about the pelvis origin, world
            axes.

        Raises
        ------
        UsageError
            ``impossible`` for a model that does not float, such as an arm.
        """
        _floating(self.coordinates, "root_wrench")
        rows = self.tau if tau is None else tau
        # Each hinge row is its axis times the moment: three equations in the moment's components.
        moment = np.linalg.solve(self.axes[:, 3:6], rows[:, 3:6, None])
        return rows[:, :3], np.asarray(moment[:, :, 0], dtype=np.float64)

    def whole(self) -> Whole:
        """Return the sum of all external forces, as `Engine.whole` does.

        Raises
        ------
        UsageError
            As of `root_wrench`.
        """
        return Whole(*self.root_wrench(), self.anchors[:, 3], self.com)


def external(
    dynamics: Dynamics,
    side: str,
    force: FloatArray,
    cop: FloatArray,
    free_moment: FloatArray | None = None,
) -> FloatArray:
    """Generalised forces of an external force, ``J^T F``: subtract them from `Dynamics.tau`.

    Parameters
    ----------
    dynamics
        Of the motion.
    side
        What the force acts on: a key of the model's chains, for a body the ``"r"`` or ``"l"``
        foot, the ``"pelvis"`` or the ``"trunk"``.
    force
        (frames, 3) N, on the person, world axes.
    cop
        (frames, 3) m: where it acts.
    free_moment
        N m: (frames,) about the vertical, or (frames, 3); none by default.

    Returns
    -------
    FloatArray
        (frames, coordinates).

    Raises
    ------
    UsageError
        ``unknown_name`` for a side, ``bad_argument`` for a shape.
    """
    chain = dynamics.chains[_known(side, dynamics.chains, "a force on")]
    frames, count = dynamics.tau.shape
    # Frames last in memory, as all that works on them runs along the frames.
    moment = np.zeros((3, frames)).T
    if free_moment is not None and free_moment.ndim == 1:
        moment[:, 2] = free_moment
    elif free_moment is not None:
        moment = free_moment
    for name, x in (("force", force), ("cop", cop), ("free_moment", moment)):
        if x.shape != (frames, 3):
            raise _bad(f"{name} of the shape {x.shape}", "external", f"Give it as ({frames}, 3)")
    push, place = np.ascontiguousarray(force.T), np.ascontiguousarray(cop.T)
    result = np.zeros((count, frames))
    for name in chain:
        j = dynamics.coordinates.index(name)
        arm = place - dynamics.anchors[:, j].T
        along = push if name in _SLIDES else cross(arm, push) + moment.T
        result[j] = dot(dynamics.axes[:, j].T, along)
    return result.T


class Engine:
    """The compiled model of one body; not to be shared between threads.

    Parameters
    ----------
    body
        A `kinefed.biomechanics.body.Body`, or another `Model`.

    Raises
    ------
    UsageError
        ``missing_extra`` where MuJoCo is not installed.
    """

    def __init__(self, body: Model) -> None:
        self.body = body
        mujoco = load_mujoco()
        model: Any = mujoco.MjModel.from_xml_string(body.mjcf())
        # Tests hold the forces to those of MuJoCo on the same model.
        self._model, self._data = model, mujoco.MjData(model)
        self._gravity = -float(model.opt.gravity[2])
        self._links = links_of(model)
        sites = [mark.name for link in self._links for mark in link.marks]
        self._points = tuple(name for name in sites if name not in body.sites)

    def inverse(self, q: FloatArray, qd: FloatArray, qdd: FloatArray) -> Dynamics:
        """Generalised forces of a motion, without external forces.

        Parameters
        ----------
        q, qd, qdd
            (frames, coordinates): the model's coordinates in their order (m, rad), and their first
            and second derivatives in time.

        Raises
        ------
        UsageError
            ``bad_argument`` for another shape or values that are not finite.
        """
        found = inverse_dynamics(
            self._links,
            self._gravity,
            self._checked(q, qd, qdd),
            self._points,
            tuple(self.body.sites),
        )
        return Dynamics(
            self.body.coordinates,
            self.body.chains,
            found.tau.T,
            found.axes.transpose(2, 0, 1),
            found.anchors.transpose(2, 0, 1),
            found.com.T,
            {name: at.T for name, at in found.points.items()},
            {name: turn.transpose(2, 0, 1) for name, turn in found.orientation.items()},
            {name: felt.T for name, felt in found.felt.items()},
        )

    def whole(self, q: FloatArray, qd: FloatArray, qdd: FloatArray) -> Whole:
        """What all external forces of a motion add up to; in half the time of `inverse`.

        Parameters
        ----------
        q, qd, qdd
            As of `inverse`.

        Raises
        ------
        UsageError
            ``bad_argument`` for another shape or values that are not finite, ``impossible`` for a
            model that does not float.
        """
        _floating(self.body.coordinates, "Engine.whole")
        return whole_body_wrench(self._links, self._gravity, self._checked(q, qd, qdd))

    def _checked(
        self, q: FloatArray, qd: FloatArray, qdd: FloatArray
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        joints = len(self.body.coordinates)
        x, v, a = (np.asarray(x, dtype=np.float64) for x in (q, qd, qdd))
        for name, values in (("q", x), ("qd", v), ("qdd", a)):
            fix = f"Give finite arrays of (frames, {joints})"
            if values.shape != (len(x), joints):
                raise _bad(f"{name} has the shape {values.shape}", "Engine", fix)
            if not np.isfinite(values).all():
                raise _bad(f"{name} is not finite", "Engine", fix)
        return x, v, a


def load_mujoco() -> ModuleType:
    """Import MuJoCo.

    Raises
    ------
    UsageError
        ``missing_extra``.
    """
    try:
        import mujoco
    except ImportError as error:
        raise UsageError(
            UsageReason.MISSING_EXTRA,
            "inverse dynamics needs MuJoCo, which is not installed",
            next_step="Run: pip install 'kinefed[sim]'",
        ) from error
    module: ModuleType = mujoco
    return module


def _floating(coordinates: tuple[str, ...], where: str) -> None:
    if coordinates[:6] != ROOT:
        raise UsageError(
            UsageReason.IMPOSSIBLE,
            "this model has no floating root",
            where=where,
            next_step="Use a Body",
        )


def _known(name: str, names: Mapping[str, object], what: str) -> str:
    if name not in names:
        raise UsageError(
            UsageReason.UNKNOWN_NAME,
            f"there is no place {name!r} for {what}",
            next_step=f"Use one of {', '.join(names)}",
        )
    return name


def _bad(what: str, where: str, next_step: str) -> UsageError:
    return UsageError(UsageReason.BAD_ARGUMENT, what, where=where, next_step=next_step)
