"""What every step in the registry owes, checked on every one of them."""

import dataclasses
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kinefed.datasets.types import Stream
from kinefed.signals import (
    PCA,
    STEPS,
    BandPass,
    Differentiate,
    EMGFeatures,
    Layout,
    LowPass,
    LowPassEnvelope,
    MovingRMS,
    Notch,
    Pipeline,
    Rectify,
    Reference,
    Resample,
    SignalError,
    SignalReason,
    Step,
    ZScore,
    step_from_dict,
)

RATE_HZ = 500.0
CHANNELS = ("emg.soleus.r", "emg.vastus_lateralis.r")
REFERENCE = Reference.of({"emg.soleus.r": 0.25, "emg.vastus_lateralis.r": 3.0, "spare": 1.0})
LOADINGS = ((0.6, 0.8), (0.8, -0.6))

# At least one of each kind; some more where a step takes several ways through its code.
CAUSAL: list[Step] = [
    BandPass(),
    BandPass(30.0, 100.0, order=4),
    Notch(),
    LowPass(40.0, order=3),
    LowPassEnvelope(),
    Rectify(),
    MovingRMS(0.05),
    MovingRMS(0.002),
    REFERENCE,
    Resample(100.0),
    Resample(500.0),
    Resample(137.3, anti_alias=False),
    Resample(1234.5),
    Resample(1000.0),
    Differentiate(),
    Differentiate(2, 60.0),
    Differentiate(1, None),
    Differentiate(2, None),
    ZScore(CHANNELS, (0.1, -2.0), (0.5, 1.5)),
    PCA(CHANNELS, (0.1, -2.0), LOADINGS),
    EMGFeatures(0.05, 0.01),
    EMGFeatures(0.02, 0.05, ("wl", "mnf"), zc_threshold_v=0.1),
]
TWINS = [
    dataclasses.replace(step, zero_phase=True)  # type: ignore[type-var]
    for step in CAUSAL
    if "zero_phase" in step.to_dict()
]
# Rates without a ratio of whole numbers to the stream's, which only the causal step takes.
NO_RATIO = (
    Resample(137.3, anti_alias=False, zero_phase=True),
    Resample(1234.5, zero_phase=True),
)


def name_of(step: Step) -> str:
    return f"{step.kind}{'-zero_phase' if step.zero_phase else ''}"


def noise(samples: int, seed: int = 0) -> Stream:
    rng = np.random.default_rng(seed)
    data = np.cumsum(rng.standard_normal((samples, 2)), axis=0) * 0.1 + rng.standard_normal(2)
    return Stream("emg", RATE_HZ, 2.0, CHANNELS, ("V", "V"), data)


def in_chunks(step: Step, stream: Stream, sizes: list[int]) -> np.ndarray:
    session = Pipeline((step,)).open(stream.rate_hz, stream.channels)
    parts, at = [], 0
    for size in [*sizes, len(stream.data)]:
        parts.append(session.push(stream.data[at : at + size]))
        assert parts[-1].shape[1] == len(session.layout.channels)
        at += size
    return np.concatenate(parts)


def test_every_kind_is_tested():
    assert {step.kind for step in CAUSAL} == set(STEPS)
    assert all(STEPS[kind].kind == kind for kind in STEPS)


@pytest.mark.parametrize("step", CAUSAL, ids=name_of)
@settings(max_examples=25, deadline=None)
@given(
    samples=st.integers(0, 150),
    sizes=st.lists(st.integers(0, 40) | st.sampled_from([0, 1]), max_size=30),
)
def test_live_equals_offline_in_any_chunks(step, samples, sizes):
    stream = noise(samples)
    whole = Pipeline((step,)).apply(stream)
    live = in_chunks(step, stream, sizes)
    assert live.shape == whole.data.shape
    scale = np.abs(whole.data).max(initial=1.0)
    np.testing.assert_allclose(live, whole.data, rtol=1e-12, atol=1e-12 * scale)


@settings(max_examples=25, deadline=None)
@given(
    steps=st.lists(st.sampled_from([BandPass(), Notch(), Rectify(), MovingRMS(0.02),
                                    LowPass(20.0), Resample(220.0)]), max_size=5),
    sizes=st.lists(st.integers(0, 60), max_size=12),
)  # fmt: skip
def test_a_pipeline_of_steps_is_alike_live_and_offline(steps, sizes):
    stream, pipeline = noise(300), Pipeline(tuple(steps))
    whole = pipeline.apply(stream)
    session = pipeline.open(stream.rate_hz, stream.channels)
    parts, at = [], 0
    for size in [*sizes, 300]:
        parts.append(session.push(stream.data[at : at + size]))
        at += size
    np.testing.assert_allclose(np.concatenate(parts), whole.data, rtol=1e-11, atol=1e-11)
    assert session.layout == Layout(whole.rate_hz, whole.channels, whole.units, 0.0)


@pytest.mark.parametrize("step", CAUSAL, ids=name_of)
def test_one_sample_at_a_time(step):
    stream = noise(90)
    live = in_chunks(step, stream, [1] * 90)
    whole = Pipeline((step,)).apply(stream).data
    np.testing.assert_allclose(live, whole, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("step", CAUSAL, ids=name_of)
def test_the_future_does_not_change_the_past(step):
    stream = noise(200)
    changed = stream.data.copy()
    changed[120:] = 3.0 * changed[120:] + 5.0
    one = Pipeline((step,)).apply(stream)
    other = Pipeline((step,)).apply(dataclasses.replace(stream, data=changed))
    before = one.time_s < stream.time_s[120] - 1e-9
    assert before.any()
    assert not before.all()
    np.testing.assert_array_equal(one.data[before], other.data[before])
    assert np.abs(one.data[~before] - other.data[~before]).max() > 1e-6


@pytest.mark.parametrize("step", CAUSAL, ids=name_of)
def test_a_constant_has_no_transient(step):
    data = np.tile([0.7, -1.3], (120, 1))
    out = Pipeline((step,)).apply(Stream("emg", RATE_HZ, 0.0, CHANNELS, ("V", "V"), data)).data
    np.testing.assert_allclose(out, np.tile(out[:1], (len(out), 1)), rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("step", CAUSAL + TWINS, ids=name_of)
def test_the_round_trip_gives_an_equal_step(step):
    text = json.dumps(step.to_dict())
    back = step_from_dict(json.loads(text))
    assert back == step
    assert type(back) is type(step)
    assert hash(back) == hash(step)
    pipeline = Pipeline((step, Rectify()))
    assert Pipeline.from_dict(json.loads(json.dumps(pipeline.to_dict()))) == pipeline


@pytest.mark.parametrize("step", CAUSAL, ids=name_of)
def test_an_unknown_argument_is_refused_with_its_path(step):
    data = {"steps": [Rectify().to_dict(), step.to_dict() | {"cutof_hz": 3.0}]}
    with pytest.raises(SignalError) as caught:
        Pipeline.from_dict(data)
    assert caught.value.reason is SignalReason.UNKNOWN_FIELD
    assert caught.value.where == "pipeline.steps[1].cutof_hz"
    assert caught.value.exit_code == 3


@pytest.mark.parametrize("step", CAUSAL, ids=name_of)
def test_an_argument_of_another_type_is_refused_with_its_path(step):
    for field in dataclasses.fields(step):  # type: ignore[arg-type]
        with pytest.raises(SignalError) as caught:
            step_from_dict(step.to_dict() | {field.name: {"a": 1}}, "steps[4]")
        assert caught.value.reason is SignalReason.WRONG_TYPE
        assert caught.value.where == f"steps[4].{field.name}"


@pytest.mark.parametrize("step", CAUSAL, ids=name_of)
def test_a_step_is_frozen(step):
    for field in dataclasses.fields(step):  # type: ignore[arg-type]
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(step, field.name, getattr(step, field.name))


@pytest.mark.parametrize("step", TWINS, ids=name_of)
def test_a_zero_phase_step_is_not_streamed(step):
    pipeline = Pipeline((Rectify(), step))
    assert not pipeline.causal
    with pytest.raises(SignalError) as caught:
        pipeline.open(RATE_HZ, CHANNELS)
    assert caught.value.reason is SignalReason.NOT_CAUSAL
    assert step.kind in str(caught.value)


@pytest.mark.parametrize("step", [t for t in TWINS if t not in NO_RATIO], ids=name_of)
def test_a_twin_comes_out_like_its_causal_step(step):
    stream = noise(400)
    twin = Pipeline((step,)).apply(stream)
    causal = Pipeline((dataclasses.replace(step, zero_phase=False),)).apply(stream)
    assert (twin.channels, twin.units, twin.rate_hz) == (
        causal.channels,
        causal.units,
        causal.rate_hz,
    )
    assert len(twin.data) == len(causal.data)


@pytest.mark.parametrize("step", [t for t in TWINS if t.kind != "resample"], ids=name_of)
def test_a_twin_has_no_delay(step):
    """The answer to an even signal is even (odd for a first derivative)."""
    time = np.arange(-1500, 1501) / RATE_HZ
    bump = np.exp(-((time / 0.05) ** 2)) * np.cos(2 * np.pi * 45.0 * time)
    data = np.column_stack([bump, bump])
    out = Pipeline((step,)).apply(Stream("emg", RATE_HZ, 0.0, CHANNELS, ("V", "V"), data)).data
    sign = -1.0 if step.to_dict().get("kind") == "differentiate" and step.order == 1 else 1.0
    np.testing.assert_allclose(out, sign * out[::-1], atol=1e-7 * np.abs(out).max())
    assert np.abs(out).max() > 0


def test_an_unknown_step_is_refused():
    for bad, where in (({"kind": "high_pas"}, "pipeline.steps[0].kind"), (3, "pipeline.steps[0]")):
        with pytest.raises(SignalError) as caught:
            Pipeline.from_dict({"steps": [bad]})
        assert caught.value.where == where
    with pytest.raises(SignalError) as caught:
        Pipeline.from_dict({"steps": [], "stesp": []})
    assert caught.value.where == "pipeline.stesp"
    with pytest.raises(SignalError) as caught:
        Pipeline.from_dict({"steps": "band_pass"})
    assert caught.value.where == "pipeline.steps"
    with pytest.raises(SignalError) as caught:
        step_from_dict({"kind": "low_pass"})
    assert caught.value.reason is SignalReason.MISSING_FIELD
    assert caught.value.where == "step.cutoff_hz"


def test_a_truth_value_is_no_number():
    for bad in (True, "6", None, float("nan"), [6.0]):
        with pytest.raises(SignalError) as caught:
            step_from_dict({"kind": "low_pass", "cutoff_hz": bad})
        assert caught.value.reason is SignalReason.WRONG_TYPE
    assert step_from_dict({"kind": "low_pass", "cutoff_hz": 6}) == LowPass(6.0)


@pytest.mark.parametrize(
    ("make", "field"),
    [
        (lambda: BandPass(0.0), "band_pass.low_hz"),
        (lambda: BandPass(50.0, 40.0), "band_pass.high_hz"),
        (lambda: BandPass(order=9), "band_pass.order"),
        (lambda: Notch(quality=-1.0), "notch.quality"),
        (lambda: LowPass(-3.0), "low_pass.cutoff_hz"),
        (lambda: LowPassEnvelope(order=0), "low_pass_envelope.order"),
        (lambda: MovingRMS(0.0), "moving_rms.window_s"),
        (lambda: Reference.of({"a": 0.0}), "reference.values[a]"),
        (lambda: Resample(float("inf")), "resample.rate_hz"),
        (lambda: Differentiate(3), "differentiate.order"),
        (lambda: ZScore(("a",), (0.0,), (0.0,)), "z_score.std"),
        (lambda: ZScore(("a",), (0.0, 1.0), (1.0,)), "z_score"),
        (lambda: PCA(("a",), (0.0,), ((1.0, 2.0),)), "pca"),
        (lambda: EMGFeatures(features=("mav", "mov")), "emg_features.features[1]"),
        (lambda: EMGFeatures(features=("mav", "mav")), "emg_features.features[1]"),
        (lambda: EMGFeatures(zc_threshold_v=-1.0), "emg_features.zc_threshold_v"),
    ],
)
def test_an_impossible_argument_is_named(make, field):
    with pytest.raises(SignalError) as caught:
        make()
    assert caught.value.where == field


@pytest.mark.parametrize(
    ("step", "rate_hz"),
    [
        (BandPass(), 44.0),
        (Notch(), 100.0),
        (LowPass(20.0), 40.0),
        (LowPassEnvelope(), 12.0),
        (Differentiate(), 30.0),
        (MovingRMS(0.01), 20.0),
        (EMGFeatures(0.15), 10.0),
        (EMGFeatures(0.5, 0.01), 20.0),
    ],
)
def test_a_rate_too_low_for_the_step_is_refused(step, rate_hz):
    with pytest.raises(SignalError) as caught:
        Pipeline((step,)).open(rate_hz, CHANNELS)
    assert caught.value.reason is SignalReason.RATE_TOO_LOW
    assert step.kind in caught.value.where


@pytest.mark.parametrize("step", [ZScore(("a",), (0.0,), (1.0,)), PCA(("a",), (0.0,), ((1.0,),))])
def test_a_fitted_step_refuses_other_channels(step):
    with pytest.raises(SignalError) as caught:
        Pipeline((step,)).open(RATE_HZ, CHANNELS)
    assert caught.value.reason is SignalReason.WRONG_CHANNELS


def test_a_missing_reference_is_refused_by_channel():
    with pytest.raises(SignalError) as caught:
        Pipeline((Reference.of({CHANNELS[0]: 1.0}),)).open(RATE_HZ, CHANNELS)
    assert caught.value.reason is SignalReason.NO_REFERENCE
    assert CHANNELS[1] in str(caught.value)
