"""A whole virtual person on the air: emulated sensors that are worn, and a radio near them."""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from kinefed.datasets.channels import KINDS
from kinefed.datasets.errors import DataError, DataReason
from kinefed.datasets.types import FloatArray, Recording, RecordingRef, Stream
from kinefed.sensors.radio import FIND_S, Radio
from kinefed.sensors.virtual.air import Air, Pace
from kinefed.sensors.virtual.backend import backends
from kinefed.sensors.virtual.bluez import BlueZ, Strictness
from kinefed.sensors.virtual.central import Central
from kinefed.sensors.virtual.dbus import private_bus
from kinefed.sensors.virtual.peripheral import Peripheral
from kinefed.sensors.virtual.sensor import Quirks
from kinefed.sensors.virtual.wearing import wear
from kinefed.sensors.worn import Worn

_ARMBAND_SLOTS = 8
_SITES = ("pelvis", "torso", "thigh", "shank", "foot")
SWING_HZ, SWING_RAD = 0.5, 0.5
_G = 9.80665


@dataclass(frozen=True, slots=True)
class VirtualPerson:
    """Who is on the air.

    Attributes
    ----------
    radio
        The computer's, which hears the sensors.
    worn
        The sensors, with the addresses that they have on this air.
    peripherals
        By name: to break connections, empty batteries.
    air
        To slow down and to black out.
    begin_s
        Host's monotonic clock at which the recording began.
    """

    radio: Radio
    worn: tuple[Worn, ...]
    peripherals: Mapping[str, Peripheral]
    air: Air
    begin_s: float


@contextlib.asynccontextmanager
async def virtual_person(
    recording: Recording,
    worn: Sequence[Worn],
    *,
    bus: bool = False,
    pace: Pace | None = None,
    strictness: Strictness | None = None,
    quirks: Quirks | None = None,
    find_s: float = FIND_S,
) -> AsyncIterator[VirtualPerson]:
    """Let a person walk about with emulated sensors.

    Parameters
    ----------
    recording, worn, quirks
        As for `wear`; the recording begins at once.
    bus
        Through a Bluetooth service on a private D-Bus, which bleak's own Linux backend talks to;
        by default through a backend of bleak, on any system.
    pace
        Of the link; by default it delivers at once.
    strictness
        Of the service on the bus; by default it has a slot for every sensor.
    find_s
        How long the radio looks for a sensor.

    Yields
    ------
    VirtualPerson
    """
    air = Air(pace)
    begin_s = time.monotonic()
    sensors = wear(recording, worn, begin_s, quirks)
    peripherals = {
        name: Peripheral(air, sensor, f"F0:00:00:00:00:{i + 1:02X}")
        for i, (name, sensor) in enumerate(sensors.items())
    }
    here = tuple(replace(each, address=peripherals[each.name].address) for each in worn)
    async with contextlib.AsyncExitStack() as stack:
        stack.callback(air.close)
        central = Central(air)
        await central.start()
        if bus:
            address = await stack.enter_async_context(private_bus())
            service = BlueZ(central, strictness or Strictness(slots=len(worn)))
            await service.start(address)
            stack.push_async_callback(service.stop)
            radio = Radio(find_s=find_s)
        else:
            scanner, client = backends(central)
            radio = Radio(scanner=scanner, client=client, find_s=find_s)
        for peripheral in peripherals.values():
            await peripheral.start()
            stack.push_async_callback(peripheral.stop)
        yield VirtualPerson(radio, here, peripherals, air, begin_s)


def default_worn(recording: Recording) -> tuple[Worn, ...]:
    """Choose sensors for a recording: a DOT a segment, and armbands of eight muscles a leg."""
    has = {channel for stream in recording.streams.values() for channel in stream.channels}
    chosen = [
        Worn(place, "movella-dot", place=place)
        for site in _SITES
        for place in (site, f"{site}.r", f"{site}.l")
        if {f"acc.{place}.x", f"gyro.{place}.x"} <= has
    ]
    for side in "rl":
        muscles = [
            f"{muscle}.{side}"
            for muscle in sorted(KINDS["emg"].sites)
            if {f"emg.{muscle}.{side}", f"envelope.{muscle}.{side}"} & has
        ]
        electrodes = {i + 1: name for i, name in enumerate(muscles[:_ARMBAND_SLOTS])}
        if electrodes:
            chosen.append(Worn(f"emg.{side}", "myo", electrodes=electrodes))
    if not chosen:
        raise DataError(
            DataReason.MISSING_COLUMN,
            "it has neither IMU nor muscle channels to wear sensors on",
            where=recording.ref.key,
            next_step="Choose another recording, 'kinefed data inspect' lists the channels",
        )
    return tuple(chosen)


def swinging(worn: Sequence[Worn], seconds: float = 20.0, rate_hz: float = 200.0) -> Recording:
    """Make a recording for sensors of which none is there: all places swing, all muscles pulse.

    Each place swings about its x axis by half a radian at 0.5 Hz; muscles work half of the time.

    Parameters
    ----------
    worn
        For the places and muscles of these.
    seconds, rate_hz
        Length, whole swings; rate of its streams.
    """
    times = np.arange(round(seconds * rate_hz)) / rate_hz
    phase = 2.0 * np.pi * SWING_HZ * times
    angle = SWING_RAD * np.sin(phase)
    rate = SWING_RAD * 2.0 * np.pi * SWING_HZ * np.cos(phase)
    zero = np.zeros_like(times)
    motion = {
        "acc.x": zero,
        "acc.y": _G * np.sin(angle),
        "acc.z": _G * np.cos(angle),
        "gyro.x": rate,
        "gyro.y": zero,
        "gyro.z": zero,
    }
    columns: dict[str, FloatArray] = {}
    places = dict.fromkeys(each.place for each in worn if each.place is not None)
    # Of sensors that nobody wears yet the person still is one.
    for place in places or ("pelvis",):
        for label, values in motion.items():
            kind, _, axis = label.partition(".")
            columns[f"{kind}.{place}.{axis}"] = values
        columns[f"force.{place}"] = 50.0 + 50.0 * np.sin(phase)
    for muscle in dict.fromkeys(m for each in worn for m in each.electrodes.values()):
        columns[f"envelope.{muscle}"] = np.maximum(0.0, np.sin(phase))
    stream = Stream(
        "swing",
        rate_hz,
        0.0,
        tuple(columns),
        ("",) * len(columns),
        np.column_stack([*columns.values()]),
    )
    return Recording(RecordingRef("virtual", "s01", "swing", 1), {"swing": stream})
