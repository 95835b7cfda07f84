"""Tindeq Progressor: force gauge, about 80 Hz with a clock. Torque is force times lever arm.

Layout: the maker's public Progressor API. Its commands 0x69 and 0x6A overwrite the calibration
and are sent by nothing here.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable

import numpy as np

from kinefed.sensors.channel import STANDARD_GRAVITY, Channel
from kinefed.sensors.decoder import (
    Battery,
    Decoder,
    Item,
    Notice,
    Refusal,
    Refused,
    as_float,
    require,
)
from kinefed.sensors.driver import Driver, StreamSpec, Write
from kinefed.sensors.loss import TickCounter
from kinefed.sensors.track import Track

DRIVER_ID = "progressor"


def uuid(short: str) -> str:
    """Write out one of the maker's UUIDs."""
    return f"{short}-1ea6-40c9-9dcc-13d34ffead57"


SERVICE, DATA, CONTROL = uuid("7e4e1701"), uuid("7e4e1702"), uuid("7e4e1703")
RATE_HZ = 80.0

_TARE, _START, _STOP, _BATTERY = 0x64, 0x65, 0x66, 0x6F
_ANSWER, _WEIGHT, _LOW_BATTERY = 0, 1, 4
_SAMPLE = np.dtype([("kgf", "<f4"), ("us", "<u4")])
_SPEC = StreamSpec("force", (Channel("force"),), RATE_HZ, clocked=True)
# One lithium cell; outside of this, the answer was to another command.
_CELL_MV = (2000, 5000)


def progressor(tare: bool = False) -> Driver:
    """Make the driver of a Progressor.

    Parameters
    ----------
    tare
        Set what hangs on it now to zero, at the start and again after every reconnection.
    """
    before = (Write(CONTROL, bytes((_TARE,))),) if tare else ()
    return Driver(
        DRIVER_ID,
        "Tindeq Progressor",
        SERVICE,
        (_SPEC,),
        notifies=(DATA,),
        make_decoder=_ProgressorDecoder,
        names=("Progressor",),
        start=(Write(CONTROL, bytes((_BATTERY,))), *before, Write(CONTROL, bytes((_START,)))),
        stop=(Write(CONTROL, bytes((_STOP,))),),
        # Samples come about fifteen at a time, three of which may pass.
        silence_s=3.0 * 15.0 / RATE_HZ,
        # Fifteen samples behind tag, length and the notification's header.
        min_mtu=15 * _SAMPLE.itemsize + 5,
    )


class _ProgressorDecoder(Decoder):
    def __init__(self) -> None:
        super().__init__({DATA: self._data})
        self._track = Track(
            "force", RATE_HZ, clock=TickCounter(2**32, 1e6, 1e6 / RATE_HZ), tick_ns=1000
        )

    def reconnected(self) -> None:
        self._track.reconnected()

    def _data(self, value: bytes, arrival_ns: int) -> Iterable[Item]:
        tag, length = require(value, 2)
        data = require(value, 2 + length)[2:]
        if tag == _WEIGHT:
            return (self._weight(data, arrival_ns),)
        if tag == _LOW_BATTERY:
            return (Notice("low_battery", False),)
        if tag == _ANSWER:
            return _answer(data)
        raise Refused(Refusal.UNKNOWN_TYPE)

    def _weight(self, data: bytes, arrival_ns: int) -> Item:
        if not data or len(data) % _SAMPLE.itemsize:
            raise Refused(Refusal.BAD_LENGTH)
        rows = np.frombuffer(data, _SAMPLE)
        newtons = as_float(rows["kgf"])[:, None] * STANDARD_GRAVITY
        ticks = [int(tick) for tick in rows["us"]]
        return self._track.clocked(_SPEC.checked(newtons), arrival_ns, ticks)


def _answer(data: bytes) -> Iterable[Item]:
    if len(data) != 4:
        raise Refused(Refusal.BAD_LENGTH)
    (millivolt,) = struct.unpack("<I", data)
    if not _CELL_MV[0] <= millivolt <= _CELL_MV[1]:
        raise Refused(Refusal.OUT_OF_RANGE)
    return (Battery(volts=millivolt / 1000.0),)
