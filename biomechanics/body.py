"""The body as a tree of rigid segments.

World axes: x forward, y left, z up. The pelvis is the root: its origin lies midway between the
hip centres. Trunk, head and arms (hanging at the sides) are one segment on top of the lumbar
joint, which lies at the height of the omphalion, where de Leva's lower trunk ends.

Coordinates, all zero in quiet standing, in the order in which their joints follow one another:

======================  ===================================================================
pelvis_x, _y, _z        position of the pelvis origin in the world (m)
pelvis_yaw              about z; positive turns to the left
pelvis_list             about -x; positive raises the right side and lowers the left
pelvis_tilt             about y; positive tilts forward (anterior tilt)
lumbar_flexion          about y; positive bends the trunk forward on the pelvis
lumbar_bend             about x; positive bends the trunk to the right
hip_flexion             about -y; positive swings the thigh forward
hip_adduction           about x (right) and -x (left); positive swings the thigh to the midline
hip_rotation            about z (right) and -z (left); positive turns the toes in; only on request
knee_flexion            about y; positive swings the shank backward
ankle_dorsiflexion      about -y; positive raises the toes
======================  ===================================================================

Angles are in rad; those of a leg have the same anatomical sign on both sides.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from kinefed.biomechanics import mjcf
from kinefed.biomechanics.anthropometry import BodyParameters
from kinefed.biomechanics.mjcf import Lump, Site, Triple
from kinefed.datasets.errors import UsageError, UsageReason

ROOT = ("pelvis_x", "pelvis_y", "pelvis_z", "pelvis_yaw", "pelvis_list", "pelvis_tilt")
LUMBAR = ("lumbar_flexion", "lumbar_bend")
LEG = ("hip_flexion", "hip_adduction", "knee_flexion", "ankle_dorsiflexion")
_LEG_WITH_ROTATION = (*LEG[:2], "hip_rotation", *LEG[2:])
COORDINATES: tuple[str, ...] = (
    *ROOT,
    *LUMBAR,
    *(f"{name}_r" for name in LEG),
    *(f"{name}_l" for name in LEG),
)
IMU_SITES: tuple[str, ...] = (
    "imu_trunk",
    "imu_pelvis",
    *(f"imu_{segment}_{side}" for segment in ("thigh", "shank", "foot") for side in "rl"),
)
SEGMENT_NAMES: tuple[str, ...] = (
    "pelvis",
    "trunk",
    *(f"{segment}_{side}" for side in "rl" for segment in ("thigh", "shank", "foot")),
)

_X, _Y, _Z = (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)
_BACK, _RIGHT, _DOWN = (-1.0, 0.0, 0.0), (0.0, -1.0, 0.0), (0.0, 0.0, -1.0)
# Of the right leg; the left one adducts and rotates about the opposite axis.
_AXES: dict[str, Triple] = {
    "pelvis_x": _X,
    "pelvis_y": _Y,
    "pelvis_z": _Z,
    "pelvis_yaw": _Z,
    "pelvis_list": _BACK,
    "pelvis_tilt": _Y,
    "lumbar_flexion": _Y,
    "lumbar_bend": _X,
    "hip_flexion": _RIGHT,
    "hip_adduction": _X,
    "hip_rotation": _Z,
    "knee_flexion": _Y,
    "ankle_dorsiflexion": _RIGHT,
}
_LEFT_AXES: dict[str, Triple] = {"hip_adduction": _BACK, "hip_rotation": _DOWN}


@dataclass(frozen=True)
class Body:
    """A person's rigid segments: pelvis, trunk with head and arms, two legs.

    Attributes
    ----------
    params
        Inertia and lengths.
    sites
        Sensors by name: those of `IMU_SITES`, and what is given here besides or instead.
    hip_rotation
        Give each hip a third coordinate, after its adduction. For measured motion: without it a
        turned-out foot's knee points forward. Movements that are made have none.
    """

    params: BodyParameters
    sites: Mapping[str, Site] = field(default_factory=dict)
    hip_rotation: bool = False

    def __post_init__(self) -> None:
        for name, site in self.sites.items():
            if site.segment not in SEGMENT_NAMES or not name.isidentifier():
                raise UsageError(
                    UsageReason.BAD_ARGUMENT,
                    f"site {name!r} on segment {site.segment!r}",
                    where="Body.sites",
                    next_step="Name it like a variable and put it on one of "
                    + ", ".join(SEGMENT_NAMES),
                )
        sites = _imu_sites(self.params) | dict(self.sites)
        object.__setattr__(self, "sites", MappingProxyType(sites))

    @property
    def leg(self) -> tuple[str, ...]:
        """Coordinates of a leg, without their side."""
        return _LEG_WITH_ROTATION if self.hip_rotation else LEG

    @property
    def coordinates(self) -> tuple[str, ...]:
        """Names of the columns of q: `COORDINATES`, or 18 with hip rotation."""
        return ROOT + LUMBAR + tuple(f"{name}_{side}" for side in "rl" for name in self.leg)

    @property
    def chains(self) -> Mapping[str, tuple[str, ...]]:
        """Coordinates between the world and each place that a force may act on."""
        legs = {side: ROOT + tuple(f"{name}_{side}" for name in self.leg) for side in "rl"}
        return {"pelvis": ROOT, "trunk": ROOT + LUMBAR} | legs

    def lump(self, segment: str) -> Lump:
        """Mass, centre and inertia of one segment of `SEGMENT_NAMES`."""
        p = self.params
        length = p.lengths_m
        kind = segment.partition("_")[0]
        if kind == "pelvis":
            # The omphalion is the row's first end point, the hip centres are its second.
            up = (1.0 - p.segment("lower_trunk").com) * length["lower_trunk"]
            return mjcf.part(p, "lower_trunk", (0.0, 0.0, up))
        if kind == "trunk":
            return mjcf.join(_upper_body(p))
        if kind == "foot":
            forward = p.segment("foot").com * length["foot_length"] - length["heel_back"]
            # De Leva gives no height; Winter (2009, Table 4.1) puts the foot's centre half way from
            # the lateral malleolus to the head of the second metatarsal.
            return mjcf.part(p, "foot", (forward, 0.0, -0.5 * length["ankle_height"]))
        return mjcf.part(p, kind, (0.0, 0.0, -p.segment(kind).com * length[kind]))

    def mjcf(self) -> str:
        """Write the model in MuJoCo's format."""
        up = (0.0, 0.0, self.params.lengths_m["lower_trunk"])
        inside = [self._segment("trunk", up, LUMBAR), self._leg("r"), self._leg("l")]
        tree = self._segment("pelvis", (0.0, 0.0, 0.0), ROOT, inside=inside)
        return mjcf.document(tree, self.sites)

    def _leg(self, side: str) -> str:
        length = self.params.lengths_m
        sole = -length["ankle_height"]
        points = [
            mjcf.point(f"ankle_{side}", (0.0, 0.0, 0.0)),
            mjcf.point(f"heel_{side}", (-length["heel_back"], 0.0, sole)),
            mjcf.point(f"ball_{side}", (length["ball_forward"], 0.0, sole)),
        ]
        ankle, knee = (0.0, 0.0, -length["shank"]), (0.0, 0.0, -length["thigh"])
        hip = (0.0, (0.5 if side == "l" else -0.5) * length["pelvis_width"], 0.0)
        foot = self._segment("foot", ankle, self.leg[-1:], side, points)
        shank = self._segment("shank", knee, self.leg[-2:-1], side, [foot])
        return self._segment("thigh", hip, self.leg[:-2], side, [shank])

    def _segment(
        self,
        name: str,
        origin: Triple,
        joints: tuple[str, ...],
        side: str = "",
        inside: list[str] | None = None,
    ) -> str:
        end = f"_{side}" if side else ""
        axes = _AXES | _LEFT_AXES if side == "l" else _AXES
        rows = [
            mjcf.joint(f"{key}{end}", axes[key], "slide" if key in ROOT[:3] else "hinge")
            for key in joints
        ]
        lump = self.lump(f"{name}{end}")
        return mjcf.segment(f"{name}{end}", origin, lump, rows, self.sites, inside or ())


def _upper_body(p: BodyParameters) -> list[Lump]:
    """Parts above the lumbar joint, the arms hanging straight down beside the trunk."""
    length = p.lengths_m
    parts = []
    top = length["middle_trunk"] + length["upper_trunk"] + length["head"]
    for name in ("head", "upper_trunk", "middle_trunk"):
        parts.append(mjcf.part(p, name, (0.0, 0.0, top - p.segment(name).com * length[name])))
        top -= length[name]
    for sign in (-0.5, 0.5):
        height = length["shoulder_height"] - length["lower_trunk"]
        for name in ("upper_arm", "forearm", "hand"):
            com = height - p.segment(name).com * length[name]
            parts.append(mjcf.part(p, name, (0.0, sign * length["shoulder_width"], com)))
            height -= length[name]
    return parts


def _imu_sites(p: BodyParameters) -> dict[str, Site]:
    """Where worn sensors usually sit; their axes are those of the segment.

    Breastbone and sacrum lie before and behind the line of the joints; straps go around the middle
    of thigh and shank, on the outside; the foot's sensor lies on the instep. The distances from
    the line of the joints are round numbers, of the size of flesh and bone there: a session moves
    each sensor by more than their error.
    """
    length = p.lengths_m
    depth = 0.06 * p.height_m
    chest = length["shoulder_height"] - length["lower_trunk"]
    instep = (0.5 * length["ball_forward"], 0.0, -0.3 * length["ankle_height"])
    sites = {
        "imu_trunk": Site("trunk", (depth, 0.0, 0.8 * chest)),
        "imu_pelvis": Site("pelvis", (-depth, 0.0, 0.5 * length["lower_trunk"])),
    }
    for side, out in (("r", -p.height_m), ("l", p.height_m)):
        thigh, shank = 0.5 * length["thigh"], 0.5 * length["shank"]
        sites[f"imu_thigh_{side}"] = Site(f"thigh_{side}", (0.0, 0.045 * out, -thigh))
        sites[f"imu_shank_{side}"] = Site(f"shank_{side}", (0.0, 0.03 * out, -shank))
        sites[f"imu_foot_{side}"] = Site(f"foot_{side}", instep)
    return {name: sites[name] for name in IMU_SITES}
