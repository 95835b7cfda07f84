"""The face of the live engine, and what it refuses to start with."""

from __future__ import annotations

from dataclasses import replace

import pytest
from live_worlds import HALF_WORN, KNEE, REFERENCE, layouts, make_bundle, worn

import kinefed.client.live as face
from kinefed.client.live import ANY, LiveConfig, LiveEngine, StreamLayout
from kinefed.datasets import DataError, DataReason, UsageError
from kinefed.models import BundleError, BundleReason
from kinefed.models.runner import Backend
from kinefed.signals import SignalError, SignalReason

TORCH = LiveConfig(backend=Backend.TORCH)


def test_face_is_sorted_and_real() -> None:
    assert face.__all__ == sorted(face.__all__)
    assert all(hasattr(face, name) for name in face.__all__)


def test_a_leg_without_sensors_is_left_out_and_named() -> None:
    recording = worn(1.0)
    right = tuple(replace(s, channels=s.channels[1:]) for s in layouts(recording))
    engine = LiveEngine(right, {ANY: [make_bundle(recording)]}, TORCH, None, REFERENCE)
    assert engine.sides == ("r",)
    assert engine.joints == {"r": ("torque.hip.r", "torque.knee.r")}
    assert len(engine.unfit) == 1
    assert engine.unfit[0].startswith("model 1 of 'any' lacks angle.hip_flexion")
    assert engine.unfit[0].endswith("on l")


def test_nothing_that_fits_is_refused_with_what_lacks() -> None:
    bundle = make_bundle(worn(1.0))
    with pytest.raises(BundleError, match=r"lacks angle\.knee_flexion, velocity") as caught:
        LiveEngine(HALF_WORN, {ANY: [bundle]}, TORCH)
    assert caught.value.reason is BundleReason.CHANNEL_MISMATCH


def test_one_channel_from_two_streams_is_refused() -> None:
    twice = (*HALF_WORN, StreamLayout("other", 50.0, HALF_WORN[0].channels[:1]))
    with pytest.raises(DataError, match="other") as caught:
        LiveEngine(twice, {ANY: [make_bundle(worn(1.0))]}, TORCH)
    assert caught.value.reason is DataReason.DUPLICATE


def test_a_bundle_with_other_units_or_a_preparation_is_refused() -> None:
    recording = worn(1.0)
    bundle = make_bundle(recording, KNEE)
    degrees = replace(bundle, units={**bundle.units, "angle.knee_flexion": "deg"})
    with pytest.raises(BundleError, match="deg"):
        LiveEngine(layouts(recording), {ANY: [degrees]}, TORCH)
    prepared = replace(bundle, pipeline={"steps": [{"kind": "rectify"}]})
    with pytest.raises(BundleError, match="preparation"):
        LiveEngine(layouts(recording), {ANY: [prepared]}, TORCH)


def test_a_model_for_every_other_task_is_needed() -> None:
    with pytest.raises(UsageError, match="any"):
        LiveEngine(HALF_WORN, {"walk": [make_bundle(worn(1.0))]}, TORCH)


@pytest.mark.parametrize(
    "wrong",
    [{"rate_hz": 0.0}, {"mass_kg": -1.0}, {"sides": ()}, {"sides": ("right",)}],
)
def test_settings_that_cannot_be(wrong: dict[str, object]) -> None:
    with pytest.raises(UsageError, match=f"live.{next(iter(wrong))}"):
        LiveConfig(**wrong)


def test_a_stream_that_is_too_slow_for_its_filters_is_refused_at_once() -> None:
    recording = worn(1.0)
    slow = [replace(s, rate_hz=40.0) if s.name == "emg" else s for s in layouts(recording)]
    with pytest.raises(SignalError) as caught:
        LiveEngine(slow, {ANY: [make_bundle(recording)]}, TORCH, None, REFERENCE)
    assert caught.value.reason is SignalReason.RATE_TOO_LOW
