"""The command as a whole: start-up, help, errors, exit codes, interruption."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from cli_run import Run

from kinefed.datasets import DataError, DataReason, OutsideError, OutsideReason

COMMANDS = [
    ["simulate"],
    ["data", "inspect"],
    ["data", "check"],
    ["models", "list"],
    ["models", "show"],
    ["train"],
    ["evaluate"],
    ["personalize"],
    ["report"],
]


def test_importing_the_command_imports_nothing_heavy() -> None:
    code = (
        "import sys, os, kinefed.cli.main;"
        "heavy = {'torch', 'numpy', 'flwr', 'scipy', 'pyarrow', 'sklearn', 'matplotlib', 'rich'};"
        "print(sorted(heavy & set(sys.modules)));"
        "print(os.environ['FLWR_TELEMETRY_ENABLED'], os.environ['FLWR_DISABLE_UPDATE_CHECK'],"
        " os.environ['FLWR_DISABLE_RUNTIME_DEPENDENCY_INSTALLATION'])"
    )
    clean = {k: v for k, v in os.environ.items() if not k.startswith("FLWR_")}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, env=clean
    )
    assert done.stdout.split("\n")[:2] == ["[]", "0 1 1"], done.stderr


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_has_help_and_json(kinefed: Run, command: list[str]) -> None:
    result = kinefed(*command, "--help")
    assert result.code == 0
    assert "--json" in result.out
    assert f"Usage: kinefed {' '.join(command)}" in result.out
    assert "\\" not in result.out


@pytest.mark.parametrize(
    "arguments",
    [
        ["walk"],
        ["simulate"],
        ["simulate", "--data", "x"],
        ["data"],
        ["data", "inspect"],
        ["models", "list", "--colour"],
        ["train", "--data", "x", "--out", "y", "--epochs", "0"],
        ["simulate", "--data", "x", "--out", "y", "--rounds", "many"],
        ["simulate", "--data", "x", "--out", "y", "--seeds", "one"],
    ],
    ids=" ".join,
)
def test_wrong_use_is_exit_2_and_says_what_to_do(kinefed: Run, arguments: list[str]) -> None:
    result = kinefed(*arguments)
    assert result.code == 2
    assert result.out == ""
    assert "--help" in result.err
    assert "Traceback" not in result.err


def test_without_arguments_the_help_is_shown(kinefed: Run) -> None:
    result = kinefed()
    assert result.code == 2
    assert "simulate" in result.err


def test_the_version_is_that_of_the_package(kinefed: Run) -> None:
    from importlib.metadata import version

    assert kinefed("--version").out.strip() == version("kinefed")


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (
            DataError(DataReason.NOT_FOUND, "no file", where="a/b", next_step="Make it"),
            3,
            "error: a/b: no file. Make it\n",
        ),
        (OutsideError(OutsideReason.SERVER, "gone", next_step="Wait"), 4, "error: gone. Wait\n"),
        (PermissionError(13, "Permission denied"), 4, "permissions"),
        (ValueError("odd [red]\x1b[31m\nname"), 1, "unexpected ValueError: odd [red] [31m name"),
        (KeyboardInterrupt(), 130, "interrupted; run the same command again to go on\n"),
    ],
    ids=["data", "outside", "os", "bug", "ctrl-c"],
)
def test_an_error_is_one_line_with_its_exit_code(
    kinefed: Run, monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int, line: str
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr("kinefed.models.parameter_table", fail)
    result = kinefed("models", "list", "--json")
    assert result.code == code
    assert line in result.err
    assert len(result.err.strip().splitlines()) == 1
    assert "\x1b" not in result.err
    assert result.out == ""


def test_debug_shows_the_traceback(kinefed: Run, tmp_path: Path) -> None:
    plain = kinefed("report", tmp_path)
    debug = kinefed("--debug", "report", tmp_path)
    assert plain.code == debug.code == 3
    assert "Traceback" not in plain.err
    assert "Traceback" in debug.err
    assert plain.err in debug.err


def test_the_exit_code_reaches_the_shell(tmp_path: Path) -> None:
    program = Path(sys.executable).with_name("kinefed")
    if not program.exists():
        pytest.skip("the kinefed program is not installed beside this Python")
    done = subprocess.run([program, "report", tmp_path / "none"], capture_output=True, text=True)
    assert done.returncode == 3
    assert done.stderr.startswith("error: ")


def test_error_lines_do_not_wrap(kinefed: Run, tmp_path: Path) -> None:
    result = kinefed("report", tmp_path / ("long" * 50))
    assert result.err.count("\n") == 1


def test_what_a_library_prints_does_not_spoil_the_json(
    kinefed: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def chatty(run: Path) -> Path:
        print("progress: 100 %")
        return run / "report.html"

    monkeypatch.setattr("kinefed.simulations.report.write_report", chatty)
    result = kinefed("report", tmp_path, "--json")
    assert result.json["report"] == str(tmp_path / "report.html")
    assert "progress" in result.err
