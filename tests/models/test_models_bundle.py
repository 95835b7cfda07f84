"""Bundles: what is saved comes back, and nothing that comes from outside is believed."""

from __future__ import annotations

import json
import math
import os
import pickle
import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.numpy import load as load_tensors

from kinefed.models import (
    BundleError,
    BundleReason,
    ModelBundle,
    Privacy,
    Provenance,
    available,
    build,
    bundle_file,
    predict,
    seeded,
    to_vector,
)
from kinefed.signals.legs import LegSeries, LegSpec
from kinefed.signals.scaling import Scaling, leg_sums
from kinefed.signals.windows import Windows

SPEC = LegSpec(
    inputs=("angle.hip_flexion", "angle.knee_flexion"),
    outputs=("torque.hip", "torque.knee"),
    optional=("envelope.rectus_femoris",),
)
Change = Callable[[dict[str, Any]], object]


def make(network_id: str = "zhang2023lstm", **args: float) -> ModelBundle:
    module = seeded(
        3,
        lambda: build(
            network_id, n_channels=4, n_outputs=2, n_times=8, sample_rate_hz=100.0, **args
        ),
    )
    rng = np.random.default_rng(0)
    scaling = Scaling(rng.normal(size=4), rng.random(4) + 0.5, rng.normal(size=2), [0.3, 0.7], 1)
    return ModelBundle.of(
        module,
        SPEC,
        scaling,
        pipeline={"steps": [{"kind": "band-pass", "low_hz": 20.0}]},
        provenance=Provenance(
            parent="ab" * 32,
            methods=("fedavg", "transfer"),
            round=15,
            dataset="gait 1.0",
            people=8,
            recordings=16,
            windows=1600,
            seed=0,
            privacy=Privacy(3.0, 1e-5),
        ),
        metrics={"rmse_nm_per_kg.knee": 0.14},
    )


def forge(bundle: ModelBundle, change: Change, *, header: Change | None = None) -> bytes:
    """Write a bundle's file again with other metadata, or another header."""
    data = bundle.to_bytes()
    (size,) = struct.unpack("<Q", data[:8])
    outer = json.loads(data[8 : 8 + size])
    inner = json.loads(outer["__metadata__"]["kinefed"])
    change(inner)
    outer["__metadata__"]["kinefed"] = json.dumps(inner)
    if header:
        header(outer)
    text = json.dumps(outer).encode()
    return struct.pack("<Q", len(text)) + text + data[8 + size :]


def refused(data: bytes) -> BundleError:
    with pytest.raises(BundleError) as caught:
        ModelBundle.from_bytes(data)
    assert caught.value.exit_code == 3
    return caught.value


@pytest.mark.parametrize("network_id", available())
def test_round_trip(network_id: str, tmp_path: Path) -> None:
    args = {"hidden": 7} if network_id == "zhang2023lstm" else {"dropout": 0.5}
    bundle = make(network_id, **args)
    path = tmp_path / "deep" / "model.safetensors"
    bundle.save(path)
    again = ModelBundle.load(path)
    assert again.to_bytes() == bundle.to_bytes() == path.read_bytes()
    assert again.digest == bundle.digest
    assert again.vector.tobytes() == bundle.vector.tobytes()
    assert again.network_args == args
    assert again.spec == bundle.spec
    assert again.scaling.to_dict() == bundle.scaling.to_dict()
    assert again.provenance == bundle.provenance
    assert again.metrics == bundle.metrics
    assert again.pipeline == bundle.pipeline
    assert again.units["torque.hip"] == "N m/kg"
    assert [p.name for p in path.parent.iterdir()] == ["model.safetensors"]


def test_the_loaded_network_predicts_the_same(make_legs: Callable[..., list[LegSeries]]) -> None:
    legs = make_legs(people=1, channels=3, optional=1)
    windows, scaling = Windows(legs, 8), Scaling.from_sums(*leg_sums(legs), n_optional=1)
    bundle = replace(make("moreira2021cnn"), scaling=scaling)
    before = torch.default_generator.get_state()
    again = ModelBundle.from_bytes(bundle.to_bytes())
    module = again.module()
    assert torch.equal(torch.default_generator.get_state(), before)
    assert not module.training
    assert np.array_equal(to_vector(module), bundle.vector)
    first = predict(bundle.module(), windows, scaling)
    assert np.array_equal(predict(module, windows, again.scaling), first)


def test_weights_are_readable_by_any_safetensors_reader() -> None:
    bundle = make()
    tensors = load_tensors(bundle.to_bytes())
    assert tensors["head.weight"].shape == (2, 64)
    assert sum(t.size for t in tensors.values()) == bundle.vector.size


def test_no_privacy_and_no_seed_survive() -> None:
    bundle = replace(make(), provenance=Provenance())
    assert ModelBundle.from_bytes(bundle.to_bytes()).provenance == Provenance()


def test_digest_follows_every_part() -> None:
    bundle = make()
    others = [
        replace(bundle, metrics={"rmse_nm_per_kg.knee": 0.15}),
        replace(bundle, n_times=9),
        replace(bundle, vector=bundle.vector * np.float32(1.001)),
        replace(bundle, provenance=replace(bundle.provenance, round=16)),
    ]
    assert len({b.digest for b in [bundle, *others]}) == 5


def test_every_truncation_is_refused() -> None:
    data = make().to_bytes()
    (size,) = struct.unpack("<Q", data[:8])
    for cut in [0, 1, 7, 8, 9, size, 8 + size - 1, 8 + size, len(data) // 2, len(data) - 1]:
        assert refused(data[:cut]).reason is BundleReason.TRUNCATED, cut


def test_trailing_bytes_are_refused() -> None:
    assert refused(make().to_bytes() + b"x").reason is BundleReason.BAD_FORMAT


def test_a_pickle_is_not_opened(tmp_path: Path) -> None:
    mark = tmp_path / "ran"

    class Trap:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return (os.mkdir, (str(mark),))

    refused(pickle.dumps(Trap()))
    torch.save({"a": torch.zeros(1)}, tmp_path / "m.pt")
    refused((tmp_path / "m.pt").read_bytes())
    assert not mark.exists()


def test_header_over_the_limit_is_refused_before_it_is_read() -> None:
    error = refused(struct.pack("<Q", 1 << 62) + b"{}")
    assert error.reason is BundleReason.TOO_LARGE
    assert "header" in error.where
    long = forge(make(), lambda raw: raw.update(note="x" * (1 << 20)))
    assert refused(long).reason is BundleReason.TOO_LARGE


def test_metadata_too_large_to_load_are_not_saved(tmp_path: Path) -> None:
    bundle = replace(make(), pipeline={"note": "x" * (1 << 20)})
    with pytest.raises(BundleError) as caught:
        bundle.save(tmp_path / "m.safetensors")
    assert caught.value.reason is BundleReason.TOO_LARGE
    assert not any(tmp_path.iterdir())


def test_file_over_the_limit_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "m.safetensors"
    make().save(path)
    monkeypatch.setattr(bundle_file, "MAX_FILE_BYTES", 1000)
    with pytest.raises(BundleError) as caught:
        ModelBundle.load(path)
    assert caught.value.reason is BundleReason.TOO_LARGE


def test_missing_file_is_named(tmp_path: Path) -> None:
    for path in (tmp_path / "none.safetensors", tmp_path):
        with pytest.raises(BundleError) as caught:
            ModelBundle.load(path)
        assert caught.value.reason is BundleReason.NOT_FOUND
        assert str(path) in str(caught.value)


def test_another_safetensors_file_is_no_bundle() -> None:
    data = forge(make(), lambda raw: None, header=lambda outer: outer.pop("__metadata__"))
    assert refused(data).reason is BundleReason.BAD_FORMAT


@pytest.mark.parametrize(
    ("change", "reason", "named"),
    [
        (lambda r: r.update(format=2), BundleReason.WRONG_VERSION, "format"),
        (lambda r: r.update(network="resnet"), BundleReason.UNKNOWN_NETWORK, "network"),
        (lambda r: r.update(network="cnn-lstm"), BundleReason.WRONG_SHAPE, "conv1.bias"),
        (lambda r: r.update(network=["x"]), BundleReason.BAD_FIELD, "network"),
        (lambda r: r.update(schema="0" * 32), BundleReason.SCHEMA_MISMATCH, "schema"),
        (lambda r: r["network_args"].update(hidden=51), BundleReason.WRONG_SHAPE, "dense.weight"),
        (lambda r: r["network_args"].update(hidden=1 << 40), BundleReason.BAD_FIELD, "hidden"),
        (lambda r: r["network_args"].update(hidden="5"), BundleReason.BAD_FIELD, "hidden"),
        (lambda r: r["network_args"].update(evil=1), BundleReason.BAD_FIELD, "network_args"),
        (lambda r: r["network_args"].update(n_channels=4), BundleReason.BAD_FIELD, "n_channels"),
        (lambda r: r["network_args"].update(network_id=1), BundleReason.BAD_FIELD, "network_id"),
        (lambda r: r.update(n_times=0), BundleReason.BAD_FIELD, "n_times"),
        (lambda r: r.update(n_times=10**12), BundleReason.BAD_FIELD, "n_times"),
        (lambda r: r.update(n_times=True), BundleReason.BAD_FIELD, "n_times"),
        (lambda r: r.pop("n_times"), BundleReason.BAD_FIELD, "n_times"),
        (lambda r: r["spec"].update(rate_hz=-1.0), BundleReason.BAD_FIELD, "rate_hz"),
        (lambda r: r["spec"].update(inputs=["angle.tail"]), BundleReason.BAD_FIELD, "bundle.spec"),
        (lambda r: r["spec"].update(outputs=["torque.hip"]), BundleReason.WRONG_SHAPE, "head"),
        (lambda r: r["spec"].update(extra=1), BundleReason.BAD_FIELD, "spec.extra"),
        (lambda r: r.update(spec=5), BundleReason.BAD_FIELD, "spec"),
        (lambda r: r["scaling"].update(x_std=[0.0] * 4), BundleReason.BAD_FIELD, "scaling"),
        (lambda r: r["scaling"].update(x_mean=[0.0] * 3), BundleReason.BAD_FIELD, "scaling"),
        (lambda r: r["scaling"].update(n_optional=0), BundleReason.BAD_FIELD, "scaling"),
        (lambda r: r["units"].pop("torque.hip"), BundleReason.BAD_FIELD, "units"),
        (lambda r: r["units"].update({"torque.hip": 1}), BundleReason.BAD_FIELD, "torque.hip"),
        (lambda r: r["metrics"].update(r="0.9"), BundleReason.BAD_FIELD, "metrics.r"),
        (lambda r: r["metrics"].update(r=10**400), BundleReason.BAD_FIELD, "metrics.r"),
        (lambda r: r["metrics"].update(r=math.nan), BundleReason.BAD_FORMAT, "kinefed"),
        (lambda r: r["provenance"].update(people=-1), BundleReason.BAD_FIELD, "people"),
        (lambda r: r["provenance"].update(methods="fedavg"), BundleReason.BAD_FIELD, "methods"),
        (lambda r: r["provenance"].update(methods=[1]), BundleReason.BAD_FIELD, "methods"),
        (lambda r: r["provenance"]["privacy"].pop("delta"), BundleReason.BAD_FIELD, "delta"),
        (lambda r: r.update(provenance=[]), BundleReason.BAD_FIELD, "provenance"),
        (lambda r: r.update(pipeline=[]), BundleReason.BAD_FIELD, "pipeline"),
    ],
)
def test_a_changed_field_is_named(change: Change, reason: BundleReason, named: str) -> None:
    error = refused(forge(make(), change))
    assert error.reason is reason
    assert named in error.where


def _shape(outer: dict[str, Any]) -> None:
    outer["head.weight"]["shape"] = [64, 2]


def _dtype(outer: dict[str, Any]) -> None:
    outer["head.weight"]["dtype"] = "I32"


def _rename(outer: dict[str, Any]) -> None:
    outer["tail.weight"] = outer.pop("head.weight")


def _negative(outer: dict[str, Any]) -> None:
    outer["head.weight"]["shape"] = [-2, -64]


def _no_entry(outer: dict[str, Any]) -> None:
    outer["head.weight"] = "here"


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        (_shape, BundleReason.WRONG_SHAPE),
        (_dtype, BundleReason.WRONG_SHAPE),
        (_rename, BundleReason.WRONG_SHAPE),
        (_negative, BundleReason.BAD_FORMAT),
        (_no_entry, BundleReason.BAD_FORMAT),
    ],
)
def test_a_changed_tensor_is_named(header: Change, reason: BundleReason) -> None:
    error = refused(forge(make(), lambda raw: None, header=header))
    assert error.reason is reason
    assert ".weight" in error.where


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_weights_that_are_not_finite_are_refused(value: float) -> None:
    data = bytearray(make().to_bytes())
    data[-4:] = struct.pack("<f", value)
    assert refused(bytes(data)).reason is BundleReason.NOT_FINITE
    vector = make().vector.copy()
    vector[0] = value
    with pytest.raises(BundleError):
        replace(make(), vector=vector)


@pytest.mark.parametrize(
    "text", [b"[" * 50_000, b'{"a":1,"a":2}', b"\xff\xfe", b"[]", b'{"__metadata__":{"kinefed":1}}']
)
def test_headers_that_are_no_header(text: bytes) -> None:
    assert refused(struct.pack("<Q", len(text)) + text).reason is BundleReason.BAD_FORMAT


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_any_damage_ends_in_a_bundle_error_or_finite_weights(data: st.DataObject) -> None:
    whole = bytearray(_SMALL)
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    try:
        bundle = ModelBundle.from_bytes(bytes(whole))
    except BundleError:
        return
    assert np.isfinite(bundle.vector).all()
    assert bundle.vector.shape == (len(_SMALL_VECTOR),)


_SMALL_BUNDLE = make("zhang2023lstm", hidden=2, dense=2)
_SMALL, _SMALL_VECTOR = _SMALL_BUNDLE.to_bytes(), _SMALL_BUNDLE.vector


def test_a_failed_save_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "m.safetensors"
    make().save(path)
    before = path.read_bytes()

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(bundle_file.os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        replace(make(), n_times=9).save(path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["m.safetensors"]


def test_a_reader_of_the_old_file_keeps_it_whole(tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    old, new = make(), replace(make(), n_times=9)
    old.save(path)
    with path.open("rb") as reader:
        new.save(path)
        assert reader.read() == old.to_bytes()
    assert path.read_bytes() == new.to_bytes()


def test_require_accepts_its_own_spec() -> None:
    make().require(SPEC)
    make().require(SPEC, {"angle.hip_flexion": "rad"})


@pytest.mark.parametrize(
    ("spec", "reason", "named"),
    [
        (
            replace(SPEC, inputs=("angle.hip_flexion", "velocity.knee_flexion")),
            BundleReason.CHANNEL_MISMATCH,
            "inputs[1]: the model needs angle.knee_flexion, the data have velocity.knee_flexion",
        ),
        (
            replace(SPEC, inputs=SPEC.inputs[::-1]),
            BundleReason.CHANNEL_MISMATCH,
            "the data have angle.knee_flexion",
        ),
        (
            replace(SPEC, inputs=(*SPEC.inputs, "angle.ankle_dorsiflexion")),
            BundleReason.CHANNEL_MISMATCH,
            "needs nothing, the data have angle.ankle_dorsiflexion",
        ),
        (
            replace(SPEC, optional=()),
            BundleReason.CHANNEL_MISMATCH,
            "optional[0]: the model needs envelope.rectus_femoris, the data have nothing",
        ),
        (
            replace(SPEC, outputs=("torque.hip", "torque.ankle")),
            BundleReason.CHANNEL_MISMATCH,
            "torque.ankle",
        ),
        (replace(SPEC, rate_hz=200.0), BundleReason.RATE_MISMATCH, "needs 100, the data have 200"),
        (replace(SPEC, velocity_cutoff_hz=6.0), BundleReason.RATE_MISMATCH, "velocity_cutoff_hz"),
    ],
)
def test_require_names_what_differs(spec: LegSpec, reason: BundleReason, named: str) -> None:
    with pytest.raises(BundleError) as caught:
        make().require(spec)
    assert caught.value.reason is reason
    assert named in str(caught.value)


def test_require_names_the_unit() -> None:
    with pytest.raises(BundleError) as caught:
        make().require(SPEC, {"torque.knee": "N m"})
    assert caught.value.reason is BundleReason.UNIT_MISMATCH
    assert "unit of torque.knee: the model needs N m/kg, the data have N m" in str(caught.value)
    foreign = ModelBundle.from_bytes(
        forge(make(), lambda raw: raw["units"].update({"angle.hip_flexion": "deg"}))
    )
    with pytest.raises(BundleError, match="needs deg, the data have rad"):
        foreign.require(SPEC)


def test_parts_that_do_not_belong_together_are_refused() -> None:
    bundle = make()
    for change in (
        {"vector": bundle.vector[:-1]},
        {"network": "nothing"},
        {"n_times": 0},
        {"units": {"angle.hip_flexion": "rad"}},
        {"scaling": Scaling(np.zeros(2), np.ones(2), np.zeros(2), np.ones(2))},
    ):
        with pytest.raises(BundleError):
            replace(bundle, **change)  # type: ignore[arg-type]
    with pytest.raises(BundleError) as caught:
        replace(bundle, metrics={"r": math.nan}).to_bytes()
    assert caught.value.reason is BundleReason.BAD_FIELD


def test_the_weights_of_a_bundle_cannot_be_written() -> None:
    with pytest.raises(ValueError, match="read-only"):
        make().vector[0] = 1.0
