"""What the Lab Streaming Layer's inlets and outlets share: the library, streams nearby, labels."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from kinefed.datasets.channels import ChannelName, unit_of
from kinefed.datasets.errors import (
    DataError,
    DataReason,
    OutsideError,
    OutsideReason,
    UsageError,
    UsageReason,
)
from kinefed.datasets.units import factor_to_stored
from kinefed.sensors.clock import NS
from kinefed.sensors.decoder import FloatArray, IntArray

# As LSL's metadata convention and common programs write them.
_UNITS = {
    "microvolts": "uV",
    "millivolts": "mV",
    "volts": "V",
    "degrees": "deg",
    "radians": "rad",
    "newtons": "N",
    "meters": "m",
    "m/s2": "m/s^2",
    "m/s²": "m/s^2",
    "dps": "deg/s",
    "µV": "uV",
    "": "1",
}
_CONFIGS = ("lsl_api.cfg", "~/lsl_api/lsl_api.cfg", "/etc/lsl_api/lsl_api.cfg")
GAP_S = 0.5
"""A shorter pause between two stamps is the sender's jitter: LSL itself loses nothing."""
_QUIET = "[log]\nlevel = -3\n"


def need_pylsl() -> Any:
    """Import pylsl.

    Raises
    ------
    UsageError
        ``missing_extra`` where it, or liblsl, is not installed.
    """
    try:
        import pylsl
    except (ImportError, RuntimeError, OSError) as error:
        raise UsageError(
            UsageReason.MISSING_EXTRA,
            f"the Lab Streaming Layer cannot be used ({str(error).splitlines()[0]})",
            next_step='Install it with pip install "kinefed[sensors]"; where that has no liblsl, '
            "install that too (github.com/sccn/liblsl/releases)",
        ) from error
    own = (os.environ.get("LSLAPICFG"), *_CONFIGS)
    if not any(path and Path(path).expanduser().is_file() for path in own):
        # It reports every connection on standard error; a person's own settings are left alone.
        pylsl.set_config_content(_QUIET)
    return pylsl


@dataclass(frozen=True, slots=True)
class LslStream:
    """A stream on the network.

    Attributes
    ----------
    name, type, source_id, host
        As its sender wrote them.
    channels
        How many.
    rate_hz
        None where it is irregular.
    """

    name: str
    type: str
    source_id: str
    host: str
    channels: int
    rate_hz: float | None
    info: Any = field(repr=False, compare=False)


def find_streams(seconds: float = 1.0) -> list[LslStream]:
    """List the streams on the network, by name.

    Parameters
    ----------
    seconds
        How long to listen; below 0.5 s some are missed.
    """
    found = [
        LslStream(
            info.name(),
            info.type(),
            info.source_id(),
            info.hostname(),
            info.channel_count(),
            info.nominal_srate() or None,
            info,
        )
        for info in need_pylsl().resolve_streams(seconds)
    ]
    return sorted(found, key=lambda stream: (stream.name, stream.source_id))


def is_there(name: str, seconds: float) -> bool:
    """Say whether a stream of this name answers within some time."""
    return bool(need_pylsl().resolve_byprop("name", name, 1, seconds))


def offset_ns(pylsl: Any) -> int:
    """Measure by how much the host's monotonic clock is ahead of LSL's."""
    tries: list[tuple[int, int]] = []
    for _ in range(3):
        before, lsl_s, after = time.monotonic_ns(), pylsl.local_clock(), time.monotonic_ns()
        tries.append((after - before, (before + after) // 2 - round(lsl_s * NS)))
    return min(tries)[1]


def to_ns(seconds: FloatArray) -> IntArray:
    """Convert seconds to ns."""
    return np.round(seconds * NS).astype(np.int64)


class StampCounter:
    """Numbers samples by their stamps: a long pause in those of an even stream is a loss.

    Parameters
    ----------
    rate_hz
        None where it is irregular: then nothing counts as lost.
    """

    def __init__(self, rate_hz: float | None) -> None:
        self._rate_hz = rate_hz
        self._next = 0
        self._last_s: float | None = None

    def step(self, stamps_s: FloatArray) -> tuple[IntArray, int, bool]:
        """Take the next stamps, (n,) with n > 0.

        Returns
        -------
        index
            (n,) number of each sample, lost ones counted.
        lost
            Samples missing before or between them.
        restarted
            Whether stamps went back: a sender that began anew may have another clock.
        """
        before = stamps_s[0] if self._last_s is None else self._last_s
        steps = np.diff(stamps_s, prepend=before)
        self._last_s = float(stamps_s[-1])
        missing = np.zeros(len(steps), dtype=np.int64)
        if self._rate_hz is not None:
            long = steps > max(GAP_S, 3.0 / self._rate_hz)
            missing[long] = np.round(steps[long] * self._rate_hz).astype(np.int64) - 1
        index = self._next + np.arange(len(steps), dtype=np.int64) + np.cumsum(missing)
        self._next = int(index[-1]) + 1
        return index, int(missing.sum()), bool((steps < -GAP_S).any())


def read_table(
    described: Any, wanted: Mapping[str, str] | None, name: str
) -> list[tuple[int, str, float]]:
    """List the columns of a stream that are taken.

    Parameters
    ----------
    described
        Full description of the stream.
    wanted
        Label to channel; None takes the labels that are channels.
    name
        For messages.

    Returns
    -------
    list of tuple
        Number of the column, channel, factor to its unit.

    Raises
    ------
    DataError
        ``unknown_channel``, ``duplicate`` or ``wrong_unit``.
    """
    where = f"LSL stream {name}"
    labels: list[tuple[str, str]] = []
    entry = described.desc().child("channels").child("channel")
    while not entry.empty():
        labels.append((entry.child_value("label"), entry.child_value("unit")))
        entry = entry.next_sibling("channel")
    if not labels and wanted is not None:
        # Without a description, channels are counted: "1", "2", ...
        labels = [(str(i + 1), "") for i in range(described.channel_count())]
    found: list[tuple[int, str, float]] = []
    for column, (label, unit) in enumerate(labels[: described.channel_count()]):
        channel = _known(label) if wanted is None else wanted.get(label)
        if channel is None:
            continue
        stored = unit_of(channel)
        told = _UNITS.get(unit.strip().lower(), _UNITS.get(unit.strip(), unit.strip()))
        # No unit at all: taken as it is.
        scale = 1.0 if not unit.strip() else factor_to_stored(channel, told or stored)
        found.append((column, channel, scale))
    names = [channel for _, channel, _ in found]
    if len(set(names)) != len(names):
        raise DataError(DataReason.DUPLICATE, "a channel comes twice", where=where)
    if not found:
        has = ", ".join(label for label, _ in labels[:20]) or "no labels"
        raise DataError(
            DataReason.UNKNOWN_CHANNEL,
            f"none of its channels is known; it has {has}",
            where=where,
            next_step='Name them: {"EMG1": "emg.soleus.r"}',
        )
    return found


def _known(label: str) -> str | None:
    try:
        return str(ChannelName.parse(label))
    except DataError:
        return None


def silent(name: str, why: str) -> OutsideError:
    """Make the error of a stream that is not there or does not answer."""
    return OutsideError(
        OutsideReason.SENSOR,
        f"the stream does not answer: {why.rstrip('.')}",
        where=f"LSL stream {name}",
        next_step="Start the program that sends it, on the same network, and let LSL through the "
        "firewall (UDP and TCP 16571 to 16604)",
    )
