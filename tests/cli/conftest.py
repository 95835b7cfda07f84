from __future__ import annotations

import warnings
from pathlib import Path

import pytest
import torch
from cli_run import Result, Run
from walkers import write_walkers

with warnings.catch_warnings():
    # Typer asks click 8.5 for names that click 9 will not have.
    warnings.filterwarnings("ignore", "'click", DeprecationWarning)
    from kinefed.cli.main import main

torch.set_num_threads(1)


@pytest.fixture
def kinefed(capfd: pytest.CaptureFixture[str]) -> Run:
    """Run the command in this process, with what it writes to the real file descriptors."""

    def run(*arguments: object) -> Result:
        capfd.readouterr()
        code = main([str(a) for a in arguments])
        captured = capfd.readouterr()
        return Result(code, captured.out, captured.err)

    return run


@pytest.fixture(scope="session")
def walkers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_walkers(tmp_path_factory.mktemp("data") / "walkers")


@pytest.fixture(scope="session")
def bundle(walkers: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that S01 had no part in."""
    out = tmp_path_factory.mktemp("models") / "model.safetensors"
    arguments = ["--network", "cnn-lstm", "--epochs", "4", "--window", "10", "--holdout", "S01"]
    assert main(["train", "--data", str(walkers), "--out", str(out), *arguments]) == 0
    return out
