"""What is lost on the way from a virtual person's sensors to the torque, beside a clean recording.

A network learns from some virtual people's clean recordings. Another person is worn: emulated
sensors send what that person's sensors measure over a paced link to the live engine; with
``--radio`` through emulated Bluetooth and in real time, which a busy machine makes late. Its torque
is compared with the truth, and so is that of the same network on the person's clean recording. Two
networks: one reads accelerations and angular velocities, live; the other joint angles, which come
from the worn IMUs after a calibration on the same person, of the session's recording. All numbers
are N m/kg or degrees, root mean square.

``python benchmarks/worn_person.py --json``
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from kinefed.biomechanics import Engine
from kinefed.cli.calibration_person import perform
from kinefed.client.live import ANY, LiveConfig, LiveEngine, Output, SensorFeed, layouts_of
from kinefed.client.live.drive import drive
from kinefed.client.live.outlets import CallbackOutlet
from kinefed.datasets import Recording, RecordingRef, Stream, Subject
from kinefed.models import ModelBundle, Scaling, build, predict, seeded, train_steps
from kinefed.models.train_config import cosine_rates
from kinefed.personalization.setup import ModelSetup
from kinefed.sensors import Packet, Record, Worn
from kinefed.sensors.alignment import align
from kinefed.sensors.hub import Hub
from kinefed.sensors.joint_angles import joint_angles
from kinefed.sensors.orientation import imus_of
from kinefed.sensors.recorder import record as recorded
from kinefed.sensors.virtual.air import Pace
from kinefed.sensors.virtual.person import default_worn, virtual_person
from kinefed.sensors.virtual.wearing import wear
from kinefed.server.config import FederationConfig
from kinefed.signals import LegSeries, LegSpec, Windows, leg_series, leg_sums
from kinefed.simulations.cohort.outfit import dress
from kinefed.simulations.cohort.people import sample_people
from kinefed.simulations.cohort.radio import LinkConfig
from kinefed.simulations.cohort.recording import record
from kinefed.simulations.cohort.tasks import task

# That of the sensors: what is resampled would be another signal. Movements are made at twice that.
RATE_HZ, FRAMES, BATCH = 60.0, 20, 64
JOINTS = ("hip", "knee", "ankle")
OUTPUTS = tuple(f"torque.{joint}" for joint in JOINTS)
ANGLES = ("hip_flexion", "knee_flexion", "ankle_dorsiflexion")
SPECS = {
    "imus": LegSpec(
        tuple(
            f"{kind}.{site}.{axis}"
            for site in ("thigh", "shank", "foot")
            for kind in ("acc", "gyro")
            for axis in "xyz"
        ),
        OUTPUTS,
        rate_hz=RATE_HZ,
    ),
    "angles": LegSpec(
        tuple(f"{kind}.{angle}" for kind in ("angle", "velocity") for angle in ANGLES),
        OUTPUTS,
        rate_hz=RATE_HZ,
    ),
}
# What a virtual person's sensors lose is left to the emulated link.
WIRED = LinkConfig(loss=0.0, skew_ppm=0.0, offset_s=0.0)
# The sensors wake while their wearer walks: before anything is scored their tilts and the headings
# between them are found, which takes that long.
SETTLE_S = 15.0
# As long as it takes to connect, the recording goes on.
CONNECT_S = 12.0
# A connection interval that seven sensors can share.
PACE = Pace(0.015)


@dataclass(frozen=True, slots=True)
class Someone:
    """A virtual person's walk, recorded cleanly, and a calibration with the same sensors on."""

    subject: Subject
    clean: Recording
    calibration: Recording
    spans: tuple[tuple[float, float], ...]


def someone(number: int, seed: int, seconds: float) -> Someone:
    """Let one of a draw of people walk."""
    person = sample_people(number + 1, seed)[number]
    body = person.rigid_body()
    outfit = dress(body, 2.0 * RATE_HZ, (seed, number), 0)
    rng = person.generator("walk_normal", 0)
    motion = task("walk_normal").generate(person, rng, seconds, 2.0 * RATE_HZ)
    ref = RecordingRef(person.subject.id, "home", "walk_normal", 1)
    clean = record(Engine(body), outfit, motion, ref, rng, link=WIRED)
    movements = [("squat", 9.0), ("walk_normal", 20.0)]
    done = perform(person, outfit, movements, rate_hz=2.0 * RATE_HZ, link=WIRED)
    begin, end = done.phases["stand"]
    spans = ((begin + 0.5, end - 0.5), done.phases["squat"], done.phases["walk_normal"])
    return Someone(person.subject, halved(clean), halved(done.recording), spans)


def halved(recording: Recording) -> Recording:
    """Keep every other sample."""
    streams = {
        name: replace(stream, rate_hz=0.5 * stream.rate_hz, data=stream.data[::2])
        for name, stream in recording.streams.items()
    }
    return replace(recording, streams=streams)


def trained(people: list[Someone], spec: LegSpec, epochs: int, seed: int) -> ModelBundle:
    """An LSTM of 50 units that has learnt from some people, with the noise of federations.

    Without noise it learns from perfect angles, and takes a wearer's ill who stood a degree off.
    """
    legs = [leg for each in people for leg in leg_series(each.clean, each.subject, spec, {})]
    scaling = Scaling.from_sums(*leg_sums(legs))
    network = seeded(
        seed,
        lambda: build(
            "zhang2023lstm",
            n_channels=spec.n_channels,
            n_outputs=len(OUTPUTS),
            n_times=FRAMES,
            sample_rate_hz=RATE_HZ,
        ),
    )
    windows, usual = Windows(legs, FRAMES), FederationConfig()
    steps = epochs * len(windows) // BATCH
    train_steps(
        network,
        windows,
        scaling,
        steps=steps,
        batch=BATCH,
        rate=cosine_rates(1e-3, steps),
        rng=np.random.default_rng(seed),
        augment=ModelSetup("zhang2023lstm", {}, spec.to_dict(), FRAMES).augment(
            usual.noise, usual.offset
        ),
    )
    return ModelBundle.of(network, spec, scaling)


@dataclass(frozen=True, slots=True)
class Session:
    """What came of wearing sensors: outputs, records, sensors, and when the recording began."""

    outputs: list[Output]
    records: list[Record]
    sensors: tuple[Worn, ...]
    begin_s: float


def chosen(wearer: Someone) -> list[Worn]:
    """A DOT on each segment of the legs and on the pelvis."""
    every = default_worn(wearer.clean)
    return [w for w in every if w.place not in (None, "torso") and not w.electrodes]


def feed_of(sensors: Sequence[Worn], bundle: ModelBundle) -> SensorFeed:
    engine = LiveEngine(layouts_of(sensors), {ANY: [bundle]}, LiveConfig(rate_hz=RATE_HZ))
    return SensorFeed(sensors, engine)


def played(wearer: Someone, bundle: ModelBundle, seconds: float) -> Session:
    """Packets on a clock of their own: each comes at its sensor's next connection event."""
    sensors, begin_s = chosen(wearer), 100.0
    records: list[Record] = []
    for number, (name, sensor) in enumerate(wear(wearer.clean, sensors, begin_s).items()):
        driver = sensors[number].driver()
        for write in driver.setup:
            sensor.written(write.characteristic, write.value, begin_s)
        for uuid in driver.notifies:
            sensor.subscribed(uuid, True, begin_s)
        for write in driver.start:
            sensor.written(write.characteristic, write.value, begin_s)
        shift = PACE.interval_s * number / len(sensors)
        for value in sensor.take(begin_s + seconds):
            event = math.ceil((value.ready_s - shift) / PACE.interval_s)
            arrival_ns = round((event * PACE.interval_s + shift) * 1e9) + len(records) % 1000
            records.append(Packet(name, arrival_ns, value.characteristic, value.data))
    records.sort(key=lambda each: each.arrival_ns)
    feed = feed_of(sensors, bundle)
    outputs = [output for each in records for output in feed.take(each)]
    return Session(outputs, records, tuple(sensors), begin_s)


async def worn(wearer: Someone, bundle: ModelBundle, seconds: float) -> Session:
    """The same over an emulated radio, in real time."""
    sensors = chosen(wearer)
    outputs: list[Output] = []
    records: list[Record] = []
    async with virtual_person(wearer.clean, sensors, pace=PACE) as there:
        feed = feed_of(there.worn, bundle)
        async with Hub(there.radio, [each.sensor() for each in there.worn]) as hub:
            stop = asyncio.Event()
            asyncio.get_running_loop().call_later(seconds, stop.set)
            outlet = CallbackOutlet(outputs.append)
            await drive(hub, feed, [outlet], on_record=records.append, stop=stop)
        return Session(outputs, records, there.worn, there.begin_s)


def truth_at(clean: Recording, side: str, times_s: np.ndarray) -> np.ndarray:
    """True torques at times of the clean recording, (times, joints); NaN where not valid."""
    stream = clean.streams["torque"]
    valid = stream.column(f"valid.torque.{side}") > 0.5
    near = np.clip(np.round(times_s * stream.rate_hz).astype(int), 0, len(stream.data) - 1)
    columns = [
        np.interp(times_s, stream.time_s, stream.column(f"{name}.{side}")) for name in OUTPUTS
    ]
    return np.where(valid[near, None], np.column_stack(columns), np.nan)


def rms(error: np.ndarray) -> dict[str, float]:
    """By joint, over the frames that have a truth."""
    known = error[np.isfinite(error).all(axis=1)]
    return dict(zip(JOINTS, np.sqrt((known**2).mean(axis=0)).tolist(), strict=True))


def together(errors: list[np.ndarray]) -> dict[str, float]:
    return rms(np.vstack(errors))


def offline(bundle: ModelBundle, legs: list[LegSeries], span: tuple[float, float]) -> list[Any]:
    """Errors on frames of a span of the legs' own time, (frames, joints) a leg."""
    found = []
    for leg in legs:
        windows = Windows([leg], FRAMES)
        time_s = windows.frame / leg.rate_hz
        inside = (time_s >= span[0]) & (time_s < span[1])
        estimate = predict(bundle.module(), windows, bundle.scaling)
        found.append((estimate - windows.gather(np.arange(len(windows)))[1])[inside])
    return found


def angles_of(
    wearer: Someone, worn_so: Session, span: tuple[float, float]
) -> tuple[Recording, dict[str, float]]:
    """The session with joint angles and the true torque, and the angles' errors in degrees."""
    sits = align(
        {p: each for p, each in imus_of(wearer.calibration).items() if p != "torso"}, *wearer.spans
    )
    session, _ = recorded(worn_so.records, worn_so.sensors, wearer.clean.ref)
    session = joint_angles(session, sits)
    late_s = worn_so.records[0].arrival_ns * 1e-9 - worn_so.begin_s
    truth = wearer.clean.streams["kinematics"]
    errors: dict[str, float] = {}
    for stream in session.streams.values():
        times = stream.time_s + late_s
        scored = (times >= span[0]) & (times < span[1])
        for gap in session.gaps:
            if gap.stream == stream.name:
                scored &= (stream.time_s < gap.start_s - 1e-6) | (stream.time_s > gap.end_s + 1e-6)
        for channel in stream.channels:
            if channel.startswith("angle."):
                true = np.interp(times, truth.time_s, truth.column(channel))
                error = np.degrees(stream.column(channel) - true)[scored]
                errors[channel] = float(np.sqrt(np.mean(error**2)))
    frames = int((truth.time_s[-1] - late_s) * RATE_HZ)
    times = late_s + np.arange(frames) / RATE_HZ
    columns: dict[str, np.ndarray] = {}
    for side in "lr":
        torque = truth_at(wearer.clean, side, times)
        good = np.isfinite(torque).all(axis=1)
        for name, values in zip(OUTPUTS, np.nan_to_num(torque).T, strict=True):
            columns[f"{name}.{side}"] = values
        columns[f"valid.torque.{side}"] = good.astype(np.float64)
    units = tuple("1" if name.startswith("valid.") else "N m/kg" for name in columns)
    labels = Stream(
        "torque", RATE_HZ, 0.0, tuple(columns), units, np.column_stack([*columns.values()])
    )
    # Velocities are derived from the angles, as they were where the network learnt.
    joints = {
        name: only_angles(stream)
        for name, stream in session.streams.items()
        if stream.channels[0].startswith("angle.")
    }
    return replace(session, streams={**joints, "torque": labels}), errors


def only_angles(stream: Stream) -> Stream:
    """Leave out the other channels."""
    kept = [i for i, name in enumerate(stream.channels) if name.startswith("angle.")]
    return replace(
        stream,
        channels=tuple(stream.channels[i] for i in kept),
        units=tuple(stream.units[i] for i in kept),
        data=stream.data[:, kept],
    )


def live_errors(
    wearer: Someone, worn_so: Session, *, at_tick: bool
) -> tuple[list[np.ndarray], tuple[float, float]]:
    """Errors of the live torque, and the span of the clean recording that it covers."""
    errors = []
    first, last = math.inf, -math.inf
    for side in "lr":
        mine = [o for o in worn_so.outputs if o.side == side and o.status == "ok"]
        ages = 0.0 if at_tick else np.array([o.age_s for o in mine])
        times = np.array([o.time_ns for o in mine]) * 1e-9 - worn_so.begin_s - ages
        keep = times > times[0] + SETTLE_S
        torque = np.array([o.torque_nm_per_kg for o in mine])
        errors.append((torque - truth_at(wearer.clean, side, times))[keep])
        first, last = min(first, float(times[keep][0])), max(last, float(times[keep][-1]))
    return errors, (first, last)


def study(people: int, seconds: float, epochs: int, seed: int, radio: bool) -> dict[str, Any]:
    """Everything, for one wearer of a draw."""
    everyone = [someone(k, seed, CONNECT_S + SETTLE_S + seconds) for k in range(people)]
    wearer, others = everyone[0], everyone[1:]
    bundles = {name: trained(others, spec, epochs, seed) for name, spec in SPECS.items()}
    if radio:
        session = asyncio.run(worn(wearer, bundles["imus"], SETTLE_S + seconds))
    else:
        session = played(wearer, bundles["imus"], SETTLE_S + seconds)
    seen, span = live_errors(wearer, session, at_tick=False)
    late, _ = live_errors(wearer, session, at_tick=True)
    clean = {
        name: together(offline(b, leg_series(wearer.clean, wearer.subject, b.spec, {}), span))
        for name, b in bundles.items()
    }
    with_angles, degrees = angles_of(wearer, session, span)
    begin = span[0] - (session.records[0].arrival_ns * 1e-9 - session.begin_s)
    by_angles = offline(
        bundles["angles"],
        leg_series(with_angles, wearer.subject, SPECS["angles"], {}),
        (begin, begin + span[1] - span[0]),
    )
    ages = [o.age_s for o in session.outputs if math.isfinite(o.age_s)]
    return {
        "trained_on": len(others),
        "seconds": span[1] - span[0],
        "outputs": len(session.outputs),
        "not_ok_once_connected": sum(o.status not in ("ok", "starting") for o in session.outputs),
        "age_ms": {
            "p50": 1e3 * float(np.median(ages)),
            "p99": 1e3 * float(np.percentile(ages, 99)),
        },
        "imus": compared(clean["imus"], together(seen)),
        "imus_at_the_tick": compared(clean["imus"], together(late)),
        "angles": compared(clean["angles"], together(by_angles)),
        "angle_error_deg": degrees,
    }


def compared(clean: Mapping[str, float], live: Mapping[str, float]) -> dict[str, Any]:
    """Both errors and their ratio, by joint and over all joints."""
    both = {joint: {"clean": clean[joint], "worn": live[joint]} for joint in clean}
    both["all"] = {
        way: math.sqrt(sum(row[way] ** 2 for row in both.values()) / len(clean))
        for way in ("clean", "worn")
    }
    return {j: {**row, "ratio": row["worn"] / row["clean"]} for j, row in both.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=6, help="the wearer and those learnt from")
    parser.add_argument("--seconds", type=float, default=40.0, help="of walking that are scored")
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument(
        "--radio", action="store_true", help="over emulated Bluetooth, in real time"
    )
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    found = study(given.people, given.seconds, given.epochs, given.seed, given.radio)
    if given.json:
        print(json.dumps(found, indent=1))
        return
    print(
        f"{found['seconds']:.0f} s of walking, {found['outputs']} outputs, of which "
        f"{found['not_ok_once_connected']} not ok once all were connected; newest "
        f"sample {found['age_ms']['p50']:.0f} ms old"
    )
    for name in ("imus", "imus_at_the_tick", "angles"):
        for joint, row in found[name].items():
            print(
                f"{name:18} {joint:6} clean {row['clean']:.3f}  worn {row['worn']:.3f} N m/kg"
                f"  ratio {row['ratio']:.3f}"
            )
    for channel, error in found["angle_error_deg"].items():
        print(f"{channel:28} {error:.2f} deg")


if __name__ == "__main__":
    main()
