"""``kinefed train``, ``evaluate`` and ``personalize`` on made-up walkers."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from cli_run import Run
from walkers import write_walkers

from kinefed.datasets import Dataset
from kinefed.models import ModelBundle, predict
from kinefed.signals import Windows, leg_series


def test_train_keeps_people_out_and_judges_by_others(
    kinefed: Run, walkers: Path, tmp_path: Path
) -> None:
    out = tmp_path / "m.safetensors"
    arguments = ["--network", "cnn-lstm", "--epochs", 2, "--window", 10, "--holdout", "S01,S02"]
    result = kinefed("train", "--data", walkers, "--out", out, *arguments, "--json")
    assert result.code == 0, result.err
    found = result.json
    assert found["kept_out"] == ["S01", "S02"]
    assert sorted(found["trained_on"] + found["validated_on"]) == ["S03", "S04", "S05"]
    assert len(found["validated_on"]) == 1
    model = ModelBundle.load(out)
    assert model.digest == found["digest"]
    assert model.provenance.people == 2
    assert model.provenance.windows == found["windows"]
    assert model.n_times == 10
    assert model.metrics["validation.rmse_nm_per_kg.mean"] > 0.0


def test_the_same_seed_trains_the_same_bundle(kinefed: Run, walkers: Path, tmp_path: Path) -> None:
    digests = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        arguments = ["--network", "cnn-lstm", "--epochs", 1, "--window", 5, "--seed", seed]
        out = tmp_path / f"{name}.safetensors"
        found = kinefed("train", "--data", walkers, "--out", out, *arguments, "--json").json
        digests.append(found["digest"])
    assert digests[0] == digests[1] != digests[2]


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["--holdout", "S01,S99"], 2, "S99"),
        (["--holdout", "S01,S02,S03,S04"], 3, "Hold out fewer"),
        (["--network", "resnet"], 2, "resnet"),
    ],
)
def test_train_refuses(
    kinefed: Run, walkers: Path, tmp_path: Path, arguments: list[str], code: int, says: str
) -> None:
    out = tmp_path / "m.safetensors"
    result = kinefed("train", "--data", walkers, "--out", out, *arguments)
    assert result.code == code
    assert says in result.err
    assert not out.exists()


def test_data_without_the_models_channels_is_refused_by_name(
    kinefed: Run, bundle: Path, tmp_path: Path
) -> None:
    folder = write_walkers(tmp_path / "torque-only", people=2, seconds=1.0, kinds="torque")
    for command in (
        ["train", "--data", folder, "--out", tmp_path / "m.safetensors"],
        ["evaluate", bundle, "--data", folder],
        ["personalize", bundle, "--data", folder, "--subject", "S01", "--out", tmp_path / "w"],
    ):
        result = kinefed(*command)
        assert result.code == 3
        assert "angle.hip_flexion" in result.err
        assert "Traceback" not in result.err
    assert [p.name for p in tmp_path.iterdir()] == ["torque-only"]


def test_evaluate_scores_every_person_beside_the_mean_profile(
    kinefed: Run, bundle: Path, walkers: Path
) -> None:
    found = kinefed("evaluate", bundle, "--data", walkers, "--json").json
    people = {p["subject"]: p for p in found["people"]}
    assert list(people) == ["S01", "S02", "S03", "S04", "S05"]
    means = {r["method"]: r for r in found["rows"] if r["joint"] == "mean"}
    errors = {s: p["rmse_nm_per_kg"] for s, p in people.items()}
    assert means["bundle"]["rmse_nm_per_kg"] == pytest.approx(np.mean(list(errors.values())))
    assert means["bundle"]["worst_person"] == max(errors, key=errors.__getitem__)
    assert means["mean-profile"]["people"] == 5
    assert all(p["mean_profile_rmse_nm_per_kg"] > 0.0 for p in people.values())


def test_evaluate_is_the_rmse_of_the_bundles_own_estimates(
    kinefed: Run, bundle: Path, walkers: Path
) -> None:
    row = kinefed("evaluate", bundle, "--data", walkers, "--subjects", "S03", "--json").json
    model, dataset = ModelBundle.load(bundle), Dataset.open(walkers)
    legs = [
        leg
        for ref in dataset.select(subject="S03")
        for leg in leg_series(dataset.load(ref), dataset.subjects["S03"], model.spec)
    ]
    windows = Windows(legs, model.n_times)
    _, y, _ = windows.gather(np.arange(len(windows)))
    error = predict(model.module(), windows, model.scaling) - y
    expected = np.sqrt(np.mean(error.astype(np.float64) ** 2, axis=0))
    assert list(row["people"][0]["joints"].values()) == pytest.approx(expected.tolist(), rel=1e-5)
    assert [p["subject"] for p in row["people"]] == ["S03"]


def test_evaluate_prints_a_table_with_the_worst_person(
    kinefed: Run, bundle: Path, walkers: Path
) -> None:
    result = kinefed("evaluate", bundle, "--data", walkers, "--subjects", "S01,S02")
    assert result.code == 0
    assert "mean profile" in result.out
    assert "worst S0" in result.err


def test_evaluate_alone_has_no_profile_of_others(
    kinefed: Run, bundle: Path, tmp_path: Path
) -> None:
    folder = write_walkers(tmp_path / "one", people=1)
    found = kinefed("evaluate", bundle, "--data", folder, "--json").json
    assert found["people"][0]["mean_profile_rmse_nm_per_kg"] is None
    assert {r["method"] for r in found["rows"]} == {"bundle"}


@pytest.mark.parametrize("damage", ["missing", "text", "torn"])
def test_a_bad_bundle_is_refused(
    kinefed: Run, bundle: Path, walkers: Path, tmp_path: Path, damage: str
) -> None:
    bad = tmp_path / "bad.safetensors"
    if damage == "text":
        bad.write_text("no bundle")
    if damage == "torn":
        bad.write_bytes(bundle.read_bytes()[:-100])
    wearer = tmp_path / "wearer"
    for command in (
        ["evaluate", bad, "--data", walkers],
        ["personalize", bad, "--data", walkers, "--subject", "S01", "--out", wearer],
    ):
        result = kinefed(*command, "--json")
        assert result.code == 3
        assert "bad.safetensors" in result.err
        assert result.out == ""
    assert not wearer.exists()


def test_personalize_adopts_what_is_better_and_keeps_the_global_model(
    kinefed: Run, bundle: Path, walkers: Path, tmp_path: Path
) -> None:
    out = tmp_path / "wearer"
    arguments = ["--subject", "S01", "--out", out, "--steps", 15, "--json"]
    found = kinefed("personalize", bundle, "--data", walkers, *arguments).json
    assert found["adopted"] is True
    assert found["reason"] == "better"
    assert found["personal_rmse_nm_per_kg"] < found["global_rmse_nm_per_kg"]
    assert json.loads((out / "decision.json").read_text()) == found
    start, kept, own, served = (
        ModelBundle.load(p)
        for p in (bundle, *(out / f"{n}.safetensors" for n in ("global", "personal", "served")))
    )
    assert kept.digest == start.digest
    assert served.digest == own.digest != start.digest
    assert own.provenance.parent == start.digest
    assert own.provenance.methods == ("pooled", "transfer")
    scored = [
        kinefed("evaluate", m, "--data", walkers, "--subjects", "S01", "--json").json["rows"]
        for m in (out / "global.safetensors", out / "served.safetensors")
    ]
    before, after = (
        next(r for r in rows if (r["method"], r["joint"]) == ("bundle", "mean")) for rows in scored
    )
    assert after["rmse_nm_per_kg"] < before["rmse_nm_per_kg"]


def test_personalize_serves_the_global_model_where_the_gain_is_too_small(
    kinefed: Run, bundle: Path, walkers: Path, tmp_path: Path
) -> None:
    out = tmp_path / "wearer"
    arguments = ["--subject", "S01", "--out", out, "--steps", 5, "--margin", 0.99]
    result = kinefed("personalize", bundle, "--data", walkers, *arguments)
    assert result.code == 0
    assert "not adopted: it is better by less than the margin" in result.err
    decision = json.loads((out / "decision.json").read_text())
    assert decision["serve"] == "global"
    served = ModelBundle.load(out / "served.safetensors")
    assert served.digest == ModelBundle.load(bundle).digest
    again = kinefed("personalize", bundle, "--data", walkers, *arguments)
    assert again.code == 2
    assert "Choose another --out" in again.err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [(["--subject", "S99"], "S99"), (["--subject", "S01", "--mode", "heart"], "heart")],
)
def test_personalize_refuses(
    kinefed: Run, bundle: Path, walkers: Path, tmp_path: Path, arguments: list[str], says: str
) -> None:
    out = tmp_path / "wearer"
    result = kinefed("personalize", bundle, "--data", walkers, "--out", out, *arguments)
    assert result.code == 2
    assert says in result.err
    assert not out.exists()


def test_emg_is_used_only_with_a_reference_that_is_not_scored(
    kinefed: Run, walkers: Path, tmp_path: Path
) -> None:
    out = tmp_path / "emg.safetensors"
    arguments = ["--network", "cnn-lstm", "--epochs", "2", "--window", "10", "--emg"]
    assert kinefed("train", "--data", walkers, "--out", out, *arguments).code == 0
    scored = ["evaluate", out, "--data", walkers, "--subjects", "S02", "--json"]
    without = kinefed(*scored)
    assert "EMG is left out" in without.err
    tasks = Dataset.open(walkers).tasks
    assert len(tasks) > 1
    found = kinefed(*scored, "--reference", tasks[0])
    assert "EMG is left out" not in found.err
    frames = [r.json["people"][0]["frames"] for r in (without, found)]
    assert 0 < frames[1] < frames[0]
    wrong = kinefed(*scored, "--reference", "swim")
    assert wrong.code == 2
    assert tasks[0] in wrong.err
