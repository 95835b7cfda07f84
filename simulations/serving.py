"""The inside of a worker process: run one job after another, answer each."""

from __future__ import annotations

import contextlib
import multiprocessing as mp
import os
import pickle
import signal
import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any


@dataclass(frozen=True, slots=True)
class Done:
    """A finished job: its value, or the text of what it raised and that itself if it can be."""

    job: int
    value: Any = None
    error: str | None = None
    exception: BaseException | None = None


def run_job(job: int, function: Callable[..., Any], args: tuple[Any, ...]) -> Done:
    """Call a function; what it raises is part of the answer."""
    try:
        return Done(job, value=function(*args))
    except Exception as error:  # raised again, or reported, where the job was ordered
        return Done(job, error=traceback.format_exc(), exception=error)


def serve(pipe: Connection) -> None:
    """Run jobs until the pipe closes; Ctrl-C is the parent's to handle."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    import torch

    torch.set_num_threads(1)
    with contextlib.suppress(EOFError, OSError):
        while True:
            job, function, args = pipe.recv()
            pipe.send_bytes(_pickled(run_job(job, function, args)))


def _end_with_parent() -> None:
    """End this worker, in the middle of its job too, when the parent is gone.

    After a SIGKILL nobody else does, and an orphan would go on writing into a run folder that the
    next command takes up again.
    """
    parent = mp.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _pickled(done: Done) -> bytes:
    try:
        # Exceptions of some libraries can be pickled, but not made again from that.
        pickle.loads(pickle.dumps(done.exception))
        return pickle.dumps(done)
    except Exception as error:
        text = done.error or f"the result of a job cannot be sent to the parent: {error!r}"
        return pickle.dumps(Done(done.job, error=text))
