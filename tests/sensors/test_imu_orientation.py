"""Orientation of one IMU: against movements whose angle is known, in pieces, and over gaps."""

import sys

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from kinefed.datasets.errors import UsageError
from kinefed.datasets.types import Gap, Recording, RecordingRef, Stream
from kinefed.sensors.orientation import (
    BRIDGE_S,
    SETTLE_S,
    ImuSamples,
    OrientationSession,
    imus_of,
    orientations,
)

RATE_HZ = 100.0
BIAS = np.array([0.004, -0.006, 0.003])


def swings(seconds=30.0, rate_hz=RATE_HZ, bias=BIAS):
    """3 s of rest, then swings about x by half a radian at 0.5 Hz; the true angle."""
    t = np.arange(round(seconds * rate_hz)) / rate_hz
    phase = np.pi * np.maximum(t - 3.0, 0.0)
    # A quarter swing of cosine starts it without a jump.
    angle = 0.25 * (1.0 - np.cos(phase))
    rate = np.where(t > 3.0, 0.25 * np.pi * np.sin(phase), 0.0)
    acc = 9.80665 * np.column_stack([0.0 * t, np.sin(angle), np.cos(angle)])
    gyro = np.column_stack([rate, 0.0 * t, 0.0 * t]) + bias
    return ImuSamples(rate_hz, 0.0, acc, gyro, np.ones(len(t), bool)), angle


def lean(oriented):
    return Rotation.from_quat(oriented.quat, scalar_first=True).as_euler("zyx")[:, 2]


@pytest.mark.parametrize("rate_hz", [50.0, 60.0, 200.0])
def test_a_swing_is_followed_at_any_rate_and_the_bias_is_found(rate_hz):
    samples, angle = swings(rate_hz=rate_hz)
    found = orientations(samples)
    assert np.abs(lean(found) - angle)[found.known].max() < np.deg2rad(0.8)
    # The bias would be 0.2 to 0.4 deg/s; rest was long enough to find it.
    assert np.abs(found.gyro[-100:, 1:]).max() < np.deg2rad(0.05)
    assert found.known.sum() == len(angle) - round(SETTLE_S * rate_hz)


def with_gap(samples, first, missing):
    valid = samples.valid.copy()
    valid[first : first + missing] = False
    acc, gyro = samples.acc.copy(), samples.gyro.copy()
    acc[~valid], gyro[~valid] = acc[first - 1], gyro[first - 1]
    return ImuSamples(samples.rate_hz, 0.0, acc, gyro, valid)


def pieces(samples, rng):
    session, parts, at = OrientationSession(samples.rate_hz), [], 0
    while at < len(samples.acc):
        part = slice(at, at + int(rng.integers(1, 30)))
        parts.append(session.push(samples.acc[part], samples.gyro[part], samples.valid[part]))
        at = part.stop
    return parts


@pytest.mark.parametrize("seed", range(3))
def test_pieces_give_the_whole_to_the_bit_gaps_included(seed):
    rng = np.random.default_rng(seed)
    samples, _ = swings()
    for _ in range(25):
        samples = with_gap(samples, int(rng.integers(2, 2900)), int(rng.geometric(0.1)))
    whole, parts = orientations(samples), pieces(samples, rng)
    for name in ("quat", "gyro", "known", "run"):
        together = np.concatenate([getattr(part, name) for part in parts])
        assert together.tobytes() == getattr(whole, name).tobytes(), name
    # A single sample between gaps waits for a second one, and each sample singly gives the same.
    singly = OrientationSession(RATE_HZ)
    ones = [singly.push(samples.acc[i : i + 1], samples.gyro[i : i + 1], samples.valid[i : i + 1])
            for i in range(len(samples.acc))]  # fmt: skip
    assert np.vstack([one.quat for one in ones]).tobytes() == whole.quat.tobytes()


def test_a_short_gap_is_bridged_and_a_long_one_begins_anew():
    samples, angle = swings()
    short, long = round(BRIDGE_S * RATE_HZ), round(BRIDGE_S * RATE_HZ) + 1
    for missing, runs in ((short, 0), (long, 1), (300, 1)):
        # In the middle of a swing, where the angular velocity is highest.
        found = orientations(with_gap(samples, 1550, missing))
        assert found.run[-1] == runs
        # After a short gap, one sample waits for the next.
        after = 1550 + missing + (1 if runs == 0 else 0)
        assert not found.known[1550:after].any()
        if runs:
            settled = after + round(SETTLE_S * RATE_HZ)
            assert not found.known[after:settled].any()
            assert found.known[settled:].all()
        else:
            assert found.known[after:].all()
        assert np.abs(lean(found) - angle)[found.known].max() < np.deg2rad(0.8)
        # In the gap itself nothing is made up.
        assert (np.diff(found.quat[1549 : 1550 + missing], axis=0) == 0.0).all()
    # The bias is remembered over the new beginning: no drift while it cannot be found again.
    assert np.abs(found.gyro[-100:, 1:]).max() < np.deg2rad(0.1)


def test_samples_that_are_not_finite_are_a_gap():
    samples, _ = swings(10.0)
    samples.acc[500:504] = np.nan
    found = orientations(samples)
    assert np.isfinite(found.quat).all()
    assert np.flatnonzero(~found.known[300:]).tolist() == [200, 201, 202, 203, 204]


def test_imus_of_a_recording_are_found_with_their_gaps():
    names = tuple(f"{k}.shank.r.{a}" for k in ("acc", "gyro") for a in "xyz")
    units = ("m/s^2",) * 3 + ("rad/s",) * 3
    stream = Stream("imu", 10.0, 2.0, names, units, np.ones((40, 6)))
    half = Stream("half", 10.0, 0.0, ("acc.foot.r.x",), ("m/s^2",), np.ones((40, 1)))
    ref = RecordingRef("S01", "s01", "walk", 1)
    gaps = (Gap("imu", 3.0, 3.2), Gap("half", 0.0, 4.0))
    found = imus_of(Recording(ref, {"half": half, "imu": stream}, gaps=gaps))
    assert list(found) == ["shank.r"]
    assert np.flatnonzero(~found["shank.r"].valid).tolist() == [10, 11, 12]
    assert found["shank.r"].between(2.5, 3.0) == slice(5, 10)


def test_what_cannot_be_is_refused(monkeypatch):
    with pytest.raises(UsageError, match="10 samples a second"):
        OrientationSession(10.0)
    monkeypatch.setitem(sys.modules, "vqf", None)
    with pytest.raises(UsageError, match=r"kinefed\[sensors\]"):
        OrientationSession(100.0)
