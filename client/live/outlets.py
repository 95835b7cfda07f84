"""Where outputs go: a function, UDP, the Lab Streaming Layer. For ROS 2 see `rosbridge`."""

from __future__ import annotations

import enum
import json
import math
import socket
import struct
from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np

from kinefed.client.live.degrade import Status
from kinefed.client.live.output import Output
from kinefed.datasets import DataError, DataReason, OutsideError, OutsideReason


class Outlet(Protocol):
    """Takes outputs as they are made; it must return at once."""

    def send(self, output: Output) -> None:
        """Take one output."""

    def close(self) -> None:
        """Let go of what it holds."""


class CallbackOutlet:
    """Gives each output to a Python function.

    Parameters
    ----------
    function
        Called within the engine's loop: it must return at once. What it raises ends the loop.
    """

    def __init__(self, function: Callable[[Output], None]) -> None:
        self._function = function

    def send(self, output: Output) -> None:
        """Call the function."""
        self._function(output)

    def close(self) -> None:
        """Hold nothing."""


class UdpForm(enum.StrEnum):
    """How an output is written into a datagram."""

    JSON = "json"
    """`Output.to_dict` in UTF-8."""
    PACKED = "packed"
    """`pack`: 48 bytes and 8 for each joint."""


_HEAD = struct.Struct("<4sBBBBIqdddI")
_MAGIC, _VERSION = b"KFLT", 1
_STATUSES = tuple(Status)
_SIDES = ("l", "r")


def pack(output: Output, number: int) -> bytes:
    """Write an output as bytes, little-endian.

    ::

        "KFLT" 1, uint8 side (0 left, 1 right), uint8 status (0 starting, 1 ok, 2 reduced, 3 held,
        4 stopped), uint8 joints, uint32 number, int64 time_ns, float64 time_s, age_s, confidence,
        uint32 0, then for each joint float32 N m/kg, float32 N m (NaN where there is none)

    Parameters
    ----------
    output
        What is written; its joints go by their order alone.
    number
        Of the datagram: a receiver finds lost and late ones by it. Modulo 2^32.
    """
    n = len(output.joints)
    absolute = output.torque_nm or (math.nan,) * n
    head = _HEAD.pack(
        _MAGIC,
        _VERSION,
        _SIDES.index(output.side),
        _STATUSES.index(output.status),
        n,
        number % 2**32,
        output.time_ns,
        output.time_s,
        output.age_s,
        output.confidence,
        0,
    )
    pairs = np.column_stack([output.torque_nm_per_kg, absolute]).astype("<f4")
    return head + pairs.tobytes()


def unpack(data: bytes, joints: Sequence[str]) -> tuple[int, Output]:
    """Read `pack`, for a receiver in Python.

    Parameters
    ----------
    data
        A datagram, from anybody.
    joints
        Names of the torques, in the engine's order.

    Returns
    -------
    number
        Of the datagram.
    output
        Without task, model and silent streams, which are not packed.

    Raises
    ------
    DataError
        ``bad_format``.
    """
    try:
        magic, version, side, status, n, number, time_ns, time_s, age_s, confidence, _ = (
            _HEAD.unpack_from(data)
        )
        if (magic, version, n) != (_MAGIC, _VERSION, len(joints)):
            raise ValueError("another magic, version or number of joints")
        if len(data) != _HEAD.size + 8 * n:
            raise ValueError(f"{len(data)} bytes")
        flag, leg = _STATUSES[status], _SIDES[side]
    except (struct.error, ValueError, IndexError) as error:
        raise DataError(
            DataReason.BAD_FORMAT, f"it is no packed output: {error}", where="datagram"
        ) from error
    pairs = np.frombuffer(data, "<f4", 2 * n, _HEAD.size).reshape(n, 2).astype(float)
    absolute = tuple(pairs[:, 1].tolist())
    return number, Output(
        time_ns=time_ns,
        time_s=time_s,
        side=leg,
        joints=tuple(joints),
        torque_nm_per_kg=tuple(pairs[:, 0].tolist()),
        torque_nm=None if all(math.isnan(t) for t in absolute) else absolute,
        status=flag,
        confidence=confidence,
        age_s=age_s,
        task="",
        task_confidence=0.0,
        model="",
        silent=(),
    )


class UdpOutlet:
    """Sends each output as one datagram; what cannot be sent at once is lost and counted.

    Parameters
    ----------
    host, port
        Who receives. A datagram is not encrypted: keep it on the device or on its own link.
    form
        How it is written.

    Attributes
    ----------
    sent, failed
        Datagrams.

    Raises
    ------
    OutsideError
        ``network`` where the host has no address.
    """

    def __init__(self, host: str, port: int, form: UdpForm = UdpForm.JSON) -> None:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)
        except OSError as error:
            raise OutsideError(
                OutsideReason.NETWORK, str(error), where=f"UDP {host}:{port}",
                next_step="Give the address of the receiver",
            ) from error  # fmt: skip
        family, kind, protocol, _, address = found[0]
        self._socket = socket.socket(family, kind, protocol)
        self._socket.setblocking(False)
        # Connected, so that a datagram needs no look-up, and a closed port is noticed.
        self._socket.connect(address)
        self._form = form
        self.sent = self.failed = 0

    def send(self, output: Output) -> None:
        """Send one output, or count it as failed."""
        if self._form is UdpForm.PACKED:
            data = pack(output, self.sent + self.failed)
        else:
            data = json.dumps(output.to_dict()).encode()
        try:
            self._socket.send(data)
            self.sent += 1
        except OSError:
            # A receiver that is not there yet, or a full buffer: the next output is on its way.
            self.failed += 1

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()


class LslOutlet:
    """Sends the torques of one leg as a stream of the Lab Streaming Layer.

    Parameters
    ----------
    joints
        ``LiveEngine.joints[side]``.
    rate_hz
        Of the engine.
    side
        Outputs of the other leg are passed over.
    name
        Of the stream.

    Raises
    ------
    UsageError
        ``missing_extra`` without pylsl.
    """

    def __init__(
        self, joints: Sequence[str], rate_hz: float, side: str, name: str = "kinefed-torque"
    ) -> None:
        from kinefed.sensors.lsl import Outlet as LslStreamOutlet

        self._side = side
        self._outlet = LslStreamOutlet(f"{name}-{side}", "Torque", rate_hz, joints)

    def send(self, output: Output) -> None:
        """Send N m/kg with the tick's time; NaN where there is no torque."""
        if output.side == self._side:
            values = np.array([output.torque_nm_per_kg])
            self._outlet.push(values, np.array([output.time_ns], dtype=np.int64))

    def close(self) -> None:
        """Stop sending: LSL ends a stream where its outlet is collected."""
        del self._outlet
