"""Every message that client and server exchange: the whole outbound schema of a device.

Each message is a frozen dataclass of plain numbers, text and flat arrays. A client can send only
what stands in :data:`OUTBOUND`, so that this file is the complete list of what may leave a
device: weights, sums, counts and scores, never a signal. Flower carries a message as a
``RecordDict`` of one ``ConfigRecord`` (the fields) and one ``ArrayRecord`` (the arrays).

Evolution: a new field or kind raises :data:`SCHEMA`; a peer with another schema is refused by
name instead of being misread.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar, get_type_hints

import numpy as np
from flwr.app import Array, ArrayRecord, ConfigRecord, RecordDict
from numpy.typing import NDArray

from kinefed.personalization.errors import MessageError, MessageReason

SCHEMA = 1
MAX_TEXT = 1_000_000
MAX_VALUES = 50_000_000

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
P = TypeVar("P")


def encode(payload: Payload) -> RecordDict:
    """Put a message into Flower's records.

    Parameters
    ----------
    payload
        One of the message types of this module.
    """
    fields: dict[str, Any] = {"kind": payload.KIND, "schema-version": SCHEMA}
    arrays: dict[str, Array] = {}
    for field in dataclasses.fields(payload):
        value = getattr(payload, field.name)
        if isinstance(value, np.ndarray):
            arrays[field.name] = Array(np.ascontiguousarray(value.reshape(-1)))
        else:
            fields[field.name] = value
    record = RecordDict({"message": ConfigRecord(fields)})
    if arrays:
        record["arrays"] = ArrayRecord(arrays)
    return record


def _array(name: str, arrays: ArrayRecord | None, dtype: type[np.floating[Any]]) -> FloatArray:
    if arrays is None or name not in arrays:
        raise MessageError(MessageReason.ARRAY, f"{name}: array is missing")
    try:
        values = arrays[name].numpy()
    except (ValueError, TypeError, EOFError, OSError) as error:
        raise MessageError(MessageReason.ARRAY, f"{name}: unreadable array ({error})") from None
    if values.dtype != dtype or values.ndim != 1 or values.size > MAX_VALUES:
        raise MessageError(
            MessageReason.ARRAY,
            f"{name}: expected a flat {np.dtype(dtype).name} array, "
            f"got {values.dtype} of shape {values.shape}",
        )
    return values


def _field(name: str, fields: ConfigRecord, kind: type) -> Any:
    if name not in fields:
        raise MessageError(MessageReason.FIELD, f"{name}: field is missing")
    value = fields[name]
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if type(value) is not kind:
        raise MessageError(
            MessageReason.FIELD, f"{name}: expected {kind.__name__}, got {type(value).__name__}"
        )
    if isinstance(value, str) and len(value) > MAX_TEXT:
        raise MessageError(MessageReason.FIELD, f"{name}: {len(value)} characters of text")
    if isinstance(value, float) and not math.isfinite(value):
        raise MessageError(MessageReason.FIELD, f"{name}: {value} is not a finite number")
    return value


def decode(record: RecordDict, *kinds: type[P]) -> P:
    """Read a message that must be one of ``kinds``.

    Structure is checked here (schema, kind, field types, array types); the receiver checks what
    depends on its own state, such as the length of a weight vector and its values.

    Raises
    ------
    MessageError
        With the name of the first field that does not fit.
    """
    fields = record.get("message")
    if not isinstance(fields, ConfigRecord):
        raise MessageError(MessageReason.KIND, "message: no kinefed message in this record")
    if fields.get("schema-version") != SCHEMA:
        raise MessageError(
            MessageReason.SCHEMA,
            f"schema-version: {fields.get('schema-version')!r}, this side speaks {SCHEMA}; "
            "install the same kinefed version on both sides",
        )
    named = {getattr(kind, "KIND", ""): kind for kind in kinds}
    kind = named.get(str(fields.get("kind")))
    if kind is None:
        raise MessageError(
            MessageReason.KIND, f"kind: {fields.get('kind')!r}, expected one of {sorted(named)}"
        )
    arrays = record.get("arrays")
    values: dict[str, Any] = {}
    for name, hint in _hints(kind).items():
        if hint in (int, float, str):
            values[name] = _field(name, fields, hint)
        else:
            values[name] = _array(
                name, arrays if isinstance(arrays, ArrayRecord) else None, _dtype(hint)
            )
    extra = set(fields) - {"kind", "schema-version"} - set(values)
    extra |= set(record) - {"message", "arrays"}
    extra |= set(arrays) - set(values) if isinstance(arrays, ArrayRecord) else set()
    if extra:
        raise MessageError(MessageReason.FIELD, f"{min(extra)}: not a field of {kind.__name__}")
    return kind(**values)


_HINTS: dict[type, dict[str, Any]] = {}


def _hints(kind: type) -> dict[str, Any]:
    if kind not in _HINTS:
        hints = get_type_hints(kind)
        _HINTS[kind] = {f.name: hints[f.name] for f in dataclasses.fields(kind)}
    return _HINTS[kind]


def _dtype(hint: Any) -> type[np.floating[Any]]:
    return np.float32 if hint == NDArray[np.float32] else np.float64
