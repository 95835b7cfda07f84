"""Each step down when sensors drop, and back up, with its times."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from live_worlds import (
    KNEE,
    LEG,
    NS,
    REFERENCE,
    START_NS,
    arrivals,
    layouts,
    make_bundle,
    offline,
    play,
    worn,
)

from kinefed.client.live import ANY, DegradeRules, LiveConfig, LiveEngine, Output, Status
from kinefed.client.live.degrade import Degrader, Supply
from kinefed.datasets import UsageError
from kinefed.models.runner import Backend
from kinefed.signals import LegSpec

HIP = LegSpec(("angle.hip_flexion", "velocity.hip_flexion"), ("torque.hip", "torque.knee"))
RULES = DegradeRules(stale_s=0.2, hold_s=0.3, max_bridged=0.2)
LIVE = LiveConfig(backend=Backend.TORCH, sides=("r",), rules=RULES)
GOOD = Supply(0.01, 0.0)
OLD = Supply(0.21, 0.0)


def stretches(outputs: list[Output]) -> list[tuple[Status, float, float]]:
    """Each status with its first and last time."""
    found: list[tuple[Status, float, float]] = []
    for output in outputs:
        if found and found[-1][0] is output.status:
            found[-1] = (output.status, found[-1][1], output.time_s)
        else:
            found.append((output.status, output.time_s, output.time_s))
    return found


def test_rules_alone() -> None:
    degrader = Degrader(RULES)
    assert degrader.choose(0.0, [OLD, OLD]).status is Status.STARTING
    assert degrader.choose(0.1, [GOOD, GOOD]).status is Status.OK
    less = degrader.choose(0.2, [OLD, GOOD])
    assert (less.status, less.model, less.trust) == (Status.REDUCED, 1, 1.0)
    assert degrader.choose(0.3, [Supply(0.0, 0.21), GOOD]).model == 1
    part = degrader.choose(0.4, [Supply(0.0, 0.2, whole=False), GOOD])
    assert (part.status, part.model) == (Status.REDUCED, 0)
    held = degrader.choose(0.55, [OLD, OLD])
    assert (held.status, held.model) == (Status.HELD, None)
    assert held.trust == pytest.approx(0.5)
    assert degrader.choose(0.7, [OLD]).trust == pytest.approx(0.0, abs=1e-9)
    assert degrader.choose(0.71, [OLD]).status is Status.STOPPED
    assert degrader.choose(9.0, [GOOD]).status is Status.OK


def test_without_a_hold_it_stops_at_once() -> None:
    degrader = Degrader(DegradeRules(hold_s=0.0))
    assert degrader.choose(0.0, [GOOD]).status is Status.OK
    assert degrader.choose(0.01, [OLD]).status is Status.STOPPED


@pytest.mark.parametrize("wrong", [{"stale_s": 0.0}, {"hold_s": -1.0}, {"max_bridged": math.nan}])
def test_rules_that_cannot_be(wrong: dict[str, float]) -> None:
    with pytest.raises(UsageError, match=next(iter(wrong))):
        DegradeRules(**wrong)


def test_a_lost_knee_falls_back_to_the_hip_and_comes_back() -> None:
    recording = worn(4.0)
    full, less = make_bundle(recording), make_bundle(recording, HIP, seed=5)
    engine = LiveEngine(layouts(recording), {ANY: [full, less]}, LIVE, None, REFERENCE)
    silence = {"knee_flexion": (1.0, 2.0)}
    outputs = play(engine, arrivals(recording, silence=silence), 4.0)
    steps = stretches(outputs)
    kinds = [status for status, _, _ in steps]
    # The hip streams first; nothing is said to be whole before the knee has come.
    assert kinds == [Status.REDUCED, Status.OK, Status.REDUCED, Status.OK]
    last_knee_s = 59 / 60
    # The frame that the last sample reached lies up to one frame before it.
    assert steps[2][1] == pytest.approx(last_knee_s + RULES.stale_s, abs=0.021)
    # 20 frames of window: 16 must be measured again, from the first sample after the gap on.
    assert steps[3][1] == pytest.approx(2.0 + 0.16, abs=0.025)
    reduced = [o for o in outputs if o.status is Status.REDUCED]
    assert all(o.model == less.digest[:12] for o in reduced)
    assert {o.silent for o in reduced if o.time_s < 2.0} == {("knee_flexion",)}
    times, torque = offline(less, recording)["r"]
    for output in reduced:
        frame = int(np.argmin(np.abs(times - (output.time_s - output.age_s))))
        np.testing.assert_allclose(output.torque_nm_per_kg, torque[frame], atol=1e-5)
    assert all(o.age_s <= RULES.stale_s + 1e-9 for o in outputs if o.status is Status.OK)
    # A window with bridged frames says so, and a whole one is trusted again.
    again = [o for o in outputs if o.status is Status.OK and o.time_s > 2.1]
    assert again[0].confidence < 0.85
    assert again[60].confidence > again[0].confidence


def test_everything_lost_is_held_then_stopped_with_nothing_left() -> None:
    recording = worn(1.0)
    engine = LiveEngine(layouts(recording), {ANY: [make_bundle(recording, KNEE)]}, LIVE, None, {})
    outputs = play(engine, arrivals(recording), 3.0)
    steps = stretches(outputs)
    assert [s for s, _, _ in steps] == [Status.STARTING, Status.OK, Status.HELD, Status.STOPPED]
    newest_s = 59 / 60  # of the knee
    assert steps[1][2] == pytest.approx(newest_s + 0.2, abs=0.011)
    assert steps[2][2] - steps[1][2] == pytest.approx(0.3, abs=0.011)
    assert steps[3][2] == pytest.approx(2.99)
    last = [o for o in outputs if o.status is Status.OK][-1]
    held = [o for o in outputs if o.status is Status.HELD]
    assert {o.torque_nm_per_kg for o in held} == {last.torque_nm_per_kg}
    trust = [o.confidence for o in held]
    assert trust == sorted(trust, reverse=True)
    assert trust[-1] <= 0.04 * last.confidence
    # Age goes on: nobody can take a held torque for a fresh one.
    since = [last.age_s - last.time_s] * len(held)
    assert [o.age_s - o.time_s for o in held] == pytest.approx(since)
    for output in (o for o in outputs if o.status in (Status.STOPPED, Status.STARTING)):
        assert all(math.isnan(t) for t in output.torque_nm_per_kg)
        assert (output.confidence, output.age_s, output.model) == (0.0, math.inf, "")
    assert outputs[-1].silent == ("knee_flexion",)


def test_a_required_sensor_that_sends_nothing_measured_gives_no_torque() -> None:
    """As joint angles that have not settled: not even for the first frames of the window."""
    recording = worn(2.0)
    packets = [
        replace(p, even=replace(p.even, valid=p.even.valid & (p.at_ns > START_NS + NS)))
        for p in arrivals(recording)
    ]
    engine = LiveEngine(layouts(recording), {ANY: [make_bundle(recording, KNEE)]}, LIVE, None, {})
    steps = stretches(play(engine, packets, 1.9))
    assert [status for status, _, _ in steps] == [Status.STARTING, Status.OK]
    # 20 frames of window, 16 of them measured.
    assert steps[1][1] == pytest.approx(1.0 + 0.16, abs=0.025)


def test_a_lost_optional_sensor_is_masked() -> None:
    recording = worn(3.0)
    bundle = make_bundle(recording)
    engine = LiveEngine(layouts(recording), {ANY: [bundle]}, LIVE, None, REFERENCE)
    outputs = play(engine, arrivals(recording, silence={"emg": (1.0, 9.0)}), 3.0)
    steps = stretches(outputs)
    assert [s for s, _, _ in steps[:3]] == [Status.STARTING, Status.OK, Status.REDUCED]
    # While it is waited for no frame comes; afterwards the rest goes on without it.
    assert steps[2][1] == pytest.approx(1.2, abs=0.02)
    wanted = offline(bundle, recording, reference={})["r"]
    late = [o for o in outputs if o.status is Status.REDUCED and 1.5 < o.time_s < 2.9]
    assert len(late) > 130
    for output in late:
        frame = int(np.argmin(np.abs(wanted[0] - (output.time_s - output.age_s))))
        np.testing.assert_allclose(output.torque_nm_per_kg, wanted[1][frame], atol=1e-5)


def test_an_optional_sensor_that_begins_late_is_not_waited_for() -> None:
    recording = worn(3.0)
    engine = LiveEngine(layouts(recording), {ANY: [make_bundle(recording)]}, LIVE, None, REFERENCE)
    packets = [p for p in arrivals(recording) if p.stream != "emg" or p.even.first >= 200]
    steps = stretches(play(engine, packets, 2.9))
    kinds = [s for s, _, _ in steps]
    assert kinds == [Status.STARTING, Status.REDUCED, Status.OK]
    assert steps[1][1] == pytest.approx(0.05 + 0.2, abs=0.03)
    assert 1.0 < steps[2][1] < 1.2 + 0.05


def test_numbers_that_are_none_count_as_a_gap() -> None:
    recording = worn(2.0)
    bundle = make_bundle(recording, KNEE)
    knee = recording.streams["knee_flexion"]
    broken = knee.data.copy()
    broken[60:66, 1] = np.nan  # 0.1 s of the right knee from 1.05 s on
    data = dict(recording.streams) | {
        "knee_flexion": type(knee)(
            knee.name, knee.rate_hz, knee.start_s, knee.channels, knee.units, broken
        )
    }
    broken_recording = type(recording)(recording.ref, data)
    outputs = {}
    for name, each in (("whole", recording), ("broken", broken_recording)):
        engine = LiveEngine(layouts(recording), {ANY: [bundle]}, LIVE, None, {})
        outputs[name] = play(engine, arrivals(each), 1.9)
    assert len(outputs["whole"]) == len(outputs["broken"])
    used = [o for o in outputs["broken"] if o.status is Status.OK]
    assert all(math.isfinite(o.torque_nm_per_kg[0]) for o in used)
    # Six held samples of 60 Hz are more than 20 % of 20 frames at 100 Hz.
    gap = [o for o in outputs["broken"] if o.status is Status.HELD]
    assert gap
    assert 1.05 < gap[0].time_s < gap[-1].time_s < 1.4
    assert [o.status for o in outputs["whole"]].count(Status.HELD) == 0


def test_a_long_silence_costs_no_memory_and_no_backlog() -> None:
    """One sensor streams for long while the other is away: only what is needed is kept."""
    recording = worn(30.0)
    bundle = make_bundle(recording, KNEE)
    both = LegSpec(("angle.hip_flexion", "angle.knee_flexion"), ("torque.knee",))
    engine = LiveEngine(layouts(recording), {ANY: [make_bundle(recording, both)]}, LIVE, None, {})
    outputs = play(engine, arrivals(recording, 6, silence={"knee_flexion": (2.0, 25.0)}))
    steps = stretches(outputs)
    assert steps[-1][0] is Status.OK
    assert steps[-1][1] == pytest.approx(25.0 + 0.16, abs=0.2)  # packets of 0.1 s
    frames = engine._legs[0]._frames[0]
    kept = sum(c._out._rows.nbytes for c in frames._groups) + frames._x._rows.nbytes
    assert kept < 100_000
    assert bundle.n_times == 20


def test_a_torque_that_overflows_is_none() -> None:
    recording = worn(1.0)
    good = make_bundle(recording, KNEE)
    scaling = replace(good.scaling, y_mean=np.float32([3e38]), y_std=np.float32([3e38]))
    vector = good.vector.copy()
    vector[-1] = 9.0  # the bias of the output
    engine = LiveEngine(
        layouts(recording), {ANY: [replace(good, scaling=scaling, vector=vector)]}, LIVE, None, {}
    )
    outputs = play(engine, arrivals(recording), 0.9)
    assert {o.status for o in outputs} == {Status.STARTING, Status.STOPPED}
    assert all(math.isnan(o.torque_nm_per_kg[0]) for o in outputs)


def test_tasks_choose_their_model() -> None:
    from kinefed.client.live import TaskGuess

    class Half:
        """Walks until one second, then climbs, unsurely from two seconds on."""

        def take(self, stream: str, even: object) -> None:
            assert stream in recording.streams

        def guess(self, now_s: float) -> TaskGuess:
            if now_s < 1.0:
                return TaskGuess("walk", 0.9)
            return TaskGuess("climb", 0.9 if now_s < 2.0 else 0.4)

    recording = worn(3.0)
    walk, climb, other = (make_bundle(recording, KNEE, seed=seed) for seed in range(3))
    models = {"walk": [walk], "climb": [climb], ANY: [other]}
    engine = LiveEngine(layouts(recording), models, LIVE, Half(), {})
    outputs = [o for o in play(engine, arrivals(recording), 2.9) if o.status is Status.OK]
    for output in outputs:
        model = walk if output.time_s < 1.0 else climb if output.time_s < 2.0 else other
        assert output.model == model.digest[:12]
    assert {(o.task, o.task_confidence) for o in outputs if o.time_s >= 2.0} == {("climb", 0.4)}
    # A model that takes over has its whole window at once.
    times, torque = offline(climb, recording)["r"]
    first = next(o for o in outputs if o.task == "climb")
    frame = int(np.argmin(np.abs(times - (first.time_s - first.age_s))))
    np.testing.assert_allclose(first.torque_nm_per_kg, torque[frame], atol=1e-5)
    assert LEG.inputs != KNEE.inputs
