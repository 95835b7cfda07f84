"""Small recordings for the tests of this folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from kinefed.datasets import (
    Dataset,
    DatasetInfo,
    Event,
    Gap,
    Recording,
    RecordingRef,
    Stream,
    Subject,
    Trial,
    write_dataset,
)


def stream(name: str = "kinematics", rate_hz: float = 100.0, **columns: object) -> Stream:
    """Make a stream; write dots of channels as two underscores."""
    from kinefed.datasets import unit_of

    channels = tuple(key.replace("__", ".") for key in columns)
    data = np.column_stack([np.asarray(v, dtype=float) for v in columns.values()])
    return Stream(name, rate_hz, 0.0, channels, tuple(map(unit_of, channels)), data)


def recording(
    subject: str = "S01", session: str = "s01", task: str = "walk", index: int = 1
) -> Recording:
    """Make one second of a right leg, valid but for the first tenth."""
    t = np.arange(100) / 100.0
    return Recording(
        RecordingRef(subject, session, task, index),
        {
            "kinematics": stream(angle__knee_flexion__r=0.5 + 0.3 * np.sin(6 * t)),
            "torque": stream(
                "torque",
                torque__knee__r=np.where(t < 0.1, np.nan, np.cos(6 * t)),
                valid__torque__r=(t >= 0.1),
            ),
            "emg": stream(
                "emg", 1000.0, emg__soleus__r=np.random.default_rng(index).normal(0, 1e-3, 1000)
            ),
        },
        trials=(Trial(0, 0.1, 1.0),),
        events=(Event(0.1, "foot_strike", "r"), Event(0.7, "foot_off", "r")),
        gaps=(Gap("emg", 0.2, 0.25),),
        sensors={"shank.r": "none"},
        quality={"emg.soleus.r": "dead"},
    )


def write(dest: Path) -> Dataset:
    """Write three people (two of one group), two sessions, two tasks."""
    people = [
        Subject("S01", group="twins", mass_kg=60.0, height_m=1.7, sex="f", age_years=30.0),
        Subject("S02", group="twins", segment_lengths_m={"leg.r": 0.8}),
        Subject("S03", condition="stiff-knee"),
    ]
    recordings = [
        recording(who.id, session, task, index)
        for who in people
        for session in ("s01", "s02")
        for task, index in (("walk", 1), ("walk", 2), ("turn", 1))
    ]
    info = DatasetInfo("made", "2", "CC0-1.0", 'A "quoted" name', "signs:\n\textension + \x7f é")
    return write_dataset(dest, info, people, recordings)
