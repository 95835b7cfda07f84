"""The numbers of a run folder, by hand: two people, two joints, two tasks, two seeds."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from two_link_arm import write_two_link_arm

from kinefed.datasets import Dataset
from kinefed.simulations.config import StudyConfig
from kinefed.simulations.personal import personalisation
from kinefed.simulations.results import METRICS, methods_in, summarise_run

PEOPLE = ("S01", "S02")
TASKS = np.array(["reach", "reach", "lift", "lift"])
# (frames, joints) N m/kg: hip and knee.
TRUTH = {
    "S01": np.array([[0.0, 0.0], [2.0, 1.0], [0.0, 0.0], [4.0, 1.0]], np.float32),
    "S02": np.array([[1.0, 0.0], [3.0, 1.0], [1.0, 0.0], [5.0, 1.0]], np.float32),
}
# What is added to the truth of (method, seed, person), by joint: reach, then lift.
ERRORS = {
    ("trees", 0, "S01"): ((1.0, 3.0), (2.0, 2.0)),
    ("trees", 0, "S02"): ((1.0, 1.0), (4.0, 4.0)),
    ("trees", 1, "S01"): ((1.0, 1.0), (2.0, 2.0)),
    ("trees", 1, "S02"): ((3.0, 3.0), (6.0, 6.0)),
}
ROOT5 = math.sqrt(5.0)  # RMSE of errors 1, 1, 3, 3


def estimate(person: str, errors: tuple[tuple[float, float], ...]) -> np.ndarray:
    added = np.array([[joint[0], joint[0], joint[1], joint[1]] for joint in errors]).T
    return (TRUTH[person] + added).astype(np.float32)


@pytest.fixture(scope="module")
def arm(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return write_two_link_arm(tmp_path_factory.mktemp("results") / "arm", people=2, seconds=1.0)


@pytest.fixture
def run(arm: Dataset, tmp_path: Path) -> StudyConfig:
    config = StudyConfig(data=arm.path, out=tmp_path / "run", seeds=(0, 1), rounds=7)
    folder = config.out / "truth"
    folder.mkdir(parents=True)
    for person, y in TRUTH.items():
        np.savez(folder / f"{person}.npz", y=y, task=TASKS, outputs=["torque.hip", "torque.knee"])
    for (method, seed, person), errors in ERRORS.items():
        save(config, method, seed, person, estimate(person, errors))
    return config


def save(config: StudyConfig, method: str, seed: int, person: str, array: np.ndarray) -> None:
    folder = config.out / "predictions" / method / str(seed)
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / f"{person}.npy", array)


def metrics(config: StudyConfig) -> list[dict[str, Any]]:
    return pq.read_table(config.out / "metrics.parquet").to_pylist()


def rmse(config: StudyConfig, method: str, seed: int) -> dict[tuple[str, str, str], float]:
    rows = [
        r
        for r in metrics(config)
        if (r["method"], r["seed"], r["metric"]) == (method, seed, "rmse_nm_per_kg")
    ]
    found = {(r["subject"], r["task"], r["joint"]): r["value"] for r in rows}
    assert len(found) == len(rows)
    return found


def test_metrics_hold_a_number_a_row_by_task_and_over_all(run: StudyConfig, arm: Dataset) -> None:
    summarise_run(run, arm, PEOPLE, 1.0)
    table = pq.read_table(run.out / "metrics.parquet")
    assert table.column_names == [
        "round",
        "method",
        "network",
        "subject",
        "task",
        "joint",
        "metric",
        "value",
        "seed",
    ]
    assert table.num_rows == 2 * 2 * 3 * 2 * len(METRICS)  # seeds, people, tasks and all, joints
    assert set(table["metric"].to_pylist()) == set(METRICS)
    assert rmse(run, "trees", 0) == pytest.approx(
        {
            ("S01", "all", "hip"): ROOT5,
            ("S01", "reach", "hip"): 1.0,
            ("S01", "lift", "hip"): 3.0,
            ("S01", "all", "knee"): 2.0,
            ("S01", "reach", "knee"): 2.0,
            ("S01", "lift", "knee"): 2.0,
            ("S02", "all", "hip"): 1.0,
            ("S02", "reach", "hip"): 1.0,
            ("S02", "lift", "hip"): 1.0,
            ("S02", "all", "knee"): 4.0,
            ("S02", "reach", "knee"): 4.0,
            ("S02", "lift", "knee"): 4.0,
        }
    )
    ranges = {
        (r["subject"], r["task"]): r["value"]
        for r in metrics(run)
        if (r["metric"], r["joint"], r["seed"]) == ("nrmse_range", "hip", 0)
    }
    # Over the range of the frames that are scored: 2 in reach, 4 in lift and in all.
    assert ranges["S01", "reach"] == pytest.approx(1 / 2)
    assert ranges["S01", "lift"] == pytest.approx(3 / 4)
    assert ranges["S01", "all"] == pytest.approx(ROOT5 / 4)


def test_the_summary_averages_over_people_then_seeds(run: StudyConfig, arm: Dataset) -> None:
    summary = summarise_run(run, arm, PEOPLE, 2.0)
    rows = {r["joint"]: r for r in summary["rows"]}
    assert list(rows) == ["hip", "knee", "mean"]
    hip, knee, mean = rows["hip"], rows["knee"], rows["mean"]
    # By seed: hip (sqrt 5 + 1) / 2 and (1 + 3) / 2, knee (2 + 4) / 2 and (2 + 6) / 2.
    by_seed = [(ROOT5 + 1) / 2, 2.0]
    assert hip["rmse_nm_per_kg"] == pytest.approx(sum(by_seed) / 2)
    assert hip["seed_sd"] == pytest.approx(abs(by_seed[0] - by_seed[1]) / math.sqrt(2))
    assert knee["rmse_nm_per_kg"] == pytest.approx((3.0 + 4.0) / 2)
    assert knee["seed_sd"] == pytest.approx(1 / math.sqrt(2))
    assert mean["rmse_nm_per_kg"] == pytest.approx(
        (hip["rmse_nm_per_kg"] + knee["rmse_nm_per_kg"]) / 2
    )
    assert hip["mae_nm_per_kg"] == pytest.approx(((2.0 + 1.0) / 2 + (1.0 + 3.0) / 2) / 2)
    # Of two people, a quarter of all draws is twice the same one: the interval is the two of them.
    assert hip["ci95_rmse"] == pytest.approx([1.0, (ROOT5 + 3.0) / 2])
    assert knee["ci95_rmse"] == pytest.approx([2.0, (4.0 + 6.0) / 2])
    # The first seed's worst at the hip is S01.
    assert (hip["worst_person"], hip["worst_rmse_nm_per_kg"]) == ("S02", 3.0)
    assert (knee["worst_person"], knee["worst_rmse_nm_per_kg"]) == ("S02", 6.0)
    assert (mean["worst_person"], mean["worst_rmse_nm_per_kg"]) == ("S02", 4.5)
    for row in rows.values():
        assert (row["method"], row["network"]) == ("trees", "")
        assert (row["people"], row["seeds"]) == (2, 2)
    assert summary["joints"] == ["hip", "knee"]
    assert summary["dataset"]["test_frames"] == 8
    assert summary == json.loads((run.out / "summary.json").read_text())


def test_the_summary_does_not_depend_on_the_tasks(run: StudyConfig, arm: Dataset) -> None:
    """It is over all frames, so naming them otherwise, even "all", changes nothing in it."""
    before = summarise_run(run, arm, PEOPLE, 0.0)["rows"]
    for person, y in TRUTH.items():
        path = run.out / "truth" / f"{person}.npz"
        np.savez(path, y=y, task=["all", "a", "b", "b"], outputs=["torque.hip", "torque.knee"])
    assert summarise_run(run, arm, PEOPLE, 0.0)["rows"] == before
    assert {r["task"] for r in metrics(run)} == {"all", "a", "b"}


def test_one_person_has_no_interval(run: StudyConfig, arm: Dataset) -> None:
    rows = summarise_run(run, arm, PEOPLE[:1], 0.0)["rows"]
    assert [r["ci95_rmse"] for r in rows] == [None] * 3
    assert rows[0]["worst_person"] == "S01"
    assert {r["subject"] for r in metrics(run)} == {"S01"}


def test_frames_that_are_not_tested_or_have_no_label_are_not_scored(run, arm) -> None:
    half = estimate("S01", ((1.0, 5.0), (2.0, 7.0)))
    half[TASKS == "lift"] = np.nan  # this person adapted on lift
    unlabelled = TRUTH["S02"].copy()
    unlabelled[TASKS == "reach", 1] = np.nan
    np.savez(
        run.out / "truth" / "S02.npz",
        y=unlabelled,
        task=TASKS,
        outputs=["torque.hip", "torque.knee"],
    )
    save(run, "local", 0, "S01", half)
    save(run, "local", 0, "S02", estimate("S02", ((1.0, 1.0), (2.0, 4.0))))
    save(run, "local", 1, "S01", np.full((4, 2), np.nan, np.float32))
    summary = summarise_run(run, arm, PEOPLE, 0.0)
    assert rmse(run, "local", 0) == pytest.approx(
        {
            ("S01", "all", "hip"): 1.0,
            ("S01", "reach", "hip"): 1.0,
            ("S01", "all", "knee"): 2.0,
            ("S01", "reach", "knee"): 2.0,
            ("S02", "all", "hip"): 1.0,
            ("S02", "reach", "hip"): 1.0,
            ("S02", "lift", "hip"): 1.0,
            ("S02", "all", "knee"): 4.0,
            ("S02", "lift", "knee"): 4.0,
        }
    )
    assert rmse(run, "local", 1) == {}
    row = next(r for r in summary["rows"] if (r["method"], r["joint"]) == ("local", "knee"))
    assert (row["seeds"], row["seed_sd"], row["rmse_nm_per_kg"]) == (1, None, pytest.approx(3.0))


def test_rounds_and_networks_of_the_methods(run: StudyConfig, arm: Dataset) -> None:
    for method in ("fedavg", "task-clusters+transfer-ungated"):
        save(run, method, 0, "S01", TRUTH["S01"])
    summarise_run(run, arm, PEOPLE, 0.0)
    about = {r["method"]: (r["round"], r["network"]) for r in metrics(run)}
    assert about == {
        "trees": (None, ""),
        "fedavg": (7, "zhang2023lstm"),
        "task-clusters+transfer-ungated": (7 + run.cluster_rounds, "zhang2023lstm"),
    }


def test_methods_come_in_the_order_of_the_table(tmp_path: Path) -> None:
    for name in ("new", "fedavg+transfer-ungated", "fedavg+transfer", "trees", "fedavg"):
        (tmp_path / "predictions" / name).mkdir(parents=True)
    (tmp_path / "predictions" / "note.txt").touch()
    assert methods_in(tmp_path) == [
        "trees",
        "fedavg",
        "fedavg+transfer",
        "fedavg+transfer-ungated",
        "new",
    ]


def test_time_adds_up_over_the_parts_of_a_run(run: StudyConfig, arm: Dataset) -> None:
    assert summarise_run(run, arm, PEOPLE, 10.0)["wall_s"] == 10.0
    assert summarise_run(run, arm, PEOPLE, 2.5)["wall_s"] == 12.5
    (run.out / "summary.json").write_text('{"wall_s": 1')
    assert summarise_run(run, arm, PEOPLE, 2.0)["wall_s"] == 2.0


def federation(config: StudyConfig, seed: int | str, fold: str, personal: list[dict]) -> None:
    folder = config.out / "federations" / str(seed) / fold
    folder.mkdir(parents=True)
    (folder / "result.json").write_text(json.dumps({"personal": personal}))
    traffic = {"bytes_up": 600, "messages_up": 2, "bytes_down": 1000, "messages_down": 4}
    (folder / "traffic.json").write_text(json.dumps(traffic))


def adapted(key: str, before: float, after: float | None, gated: float, **more: Any) -> dict:
    return {
        "method": "fedavg+transfer",
        "key": key,
        "global_rmse": before,
        "rmse": after,
        "gated_rmse": gated,
        "adopted": gated == after,
        **more,
    }


def test_gains_and_harm_by_hand(run: StudyConfig) -> None:
    """Gains of 0.2, -0.1, 0, -0.005 (too little to count as hurt) and 0.5."""
    federation(run, 0, "S01", [adapted("S01", 1.0, 0.8, 0.8), adapted("S01", 1.0, 1.1, 1.0)])
    federation(run, 0, "S02", [adapted("S02", 2.0, 2.0, 2.0), adapted("S02", 2.0, 2.01, 2.01)])
    federation(run, 1, "S01", [adapted("S01", 1.0, 0.5, 1.0), adapted("S01", 1.0, None, 1.0)])
    federation(run, "inner", "S01+S02", [adapted("S01", 1.0, 9.0, 9.0)])
    (found,) = personalisation(run, PEOPLE).values()
    assert found["hurt_rate"] == pytest.approx(1 / 5)
    assert found["improved_rate"] == pytest.approx(2 / 5)
    assert found["median_gain"] == pytest.approx(0.0)
    assert found["mean_gain"] == pytest.approx((0.2 - 0.1 + 0.0 - 0.005 + 0.5) / 5)
    # With the gate the gains are 0.2, 0, 0, -0.005 and 0.
    assert found["gated"]["hurt_rate"] == 0.0
    assert found["gated"]["improved_rate"] == pytest.approx(1 / 5)
    assert found["gated"]["mean_gain"] == pytest.approx((0.2 - 0.005) / 5)
    assert found["adopted_rate"] == pytest.approx(3 / 5)
    assert found["coin_hurt_rate"] == pytest.approx(3 / 5 * 1 / 5)
    first, second = found["people"]
    assert first["subject"] == "S01"
    assert first["global_rmse"] == pytest.approx(1.0)
    assert first["personal_rmse"] == pytest.approx((0.8 + 1.1 + 0.5) / 3)
    assert first["gated_rmse"] == pytest.approx((0.8 + 1.0 + 1.0) / 3)
    assert first["gain"] == pytest.approx(0.2)
    assert first["gated_gain"] == pytest.approx(0.2 / 3)
    assert first["adopted"] == pytest.approx(1 / 3)
    assert second["gain"] == pytest.approx(-0.0025)


def test_methods_and_people_are_kept_apart(run: StudyConfig) -> None:
    other = adapted("S02", 1.0, 0.9, 0.9) | {"method": "task-clusters+transfer"}
    federation(run, 0, "S01", [adapted("S01", 1.0, 2.0, 2.0), other, adapted("S09", 1.0, 0.5, 0.5)])
    found = personalisation(run, PEOPLE)
    assert list(found) == ["fedavg+transfer", "task-clusters+transfer"]
    assert found["fedavg+transfer"]["hurt_rate"] == 0.5
    assert found["task-clusters+transfer"]["hurt_rate"] == 0.0
    assert [p["subject"] for p in found["fedavg+transfer"]["people"]] == ["S01"]
    assert personalisation(StudyConfig(data=run.data, out=run.out / "none"), PEOPLE) == {}


def test_traffic_and_clusters_of_the_federations(run: StudyConfig, arm: Dataset) -> None:
    bouts = {"reach/0": 3, "lift/0": 1, "lift/1": 4}
    federation(run, 0, "S01", [adapted("S01", 1.0, 0.8, 0.8, bouts=bouts)])
    federation(run, 1, "S01", [adapted("S01", 1.0, 0.8, 0.8)])
    federation(run, "inner", "S01+S02", [adapted("S01", 1.0, 0.8, 0.8, bouts={"reach/1": 99})])
    summary = summarise_run(run, arm, PEOPLE, 0.0)
    assert summary["bytes_up_per_client_round"] == 300
    assert summary["bytes_down_per_client_round"] == 250
    assert summary["clusters"] == [
        {"fold": "S01", "seed": 0, "cluster": 0, "bouts": 4, "by_task": {"reach": 3, "lift": 1}},
        {"fold": "S01", "seed": 0, "cluster": 1, "bouts": 4, "by_task": {"lift": 4}},
    ]
