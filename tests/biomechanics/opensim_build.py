"""Our body written as an OpenSim model, with OpenSim's own programming interface."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from kinefed.biomechanics.body import Body
from kinefed.biomechanics.mjcf import GRAVITY_M_S2

# Our axes (forward, left, up) to OpenSim's (forward, up, right).
FROM_WORLD = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]])
_X, _Y, _Z = np.eye(3)
BODIES = {"pelvis": "pelvis", "trunk": "torso"} | {
    f"{ours}_{side}": f"{theirs}_{side}"
    for ours, theirs in (("thigh", "femur"), ("shank", "tibia"), ("foot", "calcn"))
    for side in "rl"
}
_NAMES = {
    "pelvis_x": "pelvis_tx",
    "pelvis_y": "pelvis_tz",
    "pelvis_z": "pelvis_ty",
    "pelvis_yaw": "pelvis_rotation",
    "lumbar_flexion": "lumbar_extension",
    "lumbar_bend": "lumbar_bending",
    "knee_flexion": "knee_angle",
    "ankle_dorsiflexion": "ankle_angle",
}
# In our axes, right leg: what `Body` documents, written down a second time.
_AXES = {
    "pelvis_x": _X,
    "pelvis_y": _Y,
    "pelvis_z": _Z,
    "pelvis_yaw": _Z,
    "pelvis_list": -_X,
    "pelvis_tilt": _Y,
    "lumbar_flexion": _Y,
    "lumbar_bend": _X,
    "hip_flexion": -_Y,
    "hip_adduction": _X,
    "hip_rotation": _Z,
    "knee_flexion": _Y,
    "ankle_dorsiflexion": -_Y,
}


def name_of(coordinate: str) -> str:
    """OpenSim's name of one of our coordinates."""
    stem, _, side = coordinate.rpartition("_")
    if side in ("r", "l"):
        return f"{_NAMES.get(stem, stem)}_{side}"
    return _NAMES.get(coordinate, coordinate)


class Build:
    """A model in the making.

    Parameters
    ----------
    osim
        The module ``opensim``.
    body
        Segments, lengths and inertia.
    knee
        1.0: flexion is positive. -1.0: extension is, as in gait2392.
    """

    def __init__(self, osim, body: Body, knee: float = 1.0) -> None:
        self.osim, self.body, self.knee = osim, body, knee
        self.model = osim.Model()
        self.model.setName("person")
        self.model.setGravity(osim.Vec3(0.0, -GRAVITY_M_S2, 0.0))
        length, leg = body.params.lengths_m, body.leg
        zero = np.zeros(3)
        self._segment("pelvis", None, zero, body.coordinates[3:6], body.coordinates[:3])
        self._segment("trunk", "pelvis", length["lower_trunk"] * _Z, body.coordinates[6:8])
        for side, out in (("r", -0.5), ("l", 0.5)):
            names = [f"{name}_{side}" for name in leg]
            hip = out * length["pelvis_width"] * _Y
            self._segment(f"thigh_{side}", "pelvis", hip, names[:-2])
            self._segment(f"shank_{side}", f"thigh_{side}", -length["thigh"] * _Z, names[-2:-1])
            self._segment(f"foot_{side}", f"shank_{side}", -length["shank"] * _Z, names[-1:])

    def vec(self, x):
        """A point or axis of ours as OpenSim's Vec3."""
        return self.osim.Vec3(*(float(v) for v in FROM_WORLD @ np.asarray(x)))

    def muscle(self, name: str, points, force_n: float = 1000.0, **hill) -> None:
        """Add a straight muscle through points: our segment, and a place on it in our axes."""
        optimal, slack = hill.get("optimal_m", 0.1), hill.get("slack_m", 0.2)
        pennation = hill.get("pennation_rad", 0.0)
        one = self.osim.Millard2012EquilibriumMuscle(name, force_n, optimal, slack, pennation)
        for k, (segment, place) in enumerate(points):
            frame = self.model.getBodySet().get(BODIES[segment])
            one.addNewPathPoint(f"{name}-{k}", frame, self.vec(place))
        self.model.addForce(one)

    def write(self, path: Path) -> Path:
        """Write the file."""
        self.model.finalizeConnections()
        self.model.printToXML(str(path))
        return path

    def _segment(self, name, parent, origin, turns, slides=()) -> None:
        osim, lump = self.osim, self.body.lump(name)
        inertia = FROM_WORLD @ lump.inertia @ FROM_WORLD.T
        parts = [inertia[i, j] for i, j in ((0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2))]
        body = osim.Body(BODIES[name], lump.mass_kg, self.vec(lump.com_m), osim.Inertia(*parts))
        self.model.addBody(body)
        outer = self.model.getGround()
        if parent is not None:
            outer = self.model.getBodySet().get(BODIES[parent])
        joint = osim.CustomJoint(
            f"to_{name}",
            outer,
            self.vec(origin),
            osim.Vec3(0.0),
            body,
            osim.Vec3(0.0),
            osim.Vec3(0.0),
            self._motion(turns, slides),
        )
        self.model.addJoint(joint)

    def _motion(self, turns, slides):
        osim, motion = self.osim, self.osim.SpatialTransform()
        used = [self._axis(name) for name in turns]
        spare = [axis for axis in np.eye(3) if not any(abs(axis @ u) > 0.5 for u in used)]
        rows = [
            *zip(range(3), [*turns, "", "", ""], [*used, *spare], strict=False),
            *((3 + k, name, self._axis(name)) for k, name in enumerate(slides)),
        ]
        for k, name, axis in rows:
            one = motion.updTransformAxis(k)
            one.setAxis(self.vec(axis))
            if name:
                one.setCoordinateNames(osim.ArrayStr(name_of(name), 1))
                one.set_function(osim.LinearFunction(1.0, 0.0))
            else:
                one.set_function(osim.Constant(0.0))
        return motion

    def _axis(self, coordinate: str):
        stem, _, side = coordinate.rpartition("_")
        if side not in ("r", "l"):
            return _AXES[coordinate]
        turned = self.knee if stem == "knee_flexion" else 1.0
        mirrored = side == "l" and stem in ("hip_adduction", "hip_rotation")
        return (-turned if mirrored else turned) * _AXES[stem]
