"""Every message that client and server exchange: the whole outbound schema of a device.

Each message is a frozen dataclass of plain numbers, text and flat arrays. A client can send only
what stands in :data:`OUTBOUND`, so that this file is the complete list of what may leave a
device: weights, sums, counts and scores, never a signal. `codec` writes and reads them.

Evolution: a new field or kind raises :data:`SCHEMA`; a peer with another schema is refused by
name instead of being misread.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

SCHEMA = 1

FloatArray = NDArray[np.float32] | NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Hello:
    """Server -> client: who is there."""

    KIND: ClassVar[str] = "hello"
    setup: str


@dataclass(frozen=True, slots=True)
class StatisticsTask:
    """Server -> client: send the sums for the scaling."""

    KIND: ClassVar[str] = "statistics-task"
    setup: str


@dataclass(frozen=True, slots=True)
class DescriptorTask:
    """Server -> client: send count, mean and centred squares of the bout descriptors."""

    KIND: ClassVar[str] = "descriptor-task"
    setup: str


@dataclass(frozen=True, slots=True)
class ClusterTask:
    """Server -> client: send the sums of one Lloyd step.

    ``centres`` is (k * d,), in units of ``z_std`` about ``z_mean``, each (d,).
    """

    KIND: ClassVar[str] = "cluster-task"
    setup: str
    clusters: int
    min_members: int
    centres: NDArray[np.float64]
    z_mean: NDArray[np.float64]
    z_std: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class TrainTask:
    """Server -> client: train this model for some steps.

    ``cluster`` is -1 for all windows, else the index of the cluster whose bouts to train on.
    """

    KIND: ClassVar[str] = "train-task"
    setup: str
    model: str
    round: int
    seed: int
    steps: int
    batch: int
    rate: float
    weight_decay: float
    noise: float
    offset: float
    cluster: int
    schema: str
    vector: NDArray[np.float32]
    scaling: NDArray[np.float32]
    centres: NDArray[np.float64]
    z_mean: NDArray[np.float64]
    z_std: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class PersonaliseTask:
    """Server -> client: adapt, gate and score the global models; the result stays on the device.

    ``models`` names the rows of ``vectors`` (m * p,), the pooled model first. ``transfer`` is a
    JSON list of adaptation settings to try, each reported on its own.
    """

    KIND: ClassVar[str] = "personalise-task"
    setup: str
    models: str
    round: int
    seed: int
    transfer: str
    margin: float
    caution: float
    protocol: str
    schema: str
    vectors: NDArray[np.float32]
    scaling: NDArray[np.float32]
    centres: NDArray[np.float64]
    z_mean: NDArray[np.float64]
    z_std: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Presence:
    """Client -> server: a stable pseudonym and how much there is to learn from."""

    KIND: ClassVar[str] = "presence"
    key: str
    windows: int
    bouts: int


@dataclass(frozen=True, slots=True)
class Statistics:
    """Client -> server: count, mean and centred squares per channel, (3 * c,)."""

    KIND: ClassVar[str] = "statistics"
    key: str
    sums: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class ClusterReply:
    """Client -> server: sums (k * d,), counts (k,) and inertia (k,) of one Lloyd step."""

    KIND: ClassVar[str] = "cluster-sums"
    key: str
    sums: NDArray[np.float64]
    counts: NDArray[np.float64]
    inertia: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Update:
    """Client -> server: trained weights, with the number of windows they were trained on."""

    KIND: ClassVar[str] = "update"
    key: str
    model: str
    round: int
    examples: int
    loss: float
    schema: str
    vector: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class PersonalScores:
    """Client -> server: JSON rows of errors and gate decisions; no weights, no torque curves."""

    KIND: ClassVar[str] = "personal-scores"
    key: str
    rows: str


@dataclass(frozen=True, slots=True)
class Absent:
    """Client -> server: nothing to contribute, and why (say, no bout in this cluster)."""

    KIND: ClassVar[str] = "absent"
    key: str
    reason: str


OUTBOUND = (Presence, Statistics, ClusterReply, Update, PersonalScores, Absent)
INBOUND = (Hello, StatisticsTask, DescriptorTask, ClusterTask, TrainTask, PersonaliseTask)

Payload = (
    Hello
    | StatisticsTask
    | DescriptorTask
    | ClusterTask
    | TrainTask
    | PersonaliseTask
    | Presence
    | Statistics
    | ClusterReply
    | Update
    | PersonalScores
    | Absent
)
Outbound = Presence | Statistics | ClusterReply | Update | PersonalScores | Absent
