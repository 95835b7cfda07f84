"""The pipeline's edge: what it takes in, what it says it gives out."""

import numpy as np
import pytest

from kinefed.datasets.types import Stream
from kinefed.signals import (
    BandPass,
    Differentiate,
    LowPass,
    Pipeline,
    Rectify,
    Reference,
    Resample,
    SignalError,
    SignalReason,
    envelope_steps,
)

CHANNELS = ("emg.soleus.r", "emg.soleus.l")


def test_a_nan_is_refused_by_channel_and_leaves_the_session_as_it_was():
    rng = np.random.default_rng(1)
    data = rng.standard_normal((60, 2))
    session = Pipeline((BandPass(),)).open(1000.0, CHANNELS)
    first = session.push(data[:30])
    for bad in (np.nan, np.inf):
        with pytest.raises(SignalError) as caught:
            session.push([[0.0, 0.0], [0.0, bad]])
        assert caught.value.reason is SignalReason.NOT_FINITE
        assert caught.value.where == "emg.soleus.l"
        assert "sample 1" in caught.value.what
    live = np.concatenate([first, session.push(data[30:])])
    whole = Pipeline((BandPass(),)).apply(Stream("emg", 1000.0, 0.0, CHANNELS, ("V", "V"), data))
    np.testing.assert_array_equal(live, whole.data)
    with pytest.raises(SignalError):
        Pipeline(()).apply(Stream("emg", 1000.0, 0.0, CHANNELS, ("V", "V"), data * np.nan))


@pytest.mark.parametrize(
    ("samples", "reason"),
    [
        (np.zeros((3, 3)), SignalReason.WRONG_CHANNELS),
        (np.zeros((0, 1)), SignalReason.WRONG_CHANNELS),
        (np.zeros(2), SignalReason.WRONG_SHAPE),
    ],
)
def test_other_shapes_are_refused(samples, reason):
    with pytest.raises(SignalError) as caught:
        Pipeline(()).open(100.0, CHANNELS).push(samples)
    assert caught.value.reason is reason


def test_integers_are_cast_before_anything_is_done_with_them():
    raw = np.array([[-128, 127], [127, -128], [-128, 0]], dtype=np.int8)
    session = Pipeline((Rectify(),)).open(1000.0, CHANNELS)
    # In 8 bits the magnitude of -128 is -128.
    np.testing.assert_array_equal(session.push(raw), [[128, 127], [127, 128], [128, 0]])


def test_no_steps_give_the_signal_back():
    data = np.arange(6.0).reshape(3, 2)
    stream = Stream("emg", 100.0, 1.5, CHANNELS, ("V", "V"), data)
    out = Pipeline(()).apply(stream)
    np.testing.assert_array_equal(out.data, data)
    assert (out.channels, out.units, out.start_s) == (CHANNELS, ("V", "V"), 1.5)


def test_channels_and_units_follow_the_steps():
    envelopes = tuple(c.replace("emg", "envelope") for c in CHANNELS)
    steps = (*envelope_steps(), Reference.of(dict.fromkeys(envelopes, 1.0)), Resample(100.0, False))
    layout = Pipeline(steps).open(1000.0, CHANNELS, start_s=3.0).layout
    assert layout.channels == envelopes
    assert layout.units == ("1", "1")
    assert (layout.rate_hz, layout.start_s) == (100.0, 3.0)
    volts = Pipeline(envelope_steps()).open(1000.0, CHANNELS).layout
    assert volts.units == ("V", "V")


def test_derivatives_are_named_and_have_units():
    names = ("angle.knee_flexion.r", "velocity.knee_flexion.r", "marker.heel.r.x", "own")
    layout = Pipeline((Differentiate(),)).open(100.0, names).layout
    assert layout.channels == (
        "velocity.knee_flexion.r",
        "acceleration.knee_flexion.r",
        "d1.marker.heel.r.x",
        "d1.own",
    )
    assert layout.units == ("rad/s", "rad/s^2", "m/s", "/s")
    twice = Pipeline((Differentiate(2),)).open(100.0, names[:1]).layout
    assert twice.channels == ("acceleration.knee_flexion.r",)
    assert twice.units == ("rad/s^2",)


def test_two_sessions_share_nothing():
    pipeline = Pipeline((LowPass(5.0),))
    one, two = pipeline.open(100.0, ("a",)), pipeline.open(100.0, ("a",))
    one.push(np.full((10, 1), 9.0))
    assert two.push([[1.0]]).tolist() == [[pytest.approx(1.0)]]


def test_an_empty_stream_comes_out_empty():
    stream = Stream("emg", 1000.0, 0.0, CHANNELS, ("V", "V"), np.zeros((0, 2)))
    steps = (*envelope_steps(), Resample(100.0))
    assert Pipeline(steps).apply(stream).data.shape == (0, 2)
