"""Bluetooth sensors: drivers, clocks, loss, sessions, recordings and packet logs.

The radio itself is in `kinefed.sensors.radio` and `kinefed.sensors.hub`, which need the extra
``sensors``; emulated sensors are in `kinefed.sensors.virtual`, which needs ``ble-sim``.
"""

from kinefed.sensors.channel import Channel
from kinefed.sensors.clock import ClockFit, ClockLine
from kinefed.sensors.decoder import Battery, Decoder, Notice, Refusal, Samples
from kinefed.sensors.driver import Advertisement, Driver, Sensor, StreamSpec, Write
from kinefed.sensors.drivers import DRIVERS, make_driver, recognise
from kinefed.sensors.drivers.profile import read_profile
from kinefed.sensors.errors import SensorError, SensorReason
from kinefed.sensors.grid import Even, Grid
from kinefed.sensors.packet_log import LogWriter, PacketLog, read_log
from kinefed.sensors.recorder import EvenStream, LivePipeline, Prepared, Recorder, record
from kinefed.sensors.records import LinkEvent, LinkState, Packet, Record
from kinefed.sensors.session import Health, Heard, Session
from kinefed.sensors.timeline import Timed, Timeline
from kinefed.sensors.worn import Worn

__all__ = [
    "DRIVERS",
    "Advertisement",
    "Battery",
    "Channel",
    "ClockFit",
    "ClockLine",
    "Decoder",
    "Driver",
    "Even",
    "EvenStream",
    "Grid",
    "Health",
    "Heard",
    "LinkEvent",
    "LinkState",
    "LivePipeline",
    "LogWriter",
    "Notice",
    "Packet",
    "PacketLog",
    "Prepared",
    "Record",
    "Recorder",
    "Refusal",
    "Samples",
    "Sensor",
    "SensorError",
    "SensorReason",
    "Session",
    "StreamSpec",
    "Timed",
    "Timeline",
    "Worn",
    "Write",
    "make_driver",
    "read_log",
    "read_profile",
    "recognise",
    "record",
]
