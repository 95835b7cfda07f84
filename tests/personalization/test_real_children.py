"""Real children's walking: what must hold whatever the numbers turn out to be."""

from __future__ import annotations

import csv
import math
import os
from pathlib import Path

import numpy as np
import pytest

from kinefed.models import TorqueNetwork, build, from_vector, seeded, to_vector, train_steps
from kinefed.personalization import (
    POOLED,
    GateConfig,
    GateReason,
    PersonalConfig,
    TransferConfig,
    bout_of_window,
    bouts,
    descriptor_table,
    label_errors,
    personalise,
)
from kinefed.signals import LegSeries, LegSpec, Scaling, Windows, contacts_of, leg_sums

SPEC = LegSpec(
    inputs=("angle.hip_flexion", "angle.knee_flexion", "angle.ankle_dorsiflexion"),
    outputs=("torque.hip", "torque.knee", "torque.ankle"),
)
JOINTS = ("Hip", "Knee", "Ankle")
LENGTH = 25
MARGIN = 0.02


@pytest.fixture(scope="module")
def children() -> list[LegSeries]:
    """Legs of the McGill children; the folder that holds ``mcgill_gait`` is ``KINEFED_DATA``."""
    root = Path(os.environ.get("KINEFED_DATA", ""))
    folder = root / "mcgill_gait" / "csv"
    if "KINEFED_DATA" not in os.environ or not folder.is_dir():
        pytest.skip("KINEFED_DATA does not name a folder with mcgill_gait/csv")
    legs: list[LegSeries] = []
    for path in sorted(folder.glob("*_100Hz.csv")):
        subject, task, _ = path.name.split("_")
        with path.open(encoding="utf-8") as file:
            header = next(csv.reader(file))
            rows = np.genfromtxt(file, delimiter=",")
        column = dict(zip(header, rows.T, strict=True))
        for side in "LR":
            x = np.radians(np.stack([column[f"{side}{j}Angles_x_deg"] for j in JOINTS], axis=1))
            y = np.stack([column[f"{side}{j}Moment_x_Nm_per_kg"] for j in JOINTS], axis=1)
            force = column.get(f"{side}GroundReactionForce_z_N_per_kg")
            if force is None or not np.isfinite(x).all():
                continue
            mask = (np.nan_to_num(force) > 0.5) & np.isfinite(y).all(axis=1)
            legs.append(
                LegSeries(
                    subject=subject,
                    group=subject,
                    session="s1",
                    task=task.lower(),
                    side=side.lower(),
                    key=f"{subject}/s1/{task.lower()}_00",
                    rate_hz=100.0,
                    x=x,
                    available=np.ones(3, bool),
                    y=y,
                    mask=mask,
                    contact=contacts_of(mask),
                )
            )
    return legs


def network() -> TorqueNetwork:
    return seeded(
        0,
        lambda: build(
            "zhang2023lstm",
            n_channels=3,
            n_outputs=3,
            n_times=LENGTH,
            sample_rate_hz=100.0,
            hidden=16,
            dense=16,
        ),
    )


def test_adapting_on_the_straight_walk_serves_the_turn(children: list[LegSeries]) -> None:
    held_out = sorted({leg.subject for leg in children})[:3]
    others = [leg for leg in children if leg.subject not in held_out]
    scaling = Scaling.from_sums(*leg_sums(others))
    module = network()
    train_steps(
        module,
        Windows(others, LENGTH),
        scaling,
        steps=60,
        batch=64,
        rate=1e-2,
        rng=np.random.default_rng(0),
    )
    shared = to_vector(module)
    config = PersonalConfig(TransferConfig(steps=10), GateConfig(margin=MARGIN, caution=1.0))
    for subject in held_out:
        straight, turn = (
            Windows([s for s in children if (s.subject, s.task) == (subject, task)], LENGTH)
            for task in ("straight", "turn")
        )
        assert not set(straight.recording) & set(turn.recording)
        personal = personalise(module, {POOLED: shared}, straight, scaling, config, seed=1)
        model = personal.models[POOLED]
        decision = model.decision
        if decision.reason is GateReason.TOO_FEW_UNITS:
            assert len(set(straight.contact.tolist())) < 2
        else:
            assert decision.units == len(set(straight.contact.tolist()))
            assert math.isfinite(decision.relative_gain)
        better = decision.personal_rmse < (1.0 - MARGIN) * decision.global_rmse
        assert better or not decision.adopt
        served = model.vector if decision.adopt else shared
        np.testing.assert_array_equal(personal.vector(), served)
        for vector in (shared, model.vector):
            from_vector(module, vector)
            # 3 N m/kg is far beyond any torque of walking.
            assert 0.0 < label_errors(module, turn, scaling).rmse < 3.0


def test_walking_is_all_bouts_at_a_walking_cadence(children: list[LegSeries]) -> None:
    found = bouts(children, SPEC)
    z = descriptor_table(found)
    assert np.isfinite(z[:, :10]).all()
    assert np.isnan(z[:, 10:]).all()
    # By the foot strikes in these recordings, children made 0.89 to 1.29 strides a second.
    cadence = z[:, 9]
    assert cadence.min() > 0.89 - 0.1
    assert cadence.max() < 1.29 + 0.1
    assert (bout_of_window(Windows(children, LENGTH), found) >= 0).all()
