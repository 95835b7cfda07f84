"""From records to samples with times: the one way for live use, recordings and replays."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from kinefed.sensors.decoder import Battery, Decoder, Notice, Samples
from kinefed.sensors.records import LinkEvent, LinkState, Packet, Record
from kinefed.sensors.timeline import Timed, Timeline
from kinefed.sensors.worn import Worn


@dataclass(frozen=True, slots=True)
class Heard:
    """Something a sensor said.

    Attributes
    ----------
    sensor
        Its name.
    item
        Samples with their times, its battery, a notice, or what happened to its link.
    """

    sensor: str
    item: Timed | Battery | Notice | LinkEvent


@dataclass(slots=True)
class Health:
    """How a sensor does.

    Attributes
    ----------
    received, lost
        Samples of all its streams.
    refused
        Values that its decoder could not use.
    reconnections
        How often the link was lost.
    battery
        The newest word, None before the first.
    """

    received: int = 0
    lost: int = 0
    refused: int = 0
    reconnections: int = 0
    battery: Battery | None = None

    @property
    def loss(self) -> float:
        """Share of the samples that were lost."""
        return self.lost / max(1, self.lost + self.received)


class Session:
    """Decodes and times what comes from all sensors of a wearer.

    The same records give the same result, bit for bit: there is no clock and no chance in it.

    Parameters
    ----------
    sensors
        What is worn.

    Attributes
    ----------
    health
        By name of the sensor.
    """

    def __init__(self, sensors: Iterable[Worn]) -> None:
        self._decoders: dict[str, Decoder] = {}
        self._timelines: dict[tuple[str, str], Timeline] = {}
        self.health: dict[str, Health] = {}
        for worn in sensors:
            driver = worn.driver()
            self._decoders[worn.name] = driver.make_decoder()
            self.health[worn.name] = Health()
            for spec in driver.streams:
                self._timelines[worn.name, spec.name] = Timeline(spec, round(1e6 * worn.delay_ms))

    def take(self, record: Record) -> list[Heard]:
        """Take the next record, in order of arrival."""
        decoder, health = self._decoders[record.sensor], self.health[record.sensor]
        if isinstance(record, LinkEvent):
            if record.state is LinkState.LOST:
                decoder.reconnected()
                health.reconnections += 1
            return [Heard(record.sensor, record)]
        heard = [self._timed(record, item) for item in self._decoded(decoder, record)]
        health.refused = sum(decoder.refused.values())
        return heard

    def _decoded(self, decoder: Decoder, packet: Packet) -> tuple[Samples | Battery | Notice, ...]:
        return decoder.feed(packet.characteristic, packet.value, packet.arrival_ns)

    def _timed(self, packet: Packet, item: Samples | Battery | Notice) -> Heard:
        health = self.health[packet.sensor]
        if isinstance(item, Samples):
            health.received += len(item.values)
            health.lost += item.lost
            return Heard(packet.sensor, self._timelines[packet.sensor, item.stream].take(item))
        if isinstance(item, Battery):
            health.battery = item
        return Heard(packet.sensor, item)
