"""Baselines on legs whose answer is known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from kinefed.models import MeanProfile, ModelError, ModelReason, Trees, contact_phase, labels, score
from kinefed.signals.legs import LegSeries, contacts_of
from kinefed.signals.windows import Windows

MakeLegs = Callable[..., list[LegSeries]]


def step_leg(person: str, lengths: list[int], gain: float) -> LegSeries:
    """Contacts of some lengths, 7 frames apart, torque ``gain * (phase, phase^2)``."""
    mask: list[bool] = []
    y: list[tuple[float, float]] = []
    for length in lengths:
        mask += [False] * 7 + [True] * length
        phase = np.linspace(0.0, 1.0, length) if length > 1 else np.zeros(1)
        y += [(9.0, 9.0)] * 7 + [(gain * p, gain * p**2) for p in phase]
    flags = np.array(mask)
    return LegSeries(
        subject=person,
        group=person,
        session="s01",
        task="walk",
        side="l",
        key=f"{person}/s01/walk_01",
        rate_hz=100.0,
        x=np.zeros((len(mask), 1), np.float32),
        available=np.ones(1, bool),
        y=np.array(y, np.float32),
        mask=flags,
        contact=contacts_of(flags),
    )


def test_phase_runs_from_0_to_1_in_each_contact() -> None:
    windows = Windows([step_leg("A", [5, 1, 3], 1.0), step_leg("B", [2], 1.0)], 4)
    expected = [0, 0.25, 0.5, 0.75, 1, 0, 0, 0.5, 1, 0, 1]
    np.testing.assert_allclose(contact_phase(windows), expected)


def test_phase_of_a_subset_is_that_of_the_whole_contact() -> None:
    windows = Windows([step_leg("A", [5, 3], 1.0)], 4)
    np.testing.assert_allclose(contact_phase(windows.subset([3, 6])), [0.75, 0.5])
    np.testing.assert_allclose(contact_phase(Windows(windows.series, 4, hop=2)), [0, 0.5, 1, 0, 1])


def test_mean_profile_recovers_a_common_shape() -> None:
    train = Windows([step_leg("A", [60, 40], 1.0), step_leg("B", [80], 3.0)], 4)
    test = Windows([step_leg("C", [50], 2.0)], 4)
    # People count alike, however many contacts they have: gain (1 + 3) / 2.
    estimate = MeanProfile().fit(train).predict(test)
    assert estimate.shape == (50, 2)
    assert estimate.dtype == np.float32
    np.testing.assert_allclose(estimate, labels(test), atol=2e-3)


def test_constant_mean_has_no_r2() -> None:
    train = Windows([step_leg("A", [60, 40], 1.0), step_leg("B", [80], 3.0)], 4)
    estimate = MeanProfile(phase=False).fit(train).predict(train)
    assert np.ptp(estimate, axis=0).max() == 0.0
    assert estimate[0, 0] == pytest.approx((0.5 * 1.0 + 0.5 * 3.0) / 2, rel=1e-5)
    leg = step_leg("A", [41], 1.0)
    alone = Windows([leg], 4)
    estimate = MeanProfile(phase=False).fit(alone).predict(alone)
    assert score(labels(alone), estimate, ("a", "b"))[0].r2 == pytest.approx(0.0, abs=1e-5)


def test_trees_see_only_their_taps(make_legs: MakeLegs) -> None:
    windows = Windows(make_legs(people=1), 11)
    trees = Trees(trees=3)
    features = trees.features(windows)
    x = windows.gather(np.arange(len(windows)))[0]
    assert features.shape == (len(windows), 4 * 3)
    for channel in range(4):
        for tap, frame in enumerate((10, 5, 0)):
            assert np.array_equal(features[:, 3 * channel + tap], x[:, channel, frame])


def test_trees_learn_a_law_and_follow_their_seed(make_legs: MakeLegs) -> None:
    train, test = Windows(make_legs(people=6), 11), Windows(make_legs(people=1, first=9), 11)
    first = Trees(seed=1, trees=30).fit(train).predict(test)
    assert first.shape == (len(test), 2)
    assert np.array_equal(first, Trees(seed=1, trees=30, jobs=2).fit(train).predict(test))
    assert not np.array_equal(first, Trees(seed=2, trees=30).fit(train).predict(test))
    assert min(s.r2 for s in score(labels(test), first, ("a", "b"))) > 0.5
    assert Trees(trees=2).fit(train).predict(test.subset([])).shape == (0, 2)


def test_one_output(make_legs: MakeLegs) -> None:
    windows = Windows([replace(leg, y=leg.y[:, :1]) for leg in make_legs(people=1)], 11)
    assert Trees(trees=2).fit(windows).predict(windows).shape == (len(windows), 1)
    assert MeanProfile().fit(windows).predict(windows).shape == (len(windows), 1)


def test_window_too_short_for_the_taps(make_legs: MakeLegs) -> None:
    with pytest.raises(ModelError, match="11 frames") as caught:
        Trees(trees=2).fit(Windows(make_legs(people=1), 10))
    assert caught.value.reason is ModelReason.WRONG_SHAPE


@pytest.mark.parametrize("baseline", [MeanProfile(), Trees(trees=2)])
def test_nothing_to_learn(baseline: MeanProfile | Trees, make_legs: MakeLegs) -> None:
    windows = Windows(make_legs(people=1), 11)
    for act in (lambda: baseline.fit(windows.subset([])), lambda: baseline.predict(windows)):
        with pytest.raises(ModelError) as caught:
            act()
        assert caught.value.reason is ModelReason.NO_WINDOWS
