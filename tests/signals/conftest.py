"""Small legs and recordings to test with."""

from collections.abc import Callable

import numpy as np
import pytest

from kinefed.signals import LegSeries, contacts_of

MakeLeg = Callable[..., LegSeries]


@pytest.fixture(scope="session")
def make_leg() -> MakeLeg:
    def make(
        mask: list[bool],
        *,
        subject: str = "S01",
        side: str = "r",
        n_inputs: int = 2,
        optional: tuple[bool, ...] = (),
        n_outputs: int = 1,
        base: float = 0.0,
    ) -> LegSeries:
        """Make a leg whose x is ``base + frame + 1000 * channel`` and whose y is frame + base."""
        frames = np.arange(len(mask), dtype=float)
        channels = n_inputs + len(optional)
        valid = np.array(mask, dtype=bool)
        y = np.repeat(frames[:, None] + base, n_outputs, axis=1) + 100.0 * np.arange(n_outputs)
        y[~valid] = np.nan
        return LegSeries(
            subject=subject,
            group=subject,
            session="s01",
            task="walk",
            side=side,
            key=f"{subject}/s01/walk_01",
            rate_hz=100.0,
            x=base + frames[:, None] + 1000.0 * np.arange(channels),
            available=np.array([True] * n_inputs + list(optional)),
            y=y,
            mask=valid,
            contact=contacts_of(valid),
            n_optional=len(optional),
        )

    return make
