"""Lost packets and crooked clocks."""

import numpy as np
import pytest

from kinefed.datasets.errors import UsageError, UsageReason
from kinefed.simulations.cohort.radio import LinkConfig, transmit

RATE_HZ = 100.0
PERFECT = {"loss": 0.0, "skew_ppm": 0.0, "offset_s": 0.0}


def send(frames=20_000, seed=1, **changes):
    samples = np.column_stack([np.arange(frames) / RATE_HZ, np.ones(frames)])
    config = LinkConfig(**{**PERFECT, **changes})
    return samples, transmit(samples, RATE_HZ, np.random.default_rng(seed), config)


def test_a_perfect_link_changes_nothing():
    samples, received = send(1000)
    assert received.samples == pytest.approx(samples)
    assert received.arrived.all()
    assert received.time_s == pytest.approx(samples[:, 0])


@pytest.mark.parametrize(("loss", "burst"), [(0.02, 3.0), (0.2, 1.0), (0.3, 8.0)])
def test_packets_are_lost_at_their_rate_and_in_bursts(loss, burst):
    _, received = send(800_000, loss=loss, burst=burst, packet=4)
    packets = received.arrived.reshape(-1, 4)
    assert (packets == packets[:, :1]).all()
    lost = ~packets[:, 0]
    assert lost.mean() == pytest.approx(loss, rel=0.1)
    if burst > 1.0:
        ends = np.flatnonzero(np.diff(lost.astype(int)) == -1)
        begins = np.flatnonzero(np.diff(lost.astype(int)) == 1)
        count = min(len(ends), len(begins))
        assert lost.sum() / count == pytest.approx(burst, rel=0.1)


def test_lost_samples_are_nan_and_the_others_whole():
    samples, received = send(loss=0.1)
    assert np.isnan(received.samples[~received.arrived]).all()
    assert np.allclose(received.samples[received.arrived], samples[received.arrived])


def test_a_last_packet_may_be_short():
    _, received = send(1001, loss=0.5, packet=10)
    assert len(received.arrived) == len(received.samples) == 1001


def test_a_clock_that_is_off_shows_the_truth_of_another_time():
    samples, received = send(60_000, seed=3, skew_ppm=200.0)
    drift = received.time_s - samples[:, 0]
    assert drift[0] == 0.0
    assert np.allclose(np.diff(drift), drift[-1] / (len(drift) - 1), rtol=1e-4, atol=0.0)
    # The first channel is the true time: it is read at the sensor's times, inside the recording.
    inside = (received.time_s >= 0.0) & (received.time_s <= samples[-1, 0])
    assert np.allclose(received.samples[inside, 0], received.time_s[inside])
    skews = [send(2, seed=s, skew_ppm=20.0)[1].time_s[1] * RATE_HZ - 1.0 for s in range(400)]
    assert np.std(skews) == pytest.approx(20e-6, rel=0.1)


def test_a_clock_that_starts_off():
    offsets = [send(2, seed=s, offset_s=0.005)[1].time_s[0] for s in range(400)]
    assert np.std(offsets) == pytest.approx(0.005, rel=0.1)
    # Nothing is known before the first sample: it is held.
    early = next(s for s, o in enumerate(offsets) if o < -0.003)
    samples, received = send(100, seed=early, offset_s=0.005)
    assert received.samples[0] == pytest.approx(samples[0])


def test_the_same_seed_loses_the_same_packets():
    one, two = send(loss=0.1)[1], send(loss=0.1)[1]
    assert (one.arrived == two.arrived).all()
    assert not (send(loss=0.1, seed=2)[1].arrived == one.arrived).all()


@pytest.mark.parametrize("change", [{"loss": 1.0}, {"burst": 0.5}, {"packet": 0}, {"loss": -0.1}])
def test_an_impossible_link_is_refused(change):
    with pytest.raises(UsageError) as caught:
        LinkConfig(**change)
    assert caught.value.reason is UsageReason.BAD_ARGUMENT
