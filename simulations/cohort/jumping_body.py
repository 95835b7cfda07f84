"""A body in the sagittal plane, both legs alike: where its parts are, and their momentum.

Positions in the plane are complex numbers, ``forward + 1j * up`` in m, so that a part that is
turned is a number times ``exp(1j * angle)``. Angles of a leg keep their anatomical sign.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kinefed.biomechanics.body import COORDINATES, Body
from kinefed.biomechanics.segments import cosine_sine
from kinefed.datasets.types import FloatArray
from kinefed.simulations.cohort.kinematics import MAX_REACH, LegGeometry

Places = NDArray[np.complex128]
# Tilt of the pelvis while standing, and its share in the lean of the trunk, as in a squat.
_TILT, _TILT_SHARE = 0.06, 0.65
# Step of numerical derivatives, in m or rad.
_STEP = 1e-6
# Frames a block: its numbers stay in the cache.
_BLOCK = 2048


@dataclass(frozen=True, slots=True)
class Pose:
    """How the body is bent, frame by frame, each (frames,) in rad.

    Attributes
    ----------
    lean
        Of the trunk forward from the vertical.
    leg
        Of the line from hip to ankle: how far it swings forward of the vertical.
    knee
        Flexion.
    pitch
        Of the sole from the horizontal, toes up positive.
    """

    lean: FloatArray
    leg: FloatArray
    knee: FloatArray
    pitch: FloatArray


@dataclass(frozen=True, slots=True)
class Parts:
    """Where the parts of the body are, and how they are turned.

    Attributes
    ----------
    at
        (5, frames): from the centre of mass of the whole.
    raised
        (5, frames): by how much the front of each is raised, rad.
    """

    at: Places
    raised: FloatArray


class SagittalBody:
    """The parts of a person that matter in the sagittal plane."""

    def __init__(self, body: Body, leg: LegGeometry) -> None:
        self.leg = leg
        lumps = [body.lump(name) for name in ("pelvis", "trunk", "thigh_r", "shank_r", "foot_r")]
        twice = np.array([1.0, 1.0, 2.0, 2.0, 2.0])
        self._mass = twice * np.array([lump.mass_kg for lump in lumps])
        self._inertia = twice * np.array([lump.inertia[1, 1] for lump in lumps])
        self.mass_kg = float(self._mass.sum())
        # Centre of each part (columns) by how each is turned (rows), upright; from the hips.
        link = np.diag([complex(lump.com_m[0], lump.com_m[2]) for lump in lumps])
        link[0, 1] = 1j * body.params.lengths_m["lower_trunk"]
        link[2, 3:] = -1j * leg.thigh
        link[3, 4] = -1j * leg.shank
        self._link = link
        self._com = link @ self._mass / self.mass_kg

    def ankle(self, origin: Places, pitch: FloatArray) -> Places:
        """Ankle of a foot that stands on its ball, (frames,); `origin` as of a `Sole`."""
        leg = self.leg
        foot = np.exp(1j * pitch) * complex(leg.ball, -leg.ankle_height)
        return np.asarray(origin + leg.ball - foot)

    def com(self, pose: Pose) -> Places:
        """Centre of mass from the hips, (frames,)."""
        return np.asarray(self._com @ _turned(self._raised(pose)))

    def ankle_way(self, pose: Pose) -> Places:
        """From hips to ankles, (frames,)."""
        _, thigh, shank = self._angles(pose)
        leg = self.leg
        return np.asarray(-1j * (leg.thigh * np.exp(1j * thigh) + leg.shank * np.exp(1j * shank)))

    def grounded(
        self,
        com: Places,
        lean: FloatArray,
        ankle: Places,
        pitch: FloatArray,
        hip: Places,
        passes: int,
    ) -> tuple[Pose, Places]:
        """Pose and hips with ankles and centre of mass where they are to be.

        Parameters
        ----------
        com, ankle
            (frames,).
        lean, pitch
            Of trunk and sole, (frames,).
        hip
            (frames,): a guess.
        passes
            Of Newton's method.
        """
        hip = hip.copy()
        for start in range(0, len(hip), _BLOCK):
            part = slice(start, start + _BLOCK)
            hip[part] = self._hung(
                com[part], lean[part], ankle[part], pitch[part], hip[part], passes
            )
        return Pose(lean, *self._reach(ankle - hip), pitch), hip

    def _hung(
        self,
        com: Places,
        lean: FloatArray,
        ankle: Places,
        pitch: FloatArray,
        hip: Places,
        passes: int,
    ) -> Places:
        """Hips of `grounded`."""
        leg = self.leg
        tilted, leaning, thigh, shank, foot = self._com
        tilt = _TILT + _TILT_SHARE * lean
        # Hips to centre of mass, but for the legs; and what is wanted of hips and legs together.
        still = np.array([tilted, leaning, foot]) @ _turned(np.stack([-tilt, -lean, pitch]))
        wanted = com - still
        most = MAX_REACH * (leg.thigh + leg.shank)
        both = leg.thigh * leg.shank
        for _ in range(passes):
            way = ankle - hip
            far2 = way.real**2 + way.imag**2
            far = np.sqrt(far2)
            reach = np.minimum(far, most)
            bend = (reach**2 - leg.thigh**2 - leg.shank**2) / (2.0 * both)
            bend = np.clip(bend, -1.0, 1.0)
            bent = np.maximum(np.sqrt((1.0 - bend) * (1.0 + bend)), _STEP)
            # Directions of thigh and shank as they turn a part that hangs upright.
            upper = 1j * way * (leg.thigh + leg.shank * (bend + 1j * bent)) / (far * reach)
            lower = shank * upper * (bend - 1j * bent)
            legs = thigh * upper + lower
            miss = hip + legs - wanted
            # A step of the hips turns the leg's line, and bends the knee as the line shortens.
            turn = 1j * legs / far2
            swing = leg.shank * (leg.shank + leg.thigh * bend) / reach**2
            fold = 1j * (swing * legs - lower) * (reach / (both * bent * far) * (far < most))
            ahead = 1.0 + turn * way.imag + fold * way.real
            above = 1j - turn * way.real + fold * way.imag
            # Two real equations: miss + ahead * dx + above * dz = 0.
            deny = _cross(ahead, above)
            hip = hip - (_cross(miss, above) + 1j * _cross(ahead, miss)) / deny
        return hip

    def height(
        self, lean: FloatArray, knee: FloatArray, pitch: FloatArray, ahead: FloatArray
    ) -> FloatArray:
        """Height of the centre of mass above the ground, (postures,).

        Parameters
        ----------
        lean, knee, pitch
            As of a `Pose`, (postures,).
        ahead
            Of the centre of mass in front of the sole's origin, (postures,) in m.
        """
        ankle = self.ankle(np.zeros(len(lean), dtype=np.complex128), pitch)

        def com(leg: FloatArray) -> Places:
            pose = Pose(lean, leg, knee, pitch)
            return ankle - self.ankle_way(pose) + self.com(pose)

        leg = np.zeros_like(lean)
        for _ in range(6):
            here = com(leg)
            leg = leg - (here.real - ahead) / ((com(leg + _STEP) - here).real / _STEP)
        return np.asarray(com(leg).imag)

    def parts(self, pose: Pose) -> Parts:
        """Where the parts are."""
        raised = self._raised(pose)
        return Parts((self._link - self._com[:, None]).T @ _turned(raised), raised)

    def spin(self, parts: Parts, step_s: float) -> FloatArray:
        """Angular momentum about the centre of mass between frames, (frames - 1,) kg m^2/s.

        Positive forward, as a somersault turns.
        """
        at = parts.at
        moved, turned = np.diff(at), np.diff(parts.raised)
        return self._momentum(0.5 * (at[:, 1:] + at[:, :-1]), moved, turned) / step_s

    def spin_per_rate(self, parts: Parts, other: Parts, by: float) -> FloatArray:
        """Angular momentum per rate of the lean, (frames,); `other` leans by that much more."""
        moved, turned = other.at - parts.at, other.raised - parts.raised
        return self._momentum(0.5 * (parts.at + other.at), moved, turned) / by

    def coordinates(self, pose: Pose, hip: Places) -> FloatArray:
        """Columns of the body's q, (frames, 16)."""
        tilt, thigh, shank = self._angles(pose)
        values = {
            "pelvis_x": hip.real,
            "pelvis_z": hip.imag,
            "pelvis_tilt": tilt,
            "lumbar_flexion": pose.lean - tilt,
        }
        for side in "rl":
            values[f"hip_flexion_{side}"] = thigh + tilt
            values[f"knee_flexion_{side}"] = pose.knee
            values[f"ankle_dorsiflexion_{side}"] = pose.pitch - shank
        q = np.zeros((len(tilt), len(COORDINATES)))
        for name, column in values.items():
            q[:, COORDINATES.index(name)] = column
        return q

    def _reach(self, way: Places) -> tuple[FloatArray, FloatArray]:
        """Direction and knee flexion of a leg, (frames,) each, from the way of hip to ankle."""
        leg = self.leg
        length = np.minimum(np.abs(way), MAX_REACH * (leg.thigh + leg.shank))
        bend = (length**2 - leg.thigh**2 - leg.shank**2) / (2.0 * leg.thigh * leg.shank)
        return np.angle(1j * way), np.arccos(np.clip(bend, -1.0, 1.0))

    def _angles(self, pose: Pose) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Tilt of the pelvis, and how far thigh and shank swing forward of the vertical."""
        leg, knee = self.leg, pose.knee
        cosine, sine = cosine_sine(knee)
        ahead = np.arctan2(leg.shank * sine, leg.thigh + leg.shank * cosine)
        thigh = pose.leg + ahead
        return _TILT + _TILT_SHARE * pose.lean, thigh, thigh - knee

    def _raised(self, pose: Pose) -> FloatArray:
        """By how much the front of each part is raised, (5, frames)."""
        tilt, thigh, shank = self._angles(pose)
        return np.stack([-tilt, -pose.lean, thigh, shank, pose.pitch])

    def _momentum(self, at: Places, moved: Places, raised: FloatArray) -> FloatArray:
        return np.asarray(-self._mass @ _cross(at, moved) - self._inertia @ raised)


def _turned(angle: FloatArray) -> Places:
    """``exp(1j * angle)``, in half the time."""
    result = np.empty(angle.shape, dtype=np.complex128)
    result.real, result.imag = cosine_sine(angle)
    return result


def _cross(a: Places, b: Places) -> FloatArray:
    """Cross product of vectors in the plane."""
    return np.asarray((a.conj() * b).imag)
