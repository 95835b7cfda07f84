from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from personal_worlds import ANGLES, EMG, RATE_HZ, SPEC, leg

from kinefed.personalization.descriptors import (
    DESCRIPTOR_NAMES,
    BoutConfig,
    bout_of_window,
    bouts,
    cadence_hz,
    descriptor_table,
)
from kinefed.signals import LegSpec, Windows

PLAIN = LegSpec(inputs=ANGLES, outputs=("torque.hip", "torque.knee"))


def swing(
    seconds: float, amplitude: tuple[float, ...] = (0.4, 0.6, 0.2), hz: float = 1.0
) -> np.ndarray:
    t = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    return np.stack([a * np.sin(2 * np.pi * hz * t + i) for i, a in enumerate(amplitude)], axis=1)


def component(z: np.ndarray, name: str) -> float:
    return float(z[DESCRIPTOR_NAMES.index(name)])


def test_names_are_fixed() -> None:
    # Servers and clients of different builds compare centres: order and number are a contract.
    assert DESCRIPTOR_NAMES == (
        "angle_mean.hip_flexion",
        "angle_mean.knee_flexion",
        "angle_mean.ankle_dorsiflexion",
        "angle_range.hip_flexion",
        "angle_range.knee_flexion",
        "angle_range.ankle_dorsiflexion",
        "velocity_rms.hip_flexion",
        "velocity_rms.knee_flexion",
        "velocity_rms.ankle_dorsiflexion",
        "cadence",
        "log_envelope.knee_extensors",
        "log_envelope.knee_flexors",
        "log_envelope.plantarflexors",
        "log_envelope.dorsiflexors",
    )


def test_descriptors_of_a_sine() -> None:
    amplitude, hz = np.array([0.4, 0.6, 0.2]), 1.0
    x = swing(2.0, tuple(amplitude), hz) + np.array([0.1, 0.5, -0.05])
    (bout,) = bouts([leg(x)], PLAIN)
    assert (bout.series_index, bout.start, bout.stop) == (0, 0, 200)
    np.testing.assert_allclose(bout.z[:3], [0.1, 0.5, -0.05], atol=1e-6)
    np.testing.assert_allclose(bout.z[3:6], 2 * amplitude, rtol=2e-3)
    # Root mean square of a sine's derivative, less what a central difference smooths away.
    np.testing.assert_allclose(bout.z[6:9], amplitude * 2 * np.pi * hz / np.sqrt(2), rtol=5e-3)
    assert component(bout.z, "cadence") == pytest.approx(hz, abs=0.02)
    assert np.isnan(bout.z[10:]).all()


def test_rest_is_no_bout_and_movement_is_found_where_it_is() -> None:
    rest = np.zeros((150, 3))
    x = np.concatenate([rest, swing(1.8), np.tile(swing(1.8)[-1], (150, 1))])
    (bout,) = bouts([leg(x)], PLAIN)
    assert abs(bout.start - 150) <= 13
    assert abs(bout.stop - 330) <= 13


def test_sway_in_standing_is_no_bout() -> None:
    rng = np.random.default_rng(0)
    t = np.arange(1000) / RATE_HZ
    x = 0.02 * np.sin(2 * np.pi * 0.4 * t)[:, None] + 1e-4 * rng.standard_normal((1000, 3))
    assert bouts([leg(x)], PLAIN) == []


def test_short_movements_are_left_out() -> None:
    x = np.zeros((400, 3))
    x[200:] += 0.1  # a jerk of one frame
    config = BoutConfig(shortest_s=0.5)
    assert bouts([leg(x)], PLAIN, config) == []
    assert len(bouts([leg(x)], PLAIN, BoutConfig(shortest_s=0.05))) == 1


@pytest.mark.parametrize("seconds", [2.4, 2.6, 6.0, 7.1])
def test_long_movements_are_cut_into_equal_pieces(seconds: float) -> None:
    found = bouts([leg(swing(seconds))], PLAIN)
    lengths = [bout.stop - bout.start for bout in found]
    assert max(lengths) <= 250
    assert max(lengths) - min(lengths) <= 1
    assert [b.start for b in found[1:]] == [b.stop for b in found[:-1]]
    assert sum(lengths) == round(seconds * RATE_HZ)


def test_measured_velocity_is_used_and_equals_the_derived_one() -> None:
    spec = LegSpec(
        inputs=(*ANGLES, *(a.replace("angle", "velocity") for a in ANGLES)),
        outputs=PLAIN.outputs,
    )
    x = swing(2.0)
    both = np.concatenate([x, np.gradient(x, axis=0) * RATE_HZ], axis=1)
    (derived,), (given_,) = bouts([leg(x)], PLAIN), bouts([leg(both)], spec)
    np.testing.assert_allclose(derived.z, given_.z, rtol=1e-5)
    both[:, 3:] *= 2.0
    (louder,) = bouts([leg(both)], spec)
    np.testing.assert_allclose(louder.z[6:9], 2.0 * given_.z[6:9], rtol=1e-5)


def test_missing_muscles_are_unknown_not_silent() -> None:
    x = np.concatenate([swing(2.0), np.full((200, 1), 0.3), np.full((200, 2), 0.9)], axis=1)
    available = [True] * 3 + [True, False, False]
    (bout,) = bouts([leg(x, available=available, n_optional=len(EMG))], SPEC)
    # The vastus is unavailable, so the rectus alone stands for the knee extensors.
    assert component(bout.z, "log_envelope.knee_extensors") == pytest.approx(np.log(0.3), abs=1e-6)
    assert np.isnan(component(bout.z, "log_envelope.dorsiflexors"))
    assert np.isnan(component(bout.z, "log_envelope.plantarflexors"))


def test_muscles_of_a_group_are_averaged_and_silence_stays_finite() -> None:
    x = np.concatenate([swing(2.0), np.full((200, 2), [0.3, 0.4]), np.zeros((200, 1))], axis=1)
    (bout,) = bouts([leg(x, n_optional=len(EMG))], SPEC)
    together = np.sqrt((0.3**2 + 0.4**2) / 2)
    assert component(bout.z, "log_envelope.knee_extensors") == pytest.approx(np.log(together))
    assert component(bout.z, "log_envelope.dorsiflexors") == pytest.approx(np.log(1e-3))


def test_no_joint_angles_no_bouts() -> None:
    spec = LegSpec(inputs=("acc.shank.x",), outputs=("torque.hip", "torque.knee"))
    assert bouts([leg(np.ones((300, 1)))], spec) == []
    assert descriptor_table([]).shape == (0, len(DESCRIPTOR_NAMES))


def test_windows_find_their_bout() -> None:
    rng = np.random.default_rng(0)
    legs = []
    for i in range(3):
        x = np.concatenate([np.zeros((120, 3)), swing(3.0), np.tile(swing(3.0)[-1], (80, 1))])
        legs.append(leg(x, mask=rng.random(len(x)) < 0.6, key=f"S1/s1/walk_{i:02d}"))
    # Windows pass over legs without frames, and so must the numbers of the bouts.
    legs.insert(1, leg(np.empty((0, 3)), key="S1/s1/walk_09"))
    found = bouts(legs, PLAIN)
    assert {b.series_index for b in found} == {0, 1, 2}
    for look_ahead in (0, 7):
        windows = Windows(legs, 5, look_ahead=look_ahead)
        of = bout_of_window(windows, found)
        assert (of >= 0).any()
        assert (of < 0).any()
        for i in range(0, len(windows), 11):
            frame = windows.frame[i] - look_ahead
            inside = [
                j
                for j, b in enumerate(found)
                if windows.series[b.series_index] is windows.series[windows.leg[i]]
                and b.start <= frame < b.stop
            ]
            assert of[i] == (inside[0] if inside else -1)


@settings(max_examples=40, deadline=None)
@given(
    hz=st.floats(0.6, 2.5),
    phase=st.floats(0.0, 6.28),
    second=st.floats(0.0, 1.0),
    seconds=st.floats(2.0, 4.0),
)
def test_cadence_with_a_second_harmonic_as_large_as_the_first(
    hz: float, phase: float, second: float, seconds: float
) -> None:
    t = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    knee = np.sin(2 * np.pi * hz * t + phase) + second * np.sin(4 * np.pi * hz * t)
    hip = 0.6 * np.sin(2 * np.pi * hz * t + 1.0)
    assert cadence_hz(np.stack([hip, knee], axis=1), RATE_HZ) == pytest.approx(hz, abs=0.04)


def test_cadence_of_too_short_or_unknown_movement_is_unknown() -> None:
    assert np.isnan(cadence_hz(swing(0.9)[:, :2], RATE_HZ))
    assert np.isnan(cadence_hz(np.full((300, 2), np.nan), RATE_HZ))
    half = np.stack([np.full(200, np.nan), swing(2.0)[:, 1]], axis=1)
    assert cadence_hz(half, RATE_HZ) == pytest.approx(1.0, abs=0.02)
