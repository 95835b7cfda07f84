"""A driver declared in TOML, for own firmware: no code, only where the bytes are.

A profile looks like this (``reference_imu.toml``, which new firmware can follow as it is)::

    [sensor]
    id = "reference-imu"
    title = "IMU with counter and clock"
    service = "6b696e65-0001-4665-b64c-696b656d7520"
    names = ["kinefed"]
    start = [{ characteristic = "6b696e65-0002-...", value = "01" }]
    stop = [{ characteristic = "6b696e65-0002-...", value = "00" }]

    [[stream]]
    name = "imu"
    characteristic = "6b696e65-0003-..."
    rate_hz = 100.0
    header = [
      { name = "seq", type = "uint16" },
      { name = "timestamp", type = "uint32", tick_s = 1e-6 },
      { name = "count", type = "uint8" },
    ]
    sample = [
      { channel = "acc.x", type = "int16", scale = 4.788403e-3 },
      ...
    ]

All numbers are little-endian. A header may hold ``seq`` (a counter of packets), ``timestamp`` (of
the first sample; with ``last = true``, of the last), ``count`` (samples in the packet) and
``skip``. Without ``count`` a packet is read as far as whole samples go. ``scale`` turns counts
into the channel's unit: SI, as everywhere in kinefed.
"""

from __future__ import annotations

import tomllib
from pathlib import Path

import numpy as np

from kinefed.datasets.errors import DataError, DataReason, KinefedError
from kinefed.datasets.types import check_name
from kinefed.sensors.channel import Channel
from kinefed.sensors.decoder import BATTERY_LEVEL
from kinefed.sensors.driver import SILENCE_S, Driver, StreamSpec, Write
from kinefed.sensors.drivers._toml import Table
from kinefed.sensors.drivers.packets import PacketDecoder, PacketLayout
from kinefed.sensors.loss import SHORT_WRAP_S

TYPES = {
    "int8": "<i1",
    "int16": "<i2",
    "int32": "<i4",
    "uint8": "<u1",
    "uint16": "<u2",
    "uint32": "<u4",
    "float32": "<f4",
}
"""Number types of a profile, as numpy writes them."""
HEADER = ("seq", "timestamp", "count", "skip")


def read_profile(path: str | Path) -> Driver:
    """Make a driver from a profile.

    Parameters
    ----------
    path
        The TOML file.

    Raises
    ------
    DataError
        ``not_found``, ``unreadable``, or ``bad_format`` with the path of the wrong field.
    """
    file = Path(path)
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise DataError(DataReason.NOT_FOUND, "no such profile", where=file) from error
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(DataReason.UNREADABLE, str(error), where=file) from error
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise DataError(DataReason.BAD_FORMAT, f"it is no TOML: {error}", where=file) from error
    return _driver(Table(table, str(file), "sensors/drivers/profile.py shows a whole profile"))


def _driver(root: Table) -> Driver:
    head = root.table("sensor")
    driver_id = check_name(head.text("id"), "sensor", head.where)
    title = head.text("title", driver_id)
    service = head.uuid("service")
    names = head.names("names")
    start, stop = _writes(head, "start"), _writes(head, "stop")
    min_mtu = int(head.positive("min_mtu", 23))
    silence_s = head.positive("silence_s", SILENCE_S)
    battery = head.flag("battery")
    head.end()
    streams = root.tables("stream")
    root.end()
    layouts = tuple(_layout(stream) for stream in streams)
    if not layouts:
        raise root.bad("it has no stream")
    for what in ("name", "characteristic"):
        told = [x.spec.name if what == "name" else x.characteristic for x in layouts]
        if len(set(told)) != len(told):
            raise root.bad(f"two streams have one {what}")
    level = (BATTERY_LEVEL,) if battery else ()
    slowest = min(x.spec.rate_hz or 1.0 for x in layouts)
    return Driver(
        driver_id,
        title,
        service,
        tuple(layout.spec for layout in layouts),
        notifies=(*(layout.characteristic for layout in layouts), *level),
        make_decoder=lambda: PacketDecoder(layouts),
        names=names,
        services=(service,),
        start=start,
        stop=stop,
        reads=level,
        silence_s=max(silence_s, 3.0 / slowest),
        min_mtu=min_mtu,
    )


def _writes(head: Table, name: str) -> tuple[Write, ...]:
    writes = []
    for entry in head.tables(name):
        characteristic, digits = entry.uuid("characteristic"), entry.text("value")
        try:
            value = bytes.fromhex(digits)
        except ValueError as error:
            raise entry.bad(f"{digits!r} is not hexadecimal", "value") from error
        writes.append(Write(characteristic, value, not entry.flag("no_response")))
        entry.end()
    return tuple(writes)


def _layout(stream: Table) -> PacketLayout:
    name = check_name(stream.text("name"), "stream", stream.where)
    characteristic = stream.uuid("characteristic")
    rate_hz = stream.positive("rate_hz")
    header: list[tuple[str, str]] = []
    tick_s, last = 1.0, False
    for entry in stream.tables("header"):
        field_name, dtype = entry.text("name"), _dtype(entry)
        if field_name not in HEADER:
            raise entry.bad(f"{field_name!r} is none of {', '.join(HEADER)}", "name")
        if field_name == "skip":
            field_name = f"skip{len(header)}"
        elif dtype[1] != "u":
            raise entry.bad(f"{field_name} is an unsigned number", "type")
        elif field_name in dict(header):
            raise entry.bad(f"{field_name} comes twice", "name")
        if field_name == "timestamp":
            tick_s, last = entry.positive("tick_s"), entry.flag("last")
            if tick_s * 256 ** np.dtype(dtype).itemsize <= SHORT_WRAP_S:
                raise entry.bad(f"it wraps within {SHORT_WRAP_S:g} s, too fast for a clock", "type")
        entry.end()
        header.append((field_name, dtype))
    channels, sample, scale = _columns(stream)
    stream.end()
    return PacketLayout(
        StreamSpec(name, channels, rate_hz, "timestamp" in dict(header)),
        characteristic,
        np.dtype(header),
        np.dtype(sample),
        tuple(channel.label for channel in channels),
        scale,
        tick_s,
        last,
    )


def _columns(
    stream: Table,
) -> tuple[tuple[Channel, ...], list[tuple[str, str]], tuple[float, ...]]:
    channels: list[Channel] = []
    sample: list[tuple[str, str]] = []
    scale: list[float] = []
    for entry in stream.tables("sample"):
        label, dtype = entry.text("channel"), _dtype(entry)
        if label == "skip":
            sample.append((f"skip{len(sample)}", dtype))
        else:
            factor = entry.number("scale", 1.0)
            if factor == 0.0:
                raise entry.bad("expected another number than 0", "scale")
            try:
                channel = Channel.parse(label, lsb=None if dtype[1] == "f" else factor)
            except KinefedError as error:
                raise entry.bad(error.what, "channel") from error
            if label in dict(sample):
                raise entry.bad(f"{label} comes twice", "channel")
            channels.append(channel)
            sample.append((label, dtype))
            scale.append(factor)
        entry.end()
    if not channels:
        raise stream.bad("it has no channel", "sample")
    return tuple(channels), sample, tuple(scale)


def _dtype(entry: Table) -> str:
    name = entry.text("type")
    if name not in TYPES:
        raise entry.bad(f"{name!r} is none of {', '.join(TYPES)}", "type")
    return TYPES[name]
