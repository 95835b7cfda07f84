"""Several DOTs on one clock: the whole sequence over the air, and each way it fails."""

import asyncio
import shutil
import sys
import time

import numpy as np
import pytest

from kinefed.datasets.errors import UsageError
from kinefed.sensors.dot_sync import WAIT_S, synchronise
from kinefed.sensors.errors import SensorError, SensorReason
from kinefed.sensors.hub import Hub
from kinefed.sensors.session import Session
from kinefed.sensors.timeline import Timed
from kinefed.sensors.virtual.person import swinging, virtual_person
from kinefed.sensors.virtual.sensor import Quirks
from kinefed.sensors.worn import Worn

DOTS = (
    Worn("thigh", "movella-dot", {"rate_hz": 30}, place="thigh.r"),
    Worn("shank", "movella-dot", {"rate_hz": 30}, place="shank.r"),
)
MYO = Worn("band", "myo", electrodes={1: "soleus.r"})
BUSES = [False, True]
if sys.platform != "linux" or shutil.which("dbus-daemon") is None:
    BUSES.remove(True)


class Scene:
    """A person whose sensors live on a clock that a test can move on."""

    def __init__(self, person):
        self.person = person
        self.ahead_s = 0.0
        self.slept = []
        for i, peripheral in enumerate(person.peripherals.values()):
            peripheral._clock = lambda: time.monotonic() + self.ahead_s
            peripheral.sensor.quirks = Quirks(skew=1e-4 * i, clock_s=100.0 + 1000.0 * i)

    async def sleep(self, seconds):
        self.slept.append(seconds)
        self.ahead_s += seconds


async def clocks(scene, worn):
    """Each DOT's clock minus the host's, in s."""
    async with Hub(scene.person.radio, [each.sensor() for each in worn]) as hub:
        await asyncio.sleep(0.4)
    session, found = Session(worn), {}
    for record in hub.drain():
        for heard in session.take(record):
            if isinstance(heard.item, Timed) and heard.item.samples.device_ns is not None:
                samples = heard.item.samples
                lag = (samples.device_ns - samples.arrival_ns) * 1e-9 - scene.ahead_s
                found.setdefault(heard.sensor, []).extend(lag)
    return {name: float(np.median(lags)) for name, lags in found.items()}


@pytest.mark.parametrize("bus", BUSES)
def test_dots_get_one_clock_and_others_are_left_alone(bus):
    async def play():
        async with virtual_person(swinging((*DOTS, MYO)), (*DOTS, MYO), bus=bus) as person:
            scene = Scene(person)
            before = await clocks(scene, person.worn)
            synced = await synchronise(person.radio, person.worn, scene.sleep)
            after = await clocks(scene, synced)
            rates = [person.peripherals[each.name].sensor.rate_hz for each in DOTS]
            # Once more: a sensor that is synchronised is stopped first.
            await synchronise(person.radio, person.worn, scene.sleep)
            return scene, synced, before, after, rates

    scene, synced, before, after, rates = asyncio.run(play())
    assert abs(before["thigh"] - before["shank"]) > 900.0
    assert abs(after["thigh"] - after["shank"]) < 0.02
    assert scene.slept == [WAIT_S] * 2
    assert rates == [30, 30]
    assert [each.settings.get("synced") for each in synced] == [True, True, None]
    assert synced[2].driver_id == "myo"
    assert synced[0].settings["rate_hz"] == 30


def test_what_the_sensors_report_is_said():
    async def play():
        async with virtual_person(swinging(DOTS), DOTS) as person:

            async def too_short(seconds):
                del seconds

            with pytest.raises(SensorError) as caught:
                await synchronise(person.radio, person.worn, too_short)
            return caught.value

    error = asyncio.run(play())
    assert error.reason is SensorReason.REFUSED
    assert error.where == "thigh"
    assert "synchronisation: not enough samples" in str(error)


@pytest.mark.parametrize(
    ("worn", "words"),
    [
        ((Worn("a", "movella-dot"), Worn("b", "movella-dot")), "address"),
        ((Worn("a", "movella-dot", address="D4:22:CD:00:00:01"), MYO), "two DOTs"),
        ((Worn("a", "movella-dot", address="5F0C1D2E-0000-4000-8000-000000000000"),), "address"),
    ],
)
def test_what_cannot_be_synchronised_is_refused_before_the_radio_is_used(worn, words):
    with pytest.raises(UsageError, match=words):
        asyncio.run(synchronise(None, worn))
