"""Legs with torque, models of them, and packets as a link would bring them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from kinefed.client.live import LiveEngine, Output, StreamLayout
from kinefed.datasets import Recording, RecordingRef, Stream, Subject
from kinefed.datasets.types import Gap
from kinefed.models import ModelBundle, Scaling, build, predict, seeded
from kinefed.sensors import Even
from kinefed.signals import LegSpec, Windows, leg_series, leg_sums

NS = 1_000_000_000
START_NS = 7_000_000_000
SUBJECT = Subject("S01", mass_kg=70.0)
KNEE = LegSpec(("angle.knee_flexion", "velocity.knee_flexion"), ("torque.knee",))
LEG = LegSpec(
    ("angle.hip_flexion", "angle.knee_flexion", "velocity.hip_flexion", "velocity.knee_flexion"),
    ("torque.hip", "torque.knee"),
    ("envelope.vastus_lateralis",),
)
REFERENCE = {"emg.vastus_lateralis.r": 2e-4, "emg.vastus_lateralis.l": 1e-4}


def worn(seconds: float = 4.0, seed: int = 0, gaps: Sequence[Gap] = ()) -> Recording:
    """Hips at 100 Hz, knees at 60 Hz that begin later, EMG at 200 Hz; both sides."""
    rng = np.random.default_rng(seed)

    def angles(site: str, rate_hz: float, start_s: float) -> Stream:
        t = start_s + np.arange(int((seconds - start_s) * rate_hz)) / rate_hz
        names = tuple(f"angle.{site}.{side}" for side in "lr")
        data = [0.4 * np.sin(6.0 * t + shift) + 0.1 * np.cos(13.0 * t) for shift in (0.3, 2.1)]
        return Stream(site, rate_hz, start_s, names, ("rad",) * 2, np.column_stack(data))

    emg = 1e-4 * rng.standard_normal((int(seconds * 200), 2))
    names = ("emg.vastus_lateralis.l", "emg.vastus_lateralis.r")
    streams = {
        "hip_flexion": angles("hip_flexion", 100.0, 0.0),
        "knee_flexion": angles("knee_flexion", 60.0, 0.05),
        "emg": Stream("emg", 200.0, 0.0, names, ("V",) * 2, emg),
    }
    return Recording(RecordingRef("S01", "s01", "walk", 1), streams, gaps=tuple(gaps))


def with_labels(recording: Recording) -> Recording:
    """The same with torques, which only offline frames need."""
    if recording.find("torque.knee.r"):
        return recording
    every = recording.streams.values()
    hip = max((s for s in every if not s.channels[0].startswith("emg.")), key=lambda s: -s.start_s)
    joints = ("hip", "knee", "ankle")
    names = tuple(f"torque.{joint}.{side}" for side in "lr" for joint in joints)
    labels = np.zeros((len(hip.data) + 50, len(names)))
    torque = Stream("torque", hip.rate_hz, hip.start_s, names, ("N m/kg",) * len(names), labels)
    return Recording(recording.ref, {**recording.streams, "torque": torque}, gaps=recording.gaps)


def make_bundle(
    recording: Recording,
    spec: LegSpec = LEG,
    network: str = "zhang2023lstm",
    n_times: int = 20,
    seed: int = 0,
    reference: dict[str, float] | None = None,
    **changes: object,
) -> ModelBundle:
    """A model with random weights, scaled to a recording."""
    module = seeded(
        seed,
        lambda: build(
            network,
            n_channels=spec.n_channels,
            n_outputs=len(spec.outputs),
            n_times=n_times,
            sample_rate_hz=spec.rate_hz,
        ),
    )
    x, y = leg_sums(leg_series(with_labels(recording), SUBJECT, spec, reference or REFERENCE))
    scaling = Scaling.from_sums(x, y, len(spec.optional))
    made = ModelBundle.of(module, spec, scaling)
    return ModelBundle(**{f: getattr(made, f) for f in made.__slots__} | changes)


def offline(
    bundle: ModelBundle,
    recording: Recording,
    subject: Subject = SUBJECT,
    reference: dict[str, float] | None = None,
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """By side: times and torques of all frames that `predict` gives."""
    found = {}
    labelled = with_labels(recording)
    sites = {channel.split(".")[1] for channel in bundle.spec.channels}
    used = [
        s for s in labelled.streams.values() if any(c.split(".")[1] in sites for c in s.channels)
    ]
    start = max(s.start_s for s in used)
    given = REFERENCE if reference is None else reference
    for leg in leg_series(labelled, subject, bundle.spec, given):
        windows = Windows([leg], bundle.n_times)
        torque = predict(bundle.module(), windows, bundle.scaling)
        found[leg.side] = (start + windows.frame / leg.rate_hz, torque)
    return found


def layouts(recording: Recording) -> tuple[StreamLayout, ...]:
    return tuple(
        StreamLayout(name, s.rate_hz, s.channels)
        for name, s in recording.streams.items()
        if not s.channels[0].startswith("torque.")
    )


@dataclass(frozen=True)
class Arrival:
    """Some samples of a stream, and when they come."""

    at_ns: int
    stream: str
    even: Even


def arrivals(
    recording: Recording,
    chunk: int = 1,
    late_s: float = 0.004,
    silence: dict[str, tuple[float, float]] | None = None,
) -> list[Arrival]:
    """Packets of `chunk` samples, each as old as `late_s` when it comes.

    Samples taken within a stream's `silence` are lost; the first one after it brings held values
    for them, as `Grid` does.
    """
    found = []
    for name, stream in recording.streams.items():
        if stream.channels[0].startswith("torque."):
            continue
        first = round(stream.start_s * stream.rate_hz)
        begin, end = (silence or {}).get(name, (np.inf, np.inf))
        held: list[np.ndarray] = []
        for i in range(0, len(stream.data), chunk):
            rows = stream.data[i : i + chunk]
            last_s = (first + i + len(rows) - 1) / stream.rate_hz
            if begin <= last_s < end:
                held += [found[-1].even.values[-1]] * len(rows)
                continue
            values = np.vstack([*held, rows])
            valid = np.arange(len(values)) >= len(held)
            at_ns = START_NS + round((last_s + late_s) * NS)
            found.append(Arrival(at_ns, name, Even(first + i - len(held), values, valid)))
            held = []
    return sorted(found, key=lambda a: a.at_ns)


def play(engine: LiveEngine, packets: Iterable[Arrival], until_s: float = 0.0) -> list[Output]:
    """Push everything, then let time pass."""
    outputs = []
    for packet in packets:
        outputs += engine.push(packet.stream, packet.even, START_NS, packet.at_ns)
    return outputs + engine.advance(START_NS + round(until_s * NS))


HALF_WORN = (StreamLayout("hip", 100.0, ("angle.hip_flexion.l", "angle.hip_flexion.r")),)
