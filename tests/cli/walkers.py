"""Made-up walkers whose torque follows from their angles: small, fast, and learnable."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from kinefed.datasets import DatasetInfo, Recording, RecordingRef, Stream, Subject, write_dataset

RATE_HZ = 100.0


def write_walkers(
    dest: Path, people: int = 5, seconds: float = 2.0, dead: bool = True, kinds: str = "all"
) -> Path:
    """Write a dataset of one straight and one turning walk each; S01's left ankle EMG is dead."""
    subjects = [Subject(f"S{i:02d}", mass_kg=60.0 + i) for i in range(1, people + 1)]
    recordings = [
        _walk(subject.id, number, task, seconds, dead, kinds)
        for number, subject in enumerate(subjects)
        for task in ("straight", "turn")
    ]
    info = DatasetInfo("walkers", licence="CC0", citation="Made up, 2026")
    write_dataset(dest, info, subjects, recordings)
    return dest


def _walk(person: str, number: int, task: str, seconds: float, dead: bool, kinds: str) -> Recording:
    t = np.arange(int(seconds * RATE_HZ)) / RATE_HZ
    rng = np.random.default_rng([number, len(task)])
    angles: dict[str, np.ndarray] = {}
    torques: dict[str, np.ndarray] = {}
    stiffness = 1.0 + 0.3 * np.sin(number)  # what a global model cannot know
    for side, shift in (("l", 0.0), ("r", 0.5)):
        for k, (angle, joint) in enumerate(
            (("hip_flexion", "hip"), ("knee_flexion", "knee"), ("ankle_dorsiflexion", "ankle"))
        ):
            phase = 2 * np.pi * (t / (1.1 + 0.02 * number) + shift) + k
            sway = 0.3 * np.sin(phase) + 0.1 * np.sin(2 * phase + (task == "turn"))
            angles[f"angle.{angle}.{side}"] = sway + 0.002 * rng.standard_normal(len(t))
            torques[f"torque.{joint}.{side}"] = stiffness * (2.0 * sway + 0.3 * np.cos(phase))
        stance = np.sin(2 * np.pi * (t / (1.1 + 0.02 * number) + shift)) > -0.2
        torques[f"valid.torque.{side}"] = stance.astype(float)
    streams = {"torque": _stream("torque", torques)}
    if kinds == "all":
        streams["kinematics"] = _stream("kinematics", angles)
    emg = {f"emg.gastrocnemius.{s}": 1e-4 * rng.standard_normal(len(t)) for s in "lr"}
    streams["emg"] = _stream("emg", emg)
    quality = {"emg.gastrocnemius.l": "dead"} if dead and number == 0 else {}
    return Recording(RecordingRef(person, "s01", task, 1), streams, quality=quality)


def _stream(name: str, columns: dict[str, np.ndarray]) -> Stream:
    units = {"angle": "rad", "torque": "N m/kg", "valid": "1", "emg": "V"}
    return Stream(
        name,
        RATE_HZ,
        0.0,
        tuple(columns),
        tuple(units[c.partition(".")[0]] for c in columns),
        np.stack(list(columns.values()), axis=1),
    )
