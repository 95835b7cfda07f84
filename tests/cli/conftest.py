from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from walkers import write_walkers

with warnings.catch_warnings():
    # Typer asks click 8.5 for names that click 9 will not have.
    warnings.filterwarnings("ignore", "'click", DeprecationWarning)
    from kinefed.cli.main import main

torch.set_num_threads(1)


@dataclass(frozen=True)
class Result:
    """What a command left: exit code, standard output, standard error."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """The one object on standard output."""
        value = json.loads(self.out)
        assert isinstance(value, dict)
        return value


Run = Callable[..., Result]


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
