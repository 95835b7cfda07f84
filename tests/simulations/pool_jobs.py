"""Jobs for the tests of worker pools, importable by name in the workers."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

# Longer than any test: a job that sleeps this long is stuck.
FOREVER_S = 3600.0


class Fault(Exception):
    """An exception of two arguments, which pickle can take apart but not put together."""

    def __init__(self, what: str, number: int) -> None:
        super().__init__(f"{what} {number}")


class Odd:
    """A value that can be pickled but not made again."""

    def __reduce__(self):
        return (int, ("not a number",))


def square(x: int) -> int:
    return x * x


def pid() -> int:
    return os.getpid()


def mark_and_wait(mark: Path) -> None:
    """Tell which process is stuck, then be stuck."""
    mark.with_suffix(".new").write_text(str(os.getpid()))
    mark.with_suffix(".new").replace(mark)
    time.sleep(FOREVER_S)


def later(path: Path, seconds: float, value: int) -> int:
    path.touch()
    time.sleep(seconds)
    return value


def leave(code: int) -> None:
    os._exit(code)


def kill_yourself() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def fail(error: Exception) -> None:
    raise error


def fail_oddly() -> None:
    raise Fault("broken", 7)


def unpicklable():
    return lambda: None


def unreadable() -> Odd:
    return Odd()


def square_or_fail(x: int) -> int:
    if x < 0:
        raise ValueError(f"{x} is negative")
    return x * x


def silent_client(job):
    """Run the ClientApp, but never answer where the node's config names this message type."""
    from flwr.common.serde import message_from_proto
    from flwr.proto.message_pb2 import Message

    from kinefed.simulations.pool import run_client

    metadata = message_from_proto(Message.FromString(job.message)).metadata
    if job.node_config.get("silent-at") == metadata.group_id:
        mark_and_wait(Path(str(job.node_config["store"]) + ".stuck"))
    return run_client(job)


def echo_client(job):
    """Send the content back at once, or after the seconds that the node's config says."""
    from flwr.app import Message
    from flwr.common.serde import message_from_proto, message_to_proto
    from flwr.proto.message_pb2 import Message as ProtoMessage

    message = message_from_proto(ProtoMessage.FromString(job.message))
    time.sleep(job.node_config["seconds"])
    if job.node_config.get("dies"):
        leave(9)
    reply = Message(message.content, reply_to=message)
    return message_to_proto(reply).SerializeToString(), job.state
