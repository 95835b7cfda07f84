"""What the documentation names exists."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_relative_links_and_figures_exist(page):
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", text):
        if "://" not in target:
            assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_make_targets_exist(page):
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    for name in re.findall(r"`make ([a-z]+)`", page.read_text(encoding="utf-8")):
        assert name in targets, name


def test_the_readme_commands_are_commands_of_the_program():
    from typer.main import get_command

    from kinefed.cli.main import app

    command = get_command(app)
    blocks = re.findall(r"```\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    named = re.findall(r"^kinefed ([a-z]+)", "\n".join(blocks), re.MULTILINE)
    assert named
    assert set(named) <= set(command.commands)
