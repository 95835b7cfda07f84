"""Train on virtual people only, test on real ones: how honest the virtual people are.

``python benchmarks/virtual_to_real.py --virtual FOLDER --real FOLDER [--seeds 0,1,2]``: one LSTM
(sagittal angles and their velocities) learns from everybody in the first dataset and is tested on
each person of the second, as it is, and adapted to the person on one task (or half of the
recordings) and tested on the rest, each way. Beside it stand the mean profile and the same LSTM
trained on the other people of the second dataset.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from kinefed.cli.legs import EmgScale, legs_of, windows_of
from kinefed.cli.progress import Bars
from kinefed.client.directions import directions
from kinefed.datasets import Dataset
from kinefed.models import MeanProfile, TrainConfig, fit, labels, person_scores, predict, to_vector
from kinefed.models.base import TorqueNetwork
from kinefed.models.vector import from_vector
from kinefed.personalization.choose import POOLED
from kinefed.personalization.gate import GateConfig
from kinefed.personalization.personalize import PersonalConfig, personalise
from kinefed.personalization.setup import ModelSetup, build_network
from kinefed.personalization.transfer import TransferConfig
from kinefed.signals import LegSeries, LegSpec, Scaling, Windows, leg_sums
from kinefed.simulations.config import ANGLES, OUTPUTS

WINDOW = 20
SPEC = LegSpec(ANGLES, OUTPUTS, ())
Legs = Mapping[str, Sequence[LegSeries]]


def trained(legs: Legs, seed: int) -> tuple[TorqueNetwork, Scaling]:
    """Fit the network to some people; a fifth of them says when to stop."""
    people = list(legs)
    rng = np.random.default_rng(seed)
    judges = {people[i] for i in rng.permutation(len(people))[: max(1, len(people) // 5)].tolist()}
    own = [leg for person in people if person not in judges for leg in legs[person]]
    x, y = leg_sums(own)
    scaling = Scaling.from_sums(x, y, 0)
    module = build_network(ModelSetup("zhang2023lstm", {}, SPEC.to_dict(), WINDOW), seed)
    fit(
        module,
        windows_of([own], WINDOW),
        scaling,
        TrainConfig(epochs=40, patience=5, steps=100),
        rng=np.random.default_rng([seed, 1]),
        validation=windows_of([legs[judge] for judge in sorted(judges)], WINDOW),
    )
    return module, scaling


def adapted(module: TorqueNetwork, scaling: Scaling, windows: Windows, seed: int, gated: bool):
    """Estimates of a person's windows, each by a model adapted to the person's other tasks."""
    estimate = predict(module, windows, scaling)
    before = to_vector(module)
    for direction in directions(windows, "each-task"):
        personal = personalise(
            module,
            {POOLED: before},
            windows.subset(direction.adapt),
            scaling,
            PersonalConfig(TransferConfig(), GateConfig()),
            seed,
        )
        from_vector(
            module, personal.vector(gated=gated) if gated else personal.models[POOLED].vector
        )
        estimate[direction.test] = predict(module, windows.subset(direction.test), scaling)
        from_vector(module, before)
    return estimate


def table(real: Legs, virtual: Legs, groups: Mapping[str, str], seeds: Sequence[int], bars: Bars):
    """Rows of method, person and error."""
    rows = []
    bars.stage("people x seeds", len(real) * len(seeds))
    for seed in seeds:
        module, scaling = trained(virtual, seed)
        for person, legs in real.items():
            windows = windows_of([legs], WINDOW)
            others = {p: own for p, own in real.items() if groups[p] != groups[person]}
            estimates = {
                "virtual": predict(module, windows, scaling),
                "virtual+transfer": adapted(module, scaling, windows, seed, True),
                "virtual+transfer-ungated": adapted(module, scaling, windows, seed, False),
            }
            if others:
                profile = MeanProfile().fit(windows_of(list(others.values()), WINDOW))
                estimates["mean-profile"] = profile.predict(windows)
            if len(others) > 1:
                other, own = trained(others, seed)
                estimates["real"] = predict(other, windows, own)
            for method, estimate in estimates.items():
                score = person_scores(person, labels(windows), estimate, SPEC.outputs)
                rows += [
                    {
                        "method": method,
                        "seed": seed,
                        "person": person,
                        "joint": joint.joint,
                        "rmse_nm_per_kg": joint.rmse_nm_per_kg,
                        "r2": joint.r2,
                    }
                    for joint in score.joints
                ]
            bars.advance()
    return rows


def main() -> int:
    """Print the table; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--virtual", type=Path, required=True)
    parser.add_argument("--real", type=Path, required=True)
    parser.add_argument("--tasks", help="of the real dataset, comma-separated; default all")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--json", type=Path, help="file for all rows")
    options = parser.parse_args()
    with Bars() as bars:
        read = []
        for folder in (options.virtual, options.real):
            dataset = Dataset.open(folder)
            read.append(legs_of(dataset, tuple(dataset.subjects), SPEC, bars, EmgScale()))
        virtual, real = read
        if options.tasks:
            wanted = options.tasks.split(",")
            real = {p: [leg for leg in own if leg.task in wanted] for p, own in real.items()}
            real = {p: own for p, own in real.items() if own}
        groups = {subject.id: subject.group for subject in dataset.subjects.values()}
        seeds = [int(seed) for seed in options.seeds.split(",")]
        rows = table(real, virtual, groups, seeds, bars)
    print(f"{len(virtual)} virtual people, {len(real)} real ones; mean over people and seeds")
    for method in dict.fromkeys(row["method"] for row in rows):
        parts = []
        for joint in dict.fromkeys(row["joint"] for row in rows):
            own = [r for r in rows if (r["method"], r["joint"]) == (method, joint)]
            rmse, r2 = (float(np.mean([r[key] for r in own])) for key in ("rmse_nm_per_kg", "r2"))
            parts.append(f"{joint.removeprefix('torque.')} {rmse:.3f} (R2 {r2:.2f})")
        print(f"{method:25s} {'  '.join(parts)}")
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
