from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from personal_worlds import BODY, contacts_mask, leg, linear_model, unit_scaling, wearer

from kinefed.datasets import UsageError
from kinefed.models import to_vector
from kinefed.personalization import gate as gate_module
from kinefed.personalization.gate import (
    MAX_FOLDS,
    CrossFit,
    GateConfig,
    GateReason,
    crossfit,
    decide,
    folds,
    units,
)
from kinefed.personalization.scores import LabelErrors, label_errors
from kinefed.personalization.transfer import AdaptResult, Look, TransferConfig, adapt
from kinefed.signals import Windows

SCALING = unit_scaling()


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def errors(rmse: float, n: int = 10) -> LabelErrors:
    """One output with this error on n labels."""
    return LabelErrors(np.array([n * rmse**2]), np.array([float(n)]))


def fitted(personal: list[float], shared: list[float]) -> CrossFit:
    return CrossFit(
        len(personal), tuple(map(errors, personal)), tuple(map(errors, shared)), steps=10
    )


def test_units_are_recordings_from_three_on() -> None:
    windows = wearer(rng(), recordings=3, contacts=4)
    unit = units(windows)
    assert sorted(set(unit.tolist())) == [0, 1, 2]
    for number in range(3):
        assert len(set(windows.recording[unit == number])) == 1


def test_units_are_contacts_below_three_recordings() -> None:
    windows = wearer(rng(), recordings=2, contacts=4)
    unit = units(windows)
    assert sorted(set(unit.tolist())) == list(range(8))
    for number in range(8):
        frame = windows.frame[unit == number]
        assert len(set(windows.recording[unit == number])) == 1
        assert frame.max() - frame.min() == len(frame) - 1


def test_contacts_of_the_two_legs_are_different_units() -> None:
    mask = contacts_mask(100, 2)
    x = rng().standard_normal((100, 3))
    windows = Windows([leg(x, mask=mask, side=side) for side in "lr"], 4)
    unit = units(windows)
    assert len(set(unit.tolist())) == 4
    assert not set(unit[windows.side == "l"]) & set(unit[windows.side == "r"])


def test_units_of_a_subset_have_no_gaps() -> None:
    windows = wearer(rng(), contacts=4)
    part = windows.subset(np.flatnonzero(units(windows) % 2 == 1))
    assert sorted(set(units(part).tolist())) == [0, 1]


@pytest.mark.parametrize(("n_units", "expected"), [(2, 2), (5, 5), (6, 5), (13, 5)])
def test_at_most_five_folds_of_whole_units(n_units: int, expected: int) -> None:
    unit = np.repeat(np.arange(n_units), 3)
    fold = folds(unit)
    assert len(set(fold.tolist())) == expected <= MAX_FOLDS
    assert all(len(set(fold[unit == u])) == 1 for u in range(n_units))


def test_fewer_than_two_units_are_not_compared() -> None:
    windows = wearer(rng(), contacts=1)
    assert crossfit(linear_model(), windows, SCALING, TransferConfig(), 0) is None
    assert crossfit(linear_model(), windows.subset([]), SCALING, TransferConfig(), 0) is None
    decision = decide(None, GateConfig())
    assert (decision.adopt, decision.reason) == (False, GateReason.TOO_FEW_UNITS)
    assert math.isnan(decision.relative_gain)


@pytest.mark.parametrize(
    ("personal", "shared", "config", "reason"),
    [
        ([0.8, 0.9], [1.0, 1.0], GateConfig(), GateReason.BETTER),
        ([1.0, 1.0], [1.0, 1.0], GateConfig(), GateReason.NOT_BETTER),
        ([1.2, 1.0], [1.0, 1.0], GateConfig(), GateReason.NOT_BETTER),
        ([float("nan"), 0.5], [1.0, 1.0], GateConfig(), GateReason.NOT_BETTER),
        ([0.96, 0.96], [1.0, 1.0], GateConfig(margin=0.05), GateReason.WITHIN_MARGIN),
        ([0.94, 0.94], [1.0, 1.0], GateConfig(margin=0.05), GateReason.BETTER),
        # One contact improves much, the other gets worse: the mean alone is content.
        ([0.5, 1.1], [1.0, 1.0], GateConfig(), GateReason.BETTER),
        ([0.5, 1.1], [1.0, 1.0], GateConfig(caution=1.0), GateReason.UNCERTAIN),
        ([0.5, 0.9], [1.0, 1.0], GateConfig(caution=1.0), GateReason.BETTER),
        ([0.0, 0.0], [0.0, 0.0], GateConfig(), GateReason.NOT_BETTER),
    ],
)
def test_decisions(
    personal: list[float], shared: list[float], config: GateConfig, reason: GateReason
) -> None:
    decision = decide(fitted(personal, shared), config)
    assert decision.reason is reason
    assert decision.adopt == (reason is GateReason.BETTER)
    assert decision.units == 2


def test_decision_reports_errors_over_all_labels() -> None:
    fit = CrossFit(2, (errors(0.6, 30), errors(1.2, 10)), (errors(1.0, 30), errors(1.0, 10)), 5)
    decision = decide(fit, GateConfig())
    expected = math.sqrt((30 * 0.36 + 10 * 1.44) / 40)
    assert decision.personal_rmse == pytest.approx(expected)
    assert decision.global_rmse == pytest.approx(1.0)
    assert decision.relative_gain == pytest.approx(1.0 - expected)


def test_each_fold_is_scored_after_the_steps_that_the_others_choose(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Error curves over steps 0, 5, 10, 15 of three contacts: each on its own would choose
    # another step than the other two.
    curves = [[1.0, 0.2, 0.9, 0.9], [1.0, 0.9, 0.5, 0.8], [1.0, 0.9, 0.8, 0.6]]
    seen: list[tuple[set[int], set[int]]] = []
    windows = wearer(rng(), contacts=3)

    def told(
        module: Any, train: Windows, scaling: Any, config: Any, rng: Any, validation: Windows
    ) -> AdaptResult:
        seen.append((set(train.contact.tolist()), set(validation.contact.tolist())))
        curve = curves[len(seen) - 1]
        history = tuple(Look(5 * i, 0.0, errors(e)) for i, e in enumerate(curve))
        return AdaptResult(to_vector(module), 0, history)

    monkeypatch.setattr(gate_module, "adapt", told)
    fit = crossfit(linear_model(), windows, SCALING, TransferConfig(steps=15, early=True), 0)
    assert fit is not None
    assert seen == [({1, 2}, {0}), ({0, 2}, {1}), ({0, 1}, {2})]
    squares = np.array(curves) ** 2
    for i, personal in enumerate(fit.personal):
        choice = int(np.delete(squares, i, axis=0).sum(axis=0).argmin())
        assert personal.rmse == pytest.approx(curves[i][choice])
    assert [g.rmse for g in fit.global_] == pytest.approx([1.0, 1.0, 1.0])
    assert fit.steps == 5 * int(squares.sum(axis=0).argmin())

    seen.clear()
    last = crossfit(linear_model(), windows, SCALING, TransferConfig(steps=15), 0)
    assert last is not None
    assert [p.rmse for p in last.personal] == pytest.approx([0.9, 0.8, 0.6])
    assert last.steps == 15


def test_folds_that_end_early_are_judged_up_to_the_same_step(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    curves = iter([[1.0, 0.9, 0.1], [1.0, 0.8]])

    def told(module: Any, *_: Any) -> AdaptResult:
        history = tuple(Look(5 * i, 0.0, errors(e)) for i, e in enumerate(next(curves)))
        return AdaptResult(to_vector(module), 0, history)

    monkeypatch.setattr(gate_module, "adapt", told)
    fit = crossfit(
        linear_model(), wearer(rng(), contacts=2), SCALING, TransferConfig(early=True), 0
    )
    assert fit is not None
    assert [p.rmse for p in fit.personal] == pytest.approx([0.9, 0.8])
    assert fit.steps == 5


def test_crossfit_equals_adapting_by_hand() -> None:
    other = BODY + 0.4
    windows = wearer(rng(), other, contacts=3, noise=0.1)
    module, start = linear_model(), to_vector(linear_model())
    config = TransferConfig(steps=30, rate=1e-2)
    fit = crossfit(module, windows, SCALING, config, seed=11)
    assert fit is not None
    np.testing.assert_array_equal(to_vector(module), start)
    unit = units(windows)
    for left_out in range(3):
        kept = windows.subset(np.flatnonzero(unit != left_out))
        rest = windows.subset(np.flatnonzero(unit == left_out))
        by_hand = linear_model()
        generator = np.random.default_rng(np.random.SeedSequence([11, left_out]))
        assert fit.global_[left_out].rmse == label_errors(by_hand, rest, SCALING).rmse
        adapt(by_hand, kept, SCALING, config, generator)
        assert fit.personal[left_out].rmse == label_errors(by_hand, rest, SCALING).rmse
    assert decide(fit, GateConfig(caution=1.0)).adopt


def test_noise_around_a_right_model_is_not_adopted() -> None:
    # What is left to learn is noise, so that any number of steps only moves away.
    refused = 0
    for seed in range(10):
        windows = wearer(rng(seed), contacts=4, frames=80, noise=0.5)
        fit = crossfit(linear_model(), windows, SCALING, TransferConfig(rate=1e-2, steps=40), seed)
        refused += not decide(fit, GateConfig(caution=1.0)).adopt
    assert refused >= 8


@pytest.mark.parametrize("bad", [-0.1, 11.0, float("nan")])
@pytest.mark.parametrize("name", ["margin", "caution"])
def test_bad_settings_are_named(name: str, bad: float) -> None:
    with pytest.raises(UsageError, match=rf"gate\.{name}"):
        GateConfig(**{name: bad})
