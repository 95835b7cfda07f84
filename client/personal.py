"""The personal part on the device: adapt the global models, gate them, score, keep the rest."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from kinefed.client.data import LocalData
from kinefed.client.directions import Direction, FloatArray, IntArray, each_direction, ways
from kinefed.client.errors import ClientError, ClientReason
from kinefed.client.store import ClientStore
from kinefed.models import ModelBundle, Provenance, TorqueNetwork, from_vector, predict
from kinefed.personalization import (
    NO_CLUSTER,
    POOLED,
    GateConfig,
    Personal,
    PersonalConfig,
    TransferConfig,
    cluster_model,
    personalise,
)
from kinefed.personalization.bundles import global_bundle, personal_bundle
from kinefed.personalization.messages import PersonaliseTask
from kinefed.personalization.setup import ModelSetup, unpack_scaling
from kinefed.signals import Scaling


def personal_rows(
    module: TorqueNetwork,
    task: PersonaliseTask,
    local: LocalData,
    store: ClientStore,
) -> list[dict[str, Any]]:
    """Carry out an order to personalise.

    Parameters
    ----------
    module
        The network of the order.
    task
        The order.
    local
        This person's windows and bouts.
    store
        Keeps the models and the estimates, which do not leave the device:
        ``global/round-<r>/<model>.safetensors`` as it came,
        ``personal/round-<r>/<method>/<direction>/<model>.safetensors`` adapted from it, whether
        the gate adopted it or not, and ``estimates/<method>.npy``.

    Returns
    -------
    list of dict
        Scores, one a method, setting and direction.
    """
    globals_ = _globals(task)
    settings = [TransferConfig.from_dict(s) for s in json.loads(task.transfer or "[]")]
    work = _Work.of(module, task, local, store if len(settings) == 1 else None)
    work.keep_globals(globals_)
    variants = [("fedavg", {POOLED: globals_[POOLED]})]
    if len(globals_) > 1:
        variants.append(("task-clusters", globals_))
    rows: list[dict[str, Any]] = []
    for method, candidates in variants:
        work.keep(method, work.served_globally(candidates))
        for index, setting in enumerate(settings):
            config = PersonalConfig(setting, GateConfig(task.margin, task.caution))
            rows += [
                {"method": f"{method}+transfer", "setting": index, **row}
                for row in work.adapted(method, candidates, config)
            ]
    if len(globals_) > 1 and rows:
        seen = each_direction(local, task.protocol, lambda own: work.clusters(own, globals_))
        rows[-1]["bouts"] = _bouts_by_task(local, seen)
    return rows


def _globals(task: PersonaliseTask) -> dict[str, FloatArray]:
    names = task.models.split(",")
    if names[0] != POOLED or task.vectors.size % len(names):
        raise ClientError(ClientReason.MODEL, "an order to personalise without a pooled model")
    return dict(zip(names, task.vectors.reshape(len(names), -1), strict=True))


def _bouts_by_task(local: LocalData, clusters: IntArray) -> dict[str, int]:
    """Count bouts by ``task/cluster``; a bout without a labelled window is not counted."""
    found: dict[str, int] = {}
    for bout in np.unique(local.window_bout[local.window_bout >= 0]):
        window = int(np.flatnonzero(local.window_bout == bout)[0])
        name = f"{local.windows.task[window]}/{clusters[window]}"
        found[name] = found.get(name, 0) + 1
    return found


@dataclass(frozen=True, slots=True)
class _Work:
    """One person's part in an order; `store` is None where several settings are only compared."""

    module: TorqueNetwork
    setup: ModelSetup
    scaling: Scaling
    local: LocalData
    ways: tuple[tuple[Direction, LocalData], ...]
    task: PersonaliseTask
    store: ClientStore | None

    @classmethod
    def of(
        cls,
        module: TorqueNetwork,
        task: PersonaliseTask,
        local: LocalData,
        store: ClientStore | None,
    ) -> _Work:
        setup = ModelSetup.from_json(task.setup)
        scaling = unpack_scaling(task.scaling, setup)
        return cls(module, setup, scaling, local, ways(local, task.protocol), task, store)

    def clusters(self, own: LocalData, candidates: dict[str, FloatArray]) -> IntArray:
        """Return the cluster of each window, `NO_CLUSTER` where there is the pooled model only."""
        if len(candidates) == 1:
            return np.full(len(own.windows), NO_CLUSTER, dtype=np.intp)
        return own.clusters(self.task.centres, self.task.z_mean, self.task.z_std)

    def keep(self, method: str, estimate: FloatArray) -> None:
        """Keep estimates for the person's own eyes (and, in a simulation, the researcher's)."""
        if self.store is not None:
            buffer = io.BytesIO()
            np.save(buffer, estimate)
            self.store.write(f"estimates/{method}.npy", buffer.getvalue())

    def bundle(self, name: str, vector: FloatArray) -> ModelBundle:
        """Return a global model of the order as a bundle."""
        methods = ("fedavg",) if name == POOLED else ("fedavg", "task-clusters")
        made = Provenance(methods=methods, round=self.task.round, seed=self.task.seed)
        return global_bundle(self.setup, self.scaling, vector, made)

    def keep_globals(self, globals_: dict[str, FloatArray]) -> None:
        """Keep the models that came, to serve where no personal one is and to roll back to."""
        if self.store is not None:
            for name, vector in globals_.items():
                place = f"global/round-{self.task.round}/{name}.safetensors"
                self.store.write(place, self.bundle(name, vector).to_bytes())

    def _keep_personal(
        self, method: str, way: tuple[Direction, LocalData], of: IntArray, found: Personal
    ) -> None:
        if self.store is None:
            return
        direction, own = way
        for name, model in found.models.items():
            users = [k for k, entry in found.choice.clusters.items() if entry.model == name]
            used = direction.adapt[np.isin(of[direction.adapt], users)]
            made = Provenance(
                recordings=len(np.unique(own.windows.recording[used])),
                windows=len(used),
                seed=self.task.seed,
            )
            parent = self.bundle(name, found.globals_[name])
            adapted = personal_bundle(parent, model, made, own.emg_reference)
            place = f"personal/round-{self.task.round}/{method}/{direction.name}/{name}.safetensors"
            self.store.write(place, adapted.to_bytes())

    def _predict(self, own: LocalData, vector: FloatArray, rows: IntArray) -> FloatArray:
        from_vector(self.module, vector)
        return predict(self.module, own.windows.subset(rows), self.scaling)

    def _served(
        self, own: LocalData, of: IntArray, vector: Callable[[int], FloatArray], rows: IntArray
    ) -> FloatArray:
        """Estimate some windows, each by the weights that serve its cluster, (rows, outputs)."""
        estimate = np.empty((len(rows), own.windows.n_outputs), dtype=np.float32)
        for cluster in np.unique(of[rows]).tolist():
            part = of[rows] == cluster
            estimate[part] = self._predict(own, vector(cluster), rows[part])
        return estimate

    def served_globally(self, candidates: dict[str, FloatArray]) -> FloatArray:
        """Estimate every window by the global model of its cluster, (windows, outputs)."""
        rows = np.arange(len(self.local.windows))

        def estimate(own: LocalData) -> FloatArray:
            of = self.clusters(own, candidates)
            return self._served(own, of, lambda k: candidates[cluster_model(k)], rows)

        return each_direction(self.local, self.task.protocol, estimate)

    def adapted(
        self, method: str, candidates: dict[str, FloatArray], config: PersonalConfig
    ) -> list[dict[str, Any]]:
        """Adapt and score in every direction; keep weights and estimates in the store."""
        shape = (len(self.local.windows), self.local.windows.n_outputs)
        ungated, gated = (np.full(shape, np.nan, dtype=np.float32) for _ in range(2))
        rows = []
        for direction, own in self.ways:
            of, test = self.clusters(own, candidates), direction.test
            personal = personalise(
                self.module,
                candidates,
                own.windows.subset(direction.adapt),
                self.scaling,
                config,
                self.task.seed,
                of[direction.adapt],
            )
            shared = self._served(own, of, lambda k: candidates[cluster_model(k)], test)
            ungated[test] = self._served(own, of, partial(personal.vector, gated=False), test)
            gated[test] = self._served(own, of, personal.vector, test)
            self._keep_personal(method, (direction, own), of, personal)
            rows.append(self._row(direction, personal, shared, ungated[test], gated[test]))
        self.keep(f"{method}+transfer-ungated", ungated)
        self.keep(f"{method}+transfer", gated)
        return rows

    def _row(
        self,
        direction: Direction,
        personal: Personal,
        shared: FloatArray,
        ungated: FloatArray,
        gated: FloatArray,
    ) -> dict[str, Any]:
        _, y, _ = self.local.windows.gather(direction.test)
        models = personal.models
        return {
            "direction": direction.name,
            "frames": len(direction.test),
            "global_rmse": _rmse(y, shared),
            "rmse": _rmse(y, ungated),
            "gated_rmse": _rmse(y, gated),
            "adopted": any(m.decision.adopt for m in models.values()),
            "reason": {n: str(m.decision.reason) for n, m in models.items()},
            "steps": {n: m.steps for n, m in models.items()},
        }


def _rmse(y: FloatArray, estimate: FloatArray) -> float | None:
    """Root mean squared error in N m/kg, mean over outputs; None without test windows."""
    if not len(y):
        return None
    squares = (estimate.astype(np.float64) - y) ** 2
    return float(np.sqrt(np.nanmean(squares, axis=0)).mean())
