"""Messages as Flower carries them: strict writing and reading.

A message is a ``RecordDict`` of one ``ConfigRecord`` (the fields) and one ``ArrayRecord`` (the
arrays).
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any, TypeVar, get_type_hints

import numpy as np
from flwr.app import Array, ArrayRecord, ConfigRecord, RecordDict
from numpy.typing import NDArray

from kinefed.personalization.errors import MessageError, MessageReason
from kinefed.personalization.messages import SCHEMA, FloatArray, Payload

MAX_TEXT = 1_000_000
MAX_VALUES = 50_000_000

P = TypeVar("P")


def encode(payload: Payload) -> RecordDict:
    """Put a message into Flower's records.

    Parameters
    ----------
    payload
        One of the types in `messages`.
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
