"""What may cross the wire, and what is refused."""

import dataclasses

import numpy as np
import pytest
from flwr.app import Array, ArrayRecord, ConfigRecord, RecordDict

from kinefed.personalization.codec import decode, encode
from kinefed.personalization.errors import MessageError
from kinefed.personalization.messages import INBOUND, OUTBOUND, Absent, Presence, Update

VALUES = {"int": 3, "float": 0.5, "str": "text"}


def example(kind):
    made = {}
    for field in dataclasses.fields(kind):
        hint = str(field.type)
        dtype = np.float32 if "float32" in hint else np.float64
        made[field.name] = VALUES[hint] if hint in VALUES else np.arange(4, dtype=dtype)
    return kind(**made)


@pytest.mark.parametrize("kind", [*OUTBOUND, *INBOUND], ids=lambda k: k.KIND)
def test_every_message_comes_back_as_it_was(kind):
    sent = example(kind)
    got = decode(encode(sent), kind)
    for field in dataclasses.fields(kind):
        np.testing.assert_array_equal(getattr(got, field.name), getattr(sent, field.name))


def test_another_kind_is_refused():
    with pytest.raises(MessageError, match="kind"):
        decode(encode(Absent("k", "why")), Presence)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda r: r["message"].update({"schema-version": 99}), "schema-version"),
        (lambda r: r["message"].pop("key"), "key"),
        (lambda r: r["message"].update({"examples": "many"}), "examples"),
        (lambda r: r["message"].update({"loss": float("nan")}), "loss"),
        (lambda r: r["message"].update({"signal": [1.0, 2.0]}), "signal"),
        (lambda r: r["arrays"].update({"raw": Array(np.zeros(3))}), "raw"),
        (lambda r: r["arrays"].update({"vector": Array(np.zeros(3))}), "vector"),
        (lambda r: r["arrays"].update({"vector": Array("float32", (3,), "x", b"no")}), "vector"),
        (lambda r: r.update({"more": ArrayRecord({"a": Array(np.zeros(2))})}), "more"),
    ],
)
def test_a_message_that_does_not_fit_names_the_field(change, word):
    record = encode(example(Update))
    change(record)
    with pytest.raises(MessageError, match=word):
        decode(record, Update)


def test_a_record_of_another_program_is_refused():
    with pytest.raises(MessageError, match="no kinefed message"):
        decode(RecordDict({"config": ConfigRecord({"a": 1})}), Update)
