"""The channels a sensor gives before anyone has said where on the body it is worn.

A `Channel` is the kind and axis of a channel of `kinefed.datasets.channels` without its site:
``acc.x``, ``emg.3`` (the third electrode), ``force``. `Channel.at` gives it one.

Sensors also give orientations, for which recordings have no kind: they are input to joint
angles, not a signal of a recording. `SENSOR_KINDS` names those.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from kinefed.datasets.channels import KINDS, XYZ, ChannelName, Kind
from kinefed.datasets.errors import UsageError, UsageReason

STANDARD_GRAVITY = 9.80665
"""One g in m/s^2, exact by definition; also newton per kilogram-force."""
DEGREE = math.pi / 180.0
"""One degree in rad."""
EARTH_FIELD_UT = 50.0
"""Microtesla that count as 1 in ``mag``, whose unit is "about the Earth's field"."""

COUNT = "count"
"""Unit of a channel whose maker publishes no scale."""

_ANY: frozenset[str] = frozenset()
SENSOR_KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        # Rotation of the sensor in the world, w first. Fixed-point ones end a little above 1.
        Kind("quat", "1", _ANY, ("w", *XYZ), limit=1.1),
        Kind("euler", "rad", _ANY, XYZ, limit=2.0 * math.pi + 0.2),
        # In the world's axes and without gravity, unlike `acc`.
        Kind("free_acc", "m/s^2", _ANY, XYZ, limit=KINDS["acc"].limit),
        # Change of orientation and of velocity over one sampling interval, of 1 s at most.
        Kind("delta_quat", "1", _ANY, ("w", *XYZ), limit=1.1),
        Kind("delta_velocity", "m/s", _ANY, XYZ, limit=KINDS["acc"].limit),
    )
}


@dataclass(frozen=True, slots=True)
class Channel:
    """One channel of a sensor, without a site.

    Attributes
    ----------
    kind
        Row of `KINDS` or of `SENSOR_KINDS`.
    axis
        One of the kind's axes, None where it has none.
    slot
        Number of the electrode, from 1, where a sensor has several of one kind; else None.
    unit
        The kind's unit. `COUNT` only where the maker publishes no scale.
    lsb
        Size of one count in `unit`, so that raw counts can be had back exactly; None for floats.
    where
        Site and side, ``soleus.r``, where the source says it; None where the wearer does.
    """

    kind: str
    axis: str | None = None
    slot: int | None = None
    unit: str = ""
    lsb: float | None = None
    where: str | None = None

    def __post_init__(self) -> None:
        row = KINDS.get(self.kind) or SENSOR_KINDS.get(self.kind)
        if row is None:
            raise _bad(f"no sensor channel is of the kind {self.kind!r}")
        if (self.axis or None) not in (row.axes or (None,)):
            raise _bad(f"{self.kind} has the axes {row.axes}, not {self.axis!r}")
        if self.slot is not None and self.slot < 1:
            raise _bad(f"slots count from 1, {self.kind} has {self.slot}")
        object.__setattr__(self, "unit", self.unit or row.unit)
        if self.unit not in (row.unit, COUNT):
            raise _bad(f"{self.kind} is stored in {row.unit}, not in {self.unit!r}")

    @classmethod
    def parse(cls, label: str, lsb: float | None = None) -> Channel:
        """Read a label: ``acc.x``, ``emg.3`` or ``force``.

        Raises
        ------
        UsageError
            ``bad_argument`` for an unknown kind, axis or slot.
        """
        kind, *rest = label.split(".")
        if len(rest) > 1:
            raise _bad(f"{label!r} is not kind, kind.axis or kind.slot")
        tail = rest[0] if rest else None
        if tail is not None and tail.isascii() and tail.isdigit():
            return cls(kind, slot=int(tail), lsb=lsb)
        return cls(kind, tail, lsb=lsb)

    @property
    def limit(self) -> float:
        """Largest magnitude a sound sensor gives, in `unit`; beyond it, the packet is damaged."""
        if self.unit == COUNT:
            return math.inf
        return (KINDS.get(self.kind) or SENSOR_KINDS[self.kind]).limit

    @property
    def label(self) -> str:
        """``acc.x``, ``emg.3`` or ``force``: unique within one stream."""
        parts = (self.kind, self.where, self.axis, self.slot)
        return ".".join(str(part) for part in parts if part is not None)

    def at(self, site: str, side: str | None = None) -> str:
        """Name the channel of a recording: ``acc.shank.r.x``.

        Raises
        ------
        DataError
            ``unknown_channel`` where the kind is not of recordings, or has no such site.
        """
        return str(ChannelName.parse(str(ChannelName(self.kind, site, side, self.axis))))


def axes(kind: str, lsb: float | None = None) -> tuple[Channel, ...]:
    """Give all axes of one kind in their order: ``acc`` -> ``acc.x``, ``acc.y``, ``acc.z``."""
    row = KINDS.get(kind) or SENSOR_KINDS[kind]
    return tuple(Channel(kind, axis, lsb=lsb) for axis in row.axes)


def electrodes(n: int, *, unit: str = "", lsb: float | None = None) -> tuple[Channel, ...]:
    """Give ``emg.1`` to ``emg.n``."""
    return tuple(Channel("emg", slot=i, unit=unit, lsb=lsb) for i in range(1, n + 1))


def _bad(what: str) -> UsageError:
    return UsageError(
        UsageReason.BAD_ARGUMENT,
        what,
        where="sensor channel",
        next_step="Kinds and axes are in datasets/channels.py and sensors/channel.py",
    )
