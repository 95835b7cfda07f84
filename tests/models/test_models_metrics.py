"""Metrics against scikit-learn and scipy, and on the cases where those go wrong."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn import metrics as sk

from kinefed.models import (
    ModelError,
    ModelReason,
    bootstrap_ci,
    person_scores,
    score,
    summarise,
)

JOINTS = ("hip", "knee")


def sample(seed: int, frames: int = 200, shift: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = rng.normal(size=(frames, 2)) * [0.4, 0.9] + shift
    return y, 0.8 * y + 0.1 + 0.2 * rng.normal(size=y.shape)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(3, 80), st.floats(-3.0, 3.0))
def test_against_the_reference_libraries(seed: int, frames: int, shift: float) -> None:
    y, e = sample(seed, frames, shift)
    e[: frames // 3] = np.round(e[: frames // 3], 1)  # ties
    for k, s in enumerate(score(y, e, JOINTS)):
        rmse = math.sqrt(sk.mean_squared_error(y[:, k], e[:, k]))
        assert s.joint == JOINTS[k]
        assert s.frames == frames
        assert s.rmse_nm_per_kg == pytest.approx(rmse, rel=1e-12)
        assert s.mae_nm_per_kg == pytest.approx(sk.mean_absolute_error(y[:, k], e[:, k]), rel=1e-12)
        assert s.r2 == pytest.approx(sk.r2_score(y[:, k], e[:, k]), rel=1e-9, abs=1e-9)
        assert s.r == pytest.approx(stats.pearsonr(y[:, k], e[:, k])[0], rel=1e-9)
        assert s.rho == pytest.approx(stats.spearmanr(y[:, k], e[:, k])[0], rel=1e-9, abs=1e-12)
        assert s.nrmse_range == pytest.approx(rmse / np.ptp(y[:, k]), rel=1e-12)
        assert s.nrmse_sd == pytest.approx(rmse / np.std(y[:, k]), rel=1e-12)
        half = (np.ptp(y[:, k]) + np.ptp(e[:, k])) / 2
        assert s.rrmse == pytest.approx(rmse / half, rel=1e-12)


def test_a_scaled_estimate_keeps_r_and_loses_r2() -> None:
    y, _ = sample(0)
    (hip, _) = score(y, 0.3 * y, JOINTS)
    assert hip.r == pytest.approx(1.0)
    assert hip.rho == pytest.approx(1.0)
    assert hip.r2 < 0.6


@pytest.mark.parametrize("level", [0.0, 0.123456789, -1.7e3])
def test_a_constant_label_has_no_r2(level: float) -> None:
    y, e = sample(0)
    y[:, 0] = np.float32(level)
    y[::2, 0] = np.nextafter(np.float32(level), np.float32(np.inf))  # rounding
    hip, knee = score(y, e, JOINTS)
    for name in ("r2", "r", "rho", "nrmse_range", "nrmse_sd"):
        assert math.isnan(getattr(hip, name)), name
        assert math.isfinite(getattr(knee, name)), name
    assert math.isfinite(hip.rmse_nm_per_kg)


def test_a_constant_estimate_has_r2_but_no_r() -> None:
    y, e = sample(0)
    e[:] = y.mean(axis=0)
    (hip, _) = score(y, e, JOINTS)
    assert hip.r2 == pytest.approx(0.0, abs=1e-12)
    assert math.isnan(hip.r)
    assert math.isnan(hip.rho)


def test_missing_labels_are_left_out_and_missing_estimates_are_not_forgiven() -> None:
    y, e = sample(0)
    holed = y.copy()
    holed[::3, 0] = np.nan
    hip, knee = score(holed, e, JOINTS)
    keep = ~np.isnan(holed[:, 0])
    assert hip == score(y[keep], e[keep], JOINTS)[0]
    assert knee == score(y, e, JOINTS)[1]
    e[1, 0] = np.nan
    with pytest.raises(ModelError) as caught:
        score(holed, e, JOINTS)
    assert caught.value.reason is ModelReason.NOT_FINITE
    e[1, 0], e[0, 0] = 0.0, np.nan  # where there is no label, no estimate is needed
    score(holed, e, JOINTS)


@pytest.mark.parametrize(
    ("y", "e"), [((5, 2), (5, 3)), ((5, 3), (5, 3)), ((5,), (5,)), ((4, 2), (5, 2))]
)
def test_wrong_shapes_are_refused(y: tuple[int, ...], e: tuple[int, ...]) -> None:
    with pytest.raises(ModelError) as caught:
        score(np.ones(y), np.ones(e), JOINTS)
    assert caught.value.reason is ModelReason.WRONG_SHAPE


def test_no_frames_is_an_error() -> None:
    with pytest.raises(ModelError) as caught:
        score(np.empty((0, 2)), np.empty((0, 2)), JOINTS)
    assert caught.value.reason is ModelReason.NO_WINDOWS


KEYS = {
    "method", "network", "joint", "rmse_nm_per_kg", "nrmse_range", "r", "rho", "r2", "r2_pooled",
    "people", "worst_person", "worst_rmse_nm_per_kg", "ci95_rmse",
}  # fmt: skip


def test_summary_rows() -> None:
    truths = {f"P{i}": sample(i, 50 + 40 * i, 0.5 * i) for i in range(4)}
    people = [person_scores(p, y, e, JOINTS) for p, (y, e) in truths.items()]
    rows = summarise("fedavg", "zhang2023lstm", people, seed=1)
    assert [row["joint"] for row in rows] == ["hip", "knee", "mean"]
    y = np.concatenate([y for y, _ in truths.values()])
    e = np.concatenate([e for _, e in truths.values()])
    for k, row in enumerate(rows[:2]):
        assert set(row) >= KEYS
        per = [p.joints[k].rmse_nm_per_kg for p in people]
        assert row["rmse_nm_per_kg"] == pytest.approx(np.mean(per))
        assert row["worst_rmse_nm_per_kg"] == max(per)
        assert row["worst_person"] == f"P{int(np.argmax(per))}"
        assert row["r2_pooled"] == pytest.approx(sk.r2_score(y[:, k], e[:, k]), rel=1e-9)
        assert row["r2"] == pytest.approx(np.mean([p.joints[k].r2 for p in people]))
        assert row["r2"] != pytest.approx(row["r2_pooled"], rel=1e-3)
        assert row["people"] == 4
        low, high = row["ci95_rmse"] or [0.0, 0.0]
        assert min(per) <= low < row["rmse_nm_per_kg"] < high <= max(per)
    hip, knee, mean = rows
    for name in ("rmse_nm_per_kg", "nrmse_range", "r", "rho", "r2", "r2_pooled", "mae_nm_per_kg"):
        assert mean[name] == pytest.approx((hip[name] + knee[name]) / 2), name  # type: ignore[literal-required]
    # The person who is worst on average need not be worst at a joint.
    both = [p.mean("rmse_nm_per_kg") for p in people]
    assert mean["worst_rmse_nm_per_kg"] == max(both)
    assert json.loads(json.dumps(rows, allow_nan=False)) == rows
    assert rows == summarise("fedavg", "zhang2023lstm", people, seed=1)


def test_an_undefined_metric_is_null() -> None:
    y, e = sample(0)
    y[:, 0] = 1.0
    steady = person_scores("A", y, e, JOINTS)
    rows = summarise("m", "", [steady])
    assert rows[0]["r2"] is None
    assert rows[0]["r2_pooled"] is None
    assert rows[0]["ci95_rmse"] is None
    assert rows[2]["r2"] == rows[1]["r2"]
    # One person without spread does not hide the others.
    other = person_scores("B", *sample(1), JOINTS)
    assert summarise("m", "", [steady, other])[0]["r2"] == pytest.approx(other.joints[0].r2)


def test_people_must_fit_together() -> None:
    one = person_scores("A", *sample(0), JOINTS)
    for people in ([], [one, one], [one, person_scores("B", *sample(0), ("hip", "ankle"))]):
        with pytest.raises(ModelError):
            summarise("m", "", people)


def test_bootstrap_interval() -> None:
    values = np.random.default_rng(0).normal(5.0, 2.0, size=400)
    low, high = bootstrap_ci(values, seed=0, resamples=4000)
    # For many people the interval of a mean is that of the normal law.
    half = 1.96 * values.std() / math.sqrt(len(values))
    assert low == pytest.approx(values.mean() - half, abs=0.03)
    assert high == pytest.approx(values.mean() + half, abs=0.03)
    assert bootstrap_ci(values, seed=0) == bootstrap_ci(values, seed=0)
    assert bootstrap_ci(values, seed=0) != bootstrap_ci(values, seed=1)
    assert all(math.isnan(v) for v in bootstrap_ci([1.0], seed=0))
