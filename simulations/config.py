"""Settings of a study: what ``kinefed simulate`` runs."""

from __future__ import annotations

import dataclasses
import json
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kinefed.datasets import DataError, DataReason, UsageError, UsageReason
from kinefed.models import available, card
from kinefed.personalization.setup import ModelSetup
from kinefed.server import FederationConfig

METHODS = (
    "mean-profile",
    "trees",
    "local",
    "nms",
    "pooled",
    "fedavg",
    "fedavg+transfer",
    "task-clusters",
    "task-clusters+transfer",
)
# The muscle model needs EMG and seconds for each person: it is asked for by name.
DEFAULT_METHODS = tuple(method for method in METHODS if method != "nms")
SAGITTAL = ("hip_flexion", "knee_flexion", "ankle_dorsiflexion")
ANGLES = tuple(f"{kind}.{site}" for kind in ("angle", "velocity") for site in SAGITTAL)
EMG = tuple(
    f"envelope.{site}"
    for site in ("rectus_femoris", "hamstrings", "gastrocnemius", "tibialis_anterior")
)
OUTPUTS = ("torque.hip", "torque.knee", "torque.ankle")

# What the nested choice tries. Small doses: on the children of the McGill set, rates and steps
# much above these made the other task worse for most.
DEFAULT_TRANSFER: tuple[dict[str, Any], ...] = (
    {"mode": "all", "rate": 3e-4, "steps": 10, "early": False},
    {"mode": "all", "rate": 3e-4, "steps": 20, "early": False},
    {"mode": "all", "rate": 1e-3, "steps": 20, "early": False},
    {"mode": "head", "rate": 1e-3, "steps": 20, "early": False},
)
# 0.2 s: on the McGill children 0.25 s gained less than 1 %, and 0.5 s costs twice the time.
DEFAULT_FRAMES = 20
# The recurrent network's own paper states none; eight children are few to learn from.
DEFAULT_DROPOUT = 0.2


@dataclass(frozen=True, slots=True)
class StudyConfig:
    """Settings of one study.

    Attributes
    ----------
    data, out
        Dataset folder and run folder.
    methods
        Ids of :data:`METHODS`.
    network, window
        Network id and the length of its input in frames (None: see :attr:`frames`).
    dropout
        Share of units dropped while training (None: see :attr:`network_args`).
    velocity_cutoff_hz
        Low-pass in front of the differences that make velocities from angles; 0 for none.
    emg
        Add the envelopes of four leg muscles as optional inputs.
    rounds, steps, batch, rate, rate_end, weight_decay, noise, offset
        As in :class:`~kinefed.server.FederationConfig`.
    seeds
        Each seed repeats everything that draws random numbers.
    split
        ``loso`` (leave one group out) or the path of a split file.
    engine
        ``pool`` or ``ray``.
    clusters, cluster_rounds
        Task clusters, and the rounds that each cluster's model trains on from the pooled one.
    nested
        Choose the adaptation's settings by leave-one-group-out inside the training people;
        otherwise the first of ``transfer`` is used for all.
    transfer
        Settings of the adaptation that the nested choice tries.
    margin, caution
        Of the adoption gate; see :class:`~kinefed.personalization.GateConfig`.
    processes
        Worker processes; 0 for one a core.
    """

    data: Path
    out: Path
    methods: tuple[str, ...] = DEFAULT_METHODS
    network: str = "zhang2023lstm"
    window: int | None = None
    dropout: float | None = None
    velocity_cutoff_hz: float = 0.0
    emg: bool = False
    rounds: int = 10
    steps: int = 20
    batch: int = 32
    rate: float = 3e-3
    rate_end: float = 3e-4
    weight_decay: float = 0.0
    noise: float = 0.3
    offset: float = 0.3
    seeds: tuple[int, ...] = (0, 1, 2)
    split: str = "loso"
    engine: str = "pool"
    clusters: int = 2
    cluster_rounds: int = 5
    nested: bool = True
    transfer: tuple[dict[str, Any], ...] = DEFAULT_TRANSFER
    margin: float = 0.05
    caution: float = 0.0
    processes: int = field(default=0, metadata={"resolved": False})

    def __post_init__(self) -> None:
        unknown = sorted(set(self.methods) - set(METHODS))
        if unknown or not self.methods:
            raise _usage(f"unknown method {unknown or '(none)'}", f"Choose from {list(METHODS)}")
        if self.network not in available():
            raise _usage(f"unknown network {self.network!r}", f"Choose from {list(available())}")
        if self.engine not in ("pool", "ray"):
            raise _usage(f"unknown engine {self.engine!r}", "Choose pool or ray")
        if not self.seeds or len(set(self.seeds)) != len(self.seeds):
            raise _usage(f"seeds {self.seeds}: at least one, each once", "Say --seeds 0,1,2")
        if not self.transfer:
            raise _usage("no settings of the adaptation to try", "Give at least one")
        # The settings of the federation are checked where they are defined.
        self.federation(self.seeds[0], (), "", "")

    @property
    def frames(self) -> int:
        """Length of the input window, in frames."""
        if self.window is not None:
            return self.window
        return DEFAULT_FRAMES if self.network == "zhang2023lstm" else card(self.network).n_times

    @property
    def network_args(self) -> dict[str, Any]:
        """Arguments of the network, beyond its card's."""
        if self.dropout is not None:
            return {"dropout": self.dropout}
        return {"dropout": DEFAULT_DROPOUT} if self.network == "zhang2023lstm" else {}

    @property
    def setup(self) -> ModelSetup:
        """Network and channels."""
        spec = {
            "inputs": list(ANGLES),
            "outputs": list(OUTPUTS),
            "optional": list(EMG) if self.emg else [],
            "rate_hz": 100.0,
            "velocity_cutoff_hz": self.velocity_cutoff_hz or None,
        }
        return ModelSetup(self.network, self.network_args, spec, self.frames)

    def federation(
        self, seed: int, heldout: tuple[str, ...], transfer: str, out: str, **changes: Any
    ) -> FederationConfig:
        """Return the settings of one fold's federation."""
        values: dict[str, Any] = {
            "setup": self.setup.to_json(),
            "rounds": self.rounds,
            "steps": self.steps,
            "batch": self.batch,
            "rate": self.rate,
            "rate_end": self.rate_end,
            "weight_decay": self.weight_decay,
            "noise": self.noise,
            "offset": self.offset,
            "seed": seed,
            "heldout": ",".join(heldout),
            "clusters": self.clusters if any("clusters" in m for m in self.methods) else 0,
            "cluster_rounds": self.cluster_rounds,
            "transfer": transfer,
            "margin": self.margin,
            "caution": self.caution,
            "personalise": "heldout",
            "out": out,
        }
        return FederationConfig(**(values | changes))

    def resolved(self) -> dict[str, Any]:
        """Return everything that decides a result, as plain values."""
        values = dataclasses.asdict(self)
        values |= {"data": str(self.data.resolve()), "window": self.frames}
        for name in ("out", "processes", "dropout"):
            values.pop(name)
        values |= self.network_args
        return values

    def to_toml(self) -> str:
        """Return ``config.toml``."""
        lines = ["# Every setting of this study, resolved."]
        for name, value in self.resolved().items():
            if name == "transfer":
                continue
            lines.append(f"{name} = {json.dumps(value)}")
        for setting in self.transfer:
            lines += ["", "[[transfer]]"]
            lines += [f"{k} = {json.dumps(v)}" for k, v in setting.items()]
        return "\n".join(lines) + "\n"


def claim_folder(config: StudyConfig) -> None:
    """Make the run folder, or go on in one that was begun with the same settings.

    Raises
    ------
    UsageError
        Where the folder holds something else.
    DataError
        Where its settings cannot be read.
    """
    path, text = config.out / "config.toml", config.to_toml()
    if not path.exists():
        if config.out.exists() and any(config.out.iterdir()):
            raise _usage(f"{config.out} is not empty and not a run", "Choose another --out")
        config.out.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return
    try:
        before, now = tomllib.loads(path.read_text(encoding="utf-8")), tomllib.loads(text)
    except (OSError, ValueError) as error:
        raise DataError(
            DataReason.UNREADABLE,
            f"cannot be read ({error})",
            where=path,
            next_step="Choose another --out",
        ) from None
    differ = sorted(k for k in before.keys() | now.keys() if before.get(k) != now.get(k))
    if differ:
        raise _usage(
            f"{config.out} was begun with another {differ[0]} "
            f"({before.get(differ[0])!r}, now {now.get(differ[0])!r})",
            "Choose another --out, or delete that folder",
        )


def _usage(what: str, next_step: str) -> UsageError:
    return UsageError(UsageReason.BAD_ARGUMENT, what, next_step=next_step)
