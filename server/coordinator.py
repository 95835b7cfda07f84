"""The server's side of a federation: statistics, rounds, task clusters, personalisation."""

from __future__ import annotations

import json
import logging
import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from flwr.serverapp import Grid
from numpy.typing import NDArray

from kinefed.models import schema_hash, to_vector
from kinefed.personalization.messages import (
    Hello,
    Payload,
    PersonaliseTask,
    PersonalScores,
    Presence,
    TrainTask,
    Update,
)
from kinefed.personalization.setup import build_network
from kinefed.server.checkpoint import State, load_state, save_state
from kinefed.server.clustering import find_clusters
from kinefed.server.config import FederationConfig
from kinefed.server.errors import FederationError, ServerReason
from kinefed.server.exchange import Client, Dropped, exchange
from kinefed.server.outcome import FederationResult, score_rows
from kinefed.server.scaling import federated_scaling
from kinefed.server.updates import Expected, adam_reach, screen, weighted_mean

log = logging.getLogger("kinefed.server")
R = TypeVar("R")

POOLED = "pooled"
# After this many rounds in a row without a quorum there is nobody left to learn from.
MAX_FAILED_ROUNDS = 3


class Coordinator:
    """Runs one federation on any Flower grid.

    Parameters
    ----------
    grid
        The way to the clients.
    config
        All settings.
    """

    def __init__(self, grid: Grid, config: FederationConfig) -> None:
        self.grid = grid
        self.config = config
        self.setup = config.model_setup
        self.out = Path(config.out) if config.out else None
        module = build_network(self.setup, config.seed)
        self.schema = schema_hash(module)
        self.initial = to_vector(module)
        self.clients: list[Client] = []

    def run(self) -> FederationResult:
        """Run to the end, from the last checkpoint where there is one.

        Raises
        ------
        FederationError
            Where no clients come, a checkpoint does not fit or quorum fails repeatedly.
        """
        config = self.config
        path = self.out / "state.safetensors" if self.out else None
        state = load_state(path, config.digest()) if path else None
        state = state or State(config.digest(), vectors={POOLED: self.initial})
        self.clients = self._greet()
        training = [c for c in self.clients if c.key not in config.heldout_keys]
        if not training:
            raise FederationError(
                ServerReason.NO_CLIENTS,
                f"all {len(self.clients)} clients are held out; leave some to train on",
            )
        if "statistics" not in state.done:
            scaling = federated_scaling(self._ask, self.setup, training, self._need(training))
            state = self._keep(state.after("statistics", 1, scaling=scaling))
        state = self._rounds(state, POOLED, -1, config.rounds, training)
        if config.clusters:
            if "clusters" not in state.done:
                found = find_clusters(self._ask, config, self.setup, training)
                vectors = {f"cluster-{k}": state.vectors[POOLED] for k in range(config.clusters)}
                state = state.after(
                    "clusters",
                    1,
                    vectors={**state.vectors, **vectors},
                    centres=found.centres.reshape(-1),
                    z_mean=found.z_mean,
                    z_std=found.z_std,
                )
                state = self._keep(state)
            for k in range(config.clusters):
                state = self._rounds(state, f"cluster-{k}", k, config.cluster_rounds, training)
        return FederationResult(state, self._personalise(state), self.schema)

    def _ask(
        self, kind: str, group: str, orders: Sequence[tuple[Client, Payload]], reply: type[R]
    ) -> list[tuple[Client, R]]:
        replies, dropped, _ = exchange(
            self.grid, kind, group, orders, reply, self.config.deadline_s
        )
        self._report(group, dropped)
        return replies

    def _report(self, group: str, dropped: Sequence[Dropped]) -> None:
        for drop in dropped:
            log.warning("%s: dropped client %s: %s", group, drop.key, drop.reason)
            self._write({"event": "dropped", "at": group, "client": drop.key, "why": drop.reason})

    def _write(self, entry: dict[str, Any]) -> None:
        if self.out is not None:
            self.out.mkdir(parents=True, exist_ok=True)
            with (self.out / "log.jsonl").open("a", encoding="utf-8") as file:
                file.write(json.dumps(entry) + "\n")

    def _keep(self, state: State) -> State:
        if self.out is not None:
            save_state(self.out / "state.safetensors", state)
        return state

    def _need(self, asked: Sequence[Client]) -> int:
        return max(1, math.ceil(self.config.quorum * len(asked)))

    def _greet(self) -> list[Client]:
        """Wait for nodes, learn their stable keys, and sort by key."""
        config = self.config
        end = time.monotonic() + config.patience_s
        nodes = sorted(self.grid.get_node_ids())
        while len(nodes) < config.min_clients and time.monotonic() < end:
            time.sleep(0.2)
            nodes = sorted(self.grid.get_node_ids())
        orders = [(Client(node, str(node)), Hello(self.config.setup)) for node in nodes]
        clients: dict[str, Client] = {}
        for client, presence in self._ask("query.hello", "hello", orders, Presence):
            if presence.key in clients:
                self._report("hello", [Dropped(presence.key, "two nodes with one key")])
            elif presence.windows > 0:
                clients[presence.key] = Client(client.node_id, presence.key)
        if len(clients) < config.min_clients:
            raise FederationError(
                ServerReason.NO_CLIENTS,
                f"{len(clients)} of at least {config.min_clients} clients answered within "
                f"{config.patience_s:g} s; start the others or lower min-clients",
            )
        return [clients[key] for key in sorted(clients)]

    def _draw(self, model: str, round_: int, training: Sequence[Client]) -> list[Client]:
        if self.config.fraction >= 1.0:
            return list(training)
        n = max(1, round(self.config.fraction * len(training)))
        seed = np.random.SeedSequence([self.config.seed, round_, *model.encode()])
        chosen = np.random.default_rng(seed).choice(len(training), size=n, replace=False)
        return [training[i] for i in sorted(chosen)]

    def _rounds(
        self, state: State, model: str, cluster: int, rounds: int, training: Sequence[Client]
    ) -> State:
        failed = 0
        for round_ in range(state.done.get(model, 0) + 1, rounds + 1):
            entry, vector = self._round(state, model, cluster, round_, rounds, training)
            failed = 0 if vector is not None else failed + 1
            vectors = state.vectors if vector is None else {**state.vectors, model: vector}
            state = self._keep(
                state.after(model, round_, vectors=vectors, history=(*state.history, entry))
            )
            self._write({"event": "round", **entry})
            if failed >= MAX_FAILED_ROUNDS:
                raise FederationError(
                    ServerReason.QUORUM,
                    f"{model}: no quorum in {failed} rounds in a row; the last weights are kept "
                    "in the checkpoint, see the log for who was dropped and why",
                )
        return state

    def _round(
        self,
        state: State,
        model: str,
        cluster: int,
        round_: int,
        rounds: int,
        training: Sequence[Client],
    ) -> tuple[dict[str, Any], NDArray[np.float32] | None]:
        config, reference = self.config, state.vectors[model]
        rate = config.rate_of(round_, rounds)
        task = TrainTask(
            setup=config.setup,
            model=model,
            round=round_,
            seed=config.seed,
            steps=config.steps,
            batch=config.batch,
            rate=rate,
            weight_decay=config.weight_decay,
            noise=config.noise,
            offset=config.offset,
            cluster=cluster,
            schema=self.schema,
            vector=reference,
            scaling=state.scaling,
            centres=state.centres,
            z_mean=state.z_mean,
            z_std=state.z_std,
        )
        drawn = self._draw(model, round_, training)
        group = f"{model}-{round_}"
        replies, dropped, absent = exchange(
            self.grid, "train", group, [(c, task) for c in drawn], Update, config.deadline_s
        )
        reach = adam_reach(
            config.steps,
            rate,
            config.weight_decay,
            float(np.linalg.norm(reference)),
            reference.size,
        )
        valid, faulty = screen(replies, Expected(model, round_, self.schema, reference, reach))
        self._report(group, [*dropped, *faulty])
        needed = max(1, math.ceil(config.quorum * (len(drawn) - absent)))
        updates = [update for _, update in valid]
        examples = sum(u.examples for u in updates)
        entry = {
            "model": model,
            "round": round_,
            "rate": rate,
            "clients": len(valid),
            "absent": absent,
            "dropped": len(dropped) + len(faulty),
            "examples": examples,
            "loss": sum(u.loss * u.examples for u in updates) / examples if examples else None,
        }
        if len(valid) < needed:
            log.warning("%s: %d valid updates, quorum is %d", group, len(valid), needed)
            return entry, None
        return entry, weighted_mean(updates)

    def _personalise(self, state: State) -> list[dict[str, Any]]:
        config = self.config
        if config.personalise == "none":
            return []
        chosen = [
            c for c in self.clients if config.personalise == "all" or c.key in config.heldout_keys
        ]
        names = [POOLED, *(f"cluster-{k}" for k in range(config.clusters))]
        task = PersonaliseTask(
            setup=config.setup,
            models=",".join(names),
            round=config.rounds,
            seed=config.seed,
            transfer=config.transfer,
            margin=config.margin,
            caution=config.caution,
            protocol=config.protocol,
            schema=self.schema,
            vectors=np.concatenate([state.vectors[name] for name in names]),
            scaling=state.scaling,
            centres=state.centres,
            z_mean=state.z_mean,
            z_std=state.z_std,
        )
        rows: list[dict[str, Any]] = []
        for client, reply in self._ask(
            "query.personalise", "personalise", [(c, task) for c in chosen], PersonalScores
        ):
            found = score_rows(client.key, reply.rows, self._report)
            rows += [{**row, "heldout": sorted(config.heldout_keys)} for row in found]
        return rows
