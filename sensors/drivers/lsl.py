"""Any stream of the Lab Streaming Layer as a worn sensor: amplifiers and programs that send one.

In ``worn.toml``::

    [[sensor]]
    name = "amp"
    driver = "lsl"
    settings = { stream = "BrainAmp", rate_hz = 1000, channels = "EMG1=emg.soleus.r" }

The stream's channels are named as in recordings, so it needs neither place nor electrodes. What
comes from the network is written as packets, so that it is logged and replayed like all else.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping

import numpy as np

from kinefed.datasets.channels import ChannelName
from kinefed.datasets.errors import DataError, UsageError, UsageReason
from kinefed.sensors.channel import Channel
from kinefed.sensors.clock import NS
from kinefed.sensors.decoder import (
    Decoder,
    FloatArray,
    IntArray,
    Item,
    Refusal,
    Refused,
    Samples,
    numbers,
    require,
)
from kinefed.sensors.driver import SILENCE_S, Driver, LslSource, StreamSpec
from kinefed.sensors.lsl_network import StampCounter

DRIVER_ID = "lsl"
PACKET = "lsl"
"""In the place of a characteristic."""
MOST_BYTES = 32_000
"""Of a packet: its length has two bytes in a log."""

_COUNT = struct.Struct("<I")
# A stamp further from its arrival is of no clock that LSL corrected.
_APART_NS = 3600 * NS


def lsl(stream: str, channels: str, rate_hz: float) -> Driver:
    """Make the driver of a stream.

    Parameters
    ----------
    stream
        Its name.
    channels
        ``"EMG1=emg.soleus.r, EMG2=emg.tibialis_anterior.r"``: labels of the stream and their
        names in recordings; one word where both are the same. A stream without labels counts
        its channels, ``"1=emg.soleus.r"``.
    rate_hz
        Samples a second.
    """
    named = _named(channels)
    if not stream:
        raise _bad("stream is empty")
    if isinstance(rate_hz, bool) or not 0.0 < rate_hz <= 100_000.0:
        raise _bad(f"rate_hz is {rate_hz!r}")
    spec = StreamSpec(
        "stream",
        tuple(_channel(name) for name in named.values()),
        float(rate_hz),
        clocked=True,
        synchronised=True,
    )
    return Driver(
        DRIVER_ID,
        f"LSL stream {stream}",
        "",
        (spec,),
        notifies=(PACKET,),
        make_decoder=lambda: _LslDecoder(spec),
        silence_s=max(SILENCE_S, 3.0 / rate_hz),
        lsl=LslSource(stream, named),
    )


def pack(host_ns: IntArray, values: FloatArray) -> list[bytes]:
    """Write samples as packets.

    ::

        uint32 samples, for each int64 time on the host's monotonic clock in ns, then for each
        float64 of every channel; little-endian

    Parameters
    ----------
    host_ns, values
        (samples,) and (samples, channels).
    """
    rows = max(1, (MOST_BYTES - _COUNT.size) // (8 * (1 + values.shape[1])))
    return [
        _COUNT.pack(len(host_ns[at : at + rows]))
        + host_ns[at : at + rows].astype("<i8").tobytes()
        + values[at : at + rows].astype("<f8").tobytes()
        for at in range(0, len(host_ns), rows)
    ]


class _LslDecoder(Decoder):
    def __init__(self, spec: StreamSpec) -> None:
        super().__init__({PACKET: self._samples})
        self._spec = spec
        assert spec.rate_hz is not None
        self._period_ns = NS / spec.rate_hz
        self._count = StampCounter(spec.rate_hz)

    def _samples(self, value: bytes, arrival_ns: int) -> Iterable[Item]:
        (n,) = _COUNT.unpack(require(value, _COUNT.size))
        width = len(self._spec.channels)
        if not n or len(value) != _COUNT.size + 8 * n * (1 + width):
            raise Refused(Refusal.BAD_LENGTH)
        host = np.frombuffer(value, "<i8", n, _COUNT.size).astype(np.int64)
        if (host < arrival_ns - _APART_NS).any() or (host > arrival_ns + _APART_NS).any():
            raise Refused(Refusal.OUT_OF_RANGE)
        values = self._spec.checked(numbers(value[_COUNT.size + 8 * n :], "<f8", width))
        index, lost, restarted = self._count.step(host / NS)
        back = np.arange(n - 1, -1, -1) * self._period_ns
        arrival = arrival_ns - np.round(back).astype(np.int64)
        yield Samples(self._spec.name, values, index, arrival, host, lost, restarted)


def _named(channels: str) -> Mapping[str, str]:
    """Label to name; names are checked, and neither may come twice."""
    found: dict[str, str] = {}
    for word in (part.strip() for part in str(channels).split(",")):
        label, equals, name = (each.strip() for each in word.partition("="))
        name = name if equals else label
        if label in found or name in found.values():
            raise _bad(f"channel {name or label!r} comes twice")
        found[label] = name
    return found


def _channel(name: str) -> Channel:
    try:
        parts = ChannelName.parse(name)
    except DataError as error:
        raise _bad(error.what) from error
    site = parts.site if parts.side is None else f"{parts.site}.{parts.side}"
    return Channel(parts.kind, parts.axis, where=site)


def _bad(what: str) -> UsageError:
    return UsageError(
        UsageReason.BAD_ARGUMENT,
        what,
        where=f"sensor {DRIVER_ID}",
        next_step='Give { stream = "Amp", rate_hz = 1000, channels = "EMG1=emg.soleus.r" }',
    )
