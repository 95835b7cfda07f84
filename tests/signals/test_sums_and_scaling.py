"""Sums that merge like one pass over all data, and the scaling they give."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from kinefed.signals import Scaling, SignalError, SignalReason, Sums, Windows, leg_sums

values = npst.arrays(
    np.float64,
    npst.array_shapes(min_dims=2, max_dims=2, min_side=2, max_side=2).map(lambda s: (s[0] * 9, 2)),
    elements=st.floats(-1e3, 1e3, width=32),
)


@settings(deadline=None)
@given(values, st.integers(0, 18), st.integers(0, 18))
def test_merged_sums_are_those_of_all_data(data, first, second):
    a, b = sorted((first, second))
    parts = [Sums.of(part) for part in (data[:a], data[a:b], data[b:])]
    left = parts[0].merge(parts[1]).merge(parts[2])
    right = parts[0].merge(parts[1].merge(parts[2]))
    for merged in (left, right):
        np.testing.assert_array_equal(merged.count, len(data))
        np.testing.assert_allclose(merged.mean, data.mean(axis=0), rtol=1e-12, atol=1e-9)
        np.testing.assert_allclose(merged.variance, data.var(axis=0), rtol=1e-9, atol=1e-8)


def test_sums_do_not_cancel_beside_a_large_mean():
    rng = np.random.default_rng(0)
    data = 1e8 + rng.standard_normal((5000, 1))
    halves = Sums.of(data[:1234]).merge(Sums.of(data[1234:]))
    np.testing.assert_allclose(halves.variance, data.var(axis=0), rtol=1e-7)
    plain = (data**2).mean() - data.mean() ** 2
    assert abs(plain - data.var()) > 1e-2  # what plain sums of squares give here


def test_only_chosen_values_count():
    data = np.array([[1.0, 5.0], [3.0, np.nan], [np.nan, 9.0]])
    sums = Sums.of(data, np.isfinite(data))
    assert sums.count.tolist() == [2, 2]
    assert sums.mean.tolist() == [2.0, 7.0]
    assert sums.m2.tolist() == [2.0, 8.0]


def test_zeros_change_nothing():
    sums = Sums.of(np.arange(6.0).reshape(3, 2))
    for merged in (sums.merge(Sums.zeros(2)), Sums.zeros(2).merge(sums)):
        np.testing.assert_array_equal(merged.mean, sums.mean)
        np.testing.assert_array_equal(merged.m2, sums.m2)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        (([1.0], [0.0, 0.0], [0.0]), SignalReason.WRONG_SHAPE),
        (([1.0], [np.nan], [0.0]), SignalReason.NOT_FINITE),
        (([-1.0], [0.0], [0.0]), SignalReason.OUT_OF_RANGE),
        (([1.0], [0.0], [-1.0]), SignalReason.OUT_OF_RANGE),
    ],
)
def test_bad_sums_are_refused(fields, reason):
    with pytest.raises(SignalError) as caught:
        Sums(*(np.array(f) for f in fields))
    assert caught.value.reason is reason


def test_sums_of_other_widths_do_not_merge():
    with pytest.raises(SignalError) as caught:
        Sums.zeros(2).merge(Sums.zeros(3))
    assert caught.value.reason is SignalReason.WRONG_CHANNELS


def legs(make_leg):
    return [
        make_leg([True] * 30, optional=(True, False)),
        make_leg([False] * 5 + [True] * 20, subject="S02", optional=(True, True), base=7.0),
    ]


def test_scaled_windows_have_mean_0_and_deviation_1(make_leg):
    series = legs(make_leg)
    scaling = Scaling.from_sums(*leg_sums(series), n_optional=2)
    every = np.concatenate([leg.x[leg.mask] for leg in series])
    np.testing.assert_allclose(scaling.x_mean[:3], every.mean(axis=0)[:3], rtol=1e-6)
    np.testing.assert_allclose(scaling.x_std[:3], every.std(axis=0)[:3], rtol=1e-6)
    # The fourth channel is the second leg's alone: the first leg's zeros do not count.
    np.testing.assert_allclose(scaling.x_mean[3], series[1].x[series[1].mask, 3].mean(), rtol=1e-6)
    assert scaling.x_mean[4:].tolist() == [0, 0]
    assert scaling.x_std[4:].tolist() == [1, 1]
    labels = np.concatenate([leg.y[leg.mask] for leg in series])
    np.testing.assert_allclose(scaling.y_mean, labels.mean(axis=0), rtol=1e-6)


def test_a_missing_channel_is_0_after_scaling(make_leg):
    series = legs(make_leg)
    scaling = Scaling.from_sums(*leg_sums(series), n_optional=2)
    windows = Windows(series, 4)
    x, y, _ = windows.gather(np.arange(len(windows)))
    scaled = scaling.scale_x(x)
    assert scaled.dtype == np.float32
    first = windows.leg == 0
    assert not scaled[first, 3].any()
    assert not scaled[first, 5].any()
    assert (scaled[~first, 5] == 1).all()
    assert np.abs(scaled[~first, 3]).max() > 0.5
    np.testing.assert_allclose(
        scaled[:, 0], (x[:, 0] - scaling.x_mean[0]) / scaling.x_std[0], rtol=1e-6
    )
    assert x[0, 0, 0] == 0.0  # the batch itself is untouched
    np.testing.assert_allclose(scaling.unscale_y(scaling.scale_y(y)), y, rtol=1e-5, atol=1e-5)


def test_labels_of_sequences_scale_output_by_output(make_leg):
    leg = make_leg([True] * 9, n_outputs=2)
    scaling = Scaling.from_sums(*leg_sums([leg]))
    _, y, _ = Windows([leg], 3, target="sequence").gather([8])
    _, last, _ = Windows([leg], 3).gather([8])
    np.testing.assert_array_equal(scaling.scale_y(y)[:, :, -1], scaling.scale_y(last))
    np.testing.assert_allclose(scaling.unscale_y(scaling.scale_y(y)), y, rtol=1e-6)


def test_a_constant_channel_is_only_centred():
    data = np.full((40, 1), 0.1)
    scaling = Scaling.from_sums(Sums.of(data), Sums.of(data))
    assert scaling.x_std.tolist() == [1.0]
    assert np.abs(scaling.scale_x(np.full((1, 1, 3), 0.1, np.float32))).max() < 1e-6


def test_scaling_survives_the_round_trip_bit_for_bit(make_leg):
    scaling = Scaling.from_sums(*leg_sums(legs(make_leg)), n_optional=2)
    back = Scaling.from_dict(scaling.to_dict())
    for name in ("x_mean", "x_std", "y_mean", "y_std"):
        assert getattr(back, name).tobytes() == getattr(scaling, name).tobytes()
    assert back.n_optional == 2


@pytest.mark.parametrize(
    ("change", "reason", "where"),
    [
        ({"x_men": [1.0]}, SignalReason.UNKNOWN_FIELD, "scaling.x_men"),
        ({"x_std": "one"}, SignalReason.WRONG_TYPE, "scaling.x_std"),
        ({"x_std": [1.0, "a"]}, SignalReason.WRONG_TYPE, "scaling.x_std[1]"),
        ({"x_std": [1.0, 0.0]}, SignalReason.OUT_OF_RANGE, "scaling"),
        ({"x_std": [1.0]}, SignalReason.WRONG_SHAPE, "scaling"),
        ({"n_optional": 2}, SignalReason.WRONG_SHAPE, "scaling"),
    ],
)
def test_a_bad_scaling_is_refused_by_field(change, reason, where):
    good = {"x_mean": [0.0, 1.0], "x_std": [1.0, 2.0], "y_mean": [0.0], "y_std": [1.0]}
    Scaling.from_dict(good)
    with pytest.raises(SignalError) as caught:
        Scaling.from_dict(good | change)
    assert caught.value.reason is reason
    assert caught.value.where == where


def test_windows_of_other_channels_are_refused(make_leg):
    scaling = Scaling.from_sums(Sums.zeros(3), Sums.zeros(1))
    with pytest.raises(SignalError) as caught:
        scaling.scale_x(np.zeros((1, 2, 5), np.float32))
    assert caught.value.reason is SignalReason.WRONG_CHANNELS
