"""A sensor as it is worn: what it is, and where on the body."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from kinefed.datasets.channels import KINDS
from kinefed.datasets.errors import DataError, DataReason, UsageError, UsageReason
from kinefed.datasets.types import check_name
from kinefed.sensors.channel import COUNT
from kinefed.sensors.driver import Driver, Sensor, StreamSpec
from kinefed.sensors.drivers import make_driver

Setting = str | int | float | bool

COUNT_V = 1e-6
"""Volts that a count of unscaled EMG is written as: it has to have a unit, and only its ratio to
the wearer's reference is used."""

MOST_DELAY_MS = 1000.0
"""No sensor is further behind another one."""


@dataclass(frozen=True, slots=True)
class Worn:
    """One sensor of a wearer.

    Attributes
    ----------
    name
        The wearer's name for it: a word, which becomes part of file names.
    driver_id, settings
        As for `make_driver`.
    address
        Of this very sensor; None takes any of its kind.
    place
        Site and side of the whole sensor, for example ``shank.r``.
    electrodes
        Number of the electrode to its muscle and side, for example ``{3: "soleus.r"}``; others
        are not recorded.
    delay_ms
        How late its samples are beside those of the other sensors, which is taken off their times;
        `kinefed.sensors.together` finds it.
    adapter
        Bluetooth adapter of this sensor on Linux, ``hci1``; None takes that of the session. One
        adapter holds 5 to 7 connections.
    """

    name: str
    driver_id: str
    settings: Mapping[str, Setting] = field(default_factory=dict)
    address: str | None = None
    place: str | None = None
    electrodes: Mapping[int, str] = field(default_factory=dict)
    delay_ms: float = 0.0
    adapter: str | None = None

    def __post_init__(self) -> None:
        check_name(self.name, "sensor")
        if not abs(self.delay_ms) <= MOST_DELAY_MS:
            raise UsageError(
                UsageReason.BAD_ARGUMENT,
                f"a delay of {self.delay_ms} ms",
                where=f"sensor {self.name}",
                next_step=f"Give at most {MOST_DELAY_MS:g}; 'kinefed sensors align' finds it",
            )
        # Unknown sites are found before anybody has put a sensor on.
        for spec in self.driver().streams:
            self.columns(spec)

    def driver(self) -> Driver:
        """Make its driver.

        Raises
        ------
        UsageError
            ``unknown_name`` or ``bad_argument``.
        """
        return make_driver(self.driver_id, **self.settings)

    def sensor(self) -> Sensor:
        """Give what a `Hub` needs."""
        return Sensor(self.name, self.driver(), self.address, self.adapter)

    def columns(self, spec: StreamSpec) -> dict[int, str]:
        """Name the columns of a stream that have a place in a recording.

        Returns
        -------
        dict
            Column to channel: ``{4: "acc.shank.r.x", ...}``. Orientations are not of
            recordings, and electrodes without muscle are left out.

        Raises
        ------
        UsageError
            ``bad_argument`` where a place is none for what the sensor measures.
        """
        named: dict[int, str] = {}
        for i, channel in enumerate(spec.channels):
            where = channel.where
            if where is None:
                where = self.place if channel.slot is None else self.electrodes.get(channel.slot)
            if where is None or channel.kind not in KINDS:
                continue
            site, _, side = where.partition(".")
            try:
                named[i] = channel.at(site, side or None)
            except DataError as error:
                sites = ", ".join(sorted(KINDS[channel.kind].sites))
                raise UsageError(
                    UsageReason.BAD_ARGUMENT,
                    error.what,
                    where=f"sensor {self.name}",
                    next_step=f"Write site.side; sites of {channel.kind} are {sites}",
                ) from error
        return named

    def scale(self, spec: StreamSpec, column: int) -> float:
        """Factor of a column to the unit of its channel in a recording."""
        return COUNT_V if spec.channels[column].unit == COUNT else 1.0

    def to_dict(self) -> dict[str, object]:
        """Give it as plain values, JSON-ready."""
        return {
            "name": self.name,
            "driver_id": self.driver_id,
            "settings": dict(self.settings),
            "address": self.address,
            "place": self.place,
            "electrodes": {str(slot): where for slot, where in self.electrodes.items()},
            "delay_ms": self.delay_ms,
            "adapter": self.adapter,
        }

    @classmethod
    def from_dict(cls, data: Any, where: object = "") -> Worn:
        """Read `to_dict` back.

        Raises
        ------
        DataError
            ``bad_format``.
        UsageError
            ``unknown_name`` or ``bad_argument`` where the driver is not known here.
        """
        try:
            electrodes = {int(slot): str(muscle) for slot, muscle in data["electrodes"].items()}
            address, place = (
                None if data[k] is None else str(data[k]) for k in ("address", "place")
            )
            name, driver_id = str(data["name"]), str(data["driver_id"])
            # Logs that were written before sensors had these have none.
            delay_ms, adapter = float(data.get("delay_ms", 0.0)), data.get("adapter")
            return cls(
                name,
                driver_id,
                dict(data["settings"]),
                address,
                place,
                electrodes,
                delay_ms,
                None if adapter is None else str(adapter),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise DataError(
                DataReason.BAD_FORMAT, f"it describes no sensor: {error!r}", where=where
            ) from error
