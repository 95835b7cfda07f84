"""An OpenSim model in arrays: the only module that imports ``opensim`` (the extra ``opensim``).

Everything here is in the model's own coordinates, in OpenSim's ground (x forward, y up, z right).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

import numpy as np

from kinefed.datasets.errors import DataError, DataReason, UsageError, UsageReason
from kinefed.datasets.types import FloatArray

# A muscle spans a coordinate that changes its length by more than this over a step (m or rad).
_STEP, _MOVED_M = 0.1, 1e-7


class OpenedModel:
    """A model file, opened for computing.

    Parameters
    ----------
    path
        The ``.osim`` file.

    Attributes
    ----------
    coordinates
        Free coordinates in the file's order. Those that a coupler constraint binds (a kneecap that
        follows the knee) follow it and are no input.
    defaults
        (coordinates,): the file's default values, m and rad.
    bodies, muscles
        Names.
    root
        The body whose joint to the ground has six coordinates, or an empty name.
    mass_kg
        Of all bodies.

    Raises
    ------
    UsageError
        ``missing_extra``.
    DataError
        ``not_found``, ``bad_format``.
    """

    def __init__(self, path: Path) -> None:
        self._osim: Any = load_opensim()
        self.path = path
        if not path.is_file():
            raise DataError(
                DataReason.NOT_FOUND,
                "there is no such model file",
                where=path,
                next_step="Give the .osim file",
            )
        try:
            self._open()
        except RuntimeError as error:
            raise DataError(
                DataReason.BAD_FORMAT,
                f"OpenSim cannot read the model ({' '.join(str(error).split())[:300]})",
                where=path,
                next_step="Open and save it in OpenSim 4.6",
            ) from error
        self._check()

    def _open(self) -> None:
        model = self._model = self._osim.Model(str(self.path.resolve()))
        self._coordinates = _named(model.getCoordinateSet())
        for coordinate in self._coordinates.values():
            # A prescribed coordinate spoils the moment arms. Limits and locks do nothing here.
            coordinate.set_prescribed(False)
        state = self._state = model.initSystem()
        self._solver = self._osim.InverseDynamicsSolver(model)
        for force in _named(model.getForceSet()).values():
            force.setAppliesForce(state, False)
        self._bodies, self._muscles = _named(model.getBodySet()), _named(model.getMuscles())
        constraints = _named(model.getConstraintSet()).values()
        self._couplers = [self._coupler(one) for one in constraints if one.isEnforced(state)]
        bound = {name for name, _, _, _ in self._couplers}
        self.coordinates = tuple(name for name in self._coordinates if name not in bound)
        free = [self._coordinates[name] for name in self.coordinates]
        self.defaults = np.array([coordinate.getDefaultValue() for coordinate in free])
        self.bodies, self.muscles = tuple(self._bodies), tuple(self._muscles)
        self.mass_kg = float(model.getTotalMass(state))
        # Rows of OpenSim's vectors run along the tree of bodies, not along the coordinate set.
        count = state.getNU()
        self._rows: dict[str, int] = {}
        for name, coordinate in self._coordinates.items():
            state.setU(self._osim.Vector(count, 0.0))
            coordinate.setSpeedValue(state, 1.0)
            self._rows[name] = int(np.argmax(state.getU().to_numpy()))
        self.root, self._root_rows = "", list[int]()
        for joint in _named(model.getJointSet()).values():
            below = joint.getParentFrame().findBaseFrame().getName()
            if below == "ground" and joint.numCoordinates() == 6:
                self.root = joint.getChildFrame().findBaseFrame().getName()
                names = [joint.get_coordinates(i).getName() for i in range(6)]
                self._root_rows = [self._rows[name] for name in names]

    def _coupler(self, constraint: Any) -> tuple[str, tuple[str, ...], Any, float]:
        """Name of the bound coordinate, those it follows, the function and its factor."""
        coupler = self._osim.CoordinateCouplerConstraint.safeDownCast(constraint)
        if coupler is None:
            self._refuse(f"inverse dynamics ignores its constraint {constraint.getName()!r}")
        follows = coupler.getIndependentCoordinateNames()
        factor = self._osim.PropertyHelper.getValueDouble(coupler.getPropertyByName("scale_factor"))
        return (
            coupler.getDependentCoordinateName(),
            tuple(follows.get(i) for i in range(follows.getSize())),
            coupler.getFunction(),
            factor,
        )

    def _check(self) -> None:
        if not self.coordinates or not self.mass_kg > 0.0:
            self._refuse("it has no coordinate or no mass")
        gravity = self._model.getGravity().to_numpy()
        if not (gravity[1] < 0.0 and np.allclose(gravity[[0, 2]], 0.0)):
            self._refuse(f"its gravity is {gravity.tolist()}, not downwards along y")
        if any(name not in self.coordinates for _, names, _, _ in self._couplers for name in names):
            self._refuse("a coordinate is coupled to one that is coupled itself")
        # A BallJoint or FreeJoint has speeds that are not the derivatives of its coordinates.
        speeds = 1.0 + np.arange(len(self._rows), dtype=np.float64)
        same = bool(self._state.getNQ() == len(speeds))
        if same:
            self._pose(np.full(len(speeds), 0.3))
            self._state.setU(self._osim.Vector.createFromMat(speeds))
            self._model.realizeVelocity(self._state)
            same = np.allclose(self._state.getQDot().to_numpy(), speeds)
        if not same:
            self._refuse("it has a BallJoint or FreeJoint; make that a CustomJoint")

    def _refuse(self, what: str) -> NoReturn:
        raise DataError(
            DataReason.BAD_FORMAT, what, where=self.path, next_step="Change the model in OpenSim"
        )

    def full(self, q: FloatArray) -> FloatArray:
        """Add the bound coordinates to (frames, coordinates), in the rows of the solver."""
        result = np.zeros((len(q), len(self._rows)))
        at = {name: i for i, name in enumerate(self.coordinates)}
        for name, i in at.items():
            result[:, self._rows[name]] = q[:, i]
        for name, follows, function, factor in self._couplers:
            columns = q[:, [at[one] for one in follows]]
            vector = self._osim.Vector.createFromMat
            values = [function.calcValue(vector(np.ascontiguousarray(row))) for row in columns]
            result[:, self._rows[name]] = factor * np.array(values)
        return result

    def of_rows(self, rows: FloatArray) -> FloatArray:
        """Take the free coordinates out of the solver's last axis, in their order."""
        picked: FloatArray = rows[..., [self._rows[name] for name in self.coordinates]]
        return picked

    def of_root(self, rows: FloatArray) -> FloatArray:
        """Take the six of the root out of the solver's last axis."""
        picked: FloatArray = rows[..., self._root_rows]
        return picked

    def axis(self, coordinate: str) -> FloatArray:
        """Angular velocity (3,) of its joint's child against the parent at unit speed, upright."""
        self._pose(self.full(np.zeros((1, len(self.coordinates))))[0])
        self._state.setU(self._osim.Vector(len(self._rows), 0.0))
        self._coordinates[coordinate].setSpeedValue(self._state, 1.0)
        self._model.realizeVelocity(self._state)
        joint = self._coordinates[coordinate].getJoint()
        child, parent = (
            frame.getAngularVelocityInGround(self._state).to_numpy()
            for frame in (joint.getChildFrame(), joint.getParentFrame())
        )
        turn: FloatArray = child - parent
        return turn

    def solve(
        self, motion: tuple[FloatArray, FloatArray, FloatArray], bodies: Sequence[str]
    ) -> tuple[FloatArray, FloatArray, dict[str, FloatArray], dict[str, FloatArray]]:
        """Inverse dynamics under gravity alone.

        Parameters
        ----------
        motion
            q, q', q'', each (frames, rows) as `full` gives them.
        bodies
            Whose Jacobians are wanted.

        Returns
        -------
        tuple
            Generalised forces (frames, rows), centre of mass (frames, 3), and by body the
            Jacobian (frames, 6, rows) of angular and linear velocity, and the origin (frames, 3).
        """
        frames, count = motion[0].shape
        model, state, solver = self._model, self._state, self._solver
        vector, matter = self._osim.Vector.createFromMat, model.getMatterSubsystem()
        tau, com = np.empty((frames, count)), np.empty((frames, 3))
        jacobians = {name: np.empty((frames, 6, count)) for name in bodies}
        origins = {name: np.empty((frames, 3)) for name in bodies}
        matrix, centre = self._osim.Matrix(), self._osim.Vec3(0.0)
        places = [(self._bodies[name], jacobians[name], origins[name]) for name in bodies]
        for i, (x, v, a) in enumerate(zip(*motion, strict=True)):
            state.setQ(vector(x))
            state.setU(vector(v))
            tau[i] = solver.solve(state, vector(a)).to_numpy()
            com[i] = model.calcMassCenterPosition(state).to_numpy()
            for body, jacobian, origin in places:
                matter.calcFrameJacobian(state, body.getMobilizedBodyIndex(), centre, matrix)
                jacobian[i] = matrix.to_numpy()
                origin[i] = body.getPositionInGround(state).to_numpy()
        return tau, com, jacobians, origins

    def lengths(self, q: FloatArray, muscles: Sequence[str]) -> FloatArray:
        """Muscle-tendon lengths (postures, muscles) in m of (postures, coordinates)."""
        found = [self._muscles[name] for name in muscles]
        lengths = np.empty((len(q), len(found)))
        for k, posture in enumerate(self.full(q)):
            self._pose(posture)
            lengths[k] = [muscle.getLength(self._state) for muscle in found]
        return lengths

    def arms(self, q: FloatArray, muscles: Sequence[str], coordinates: Sequence[str]) -> FloatArray:
        """Moment arms (postures, muscles, coordinates) in m, positive towards the coordinate."""
        arms = np.zeros((len(q), len(muscles), len(coordinates)))
        if not arms.size:
            return arms
        spans = self._spans(q, muscles, coordinates)
        for k, posture in enumerate(self.full(q)):
            self._pose(posture)
            for i, j in spans:
                path = self._muscles[muscles[i]].getGeometryPath()
                coordinate = self._coordinates[coordinates[j]]
                arms[k, i, j] = path.computeMomentArm(self._state, coordinate)
        return arms

    def _spans(
        self, q: FloatArray, muscles: Sequence[str], coordinates: Sequence[str]
    ) -> list[tuple[int, int]]:
        """Muscles and coordinates that have to do with one another: OpenSim's arms are slow."""
        some = q[:: max(1, len(q) // 3)]
        here, pairs = self.lengths(some, muscles), []
        for j, name in enumerate(coordinates):
            step = np.zeros(len(self.coordinates))
            step[self.coordinates.index(name)] = _STEP
            moved = np.abs(self.lengths(some + step, muscles) - here).max(axis=0)
            pairs += [(int(i), j) for i in np.flatnonzero(moved > _MOVED_M)]
        return pairs

    def hill(self, muscle: str) -> tuple[float, float, float, float, float]:
        """Parameters of a muscle in the order of `HillParameters`."""
        one = self._muscles[muscle]
        return (
            one.getMaxIsometricForce(),
            one.getOptimalFiberLength(),
            one.getTendonSlackLength(),
            one.getPennationAngleAtOptimalFiberLength(),
            one.getMaxContractionVelocity(),
        )

    def _pose(self, posture: FloatArray) -> None:
        self._state.setQ(self._osim.Vector.createFromMat(np.ascontiguousarray(posture)))
        self._model.realizePosition(self._state)


def load_opensim() -> ModuleType:
    """Import OpenSim.

    Raises
    ------
    UsageError
        ``missing_extra``.
    """
    try:
        import opensim
    except ImportError as error:
        raise UsageError(
            UsageReason.MISSING_EXTRA,
            "reading an OpenSim model needs OpenSim, which is not installed",
            next_step="Run: pip install 'kinefed[opensim]' (wheels: Windows, macOS and Linux, not "
            "Linux on ARM; Python 3.11 to 3.13)",
        ) from error
    if opensim.Logger.getLevelString() == "Info":
        # By default it tells of every mesh it does not find, and into a file in this folder too.
        opensim.Logger.setLevelString("Error")
        opensim.Logger.removeFileSink()
    module: ModuleType = opensim
    return module


def _named(items: Any) -> dict[str, Any]:
    return {items.get(i).getName(): items.get(i) for i in range(items.getSize())}
