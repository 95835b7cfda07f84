"""The radio between emulated devices: instantaneous, or paced like a real one.

Bumble's own link delivers at once, which hides every timing fault. A paced one has connection
events at an interval, events that are missed, and blackouts. Bluetooth repeats what was not
received, so nothing is lost on the way: values are lost where a sensor's queue is full.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace

from bumble import ll
from bumble.att import Opcode
from bumble.controller import Controller
from bumble.core import PhysicalTransport
from bumble.hci import Address
from bumble.link import LocalLink

# After four bytes of L2CAP.
_ATT_OPCODE = 4
_VALUES = (Opcode.ATT_HANDLE_VALUE_NOTIFICATION, Opcode.ATT_HANDLE_VALUE_INDICATION)


@dataclass(frozen=True, slots=True)
class Pace:
    """How a link behaves.

    Attributes
    ----------
    interval_s
        Time between two connection events; 0 delivers at once.
    miss
        Share of events in which nothing gets through.
    queue
        Values that wait in a sensor; further ones are lost.
    seed
        Of the misses.
    """

    interval_s: float = 0.0
    miss: float = 0.0
    queue: int = 64
    seed: int = 0


class Air(LocalLink):
    """A link for any number of devices.

    Parameters
    ----------
    pace
        How it behaves.

    Attributes
    ----------
    pace
        As given; may be changed at any time.
    cut_off
        Values that waited for the next connection event when their connection ended, by the
        device that sent them: they are gone, as in a real sensor.
    """

    def __init__(self, pace: Pace | None = None) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.pace = pace or Pace()
        self.cut_off: Counter[Controller] = Counter()
        self._random = random.Random(self.pace.seed)
        self._waiting: list[tuple[Controller, Callable[[], None]]] = []
        self._timer: asyncio.TimerHandle | None = None
        self._dark_until = 0.0

    def blackout(self, seconds: float) -> None:
        """Let nothing through for a while, without breaking connections."""
        self._dark_until = asyncio.get_running_loop().time() + seconds
        self._schedule()

    def full(self, sender: Controller) -> bool:
        """Whether a device's queue holds no further value."""
        return sum(one is sender for one, _ in self._waiting) >= self.pace.queue

    def close(self) -> None:
        """Stop the connection events."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._waiting.clear()

    def send_acl_data(
        self,
        sender_controller: Controller,
        destination_address: Address,
        transport: PhysicalTransport,
        data: bytes,
    ) -> None:
        """Take data from a device; Bumble calls this."""
        connection = sender_controller.le_connections.get(destination_address)
        receiver = self.find_le_controller(destination_address)
        if connection is None or receiver is None:
            self._cut(sender_controller, data)
            return
        # Not the sender's random address, which need not be the one it is connected by.
        source = connection.self_address

        def deliver() -> None:
            if source in receiver.le_connections:
                receiver.on_link_acl_data(source, transport, data)
            else:
                self._cut(sender_controller, data)

        self._waiting.append((sender_controller, deliver))
        self._schedule()

    def _cut(self, sender: Controller, data: bytes) -> None:
        if data[_ATT_OPCODE] in _VALUES:
            self.cut_off[sender] += 1

    def send_advertising_pdu(
        self, sender_controller: Controller, packet: ll.AdvertisingPdu
    ) -> None:
        """Take an advertisement from a device; Bumble calls this."""
        if isinstance(packet, ll.AdvExtInd):
            # Bumble's controller answers no scan requests: the answer goes along at once.
            for each in sender_controller.advertising_sets.values():
                packet = replace(packet, data=packet.data + bytes(each.scan_response_data))
        super().send_advertising_pdu(sender_controller, packet)

    def _schedule(self) -> None:
        if self._timer is not None:
            return
        loop = asyncio.get_running_loop()
        now, interval = loop.time(), self.pace.interval_s
        at = now if interval == 0.0 else (now // interval + 1.0) * interval
        self._timer = loop.call_at(max(at, self._dark_until), self._event)

    def _event(self) -> None:
        self._timer = None
        now = asyncio.get_running_loop().time()
        if now >= self._dark_until and self._random.random() >= self.pace.miss:
            due, self._waiting = self._waiting, []
            for _, deliver in due:
                deliver()
        if self._waiting:
            self._schedule()
