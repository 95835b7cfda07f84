"""WitMotion BLE 5.0 family (BWT901BLE5.0, WT901BLECL5.0, WT901BLE67/68, WT9011DCL-BT50).

Nine-axis IMU, a byte stream of frames: one to four and more in a notification, and answers to
register reads between them. No checksum and no counter; a setting of newer firmware appends the
time of day. Layout: the maker's BLE 5.0 protocol page.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable

import numpy as np

from kinefed.sensors.channel import DEGREE, STANDARD_GRAVITY, axes
from kinefed.sensors.decoder import Battery, Decoder, Item, Notice, Refusal, Refused, numbers
from kinefed.sensors.driver import Driver, StreamSpec, Write
from kinefed.sensors.drivers._options import one_of
from kinefed.sensors.loss import ArrivalLoss, TickCounter
from kinefed.sensors.track import Track

DRIVER_ID = "witmotion"

# Not the Bluetooth base (..9b34fb); some units do use that, so 8 digits must do.
SERVICE = "0000ffe5-0000-1000-8000-00805f9a34fb"
DATA = "0000ffe4-0000-1000-8000-00805f9a34fb"
COMMAND = "0000ffe9-0000-1000-8000-00805f9a34fb"

# 200 Hz is 0x0A in the BLE page, 0x0B in the maker's general one.
RATE_CODES = {1: 3, 2: 4, 5: 5, 10: 6, 20: 7, 50: 8, 100: 9, 200: 0x0A}

FRAME, TIMED = 20, 28
_DATA_HEAD, _ANSWER_HEAD = b"\x55\x61", b"\x55\x71"
_HEADS = (_DATA_HEAD, _ANSWER_HEAD)
_DAY_MS = 24 * 3600 * 1000

_ACC_LSB = 16.0 * STANDARD_GRAVITY / 32768.0
_GYRO_LSB = 2000.0 * DEGREE / 32768.0
_ANGLE_LSB = 180.0 * DEGREE / 32768.0
_CHANNELS = (*axes("acc", _ACC_LSB), *axes("gyro", _GYRO_LSB), *axes("euler", _ANGLE_LSB))
_SCALE = np.repeat((_ACC_LSB, _GYRO_LSB, _ANGLE_LSB), 3)

BATTERY_REGISTER = 0x64
# Lower bounds in 1/100 V, from the maker's page.
_CHARGE = (
    (396, 100),
    (393, 90),
    (387, 75),
    (382, 60),
    (379, 50),
    (377, 40),
    (373, 30),
    (370, 20),
    (368, 15),
    (350, 10),
    (340, 5),
)


def witmotion(rate_hz: int = 100) -> Driver:
    """Make the driver of a WitMotion sensor.

    Parameters
    ----------
    rate_hz
        One of `RATE_CODES`. The maker's two pages differ on the code of 200 Hz: compare the
        measured rate.

    Raises
    ------
    UsageError
        ``bad_argument``.
    """
    code = RATE_CODES[one_of(DRIVER_ID, "rate_hz", rate_hz, RATE_CODES)]
    spec = StreamSpec("imu", _CHANNELS, float(rate_hz))
    ask_battery = _command(0x27, BATTERY_REGISTER)
    return Driver(
        DRIVER_ID,
        "WitMotion BLE 5.0",
        SERVICE,
        (spec,),
        notifies=(DATA,),
        make_decoder=lambda: _WitDecoder(spec),
        names=("WT",),
        services=(SERVICE,),
        start=(_command(0x03, code), ask_battery),
        poll=(ask_battery,),
        silence_s=max(0.5, 3.0 / rate_hz),
        # A notification holds whole frames; four of them at 100 Hz.
        min_mtu=83,
        splits=True,
        uuid_digits=8,
    )


def _command(register: int, value: int) -> Write:
    return Write(COMMAND, bytes((0xFF, 0xAA, register, value, 0)), response=False)


class _WitDecoder(Decoder):
    def __init__(self, spec: StreamSpec) -> None:
        super().__init__({DATA: self._data}, uuid_digits=8)
        self._spec = spec
        rate = spec.rate_hz or 1.0
        self._track = Track(
            "imu",
            rate,
            clock=TickCounter(_DAY_MS, 1000.0, 1000.0 / rate),
            tick_ns=1_000_000,
            arrivals=ArrivalLoss(rate, quantum=_bundle(rate)),
        )
        self._rest = b""
        self._timed = False

    def reconnected(self) -> None:
        self._rest = b""
        self._track.reconnected()

    def _data(self, value: bytes, arrival_ns: int) -> Iterable[Item]:
        frames, answers = self._split(value)
        if frames:
            yield from self._samples(frames, arrival_ns)
        for answer in answers:
            yield from _register(answer)

    def _split(self, value: bytes) -> tuple[list[bytes], list[bytes]]:
        """Cut the stream into data frames and answers; what is not whole yet is kept."""
        data, at = self._rest + value, 0
        frames: list[bytes] = []
        answers: list[bytes] = []
        while len(data) - at >= FRAME:
            head = data[at : at + 2]
            size = FRAME if head == _ANSWER_HEAD else 0
            if head == _DATA_HEAD:
                found = self._frame_size(data[at:])
                if found is None:
                    break
                size = found
            if size:
                (frames if head == _DATA_HEAD else answers).append(data[at : at + size])
                at += size
            else:
                at = self._resume(data, at + 1)
        self._rest = data[at:]
        return frames, answers

    def _frame_size(self, data: bytes) -> int | None:
        """Length of the data frame at the start, 0 where it is none, None where more must come.

        A frame is one where a header or the end of what came follows it: 0x55 0x61 also occurs
        within frames.
        """
        if data[FRAME : FRAME + 2] in _HEADS:
            self._timed = False
            return FRAME
        after = data[TIMED : TIMED + 2]
        timed = len(data) >= TIMED and _time_of_day_ms(data) is not None
        if timed and (not after or after in _HEADS):
            self._timed = True
            return TIMED
        if len(data) == FRAME and not self._timed:
            return FRAME
        more = len(data) < TIMED or (timed and after == _DATA_HEAD[:1])
        return None if more else 0

    def _resume(self, data: bytes, at: int) -> int:
        """Find the next header, and count that the stream was out of step."""
        self.refused[Refusal.NOT_ALIGNED] += 1
        places = [p for p in (data.find(head, at) for head in _HEADS) if p >= 0]
        if places:
            return min(places)
        return len(data) - 1 if data[-1:] == _DATA_HEAD[:1] else len(data)

    def _samples(self, frames: list[bytes], arrival_ns: int) -> Iterable[Item]:
        bodies = b"".join(frame[2:FRAME] for frame in frames)
        values = self._spec.checked(numbers(bodies, "<i2", 9) * _SCALE)
        ticks = [_time_of_day_ms(frame) for frame in frames if len(frame) == TIMED]
        known = [tick for tick in ticks if tick is not None]
        if len(known) == len(frames):
            return (self._track.clocked(values, arrival_ns, known),)
        return (self._track.plain(values, arrival_ns),)


def _bundle(rate_hz: float) -> int:
    """Frames of one notification, of which there are about 25 a second; all are lost at once."""
    return max(1, round(rate_hz / 25.0))


def _time_of_day_ms(frame: bytes) -> int | None:
    """Read the time appended to a frame; None where it is no time."""
    month, day, hour, minute, second, ms = struct.unpack_from("<5BH", frame, FRAME + 1)
    if month > 12 or day > 31 or hour > 23 or minute > 59 or second > 59 or ms > 999:
        return None
    return int(((hour * 60 + minute) * 60 + second) * 1000 + ms)


def _register(answer: bytes) -> Iterable[Item]:
    register, *values = struct.unpack_from("<H8h", answer, 2)
    if register == BATTERY_REGISTER:
        hundredths = values[0]
        # 0 just after connecting, before the first measurement.
        if hundredths == 0:
            return ()
        if not 0 < hundredths < 1000:
            raise Refused(Refusal.OUT_OF_RANGE)
        percent = next((p for low, p in _CHARGE if hundredths >= low), 0)
        return (Battery(float(percent), volts=hundredths / 100.0),)
    fields = {f"{register + i:#04x}": value for i, value in enumerate(values)}
    return (Notice("registers", True, fields),)
