"""Persistent worker processes, one torch thread each: the muscle of every study on one machine.

Two torch threads in one process are slower than one on networks of this size, and starting a
process costs seconds of imports; so there are a few processes that stay, each doing one job at a
time. On Linux and macOS they fork from a server process that has imported torch once.
"""

from __future__ import annotations

import multiprocessing as mp
import os
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from multiprocessing.connection import Connection, wait
from multiprocessing.context import BaseContext
from typing import Any, Protocol

from kinefed.datasets import OutsideError, OutsideReason
from kinefed.simulations.serving import Done, run_job, serve

# Modules that every job needs; the fork server imports them once for all workers.
PRELOAD = ("kinefed.client.app", "kinefed.simulations.jobs")


class Pool(Protocol):
    """Where jobs run."""

    def submit(self, function: Callable[..., Any], make_args: Callable[[], tuple[Any, ...]]) -> int:
        """Queue a job and return its number."""

    def wait(self, timeout_s: float | None = None) -> list[Done]:
        """Return finished jobs, waiting for one up to the time-out."""

    def cancel(self, *jobs: int) -> None:
        """Forget jobs."""


class InlinePool:
    """Runs each job in this process when it is waited for.

    A study of many small federations is fastest with each federation whole inside one worker:
    this is the pool inside that worker.
    """

    def __init__(self) -> None:
        self._queue: deque[tuple[int, Callable[..., Any], Callable[[], tuple[Any, ...]]]] = deque()
        self._next = 0

    def submit(self, function: Callable[..., Any], make_args: Callable[[], tuple[Any, ...]]) -> int:
        """Queue a job and return its number."""
        self._queue.append((self._next, function, make_args))
        self._next += 1
        return self._next - 1

    def wait(self, timeout_s: float | None = None) -> list[Done]:
        """Run the oldest job."""
        if not self._queue:
            return []
        job, function, make_args = self._queue.popleft()
        return [run_job(job, function, make_args())]

    def cancel(self, *jobs: int) -> None:
        """Take jobs out of the queue."""
        self._queue = deque(entry for entry in self._queue if entry[0] not in jobs)


@dataclass(slots=True)
class _Worker:
    process: mp.process.BaseProcess
    pipe: Connection
    job: int | None = None


def _context() -> BaseContext:
    # With a BLAS thread a core in every worker all wait for one another: jobs take twice to four
    # times as long. It is read where numpy is loaded, in the fork server or the new process.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    if sys.platform == "win32":
        return mp.get_context("spawn")
    context = mp.get_context("forkserver")
    context.set_forkserver_preload(list(PRELOAD))
    return context


@dataclass(slots=True)
class WorkerPool:
    """A fixed number of worker processes and a queue of jobs.

    Parameters
    ----------
    processes
        How many; by default one for each core that this process may use.

    Notes
    -----
    Use as a context manager: leaving it, also by an exception or Ctrl-C, ends every process.
    A worker that dies (out of memory, killed) fails its job only, and is replaced.
    """

    processes: int = field(default_factory=lambda: available_cores())
    _context: BaseContext = field(default_factory=_context)
    _workers: list[_Worker] = field(default_factory=list)
    _queue: deque[tuple[int, Callable[[], tuple[Any, ...]]]] = field(default_factory=deque)
    _next: int = 0

    def __enter__(self) -> WorkerPool:
        self._workers = [self._start() for _ in range(self.processes)]
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End every worker process."""
        for worker in self._workers:
            worker.pipe.close()
            worker.process.terminate()
        for worker in self._workers:
            worker.process.join(5.0)
            if worker.process.is_alive():
                worker.process.kill()
                worker.process.join()
        self._workers = []
        self._queue.clear()

    def _start(self) -> _Worker:
        ours, theirs = self._context.Pipe(duplex=True)
        process = self._context.Process(target=serve, args=(theirs,), daemon=True)  # type: ignore[attr-defined]
        process.start()
        theirs.close()
        return _Worker(process, ours)

    @property
    def pids(self) -> list[int]:
        """Process ids of the workers."""
        return [w.process.pid for w in self._workers if w.process.pid is not None]

    def submit(self, function: Callable[..., Any], make_args: Callable[[], tuple[Any, ...]]) -> int:
        """Queue a job.

        Parameters
        ----------
        function
            Importable by name in the worker.
        make_args
            Called when a worker is free, so that a long queue does not hold its arguments.

        Returns
        -------
        int
            The job's number, as in :attr:`Done.job`.
        """
        job = self._next
        self._next += 1
        self._queue.append((job, lambda: (function, make_args())))
        self._feed()
        return job

    def _feed(self) -> None:
        # A worker gets a job only when idle: with two in its pipe, both sides could block writing.
        for index, worker in enumerate(self._workers):
            if worker.job is None and self._queue:
                job, make = self._queue.popleft()
                function, args = make()
                try:
                    worker.pipe.send((job, function, args))
                except (BrokenPipeError, ConnectionResetError):
                    self._workers[index] = worker = self._replace(worker)
                    worker.pipe.send((job, function, args))
                worker.job = job

    def _replace(self, worker: _Worker) -> _Worker:
        worker.pipe.close()
        worker.process.kill()
        worker.process.join()
        return self._start()

    def cancel(self, *jobs: int) -> None:
        """Forget jobs: take them out of the queue, or end the workers that are in them."""
        self._queue = deque(entry for entry in self._queue if entry[0] not in jobs)
        for index, worker in enumerate(self._workers):
            if worker.job in jobs:
                self._workers[index] = self._replace(worker)
        self._feed()

    def wait(self, timeout_s: float | None = None) -> list[Done]:
        """Return the jobs that finished, waiting for at least one up to the time-out."""
        busy = {w.pipe: i for i, w in enumerate(self._workers) if w.job is not None}
        finished: list[Done] = []
        for pipe in wait(list(busy), timeout_s) if busy else []:
            index = busy[pipe]  # type: ignore[index]
            worker = self._workers[index]
            assert worker.job is not None
            try:
                done = worker.pipe.recv()
            except (EOFError, OSError):
                done = _died(worker)
                self._workers[index] = self._replace(worker)
            except Exception as error:
                done = Done(worker.job, error=f"the result of a job cannot be read: {error!r}")
                worker.job = None
            else:
                worker.job = None
            finished.append(done)
        self._feed()
        return finished

    def map(
        self,
        function: Callable[..., Any],
        jobs: Iterable[tuple[Any, ...]],
        progress: Callable[[], None] = lambda: None,
    ) -> list[Any]:
        """Run all jobs and return their values in order; the first failure is raised here.

        Raises
        ------
        OutsideError
            Where a worker died; otherwise what the job raised, or RuntimeError with its text
            where that cannot be brought here.
        """
        return [value for _, value in sorted(self.each(function, jobs, progress))]

    def each(
        self,
        function: Callable[..., Any],
        jobs: Iterable[tuple[Any, ...]],
        progress: Callable[[], None] = lambda: None,
    ) -> Iterator[tuple[int, Any]]:
        """Yield (position, value) as jobs finish; raises as :meth:`map` does.

        A failure, or a caller who takes no more, ends the jobs that are left, running ones too:
        no result of theirs can turn up in a later call.
        """
        position: dict[int, int] = {}
        try:
            for i, args in enumerate(jobs):
                position[self.submit(function, partial(tuple, args))] = i
            while position:
                for done in self.wait():
                    if done.job not in position:
                        continue
                    if done.exception is not None:
                        raise done.exception
                    if done.error is not None:
                        raise RuntimeError(done.error)
                    progress()
                    yield position.pop(done.job), done.value
        finally:
            self.cancel(*position)


def _died(worker: _Worker) -> Done:
    assert worker.job is not None
    worker.process.join(1.0)  # the exit code comes a moment after the pipe closes
    text = f"worker process died (exit code {worker.process.exitcode})"
    next_step = "If memory ran out use fewer processes, then run the same command again"
    error = OutsideError(OutsideReason.PROCESS, text, next_step=next_step)
    return Done(worker.job, error=text, exception=error)


def available_cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
