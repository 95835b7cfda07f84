"""Settings of one federation: flat, so that Flower's run config can carry them."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kinefed.personalization.errors import MessageError
from kinefed.personalization.setup import ModelSetup
from kinefed.server.errors import ServerReason, SettingError

RUN_FILE_VARIABLE = "KINEFED_RUN"

# The default inputs: sagittal angles of one leg and their causal velocities.
DEFAULT_SETUP = ModelSetup(
    network="zhang2023lstm",
    network_args={"dropout": 0.2},
    spec={
        "inputs": [
            "angle.hip_flexion",
            "angle.knee_flexion",
            "angle.ankle_dorsiflexion",
            "velocity.hip_flexion",
            "velocity.knee_flexion",
            "velocity.ankle_dorsiflexion",
        ],
        "outputs": ["torque.hip", "torque.knee", "torque.ankle"],
        "velocity_cutoff_hz": None,
    },
    window=20,
).to_json()


@dataclass(frozen=True, slots=True)
class FederationConfig:
    """All settings of one federation.

    Attributes
    ----------
    setup
        ``ModelSetup`` as JSON: network, channels, window.
    rounds, steps, batch, rate, rate_end, weight_decay
        Rounds, and in each the local Adam steps on minibatches of ``batch`` windows at a rate
        that falls by a cosine from ``rate`` in the first round to ``rate_end`` in the last.
    noise, offset
        Noise on the inputs while training; see :class:`~kinefed.models.Augment`.
    seed
        Everything random follows (seed, round, client key, model).
    fraction
        Share of the training clients drawn in each round.
    quorum
        Share of the drawn clients whose valid reply a round needs; below it the weights stay.
    deadline_s
        Seconds after which a round goes on without those that have not replied.
    min_clients, patience_s
        Clients to wait for at the start, and for how many seconds at most.
    heldout
        Comma-separated client keys that take no part in training: the people to test on.
    clusters, cluster_rounds, cluster_iterations, cluster_restarts, min_members
        Task clusters (0: none), the further rounds that each cluster's model gets, and the
        settings of federated k-means.
    transfer
        JSON list of adaptation settings that the personalising clients try ("" for none).
    margin, caution
        Adoption gate: the share by which the personal model has to beat the global one, and by
        how many standard errors over the folds of the cross-fit.
    personalise
        ``none``, ``heldout`` or ``all``: who personalises at the end.
    protocol
        How a client divides its recordings for personalisation: ``each-session`` adapts on one
        session and tests on the others, for each session in turn, and where there is one session
        only does as ``each-task``, which adapts on one task and tests on the others, for each
        task in turn; ``all`` adapts on everything.
    out
        Folder for checkpoints, bundles and the log ("" to keep nothing).
    """

    setup: str = DEFAULT_SETUP
    rounds: int = 10
    steps: int = 20
    batch: int = 32
    rate: float = 3e-3
    rate_end: float = 3e-4
    weight_decay: float = 0.0
    noise: float = 0.3
    offset: float = 0.3
    seed: int = 0
    fraction: float = 1.0
    quorum: float = 0.5
    deadline_s: float = 600.0
    min_clients: int = 1
    patience_s: float = 120.0
    heldout: str = ""
    clusters: int = 0
    cluster_rounds: int = 5
    cluster_iterations: int = 20
    cluster_restarts: int = 4
    min_members: int = 2
    transfer: str = ""
    margin: float = 0.0
    caution: float = 0.0
    personalise: str = "none"
    protocol: str = "each-session"
    out: str = ""

    def __post_init__(self) -> None:
        try:
            ModelSetup.from_json(self.setup)
        except MessageError as error:
            raise SettingError(ServerReason.SETTING, str(error)) from None
        for name, low, high in _LIMITS:
            value = getattr(self, name)
            if not low <= value <= high:
                raise SettingError(
                    ServerReason.SETTING, f"{name} = {value}: must be from {low} to {high}"
                )
        if self.personalise not in ("none", "heldout", "all"):
            raise SettingError(
                ServerReason.SETTING,
                f"personalise = {self.personalise!r}: must be none, heldout or all",
            )
        if self.protocol not in ("each-session", "each-task", "all"):
            raise SettingError(
                ServerReason.SETTING,
                f"protocol = {self.protocol!r}: must be each-session, each-task or all",
            )

    @property
    def model_setup(self) -> ModelSetup:
        """The network and its inputs."""
        return ModelSetup.from_json(self.setup)

    @property
    def heldout_keys(self) -> frozenset[str]:
        """Keys of the clients that take no part in training."""
        return frozenset(key for key in self.heldout.split(",") if key)

    def rate_of(self, round_: int, rounds: int) -> float:
        """Return the local rate of round 1, 2, ... of a model that gets ``rounds`` rounds."""
        share = (round_ - 1) / max(1, rounds - 1)
        return self.rate_end + 0.5 * (self.rate - self.rate_end) * (1 + math.cos(math.pi * share))

    def digest(self) -> str:
        """Hash of everything that changes a result, to recognise a checkpoint's settings."""
        values = dataclasses.asdict(self)
        for name in ("out", "deadline_s", "patience_s"):
            values.pop(name)
        text = json.dumps(values, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def to_run_config(self) -> dict[str, bool | float | int | str]:
        """Return the settings as Flower's run config names them (dashes)."""
        return {k.replace("_", "-"): v for k, v in dataclasses.asdict(self).items()}

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> FederationConfig:
        """Read settings; dashes and underscores in names are the same.

        Raises
        ------
        SettingError
            Naming the setting that is unknown or of the wrong type.
        """
        known = {f.name: f.type for f in dataclasses.fields(cls)}
        read: dict[str, Any] = {}
        for name, value in values.items():
            field = name.replace("-", "_")
            if field not in known:
                raise SettingError(ServerReason.SETTING, f"{name}: no such setting of a federation")
            kind = {"int": int, "float": float, "str": str}[str(known[field])]
            if kind is float and type(value) is int:
                value = float(value)
            if type(value) is not kind:
                raise SettingError(
                    ServerReason.SETTING,
                    f"{name} = {value!r}: expected {kind.__name__}, got {type(value).__name__}",
                )
            read[field] = value
        return cls(**read)

    @classmethod
    def from_run_config(cls, run_config: Mapping[str, Any]) -> FederationConfig:
        """Read the run config, or where it is empty the ``[federation]`` table of the run file.

        Flower's ``run_simulation`` hands the apps an empty run config, so that the file named by
        the environment variable ``KINEFED_RUN`` has to stand in for it.
        """
        if run_config:
            return cls.from_mapping(run_config)
        path = os.environ.get(RUN_FILE_VARIABLE)
        if path is None:
            return cls()
        try:
            table = tomllib.loads(Path(path).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise SettingError(
                ServerReason.SETTING, f"{RUN_FILE_VARIABLE}={path}: cannot be read ({error})"
            ) from None
        return cls.from_mapping(table.get("federation", {}))


_LIMITS: tuple[tuple[str, float, float], ...] = (
    ("rounds", 0, 100_000),
    ("steps", 1, 1_000_000),
    ("batch", 1, 1_000_000),
    ("rate", 1e-12, 10.0),
    ("rate_end", 0.0, 10.0),
    ("weight_decay", 0.0, 10.0),
    ("noise", 0.0, 10.0),
    ("offset", 0.0, 10.0),
    ("seed", 0, 2**31 - 1),
    ("fraction", 1e-6, 1.0),
    ("quorum", 0.0, 1.0),
    ("deadline_s", 0.01, 1e7),
    ("min_clients", 1, 1_000_000),
    ("patience_s", 0.0, 1e7),
    ("clusters", 0, 100),
    ("cluster_rounds", 0, 100_000),
    ("cluster_iterations", 1, 1000),
    ("cluster_restarts", 1, 100),
    ("min_members", 1, 1000),
    ("margin", 0.0, 1.0),
    ("caution", 0.0, 10.0),
)
