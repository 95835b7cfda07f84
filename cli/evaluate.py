"""``kinefed evaluate``: score a bundle on people, with the dullest baseline beside it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from kinefed.cli.output import JsonFlag, emit, figure, note, only_json, show_table, words


def evaluate(
    bundle: Annotated[Path, typer.Argument(metavar="BUNDLE", help="Model (.safetensors).")],
    data: Annotated[Path, typer.Option(help="Dataset folder.", show_default=False)],
    subjects: Annotated[
        str | None, typer.Option(help="Whom to test, comma-separated.", show_default="everyone")
    ] = None,
    reference: Annotated[
        str | None,
        typer.Option(
            help="Task or recording (TASK_NN) that scales EMG and is not scored.",
            show_default="the model's own, else no EMG",
        ),
    ] = None,
    json: JsonFlag = False,
) -> None:
    """Score a model on each person's recordings, worst person shown.

    Beside it stands the mean profile of the other people in the dataset, which is told the phase
    of the contact. People whom the model was trained on are no test of it. A model that can use
    muscle activity gets it as a fraction of a reference, which may not come from what is scored:
    the one that a personal model was adapted with, or that of --reference. Recordings that a
    personal model was adapted on are no test either: --reference sets them aside.
    """
    from kinefed.cli.legs import check_subjects, legs_of, scale_of_tested, windows_of
    from kinefed.cli.progress import Bars
    from kinefed.datasets import Dataset
    from kinefed.models import MeanProfile, ModelBundle, labels, person_scores, predict, summarise

    with only_json(json):
        model = ModelBundle.load(bundle)
        dataset = Dataset.open(data)
        chosen = check_subjects(dataset, words(subjects)) or tuple(dataset.subjects)
        spec, module = model.spec, model.module()
        scored, profiled = [], []
        with Bars() as bars:
            scale = scale_of_tested(dataset, model, reference, chosen, bars)
            legs = legs_of(dataset, tuple(dataset.subjects), spec, bars, scale)
            tested = [s for s in chosen if s in legs]
            if not tested:
                legs_of(dataset, chosen, spec, bars, scale)  # says what they lack
            bars.stage("people", len(tested))
            for subject in tested:
                windows = windows_of([legs[subject]], model.n_times)
                y = labels(windows)
                estimate = predict(module, windows, model.scaling)
                scored.append(person_scores(subject, y, estimate, spec.outputs))
                group = dataset.subjects[subject].group
                others = [own for s, own in legs.items() if dataset.subjects[s].group != group]
                if others:
                    profile = MeanProfile().fit(windows_of(others, model.n_times))
                    estimate = profile.predict(windows)
                    profiled.append(person_scores(subject, y, estimate, spec.outputs))
                bars.advance()
        rows = [dict(row) for row in summarise("bundle", model.network, scored)]
        rows += [dict(row) for row in summarise("mean-profile", "", profiled)] if profiled else []
        beside = {p.person: p for p in profiled}
        people: list[dict[str, Any]] = [
            {
                "subject": p.person,
                "frames": p.joints[0].frames,
                "rmse_nm_per_kg": p.mean("rmse_nm_per_kg"),
                "r2": p.mean("r2"),
                "r": p.mean("r"),
                "joints": {j.joint: j.rmse_nm_per_kg for j in p.joints},
                "mean_profile_rmse_nm_per_kg": (
                    beside[p.person].mean("rmse_nm_per_kg") if p.person in beside else None
                ),
            }
            for p in scored
        ]
    if json:
        emit({"bundle": str(bundle), "digest": model.digest, "rows": rows, "people": people})
        return
    _show(model.network, rows, people)


def _show(network: str, rows: list[dict[str, Any]], people: list[dict[str, Any]]) -> None:
    joints = list(people[0]["joints"])
    show_table(
        f"{network}: RMSE in N m/kg",
        [
            "person",
            "frames",
            *(j.removeprefix("torque.") for j in joints),
            "mean",
            "R²",
            "r",
            "mean profile",
        ],
        [
            [
                p["subject"],
                p["frames"],
                *(figure(p["joints"][j]) for j in joints),
                figure(p["rmse_nm_per_kg"]),
                figure(p["r2"], 2),
                figure(p["r"], 2),
                figure(p["mean_profile_rmse_nm_per_kg"]),
            ]
            for p in people
        ],
    )
    for row in rows:
        if row["joint"] == "mean":
            ci = row["ci95_rmse"]
            spread = f" (95 % over people {figure(ci[0])} to {figure(ci[1])})" if ci else ""
            note(
                f"{row['method']}: RMSE {figure(row['rmse_nm_per_kg'])} N m/kg{spread}, worst "
                f"{row['worst_person']} {figure(row['worst_rmse_nm_per_kg'])}"
            )
