"""Legs with a known law between signal and torque."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from kinefed.signals.legs import LegSeries, contacts_of
from kinefed.signals.scaling import Scaling, leg_sums
from kinefed.signals.windows import Windows

MakeLegs = Callable[..., list[LegSeries]]


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> None:
    torch.set_num_threads(1)


def _leg(
    person: int, frames: int, channels: int, outputs: int, noise: float, optional: int
) -> LegSeries:
    rng = np.random.default_rng(person)
    time = np.arange(frames)[:, None] / 100.0
    cadence = 1.0 + 0.1 * rng.random()
    shift = rng.random(channels) * 0.3
    x = np.sin(2 * np.pi * (cadence * time * (1 + np.arange(channels) % 3) + shift))
    weights = np.random.default_rng(99).normal(size=(channels, outputs))
    y = 0.5 * np.tanh(x @ weights) + noise * rng.normal(size=(frames, outputs))
    mask = (np.arange(frames) // 30) % 2 == 0
    return LegSeries(
        subject=f"P{person:02d}",
        group=f"P{person:02d}",
        session="s01",
        task="walk",
        side="r",
        key=f"P{person:02d}/s01/walk_01",
        rate_hz=100.0,
        x=x.astype(np.float32),
        available=np.ones(channels, dtype=bool),
        y=y.astype(np.float32),
        mask=mask,
        contact=contacts_of(mask),
        n_optional=optional,
    )


@pytest.fixture(scope="session")
def make_legs() -> MakeLegs:
    """Make legs of some people: torque is a fixed function of the present signal, plus noise."""

    def make(
        people: int = 3,
        frames: int = 240,
        channels: int = 4,
        outputs: int = 2,
        noise: float = 0.0,
        first: int = 0,
        optional: int = 0,
    ) -> list[LegSeries]:
        numbers = range(first, first + people)
        return [_leg(i, frames, channels, outputs, noise, optional) for i in numbers]

    return make


@pytest.fixture(scope="session")
def data(make_legs: MakeLegs) -> tuple[Windows, Scaling]:
    """Windows of 10 frames of three people, 4 channels, 2 outputs, and their scaling."""
    legs = make_legs()
    return Windows(legs, 10), Scaling.from_sums(*leg_sums(legs))
