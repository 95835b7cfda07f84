"""Printing: one object, plain text, no NaN."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from kinefed.cli.output import emit, figure, plain, show_table, words


def test_json_has_no_nan(capsys: pytest.CaptureFixture[str]) -> None:
    emit({"a": math.nan, "b": [1.5, math.inf, (2, None)], "c": {"d": Path("x")}})
    found = json.loads(capsys.readouterr().out)
    assert found == {"a": None, "b": [1.5, None, [2, None]], "c": {"d": "x"}}


def test_names_cannot_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    show_table("T\x1b[2J", ["name", "n"], [["[red]S01[/red]\x1b[31m", 3]])
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert "[red]S01[/red]" in out
    assert plain("a\nb\x07c") == "a b c"


def test_a_table_in_a_pipe_is_not_cut(capsys: pytest.CaptureFixture[str]) -> None:
    long = "x" * 120
    show_table("T", ["name"], [[long]])
    assert long in capsys.readouterr().out


def test_words_and_figures() -> None:
    assert words(" a, b,,c ") == ("a", "b", "c")
    assert words(None) == ()
    assert figure(0.12345) == "0.123"
    assert figure(None) == figure(math.nan) == "–"
