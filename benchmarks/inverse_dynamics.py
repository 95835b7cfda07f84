"""Frames per second of inverse dynamics: our engine and OpenSim on one body, in one run.

Workload: a body of 18 coordinates that moves smoothly, with a force under each foot. OpenSim gets
the same body as a model file, and is run in two ways: its solver frame by frame through
`OpenSimModel`, and its `InverseDynamicsTool` on files, which is how it is mostly used. All start
from angles and differentiate them. Each row is the best of `--repeats`; rivals that are not
installed are left out. `--frames 3000 --repeats 3 --json`.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from kinefed.biomechanics import (
    Body,
    Engine,
    OpenSimModel,
    Wrench,
    body_parameters,
    joint_torques,
)

# The body as an OpenSim model is a piece of the tests, which hold both to one another.
sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "biomechanics"))
from opensim_build import FROM_WORLD, Build, name_of

RATE_HZ = 100.0


def motion(body: Body, frames: int) -> tuple[np.ndarray, list[Wrench]]:
    """Make angles and forces: speed does not depend on what they are."""
    rng = np.random.default_rng(0)
    time_s = np.arange(frames)[:, None] / RATE_HZ
    count = len(body.coordinates)
    phase, size = rng.uniform(0.0, 6.0, count), rng.uniform(0.1, 0.4, count)
    q = size * np.sin(2.0 * np.pi * time_s + phase)
    up = np.array([0.0, 0.0, 400.0])
    forces = [Wrench(side, np.tile(up, (frames, 1)), 0.1 * q[:, :3], q[:, 3]) for side in "rl"]
    return q, forces


def storage(path: Path, names: list[str], rows: np.ndarray) -> None:
    """Write a table as OpenSim reads it."""
    head = f"x\nversion=1\nnRows={len(rows)}\nnColumns={len(names) + 1}\ninDegrees=no\nendheader"
    table = np.column_stack([np.arange(len(rows)) / RATE_HZ, rows])
    columns = "\t".join(["time", *names])
    np.savetxt(path, table, delimiter="\t", header=f"{head}\n{columns}", comments="")


def tool(folder: Path, model: Path, names: list[str], q: np.ndarray, forces: list[Wrench]):
    """Write the files of OpenSim's tool and return what runs it."""
    import opensim

    storage(folder / "q.sto", names, q)
    columns, rows, loads = [], [], opensim.ExternalLoads()
    for wrench in forces:
        foot = wrench.on
        columns += [f"{foot}_{kind}{axis}" for kind in "vpm" for axis in "xyz"]
        moment = np.multiply.outer(wrench.free_moment, [0.0, 0.0, 1.0])
        rows += [x @ FROM_WORLD.T for x in (wrench.force, wrench.point, moment)]
        load = opensim.ExternalForce()
        load.setName(foot)
        load.set_applied_to_body(f"calcn_{foot}")
        load.set_force_expressed_in_body("ground")
        load.set_point_expressed_in_body("ground")
        load.set_force_identifier(f"{foot}_v")
        load.set_point_identifier(f"{foot}_p")
        load.set_torque_identifier(f"{foot}_m")
        loads.cloneAndAppend(load)
    storage(folder / "forces.sto", columns, np.hstack(rows))
    loads.setDataFileName(str(folder / "forces.sto"))
    loads.printToXML(str(folder / "loads.xml"))

    def run() -> None:
        # A tool that ran is not used again: its second run fails.
        one = opensim.InverseDynamicsTool()
        one.setModelFileName(str(model))
        one.setCoordinatesFileName(str(folder / "q.sto"))
        one.setLowpassCutoffFrequency(-1.0)
        one.setExternalLoadsFileName(str(folder / "loads.xml"))
        one.setResultsDir(str(folder))
        one.setStartTime(0.0)
        one.setEndTime((len(q) - 1) / RATE_HZ)
        if not one.run():
            raise RuntimeError("OpenSim's tool failed")

    return run


def rivals(body: Body, q: np.ndarray, forces: list[Wrench], folder: Path):
    """Give what can be run here, by name."""
    found: dict[str, Callable[[], object]] = {}
    if importlib.util.find_spec("mujoco"):
        engine = Engine(body)
        found["kinefed"] = lambda: joint_torques(engine, q, RATE_HZ, forces, None)
    if importlib.util.find_spec("opensim"):
        import opensim

        path = Build(opensim, body).write(folder / "person.osim")
        model = OpenSimModel(path)
        names = [name_of(name) for name in body.coordinates]
        theirs = model.q({name: q[:, i] for i, name in enumerate(names)})
        found["opensim_solver"] = lambda: model.inverse_dynamics(theirs, RATE_HZ, forces, None)
        found["opensim_tool"] = tool(folder, path, names, q, forces)
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=3000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    # OpenSim's tool writes to the standard output itself: that is for the result.
    out = os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    body = Body(body_parameters("x", 1.75, 70.0), hip_rotation=True)
    q, forces = motion(body, arguments.frames)
    row: dict[str, float | int] = {"frames": arguments.frames}
    with tempfile.TemporaryDirectory() as folder:
        for name, run in rivals(body, q, forces, Path(folder)).items():
            best = np.inf
            for _ in range(arguments.repeats):
                began = time.perf_counter()
                run()
                best = min(best, time.perf_counter() - began)
            row[f"{name}_frames_per_s"] = arguments.frames / best
    for name in ("opensim_solver", "opensim_tool"):
        if f"{name}_frames_per_s" in row and "kinefed_frames_per_s" in row:
            ours, theirs = row["kinefed_frames_per_s"], row[f"{name}_frames_per_s"]
            row[f"kinefed_over_{name}"] = ours / theirs
    text = json.dumps(row) if arguments.json else "  ".join(f"{k} {v:.4g}" for k, v in row.items())
    print(text, file=out, flush=True)


if __name__ == "__main__":
    main()
