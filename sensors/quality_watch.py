"""The quality of all worn channels, followed while they are worn.

What sensors send is only put aside when it comes; it is judged where there is time, one stream
after the other.
"""

from __future__ import annotations

from collections.abc import Iterable

from kinefed.sensors.quality import ChannelQuality, QualityMonitor
from kinefed.sensors.recorder import EvenStream
from kinefed.sensors.records import LinkEvent, LinkState
from kinefed.sensors.session import Heard
from kinefed.sensors.timeline import Timed
from kinefed.sensors.worn import Worn


class _Watched:
    """One stream: what is not judged yet, and what was found last."""

    def __init__(self, worn: Worn, stream: str) -> None:
        self._worn, self._stream = worn, stream
        self.waiting: list[Timed] = []
        self.found: tuple[ChannelQuality, ...] = ()
        self._even: EvenStream | None = None
        self._monitor: QualityMonitor | None = None

    def judge(self) -> None:
        waiting, self.waiting = self.waiting, []
        if not waiting:
            return
        if self._even is None or self._monitor is None:
            spec = self._worn.driver().stream(self._stream)
            self._even = EvenStream(self._worn, spec, int(waiting[0].samples.arrival_ns[0]))
            self._monitor = QualityMonitor(self._even.channels, self._even.rate_hz)
        for timed in waiting:
            even = self._even.push(timed)
            self._monitor.push(even.values, even.valid)
        self.found = self._monitor.look()

    def forget(self) -> None:
        self.waiting, self.found = [], ()
        self._even = self._monitor = None


class QualityWatch:
    """Judges the channels of worn sensors.

    Parameters
    ----------
    sensors
        What is worn; channels without a place are left out.
    """

    def __init__(self, sensors: Iterable[Worn]) -> None:
        self._streams = {
            (worn.name, spec.name): _Watched(worn, spec.name)
            for worn in sensors
            for spec in worn.driver().streams
            if worn.columns(spec)
        }
        self._turn = 0

    def hear(self, heard: Heard) -> None:
        """Put aside what a sensor said; after a connection was lost it is judged anew."""
        item = heard.item
        if isinstance(item, Timed):
            watched = self._streams.get((heard.sensor, item.samples.stream))
            if watched is not None:
                watched.waiting.append(item)
        elif isinstance(item, LinkEvent) and item.state is LinkState.LOST:
            for (sensor, _), each in self._streams.items():
                if sensor == heard.sensor:
                    each.forget()

    def look(self) -> None:
        """Judge the next stream: called ten times a second, each is judged every second or so."""
        every = list(self._streams.values())
        if every:
            every[self._turn % len(every)].judge()
            self._turn += 1

    def look_at_all(self) -> None:
        """Judge all streams."""
        for each in self._streams.values():
            each.judge()

    def faults(self, sensor: str | None = None, stream: str | None = None) -> list[ChannelQuality]:
        """List the channels that were at fault at the last look, by default of all streams."""
        return [
            channel
            for (of, name), each in self._streams.items()
            if sensor in (None, of) and stream in (None, name)
            for channel in each.found
            if not channel.good
        ]
