"""Everything a device does to get its personal models, in one call."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from kinefed.models import ModelError, ModelReason, TorqueNetwork, from_vector, to_vector
from kinefed.personalization.choose import NO_CLUSTER, Choice, choose_global
from kinefed.personalization.gate import (
    CrossFit,
    GateConfig,
    GateDecision,
    GateReason,
    crossfit,
    decide,
    refused,
)
from kinefed.personalization.transfer import TransferConfig, adapt
from kinefed.signals import Scaling, Windows

Vector = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class PersonalConfig:
    """How to adapt, and when to adopt."""

    transfer: TransferConfig = field(default_factory=TransferConfig)
    gate: GateConfig = field(default_factory=GateConfig)


@dataclass(frozen=True, slots=True)
class PersonalModel:
    """A global model adapted to one wearer.

    Attributes
    ----------
    vector : (weights,) float32
        The personal weights, whether adopted or not.
    decision
        The gate's.
    steps
        Steps of fine-tuning on all the data; 0: equal to the global model.
    report
        Cross-fitted errors; None with fewer than two units.
    """

    vector: Vector
    decision: GateDecision
    steps: int
    report: CrossFit | None


@dataclass(frozen=True, slots=True)
class Personal:
    """All models of one wearer.

    Attributes
    ----------
    globals_
        The global models by name, as given.
    choice
        Which of them serves which cluster.
    models
        The adapted ones, by the name of the global model they started from.
    """

    globals_: Mapping[str, Vector]
    choice: Choice
    models: Mapping[str, PersonalModel]

    def vector(self, cluster: int = NO_CLUSTER, *, gated: bool = True) -> Vector:
        """Return the weights that serve a cluster's windows.

        Parameters
        ----------
        cluster
            The nearest cluster of the bout at hand.
        gated
            Serve the personal model only where the gate adopted it. False is for simulations
            that compare both.
        """
        name = self.choice.model_for(cluster)
        # Personal weights are vouched for on the clusters that they were adapted on, no others.
        if cluster in self.choice.clusters:
            personal = self.models[name]
            if personal.decision.adopt or not gated:
                return personal.vector
        return self.globals_[name]


def personalise(
    module: TorqueNetwork,
    globals_: Mapping[str, Vector],
    adaptation: Windows,
    scaling: Scaling,
    config: PersonalConfig,
    seed: int,
    clusters: NDArray[np.integer] | None = None,
) -> Personal:
    """Choose global models, adapt them and judge the result, on the wearer's own data alone.

    For each cluster with data the better of its global model and the pooled one is chosen; each
    chosen one is fine-tuned on the windows of the clusters that chose it, for as many steps as
    its cross-fit says, and judged by the gate.

    Parameters
    ----------
    module
        Of the models' architecture; afterwards it holds the weights it came with.
    globals_
        Weights by name (`choose.POOLED`, `choose.cluster_model`).
    adaptation
        The wearer's windows to adapt on. Test recordings do not belong here.
    scaling
        That of the global models.
    config
        Transfer and gate.
    seed
        From 0. The same seed gives the same weights on one machine.
    clusters : (windows,) int, optional
        The nearest cluster of each window's bout, `NO_CLUSTER` outside; None: no clusters.

    Raises
    ------
    UsageError
        ``bad_argument``, see `choose_global`.
    """
    if clusters is None:
        clusters = np.full(len(adaptation), NO_CLUSTER, dtype=np.int64)
    before = to_vector(module)
    choice = choose_global(module, globals_, adaptation, clusters, scaling)
    models: dict[str, PersonalModel] = {}
    for name in sorted({entry.model for entry in choice.clusters.values()}):
        users = [k for k, entry in choice.clusters.items() if entry.model == name]
        own = adaptation.subset(np.flatnonzero(np.isin(clusters, users)))
        models[name] = _personal_model(module, globals_[name], own, scaling, config, seed)
    from_vector(module, before)
    return Personal(dict(globals_), choice, models)


def _personal_model(
    module: TorqueNetwork,
    start: Vector,
    windows: Windows,
    scaling: Scaling,
    config: PersonalConfig,
    seed: int,
) -> PersonalModel:
    from_vector(module, start)
    report = crossfit(module, windows, scaling, config.transfer, seed)
    decision = decide(report, config.gate)
    steps = config.transfer.steps if report is None else report.steps
    if steps == 0:
        return PersonalModel(start, decision, 0, report)
    rng = np.random.default_rng(np.random.SeedSequence([seed]))
    try:
        result = adapt(module, windows, scaling, replace(config.transfer, steps=steps), rng)
    except ModelError as error:
        if error.reason is not ModelReason.DIVERGED:
            raise
        return PersonalModel(start, refused(GateReason.DIVERGED, decision.units), 0, report)
    return PersonalModel(result.vector, decision, result.best_step, report)
