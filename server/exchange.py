"""Send one message to each of some nodes and gather what comes back before a deadline."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar, cast

from flwr.app import Message
from flwr.serverapp import Grid

from kinefed.models import KinefedError
from kinefed.personalization.codec import decode, encode
from kinefed.personalization.messages import Absent, Payload

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Client:
    """A node that said hello: its Flower id and its stable key."""

    node_id: int
    key: str


@dataclass(frozen=True, slots=True)
class Dropped:
    """A client whose reply was left out, and why."""

    key: str
    reason: str


def exchange(
    grid: Grid,
    kind: str,
    group: str,
    orders: Sequence[tuple[Client, Payload]],
    reply_type: type[R],
    deadline_s: float,
) -> tuple[list[tuple[Client, R]], list[Dropped], int]:
    """Run one exchange.

    Parameters
    ----------
    grid
        Flower's grid: the in-process pool, ray or a SuperLink.
    kind
        Flower message type, for example ``train`` or ``query.hello``.
    group
        Flower group id: the round.
    orders
        Whom to send what; each node at most once.
    reply_type
        The only type of answer that counts, besides :class:`Absent`.
    deadline_s
        Seconds to wait for the last reply.

    Returns
    -------
    replies : list of (Client, reply)
        In the order of ``orders``, whatever the order of arrival.
    dropped : list of Dropped
        Clients with an error, an unreadable message or no reply in time.
    absent : int
        Clients that said that they have nothing to contribute.
    """
    # One order often goes to many clients: it is put into records once.
    records = {id(payload): encode(payload) for _, payload in orders}
    messages = [
        Message(
            records[id(payload)],
            dst_node_id=client.node_id,
            message_type=kind,
            group_id=group,
            ttl=deadline_s,
        )
        for client, payload in orders
    ]
    arrived = _gather(grid, messages, deadline_s)
    replies: list[tuple[Client, R]] = []
    dropped: list[Dropped] = []
    absent = 0
    for client, _ in orders:
        message = arrived.get(client.node_id)
        if message is None:
            dropped.append(Dropped(client.key, f"no reply within {deadline_s:g} s"))
            continue
        if message.has_error():
            # The last line of a traceback names the fault; the rest is the node's own affair.
            lines = (message.error.reason or f"error {message.error.code}").strip().splitlines()
            dropped.append(Dropped(client.key, lines[-1][:300] if lines else "error"))
            continue
        try:
            reply = decode(message.content, reply_type, Absent)
        except KinefedError as error:
            dropped.append(Dropped(client.key, f"unreadable reply: {error}"))
            continue
        if isinstance(reply, Absent):
            absent += 1
        else:
            replies.append((client, cast(R, reply)))
    return replies, dropped, absent


def _gather(grid: Grid, messages: list[Message], deadline_s: float) -> dict[int, Message]:
    """Poll by hand: Flower's own ``send_and_receive`` sleeps three seconds between looks."""
    node_of = dict(
        zip(grid.push_messages(messages), (m.metadata.dst_node_id for m in messages), strict=True)
    )
    waiting = set(node_of)
    arrived: dict[int, Message] = {}
    end = time.monotonic() + deadline_s
    pause = 0.001
    while waiting:
        looked = time.monotonic()
        if looked >= end:
            break
        fresh = list(grid.pull_messages(waiting))
        for message in fresh:
            answered = message.metadata.reply_to_message_id
            if answered in waiting:
                waiting.discard(answered)
                arrived[node_of[answered]] = message
        if fresh:
            pause = 0.001
        elif waiting and time.monotonic() - looked < pause:
            time.sleep(pause)
            pause = min(2 * pause, 0.2)
    return arrived
