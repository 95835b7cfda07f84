"""The live engine against what is computed of the whole recording afterwards."""

from __future__ import annotations

import gc
import tracemalloc
from dataclasses import replace
from pathlib import Path

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
from two_link_arm import write_two_link_arm

from kinefed.client.live import ANY, LiveConfig, LiveEngine, Output, Status
from kinefed.datasets import RecordingRef
from kinefed.models import ModelBundle, available
from kinefed.models.export import Form
from kinefed.models.runner import Backend
from kinefed.signals import LegSpec

FAST = LiveConfig(backend=Backend.TORCH, mass_kg=70.0)


def compare(outputs: list[Output], wanted: dict[str, tuple[np.ndarray, np.ndarray]]) -> int:
    """Hold every output beside the offline frame that it says it is of; count the frames met."""
    met = set()
    for output in (o for o in outputs if o.status is Status.OK):
        time_s, torque = wanted[output.side]
        frame = int(np.argmin(np.abs(time_s - (output.time_s - output.age_s))))
        assert time_s[frame] == pytest.approx(output.time_s - output.age_s, abs=1e-6)
        np.testing.assert_allclose(output.torque_nm_per_kg, torque[frame], atol=1e-5, rtol=0)
        assert output.torque_nm is not None
        np.testing.assert_allclose(output.torque_nm, 70.0 * torque[frame], atol=1e-3, rtol=0)
        met.add((output.side, frame))
    return len(met)


# Making a program takes seconds, and tests/models compares those of all networks with torch.
CASES = [*((network, Backend.TORCH) for network in available()), ("zhang2023lstm", Backend.ONNX)]


@pytest.mark.parametrize(("network", "backend"), CASES)
def test_live_is_what_was_computed_offline(network: str, backend: Backend) -> None:
    recording = worn(2.0)
    bundle = make_bundle(recording, network=network)
    config = LiveConfig(backend=backend, mass_kg=70.0)
    engine = LiveEngine(layouts(recording), {ANY: [bundle]}, config, emg_reference=REFERENCE)
    wanted = offline(bundle, recording)
    assert engine.sides == ("l", "r")
    outputs = play(engine, arrivals(recording))
    # One of the last frames has not come out when the last packet is in.
    assert compare(outputs, wanted) > 2 * 180


@pytest.mark.parametrize("chunk", [3, 8])
def test_packets_of_several_samples_change_no_torque(chunk: int) -> None:
    recording = worn()
    bundle = make_bundle(recording)
    engine = LiveEngine(layouts(recording), {ANY: [bundle]}, FAST, emg_reference=REFERENCE)
    assert compare(play(engine, arrivals(recording, chunk)), offline(bundle, recording)) > 40


def test_three_link_legs_with_a_personal_model(tmp_path: Path) -> None:
    """Both legs of a recording on disk, angles filtered and differentiated on the way."""
    dataset = write_two_link_arm(tmp_path / "legs", people=1, seconds=3.0)
    recording = dataset.load(RecordingRef("S01", "s01", "reach", 1))
    spec = LegSpec(
        ("angle.hip_flexion", "angle.knee_flexion", "velocity.knee_flexion"),
        ("torque.hip", "torque.knee"),
    )
    bundle = make_bundle(recording, spec, n_times=30)
    engine = LiveEngine(layouts(recording), {ANY: [bundle]}, FAST)
    wanted = offline(bundle, recording, dataset.subjects["S01"])
    outputs = play(engine, arrivals(recording))
    # Only labelled frames are predicted offline; the engine knows no labels.
    labelled = {side: set(np.round(100 * times)) for side, (times, _) in wanted.items()}
    outputs = [o for o in outputs if round(100 * (o.time_s - o.age_s)) in labelled.get(o.side, ())]
    assert compare(outputs, wanted) > 450


def test_ticks_are_even_and_each_says_how_old_it_is() -> None:
    recording = worn(2.0)
    engine = LiveEngine(
        layouts(recording), {ANY: [make_bundle(recording, KNEE)]}, FAST, emg_reference={}
    )
    outputs = [o for o in play(engine, arrivals(recording, late_s=0.004), 2.0) if o.side == "r"]
    ticks = [o.time_ns for o in outputs]
    assert ticks == [START_NS + k * NS // 100 for k in range(1, 200)]
    assert [o.time_s for o in outputs] == [(t - START_NS) / NS for t in ticks]
    ages = [o.age_s for o in outputs if o.status is Status.OK]
    # At least what the packets were late by, at most a sample and a frame more.
    assert min(ages) >= 0.0
    assert max(ages) <= 0.004 + 1 / 60 + 1 / 100


def test_nothing_depends_on_when_the_engine_is_asked() -> None:
    recording = worn(2.0)
    bundle = make_bundle(recording)

    def run(asked: int) -> list[Output]:
        engine = LiveEngine(layouts(recording), {ANY: [bundle]}, FAST, emg_reference=REFERENCE)
        outputs = []
        for packet in arrivals(recording, 2):
            for i in range(asked, 0, -1):
                outputs += engine.advance(packet.at_ns - 1_000_000 * i // asked)
            outputs += engine.push(packet.stream, packet.even, START_NS, packet.at_ns)
        return outputs + engine.advance(START_NS + 3 * NS)

    once, often = run(0), run(3)
    assert len(once) == 2 * 299
    assert repr(once) == repr(often)


def test_a_stateful_network_starts_like_a_window_and_then_remembers_more() -> None:
    recording = worn(1.0)
    bundle = make_bundle(recording, KNEE, n_times=20)
    engines = {
        form: LiveEngine(
            layouts(recording), {ANY: [bundle]}, replace(FAST, form=form), emg_reference={}
        )
        for form in Form
    }
    by_form = {
        form: [o for o in play(engine, arrivals(recording)) if o.status is Status.OK]
        for form, engine in engines.items()
    }
    window, stateful = by_form[Form.WINDOW], by_form[Form.STATEFUL]
    assert len(window) == len(stateful) > 150
    differ = [
        abs(a.torque_nm_per_kg[0] - b.torque_nm_per_kg[0])
        for a, b in zip(window, stateful, strict=True)
        if a.side == "r"
    ]
    # The window repeats the first frame before the 20th, the state does not; at the 20th they meet.
    assert differ[19] < 1e-6
    assert max(differ[:19]) > 1e-4
    assert 0.0 < max(differ[20:]) < 1e-2


def test_both_forms_share_one_program_for_both_legs(monkeypatch: pytest.MonkeyPatch) -> None:
    recording = worn(1.0)
    made = []
    module = ModelBundle.module
    monkeypatch.setattr(ModelBundle, "module", lambda self: made.append(self) or module(self))
    engine = LiveEngine(layouts(recording), {ANY: [make_bundle(recording, KNEE)]}, FAST)
    assert engine.sides == ("l", "r")
    assert len(made) == 1


def test_missing_emg_is_masked_as_offline() -> None:
    recording = worn(2.0)
    bundle = make_bundle(recording)
    one = {"emg.vastus_lateralis.r": 2e-4}
    engine = LiveEngine(layouts(recording), {ANY: [bundle]}, FAST, emg_reference=one)
    wanted = offline(bundle, recording, reference=one)
    assert compare(play(engine, arrivals(recording)), wanted) > 300
    # And it is not the torque with EMG.
    both = offline(bundle, recording)
    assert np.abs(wanted["l"][1] - both["l"][1]).max() > 1e-3


def test_a_bundles_own_reference_comes_first() -> None:
    recording = worn(1.0)
    own = {"emg.vastus_lateralis.r": 3e-4, "emg.vastus_lateralis.l": 3e-4}
    bundle = make_bundle(recording, LEG, emg_reference=own)
    engine = LiveEngine(layouts(recording), {ANY: [bundle]}, FAST, emg_reference=REFERENCE)
    assert compare(play(engine, arrivals(recording)), offline(bundle, recording, reference=own))


def test_memory_does_not_grow_with_time() -> None:
    recording = worn(9.0)
    engine = LiveEngine(layouts(recording), {ANY: [make_bundle(recording)]}, FAST, None, REFERENCE)
    packets = arrivals(recording, 5)
    third = len(packets) // 3
    play(engine, packets[:third])
    tracemalloc.start()
    try:
        held = []
        # What replaces older objects counts once, in the first part.
        for part in (packets[third : 2 * third], packets[2 * third :]):
            count = len(play(engine, part))
            gc.collect()
            # Libraries have caches of their own that fill for a while.
            ours = [
                tracemalloc.Filter(True, f"*/{folder}/*.py")
                for folder in ("client/live", "models", "signals", "sensors")
            ]
            found = tracemalloc.take_snapshot().filter_traces(ours).statistics("filename")
            held.append(sum(each.size for each in found))
    finally:
        tracemalloc.stop()
    assert count > 2 * 290
    # One number for each output would be 14 kB.
    assert held[0] > 0
    assert held[1] - held[0] < 7_000
