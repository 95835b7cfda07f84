"""How long a packet takes to become a torque, on one core, and whether memory grows over an hour.

Inference alone: medians of ONNX Runtime beside torch eager, taken in turns in one run, as ratios.
Packet to torque: three Movella DOTs at 60 Hz and an armband of EMG, decoded, timed, filtered and
estimated by an LSTM of 50 units over a window of 50 frames, for one leg at 100 Hz; the time of a
call is that of everything it does. Where other programs share the core, the wall time holds their
turns and the CPU time does not. The hour runs on the packets' own clock, as fast as it can.

``python benchmarks/live_latency.py --json``
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from kinefed.client.live import ANY, LiveConfig, LiveEngine, SensorFeed, layouts_of
from kinefed.models import ModelBundle, Scaling, TorqueNetwork, build, seeded
from kinefed.models.export import Form
from kinefed.models.runner import Backend, Runner
from kinefed.sensors import Packet, Record, Worn
from kinefed.sensors.virtual import EMULATORS
from kinefed.signals import LegSpec

NS = 1_000_000_000
WORN = (
    *(Worn(place, "movella-dot", {"mode": "rate"}, place=place)
      for place in ("pelvis", "thigh.r", "shank.r")),
    Worn("band", "myo", electrodes={3: "soleus.r", 6: "tibialis_anterior.r"}),
)  # fmt: skip
SITES = ("pelvis", "thigh", "shank")
SPEC = LegSpec(
    tuple(f"{kind}.{site}.{axis}" for site in SITES for kind in ("acc", "gyro") for axis in "xyz"),
    ("torque.hip", "torque.knee", "torque.ankle"),
    ("envelope.soleus", "envelope.tibialis_anterior"),
)
REFERENCE = {"emg.soleus.r": 4e-5, "emg.tibialis_anterior.r": 4e-5}
# 17 channels and 4 outputs are those of Zhang et al. (2023), 9 and 1 those of Moreira et al.
# (2021), 6, 3 and 20 frames those of the federation's default.
CASES = (
    ("LSTM, window of 50", "zhang2023lstm", Form.WINDOW, 17, 4, 50, 0.08),
    ("LSTM, stateful", "zhang2023lstm", Form.STATEFUL, 17, 4, 50, 0.03),
    ("CNN, 6 x 20", "moreira2021cnn", Form.WINDOW, 6, 3, 20, 0.02),
    ("CNN, 9 x 50", "moreira2021cnn", Form.WINDOW, 9, 1, 50, None),
    ("CNN-LSTM, window of 50", "cnn-lstm", Form.WINDOW, 17, 4, 50, None),
)
ROUNDS, CALLS = 20, 200


def network(network_id: str, channels: int, outputs: int, times: int) -> TorqueNetwork:
    """A network with random weights: they cost what trained ones do."""

    def make() -> TorqueNetwork:
        return build(
            network_id,
            n_channels=channels,
            n_outputs=outputs,
            n_times=times,
            sample_rate_hz=100.0,
        )

    return seeded(0, make).eval()


def inference() -> list[dict[str, Any]]:
    """Median of one call, in ms, of both backends."""
    rows = []
    for name, network_id, form, channels, outputs, times, aim_ms in CASES:
        module = network(network_id, channels, outputs, times)
        runners = {backend: Runner(module, form, backend) for backend in Backend}
        rng = np.random.default_rng(0)
        taken: dict[Backend, list[int]] = {backend: [] for backend in Backend}
        for _ in range(ROUNDS):
            for backend, runner in runners.items():
                runner.x[:] = rng.standard_normal(runner.x.shape)
                taken[backend] += timed(runner.run, CALLS)
        onnx, eager = (float(np.median(taken[b])) / 1e6 for b in (Backend.ONNX, Backend.TORCH))
        rows.append(
            {
                "case": name,
                "onnx_ms": onnx,
                "torch_ms": eager,
                "ratio": eager / onnx,
                "onnx_best_ms": min(taken[Backend.ONNX]) / 1e6,
                "aim_ms": aim_ms,
            }
        )
    return rows


def timed(call: Callable[[], object], times: int) -> list[int]:
    """Durations in ns."""
    found = []
    for _ in range(times):
        begin = time.perf_counter_ns()
        call()
        found.append(time.perf_counter_ns() - begin)
    return found


def packets(worn: tuple[Worn, ...], seconds: float) -> Iterator[Record]:
    """What emulated sensors send, in the order of its arrival, 4 ms late."""
    sensors = []
    for number, each in enumerate(worn):
        driver = each.driver()

        def felt(label: str, times_s: np.ndarray, number: int = number) -> np.ndarray:
            size = {"emg": 30.0, "quat": 0.5}.get(label.split(".")[0], 3.0)
            return np.asarray(size * np.sin(2 * np.pi * times_s * (1 + 0.3 * number) + len(label)))

        sensor = EMULATORS[each.driver_id](felt)
        for write in driver.setup:
            sensor.written(write.characteristic, write.value, 0.0)
        for uuid in driver.notifies:
            sensor.subscribed(uuid, True, 0.0)
        for write in driver.start:
            sensor.written(write.characteristic, write.value, 0.0)
        sensors.append((each.name, sensor))
    part_s = 5.0
    for end in np.arange(part_s, seconds + part_s, part_s):
        found = [
            Packet(name, round((value.ready_s + 0.004) * NS), value.characteristic, value.data)
            for name, sensor in sensors
            for value in sensor.take(min(end, seconds))
        ]
        yield from sorted(found, key=lambda packet: packet.arrival_ns)


def feed_of(worn: tuple[Worn, ...], spec: LegSpec, backend: Backend, form: Form) -> SensorFeed:
    """An engine for one leg on an LSTM of 50 units."""
    n, outputs = spec.n_channels, len(spec.outputs)
    scaling = Scaling(np.zeros(n), np.ones(n), np.zeros(outputs), np.ones(outputs),
                      len(spec.optional))  # fmt: skip
    module = network("zhang2023lstm", n, outputs, 50)
    bundle = ModelBundle.of(module, spec, scaling)
    config = LiveConfig(sides=("r",), mass_kg=70.0, backend=backend, form=form)
    engine = LiveEngine(layouts_of(worn), {ANY: [bundle]}, config, None, REFERENCE)
    return SensorFeed(worn, engine)


def latency(seconds: float) -> list[dict[str, Any]]:
    """Time of the calls that gave a torque, of both backends and forms in turns."""
    records = list(packets(WORN, seconds))
    ways = [(backend, form) for backend in Backend for form in Form]
    feeds = {way: feed_of(WORN, SPEC, *way) for way in ways}
    took: dict[tuple[Backend, Form], list[tuple[int, int]]] = {way: [] for way in ways}
    total = dict.fromkeys(ways, 0)
    part = len(records) // 20
    for begin in range(0, len(records), part):
        for way, feed in feeds.items():
            for record in records[begin : begin + part]:
                wall, cpu = time.perf_counter_ns(), time.thread_time_ns()
                outputs = feed.take(record)
                cpu = time.thread_time_ns() - cpu
                wall = time.perf_counter_ns() - wall
                total[way] += cpu
                if outputs:
                    # What it did for the packet as well: the torque waits for both.
                    took[way].append((wall, cpu))
    rows = []
    for (backend, form), spent in took.items():
        wall_ms, cpu_ms = np.array(spent).T / 1e6
        rows.append(
            {
                "backend": str(backend),
                "form": str(form),
                "packets": len(records),
                "calls_with_torque": len(spent),
                "p50_ms": float(np.percentile(wall_ms, 50)),
                "p99_ms": float(np.percentile(wall_ms, 99)),
                "max_ms": float(wall_ms.max()),
                "cpu_p50_ms": float(np.percentile(cpu_ms, 50)),
                "cpu_p99_ms": float(np.percentile(cpu_ms, 99)),
                "core_share": total[backend, form] / (seconds * NS),
            }
        )
    return rows


def hour(hours: float) -> dict[str, Any]:
    """Memory after a tenth of the time and at its end."""
    worn = WORN[1:2]
    spec = LegSpec(tuple(f"{k}.thigh.{a}" for k in ("acc", "gyro") for a in "xyz"), ("torque.hip",))
    feed = feed_of(worn, spec, Backend.ONNX, Form.WINDOW)
    seconds, outputs, settled = 3600.0 * hours, 0, None
    begin = time.perf_counter()
    for record in packets(worn, seconds):
        outputs += len(feed.take(record))
        if settled is None and record.arrival_ns > 0.1 * seconds * NS:
            settled = held()
    assert settled is not None
    memory_kb, objects = held()
    return {
        "hours": hours,
        "outputs": outputs,
        "wall_s": time.perf_counter() - begin,
        "rss_mb": settled[0] / 1024,
        "rss_growth_mb": (memory_kb - settled[0]) / 1024,
        "objects_growth": objects - settled[1],
    }


def held() -> tuple[float, int]:
    """Memory of this process in kB, and its objects."""
    gc.collect()
    # First: the list of all objects takes megabytes itself.
    objects = len(gc.get_objects())
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1024, objects


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="of packets, for the latency")
    parser.add_argument("--hours", type=float, default=1.0, help="of packets, for memory")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    torch.set_num_threads(1)
    found = {
        "load_average": os.getloadavg()[0],
        "inference": inference(),
        "latency": latency(given.seconds),
        "memory": hour(given.hours),
    }
    if given.json:
        print(json.dumps(found, indent=1))
        return
    print(f"load average at the beginning {found['load_average']:.1f}")
    print(f"{'one call (ms)':24} {'ONNX':>8} {'torch':>8} {'ratio':>6} {'best':>8} {'aim':>6}")
    for row in found["inference"]:
        aim = "-" if row["aim_ms"] is None else f"{row['aim_ms']:g}"
        print(
            f"{row['case']:24} {row['onnx_ms']:8.4f} {row['torch_ms']:8.4f} {row['ratio']:6.1f} "
            f"{row['onnx_best_ms']:8.4f} {aim:>6}"
        )
    print("packet to torque (ms); aims: p50 below 3, p99 below 10")
    for row in found["latency"]:
        print(
            f"{row['backend']:6} {row['form']:10} p50 {row['p50_ms']:.3f}  p99 {row['p99_ms']:.3f}"
            f"  max {row['max_ms']:.2f}; CPU alone p50 {row['cpu_p50_ms']:.3f}"
            f"  p99 {row['cpu_p99_ms']:.3f}; {100 * row['core_share']:.1f} % of a core"
        )
    memory = found["memory"]
    print(
        f"{memory['hours']:g} h in {memory['wall_s']:.0f} s, {memory['outputs']} outputs: "
        f"{memory['rss_mb']:.0f} MB, {memory['rss_growth_mb']:+.2f} MB and "
        f"{memory['objects_growth']:+d} objects from a tenth of it to its end"
    )


if __name__ == "__main__":
    main()
