"""What comes from sensors, before anything is decoded: packets, and what happened to the links."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class LinkState(enum.StrEnum):
    """What happened to a link."""

    CONNECTED = "connected"
    LOST = "lost"
    RETRYING = "retrying"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class Packet:
    """One value of a characteristic, as it came.

    Attributes
    ----------
    sensor
        Name the wearer gave the sensor.
    arrival_ns
        Host's monotonic clock when it came.
    characteristic
        UUID.
    value
        The bytes.
    """

    sensor: str
    arrival_ns: int
    characteristic: str
    value: bytes


@dataclass(frozen=True, slots=True)
class LinkEvent:
    """Something that happened to a sensor's link.

    Attributes
    ----------
    sensor
        Name the wearer gave the sensor.
    arrival_ns
        Host's monotonic clock.
    state
        What happened.
    detail
        Why, for a person.
    """

    sensor: str
    arrival_ns: int
    state: LinkState
    detail: str = ""


Record = Packet | LinkEvent
