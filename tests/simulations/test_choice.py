"""The nested choice, by hand, and that a fold's own people cannot sway it."""

from __future__ import annotations

import json
from itertools import combinations
from typing import Any

import pytest

from kinefed.simulations.choice import choose_transfer
from kinefed.simulations.folds import Fold

PEOPLE = ("A", "B", "C")
FOLDS = [Fold(p, tuple(q for q in PEOPLE if q != p), (p,)) for p in PEOPLE]
SETTINGS = [{"mode": "all", "steps": 10}, {"mode": "head", "steps": 20}]


def row(key: str, heldout: str, setting: int, rmse: float | None, before: float = 1.0) -> dict:
    return {
        "key": key,
        "heldout": list(heldout),
        "setting": setting,
        "rmse": rmse,
        "global_rmse": before,
    }


def rows(rmse: dict[tuple[str, str], tuple[float, float]]) -> list[dict[str, Any]]:
    """Rows of every pair: (key, heldout) to the errors of the two settings."""
    return [
        row(key, out, i, v) for (key, out), values in rmse.items() for i, v in enumerate(values)
    ]


# Fold A is chosen by B scored in {A, B} and C scored in {A, C}; and so on.
PAIRS = {
    ("A", "AB"): (0.5, 0.6),  # fold B
    ("B", "AB"): (0.4, 0.2),  # fold A
    ("A", "AC"): (0.3, 0.6),  # fold C
    ("C", "AC"): (0.8, 0.9),  # fold A
    ("B", "BC"): (0.7, 0.1),  # fold C
    ("C", "BC"): (0.5, 0.7),  # fold B
}


def test_by_hand() -> None:
    a, b, c = choose_transfer(FOLDS, rows(PAIRS), SETTINGS)
    # A: (0.4 + 0.8) / 2 and (0.2 + 0.9) / 2; B: (0.5 + 0.5) / 2 and (0.6 + 0.7) / 2;
    # C: (0.3 + 0.7) / 2 and (0.6 + 0.1) / 2.
    assert a["inner_rmse"] == pytest.approx([0.60, 0.55])
    assert b["inner_rmse"] == pytest.approx([0.50, 0.65])
    assert c["inner_rmse"] == pytest.approx([0.50, 0.35])
    assert [(x["fold"], x["setting"], x["mode"], x["steps"]) for x in (a, b, c)] == [
        ("A", 1, "head", 20),
        ("B", 0, "all", 10),
        ("C", 1, "head", 20),
    ]
    assert a["inner_global_rmse"] == 1.0


def test_the_people_of_a_fold_have_no_say_in_it() -> None:
    """Whatever is scored on them, and whatever was trained on them, changes nothing."""
    before = choose_transfer(FOLDS, rows(PAIRS), SETTINGS)
    for fold, chosen in zip(FOLDS, before, strict=True):
        (own,) = fold.test
        changed = {
            (key, out): (9.0, 0.0) if key == own or own not in out else values
            for (key, out), values in PAIRS.items()
        }
        assert changed != PAIRS
        after = choose_transfer([fold], rows(changed), SETTINGS)
        assert after == [chosen]


def test_twins_are_left_out_together() -> None:
    """A model that has seen one of them is of no use to the fold that tests both."""
    twins = Fold("twins", ("C", "D"), ("A", "B"))
    seen_b = [row("C", "AC", 0, 0.0), row("C", "AC", 1, 9.0)]
    seen_neither = [row("C", "ABC", 0, 0.5), row("C", "ABC", 1, 0.4)]
    theirs = [row("A", "ABC", 0, 0.0), row("B", "ABC", 0, 0.0)]
    (choice,) = choose_transfer([twins], seen_b + seen_neither + theirs, SETTINGS)
    assert choice["setting"] == 1
    assert choice["inner_rmse"] == [0.5, 0.4]


def test_people_weigh_the_same_however_often_they_are_scored() -> None:
    fold = Fold("A", ("B", "C"), ("A",))
    found = [row("B", "AB", i, v) for i in (0, 1) for v in (0.1, 0.2, 0.3)]
    found += [row("C", "AC", 0, 1.0, before=3.0), row("C", "AC", 1, 0.8, before=3.0)]
    (choice,) = choose_transfer([fold], found, SETTINGS)
    assert choice["inner_rmse"] == pytest.approx([(0.2 + 1.0) / 2, (0.2 + 0.8) / 2])
    assert choice["inner_global_rmse"] == pytest.approx((1.0 + 3.0) / 2)


def test_of_equals_the_first_is_chosen() -> None:
    even = dict.fromkeys(PAIRS, (0.5, 0.5))
    assert [c["setting"] for c in choose_transfer(FOLDS, rows(even), SETTINGS)] == [0, 0, 0]
    three = [*SETTINGS, {"mode": "all", "steps": 0}]
    found = [row("B", "AB", i, e) for i, e in enumerate((0.6, 0.5, 0.5))]
    assert choose_transfer(FOLDS[:1], found, three)[0]["setting"] == 1


def test_a_setting_nobody_was_scored_with_is_not_chosen() -> None:
    found = [row("B", "AB", 0, None), row("B", "AB", 1, 0.9)]
    (choice,) = choose_transfer(FOLDS[:1], found, SETTINGS)
    assert choice["setting"] == 1
    assert choice["inner_rmse"] == [None, 0.9]


def test_without_scores_the_first_is_chosen_and_the_file_can_be_written() -> None:
    (choice,) = choose_transfer(FOLDS[:1], [], SETTINGS)
    assert choice["setting"] == 0
    assert choice["inner_rmse"] == [None, None]
    assert choice["inner_global_rmse"] is None
    json.dumps(choice, allow_nan=False)


def test_every_fold_uses_every_pair_it_is_in() -> None:
    """With leave-one-out, a fold of n people has n - 1 scores a setting."""
    people = "ABCDE"
    pairs = ["".join(p) for p in combinations(people, 2)]
    for own in people:
        fold = Fold(own, tuple(p for p in people if p != own), (own,))
        others = [p for p in people if p != own]
        # One row alone is high at a time: the mean shows that it was used, once.
        for other in others:
            found = [row(k, p, 0, 4.0 if {*p} == {own, other} else 0.0) for p in pairs for k in p]
            (choice,) = choose_transfer([fold], found, SETTINGS[:1])
            assert choice["inner_rmse"] == [4.0 / len(others)]
