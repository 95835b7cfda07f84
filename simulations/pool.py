"""The ``pool`` engine: Flower's Grid over worker processes, with the apps unchanged.

Every Message is serialised to Flower's protobuf bytes in both directions, so what the tap sees
is what a wire would carry.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flwr.app import Context, Error, Message, RecordDict
from flwr.common.constant import SUPERLINK_NODE_ID
from flwr.common.serde import (
    message_from_proto,
    message_to_proto,
    recorddict_from_proto,
    recorddict_to_proto,
)
from flwr.proto.message_pb2 import Message as ProtoMessage
from flwr.proto.recorddict_pb2 import RecordDict as ProtoRecordDict
from flwr.serverapp import Grid, ServerApp
from flwr.supercore.run import Run
from flwr.supercore.task_identity import TaskIdentity

from kinefed.simulations.workers import Pool

# Called with "down" or "up", the message type and the bytes of every Message.
Tap = Callable[[str, str, bytes], None]
NodeConfig = Mapping[str, bool | float | int | str]
RunConfig = Mapping[str, bool | float | int | str]

# Flower's code for an exception inside a ClientApp.
CLIENT_APP_RAISED = 2


@dataclass(frozen=True, slots=True)
class ClientJob:
    """One Message on its way to a worker."""

    message: bytes
    node_id: int
    run_id: int
    node_config: dict[str, Any]
    run_config: dict[str, Any]
    state: bytes


def run_client(job: ClientJob) -> tuple[bytes, bytes]:
    """Run the installed ClientApp on one Message (in a worker).

    Returns
    -------
    reply, state : bytes
        The reply Message and the node's new Flower state, as protobuf.
    """
    from kinefed.client.app import app

    message = message_from_proto(ProtoMessage.FromString(job.message))
    context = Context(
        run_id=job.run_id,
        node_id=job.node_id,
        node_config=job.node_config,
        state=recorddict_from_proto(ProtoRecordDict.FromString(job.state)),
        run_config=job.run_config,
    )
    try:
        reply = app(message, context)
    except Exception as error:
        # Only the kind of fault goes back, as the message of an exception could hold a signal.
        reply = Message(Error(CLIENT_APP_RAISED, type(error).__name__), reply_to=message)
    return (
        message_to_proto(reply).SerializeToString(),
        recorddict_to_proto(context.state).SerializeToString(),
    )


class PoolGrid(Grid):
    """Flower's Grid on worker processes.

    Parameters
    ----------
    pool
        Started worker processes, which outlive the grid; or an :class:`InlinePool`.
    nodes
        One node-config per virtual node.
    run_config
        Handed to the clients' context.
    tap
        Sees the bytes of every Message in both directions.
    on_reply
        Called once per reply, for progress.
    """

    def __init__(
        self,
        pool: Pool,
        nodes: Sequence[NodeConfig],
        run_config: RunConfig | None = None,
        *,
        run_id: int = 1,
        tap: Tap | None = None,
        on_reply: Callable[[], None] = lambda: None,
    ) -> None:
        self._pool = pool
        self._nodes = {i + 1_000: dict(config) for i, config in enumerate(nodes)}
        self._states = dict.fromkeys(self._nodes, b"")
        self._run_config = dict(run_config or {})
        self._run = Run.create_empty(run_id)
        self._tap = tap or (lambda _direction, _kind, _data: None)
        self._on_reply = on_reply
        self._sent = 0
        self._jobs: dict[int, Message] = {}
        self._ready: dict[str, Message] = {}
        TaskIdentity.run_id = run_id
        TaskIdentity.node_id = SUPERLINK_NODE_ID
        TaskIdentity.task_id = 1

    def set_run(self, run: Run) -> None:
        """Set the run that the grid works for."""
        self._run = run

    @property
    def run(self) -> Run:
        """The run that the grid works for."""
        return self._run

    def create_message(
        self,
        content: RecordDict,
        message_type: str,
        dst_node_id: int,
        group_id: str,
        ttl: float | None = None,
    ) -> Message:
        """Create a message (kept for Flower's interface; ``Message(...)`` does the same)."""
        return Message(content, dst_node_id, message_type, ttl=ttl, group_id=group_id)

    def get_node_ids(self) -> Iterable[int]:
        """Return the ids of the virtual nodes."""
        return list(self._nodes)

    def push_messages(self, messages: Iterable[Message]) -> Iterable[str]:
        """Queue messages; each is serialised when a worker is free to take it."""
        ids = []
        for message in messages:
            self._sent += 1
            message_id = f"{self._run.run_id:x}-{self._sent:x}"
            message.metadata.__dict__["_message_id"] = message_id
            job = self._pool.submit(run_client, lambda m=message: (self._job(m),))  # type: ignore[misc]
            self._jobs[job] = message
            ids.append(message_id)
        return ids

    def _job(self, message: Message) -> ClientJob:
        data = message_to_proto(message).SerializeToString()
        self._tap("down", message.metadata.message_type, data)
        node = message.metadata.dst_node_id
        return ClientJob(
            data,
            node,
            self._run.run_id,
            self._nodes[node],
            self._run_config,
            self._states[node],
        )

    def pull_messages(self, message_ids: Iterable[str]) -> Iterable[Message]:
        """Return the replies that are there, waiting up to a fifth of a second for one."""
        wanted = set(message_ids)
        if not wanted & self._ready.keys():
            self._collect(0.2)
        return [self._ready.pop(i) for i in sorted(wanted & self._ready.keys())]

    def _expire(self) -> None:
        """A message past its time to live ends like a node that never answered: in silence."""
        now = time.time()
        for job, message in list(self._jobs.items()):
            if now > message.metadata.created_at + message.metadata.ttl:
                self._pool.cancel(job)
                del self._jobs[job]

    def close(self) -> None:
        """Forget what is still on its way, so that the pool is free for its next user."""
        self._pool.cancel(*self._jobs)
        self._jobs.clear()

    def _collect(self, timeout_s: float) -> None:
        self._expire()
        for done in self._pool.wait(timeout_s):
            sent = self._jobs.pop(done.job, None)
            if sent is None:
                continue
            if done.error is not None:
                reason = done.error.strip().splitlines()[-1]
                reply = Message(Error(CLIENT_APP_RAISED, reason), reply_to=sent)
            else:
                data, self._states[sent.metadata.dst_node_id] = done.value
                self._tap("up", sent.metadata.message_type, data)
                reply = message_from_proto(ProtoMessage.FromString(data))
            self._ready[sent.metadata.message_id] = reply
            self._on_reply()

    def send_and_receive(
        self, messages: Iterable[Message], *, timeout: float | None = None
    ) -> Iterable[Message]:
        """Push messages and pull their replies until all are in or the time-out passes."""
        waiting = set(self.push_messages(messages))
        end = None if timeout is None else time.monotonic() + timeout
        replies: list[Message] = []
        while waiting and (end is None or time.monotonic() < end):
            fresh = list(self.pull_messages(waiting))
            waiting -= {m.metadata.reply_to_message_id for m in fresh}
            replies += fresh
        return replies


def run_server(app: ServerApp, grid: PoolGrid, run_config: RunConfig) -> None:
    """Run an unchanged ServerApp on a grid, which is closed at the end."""
    context = Context(
        run_id=grid.run.run_id,
        node_id=SUPERLINK_NODE_ID,
        node_config={},
        state=RecordDict(),
        run_config=dict(run_config),
    )
    try:
        app(grid, context)
    finally:
        grid.close()
