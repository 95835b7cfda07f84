"""One arm with a load in the hand: shoulder, elbow and wrist in the sagittal plane.

The shoulder centre is fixed in the world (x forward, y left, z up). The arm hangs down at zero
with the palm forward (forearm supinated), so that all three flexions turn about -y and raise what
hangs below them to the front:

=================  ==========================================
shoulder_flexion   positive swings the upper arm forward
elbow_flexion      positive raises the forearm
wrist_flexion      positive brings the palm to the forearm
=================  ==========================================

`kinefed.biomechanics.dynamics.joint_torques` takes an `Arm` as it takes a body; its labels are
``torque.shoulder``, ``torque.elbow`` and ``torque.wrist``, extension positive, in N m/kg of body
mass.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from kinefed.biomechanics import mjcf
from kinefed.biomechanics.anthropometry import BodyParameters
from kinefed.biomechanics.mjcf import Lump, Site, Triple
from kinefed.datasets.errors import UsageError, UsageReason

ARM_COORDINATES: tuple[str, ...] = ("shoulder_flexion", "elbow_flexion", "wrist_flexion")
_SEGMENTS = ("upper_arm", "forearm", "hand")
_FLEXION = (0.0, -1.0, 0.0)
# The strongest lift about 200 kg with one hand; more is grams or pounds.
_MOST_KG = 200.0


@dataclass(frozen=True)
class Arm:
    """Upper arm, forearm and hand of one side.

    Attributes
    ----------
    params
        Inertia and lengths of the person.
    load_kg
        A mass held in the hand, taken as a point.
    grip_m
        Distance of that point from the wrist along the hand; None for the third metacarpale, where
        de Leva's hand ends.
    """

    params: BodyParameters
    load_kg: float = 0.0
    grip_m: float | None = None

    def __post_init__(self) -> None:
        if not 0.0 <= self.load_kg <= _MOST_KG:
            raise UsageError(
                UsageReason.BAD_ARGUMENT,
                f"a load of {self.load_kg} kg",
                where="Arm.load_kg",
                next_step=f"Give 0..{_MOST_KG:g} kg",
            )
        if self.grip_m is not None and not 0.0 <= self.grip_m <= 0.5:
            raise UsageError(
                UsageReason.BAD_ARGUMENT,
                f"a grip {self.grip_m} m from the wrist",
                where="Arm.grip_m",
                next_step="Give 0..0.5 m",
            )

    @property
    def coordinates(self) -> tuple[str, ...]:
        """Names of the columns of q."""
        return ARM_COORDINATES

    @property
    def chains(self) -> Mapping[str, tuple[str, ...]]:
        """A force acts on the hand."""
        return {"hand": ARM_COORDINATES}

    @property
    def sites(self) -> Mapping[str, Site]:
        """IMUs on the middle of each segment, on its line, in the segment's axes."""
        return {f"imu_{name}": Site(name, self._along(name, 0.5)) for name in _SEGMENTS}

    def lump(self, segment: str) -> Lump:
        """Mass, centre and inertia of one segment; the load belongs to the ``"hand"``."""
        own = mjcf.part(
            self.params, segment, self._along(segment, self.params.segment(segment).com)
        )
        if segment != "hand" or self.load_kg == 0.0:
            return own
        return mjcf.join([own, Lump(self.load_kg, np.array(self._grip()), np.zeros((3, 3)))])

    def mjcf(self) -> str:
        """Write the model in MuJoCo's format."""
        inside = [mjcf.point("grip", self._grip())]
        origins = ((0.0, 0.0, 0.0), self._along("upper_arm", 1.0), self._along("forearm", 1.0))
        for name, origin, coordinate in zip(
            reversed(_SEGMENTS), reversed(origins), reversed(ARM_COORDINATES), strict=True
        ):
            joint = mjcf.joint(coordinate, _FLEXION)
            inside = [mjcf.segment(name, origin, self.lump(name), [joint], self.sites, inside)]
        return mjcf.document(inside[0], self.sites)

    def _along(self, segment: str, share: float) -> Triple:
        return 0.0, 0.0, -share * self.params.lengths_m[segment]

    def _grip(self) -> Triple:
        if self.grip_m is None:
            return self._along("hand", 1.0)
        return 0.0, 0.0, -self.grip_m
