"""The one table of channels: kinds, units, sites, sides and axes.

A channel is named ``kind.site[.side][.axis]``: ``emg.vastus_lateralis.r``,
``angle.knee_flexion.r``, ``acc.shank.r.x``, ``grf.foot.l.vertical``, ``torque.knee.r``,
``valid.torque.r``. Everything that names a channel, a unit or a plausible range refers here.

Signs: joint moments are internal; extension (hip, knee, elbow), plantarflexion and hip abduction
are positive. Angles are positive towards the movement they are named after. GRF acts on the
person; ``vertical`` is up, ``anterior`` is forward, ``lateral`` is to the person's right on both
sides (it is in walking axes, so it is for the leg window to mirror it).
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Self

from kinefed.datasets.errors import DataError, DataReason

SIDES = ("l", "r")
XYZ = ("x", "y", "z")
WALK = ("vertical", "anterior", "lateral")

_JOINT_ANGLES = """
    hip_flexion hip_adduction hip_rotation knee_flexion knee_adduction knee_rotation
    ankle_dorsiflexion ankle_adduction ankle_rotation subtalar_inversion toe_extension
    shoulder_flexion shoulder_adduction shoulder_rotation elbow_flexion forearm_pronation
    wrist_flexion wrist_deviation lumbar_extension lumbar_bending lumbar_rotation
"""
# Orientations in space: they may wind past half a turn, which no joint does.
_SEGMENT_ANGLES = """
    pelvis_tilt pelvis_list pelvis_rotation trunk_tilt trunk_list trunk_rotation thigh_pitch
    shank_pitch foot_pitch
"""
_MOMENTS = """
    hip hip_abduction hip_rotation knee knee_abduction knee_rotation ankle ankle_abduction
    ankle_rotation subtalar toe shoulder shoulder_abduction shoulder_rotation elbow forearm
    wrist lumbar lumbar_bending lumbar_rotation
"""
_SEGMENTS = """
    pelvis torso sternum head thigh shank foot upper_arm forearm hand
"""
_MUSCLES = """
    rectus_femoris vastus_lateralis vastus_medialis vastus_intermedius hamstrings
    biceps_femoris semitendinosus semimembranosus gastrocnemius gastrocnemius_lateralis
    gastrocnemius_medialis soleus tibialis_anterior tibialis_posterior peroneus
    peroneus_longus peroneus_brevis gluteus_maximus gluteus_medius gluteus_minimus adductors
    adductor_longus adductor_magnus tensor_fasciae_latae gracilis sartorius iliopsoas
    erector_spinae rectus_abdominis biceps_brachii brachialis brachioradialis triceps_brachii
    triceps_lateralis triceps_longus deltoid_anterior deltoid_medialis deltoid_posterior
    pectoralis_major trapezius latissimus_dorsi wrist_flexors wrist_extensors
"""


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of channel.

    Attributes
    ----------
    name
        First part of the channel's name.
    unit
        The only unit it is stored in.
    sites
        Allowed second parts; empty: any word (marker names, insole zones).
    axes
        Allowed last parts; empty: the kind has no axes. Where there are any, one is required.
    limit
        Largest plausible magnitude in `unit`; beyond it, another unit is in the file.
    suspect
        The unit that a value beyond `limit` is most likely in.
    may_be_nan
        A missing sample is ordinary (an occluded marker) and needs no validity channel.
    """

    name: str
    unit: str
    sites: frozenset[str]
    axes: tuple[str, ...] = ()
    limit: float = math.inf
    suspect: str = ""
    may_be_nan: bool = False


def _kinds() -> dict[str, Kind]:
    angles = frozenset(f"{_JOINT_ANGLES} {_SEGMENT_ANGLES}".split())
    moments, muscles = frozenset(_MOMENTS.split()), frozenset(_MUSCLES.split())
    bodies = frozenset(_SEGMENTS.split())
    table = (
        # No joint turns by more than half a turn; 0.2 rad is left for offsets of a sensor.
        Kind("angle", "rad", angles, limit=math.pi + 0.2, suspect="deg"),
        # The fastest joint movement on record (shoulder rotation in a pitch) is about 130 rad/s.
        Kind("velocity", "rad/s", angles, limit=150.0, suspect="deg/s"),
        Kind("acceleration", "rad/s^2", angles, limit=2e4, suspect="deg/s^2"),
        # Peaks of drop jumps and sprints reach 6 N m/kg; quiet walking in N m reaches 20 and more.
        Kind("torque", "N m/kg", moments, limit=12.0, suspect="N m"),
        Kind("power", "W/kg", moments, limit=100.0, suspect="W"),
        # Amplifiers end at +-10 V after their gain.
        Kind("emg", "V", muscles, limit=12.0, suspect="mV or uV"),
        Kind("envelope", "1", muscles, limit=20.0, suspect="percent"),
        # Worn accelerometers end at 16 g, a few at 32 g.
        Kind("acc", "m/s^2", bodies, XYZ, limit=400.0, suspect="mm/s^2"),
        # Worn gyroscopes end at 2000 deg/s = 35 rad/s, a few at twice that.
        Kind("gyro", "rad/s", bodies, XYZ, limit=75.0, suspect="deg/s"),
        Kind("mag", "1", bodies, XYZ, limit=50.0, suspect="uT"),
        Kind("grf", "N", frozenset({"foot"}), WALK, limit=2e4),
        Kind("cop", "m", frozenset({"foot"}), WALK, limit=50.0, suspect="mm"),
        Kind("free_moment", "N m", frozenset({"foot"}), limit=500.0, suspect="N mm"),
        Kind("marker", "m", frozenset(), XYZ, limit=50.0, suspect="mm", may_be_nan=True),
        Kind("force", "N", frozenset({"load_cell", "hand_grip"}), limit=2e4),
        Kind("insole", "Pa", frozenset(), limit=5e6),
        Kind("insole_force", "N", frozenset({"foot"}), limit=2e4),
        # From the ankle, along the foot and to the person's right; unknown while nothing presses.
        Kind(
            "insole_cop", "m", frozenset({"foot"}), WALK, limit=0.5, suspect="mm", may_be_nan=True
        ),
        Kind("valid", "1", frozenset(), limit=1.0),
    )
    return {kind.name: kind for kind in table}


KINDS: dict[str, Kind] = _kinds()
SEGMENT_ANGLES = frozenset(_SEGMENT_ANGLES.split())
_WORD = re.compile(r"[a-z0-9][a-z0-9_]*\Z")


@dataclass(frozen=True, slots=True, order=True)
class ChannelName:
    """The parts of a channel's name.

    Attributes
    ----------
    kind, site
        Rows of the table, for example ``"angle"`` and ``"knee_flexion"``.
    side
        ``"l"``, ``"r"`` or None for the midline and for sideless names.
    axis
        One of the kind's axes, or None where it has none.
    """

    kind: str
    site: str
    side: str | None = None
    axis: str | None = None

    @classmethod
    def parse(cls, name: str) -> Self:
        """Read a name.

        Parameters
        ----------
        name
            ``kind.site[.side][.axis]``.

        Raises
        ------
        DataError
            ``unknown_channel`` where a part is not in the table.
        """
        parts = name.split(".")
        kind = KINDS.get(parts[0])
        if kind is None:
            raise _unknown(name, f"kind {parts[0]!r} is none of {', '.join(KINDS)}")
        rest = parts[1:]
        if not rest or not _WORD.match(rest[0]):
            raise _unknown(name, "it has no site")
        site = rest.pop(0)
        if kind.sites and site not in kind.sites:
            raise _unknown(name, f"{kind.name} has no site {site!r}")
        if kind.name == "valid" and (site not in KINDS or site == "valid"):
            raise _unknown(name, f"{site!r} is no kind that could be valid")
        side = rest.pop(0) if rest and rest[0] in SIDES else None
        axis = rest.pop(0) if rest and rest[0] in kind.axes else None
        if rest:
            raise _unknown(name, f"{'.'.join(rest)!r} is neither side nor axis here")
        if kind.axes and axis is None:
            raise _unknown(name, f"{kind.name} needs one of the axes {', '.join(kind.axes)}")
        return cls(kind.name, site, side, axis)

    @property
    def unit(self) -> str:
        """The unit this channel is stored in."""
        return KINDS[self.kind].unit

    @property
    def limit(self) -> float:
        """Largest plausible magnitude, in `unit`; segments in space may wind four turns."""
        if self.kind == "angle" and self.site in SEGMENT_ANGLES:
            return 8.0 * math.pi
        return KINDS[self.kind].limit

    @property
    def sideless(self) -> str:
        """The name without its side: ``angle.knee_flexion``."""
        return str(ChannelName(self.kind, self.site, None, self.axis))

    def on(self, side: str) -> str:
        """Name the same channel on one side ("l" or "r")."""
        return str(ChannelName(self.kind, self.site, side, self.axis))

    def __str__(self) -> str:
        parts = (self.kind, self.site, self.side, self.axis)
        return ".".join(part for part in parts if part is not None)


def unit_of(channel: str) -> str:
    """Give the unit a channel is stored in.

    Raises
    ------
    DataError
        ``unknown_channel``.
    """
    return ChannelName.parse(channel).unit


def with_side(channel: str, side: str) -> str:
    """Name a channel on one side: ``("angle.knee_flexion", "r")`` -> ``angle.knee_flexion.r``."""
    return ChannelName.parse(channel).on(side)


def _unknown(name: str, why: str) -> DataError:
    return DataError(
        DataReason.UNKNOWN_CHANNEL,
        f"channel {name!r} is not in the table: {why}",
        next_step="Name it kind.site[.side][.axis] as in datasets/channels.py",
    )
