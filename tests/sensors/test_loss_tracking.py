"""Counters, clocks and arrivals against a stream whose losses are known."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kinefed.sensors.decoder import Refused
from kinefed.sensors.drivers import make_driver
from kinefed.sensors.drivers.myo import EMG
from kinefed.sensors.loss import ArrivalLoss, Step, TickCounter
from kinefed.sensors.track import Track

NS = 10**9


@given(
    st.integers(0, 2**32 - 1),
    st.lists(st.integers(1, 400), min_size=1, max_size=50),
)
def test_a_clock_of_32_bits_counts_every_loss_over_its_wrap(start, jumps):
    counter = TickCounter(2**32, 1e6, 1e6 / 60)
    sample, lost, ticks = 0, 0, []
    for jump in [0, *jumps]:
        sample += jump
        us = round(sample * 1e6 / 60)
        step = counter.step((start + us) % 2**32, round(us * 1000) + 7 * NS)
        assert not step.restarted
        lost += step.lost
        ticks.append(step.ticks - start)
    assert lost == sum(jumps) - len(jumps)
    assert ticks[-1] == round(sample * 1e6 / 60)


def test_whole_wraps_are_told_by_the_host():
    counter = TickCounter(2**16, 1000.0, 10.0)
    counter.step(5, 0)
    # 131.082 s later, two wraps of 65.536 s and 10 ms.
    step = counter.step(15, round(131.082 * NS))
    assert step == Step(15 + 2 * 2**16, 13108 - 1)


@pytest.mark.parametrize(
    ("tick", "after_s"),
    [
        pytest.param(50_000, 3.0, id="reboot"),
        pytest.param(900_000_000, 3.0, id="set forward"),
        pytest.param(101_000_000, 30.0, id="stood still"),
    ],
)
def test_another_clock_is_a_restart_and_nothing_is_made_up(tick, after_s):
    counter = TickCounter(2**32, 1e6, 1e4)
    counter.step(100_000_000, 0)
    assert counter.step(tick, round(after_s * NS)) == Step(tick, 0, restarted=True)
    assert counter.step(tick + 30_000, round((after_s + 0.03) * NS)) == Step(tick + 30_000, 2)


def test_a_burst_after_six_seconds_is_no_restart():
    counter = TickCounter(2**32, 1e6, 1e4)
    counter.step(0, 0)
    for i in range(1, 600):
        assert counter.step(i * 10_000, 6 * NS) == Step(i * 10_000)


def test_a_true_rate_off_by_one_percent_loses_nothing():
    counter = TickCounter(2**62, 1e9, 1e9 / 200)
    counter.step(0, 0)
    for i in range(1, 200):
        ns = round(i * 36 / 198 * 1e9)
        assert counter.step(ns, ns, 36).lost == 0


@given(st.integers(1, 60), st.sampled_from([50.0, 100.0, 200.0]), st.integers(0, 2**32 - 1))
def test_arrivals_show_what_was_lost_once(lost, rate, seed):
    delays = np.random.default_rng(seed).uniform(0.001, 0.03, 4000)
    # Less than 4 % of a window may be taken for the true rate; 1 % is left to the delays.
    lost = max(lost, round(0.05 * rate))
    tracker, found = ArrivalLoss(rate), []
    for i in range(int(8 * rate)):
        if 3 * rate <= i < 3 * rate + lost:
            continue
        count = tracker.step(round((i / rate + delays[i]) * NS), 1)
        if count:
            found.append((i, count))
    # A delay of 30 ms hides up to as much of the loss.
    assert sum(count for _, count in found) == pytest.approx(lost, abs=0.03 * rate)
    assert all(3 * rate < i <= 3 * rate + lost + 2.1 * rate for i, _ in found)


def test_a_rotation_and_the_arrivals_together_count_every_packet():
    """Four lost packets leave the rotation as it was; five more make it jump by one."""
    decoder = make_driver("myo").make_decoder()
    lost = 0
    for n in range(800):
        if 300 <= n < 304 or 500 <= n < 505:
            continue
        at = round((n / 100 + 0.0012 * (n * 5 % 11) + 0.003 * (n > 500)) * NS)
        for item in decoder.feed(EMG[n % 4], bytes(16), at):
            lost += item.lost
            assert item.lost % 8 == 0 or item.lost == 2
    assert lost == 2 * 9


def test_a_slow_sensor_is_not_called_lossy():
    tracker = ArrivalLoss(100.0)
    assert sum(tracker.step(round(i / 99.0 * NS), 1) for i in range(3000)) == 0


def test_packets_of_several_samples_are_numbered_and_timed():
    track = Track("emg", 200.0, clock=TickCounter(4, 100.0, 1.0))
    track.counted(np.zeros((2, 8)), NS, 0)
    late = track.counted(np.zeros((2, 8)), 2 * NS, 3)
    assert late.lost == 4
    assert late.index.tolist() == [6, 7]
    assert late.arrival_ns.tolist() == [2 * NS - 5_000_000, 2 * NS]


def test_samples_between_two_clocks_of_last_samples_are_spread_evenly():
    track = Track("imu", 200.0, clock=TickCounter(2**62, 1e9, 5e6))
    track.last_clocked(np.zeros((4, 3)), 0, 20_000_000)
    # The true rate is 1 % slow.
    later = track.last_clocked(np.zeros((4, 3)), 20_200_000, 40_200_000)
    assert later.device_ns.tolist() == [25_050_000, 30_100_000, 35_150_000, 40_200_000]


def test_ticks_of_one_packet_that_cannot_follow_are_refused():
    track = Track("force", 80.0, clock=TickCounter(2**32, 1e6, 12_500.0))
    with pytest.raises(Refused, match="out_of_order"):
        track.clocked(np.zeros((2, 1)), 0, [20_000_000, 10_000_000])
    # Nothing of it was taken.
    assert track.clocked(np.zeros((1, 1)), 0, [10_000_000]).index.tolist() == [0]


def test_a_loss_within_a_packet_moves_only_what_follows():
    track = Track("force", 100.0, clock=TickCounter(2**32, 1e6, 1e4))
    part = track.clocked(np.zeros((3, 1)), 0, [0, 10_000, 50_000])
    assert part.index.tolist() == [0, 1, 5]
    assert part.lost == 3
    assert track.clocked(np.zeros((1, 1)), 0, [60_000]).index.tolist() == [6]
