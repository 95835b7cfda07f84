"""Sensors and a radio that exist in software only: for tests and for trying without sensors.

Nothing here uses the code of the drivers, and the other way round: a mistake in a layout would
otherwise be made on both ends and not be seen.
"""

from __future__ import annotations

from kinefed.sensors.virtual.bands import VirtualGForce, VirtualMyo, VirtualProgressor
from kinefed.sensors.virtual.bundles import VirtualPolar, VirtualReference
from kinefed.sensors.virtual.imus import VirtualDot, VirtualThingy, VirtualWit
from kinefed.sensors.virtual.sensor import VirtualSensor

EMULATORS: dict[str, type[VirtualSensor]] = {
    "gforce": VirtualGForce,
    "movella-dot": VirtualDot,
    "myo": VirtualMyo,
    "polar-h10": VirtualPolar,
    "progressor": VirtualProgressor,
    "reference-imu": VirtualReference,
    "thingy": VirtualThingy,
    "witmotion": VirtualWit,
}
"""Driver id to the sensor that it can be tried on."""
