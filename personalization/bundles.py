"""Federated and personal models as bundles: what server and device leave on disk."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

from kinefed.models import ModelBundle, Provenance
from kinefed.personalization.gate import GateDecision
from kinefed.personalization.personalize import PersonalModel, Vector
from kinefed.personalization.setup import ModelSetup
from kinefed.signals import LegSpec, Scaling


def global_bundle(
    setup: ModelSetup, scaling: Scaling, vector: Vector, provenance: Provenance
) -> ModelBundle:
    """Pack weights that a federation made.

    Parameters
    ----------
    setup, scaling
        Of the federation.
    vector : (weights,) float32
        Its weights.
    provenance
        Where they come from.
    """
    return ModelBundle(
        network=setup.network,
        spec=LegSpec.from_dict(setup.spec),
        n_times=setup.window,
        scaling=scaling,
        vector=vector,
        network_args=setup.network_args,
        provenance=provenance,
    )


def personal_bundle(
    parent: ModelBundle,
    personal: PersonalModel,
    made: Provenance,
    emg_reference: Mapping[str, float],
) -> ModelBundle:
    """Pack an adapted model beside the one it was adapted from.

    Parameters
    ----------
    parent
        The global model.
    personal
        The adapted one, adopted or not.
    made
        What it was adapted on: dataset, recordings, windows and seed; the rest follows from
        `parent`.
    emg_reference
        What envelopes were a fraction of, ``emg.<muscle>.<side>`` to volts: frozen from here on.
    """
    return replace(
        parent,
        vector=personal.vector,
        emg_reference=dict(emg_reference),
        provenance=replace(
            parent.provenance,
            parent=parent.digest,
            methods=(*parent.provenance.methods, "transfer"),
            dataset=made.dataset,
            people=1,
            recordings=made.recordings,
            windows=made.windows,
            seed=made.seed,
        ),
        metrics=_of_gate(personal.decision),
    )


def _of_gate(decision: GateDecision) -> dict[str, float]:
    metrics = {
        "crossfit.rmse_nm_per_kg": decision.personal_rmse,
        "crossfit.global_rmse_nm_per_kg": decision.global_rmse,
        "crossfit.adopted": float(decision.adopt),
    }
    return {name: value for name, value in metrics.items() if math.isfinite(value)}
