"""``kinefed personalize``: adapt a bundle to one wearer, behind the adoption gate."""

from __future__ import annotations

import json as json_library
from pathlib import Path
from typing import Annotated, Any

import typer

from kinefed.cli.output import JsonFlag, emit, figure, note, only_json

# Why the gate decided as it did, in words.
REASONS = {
    "better": "it is better on the wearer's own recordings",
    "not-better": "it is not better on the wearer's own recordings",
    "within-margin": "it is better by less than the margin",
    "uncertain": "it is better, but not surely so",
    "too-few-units": "there are too few recordings or contacts to compare on",
    "diverged": "the fine-tuning diverged",
}


def personalize(
    bundle: Annotated[Path, typer.Argument(metavar="BUNDLE", help="Global model (.safetensors).")],
    data: Annotated[Path, typer.Option(help="Dataset folder.", show_default=False)],
    subject: Annotated[str, typer.Option(help="The wearer.", show_default=False)],
    out: Annotated[Path, typer.Option(help="New folder of the wearer's models.")],
    mode: Annotated[str, typer.Option(help="Layers to adapt: head, last-k or all.")] = "all",
    steps: Annotated[int, typer.Option(min=1, help="Steps at most.")] = 50,
    rate: Annotated[float, typer.Option(help="Step size.")] = 1e-3,
    margin: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Share of the error that it must save.")
    ] = 0.0,
    seed: Annotated[int, typer.Option(min=0, help="Of the batches.")] = 0,
    json: JsonFlag = False,
) -> None:
    """Adapt a model to one wearer, and serve the result only if it is better for them.

    The folder holds global.safetensors, personal.safetensors, a copy of the one to serve as
    served.safetensors, and decision.json. To roll back, copy global over served.
    """
    from kinefed.cli.legs import EmgScale, check_subjects, legs_of, windows_of
    from kinefed.cli.progress import Bars
    from kinefed.datasets import Dataset, UsageError, UsageReason
    from kinefed.models import ModelBundle, Provenance
    from kinefed.personalization import (
        POOLED,
        GateConfig,
        PersonalConfig,
        TransferConfig,
        personalise,
    )
    from kinefed.personalization.bundles import personal_bundle

    if out.exists():
        raise UsageError(
            UsageReason.BAD_ARGUMENT,
            "it is there already",
            where=out,
            next_step="Choose another --out; a wearer's models are not overwritten",
        )
    with only_json(json):
        transfer = TransferConfig.from_dict({"mode": mode, "rate": rate, "steps": steps})
        model = ModelBundle.load(bundle)
        dataset = Dataset.open(data)
        check_subjects(dataset, [subject])
        with Bars() as bars:
            # All recordings are for adapting, so that all may give the reference of envelopes.
            emg = EmgScale(own=True).reference(dataset, subject) if model.spec.optional else {}
            scale = EmgScale(volts={subject: emg})
            legs = legs_of(dataset, [subject], model.spec, bars, scale)[subject]
            windows = windows_of([legs], model.n_times)
            bars.stage("adapting", 1)
            personal = personalise(
                model.module(),
                {POOLED: model.vector},
                windows,
                model.scaling,
                PersonalConfig(transfer, GateConfig(margin)),
                seed,
            ).models[POOLED]
            bars.advance()
        decision = personal.decision
        made = Provenance(
            dataset=f"{dataset.info.name} {dataset.info.version}",
            recordings=len({leg.key for leg in legs}),
            windows=len(windows),
            seed=seed,
        )
        adapted = personal_bundle(model, personal, made, emg)
        served = adapted if decision.adopt else model
        result: dict[str, Any] = {
            "subject": subject,
            "out": str(out),
            "adopted": decision.adopt,
            "serve": "personal" if decision.adopt else "global",
            "reason": str(decision.reason),
            "personal_rmse_nm_per_kg": decision.personal_rmse,
            "global_rmse_nm_per_kg": decision.global_rmse,
            "relative_gain": decision.relative_gain,
            "compared_on": decision.units,
            "steps": personal.steps,
            "transfer": transfer.to_dict(),
            "margin": margin,
        }
        _write(out, {"global": model, "personal": adapted, "served": served}, result)
    if json:
        emit(result)
        return
    why = REASONS.get(str(decision.reason), str(decision.reason))
    verdict = "adopted" if decision.adopt else "not adopted"
    note(f"{subject}: the personal model is {verdict}: {why}")
    if decision.units:
        note(
            f"cross-fitted on {decision.units} recordings or contacts: RMSE global "
            f"{figure(decision.global_rmse)}, personal {figure(decision.personal_rmse)} N m/kg"
        )
    note(
        f"{out}: served.safetensors is the {result['serve']} model; to roll back, copy "
        "global.safetensors over it"
    )


def _write(out: Path, bundles: dict[str, Any], result: dict[str, Any]) -> None:
    """Write the folder, all of it or nothing."""
    import shutil
    import tempfile

    out.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
    try:
        for name, bundle in bundles.items():
            bundle.save(partial / f"{name}.safetensors")
        plain = {k: None if v != v else v for k, v in result.items()}  # NaN is not JSON
        text = json_library.dumps(plain, indent=1, allow_nan=False)
        (partial / "decision.json").write_text(text, encoding="utf-8")
        partial.replace(out)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
