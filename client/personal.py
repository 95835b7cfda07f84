"""The personal part on the device: adapt the global models, gate them, score, keep the rest."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kinefed.client.data import LocalData
from kinefed.client.errors import ClientError, ClientReason
from kinefed.client.store import ClientStore
from kinefed.models import TorqueNetwork, from_vector, predict
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
from kinefed.personalization.messages import PersonaliseTask
from kinefed.personalization.setup import ModelSetup, unpack_scaling
from kinefed.signals import Scaling, Windows

FloatArray = NDArray[np.float32]
IntArray = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Direction:
    """Which of a person's windows to adapt on, and which to test on.

    Attributes
    ----------
    name
        Of the part adapted on.
    adapt, test : (n,) int
        Rows of the person's windows; they share no recording.
    """

    name: str
    adapt: IntArray
    test: IntArray


def directions(windows: Windows, protocol: str) -> list[Direction]:
    """Divide a person's windows.

    Parameters
    ----------
    windows
        All of one person.
    protocol
        ``each-task``: adapt on one task and test on the others, for each task in turn; where
        there is one task only, adapt on one half of the recordings and test on the other, both
        ways. ``all``: adapt on everything and test on nothing.
    """
    rows = np.arange(len(windows))
    if protocol == "all":
        return [Direction("all", rows, rows[:0])]
    part = windows.task
    names = np.unique(part)
    if len(names) < 2:
        recordings = np.unique(windows.recording)
        first = np.isin(windows.recording, recordings[: len(recordings) // 2])
        part = np.where(first, "first-half", "second-half")
        names = np.unique(part)
    if len(names) < 2:
        return []
    return [
        Direction(str(name), np.flatnonzero(part == name), np.flatnonzero(part != name))
        for name in names
    ]


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
    scaling = unpack_scaling(task.scaling, ModelSetup.from_json(task.setup))
    settings = [TransferConfig.from_dict(s) for s in json.loads(task.transfer or "[]")]
    work = _Work(module, scaling, local.windows, globals_, store, len(settings) == 1)
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
                for row in work.adapted(method, candidates, of, shared, config, task)
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
    module: TorqueNetwork
    scaling: Scaling
    windows: Windows
    globals_: dict[str, FloatArray]
    store: ClientStore
    keeping: bool

    def keep(self, method: str, estimate: FloatArray) -> None:
        """Keep estimates for the person's own eyes (and, in a simulation, the researcher's)."""
        if self.keeping:
            self._write(f"estimates/{method}.npy", estimate)

    def _write(self, name: str, array: FloatArray) -> None:
        buffer = io.BytesIO()
        np.save(buffer, array)
        self.store.write(name, buffer.getvalue())

    def _predict(self, vector: FloatArray, rows: IntArray) -> FloatArray:
        from_vector(self.module, vector)
        return predict(self.module, self.windows.subset(rows), self.scaling)

    def served_globally(self, candidates: dict[str, FloatArray], of: IntArray) -> FloatArray:
        """Estimate every window by the global model of its cluster, (windows, outputs)."""
        estimate = np.empty((len(self.windows), self.windows.n_outputs), dtype=np.float32)
        for cluster in np.unique(of).tolist():
            rows = np.flatnonzero(of == cluster)
            estimate[rows] = self._predict(candidates[cluster_model(cluster)], rows)
        return estimate

    def adapted(
        self,
        method: str,
        candidates: dict[str, FloatArray],
        of: IntArray,
        shared: FloatArray,
        config: PersonalConfig,
        task: PersonaliseTask,
    ) -> list[dict[str, Any]]:
        """Adapt and score in every direction; keep weights and estimates in the store."""
        ungated, gated = (np.full_like(shared, np.nan) for _ in range(2))
        rows = []
        for direction in directions(self.windows, task.protocol):
            personal = personalise(
                self.module,
                candidates,
                self.windows.subset(direction.adapt),
                self.scaling,
                config,
                task.seed,
                of[direction.adapt],
            )
            for cluster in np.unique(of[direction.test]).tolist():
                test = direction.test[of[direction.test] == cluster]
                ungated[test] = self._predict(personal.vector(cluster, gated=False), test)
                gated[test] = self._predict(personal.vector(cluster), test)
            if self.keeping:
                for name, model in personal.models.items():
                    place = f"personal/round-{task.round}/{method}/{direction.name}/{name}.npy"
                    self._write(place, model.vector)
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
