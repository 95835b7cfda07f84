"""Time lines and even times: what was measured when, and where nothing was."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sensor_bench import NS, Bench

from kinefed.sensors.channel import Channel
from kinefed.sensors.decoder import Samples
from kinefed.sensors.driver import StreamSpec
from kinefed.sensors.grid import Grid
from kinefed.sensors.timeline import Timed, Timeline
from kinefed.sensors.virtual.sensor import Quirks

CLOCKED = StreamSpec("force", (Channel("force"),), 100.0, clocked=True)
COUNTED = StreamSpec("force", (Channel("force"),), 100.0)
BARE = StreamSpec("force", (Channel("force"),), None)


def samples(index, arrival, device=None, restarted=False, values=None):
    index = np.atleast_1d(np.asarray(index, dtype=np.int64))
    arrival = np.broadcast_to(np.asarray(arrival, dtype=np.int64), index.shape).copy()
    if device is not None:
        device = np.atleast_1d(np.asarray(device, dtype=np.int64))
    values = index[:, None].astype(float) if values is None else np.asarray(values, dtype=float)
    return Samples("force", values, index, arrival, device, restarted=restarted)


def timed(index, times_ms, restarted=False, values=None):
    part = samples(index, 0, restarted=restarted, values=values)
    return Timed(part, np.atleast_1d(np.asarray(times_ms, dtype=np.int64)) * 1_000_000)


def test_without_clock_and_rate_samples_stay_where_they_arrived():
    line = Timeline(BARE)
    assert line.take(samples([0], [77])).host_ns.tolist() == [77]


def test_a_restarted_clock_has_a_line_of_its_own():
    line = Timeline(CLOCKED)
    for i in range(300):
        line.take(samples([i], i * NS // 100 + 5 * NS, i * NS // 100))
    later = line.take(samples([300], 20 * NS, 1000, restarted=True))
    assert later.host_ns.tolist() == [20 * NS]


@given(st.lists(st.floats(0.0, 0.3), min_size=30, max_size=200), st.booleans())
def test_time_never_runs_back_and_never_ahead_of_an_arrival_for_long(delays, clocked):
    spec = CLOCKED if clocked else COUNTED
    line, last = Timeline(spec), -1
    for i, delay in enumerate(delays):
        taken = i * NS // 100
        arrival = max(taken + round(delay * NS), 0)
        out = line.take(samples([i], arrival, taken + 10**12 if clocked else None))
        assert out.host_ns[0] > last
        # At most as late as the arrival, but for a time line that may not run back.
        assert out.host_ns[0] <= max(arrival, last + 1) + 1000
        last = int(out.host_ns[0])


@pytest.mark.parametrize(
    "driver_id", ["movella-dot", "myo", "polar-h10", "witmotion", "progressor"]
)
def test_two_sensors_of_skewed_clocks_share_one_time_base(driver_id):
    """On a link of 33.7 ms and 5 % misses, against the true time of each sample.

    Where packets come at an exact part of the interval, arrivals are locked to it and hide the
    skew; real intervals run on a clock of their own.
    """
    bench = Bench(driver_id, Quirks(skew=150e-6, clock_s=1234.5))
    rng = np.random.default_rng(7)
    free = rng.random(4000) >= 0.05
    lines = {spec.name: Timeline(spec) for spec in bench.driver.streams}
    errors = {name: [] for name in lines}
    for value in bench.sensor.take(40.0):
        event = int(np.ceil(value.ready_s / 0.0337))
        event += int(np.argmax(free[event:]))
        for item in bench.feed(value.characteristic, value.data, event * 0.0337):
            out = lines[item.stream].take(item)
            rate = bench.driver.stream(item.stream).rate_hz * (1 + 150e-6)
            errors[item.stream].append(out.host_ns * 1e-9 - item.index / rate)
    for name, parts in errors.items():
        late = np.concatenate(parts[len(parts) // 4 :])
        assert np.abs(late.mean()) < 0.005, name
        assert late.std() < 0.004, name
        # 4.5 ms apart where the skew is not followed.
        third = len(late) // 3
        assert abs(late[:third].mean() - late[-third:].mean()) < 0.002, name


def push_all(grid, parts):
    out = [grid.push(part) for part in parts]
    first = out[0].first
    for a, b in itertools.pairwise(out):
        assert b.first == a.first + len(a.values)
    return (
        first,
        np.vstack([part.values for part in out])[:, 0],
        np.concatenate([part.valid for part in out]),
    )


def test_a_line_stays_a_line():
    grid = Grid(100.0, 0)
    parts = [timed([i], i * 10 + 3, values=[[i * 10 + 3.0]]) for i in range(10)]
    first, values, valid = push_all(grid, parts)
    assert first == 1
    assert values == pytest.approx(np.arange(1, 10) * 10.0)
    assert valid.all()


def test_lost_samples_are_held_and_marked():
    grid = Grid(100.0, 0)
    parts = [timed([0, 1], [0, 10]), timed([5, 6], [50, 60])]
    first, values, valid = push_all(grid, parts)
    assert first == 0
    assert values.tolist() == [0, 1, 1, 1, 1, 5, 6]
    assert valid.tolist() == [True, True, False, False, False, True, True]


def test_a_restart_is_a_gap_even_where_numbers_go_on():
    grid = Grid(100.0, 0)
    parts = [timed([0, 1], [0, 10]), timed([2], [45], restarted=True), timed([3], [55])]
    _, values, valid = push_all(grid, parts)
    assert values.tolist() == [0, 1, 1, 1, 1, 2.5]
    assert valid.tolist() == [True, True, False, False, False, True]


def test_emg_takes_the_nearer_sample():
    grid = Grid(100.0, 0, nearest=True)
    parts = [timed([0, 1, 2], [-2, 8, 18]), timed([3, 9], [28, 98])]
    _, values, valid = push_all(grid, parts)
    assert values.tolist() == [0, 1, 2, 3, 3, 3, 3, 3, 3, 3]
    assert valid.tolist() == [True] * 3 + [False] * 7


@given(st.lists(st.integers(1, 9), min_size=1, max_size=20), st.booleans())
def test_how_samples_are_bundled_makes_no_difference(sizes, nearest):
    n = sum(sizes)
    times = np.cumsum(np.random.default_rng(n).integers(4, 16, n))
    rows = np.random.default_rng(n).normal(size=(n, 1))
    one = Grid(100.0, 0, nearest=nearest).push(timed(np.arange(n), times, values=rows))
    edges = np.cumsum([0, *sizes])
    parts = [
        timed(np.arange(a, b), times[a:b], values=rows[a:b]) for a, b in itertools.pairwise(edges)
    ]
    first, values, valid = push_all(Grid(100.0, 0, nearest=nearest), parts)
    assert first == one.first
    assert values == pytest.approx(one.values[:, 0])
    assert valid.tolist() == one.valid.tolist()
