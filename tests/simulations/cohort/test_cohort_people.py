from __future__ import annotations

import numpy as np
import pytest

from kinefed.datasets.errors import UsageError
from kinefed.simulations.cohort.people import PATTERNS, sample_people


def test_the_same_seed_draws_the_same_people_and_few_are_the_first_of_many() -> None:
    many, few = sample_people(12, 4), sample_people(5, 4)
    for a, b in zip(many[:5], few, strict=True):
        assert a.subject == b.subject
        assert dict(a.body.lengths_m) == dict(b.body.lengths_m)
        assert a.manner("pace") == b.manner("pace")
        assert a.generator("squat").random() == b.generator("squat").random()
    assert sample_people(5, 5)[0].subject != few[0].subject


def test_recordings_of_one_person_differ_by_task_and_take() -> None:
    person = sample_people(1, 0)[0]
    draws = {person.generator(task, take).random() for task in ("a", "b") for take in (0, 1)}
    assert len(draws) == 4


def test_sizes_are_those_of_adults() -> None:
    people = sample_people(200, 1)
    women = [p.subject for p in people if p.subject.sex == "f"]
    men = [p.subject for p in people if p.subject.sex == "m"]
    assert 70 < len(women) < 130
    # ANSUR II: 1.629 and 1.756 m; the standard error of 100 people is below 0.01 m.
    assert np.mean([s.height_m or 0 for s in women]) == pytest.approx(1.629, abs=0.025)
    assert np.mean([s.height_m or 0 for s in men]) == pytest.approx(1.756, abs=0.025)
    for person in people:
        s = person.subject
        assert s.height_m is not None
        assert s.mass_kg is not None
        assert 18.0 < s.mass_kg / s.height_m**2 < 31.5
        leg = person.body.lengths_m["thigh"] + person.body.lengths_m["shank"]
        assert 0.44 < leg / s.height_m < 0.54
        assert person.body.lengths_m["ball_forward"] < person.body.lengths_m["foot_length"]
    # Proportions differ between people of one stature.
    share = [p.body.lengths_m["thigh"] / p.body.height_m for p in people]
    assert np.std(share) / np.mean(share) == pytest.approx(0.03, abs=0.008)


def test_patterns_take_turns_and_bring_their_age() -> None:
    people = sample_people(8, 2, PATTERNS)
    assert [p.pattern for p in people] == list(PATTERNS) * 2
    older = people[1].subject
    assert older.condition == "older"
    assert older.age_years is not None
    assert older.age_years >= 65.0
    assert people[0].subject.condition is None


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"n": 0, "seed": 1}, "one or more"),
        ({"n": 1, "seed": -1}, "0 or more"),
        ({"n": 1, "seed": 1, "patterns": ("drunk",)}, "weak-plantarflexor"),
        ({"n": 1, "seed": 1, "patterns": ()}, "no gait pattern"),
    ],
)
def test_impossible_samples_are_refused(arguments: dict[str, object], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        sample_people(**arguments)  # type: ignore[arg-type]
