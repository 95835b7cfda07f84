"""The line from a sensor's clock to the host's, on links whose delays are known."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kinefed.sensors.clock import CRYSTAL_SKEW, RATE_SKEW, ClockFit, ClockLine

NS = 10**9


def paced(seconds, ppm, seed, interval=0.03, miss=0.05, rate=60.0):
    """Samples on a link of connection events: (true host time, device time, arrival), in s."""
    rng = np.random.default_rng(seed)
    true = np.arange(int(seconds * rate)) / rate + 0.0041
    device = 500.0 + true * (1 + ppm * 1e-6)
    event = np.ceil(true / interval)
    free = rng.random(int(event[-1]) + 200) >= miss
    nxt = np.array([e + int(np.argmax(free[int(e) :])) for e in event])
    return true, device, nxt * interval


def follow(fit, device, arrival):
    """Errors of the live time line, each with what was known when the sample came."""
    out = []
    for d, a in zip(device, arrival, strict=True):
        fit.add(round(d * NS), round(a * NS))
        out.append(fit.line.host_ns(np.array([round(d * NS)]))[0] * 1e-9)
    return np.array(out)


@pytest.mark.parametrize("ppm", [-50, 50, 120])
@pytest.mark.parametrize("seed", range(3))
def test_a_paced_link_is_timed_to_under_5_ms(ppm, seed):
    true, device, arrival = paced(60, ppm, seed)
    error = follow(ClockFit(), device, arrival) - true
    late = true > 10
    assert np.abs(error[late].mean()) < 0.005
    assert np.abs(error[late]).max() < 0.008
    # What came is far worse, so there is something to repair.
    assert (arrival - true)[late].mean() > 0.015


def test_the_skew_itself_is_found():
    _, device, arrival = paced(60, 50, 0)
    fit = ClockFit()
    follow(fit, device, arrival)
    # The device runs 50 ppm fast, so the host's clock runs as much slower.
    assert fit.line.skew == pytest.approx(-50e-6, abs=15e-6)


@given(
    st.floats(-RATE_SKEW, RATE_SKEW),
    st.integers(-(10**15), 10**15),
    st.lists(st.floats(0.0, 0.5), min_size=60, max_size=60),
)
def test_no_sample_is_placed_after_its_arrival(skew, offset, delays):
    fit = ClockFit(RATE_SKEW)
    pairs = []
    for i, delay in enumerate(delays):
        device = i * NS // 3
        arrival = offset + round(device * (1 + skew) + delay * NS)
        fit.add(device, arrival)
        pairs.append((device, arrival))
    device, arrival = np.array(pairs).T
    # All lie on or above the line, which touches one of them.
    slack = arrival - fit.line.host_ns(device)
    assert slack.min() >= -1000
    assert slack.min() <= 1000


def test_a_straight_line_is_found_exactly():
    fit = ClockFit(RATE_SKEW)
    for i in range(200):
        fit.add(i * NS // 10, 123 + i * NS // 10 + i * 100_000)
    assert fit.line.skew == pytest.approx(1e-3, rel=1e-9)
    assert fit.line.host_ns(np.array([0])).tolist() == pytest.approx([123], abs=1)


def test_the_skew_is_held_within_what_crystals_do():
    fit = ClockFit()
    for i in range(200):
        fit.add(i * NS // 10, i * NS // 10 + i * 100_000)
    assert fit.line.skew == CRYSTAL_SKEW


def test_a_short_stretch_has_no_skew_yet():
    fit = ClockFit()
    assert fit.line is None
    fit.add(0, 5)
    fit.add(2 * NS, 2 * NS + 300_000)
    assert fit.line.skew == 0.0
    fit.restart()
    assert fit.line is None


def test_old_bins_leave_the_window():
    fit = ClockFit(window_s=30.0)
    fit.add(0, -5 * NS)
    for i in range(1, 40):
        fit.add(i * NS, i * NS)
    assert fit.line == ClockLine(39 * NS, 0, 0.0)
