"""Inverse dynamics of linked segments, frame by frame, through MuJoCo.

The only module that imports ``mujoco`` (package ``mujoco-core``), and only once an `Engine` is
made. Contacts and constraints are off in the model, and MuJoCo's inverse dynamics ignores applied
forces, so that `Dynamics.tau` is ``M(q) q'' + C(q, q') + G(q)``: what all forces, internal and
external, add up to. The part of an external force is `external`, to be subtracted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from types import ModuleType
from typing import Any, Protocol

import numpy as np

from kinefed.biomechanics.anthropometry import BodyParameters
from kinefed.biomechanics.body import ROOT
from kinefed.biomechanics.mjcf import Site
from kinefed.datasets.errors import UsageError, UsageReason
from kinefed.datasets.types import FloatArray

_SLIDES = ROOT[:3]


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
        if self.coordinates[:6] != ROOT:
            raise UsageError(
                UsageReason.IMPOSSIBLE,
                "this model has no floating root",
                where="root_wrench",
                next_step="Use a Body",
            )
        rows = self.tau if tau is None else tau
        # Each hinge row is its axis times the moment: three equations in the moment's components.
        moment = np.linalg.solve(self.axes[:, 3:6], rows[:, 3:6, None])
        return rows[:, :3], np.asarray(moment[:, :, 0], dtype=np.float64)


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
    moment = np.zeros((frames, 3))
    if free_moment is not None and free_moment.ndim == 1:
        moment = np.multiply.outer(free_moment, [0.0, 0.0, 1.0])
    elif free_moment is not None:
        moment = free_moment
    for name, x in (("force", force), ("cop", cop), ("free_moment", moment)):
        if x.shape != (frames, 3):
            raise _bad(f"{name} of the shape {x.shape}", "external", f"Give it as ({frames}, 3)")
    result = np.zeros((frames, count))
    for name in chain:
        j = dynamics.coordinates.index(name)
        along = force if name in _SLIDES else np.cross(cop - dynamics.anchors[:, j], force) + moment
        result[:, j] = np.einsum("fa,fa->f", dynamics.axes[:, j], along)
    return result


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
        self._inverse = mujoco.mj_inverseSkip
        self._model, self._data = model, mujoco.MjData(model)
        self._segments = {model.body(i).name: i for i in range(1, model.nbody)}
        sites = {model.site(i).name: i for i in range(model.nsite)}
        self._points = {name: i for name, i in sites.items() if name not in body.sites}

    def inverse(
        self, q: FloatArray, qd: FloatArray, qdd: FloatArray, *, forces_only: bool = False
    ) -> Dynamics:
        """Generalised forces of a motion, without external forces.

        Parameters
        ----------
        q, qd, qdd
            (frames, coordinates): the model's coordinates in their order (m, rad), and their first
            and second derivatives in time.
        forces_only
            Leave out points, orientations and IMUs, which takes a third less time.

        Raises
        ------
        UsageError
            ``bad_argument`` for another shape or values that are not finite.
        """
        joints = len(self.body.coordinates)
        motion = [np.asarray(x, dtype=np.float64) for x in (q, qd, qdd)]
        for name, x in zip(("q", "qd", "qdd"), motion, strict=True):
            fix = f"Give finite arrays of (frames, {joints})"
            if x.shape != (len(motion[0]), joints):
                raise _bad(f"{name} has the shape {x.shape}", "Engine.inverse", fix)
            if not np.isfinite(x).all():
                raise _bad(f"{name} is not finite", "Engine.inverse", fix)
        frames = len(motion[0])
        model, data, inverse = self._model, self._data, self._inverse
        skip_sensors = int(forces_only)
        # Views on the engine's own memory, so that a frame costs no attribute access.
        qpos, qvel, qacc = data.qpos, data.qvel, data.qacc
        views = [data.qfrc_inverse, data.xaxis, data.xanchor, data.subtree_com[0]]
        if not forces_only:
            views += [data.sensordata, data.site_xpos, data.xmat]
        kept = [np.empty((frames, *view.shape)) for view in views]
        for i, (x, v, a) in enumerate(zip(*motion, strict=True)):
            qpos[:], qvel[:], qacc[:] = x, v, a
            inverse(model, data, 0, skip_sensors)
            for out, view in zip(kept, views, strict=True):
                out[i] = view
        tau, axes, anchors, com = kept[:4]
        found = partial(Dynamics, self.body.coordinates, self.body.chains, tau, axes, anchors, com)
        if forces_only:
            return found({}, {}, {})
        sensors, sites, turns = kept[4:]
        return found(
            {name: sites[:, k] for name, k in self._points.items()},
            {name: turns[:, k].reshape(-1, 3, 3) for name, k in self._segments.items()},
            {name: sensors[:, 6 * k : 6 * k + 6] for k, name in enumerate(self.body.sites)},
        )


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
