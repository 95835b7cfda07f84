"""The personal part on the device: adapt the global models, gate them, score, keep the rest."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from typing import Any

import numpy as np

from kinefed.client.data import LocalData
from kinefed.client.directions import Direction, FloatArray, IntArray, directions
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
from kinefed.signals import Scaling, Windows


def personal_rows(
    module: TorqueNetwork,
    task: PersonaliseTask,
    local: LocalData,
    clusters: IntArray,
    key: str,
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
    clusters : (windows,) int
        Nearest cluster of each window, -1 in no bout.
    key
        This client's pseudonym.
    store
        Keeps the personal weights and the estimates, which do not leave the device.

    Returns
    -------
    list of dict
        Scores, one a method, setting and direction.
    """
    globals_ = _globals(task)
    settings = [TransferConfig.from_dict(s) for s in json.loads(task.transfer or "[]")]
    work = _Work.of(module, task, local, store if len(settings) == 1 else None)
    work.keep_globals(globals_)
    pooled = np.full(len(local.windows), NO_CLUSTER)
    variants = [("fedavg", {POOLED: globals_[POOLED]}, pooled)]
    if len(globals_) > 1:
        variants.append(("task-clusters", globals_, clusters))
    rows: list[dict[str, Any]] = []
    for method, candidates, of in variants:
        shared = work.served_globally(candidates, of)
        work.keep(method, shared)
        for index, setting in enumerate(settings):
            config = PersonalConfig(setting, GateConfig(task.margin, task.caution))
            rows += [
                {"method": f"{method}+transfer", "setting": index, **row}
                for row in work.adapted(method, candidates, of, shared, config)
            ]
    if len(globals_) > 1 and rows:
        rows[-1]["bouts"] = _bouts_by_task(local, clusters)
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
    windows: Windows
    ways: tuple[tuple[Direction, Windows], ...]
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
        ways = tuple(
            (direction, local.referenced(direction.adapt).windows)
            for direction in directions(local.windows, task.protocol)
        )
        scaling = unpack_scaling(task.scaling, setup)
        return cls(module, setup, scaling, local.windows, ways, task, store)

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

    def _keep_personal(self, method: str, way: tuple[Direction, Windows], found: Personal) -> None:
        if self.store is None:
            return
        direction, windows = way
        for name, model in found.models.items():
            made = Provenance(
                recordings=len(np.unique(windows.recording[direction.adapt])),
                windows=len(direction.adapt),
                seed=self.task.seed,
            )
            adapted = personal_bundle(self.bundle(name, found.globals_[name]), model, made)
            place = f"personal/round-{self.task.round}/{method}/{direction.name}/{name}.safetensors"
            self.store.write(place, adapted.to_bytes())

    def _predict(self, windows: Windows, vector: FloatArray, rows: IntArray) -> FloatArray:
        from_vector(self.module, vector)
        return predict(self.module, windows.subset(rows), self.scaling)

    def served_globally(self, candidates: dict[str, FloatArray], of: IntArray) -> FloatArray:
        """Estimate every window by the global model of its cluster, (windows, outputs)."""
        estimate = np.empty((len(self.windows), self.windows.n_outputs), dtype=np.float32)
        every = Direction("", np.arange(0), np.arange(len(self.windows)))
        for direction, windows in ((every, self.windows), *self.ways):
            if windows is self.windows and direction is not every:
                continue  # the same signals: no other reference of envelopes
            for cluster in np.unique(of[direction.test]).tolist():
                rows = direction.test[of[direction.test] == cluster]
                estimate[rows] = self._predict(windows, candidates[cluster_model(cluster)], rows)
        return estimate

    def adapted(
        self,
        method: str,
        candidates: dict[str, FloatArray],
        of: IntArray,
        shared: FloatArray,
        config: PersonalConfig,
    ) -> list[dict[str, Any]]:
        """Adapt and score in every direction; keep weights and estimates in the store."""
        ungated, gated = (np.full_like(shared, np.nan) for _ in range(2))
        rows = []
        for direction, windows in self.ways:
            personal = personalise(
                self.module,
                candidates,
                windows.subset(direction.adapt),
                self.scaling,
                config,
                self.task.seed,
                of[direction.adapt],
            )
            for cluster in np.unique(of[direction.test]).tolist():
                test = direction.test[of[direction.test] == cluster]
                ungated[test] = self._predict(windows, personal.vector(cluster, gated=False), test)
                gated[test] = self._predict(windows, personal.vector(cluster), test)
            self._keep_personal(method, (direction, windows), personal)
            rows.append(self._row(direction, personal, shared, ungated, gated))
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
        _, y, _ = self.windows.gather(direction.test)
        models = personal.models
        return {
            "direction": direction.name,
            "frames": len(direction.test),
            "global_rmse": _rmse(y, shared[direction.test]),
            "rmse": _rmse(y, ungated[direction.test]),
            "gated_rmse": _rmse(y, gated[direction.test]),
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
