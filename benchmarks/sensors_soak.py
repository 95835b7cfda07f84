"""Five DOTs and a Myo for minutes, with forced drops, through bleak's own Linux backend.

The emulators, their Bluetooth service and its D-Bus run in a process of their own, so that the
client's CPU and memory are its own. Prints what was lost, the client's share of a core, growth of
its memory, how long reconnections took, and whether each drop is marked as one gap. Then the clock
fit on a slow link: connection events of 30 ms, 5 % missed, a sensor that runs 50 ppm fast.

``python benchmarks/sensors_soak.py --minutes 10 --drop-every 20 --json``
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from kinefed.datasets import RecordingRef
from kinefed.sensors.hub import Hub
from kinefed.sensors.packet_log import PacketLog, read_log
from kinefed.sensors.radio import Radio
from kinefed.sensors.recorder import record
from kinefed.sensors.records import LinkEvent, LinkState, Packet
from kinefed.sensors.session import Session
from kinefed.sensors.streaming import State, stream
from kinefed.sensors.timeline import Timed
from kinefed.sensors.virtual.air import Pace
from kinefed.sensors.virtual.dbus import ADDRESS_VARIABLE
from kinefed.sensors.virtual.person import swinging, virtual_person
from kinefed.sensors.virtual.sensor import Quirks
from kinefed.sensors.worn import Worn

NS = 1e9
PLACES = ("pelvis", "thigh.r", "shank.r", "thigh.l", "shank.l")
WORN = (
    *(Worn(place, "movella-dot", place=place) for place in PLACES),
    Worn("calf", "myo", electrodes={1: "tibialis_anterior.r", 4: "soleus.r"}),
)
# The clock fit is judged after this.
SETTLED_S = 10.0
REF = RecordingRef("soak", "s01", "swing", 1)


async def emulate() -> None:
    """Be the sensors: commands come in by lines, answers go out by lines."""
    async with virtual_person(swinging(WORN), WORN, bus=True) as person:
        told = {"bus": os.environ[ADDRESS_VARIABLE], "worn": [w.to_dict() for w in person.worn]}
        print(json.dumps(told), flush=True)
        while True:
            command, _, name = (await asyncio.to_thread(sys.stdin.readline)).strip().partition(" ")
            if command == "drop":
                at_ns = time.monotonic_ns()
                await person.peripherals[name].drop()
                print(json.dumps({"name": name, "at_ns": at_ns}), flush=True)
            else:
                sent = {name: p.sent for name, p in person.peripherals.items()}
                full = {name: sum(p.dropped.values()) for name, p in person.peripherals.items()}
                cut = {name: p.cut_off for name, p in person.peripherals.items()}
                print(json.dumps({"sent": sent, "full": full, "cut": cut}), flush=True)
                return


def rss_mb() -> float:
    """Memory of this process that is in use."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


async def soak(minutes: float, drop_every_s: float, folder: Path) -> dict[str, Any]:
    """Stream, drop, and measure."""
    emulator = subprocess.Popen(
        [sys.executable, __file__, "--emulate"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert emulator.stdin is not None
    assert emulator.stdout is not None
    told = json.loads(emulator.stdout.readline())
    os.environ[ADDRESS_VARIABLE] = told["bus"]
    worn = tuple(Worn.from_dict(each) for each in told["worn"])
    drops: list[dict[str, Any]] = []
    memory: list[tuple[float, float]] = []
    cpu: list[tuple[float, float]] = []

    def ask(line: str) -> dict[str, Any]:
        emulator.stdin.write(line + "\n")
        emulator.stdin.flush()
        answer: dict[str, Any] = json.loads(emulator.stdout.readline())
        return answer

    def watch(state: State) -> None:
        memory.append((state.seconds, rss_mb()))
        cpu.append((time.monotonic(), time.process_time()))
        due = state.seconds > (len(drops) + 1) * drop_every_s
        # None shortly before the end: its reconnection would be cut off.
        if due and state.seconds < 60.0 * minutes - 10.0 and not state.stopped:
            drops.append(ask(f"drop {worn[len(drops) % len(worn)].name}"))

    log = folder / "soak.kfpl"
    try:
        state = await stream(Radio(), worn, seconds=60.0 * minutes, log=log, watch=watch)
        counts = ask("end")
    finally:
        emulator.kill()
        emulator.wait()
    (t0, c0), (t1, c1) = cpu[0], cpu[-1]
    settled = [mb for s, mb in memory if s > 0.2 * memory[-1][0]]
    return {
        "minutes": state.seconds / 60.0,
        "client_core_share": (c1 - c0) / (t1 - t0),
        "rss_mb": settled[0],
        "rss_growth_mb": settled[-1] - settled[0],
        "drops": len(drops),
        **links(read_log(log), worn, drops, counts),
    }


def links(
    log: PacketLog, worn: tuple[Worn, ...], drops: list[dict[str, Any]], counts: dict[str, Any]
) -> dict[str, Any]:
    """What the log says, beside what the emulators did."""
    noticed, away = [], []
    for drop in drops:
        events = [
            r
            for r in log.records
            if isinstance(r, LinkEvent)
            and r.sensor == drop["name"]
            and r.arrival_ns >= drop["at_ns"]
        ]
        lost = next(e for e in events if e.state is LinkState.LOST)
        back = next(e for e in events if e.state is LinkState.CONNECTED)
        noticed.append((lost.arrival_ns - drop["at_ns"]) / NS)
        away.append((back.arrival_ns - lost.arrival_ns) / NS)
    got: dict[str, int] = {}
    drivers = {each.name: each.driver() for each in worn}
    # What is read as well (the battery) would be counted twice.
    streaming = {name: {*d.notifies} - {*d.reads} for name, d in drivers.items()}
    for each in log.records:
        if isinstance(each, Packet) and each.characteristic in streaming[each.sensor]:
            got[each.sensor] = got.get(each.sensor, 0) + 1
    sent = {
        name: sum(n for uuid, n in by.items() if uuid in streaming[name])
        for name, by in counts["sent"].items()
    }
    recording, session = record(log.records, worn, REF)
    gaps = dict.fromkeys(sent, 0)
    for gap in recording.gaps:
        gaps[gap.stream.rpartition("-")[0]] += 1
    injected = {name: sum(d["name"] == name for d in drops) for name in sent}
    cut = sum(counts["cut"].values())
    return {
        "packets_sent": sum(sent.values()),
        # Those that were in the air when a connection was broken are part of the drop.
        "packets_cut_off": cut,
        "packets_lost": sum(sent.values()) - sum(got.values()) - cut,
        "queue_full": sum(counts["full"].values()),
        "refused": sum(health.refused for health in session.health.values()),
        "notice_ms": spread([1000 * s for s in noticed]),
        "reconnect_ms": spread([1000 * s for s in away]),
        "gaps_marked": gaps,
        "gaps_injected": injected,
    }


def spread(values: list[float]) -> list[float]:
    """Least, median and most."""
    return [round(float(f(values)), 1) for f in (np.min, np.median, np.max)] if values else []


async def clock(seconds: float) -> dict[str, Any]:
    """Error of the reconstructed sample times on a slow link."""
    skew = 50e-6
    quirks = Quirks(skew=skew)
    worn = (WORN[0],)
    async with virtual_person(
        swinging(worn), worn, pace=Pace(0.03, 0.05, seed=1), quirks=quirks
    ) as person:
        async with Hub(person.radio, [each.sensor() for each in person.worn]) as hub:
            await asyncio.sleep(seconds)
        records = hub.drain()
    session = Session(worn)
    placed, true, arrival = [], [], []
    for each in records:
        for heard in session.take(each):
            if isinstance(heard.item, Timed) and heard.item.samples.device_ns is not None:
                samples = heard.item.samples
                # The 32 bits of the sensor's clock, with the turns that they do not hold.
                guess = (quirks.clock_s + samples.arrival_ns[-1] / NS * (1 + skew)) * NS
                turn = 2**32 * 1000
                ticks = samples.device_ns + np.round((guess - samples.device_ns) / turn) * turn
                true.append((ticks / NS - quirks.clock_s) / (1 + skew))
                placed.append(heard.item.host_ns / NS)
                arrival.append(samples.arrival_ns / NS)
    t, p, a = (np.concatenate(x) for x in (true, placed, arrival))
    late = t > t[0] + SETTLED_S
    return {
        "seconds": seconds,
        "error_ms": float(1000 * np.mean(p[late] - t[late])),
        "error_sd_ms": float(1000 * np.std(p[late] - t[late])),
        "arrival_error_ms": float(1000 * np.mean(a[late] - t[late])),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--drop-every", type=float, default=20.0, help="seconds")
    parser.add_argument("--clock-seconds", type=float, default=60.0)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--emulate", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.clock_seconds < 2.0 * SETTLED_S:
        parser.error(f"--clock-seconds has to be {2 * SETTLED_S:.0f} or more")
    if given.emulate:
        asyncio.run(emulate())
        return
    with tempfile.TemporaryDirectory() as folder:
        found = {
            "soak": asyncio.run(soak(given.minutes, given.drop_every, Path(folder))),
            "clock": asyncio.run(clock(given.clock_seconds)),
        }
    if given.json:
        print(json.dumps(found, indent=1))
        return
    for part, numbers in found.items():
        print(part)
        for name, value in numbers.items():
            print(f"  {name:18} {value if not isinstance(value, float) else round(value, 4)}")


if __name__ == "__main__":
    main()
