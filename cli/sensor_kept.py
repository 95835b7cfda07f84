"""What stays of a session with sensors: its figures, its recording, and the same again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kinefed.datasets import Dataset, Recording, RecordingRef
    from kinefed.sensors.session import Session
    from kinefed.sensors.streaming import State

# By how much a sound stream may be off its nominal rate, and how much of it may be lost.
RATE_SHARE, LOSS_SHARE = 0.02, 0.01


def measured(state: State, sensor: str, name: str) -> dict[str, Any]:
    """Give the figures of one stream, JSON-ready, with a verdict."""
    flow, health = state.flows[sensor, name], state.health[sensor]
    channels = state.quality.faults(sensor, name)
    found_hz, loss = flow.measured_hz, flow.lost / max(1, flow.lost + flow.received)
    fault = ""
    if found_hz is None:
        fault = "sends nothing"
    elif flow.rate_hz is not None and abs(found_hz / flow.rate_hz - 1.0) > RATE_SHARE:
        fault = "wrong rate"
    elif loss > LOSS_SHARE:
        fault = "loses samples"
    elif health.refused:
        fault = "sends what its driver does not know"
    elif channels:
        fault = f"{len(channels)} of its channels at fault"
    return {
        "sensor": sensor,
        "stream": name,
        "nominal_hz": flow.rate_hz,
        "measured_hz": found_hz,
        "received": flow.received,
        "lost": flow.lost,
        "loss": loss,
        "pause_s": flow.pause_s,
        "battery": None if health.battery is None else health.battery.percent,
        "reconnections": health.reconnections,
        "refused": health.refused,
        "device": state.device.get(sensor, "-"),
        "channels": {each.channel: [str(f) for f in each.faults] for each in channels},
        "sound": not fault,
        "fault": fault,
    }


def from_log(log: Path, ref: RecordingRef) -> tuple[Recording, Session, int]:
    """Make the recording of a log, with the health of the sensors and the torn bytes at its end."""
    from kinefed.sensors.packet_log import read_log
    from kinefed.sensors.recorder import record as make_recording

    read = read_log(log)
    recording, session = make_recording(read.records, read.sensors, ref)
    return recording, session, read.torn


def written(out: Path, recording: Recording, mass_kg: float | None) -> Dataset:
    """Write a dataset folder of one recording."""
    from kinefed.datasets import DatasetInfo, Subject, write_dataset

    info = DatasetInfo(out.name, notes="Recorded with worn sensors by kinefed.")
    return write_dataset(out, info, [Subject(recording.ref.subject, mass_kg=mass_kg)], [recording])


def differences(old: Recording, new: Recording) -> list[str]:
    """Name the streams that are not the same to the bit."""
    names = sorted({*old.streams, *new.streams})
    found = [
        name
        for name in names
        if name not in old.streams
        or name not in new.streams
        or (old.streams[name].channels, old.streams[name].rate_hz, old.streams[name].start_s)
        != (new.streams[name].channels, new.streams[name].rate_hz, new.streams[name].start_s)
        or old.streams[name].data.tobytes() != new.streams[name].data.tobytes()
    ]
    return found + (["gaps"] if old.gaps != new.gaps else [])
