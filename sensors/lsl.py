"""The Lab Streaming Layer: other programs' streams in, streams of recordings and torques out.

LSL stamps samples with the sender's clock and measures how far that is from the receiver's
(Kothe et al., The lab streaming layer for synchronized multimodal recording, 2024). Its clock and
Python's monotonic one need not be the same, so times are carried over.

The wheels of pylsl for Linux, macOS and Windows hold the library itself (liblsl).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from kinefed.datasets.channels import ChannelName, unit_of
from kinefed.datasets.errors import DataError, DataReason, UsageError, UsageReason
from kinefed.datasets.types import Stream
from kinefed.sensors.clock import NS
from kinefed.sensors.decoder import FloatArray, IntArray, Samples
from kinefed.sensors.lsl_network import (
    LslStream,
    StampCounter,
    find_streams,
    need_pylsl,
    offset_ns,
    read_table,
    silent,
    to_ns,
)
from kinefed.sensors.recorder import EvenStream
from kinefed.sensors.timeline import Ascending, Timed

__all__ = ["Inlet", "LslStream", "Outlet", "find_streams"]

_PULL = 4096
_PLAY_S = 0.02


class Inlet:
    """Receives one stream; a context manager.

    Parameters
    ----------
    name
        Of the stream.
    channels
        Label of a channel to its name in recordings, ``{"EMG1": "emg.soleus.r"}``. By default
        channels are taken whose label is such a name, as an `Outlet` writes them.
    timeout_s
        How long it is looked for, and waited for.

    Attributes
    ----------
    name
        Of the stream.
    rate_hz
        None where it is irregular.
    channels
        Names in recordings, one a column of the values.
    lost
        Samples that the stamps show to be missing.

    Raises
    ------
    OutsideError
        ``sensor`` where there is no such stream, or it answers nothing.
    DataError
        ``bad_format`` for a stream of text; ``unknown_channel``, ``duplicate`` or ``wrong_unit``.
    """

    def __init__(
        self,
        name: str,
        channels: Mapping[str, str] | None = None,
        *,
        timeout_s: float = 5.0,
    ) -> None:
        self._pylsl = need_pylsl()
        self.name = name
        found = self._pylsl.resolve_byprop("name", name, 1, timeout_s)
        if not found:
            raise silent(name, "there is none of this name")
        if found[0].channel_format() == self._pylsl.cf_string:
            raise DataError(
                DataReason.BAD_FORMAT,
                "it is a stream of text",
                where=f"LSL stream {name}",
                next_step="Choose a stream of numbers",
            )
        self._inlet = self._pylsl.StreamInlet(found[0], max_buflen=60, recover=True)
        self.rate_hz: float | None = found[0].nominal_srate() or None
        self.lost = 0
        self._numbers = StampCounter(self.rate_hz)
        # The correction may change, and stamps may be equal.
        self._ascending = Ascending()
        try:
            table = read_table(self._inlet.info(timeout_s), channels, name)
            # The first correction takes a round of messages; later ones are at hand.
            self._inlet.time_correction(timeout_s)
            self._inlet.open_stream(timeout_s)
        except RuntimeError as error:
            raise silent(name, str(error)) from error
        self.channels = tuple(channel for _, channel, _ in table)
        self._columns = [column for column, _, _ in table]
        self._scale = np.array([scale for _, _, scale in table])

    def __enter__(self) -> Inlet:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop receiving."""
        self._inlet.close_stream()

    def pull(self, wait_s: float = 0.0) -> Timed | None:
        """Take what has come.

        Parameters
        ----------
        wait_s
            How long to wait for a first sample.

        Returns
        -------
        Timed or None
            Values (samples, channels) in the units of recordings; ``device_ns`` is the sender's
            stamp, ``arrival_ns`` when this program took it, ``host_ns`` the stamp on the host's
            monotonic clock. None where nothing came.

        Raises
        ------
        OutsideError
            ``sensor`` where the stream ended for good.
        """
        try:
            rows, stamps = self._inlet.pull_chunk(wait_s, _PULL, min_samples=1, as_numpy=True)
            if not len(stamps):
                return None
            correction_s = self._inlet.time_correction(1.0)
        except RuntimeError as error:
            raise silent(self.name, str(error)) from error
        now_ns = time.monotonic_ns()
        stamps_s = np.asarray(stamps, dtype=np.float64)
        index, lost, restarted = self._numbers.step(stamps_s)
        self.lost += lost
        host = to_ns(stamps_s + correction_s) + offset_ns(self._pylsl)
        values = np.asarray(rows, dtype=np.float64)[:, self._columns] * self._scale
        arrival = np.full(len(stamps_s), now_ns, dtype=np.int64)
        samples = Samples(
            self.name, values, index, arrival, to_ns(stamps_s), lost=lost, restarted=restarted
        )
        return Timed(samples, self._ascending(host))

    def even(self, start_ns: int, rate_hz: float | None = None) -> EvenStream:
        """Make even times of it, for a pipeline or a recording.

        Parameters
        ----------
        start_ns
            Time zero on the host's monotonic clock.
        rate_hz
            For an irregular stream.

        Raises
        ------
        UsageError
            ``bad_argument`` where the stream is irregular and no rate is given.
        """
        rate = rate_hz or self.rate_hz
        if rate is None:
            raise UsageError(
                UsageReason.BAD_ARGUMENT,
                "it is irregular",
                where=f"LSL stream {self.name}",
                next_step="Give the rate to bring it to",
            )
        return EvenStream.named(self.name, rate, self.channels, start_ns)


class Outlet:
    """Sends a stream, for example the torque of a wearer or a stream of a recording.

    Parameters
    ----------
    name, type
        Of the stream; LSL's types are free words such as ``EMG`` or ``Torque``.
    rate_hz
        None for irregular samples.
    channels
        Names in recordings; their units go along.
    source_id
        By which receivers find it again after a restart; by default the name.
    """

    def __init__(
        self,
        name: str,
        type: str,
        rate_hz: float | None,
        channels: Sequence[str],
        source_id: str = "",
    ) -> None:
        self._pylsl = need_pylsl()
        self.channels = tuple(str(ChannelName.parse(channel)) for channel in channels)
        info = self._pylsl.StreamInfo(
            name,
            type,
            len(self.channels),
            rate_hz or self._pylsl.IRREGULAR_RATE,
            self._pylsl.cf_double64,
            source_id or f"kinefed-{name}",
        )
        described = info.desc().append_child("channels")
        for channel in self.channels:
            entry = described.append_child("channel")
            entry.append_child_value("label", channel)
            entry.append_child_value("unit", unit_of(channel))
            entry.append_child_value("type", channel.partition(".")[0])
        self._outlet = self._pylsl.StreamOutlet(info)

    def wait(self, seconds: float) -> bool:
        """Wait for somebody who receives; say whether there is."""
        return bool(self._outlet.wait_for_consumers(seconds))

    def push(self, values: FloatArray, host_ns: IntArray) -> None:
        """Send samples.

        Parameters
        ----------
        values
            (samples, channels) in the units of recordings; NaN where there is none.
        host_ns
            (samples,) when they were taken, on the host's monotonic clock.

        Raises
        ------
        DataError
            ``mismatch`` for another shape.
        """
        if values.shape != (len(host_ns), len(self.channels)):
            raise DataError(
                DataReason.MISMATCH,
                f"{len(self.channels)} channels at {len(host_ns)} times, values {values.shape}",
                where="LSL outlet",
            )
        if len(host_ns):
            stamps = (np.asarray(host_ns) - offset_ns(self._pylsl)) / NS
            rows = np.ascontiguousarray(values, dtype=np.float64)
            self._outlet.push_chunk(rows, stamps.tolist())

    def play(
        self, stream: Stream, begin_ns: int, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        """Send a stream of a recording as if it were measured now.

        Parameters
        ----------
        stream
            With the channels of this outlet.
        begin_ns
            Host's monotonic clock at time 0 of the recording.
        sleep
            Waits until samples are due.

        Raises
        ------
        DataError
            ``missing_column`` where it lacks a channel.
        """
        values = np.column_stack([stream.column(channel) for channel in self.channels])
        host = begin_ns + to_ns(stream.time_s)
        per_push = max(1, round(stream.rate_hz * _PLAY_S))
        for i in range(0, len(host), per_push):
            part = slice(i, i + per_push)
            sleep(max(0.0, (int(host[part][-1]) - time.monotonic_ns()) / NS))
            self.push(values[part], host[part])
