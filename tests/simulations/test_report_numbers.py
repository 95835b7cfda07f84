"""The arithmetic behind the report, against closed forms and scipy."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from report_run import CONTACTS, FRAMES, write_run
from scipy import stats

from kinefed.datasets import DataError, DataReason
from kinefed.simulations.report_curves import contact_curves, headline, paired, person_rmse
from kinefed.simulations.report_figures import label
from kinefed.simulations.report_read import number, read_run
from kinefed.simulations.report_words import amount, answer, comparisons, percent, signed

PEOPLE = ("A", "B", "C", "D")


def offset(run: Path, method: str, person: str, by: float, seed: int = 0) -> None:
    """Make a method wrong by a constant everywhere."""
    with np.load(run / "truth" / f"{person}.npz") as file:
        y = file["y"]
    folder = run / "predictions" / method / str(seed)
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / f"{person}.npy", (y + by).astype(np.float32))


@pytest.fixture
def run(tmp_path: Path) -> Path:
    run = write_run(tmp_path / "run", people=PEOPLE, methods=("fedavg", "trees"), seeds=(0,))
    for i, person in enumerate(PEOPLE):
        offset(run, "fedavg", person, 0.1 + 0.01 * i)
        offset(run, "trees", person, 0.2 + 0.03 * i)
    return run


def test_a_constant_offset_is_the_rmse(run: Path) -> None:
    errors = person_rmse(read_run(run), "fedavg")
    assert errors == pytest.approx({p: 0.1 + 0.01 * i for i, p in enumerate(PEOPLE)}, rel=1e-4)


def test_seeds_are_averaged_as_errors_not_as_estimates(run: Path) -> None:
    # Errors of +0.1 and -0.1 would cancel in a mean estimate.
    offset(run, "fedavg", "A", -0.1, seed=1)
    offset(run, "fedavg", "A", 0.1, seed=0)
    assert person_rmse(read_run(run), "fedavg")["A"] == pytest.approx(0.1, rel=1e-4)


def test_paired_is_the_t_interval_of_scipy(run: Path) -> None:
    data = read_run(run)
    pair = paired(data, "trees", "fedavg")
    before, after = person_rmse(data, "trees"), person_rmse(data, "fedavg")
    test = stats.ttest_rel([after[p] for p in PEOPLE], [before[p] for p in PEOPLE])
    ci = test.confidence_interval(0.95)
    assert pair is not None
    assert (pair.low, pair.high) == pytest.approx((ci.low, ci.high), rel=1e-9)
    assert (pair.people, pair.lower, pair.verdict) == (4, 4, -1)
    back = paired(data, "fedavg", "trees")
    assert back is not None
    assert (back.lower, back.verdict) == (0, 1)


def test_methods_are_compared_on_common_frames_only(run: Path) -> None:
    # trees is perfect on the first half and is not tested on the second, where fedavg is good.
    half = CONTACTS * FRAMES // 2
    for person in PEOPLE:
        with np.load(run / "truth" / f"{person}.npz") as file:
            y = file["y"]
        few, good = y.copy(), y.copy()
        few[half:] = np.nan
        good[:half] += 0.5
        np.save(run / "predictions" / "trees" / "0" / f"{person}.npy", few)
        np.save(run / "predictions" / "fedavg" / "0" / f"{person}.npy", good)
    pair = paired(read_run(run), "trees", "fedavg")
    assert pair is not None
    assert pair.difference == pytest.approx(0.5, rel=1e-5)


def test_two_people_are_too_few_to_compare(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", people=("A", "B"), methods=("fedavg", "trees"))
    assert paired(read_run(run), "trees", "fedavg") is None
    assert comparisons(read_run(run)) == []


def test_the_answer_follows_the_sign(run: Path) -> None:
    assert "FedAvg is better than trees" in " ".join(answer(read_run(run)))
    for i, person in enumerate(PEOPLE):
        offset(run, "trees", person, 0.02 + 0.001 * i)
    assert "FedAvg is worse than trees" in " ".join(answer(read_run(run)))
    for i, person in enumerate(PEOPLE):
        offset(run, "trees", person, 0.115 + 0.05 * (-1) ** i)
    assert "FedAvg is not clearly different from trees" in " ".join(answer(read_run(run)))


def test_contact_curves_are_the_mean_over_a_persons_contacts(run: Path) -> None:
    data = read_run(run)
    curves = contact_curves(data, ["fedavg"])
    assert curves.people == PEOPLE
    y = data.truth["B"].y.reshape(CONTACTS, FRAMES, 3).mean(axis=0)
    at = np.linspace(0, 1, FRAMES)
    expected = np.stack([np.interp(curves.phase, at, y[:, k]) for k in range(3)], axis=1)
    np.testing.assert_allclose(curves.series["measured"][1], expected, atol=1e-6)
    np.testing.assert_allclose(curves.series["fedavg"][1], expected + 0.11, atol=1e-5)


def test_contacts_that_a_method_does_not_test_are_left_out_for_all(run: Path) -> None:
    data = read_run(run)
    y = data.truth["A"].y
    few = y.copy()
    few[FRAMES:] = np.nan
    np.save(run / "predictions" / "fedavg" / "0" / "A.npy", few)
    curves = contact_curves(read_run(run), ["fedavg"])
    np.testing.assert_allclose(curves.series["measured"][0][0], y[0], atol=1e-6)
    np.testing.assert_allclose(curves.series["measured"][0], curves.series["fedavg"][0])
    few[:] = np.nan
    np.save(run / "predictions" / "fedavg" / "0" / "A.npy", few)
    assert contact_curves(read_run(run), ["fedavg"]).people == ("B", "C", "D")


def test_a_prediction_of_another_length_is_refused(run: Path) -> None:
    path = run / "predictions" / "fedavg" / "0" / "A.npy"
    np.save(path, np.load(path)[:-1])
    with pytest.raises(DataError, match=r"A\.npy") as caught:
        read_run(run)
    assert caught.value.reason is DataReason.MISMATCH


def test_a_pickle_is_not_opened(run: Path) -> None:
    path = run / "predictions" / "fedavg" / "0" / "A.npy"
    np.save(path, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(DataError, match=r"A\.npy"):
        read_run(run)


def test_torn_lines_and_inner_federations_are_passed_over(run: Path) -> None:
    before = read_run(run).curves
    log = run / "federations" / "0" / "A" / "log.jsonl"
    inner = run / "federations" / "inner" / "A+B" / "log.jsonl"
    inner.parent.mkdir(parents=True)
    inner.write_text(log.read_text())
    text = log.read_text() + '{"event": "dropped", "client": "c"}\n[1]\n{"event": "rou'
    log.write_text(text)
    after = read_run(run)
    assert after.curves == before
    assert after.dropped == 1
    assert {c.model for c in after.curves} == {"pooled", "cluster-0", "cluster-1"}
    assert after.curves[0].rounds == tuple(range(1, 16))


@pytest.mark.parametrize(
    ("methods", "expected"),
    [
        ((), None),
        (("fedavg", "task-clusters"), None),
        (("fedavg+transfer-ungated",), None),
        (("task-clusters", "task-clusters+transfer"), ("task-clusters", "task-clusters+transfer")),
        (("ditto", "ditto+transfer"), ("ditto", "ditto+transfer")),
        (("task-clusters+transfer", "fedavg+transfer"), ("fedavg", "fedavg+transfer")),
    ],
)
def test_the_headline_is_the_plain_federation_where_there_is_one(
    tmp_path: Path, methods: tuple[str, ...], expected: tuple[str, str] | None
) -> None:
    run = write_run(tmp_path / "run", people=("A",), methods=methods, parts=False)
    assert headline(read_run(run)) == expected


def test_numbers_in_print() -> None:
    assert amount(math.nan) == "–"
    assert amount(0.12345) == "0.123"
    assert percent(0.125) == "12\u00a0%"
    assert percent(-0.25, plus=True) == "−25\u00a0%"
    assert percent(0.25, plus=True) == "+25\u00a0%"
    assert signed(-0.05) == "−0.050"
    assert math.isnan(number("3"))
    assert math.isnan(number(float("inf")))
    assert number(3) == 3.0


def test_a_label_is_one_short_line_without_mathtext() -> None:
    assert label("$x$") == r"\$x\$"
    assert label("a\nb") == "a?b"
    assert len(label("x" * 300)) == 24


def test_strange_types_in_a_summary_are_read_as_missing(run: Path) -> None:
    summary = json.loads((run / "summary.json").read_text())
    summary |= {"rows": [{"method": 3, "joint": None, "people": "x"}, 7], "personalisation": []}
    summary |= {"dataset": "x", "choices": {"a": 1}, "clusters": None, "seeds": "0", "joints": {}}
    (run / "summary.json").write_text(json.dumps(summary))
    data = read_run(run)
    assert data.rows[0].method == "3"
    assert data.rows[0].people == 0
    assert math.isnan(data.rows[0].rmse)
    assert (data.personal, data.choices, data.clusters, data.seeds) == ((), (), (), ())
