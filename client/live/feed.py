"""Records of worn sensors into the engine: live from a hub, or again from a packet log."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from kinefed.client.live.columns import StreamLayout
from kinefed.client.live.engine import LiveEngine
from kinefed.client.live.output import Output
from kinefed.sensors import EvenStream, Record, Session, Timed, Worn


def layouts_of(sensors: Iterable[Worn]) -> tuple[StreamLayout, ...]:
    """Say what worn sensors give, for `LiveEngine`; streams without a place are left out."""
    streams = (EvenStream(worn, spec, 0) for worn in sensors for spec in worn.driver().streams)
    return tuple(StreamLayout(s.name, s.rate_hz, s.channels) for s in streams if s.channels)


class SensorFeed:
    """Decodes, times and brings to even times what sensors send, and gives it to an engine.

    Time zero is the arrival of the first record, as of a recording of the same session.

    Parameters
    ----------
    sensors
        What is worn.
    engine
        Made for `layouts_of` them.

    Attributes
    ----------
    session
        With the health of each sensor.
    """

    def __init__(self, sensors: Sequence[Worn], engine: LiveEngine) -> None:
        self._sensors, self._engine = tuple(sensors), engine
        self.session = Session(self._sensors)
        self._start_ns = 0
        self._streams: dict[tuple[str, str], EvenStream] = {}

    @property
    def next_tick_ns(self) -> int | None:
        """See `LiveEngine.next_tick_ns`."""
        return self._engine.next_tick_ns

    def take(self, record: Record) -> list[Output]:
        """Take the next record, in order of arrival; give the outputs that came before it."""
        if not self._streams:
            self._start_ns = record.arrival_ns
            self._streams = {
                (worn.name, spec.name): stream
                for worn in self._sensors
                for spec in worn.driver().streams
                if (stream := EvenStream(worn, spec, self._start_ns)).channels
            }
        outputs = self._engine.advance(record.arrival_ns)
        for heard in self.session.take(record):
            if not isinstance(heard.item, Timed):
                continue
            even_stream = self._streams.get((heard.sensor, heard.item.samples.stream))
            if even_stream is not None:
                even = even_stream.push(heard.item)
                outputs += self._engine.push(
                    even_stream.name, even, self._start_ns, record.arrival_ns
                )
        return outputs

    def advance(self, now_ns: int) -> list[Output]:
        """Let time pass; see `LiveEngine.advance`."""
        return self._engine.advance(now_ns)
