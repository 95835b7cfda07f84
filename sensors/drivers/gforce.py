"""OYMotion gForce Pro and Pro+: armband of eight surface EMG electrodes, with an IMU.

Layout: the maker's gForceSDKPython. There is neither clock nor counter. EMG and IMU together are
unreliable on the armband, so a driver takes one of them.
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Callable, Iterable

import numpy as np

from kinefed.sensors.channel import DEGREE, EARTH_FIELD_UT, STANDARD_GRAVITY, axes, electrodes
from kinefed.sensors.decoder import (
    Battery,
    Decoder,
    FloatArray,
    Handler,
    Item,
    Notice,
    Refusal,
    Refused,
    numbers,
    require,
)
from kinefed.sensors.driver import Driver, StreamSpec, Write
from kinefed.sensors.drivers._options import one_of
from kinefed.sensors.loss import ArrivalLoss
from kinefed.sensors.track import Track

DRIVER_ID = "gforce"

SERVICE = "0000ffd0-0000-1000-8000-00805f9b34fb"
COMMAND = "f000ffe1-0451-4000-b000-000000000000"
DATA = "f000ffe2-0451-4000-b000-000000000000"

RATES_HZ = (500, 650, 1000)
ELECTRODES = 8
EMG_BYTES = 128
_FULL_SCALE_V = 2.5
_FRAGMENT = 0xFF
# No data packet or answer is longer; a longer chain of fragments is garbage.
_LONGEST = 1024

_GET_BATTERY, _SET_EMG, _SWITCH = 0x08, 0x3F, 0x4F
_STATUS = {0: "done", 1: "not supported", 2: "bad parameter", 3: "failed", 4: "timed out"}
# Data type -> stream, flag of the data switch, kind, unit of 65536 counts.
_IMU = {
    1: ("acc", 0x01, STANDARD_GRAVITY),
    2: ("gyro", 0x02, DEGREE),
    3: ("mag", 0x04, 1.0 / EARTH_FIELD_UT),
}
_EMG_TYPE, _EMG_FLAG = 8, 0x80


def gforce(
    signals: str = "emg", rate_hz: int = 500, bits: int = 12, gain: float = 1200.0
) -> Driver:
    """Make the driver of a gForce armband.

    Parameters
    ----------
    signals
        ``"emg"`` or ``"imu"``.
    rate_hz
        Of the EMG, one of `RATES_HZ`; 12 bits go up to 500 Hz only.
    bits
        8 or 12.
    gain
        Of the amplifier. LibEMG says 1200, the maker's page for the gForce 100 says 800; with
        `Channel.lsb` the counts can be had back.

    Raises
    ------
    UsageError
        ``bad_argument``.
    """
    one_of(DRIVER_ID, "signals", signals, ("emg", "imu"))
    one_of(DRIVER_ID, "rate_hz", rate_hz, RATES_HZ)
    one_of(DRIVER_ID, "bits", bits, (8, 12) if rate_hz == 500 else (8,))
    if signals == "imu":
        specs = {
            kind: StreamSpec(stream, axes(stream, unit / 65536.0), None)
            for kind, (stream, _, unit) in _IMU.items()
        }
        flags, setup = sum(flag for _, flag, _ in _IMU.values()), b""
    else:
        lsb = _FULL_SCALE_V / gain / (2 ** (bits - 1) - 1)
        specs = {_EMG_TYPE: StreamSpec("emg", electrodes(ELECTRODES, lsb=lsb), float(rate_hz))}
        flags = _EMG_FLAG
        setup = struct.pack("<BHHBB", _SET_EMG, rate_hz, 0xFF, EMG_BYTES, bits)
    start = [Write(COMMAND, struct.pack("<BI", _SWITCH, flags))]
    if setup:
        start.insert(0, Write(COMMAND, setup))
    ask_battery = Write(COMMAND, bytes((_GET_BATTERY,)))
    return Driver(
        DRIVER_ID,
        "OYMotion gForce",
        SERVICE,
        tuple(specs.values()),
        notifies=(COMMAND, DATA),
        make_decoder=lambda: _GForceDecoder(specs, bits),
        services=(SERVICE,),
        start=(ask_battery, *start),
        stop=(Write(COMMAND, struct.pack("<BI", _SWITCH, 0)),),
        poll=(ask_battery,),
        # Type byte and notification header around the samples; below it the armband fragments.
        min_mtu=EMG_BYTES + 4,
        splits=True,
    )


class _Joiner:
    """Puts fragments ``FF n ...`` together, which count down to n = 0.

    A chain that breaks is dropped and counted; what broke it may be the beginning of the next.
    """

    def __init__(self, refused: Counter[Refusal]) -> None:
        self._refused = refused
        self.clear()

    def clear(self) -> None:
        self._parts = b""
        self._next: int | None = None

    def join(self, value: bytes) -> bytes | None:
        """Take a value; give a whole packet, or None while parts are missing."""
        whole = require(value, 1)[0] != _FRAGMENT
        left = -1 if whole else require(value, 2)[1]
        if self._next is not None and left != self._next:
            self._refused[Refusal.OUT_OF_ORDER] += 1
            self.clear()
        if whole:
            return value
        self._parts += value[2:]
        if len(self._parts) > _LONGEST:
            self.clear()
            raise Refused(Refusal.BAD_LENGTH)
        if left:
            self._next = left - 1
            return None
        packet = self._parts
        self.clear()
        return packet


class _GForceDecoder(Decoder):
    def __init__(self, specs: dict[int, StreamSpec], bits: int) -> None:
        super().__init__(
            {COMMAND: self._joined(COMMAND, _answer), DATA: self._joined(DATA, self._packet)}
        )
        self._joiners = {uuid: _Joiner(self.refused) for uuid in (COMMAND, DATA)}
        self._specs = specs
        self._bits = bits
        self._tracks = {kind: _track(spec, bits) for kind, spec in specs.items()}

    def reconnected(self) -> None:
        for joiner in self._joiners.values():
            joiner.clear()
        for track in self._tracks.values():
            track.reconnected()

    def _joined(self, uuid: str, whole: Callable[[bytes, int], Iterable[Item]]) -> Handler:
        def handler(value: bytes, arrival_ns: int) -> Iterable[Item]:
            packet = self._joiners[uuid].join(value)
            return () if packet is None else whole(packet, arrival_ns)

        return handler

    def _packet(self, value: bytes, arrival_ns: int) -> Iterable[Item]:
        kind = require(value, 1)[0]
        spec = self._specs.get(kind)
        if spec is None:
            raise Refused(Refusal.UNKNOWN_TYPE)
        values = self._emg(value[1:]) if kind == _EMG_TYPE else _imu(value[1:])
        scale = np.array([channel.lsb for channel in spec.channels])
        return (self._tracks[kind].plain(spec.checked(values * scale), arrival_ns),)

    def _emg(self, data: bytes) -> FloatArray:
        if len(data) != EMG_BYTES:
            raise Refused(Refusal.BAD_LENGTH)
        counts = numbers(data, "u1" if self._bits == 8 else "<u2", ELECTRODES)
        if counts.max() >= 1 << self._bits:
            raise Refused(Refusal.OUT_OF_RANGE)
        zero = 1 << (self._bits - 1)
        return counts - zero


def _imu(data: bytes) -> FloatArray:
    return numbers(require(data, 12), "<i4", 3)


def _track(spec: StreamSpec, bits: int) -> Track:
    if spec.rate_hz is None:
        return Track(spec.name, None)
    samples = EMG_BYTES // ELECTRODES * 8 // (8 if bits == 8 else 16)
    return Track(spec.name, spec.rate_hz, arrivals=ArrivalLoss(spec.rate_hz, quantum=samples))


def _answer(value: bytes, _arrival_ns: int) -> Iterable[Item]:
    status, command = require(value, 2)
    result = _STATUS.get(status)
    if result is None:
        raise Refused(Refusal.UNKNOWN_TYPE)
    if command == _GET_BATTERY and status == 0:
        percent = require(value, 3)[2]
        if percent > 100:
            raise Refused(Refusal.OUT_OF_RANGE)
        return (Battery(float(percent)),)
    return (Notice("answer", status == 0, {"command": command, "result": result}),)
