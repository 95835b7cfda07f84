"""Runs an emulated sensor against its driver's decoder, without a radio and without waiting."""

from __future__ import annotations

import zlib

import numpy as np

from kinefed.sensors.decoder import Samples
from kinefed.sensors.drivers import make_driver
from kinefed.sensors.virtual import EMULATORS

NS = 10**9
PERIOD_S = {"gforce": 0.016, "movella-dot": 1 / 60, "myo": 0.01}


def signal(label, times_s):
    """A sine a channel, with its own frequency and phase, in a range that the kind has."""
    kind = label.split(".")[0]
    size = {
        "acc": 12.0,
        "gyro": 5.0,
        "mag": 0.8,
        "emg": 40.0,
        "euler": 1.5,
        "free_acc": 9.0,
        "force": 200.0,
        "delta_velocity": 0.3,
    }.get(kind, 0.5)
    seed = zlib.crc32(label.encode())
    return size * np.sin(2 * np.pi * (0.5 + seed % 13 / 10) * times_s + seed % 7)


def volts(label, times_s):
    """As `signal`, with EMG that fits an amplifier in volts."""
    scale = 2e-5 if label.startswith("emg") else 1.0
    return scale * signal(label, times_s)


class Bench:
    """A started sensor and decoder."""

    def __init__(self, driver_id, quirks=None, **settings):
        self.driver = make_driver(driver_id, **settings)
        self.decoder = self.driver.make_decoder()
        self.signal = volts if driver_id == "gforce" else signal
        self.sensor = EMULATORS[driver_id](self.signal, quirks)
        self.start(0.0)

    def start(self, now_s):
        """What a connection does."""
        values = []
        for write in self.driver.setup:
            values += self.sensor.written(write.characteristic, write.value, now_s)
        for uuid in self.driver.notifies:
            self.sensor.subscribed(uuid, True, now_s)
        for write in self.driver.start:
            values += self.sensor.written(write.characteristic, write.value, now_s)
        return [self.feed(v.characteristic, v.data, now_s) for v in values]

    def feed(self, characteristic, data, now_s):
        return self.decoder.feed(characteristic, data, round(now_s * NS))

    def run(self, until_s, lose=lambda value, i: False):
        """Decode what the sensor sends; `lose` says which values never arrive."""
        items = []
        for i, value in enumerate(self.sensor.take(until_s)):
            if not lose(value, i):
                items += self.feed(value.characteristic, value.data, value.ready_s)
        return items


def joined(items, stream):
    """All samples of a stream as one (values, index, arrival, device, lost)."""
    parts = [item for item in items if isinstance(item, Samples) and item.stream == stream]
    device = None
    if parts and parts[0].device_ns is not None:
        device = np.concatenate([part.device_ns for part in parts])
    return (
        np.vstack([part.values for part in parts]),
        np.concatenate([part.index for part in parts]),
        np.concatenate([part.arrival_ns for part in parts]),
        device,
        sum(part.lost for part in parts),
    )
