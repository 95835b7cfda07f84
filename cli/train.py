"""``kinefed train``: one model in one place."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kinefed.cli.output import JsonFlag, emit, figure, note, only_json, words

if TYPE_CHECKING:
    from kinefed.datasets import Dataset

# One person in five decides when to stop; fewer would make that a matter of who it is.
VALIDATION_SHARE = 0.2


def train(
    data: Annotated[Path, typer.Option(help="Dataset folder.", show_default=False)],
    out: Annotated[Path, typer.Option(help="Bundle to write (.safetensors).", show_default=False)],
    network: Annotated[str, typer.Option(help="Network id.")] = "zhang2023lstm",
    holdout: Annotated[
        str | None,
        typer.Option(help="Subjects to keep out altogether, comma-separated.", show_default="none"),
    ] = None,
    epochs: Annotated[int, typer.Option(min=1, help="Epochs at most.")] = 100,
    patience: Annotated[
        int, typer.Option(min=1, help="Stop after so many epochs without a gain.")
    ] = 10,
    window: Annotated[
        int | None,
        typer.Option(min=1, help="Input length in frames.", show_default="the network's own"),
    ] = None,
    emg: Annotated[bool, typer.Option("--emg", help="Use muscle activity where it is.")] = False,
    seed: Annotated[int, typer.Option(min=0, help="Of weights, batches and division.")] = 0,
    json: JsonFlag = False,
) -> None:
    """Train one model on everybody's recordings in one place.

    A fifth of the people (of the groups, where two ids are one person) is not learnt from: their
    error decides when to stop. People of --holdout are not touched at all. With --emg envelopes are
    a fraction of the peak over all of a person's own recordings; those who decide when to stop take
    part in the training as well, so that their error is no test.
    """
    import numpy as np

    from kinefed.cli.legs import EmgScale, check_subjects, legs_of, windows_of
    from kinefed.cli.progress import Bars, TrainProgress
    from kinefed.datasets import Dataset
    from kinefed.models import (
        ModelBundle,
        Provenance,
        TrainConfig,
        card,
        fit,
        labels,
        predict,
        summarise,
    )
    from kinefed.models.metrics import person_scores
    from kinefed.personalization.setup import ModelSetup, build_network
    from kinefed.signals import LegSpec, Scaling, leg_sums
    from kinefed.simulations.config import ANGLES, EMG, OUTPUTS

    with only_json(json):
        frames = window or card(network).n_times
        dataset = Dataset.open(data)
        spec = LegSpec(ANGLES, OUTPUTS, EMG if emg else ())
        kept_out = {dataset.subjects[s].group for s in check_subjects(dataset, words(holdout))}
        people = [s.id for s in dataset.subjects.values() if s.group not in kept_out]
        with Bars() as bars:
            legs = legs_of(dataset, people, spec, bars, EmgScale(own=True))
            judges = _judges(dataset, list(legs), np.random.default_rng(seed))
            learners = [s for s in legs if s not in judges]
            own = [leg for s in learners for leg in legs[s]]
            x, y = leg_sums(own)
            scaling = Scaling.from_sums(x, y, len(spec.optional))
            setup = ModelSetup(network, {}, spec.to_dict(), frames)
            module = build_network(setup, seed)
            windows = windows_of([own], frames)
            history = fit(
                module,
                windows,
                scaling,
                TrainConfig(epochs=epochs, patience=patience),
                rng=np.random.default_rng(np.random.SeedSequence([seed, 1])),
                validation=windows_of([legs[s] for s in judges], frames),
                hook=TrainProgress(bars),
            )
            bars.finish()
        scores = []
        for judge in judges:
            test = windows_of([legs[judge]], frames)
            estimate = predict(module, test, scaling)
            scores.append(person_scores(judge, labels(test), estimate, spec.outputs))
        rows = summarise("pooled", network, scores)
        metrics = {
            f"validation.rmse_nm_per_kg.{row['joint'].removeprefix('torque.')}": float(
                row["rmse_nm_per_kg"] or 0.0
            )
            for row in rows
        }
        bundle = ModelBundle.of(
            module,
            spec,
            scaling,
            provenance=Provenance(
                methods=("pooled",),
                dataset=f"{dataset.info.name} {dataset.info.version}",
                people=len(learners),
                recordings=len({leg.key for leg in own}),
                windows=len(windows),
                seed=seed,
            ),
            metrics=metrics,
        )
        bundle.save(out)
    result: dict[str, Any] = {
        "bundle": str(out),
        "digest": bundle.digest,
        "network": network,
        "parameters": module.n_parameters,
        "trained_on": learners,
        "validated_on": judges,
        "kept_out": [s.id for s in dataset.subjects.values() if s.group in kept_out],
        "windows": len(windows),
        "epochs": len(history.rows),
        "best_epoch": history.best_epoch + 1,
        "stopped_early": history.stopped_early,
        "metrics": metrics,
    }
    if json:
        emit(result)
    else:
        error = figure(metrics["validation.rmse_nm_per_kg.mean"])
        note(
            f"{out}: {network}, {len(windows):,} windows of {len(learners)} people, best after "
            f"{history.best_epoch + 1} of {len(history.rows)} epochs; RMSE {error} N m/kg on "
            f"{', '.join(judges)}, who chose that epoch. For an honest score: `kinefed evaluate` "
            "on people who had no part in it (--holdout)"
        )


def _judges(dataset: Dataset, people: list[str], rng: Any) -> list[str]:
    """Draw the people whose error decides when to stop, whole groups at a time."""
    from kinefed.datasets import DataError, DataReason

    groups = sorted({dataset.subjects[s].group for s in people})
    if len(groups) < 2:
        raise DataError(
            DataReason.EMPTY,
            f"{len(groups)} people to train on; stopping early needs another one to judge by",
            where=dataset.path,
            next_step="Hold out fewer people, or bring more recordings",
        )
    count = max(1, round(VALIDATION_SHARE * len(groups)))
    drawn = {groups[i] for i in rng.permutation(len(groups))[:count].tolist()}
    return [s for s in people if dataset.subjects[s].group in drawn]
