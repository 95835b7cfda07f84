"""Records of worn sensors into the engine: live from a hub, or again from a packet log."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from kinefed.client.live.angles import LiveAngles
from kinefed.client.live.columns import StreamLayout
from kinefed.client.live.engine import LiveEngine
from kinefed.client.live.output import Output
from kinefed.sensors import Even, EvenStream, Record, Session, Timed, Worn
from kinefed.sensors.session import Heard


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
        Made for `layouts_of` them, and for those of `angles`.
    angles
        Joint angles of the wearer, which the engine is then given as well.
    on_heard
        Told of all that the sensors say.

    Attributes
    ----------
    session
        With the health of each sensor.
    """

    def __init__(
        self,
        sensors: Sequence[Worn],
        engine: LiveEngine,
        angles: LiveAngles | None = None,
        on_heard: Callable[[Heard], None] = lambda _heard: None,
    ) -> None:
        self._sensors, self._engine = tuple(sensors), engine
        self._angles, self._on_heard = angles, on_heard
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
            self._on_heard(heard)
            if not isinstance(heard.item, Timed):
                continue
            even_stream = self._streams.get((heard.sensor, heard.item.samples.stream))
            if even_stream is not None:
                even = even_stream.push(heard.item)
                outputs += self._push(even_stream.name, even, record.arrival_ns)
                if self._angles is not None:
                    for name, angles in self._angles.push(even_stream.name, even):
                        outputs += self._push(name, angles, record.arrival_ns)
        return outputs

    def advance(self, now_ns: int) -> list[Output]:
        """Let time pass; see `LiveEngine.advance`."""
        return self._engine.advance(now_ns)

    def _push(self, stream: str, even: Even, arrival_ns: int) -> list[Output]:
        return self._engine.push(stream, even, self._start_ns, arrival_ns)
