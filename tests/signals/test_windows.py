"""Windows against their definition, frame by frame."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kinefed.signals import LegSeries, SignalError, SignalReason, Windows, contacts_of

masks = st.lists(st.lists(st.booleans(), min_size=1, max_size=30), min_size=1, max_size=4)


def expected_x(leg, end, length):
    """The window that ends at a frame, by the definition: first sample repeated before it."""
    rows = np.maximum(np.arange(end - length + 1, end + 1), 0)
    values = np.where(leg.available, leg.x, 0.0)[rows].T
    flags = leg.available[leg.x.shape[1] - leg.n_optional :].astype(float)
    return np.vstack([values, np.repeat(flags[:, None], length, axis=1)])


@settings(max_examples=150, deadline=None)
@given(
    masks,
    st.integers(1, 12),
    st.integers(1, 4),
    st.integers(0, 5),
    st.sampled_from(["last", "sequence"]),
    st.booleans(),
)
def test_every_window_is_its_definition(make_leg, masks, length, hop, look_ahead, target, has):
    legs = [
        make_leg(mask, subject=f"S{i}", optional=(has, True), n_outputs=2, base=10_000.0 * i)
        for i, mask in enumerate(masks)
    ]
    windows = Windows(legs, length, hop, look_ahead, target)
    wanted = []
    for number, leg in enumerate(legs):
        for contact in range(leg.contact.max(initial=-1) + 1):
            frames = np.flatnonzero(leg.contact == contact)[::hop]
            wanted += [(number, f) for f in frames.tolist() if f >= look_ahead]
    assert list(zip(windows.leg.tolist(), windows.frame.tolist(), strict=True)) == wanted
    assert len(windows) == len(wanted)
    x, y, mask = windows.gather(np.arange(len(windows)))
    assert x.dtype == y.dtype == np.float32
    assert x.shape == (len(wanted), windows.n_channels, length)
    for i, (number, frame) in enumerate(wanted):
        leg = legs[number]
        np.testing.assert_array_equal(x[i], expected_x(leg, frame - look_ahead, length))
        if target == "last":
            np.testing.assert_array_equal(y[i], leg.y[frame])
            assert mask[i]
        else:
            frames = np.arange(frame - length + 1, frame + 1)
            inside = (frames >= 0) & leg.mask[np.maximum(frames, 0)]
            np.testing.assert_array_equal(mask[i], inside)
            np.testing.assert_array_equal(y[i][:, inside], leg.y[frames[inside]].T)
            assert not y[i][:, ~inside].any()


@settings(max_examples=60, deadline=None)
@given(masks, st.data())
def test_a_subset_keeps_the_order_given(make_leg, masks, data):
    legs = [make_leg(m, subject=f"S{i}", base=1e4 * i) for i, m in enumerate(masks)]
    windows = Windows(legs, 5)
    if len(windows):
        chosen = data.draw(st.lists(st.integers(0, len(windows) - 1), max_size=20))
    else:
        chosen = []
    part = windows.subset(chosen)
    assert len(part) == len(chosen)
    for one, other in zip(part.gather(np.arange(len(part))), windows.gather(chosen), strict=True):
        np.testing.assert_array_equal(one, other)
    for name in ("subject", "task", "session", "side", "contact", "frame", "recording", "group"):
        np.testing.assert_array_equal(getattr(part, name), getattr(windows, name)[chosen])


def test_a_boolean_selects_a_subset(make_leg):
    windows = Windows([make_leg([True] * 4), make_leg([True] * 3, subject="S02")], 2)
    part = windows.subset(windows.subject == "S02")
    assert part.frame.tolist() == [0, 1, 2]
    assert part.subset([2, 0]).frame.tolist() == [2, 0]


def test_contacts_are_numbered_over_all_legs(make_leg):
    one = make_leg([True, False, True, True])
    two = make_leg([False, True], side="l")
    windows = Windows([one, make_leg([False]), two], 3)
    assert windows.contact.tolist() == [0, 1, 1, 2]
    assert windows.side.tolist() == ["r", "r", "r", "l"]


def test_hop_loses_no_contact(make_leg):
    windows = Windows([make_leg([True, False, True, True, True, True, False, True])], 2, hop=3)
    assert windows.frame.tolist() == [0, 2, 5, 7]


def test_windows_copy_no_window(make_leg):
    leg = make_leg([True] * 20_000, n_inputs=8)
    tracemalloc.start()
    windows = Windows([leg], 200)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    every_window = len(windows) * windows.n_channels * 200 * 4
    # The signal and its padding twice over, and three integers a window.
    assert peak < every_window / 50
    assert windows.subset([0])._layout is windows._layout


def test_gather_copies(make_leg):
    windows = Windows([make_leg([True] * 5)], 3)
    for before in windows.gather([2]):
        assert before.flags.writeable
    x, _, _ = windows.gather([2])
    x[:] = -1.0
    assert windows.gather([2])[0].min() >= 0.0


@pytest.mark.parametrize(
    ("arguments", "where"),
    [
        ({"length": 0}, "windows.length"),
        ({"length": 3, "hop": 0}, "windows.hop"),
        ({"length": 3, "look_ahead": -1}, "windows.look_ahead"),
        ({"length": 3, "target": "first"}, "windows.target"),
    ],
)
def test_bad_arguments_are_named(make_leg, arguments, where):
    with pytest.raises(SignalError) as caught:
        Windows([make_leg([True])], **arguments)
    assert caught.value.reason is SignalReason.OUT_OF_RANGE
    assert caught.value.where == where


def test_legs_of_other_channels_are_refused(make_leg):
    with pytest.raises(SignalError) as caught:
        Windows([make_leg([True]), make_leg([True], n_inputs=3, subject="S02")], 2)
    assert caught.value.reason is SignalReason.WRONG_CHANNELS
    assert "S02" in str(caught.value)


def test_no_legs_are_refused():
    with pytest.raises(SignalError) as caught:
        Windows([], 2)
    assert caught.value.reason is SignalReason.TOO_SHORT


def test_a_leg_with_a_nan_under_its_mask_is_refused(make_leg):
    leg = make_leg([True, True])
    fields = {name: getattr(leg, name) for name in LegSeries.__slots__}
    for name, bad in (
        ("y", np.array([[1.0], [np.nan]])),
        ("x", np.array([[0.0, np.inf], [0.0, 0.0]])),
    ):
        with pytest.raises(SignalError) as caught:
            LegSeries(**fields | {name: bad})
        assert caught.value.reason is SignalReason.NOT_FINITE
    for name, bad in (
        ("available", np.array([True])),
        ("mask", np.ones(3, bool)),
        ("contact", np.zeros(1)),
    ):
        with pytest.raises(SignalError) as caught:
            LegSeries(**fields | {name: bad})
        assert caught.value.reason is SignalReason.WRONG_SHAPE
    with pytest.raises(SignalError) as caught:
        LegSeries(**fields | {"available": np.array([True, False])})
    assert caught.value.reason is SignalReason.WRONG_CHANNELS


@given(st.lists(st.booleans(), max_size=40))
def test_contacts_are_runs(mask):
    contact = contacts_of(np.array(mask, dtype=bool))
    assert contact.dtype == np.int32
    number, inside = -1, False
    for valid, found in zip(mask, contact.tolist(), strict=True):
        number += valid and not inside
        inside = valid
        assert found == (number if valid else -1)
