"""What a driver is: plain data about one sensor, and a decoder of what it sends.

A driver touches no radio. Whoever holds the connection does, in this order:

1. `Driver.recognises` on what was advertised;
2. write `Driver.setup`;
3. read every characteristic of `Driver.reads` and feed the values to the decoder;
4. subscribe to every characteristic of `Driver.notifies` (notification or indication);
5. write `Driver.start`; feed every value that comes; write `Driver.poll` about once a minute;
6. write `Driver.stop`, then unsubscribe.

After every reconnection: `Decoder.reconnected`, then 2 to 5 again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from kinefed.sensors.channel import Channel
from kinefed.sensors.decoder import Decoder, FloatArray, Refusal, Refused

SILENCE_S = 0.5
"""Shortest silence that tells a dead link: three periods of a slow sensor are longer."""


@dataclass(frozen=True, slots=True)
class Advertisement:
    """What a device says of itself before a connection.

    Attributes
    ----------
    name
        Local name, empty where there is none.
    services
        Service UUIDs of 36 characters, in any case.
    companies
        Company identifiers of the manufacturer data.
    """

    name: str = ""
    services: tuple[str, ...] = ()
    companies: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Write:
    """One write to a characteristic.

    Attributes
    ----------
    characteristic
        UUID.
    value
        The bytes.
    response
        Whether the sensor confirms the write.
    """

    characteristic: str
    value: bytes
    response: bool = True


@dataclass(frozen=True, slots=True)
class StreamSpec:
    """Channels that a sensor samples together.

    Attributes
    ----------
    name
        Word that `Samples.stream` repeats.
    channels
        One a column of `Samples.values`.
    rate_hz
        Nominal rate; None where neither maker nor setting says it.
    clocked
        Samples come with the sensor's own clock.
    synchronised
        That clock is the host's already: the times are kept as they come.
    limits
        (channels,) largest magnitudes, from the table of kinds.
    """

    name: str
    channels: tuple[Channel, ...]
    rate_hz: float | None
    clocked: bool = False
    synchronised: bool = False
    limits: FloatArray = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "limits", np.array([c.limit for c in self.channels]))

    def checked(self, values: FloatArray) -> FloatArray:
        """Return values (samples, channels) that a sound sensor could have sent.

        Raises
        ------
        Refused
            ``not_finite``, or ``out_of_range`` where a value is beyond its channel's limit.
        """
        if not np.isfinite(values).all():
            raise Refused(Refusal.NOT_FINITE)
        if (np.abs(values) > self.limits).any():
            raise Refused(Refusal.OUT_OF_RANGE)
        return values


@dataclass(frozen=True, slots=True)
class LslSource:
    """A stream of the Lab Streaming Layer in the place of a Bluetooth sensor.

    Attributes
    ----------
    stream
        Its name.
    channels
        Label to the channel of a recording, in the order of the columns.
    """

    stream: str
    channels: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Driver:
    """One sensor in one setting.

    Attributes
    ----------
    driver_id, title
        Name in the registry, and name for a person.
    service
        The service that carries the data.
    streams
        What it gives.
    notifies
        Characteristics to subscribe to, in this order.
    make_decoder
        Gives a fresh decoder; one serves one sensor over all its reconnections.
    names, services, companies
        A device is recognised by the start of its name, by an advertised service or by a
        company: one is enough.
    setup, start, stop, poll
        Writes before subscribing, after it, at the end, and about once a minute (questions
        whose answers come as notifications).
    reads
        Characteristics to read after connecting; their values are fed to the decoder.
    silence_s
        Seconds without any value after which a link that calls itself connected is dead.
    min_mtu
        Smallest ATT MTU that carries a whole value.
    splits
        On a smaller MTU the sensor sends a value in parts, which the decoder joins.
    uuid_digits
        Leading characters by which UUIDs are told apart: 36 is all of them; 8 for makers who
        do not agree with themselves on the rest.
    """

    driver_id: str
    title: str
    service: str
    streams: tuple[StreamSpec, ...]
    notifies: tuple[str, ...]
    make_decoder: Callable[[], Decoder] = field(repr=False)
    names: tuple[str, ...] = ()
    services: tuple[str, ...] = ()
    companies: tuple[int, ...] = ()
    setup: tuple[Write, ...] = ()
    start: tuple[Write, ...] = ()
    stop: tuple[Write, ...] = ()
    poll: tuple[Write, ...] = ()
    reads: tuple[str, ...] = ()
    silence_s: float = SILENCE_S
    min_mtu: int = 23
    splits: bool = False
    uuid_digits: int = 36
    lsl: LslSource | None = None

    def same_uuid(self, one: str, other: str) -> bool:
        """Whether two UUIDs mean the same attribute of this sensor."""
        return one.lower()[: self.uuid_digits] == other.lower()[: self.uuid_digits]

    def recognises(self, seen: Advertisement) -> bool:
        """Whether an advertisement is of such a sensor."""
        return (
            any(seen.name.startswith(name) for name in self.names)
            or any(company in self.companies for company in seen.companies)
            or any(self.same_uuid(a, b) for a in seen.services for b in self.services)
        )

    def stream(self, name: str) -> StreamSpec:
        """Find a stream by its name; KeyError where there is none."""
        return {spec.name: spec for spec in self.streams}[name]


@dataclass(frozen=True, slots=True)
class Sensor:
    """One sensor that is to be used.

    Attributes
    ----------
    name
        The wearer's name for it, for example ``shank.r``.
    driver
        What it is.
    address
        Of this very one; None takes any that the driver recognises.
    adapter
        That it is connected by; None: the one of the session.
    """

    name: str
    driver: Driver
    address: str | None = None
    adapter: str | None = None
