"""``kinefed simulate`` and ``kinefed report``."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from cli_run import Run
from walkers import write_walkers

from kinefed.cli.simulate import show_results

SMALL = ["--network", "cnn-lstm", "--rounds", 1, "--steps", 1, "--seeds", "0", "--window", 12]
METHODS = ["--methods", "mean-profile,fedavg"]


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_walkers(tmp_path_factory.mktemp("data") / "three", people=3, seconds=1.2)


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("runs") / "small"


def test_simulate_prints_its_summary_and_writes_the_report(
    kinefed: Run, three: Path, run_folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--data", three, "--out", run_folder, *SMALL, *METHODS, "--processes", 2]
    result = kinefed("simulate", *arguments, "--json")
    assert result.code == 0, result.err
    summary = result.json
    assert summary["schema"] == 1
    assert {r["method"] for r in summary["rows"]} >= {"mean-profile", "fedavg"}
    assert summary["seeds"] == [0]
    assert json.loads((run_folder / "summary.json").read_text())["rows"] == summary["rows"]
    page = (run_folder / "report.html").read_text(encoding="utf-8")
    assert "On these 3 people FedAvg" in page
    assert "report.html" in result.err

    show_results(summary)
    table = capfd.readouterr().out
    assert "worst person" in table
    assert "mean-profile" in table

    other = kinefed("simulate", *arguments, "--rounds", 2)
    assert other.code == 2
    assert "rounds" in other.err


def test_report_writes_the_page_again(kinefed: Run, run_folder: Path, tmp_path: Path) -> None:
    if not (run_folder / "summary.json").exists():
        pytest.skip("the simulation before left no run")
    page = run_folder / "report.html"
    page.unlink()
    picture = tmp_path / "results.png"
    result = kinefed("report", run_folder, "--figure", picture, "--json")
    assert result.json == {"report": str(page), "figure": str(picture)}
    assert page.exists()
    assert picture.exists()


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["--methods", "magic"], 2, "magic"),
        (["--network", "resnet"], 2, "resnet"),
        (["--engine", "steam"], 2, "steam"),
        (["--seeds", "0,0"], 2, "seeds"),
        (["--data", "no-such-folder"], 3, "no such folder"),
    ],
    ids=lambda a: str(a[0]) if isinstance(a, list) else "",
)
def test_simulate_refuses(
    kinefed: Run, three: Path, tmp_path: Path, arguments: list[str], code: int, says: str
) -> None:
    out = tmp_path / "run"
    result = kinefed("simulate", "--data", three, "--out", out, *arguments, "--json")
    assert result.code == code
    assert says in result.err
    assert result.out == ""
    assert not out.exists()


def test_ctrl_c_ends_a_simulation_with_one_line(three: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    program = [sys.executable, "-W", "ignore", "-m", "kinefed.cli.main", "simulate"]
    options = [
        "--data",
        three,
        "--out",
        out,
        "--rounds",
        400,
        "--network",
        "cnn-lstm",
        "--methods",
        "fedavg",
    ]
    process = subprocess.Popen(
        [*program, *map(str, options)],
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        start_new_session=True,
    )
    try:
        deadline = time.monotonic() + 60.0
        while not (out / "truth" / "S03.npz").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        # The terminal sends it to the whole group, workers included.
        os.killpg(process.pid, signal.SIGINT)
        stdout, stderr = process.communicate(timeout=120)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    assert process.returncode == 130
    assert "Traceback" not in stderr
    assert stderr.strip().endswith("interrupted; run the same command again to go on")
    assert stdout == ""
    assert (out / "config.toml").exists()
