"""Virtual people: age, sex, size, proportions, and how each moves in their own way."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from kinefed.biomechanics.anthropometry import BodyParameters, body_parameters
from kinefed.biomechanics.body import Body
from kinefed.datasets.errors import UsageError, UsageReason
from kinefed.datasets.types import Subject

PATTERNS = ("healthy", "older", "stiff-knee", "weak-plantarflexor")
# Age bands in years. Impaired people are drawn from the years in which stroke and tendon or nerve
# injury are common; the older band begins at the usual 65.
_AGES: Mapping[str, tuple[float, float]] = MappingProxyType(
    {
        "healthy": (18.0, 50.0),
        "older": (65.0, 85.0),
        "stiff-knee": (40.0, 75.0),
        "weak-plantarflexor": (30.0, 75.0),
    }
)
# Mean and standard deviation of stature in m: ANSUR II (Gordon et al. 2014, NATICK/TR-15/007).
_STATURE = {"f": (1.629, 0.064), "m": (1.756, 0.069)}
# Body-mass index: middle of the adult range, the tails cut where de Leva's lean sample ends to
# describe anyone.
_BMI = (24.0, 2.8)
_BMI_RANGE = (18.5, 31.0)
# Limbs of people of one stature differ by about this much (one standard deviation).
_PROPORTION = {
    "thigh": 0.03,
    "shank": 0.03,
    "pelvis_width": 0.05,
    "foot_length": 0.03,
    "ankle_height": 0.04,
}
# What is measured along the foot grows with it.
_WITH_FOOT = ("heel_back", "ball_forward")


@dataclass(frozen=True, slots=True)
class VirtualPerson:
    """One simulated person.

    Attributes
    ----------
    subject
        Who they are, as recordings name them.
    body
        Inertia and lengths.
    pattern
        One of `PATTERNS`.
    seed
        Of the draw, and with the subject's number the root of all their randomness.
    number
        Place in the sample, from 0.
    """

    subject: Subject
    body: BodyParameters
    pattern: str
    seed: int
    number: int

    def rigid_body(self) -> Body:
        """Rigid segments, for inverse dynamics."""
        return Body(self.body)

    def generator(self, task: str, take: int = 0) -> np.random.Generator:
        """Random numbers of one recording: the same for the same seed, person, task and take."""
        return np.random.default_rng([self.seed, self.number, zlib.crc32(task.encode()), take])

    def manner(self, trait: str) -> float:
        """How far this person is from the middle in one trait, in standard deviations.

        Drawn once a person and trait, so that it is theirs in every recording; cut at 2, beyond
        which a style would leave the range it was fitted in.
        """
        rng = np.random.default_rng([self.seed, self.number, zlib.crc32(trait.encode()), 1 << 20])
        return float(np.clip(rng.standard_normal(), -2.0, 2.0))


def sample_people(
    n: int, seed: int, patterns: Sequence[str] = ("healthy",), prefix: str = "V"
) -> list[VirtualPerson]:
    """Draw people.

    Parameters
    ----------
    n
        How many.
    seed
        The same seed draws the same people; the first of many are those of few.
    patterns
        Gait patterns in turn: with two of them, every second person has the second.
    prefix
        Of their IDs: ``V001``, ``V002``, ...

    Raises
    ------
    UsageError
        ``bad_argument`` for a number below 1 or a negative seed, ``unknown_name`` for a pattern.
    """
    if n < 1:
        raise UsageError(
            UsageReason.BAD_ARGUMENT, f"{n} people", where="n", next_step="Ask for one or more"
        )
    if seed < 0:
        raise UsageError(
            UsageReason.BAD_ARGUMENT, f"seed {seed}", where="seed", next_step="Give 0 or more"
        )
    for pattern in patterns or ("",):
        if pattern not in PATTERNS:
            raise UsageError(
                UsageReason.UNKNOWN_NAME,
                f"no gait pattern {pattern!r}",
                where="patterns",
                next_step=f"Use one or more of {', '.join(PATTERNS)}",
            )
    return [_person(i, seed, patterns[i % len(patterns)], prefix) for i in range(n)]


def _person(number: int, seed: int, pattern: str, prefix: str) -> VirtualPerson:
    rng = np.random.default_rng([seed, number])
    sex = "f" if rng.random() < 0.5 else "m"
    age = float(rng.uniform(*_AGES[pattern]))
    mean, sd = _STATURE[sex]
    height = float(mean + sd * np.clip(rng.standard_normal(), -2.2, 2.2))
    bmi = float(np.clip(_BMI[0] + _BMI[1] * rng.standard_normal(), *_BMI_RANGE))
    mass = bmi * height**2
    usual = body_parameters(sex, height, mass).lengths_m
    lengths = {}
    for name, spread in _PROPORTION.items():
        factor = 1.0 + spread * float(np.clip(rng.standard_normal(), -2.0, 2.0))
        lengths[name] = usual[name] * factor
        if name == "foot_length":
            lengths |= {part: usual[part] * factor for part in _WITH_FOOT}
    body = body_parameters(sex, height, mass, lengths)
    subject = Subject(
        f"{prefix}{number + 1:03d}",
        sex=sex,
        age_years=round(age, 1),
        height_m=round(height, 3),
        mass_kg=round(mass, 1),
        condition=None if pattern == "healthy" else pattern,
        segment_lengths_m={name: round(value, 4) for name, value in lengths.items()},
    )
    return VirtualPerson(subject, body, pattern, seed, number)
