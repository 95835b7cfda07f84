"""Worker processes: what dies, hangs or raises costs its own job and nothing else."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pool_jobs
import pytest

from kinefed.datasets import DataError, DataReason, OutsideError
from kinefed.simulations.serving import Done
from kinefed.simulations.workers import InlinePool, WorkerPool, available_cores

POSIX = pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")


@pytest.fixture
def pool() -> Iterator[WorkerPool]:
    with WorkerPool(2) as started:
        yield started


def until(condition: Callable[[], bool], what: str, seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"waited {seconds} s for: {what}"
        time.sleep(0.01)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def finish(pool: WorkerPool, *jobs: int) -> dict[int, Done]:
    """Wait for exactly these jobs."""
    found: dict[int, Done] = {}
    until(
        lambda: found.update({d.job: d for d in pool.wait(0.2)}) or set(jobs) <= set(found),
        f"jobs {jobs}",
    )
    assert set(found) == set(jobs)
    return found


def test_map_keeps_the_order_and_tells_of_each_job(pool: WorkerPool) -> None:
    told: list[int] = []
    values = pool.map(pool_jobs.square, [(i,) for i in range(20)], lambda: told.append(1))
    assert values == [i * i for i in range(20)]
    assert len(told) == 20
    assert len(pool.pids) == 2
    assert os.getpid() not in set(pool.map(pool_jobs.pid, [()] * 10)) <= set(pool.pids)


def test_arguments_are_made_when_a_worker_is_free(pool: WorkerPool, tmp_path: Path) -> None:
    stuck = [pool.submit(pool_jobs.mark_and_wait, lambda i=i: (tmp_path / str(i),)) for i in (0, 1)]
    made: list[int] = []
    job = pool.submit(pool_jobs.square, lambda: (made.append(1) or 3,))
    assert pool.wait(0.1) == []
    assert made == []
    pool.cancel(stuck[0])
    assert finish(pool, job)[job].value == 9
    assert made == [1]


@POSIX
@pytest.mark.parametrize(
    ("function", "args", "code"),
    [(pool_jobs.leave, (3,), 3), (pool_jobs.kill_yourself, (), -signal.SIGKILL)],
)
def test_a_worker_that_dies_fails_its_job_only(pool, function, args, code) -> None:
    before = pool.pids
    bad = pool.submit(function, lambda: args)
    good = [pool.submit(pool_jobs.square, lambda i=i: (i,)) for i in range(6)]
    found = finish(pool, bad, *good)
    assert found[bad].error == f"worker process died (exit code {code})"
    assert [found[job].value for job in good] == [i * i for i in range(6)]
    assert len(set(pool.pids) & set(before)) == 1
    assert len(pool.pids) == 2
    assert all(alive(pid) for pid in pool.pids)
    with pytest.raises(
        OutsideError, match=rf"died \(exit code {code}\).*fewer processes"
    ) as caught:
        pool.map(function, [args])
    assert caught.value.exit_code == 4
    assert pool.map(pool_jobs.square, [(2,), (3,)]) == [4, 9]


@POSIX
def test_a_worker_has_one_thread(pool: WorkerPool) -> None:
    assert pool.map(os.getenv, [("OMP_NUM_THREADS",)]) == ["1"]


def test_a_worker_killed_from_outside_while_idle_costs_no_job(pool: WorkerPool) -> None:
    pool.map(pool_jobs.square, [(1,), (2,)])
    killed = pool.pids
    for pid in killed:
        os.kill(pid, signal.SIGKILL)
    until(lambda: not any(map(alive, killed)), "the killed to be gone")
    assert pool.map(pool_jobs.square, [(i,) for i in range(4)]) == [0, 1, 4, 9]
    assert not set(pool.pids) & set(killed)


@POSIX
def test_a_worker_killed_from_outside_in_its_job_fails_it(pool: WorkerPool, tmp_path: Path) -> None:
    job = pool.submit(pool_jobs.mark_and_wait, lambda: (tmp_path / "mark",))
    until((tmp_path / "mark").exists, "the job to begin")
    os.kill(int((tmp_path / "mark").read_text()), signal.SIGKILL)
    assert f"exit code {-signal.SIGKILL}" in (finish(pool, job)[job].error or "")


def test_cancel_takes_a_queued_job_back_and_ends_a_stuck_one(tmp_path: Path) -> None:
    with WorkerPool(1) as pool:
        stuck = pool.submit(pool_jobs.mark_and_wait, lambda: (tmp_path / "mark",))
        queued = pool.submit(pool_jobs.later, lambda: (tmp_path / "ran", 0.0, 1))
        last = pool.submit(pool_jobs.square, lambda: (5,))
        until((tmp_path / "mark").exists, "the job to begin")
        pid = int((tmp_path / "mark").read_text())
        assert pool.pids == [pid]
        pool.cancel(queued)
        assert alive(pid)
        pool.cancel(stuck)
        assert not alive(pid)
        assert finish(pool, last)[last].value == 25
        assert not (tmp_path / "ran").exists()
        pool.cancel(last, 999)  # done, or never there: nothing to do
        assert pool.map(pool_jobs.square, [(6,)]) == [36]


ERRORS = [
    ValueError("seven"),
    DataError(DataReason.NOT_FOUND, "no recording", where="S01", next_step="Record one"),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda e: type(e).__name__)
def test_map_raises_what_the_job_raised(pool: WorkerPool, error: Exception) -> None:
    with pytest.raises(type(error)) as caught:
        pool.map(pool_jobs.fail, [(error,)])
    assert str(caught.value) == str(error)
    assert type(caught.value) is type(error)


def test_an_exception_that_cannot_be_brought_here_is_told_as_text(pool: WorkerPool) -> None:
    before = pool.pids
    with pytest.raises(RuntimeError, match=r"(?s)fail_oddly.*Fault: broken 7"):
        pool.map(pool_jobs.fail_oddly, [()])
    assert pool.pids == before


@pytest.mark.parametrize(
    ("function", "says"),
    [(pool_jobs.unpicklable, "cannot be sent"), (pool_jobs.unreadable, "cannot be read")],
)
def test_a_result_that_cannot_be_brought_here_fails_its_job_only(pool, function, says) -> None:
    before = pool.pids
    bad = pool.submit(function, tuple)
    good = pool.submit(pool_jobs.square, lambda: (3,))
    found = finish(pool, bad, good)
    assert says in (found[bad].error or "")
    assert found[good].value == 9
    assert pool.pids == before
    with pytest.raises(RuntimeError, match=says):
        pool.map(function, [()])


def test_arguments_that_cannot_be_sent_leave_the_pool_usable(pool: WorkerPool) -> None:
    with pytest.raises(Exception, match=r"lambda|pickle"):
        pool.map(pool_jobs.square, [(1,), (lambda: None,), (2,)])
    assert pool.map(pool_jobs.square, [(i,) for i in range(5)]) == [0, 1, 4, 9, 16]


def test_after_a_failure_no_old_result_turns_up(pool: WorkerPool, tmp_path: Path) -> None:
    """Jobs that ran or waited when another failed are ended; the next call sees its own only."""
    running, never = tmp_path / "running", tmp_path / "never"
    before = pool.pids

    def jobs() -> Iterator[tuple[Path, float, int]]:
        yield (running, 0.5, -1)
        until(running.exists, "the first job to begin")
        yield (tmp_path / "no" / "folder", 0.0, -2)  # touch() fails
        yield (tmp_path / "next", 0.5, -3)  # begun in place of the one that failed
        yield (never, 0.0, -4)

    with pytest.raises(FileNotFoundError):
        pool.map(pool_jobs.later, jobs())
    assert not set(pool.pids) & set(before), "both were in jobs that nobody waits for"
    time.sleep(0.6)  # by now they would have answered, had they been left to run
    results = [(tmp_path / f"{i}", 0.0, i) for i in range(6)]
    assert pool.map(pool_jobs.later, results) == list(range(6))
    assert not never.exists()
    assert pool.wait(0.2) == []


def test_a_caller_who_stops_early_ends_the_rest(pool: WorkerPool, tmp_path: Path) -> None:
    work = [(tmp_path / "first", 0.0, 1)] + [(tmp_path / f"{i}", 0.2, -1) for i in range(6)]
    with contextlib.closing(pool.each(pool_jobs.later, work)) as results:
        assert next(results) == (0, 1)
    time.sleep(0.4)
    assert pool.map(pool_jobs.square, [(i,) for i in range(4)]) == [0, 1, 4, 9]
    assert len(list(tmp_path.iterdir())) < 5


def test_a_result_nobody_waits_for_is_not_taken_for_another(pool: WorkerPool) -> None:
    pool.submit(pool_jobs.square, lambda: (100,))
    pool.submit(pool_jobs.fail, lambda: (ValueError("of another caller"),))
    assert pool.map(pool_jobs.square, [(1,), (2,), (3,)]) == [1, 4, 9]


@POSIX
def test_close_leaves_no_process(tmp_path: Path) -> None:
    with WorkerPool(2) as pool:
        pids = pool.pids
        pool.submit(pool_jobs.mark_and_wait, lambda: (tmp_path / "mark",))
        pool.submit(pool_jobs.square, lambda: (1,))
        until((tmp_path / "mark").exists, "the job to begin")
        assert all(map(alive, pids))
    assert not any(map(alive, pids))
    assert pool.pids == []
    pool.close()  # twice does no harm


STUDY = """
import sys
from pathlib import Path
import pool_jobs
from kinefed.simulations import workers
from kinefed.simulations.workers import WorkerPool
workers.PRELOAD = ()  # what studies need takes seconds to import
if __name__ == "__main__":
    folder = Path(sys.argv[1])
    with WorkerPool(2) as pool:
        pool.map(pool_jobs.mark_and_wait, [(folder / str(i),) for i in range(4)])
"""


@POSIX
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_neither_ctrl_c_nor_a_kill_leaves_a_process(tmp_path: Path, how: signal.Signals) -> None:
    script = tmp_path / "study.py"
    script.write_text(STUDY)
    # Stands in for the real one, for the same reason.
    (tmp_path / "torch.py").write_text("def set_num_threads(n): pass")
    paths = [str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]
    parent = subprocess.Popen(
        [sys.executable, str(script), str(tmp_path)],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1"},
        start_new_session=True,  # its own process group, which is then empty of all but its own
    )
    try:
        until(lambda: (tmp_path / "0").exists() and (tmp_path / "1").exists(), "both jobs")
        workers = [int((tmp_path / name).read_text()) for name in "01"]
        os.kill(parent.pid, how)
        _, stderr = parent.communicate(timeout=30)
        until(lambda: not any(map(alive, workers)), "the workers to end")
        until(lambda: not _group(parent.pid), "the fork server to end")
    finally:
        if _group(parent.pid):
            os.killpg(parent.pid, signal.SIGKILL)
        parent.wait()
    assert ("KeyboardInterrupt" in stderr) == (how == signal.SIGINT)
    assert not (tmp_path / "2").exists()


def _group(leader: int) -> bool:
    try:
        os.killpg(leader, 0)
    except ProcessLookupError:
        return False
    return True


def test_the_inline_pool_runs_one_job_a_wait() -> None:
    pool = InlinePool()
    assert pool.wait() == []
    jobs = [pool.submit(pool_jobs.square_or_fail, lambda i=i: (i,)) for i in (2, -1, 3, 4)]
    pool.cancel(jobs[2])
    first, second, third = pool.wait(), pool.wait(), pool.wait()
    assert [(d.job, d.value) for d in first + third] == [(jobs[0], 4), (jobs[3], 16)]
    assert isinstance(second[0].exception, ValueError)
    assert "-1 is negative" in (second[0].error or "")
    assert pool.wait() == []


def test_there_is_a_core() -> None:
    assert 1 <= available_cores() <= (os.cpu_count() or 1)
    with WorkerPool() as pool:
        assert len(pool.pids) == available_cores()
