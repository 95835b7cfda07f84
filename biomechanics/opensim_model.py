"""A researcher's own OpenSim model: its inverse dynamics and muscle paths in this project's terms.

Angles and moments keep the names and signs of `kinefed.datasets`. Which way a coordinate turns is
found from the model, not from its name: the knee of gait2392 extends with a positive angle, that of
Rajagopal et al. 2016 (IEEE TBME 63:2068) and of the models made from it flexes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kinefed.biomechanics._opensim import OpenedModel
from kinefed.biomechanics.dynamics import Torques, Wrench, differentiate
from kinefed.biomechanics.engine import Dynamics
from kinefed.biomechanics.hill import HillParameters
from kinefed.datasets.errors import DataError, DataReason, UsageError, UsageReason
from kinefed.datasets.importers._opensim import angle_channels, moment_channels
from kinefed.datasets.types import FloatArray

# OpenSim's ground (x forward, y up, z right) to our world (x forward, y left, z up).
_TO_WORLD = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])
# Axis in OpenSim's ground, standing upright, about which the outer segment of the right side turns
# where the importers' angle of that coordinate grows; on the left, x and y are mirrored.
_TOWARDS = {
    "hip_flexion": (0.0, 0.0, 1.0),
    "hip_adduction": (1.0, 0.0, 0.0),
    "hip_rotation": (0.0, 1.0, 0.0),
    "knee_angle": (0.0, 0.0, -1.0),
    "ankle_angle": (0.0, 0.0, 1.0),
    "subtalar_angle": (1.0, 0.0, 0.0),
    "elbow_flex": (0.0, 0.0, 1.0),
    "lumbar_extension": (0.0, 0.0, 1.0),
    "lumbar_bending": (1.0, 0.0, 0.0),
    "lumbar_rotation": (0.0, 1.0, 0.0),
}
# An axis farther than 60 degrees from those is another movement.
_NEAREST = 0.5
# What the places of a `Wrench` may be called in a model; the first that it has is taken.
_PLACES = {"r": ("calcn_r", "foot_r"), "l": ("calcn_l", "foot_l"), "trunk": ("torso",)}


@dataclass(frozen=True, slots=True)
class MuscleGeometry:
    """Muscle paths over postures.

    Attributes
    ----------
    muscles, coordinates
        Names in the model.
    lengths_m
        (postures, muscles): of muscle and tendon.
    arms_m
        (postures, muscles, coordinates): moment arms, ``-dL/dq``, towards the model's coordinate.
    """

    muscles: tuple[str, ...]
    coordinates: tuple[str, ...]
    lengths_m: FloatArray
    arms_m: FloatArray


class OpenSimModel:
    """A model file, such as one scaled to a person; not to be shared between threads.

    Parameters
    ----------
    path
        The ``.osim`` file.

    Attributes
    ----------
    coordinates
        Free coordinates in the file's order: the columns of q, in m and rad, as the model has them.
        One that is coupled to another (a kneecap to its knee) follows it and is none of them.
    signs
        Coordinate to 1, or to -1 where it turns against the angle channel of its name.
    muscles
        Names of all muscles.
    mass_kg
        Of all bodies.

    Raises
    ------
    UsageError
        ``missing_extra`` where OpenSim is not installed.
    DataError
        ``not_found``; ``bad_format`` where OpenSim cannot read the file, and for a model that is
        not upright in y, that has joints or constraints which inverse dynamics cannot honour, or a
        coordinate that does not turn as its name says.
    """

    def __init__(self, path: Path | str) -> None:
        opened = self._opened = OpenedModel(Path(path))
        self.coordinates, self.muscles = opened.coordinates, opened.muscles
        self.mass_kg = opened.mass_kg
        self.signs: Mapping[str, float] = {name: self._sign(name) for name in self.coordinates}

    def q(self, columns: Mapping[str, FloatArray]) -> FloatArray:
        """Arrange columns as the model's coordinates.

        Parameters
        ----------
        columns
            (frames,) each, m and rad: by the model's names, taken as they are, or by angle channels
            such as ``angle.knee_flexion.r``, turned to the model's sign. Other names are passed
            over.

        Returns
        -------
        FloatArray
            (frames, coordinates); what is not given stays at the model's default.

        Raises
        ------
        UsageError
            ``bad_argument`` where no column is a coordinate, or their lengths differ.
        """
        channels = angle_channels()
        found: dict[str, FloatArray] = {}
        for name in self.coordinates:
            if name in columns:
                found[name] = np.asarray(columns[name])
            elif channels.get(name) in columns:
                found[name] = self.signs[name] * np.asarray(columns[channels[name]])
        frames = {len(column) for column in found.values()}
        if len(frames) != 1:
            what = "columns of differing lengths" if frames else "no column is a coordinate"
            raise self._bad(what, f"Give columns of {', '.join(self.coordinates)}")
        q = np.tile(self._opened.defaults, (frames.pop(), 1))
        for name, column in found.items():
            q[:, self.coordinates.index(name)] = column
        return q

    def inverse_dynamics(
        self,
        q: FloatArray,
        rate_hz: float,
        wrenches: Iterable[Wrench],
        cutoff_hz: float | None = 6.0,
    ) -> Torques:
        """Inverse dynamics of a measured motion by OpenSim's solver.

        As in OpenSim's own tool, nothing in the model exerts a force but gravity, and what a
        coupled coordinate carries is not handed to the one it follows.

        Parameters
        ----------
        q
            (frames, coordinates), see `OpenSimModel.q`.
        rate_hz, cutoff_hz
            See `kinefed.biomechanics.dynamics.differentiate`.
        wrenches
            All forces on the person but gravity, in our world axes, on the same frames. What they
            act on is ``"r"``, ``"l"``, ``"pelvis"``, ``"trunk"`` or a body of the model.

        Returns
        -------
        Torques
            Labels of the coordinates that have a moment channel. The residual is about the origin
            of the model's root body. Of `Torques.dynamics`, ``coordinates``, ``tau`` and ``com``
            are filled, the rest is empty: a joint of OpenSim may slide, and so has no one axis.

        Raises
        ------
        UsageError
            ``bad_argument`` for shapes, ``unknown_name`` for a body.
        SignalError
            See `differentiate`.
        """
        self._expect(q)
        if not rate_hz > 0.0:
            raise self._bad(f"a rate of {rate_hz} Hz", "Give that of q in Hz")
        opened, frames = self._opened, len(q)
        on = [(self._body(wrench.on), wrench) for wrench in wrenches]
        if any(len(wrench.force) != frames for _, wrench in on):
            raise self._bad(f"forces of other than {frames} frames", "Give as many as of motion")
        smooth, _, _ = differentiate(q, rate_hz, cutoff_hz)
        motion = differentiate(opened.full(smooth), rate_hz, None)
        bodies = sorted({name for name, _ in on} | ({opened.root} - {""}))
        tau, com, jacobians, origins = opened.solve(motion, bodies)
        left = tau.copy()
        for name, wrench in on:
            force, point = wrench.force @ _TO_WORLD, wrench.point @ _TO_WORLD
            moment = np.cross(point - origins[name], force) + _free_moment(wrench) @ _TO_WORLD
            spatial = np.concatenate([moment, force], axis=1)
            left -= np.einsum("fsn,fs->fn", jacobians[name], spatial)
        residual_force = residual_moment = np.empty((0, 3))
        if opened.root:
            turned = np.swapaxes(opened.of_root(jacobians[opened.root]), 1, 2)
            rest = np.linalg.solve(turned, opened.of_root(left)[:, :, None])[:, :, 0]
            residual_moment, residual_force = rest[:, :3] @ _TO_WORLD.T, rest[:, 3:] @ _TO_WORLD.T
        torques, none = opened.of_rows(left), np.empty((0, 0, 3))
        channels = moment_channels()
        named = [(i, name) for i, name in enumerate(self.coordinates) if name in channels]
        signs = [self.signs[name] * channels[name][1] for _, name in named]
        com, tau = com @ _TO_WORLD.T, opened.of_rows(tau)
        dynamics = Dynamics(self.coordinates, {}, tau, none, none, com, {}, {}, {})
        return Torques(
            tuple(channels[name][0] for _, name in named),
            torques[:, [i for i, _ in named]] * np.array(signs) / self.mass_kg,
            torques,
            residual_force,
            residual_moment,
            dynamics,
        )

    def muscle_geometry(
        self,
        q: FloatArray,
        muscles: Sequence[str] | None = None,
        coordinates: Sequence[str] | None = None,
    ) -> MuscleGeometry:
        """Measure muscle-tendon lengths and moment arms in postures.

        Parameters
        ----------
        q
            (postures, coordinates), see `OpenSimModel.q`.
        muscles, coordinates
            Which are wanted; all by default. OpenSim needs a quarter of a millisecond for each
            moment arm that is not zero.

        Raises
        ------
        UsageError
            ``bad_argument`` for q, ``unknown_name``.
        """
        self._expect(q)
        which, about = self.muscles, self.coordinates
        if muscles is not None:
            which = tuple(self._known(name, which) for name in muscles)
        if coordinates is not None:
            about = tuple(self._known(name, about) for name in coordinates)
        lengths = self._opened.lengths(q, which)
        return MuscleGeometry(which, about, lengths, self._opened.arms(q, which, about))

    def hill(self, muscles: Sequence[str]) -> HillParameters:
        """Give the parameters of muscles, their tendons' slack lengths as the model has them.

        Raises
        ------
        UsageError
            ``unknown_name``.
        """
        rows = [self._opened.hill(self._known(name, self.muscles)) for name in muscles]
        return HillParameters(*np.reshape(rows, (-1, 5)).T)

    def _sign(self, coordinate: str) -> float:
        stem, _, side = coordinate.rpartition("_")
        towards = _TOWARDS.get(coordinate) or _TOWARDS.get(stem if side in ("r", "l") else "")
        if towards is None:
            return 1.0
        mirror = np.array([-1.0, -1.0, 1.0]) if side == "l" else np.ones(3)
        axis = self._opened.axis(coordinate)
        along = float(axis @ (mirror * towards)) / max(float(np.linalg.norm(axis)), 1e-12)
        if abs(along) < _NEAREST:
            raise DataError(
                DataReason.BAD_FORMAT,
                f"{coordinate} turns about {np.round(axis, 2).tolist()} (x forward, y up, z right)",
                where=self._opened.path,
                next_step="Give that coordinate another name in OpenSim",
            )
        return 1.0 if along > 0.0 else -1.0

    def _body(self, on: str) -> str:
        for name in (*_PLACES.get(on, ()), on):
            if name in self._opened.bodies:
                return name
        return self._known(on, self._opened.bodies)

    def _known(self, name: str, names: Sequence[str]) -> str:
        if name not in names:
            raise UsageError(
                UsageReason.UNKNOWN_NAME,
                f"the model has no {name!r}",
                where=self._opened.path,
                next_step=f"Use one of {', '.join(names)}",
            )
        return name

    def _expect(self, q: FloatArray) -> None:
        count = len(self.coordinates)
        if q.ndim != 2 or q.shape[1] != count or not np.isfinite(q).all():
            what = f"q of the shape {q.shape}, or not finite"
            raise self._bad(what, f"Give finite (frames, {count}), made by OpenSimModel.q")

    def _bad(self, what: str, fix: str) -> UsageError:
        where = self._opened.path
        return UsageError(UsageReason.BAD_ARGUMENT, what, where=where, next_step=fix)


def _free_moment(wrench: Wrench) -> FloatArray:
    moment = np.zeros(len(wrench.force)) if wrench.free_moment is None else wrench.free_moment
    return moment if moment.ndim == 2 else np.multiply.outer(moment, [0.0, 0.0, 1.0])
