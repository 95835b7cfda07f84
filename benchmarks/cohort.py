"""How fast virtual people are made: a whole cohort on disk, and each stage of one person's.

Workload: `--people` x every task (or `--tasks`) x `--minutes` at 100 Hz with muscles, envelopes and
IMUs, written as a dataset folder: frames/s, seconds, and the memory of all processes after a tenth
of the people and at the end, which must not grow with their number. Then each stage in one process
for one person, as the best of `--repeats`: planning with contact forces, inverse dynamics alone,
muscles with envelopes, IMUs, writing. Where the extra `opensim` is installed the rows of
`benchmarks/inverse_dynamics.py` are printed beside. `--json` prints one object.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from engines import memory_mb

from kinefed.biomechanics.engine import Engine
from kinefed.datasets import DatasetInfo, RecordingRef, write_dataset
from kinefed.simulations.cohort.config import CohortConfig
from kinefed.simulations.cohort.generate import generate_cohort
from kinefed.simulations.cohort.outfit import SIDES, dress
from kinefed.simulations.cohort.people import sample_people
from kinefed.simulations.cohort.recording import joint_torques_nm, leg_effort, record
from kinefed.simulations.cohort.tasks import TASKS
from kinefed.simulations.cohort.worn import worn_emg, worn_imus
from kinefed.simulations.workers import WorkerPool

RATE_HZ = 100.0


def whole(config: CohortConfig, processes: int) -> dict[str, float]:
    """Make a cohort in a temporary folder and measure it."""
    memory: list[float] = []
    with tempfile.TemporaryDirectory() as folder, WorkerPool(processes) as pool:

        def person_done() -> None:
            memory.append(memory_mb(pool.pids))
            print(f"\r{len(memory)} of {config.people} people", end="", file=sys.stderr)

        began = time.perf_counter()
        dataset = generate_cohort(config, Path(folder) / "cohort", pool, person_done)
        took = time.perf_counter() - began
        size = sum(file.stat().st_size for file in Path(folder).rglob("*") if file.is_file())
        count = len(dataset.refs)
    print(file=sys.stderr)
    frames = count * round(60.0 * config.minutes * config.rate_hz)
    tenth = memory[max(len(memory) // 10, 1) - 1]
    return {
        "recordings": count,
        "frames": frames,
        "wall_s": took,
        "frames_per_s": frames / took,
        "disk_mb": size / 1e6,
        "memory_mb_after_a_tenth": tenth,
        "memory_mb_at_the_end": memory[-1],
        "memory_mb_most": max(memory),
    }


def stages(task: str, minutes: float, repeats: int) -> dict[str, float]:
    """Frames per second of each stage for one person at one task."""
    person = sample_people(1, 1)[0]
    body = person.rigid_body()
    engine = Engine(body)
    outfit = dress(body, RATE_HZ, (1, 0), 0)
    duration_s = 60.0 * minutes

    def perform():
        return TASKS[task].generate(person, person.generator(task), duration_s, RATE_HZ)

    motion = perform()
    dynamics = engine.inverse(motion.q, motion.qd, motion.qdd)
    tau = joint_torques_nm(dynamics, motion)
    ref = RecordingRef(person.subject.id, "s01", task, 1)
    recording = record(engine, outfit, motion, ref, person.generator(task))

    limbs = {side: leg_effort(dynamics, motion, tau, side) for side in SIDES}

    def write() -> None:
        with tempfile.TemporaryDirectory() as folder:
            write_dataset(
                Path(folder) / "one", DatasetInfo("one"), [person.subject], iter([recording])
            )

    steps: dict[str, Callable[[], object]] = {
        "motion_with_contacts": perform,
        "inverse_dynamics": lambda: joint_torques_nm(
            engine.inverse(motion.q, motion.qd, motion.qdd), motion
        ),
        "muscles_and_envelopes": lambda: worn_emg(
            outfit, limbs, motion.rate_hz, person.generator(task)
        ),
        "imus": lambda: worn_imus(outfit, dynamics, motion.rate_hz, person.generator(task)),
        "writing": write,
    }
    return {name: len(motion.q) / best(step, repeats) for name, step in steps.items()}


def best(run: Callable[[], object], repeats: int) -> float:
    """Shortest time of some runs in seconds."""
    took = []
    for _ in range(repeats):
        began = time.perf_counter()
        run()
        took.append(time.perf_counter() - began)
    return min(took)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=50)
    parser.add_argument("--tasks", default=",".join(TASKS))
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    tasks = tuple(arguments.tasks.split(","))
    config = CohortConfig(people=arguments.people, tasks=tasks, minutes=arguments.minutes, seed=1)
    result = {
        "cohort": whole(config, arguments.processes),
        "stages_frames_per_s": stages("walk_normal", arguments.minutes, arguments.repeats),
    }
    if importlib.util.find_spec("opensim"):
        rival = Path(__file__).with_name("inverse_dynamics.py")
        out = subprocess.run(
            [sys.executable, rival, "--json"], check=True, capture_output=True, text=True
        )
        result["inverse_dynamics_beside_opensim"] = json.loads(out.stdout)
    if arguments.json:
        print(json.dumps(result))
        return
    for title, row in result.items():
        print(title)
        for name, value in row.items():
            print(f"  {name:28s} {value:,.1f}")


if __name__ == "__main__":
    main()
