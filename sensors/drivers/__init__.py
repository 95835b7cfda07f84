"""All drivers by id: one file a sensor, all behind `kinefed.sensors.driver.Driver`."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path

from kinefed.datasets.errors import UsageError, UsageReason
from kinefed.sensors.driver import Advertisement, Driver
from kinefed.sensors.drivers.gforce import gforce
from kinefed.sensors.drivers.lsl import lsl
from kinefed.sensors.drivers.movella_dot import movella_dot
from kinefed.sensors.drivers.myo import myo
from kinefed.sensors.drivers.polar_h10 import polar_h10
from kinefed.sensors.drivers.profile import read_profile
from kinefed.sensors.drivers.progressor import progressor
from kinefed.sensors.drivers.thingy import thingy
from kinefed.sensors.drivers.witmotion import witmotion


def reference_imu() -> Driver:
    """Make the driver of the packet that is recommended to own firmware."""
    return read_profile(Path(__file__).with_name("reference_imu.toml"))


DRIVERS: dict[str, Callable[..., Driver]] = {
    "gforce": gforce,
    "movella-dot": movella_dot,
    "myo": myo,
    "polar-h10": polar_h10,
    "progressor": progressor,
    "reference-imu": reference_imu,
    "thingy": thingy,
    "witmotion": witmotion,
}
"""Driver id to the function that makes the driver; its keyword arguments are the settings."""

OTHERS: dict[str, Callable[..., Driver]] = {"lsl": lsl}
"""The same for what is no Bluetooth sensor."""


def make_driver(driver_id: str, **settings: object) -> Driver:
    """Make a driver by its id.

    Parameters
    ----------
    driver_id
        Key of `DRIVERS` or `OTHERS`, or the path of a profile, which ends in ``.toml``.
    settings
        Keyword arguments of that function.

    Raises
    ------
    UsageError
        ``unknown_name`` for the id; ``bad_argument`` for a setting or its value.
    DataError
        Where a profile is wrong.
    """
    if driver_id.endswith(".toml") and not settings:
        return read_profile(driver_id)
    every = DRIVERS | OTHERS
    if driver_id not in every:
        raise UsageError(
            UsageReason.UNKNOWN_NAME,
            f"no driver is called {driver_id!r}",
            next_step=f"There are {', '.join(every)}",
        )
    make = every[driver_id]
    known = inspect.signature(make).parameters
    for name in settings:
        if name not in known:
            raise UsageError(
                UsageReason.BAD_ARGUMENT,
                f"it has no setting {name!r}",
                where=f"sensor {driver_id}",
                next_step=f"It has {', '.join(known) or 'none'}",
            )
    for name, each in known.items():
        if each.default is inspect.Parameter.empty and name not in settings:
            raise UsageError(
                UsageReason.BAD_ARGUMENT,
                f"it needs the setting {name!r}",
                where=f"sensor {driver_id}",
                next_step=f"It has {', '.join(known)}",
            )
    return make(**settings)


def recognise(seen: Advertisement) -> str | None:
    """Give the id of the first driver that knows an advertised device, or None."""
    return next((name for name, make in DRIVERS.items() if make().recognises(seen)), None)
