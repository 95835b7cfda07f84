"""Worn sensors as streams of the Lab Streaming Layer, while they are recorded."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from kinefed.sensors.clock import NS
from kinefed.sensors.lsl import Outlet
from kinefed.sensors.recorder import EvenStream
from kinefed.sensors.session import Heard
from kinefed.sensors.timeline import Timed
from kinefed.sensors.worn import Worn


class LslSender:
    """Sends what sensors measure, at even times, with the names and units of recordings.

    Parameters
    ----------
    sensors
        What is worn; streams without a place are left out.

    Attributes
    ----------
    names
        Of the streams, ``kinefed-<sensor>-<stream>``.

    Raises
    ------
    UsageError
        ``missing_extra`` without pylsl.
    """

    def __init__(self, sensors: Iterable[Worn]) -> None:
        self._sensors = tuple(sensors)
        self._outlets: dict[tuple[str, str], Outlet] = {}
        self._streams: dict[tuple[str, str], tuple[EvenStream, int]] = {}
        names = []
        for worn in self._sensors:
            for spec in worn.driver().streams:
                even = EvenStream(worn, spec, 0)
                if even.channels:
                    names.append(f"kinefed-{even.name}")
                    kind = even.channels[0].partition(".")[0].upper()
                    self._outlets[worn.name, spec.name] = Outlet(
                        names[-1], "EMG" if kind == "EMG" else "Motion", even.rate_hz, even.channels
                    )
        self.names = tuple(names)

    def hear(self, heard: Heard) -> None:
        """Send samples; those in a gap as NaN, for they were not measured."""
        if not isinstance(heard.item, Timed):
            return
        key = heard.sensor, heard.item.samples.stream
        outlet = self._outlets.get(key)
        if outlet is None:
            return
        if key not in self._streams:
            start_ns = int(heard.item.host_ns[0])
            worn = next(each for each in self._sensors if each.name == heard.sensor)
            spec = worn.driver().stream(heard.item.samples.stream)
            self._streams[key] = EvenStream(worn, spec, start_ns), start_ns
        stream, start_ns = self._streams[key]
        even = stream.push(heard.item)
        if len(even.values):
            numbers = even.first + np.arange(len(even.values))
            host_ns = start_ns + np.round(numbers * (NS / stream.rate_hz)).astype(np.int64)
            outlet.push(np.where(even.valid[:, None], even.values, np.nan), host_ns)
