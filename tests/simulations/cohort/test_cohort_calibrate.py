"""Styles of walking are fitted within their limits, and the fit gets better."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pytest

pytest.importorskip("mujoco", reason="virtual people need the extra sim")
pytest.importorskip("cma", reason="fits need the extra dev")

from kinefed.simulations.cohort.calibrate import Fit, calibrate, write
from kinefed.simulations.cohort.limits import limits_of
from kinefed.simulations.cohort.style import styles

NAME = "walk_normal"
STYLE = styles()[NAME]


def test_a_style_is_brought_within_its_limits() -> None:
    fit = Fit(NAME, STYLE, 0)
    far = fit.style(fit.x0 + 1e3)
    for key, (low, high) in limits_of(NAME).items():
        if key in far.values:
            assert low - 1e-9 <= far.values[key] <= high + 1e-9
    assert far.speed == STYLE.speed
    # What is beyond a limit costs more the further it is, though the style is the same.
    along = np.array([key == "tilt" for key in far.values], dtype=np.float64)
    near, further = fit.cost(fit.x0 + 10.0 * along), fit.cost(fit.x0 + 20.0 * along)
    assert near < further


def test_a_fit_mends_a_style_that_was_spoilt() -> None:
    values = {**STYLE.values, "knee_load": STYLE.values["knee_load"] - 0.12}
    # Read-only, as the styles of the data file are.
    spoilt = replace(STYLE, values=MappingProxyType(values))
    told: list[str] = []
    better = calibrate(NAME, spoilt, 0, 10, 0.3, told.append)
    fit = Fit(NAME, spoilt, 0)
    unit = fit.x0 / np.array([spoilt.values[key] for key in better.values])
    found = np.array(list(better.values.values())) * unit
    assert fit.cost(found) < 0.97 * fit.cost(fit.x0)
    assert told[-1].startswith("generation 10")


def test_a_style_is_kept_with_the_others(tmp_path: Path) -> None:
    path = tmp_path / "styles.toml"
    write(path, "walk_slow", styles()["walk_slow"])
    write(path, NAME, replace(STYLE, speed=0.4))
    kept = tomllib.loads(path.read_text(encoding="utf-8"))
    assert list(kept) == ["walk_slow", NAME]
    assert kept[NAME]["speed"] == 0.4
    assert kept["walk_slow"]["stance"] == pytest.approx(styles()["walk_slow"].values["stance"])
