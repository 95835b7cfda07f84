"""Torques for ROS 2 through a rosbridge server: JSON over a WebSocket.

The rosbridge protocol (v2.0) ``advertise`` and ``publish`` operations, ROS 2 message fields:
``sensor_msgs/msg/JointState`` with the torques as ``effort`` (N m), and beside it a
``std_msgs/msg/String`` with the whole output as JSON, so that no node has to guess its status.
"""

from __future__ import annotations

import asyncio
import json
import math
import time
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Self

from kinefed.client.live.output import Output
from kinefed.datasets import UsageError, UsageReason

if TYPE_CHECKING:
    from types import TracebackType

    from websockets.asyncio.client import ClientConnection

NS = 1_000_000_000
# Two legs for a tenth of a second at 100 Hz: older ones are of no use to a controller.
_WAITING = 20
_RETRY_S = 1.0


def unix_offset_ns() -> int:
    """Give what the time of day, which ROS stamps with, is ahead of the monotonic clock."""
    return time.time_ns() - time.monotonic_ns()


def joint_state(output: Output, offset_ns: int) -> dict[str, Any]:
    """Write an output as ``sensor_msgs/msg/JointState``.

    Parameters
    ----------
    output
        In N m.
    offset_ns
        See `unix_offset_ns`.

    Returns
    -------
    dict
        Joints that have a torque, and no others: none at all where the engine has stopped.

    Raises
    ------
    UsageError
        ``bad_argument`` where the output is in N m/kg only.
    """
    if output.torque_nm is None:
        raise UsageError(
            UsageReason.BAD_ARGUMENT,
            "effort is in N m, and the wearer's mass is not known",
            where="rosbridge",
            next_step="Give the engine mass_kg",
        )
    torques = zip(output.joints, output.torque_nm, strict=True)
    known = [(joint, torque) for joint, torque in torques if math.isfinite(torque)]
    seconds, nanoseconds = divmod(output.time_ns + offset_ns, NS)
    return {
        "header": {"stamp": {"sec": seconds, "nanosec": nanoseconds}, "frame_id": ""},
        "name": [joint for joint, _ in known],
        "position": [],
        "velocity": [],
        "effort": [torque for _, torque in known],
    }


class RosbridgeOutlet:
    """Publishes outputs through a rosbridge server; an asynchronous context manager.

    A task of its own connects, and again where the connection is lost; outputs that it cannot
    keep up with are dropped and counted, the oldest first.

    Parameters
    ----------
    url
        ``ws://host:9090``; ``wss://`` off the device.
    topic
        Of the joint states; the whole outputs go to ``<topic>/status``.
    offset_ns
        See `unix_offset_ns`, which is the default.
    on_error
        Told why a connection failed, and once only where it fails again and again.

    Attributes
    ----------
    sent, dropped
        Outputs.
    connected
        Whether the server is there.
    """

    def __init__(
        self,
        url: str,
        topic: str = "/kinefed/joint_torque",
        offset_ns: int | None = None,
        on_error: Callable[[str], None] = lambda _why: None,
    ) -> None:
        self._url, self._topic = url, topic
        self._offset_ns = unix_offset_ns() if offset_ns is None else offset_ns
        self._on_error = on_error
        self._waiting: deque[Output] = deque()
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.sent = self.dropped = 0
        self.connected = False

    async def __aenter__(self) -> Self:
        try:
            import websockets  # noqa: F401
        except ModuleNotFoundError as error:
            raise UsageError(
                UsageReason.MISSING_EXTRA,
                "websockets is needed to reach a rosbridge server",
                next_step="Install it: pip install 'kinefed[live]'",
            ) from error
        self._task = asyncio.create_task(self._keep())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
        if self._task is not None:
            await asyncio.gather(self._task, return_exceptions=True)

    def send(self, output: Output) -> None:
        """Queue one output; see `joint_state` for what is refused."""
        if output.torque_nm is None:
            joint_state(output, 0)
        if len(self._waiting) == _WAITING:
            self._waiting.popleft()
            self.dropped += 1
        self._waiting.append(output)
        self._wake.set()

    def close(self) -> None:
        """End the task; what waits is dropped."""
        if self._task is not None:
            self._task.cancel()

    async def _keep(self) -> None:
        from websockets.asyncio.client import connect
        from websockets.exceptions import WebSocketException

        told = ""
        while True:
            try:
                async with (
                    connect(self._url, open_timeout=5.0, compression=None) as connection,
                    asyncio.TaskGroup() as tasks,
                ):
                    tasks.create_task(self._publish(connection))
                    tasks.create_task(_discard(connection))
            except* (OSError, TimeoutError, WebSocketException) as errors:
                if self.connected:
                    told = ""
                why = f"{self._url}: {errors.exceptions[0]}; it is tried again every second"
                if why != told:
                    self._on_error(why)
                told = why
            finally:
                self.connected = False
            await asyncio.sleep(_RETRY_S)

    async def _publish(self, connection: ClientConnection) -> None:
        status = f"{self._topic}/status"
        for topic, kind in (
            (self._topic, "sensor_msgs/msg/JointState"),
            (status, "std_msgs/msg/String"),
        ):
            await connection.send(json.dumps({"op": "advertise", "topic": topic, "type": kind}))
        self.connected = True
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._waiting:
                output = self._waiting.popleft()
                for topic, message in (
                    (self._topic, joint_state(output, self._offset_ns)),
                    (status, {"data": json.dumps(output.to_dict())}),
                ):
                    text = json.dumps({"op": "publish", "topic": topic, "msg": message})
                    try:
                        await connection.send(text)
                    except BaseException:
                        self.dropped += 1
                        raise
                self.sent += 1


async def _discard(connection: ClientConnection) -> None:
    """Read what the server says, so that it never waits, and notice where it goes."""
    async for _ in connection:
        pass
    raise ConnectionError("the server closed the connection")
