"""A study that is killed, cut or taken up wrongly ends as if nothing had happened, or says why."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from two_link_arm import write_two_link_arm

from kinefed.datasets import KinefedError
from kinefed.simulations.config import DEFAULT_METHODS, StudyConfig
from kinefed.simulations.hooks import StudyHooks
from kinefed.simulations.study import run_study

TRANSFER = (
    {"mode": "all", "rate": 1e-3, "steps": 2, "early": False},
    {"mode": "head", "rate": 1e-2, "steps": 2, "early": False},
)
# Without the trees, which take longest to grow; the study of a split file has them.
SETTINGS = {
    "methods": tuple(m for m in DEFAULT_METHODS if m != "trees"),
    "network": "cnn-lstm",
    "window": 12,
    "rounds": 1,
    "steps": 2,
    "batch": 16,
    "seeds": (0,),
    "clusters": 2,
    "cluster_rounds": 1,
    "transfer": TRANSFER,
    "processes": 2,
}


class Notes(StudyHooks):
    """Remembers the stages and notes; ends the study in a stage after some pieces of work."""

    def __init__(self, stop_in: str = "", after: int = 0) -> None:
        self.stages: dict[str, int] = {}
        self.notes: list[str] = []
        self.stop_in, self.after = stop_in, after

    def stage(self, name: str, total: int) -> None:
        self.stages[name] = total

    def advance(self, n: int = 1) -> None:
        if [*self.stages][-1] == self.stop_in:
            self.after -= n
            if self.after <= 0:
                raise KeyboardInterrupt

    def note(self, text: str) -> None:
        self.notes.append(text)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("study") / "data"
    return write_two_link_arm(folder, people=3, seconds=1.5).path


@pytest.fixture(scope="module")
def whole(data: Path, tmp_path_factory: pytest.TempPathFactory) -> StudyConfig:
    """A run that nothing disturbed."""
    config = StudyConfig(data=data, out=tmp_path_factory.mktemp("study") / "whole", **SETTINGS)
    hooks = Notes()
    run_study(config, hooks)
    assert hooks.stages == {
        "recordings": 3,
        "mean-profile": 3,
        "pooled": 3,
        "local": 3,
        "choosing the adaptation": 3,
        "federations": 3,
    }
    return config


def predictions(run: Path) -> dict[str, bytes]:
    root = run / "predictions"
    return {str(p.relative_to(root)): p.read_bytes() for p in sorted(root.rglob("*.npy"))}


def assert_same(run: Path, whole: Path) -> None:
    """Compare bit for bit, but for the times."""
    ours, theirs = predictions(run), predictions(whole)
    assert list(ours) == list(theirs)
    assert [name for name in ours if ours[name] != theirs[name]] == []
    summaries = [json.loads((r / "summary.json").read_text()) for r in (run, whole)]
    for summary in summaries:
        # Resumed, part of the messages were counted by the process that was killed.
        for name in ("wall_s", "bytes_up_per_client_round", "bytes_down_per_client_round"):
            del summary[name]
    assert summaries[0] == summaries[1]
    # As text, in which NaN equals NaN.
    metrics = [str(pq.read_table(r / "metrics.parquet").to_pylist()) for r in (run, whole)]
    assert metrics[0] == metrics[1]


def test_every_method_tests_every_person(whole: StudyConfig) -> None:
    found = {name.rsplit("/", 2)[0] for name in predictions(whole.out)}
    assert found == {*whole.methods, "fedavg+transfer-ungated", "task-clusters+transfer-ungated"}
    assert len(predictions(whole.out)) == 3 * len(found)
    summary = json.loads((whole.out / "summary.json").read_text())
    assert {r["people"] for r in summary["rows"]} == {3}
    assert [c["fold"] for c in summary["choices"]] == ["S01", "S02", "S03"]
    tasks = {r["task"] for r in pq.read_table(whole.out / "metrics.parquet").to_pylist()}
    assert tasks == {"all", "lift", "reach"}


KILLED = """
import dataclasses, json, os, signal, sys
from pathlib import Path
from kinefed.server import coordinator
from kinefed.simulations.study import StudyConfig, run_study

if __name__ == "__main__":
    keep, saves = coordinator.save_state, []

    def save(path, state):
        keep(path, state)
        saves.append(path.parent.name)
        if saves.count("S02") == 3:  # in the middle of this federation
            os.kill(os.getpid(), signal.SIGKILL)

    coordinator.save_state = save
    settings = json.loads(sys.argv[3])
    lists = {name: tuple(settings[name]) for name in ("methods", "seeds", "transfer")}
    run_study(StudyConfig(data=Path(sys.argv[1]), out=Path(sys.argv[2]), **(settings | lists)))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_a_study_killed_in_a_federation_goes_on_to_the_same_numbers(
    whole: StudyConfig, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    script = tmp_path / "killed.py"
    script.write_text(KILLED)
    process = subprocess.Popen(
        [sys.executable, str(script), str(whole.data), str(out), json.dumps(SETTINGS)],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        start_new_session=True,
    )
    try:
        assert process.wait(timeout=120) == -signal.SIGKILL
        end = time.monotonic() + 30.0
        while _group(process.pid):
            assert time.monotonic() < end, "workers outlive their killed study"
            time.sleep(0.02)
    finally:
        if _group(process.pid):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    assert (out / "federations" / "0" / "S01" / "result.json").exists()
    assert (out / "federations" / "0" / "S02" / "state.safetensors").exists()
    assert not (out / "federations" / "0" / "S02" / "result.json").exists()
    assert not (out / "summary.json").exists()
    hooks = Notes()
    run_study(replace(whole, out=out), hooks)
    assert hooks.notes == []
    assert [hooks.stages[name] for name in ("pooled", "local")] == [0, 0]
    assert_same(out, whole.out)


def _group(leader: int) -> bool:
    try:
        os.killpg(leader, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_study_stopped_twice_on_one_process_gives_the_same_numbers(
    whole: StudyConfig, tmp_path: Path
) -> None:
    """With one process the federations run whole inside it; with two their server is outside."""
    config = replace(whole, out=tmp_path / "run", processes=1)
    for stage, after in (("pooled", 2), ("choosing the adaptation", 1)):
        hooks = Notes(stage, after)
        with pytest.raises(KeyboardInterrupt):
            run_study(config, hooks)
        assert [*hooks.stages][-1] == stage
    # The piece at which it was stopped had been done, but not kept.
    assert len(list((config.out / "predictions" / "pooled" / "0").glob("*.npy"))) == 3
    hooks = Notes()
    run_study(config, hooks)
    assert hooks.stages["pooled"] == 0
    assert_same(config.out, whole.out)


TORN = [
    "predictions/pooled/0/S01.npy",
    "predictions/local/0/S02.npy",
    "predictions/fedavg/0/S03.npy",
    "truth/S02.npz",
    "choices.json",
    "folds.json",
    "summary.json",
    "metrics.parquet",
    "federations/0/S03/result.json",
    "federations/inner/S01+S02/result.json",
    "clients/0/S01/S01/estimates/fedavg+transfer.npy",
]


def test_files_that_were_cut_are_made_again(whole: StudyConfig, tmp_path: Path) -> None:
    out = tmp_path / "run"
    shutil.copytree(whole.out, out)
    for name in TORN:
        path = out / name
        os.truncate(path, path.stat().st_size // 2)
    # What a killed writer leaves beside the file that it was about to replace.
    (out / "predictions" / "pooled" / "0" / "S02.new").write_bytes(b"\x93NUMPY")
    (out / "federations" / "0" / "S02" / "result.new").write_text("{")
    hooks = Notes()
    run_study(replace(whole, out=out), hooks)
    assert {k: v for k, v in hooks.stages.items() if v and k != "recordings"} == {
        "pooled": 1,
        "local": 1,
        "choosing the adaptation": 3,
        "federations": 3,
    }
    assert sorted(Path(note.split(":")[0]).name for note in hooks.notes) == [
        "S01",
        "S01+S02",
        "S03",
    ]
    assert_same(out, whole.out)


def test_the_folder_of_another_study_is_refused(whole: StudyConfig, tmp_path: Path) -> None:
    before = predictions(whole.out)
    for changes in ({"rounds": 2}, {"seeds": (1,)}, {"methods": ("trees",)}):
        (name,) = changes
        with pytest.raises(KinefedError, match=f"another {name}") as caught:
            run_study(replace(whole, **changes))
        assert caught.value.exit_code == 2
        assert str(whole.out) in str(caught.value)
    assert predictions(whole.out) == before
    (tmp_path / "thesis.txt").write_text("not a run")
    with pytest.raises(KinefedError, match="not a run") as caught:
        run_study(replace(whole, out=tmp_path))
    assert caught.value.exit_code == 2
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_split_file_decides_who_trains_and_may_not_change(
    whole: StudyConfig, tmp_path: Path
) -> None:
    """S03 is on neither side, so no model of this fold has seen it."""
    path = tmp_path / "splits.toml"
    dataset_key = "{0}/s01/lift_01', '{0}/s01/reach_01"
    test, train = (f"['{dataset_key.format(s)}']" for s in ("S01", "S02"))
    path.write_text(f"[[split]]\nname = 'one'\ntest = {test}\ntrain = {train}\n")
    methods = ("trees", "fedavg", "fedavg+transfer")
    config = replace(whole, out=tmp_path / "run", split=str(path), methods=methods, processes=1)
    summary = run_study(config)
    result = json.loads((config.out / "federations" / "0" / "one" / "result.json").read_text())
    assert [h["clients"] for h in result["history"]] == [1]
    assert {(r["method"], r["people"]) for r in summary["rows"]} == {
        ("trees", 1),
        ("fedavg", 1),
        ("fedavg+transfer", 1),
        ("fedavg+transfer-ungated", 1),
    }
    # One training person leaves nobody to choose the adaptation on: it is the first.
    (choice,) = summary["choices"]
    assert (choice["setting"], choice["inner_rmse"]) == (0, [None, None])

    path.write_text(path.read_text().replace("S02", "S03"))
    with pytest.raises(KinefedError, match="not those that this run was begun with") as caught:
        run_study(config)
    assert caught.value.exit_code == 2


def test_two_people_are_too_few(tmp_path: Path) -> None:
    arm = write_two_link_arm(tmp_path / "data", people=2, seconds=1.0)
    config = StudyConfig(data=arm.path, out=tmp_path / "run", **(SETTINGS | {"processes": 1}))
    with pytest.raises(KinefedError, match="a study needs 3") as caught:
        run_study(config)
    assert caught.value.exit_code == 2
