"""Packets whose layout is data: a header of counter, clock and count, then samples."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from kinefed.sensors.decoder import Decoder, Handler, Item, Refusal, Refused, as_float, require
from kinefed.sensors.driver import StreamSpec
from kinefed.sensors.loss import ArrivalLoss, TickCounter
from kinefed.sensors.track import Track


@dataclass(frozen=True, slots=True)
class PacketLayout:
    """Where the numbers of one stream's packets are.

    Attributes
    ----------
    spec
        The stream.
    characteristic
        UUID that its packets come from.
    header
        Structure of the header; ``seq``, ``timestamp`` and ``count`` are understood.
    sample
        Structure of a sample.
    columns
        Fields of `sample` that are channels, in their order.
    scale
        Factor of each column to its unit.
    tick_s
        Length of a tick of ``timestamp``.
    last
        ``timestamp`` is of the last sample, not of the first.
    """

    spec: StreamSpec
    characteristic: str
    header: np.dtype[np.void]
    sample: np.dtype[np.void]
    columns: tuple[str, ...]
    scale: tuple[float, ...]
    tick_s: float = 1.0
    last: bool = False

    def has(self, name: str) -> bool:
        """Whether the header holds a field."""
        return name in (self.header.names or ())

    def values_of(self, name: str) -> int:
        """How many values a header's field takes before it wraps."""
        return 1 << (8 * self.header[name].itemsize)


class PacketDecoder(Decoder):
    """Decodes streams by their layouts."""

    def __init__(self, layouts: Iterable[PacketLayout]) -> None:
        layouts = tuple(layouts)
        self._tracks: dict[str, Track] = {}
        # Samples of the packet before, by which a clock of first samples moves.
        self._before = {layout.spec.name: 1 for layout in layouts}
        super().__init__({layout.characteristic: self._handler(layout) for layout in layouts})

    def reconnected(self) -> None:
        """Forget what the arrivals said."""
        for track in self._tracks.values():
            track.reconnected()

    def _handler(self, layout: PacketLayout) -> Handler:
        def handler(value: bytes, arrival_ns: int) -> Iterable[Item]:
            return (self._packet(layout, value, arrival_ns),)

        return handler

    def _packet(self, layout: PacketLayout, value: bytes, arrival_ns: int) -> Item:
        size, each = layout.header.itemsize, layout.sample.itemsize
        header = np.frombuffer(require(value, size), layout.header)[0] if size else None
        count = (len(value) - size) // each
        if header is not None and layout.has("count"):
            count = int(header["count"])
        if count == 0:
            raise Refused(Refusal.BAD_LENGTH)
        rows = np.frombuffer(require(value, size + count * each), layout.sample, count, size)
        columns = [as_float(rows[name]) for name in layout.columns]
        values = layout.spec.checked(np.column_stack(columns) * layout.scale)
        track = self._tracks.setdefault(layout.spec.name, _track(layout, count))
        if header is None or not (layout.has("timestamp") or layout.has("seq")):
            return track.plain(values, arrival_ns)
        if not layout.has("timestamp"):
            return track.counted(values, arrival_ns, int(header["seq"]))
        tick = int(header["timestamp"])
        if layout.last:
            return track.last_clocked(values, arrival_ns, tick)
        due, self._before[layout.spec.name] = self._before[layout.spec.name], count
        return track.first_clocked(values, arrival_ns, tick, due)


def _track(layout: PacketLayout, count: int) -> Track:
    name, rate = layout.spec.name, layout.spec.rate_hz or 1.0
    if layout.has("timestamp"):
        per_s = 1.0 / layout.tick_s
        clock = TickCounter(layout.values_of("timestamp"), per_s, per_s / rate)
        return Track(name, rate, clock=clock, tick_ns=layout.tick_s * 1e9)
    if layout.has("seq"):
        return Track(name, rate, clock=TickCounter(layout.values_of("seq"), rate / count, 1.0))
    return Track(name, rate, arrivals=ArrivalLoss(rate, quantum=count))
