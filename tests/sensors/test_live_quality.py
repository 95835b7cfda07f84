"""Faults are found in channels that have them, and in no channel of people who have none."""

from functools import cache

import numpy as np
import pytest
from calibrated_person import performance

from kinefed.biomechanics import Engine
from kinefed.datasets.errors import UsageError
from kinefed.datasets.types import RecordingRef
from kinefed.sensors.quality import Fault, QualityMonitor
from kinefed.simulations.cohort.outfit import dress
from kinefed.simulations.cohort.people import sample_people
from kinefed.simulations.cohort.recording import record
from kinefed.simulations.cohort.tasks import task

PEOPLE = range(3)


@cache
def worn_emg(number):
    """Raw EMG of squats at 1000 Hz: rest and effort."""
    person = sample_people(number + 1, 3)[number]
    body = person.rigid_body()
    outfit = dress(body, 100.0, (3, number), 0)
    rng = person.generator("squat")
    motion = task("squat").generate(person, rng, 8.0, 100.0)
    ref = RecordingRef(person.subject.id, "s01", "squat", 1)
    return record(Engine(body), outfit, motion, ref, rng, raw_emg=True).streams["emg"]


def looks(channels, values, rate_hz, valid=None, chunk=97):
    """What is said once a second."""
    monitor, told = QualityMonitor(channels, rate_hz), []
    valid = np.ones(len(values), bool) if valid is None else valid
    for at in range(0, len(values), chunk):
        monitor.push(values[at : at + chunk], valid[at : at + chunk])
        if at // round(rate_hz) != (at + chunk) // round(rate_hz):
            told.append(monitor.look())
    return told


@pytest.mark.parametrize("number", PEOPLE)
@pytest.mark.parametrize("counts", [False, True])
def test_nothing_is_said_of_sound_emg(number, counts):
    stream = worn_emg(number)
    values, rate_hz = stream.data, stream.rate_hz
    if counts:
        # An armband: 200 Hz, whole counts, the loudest at 100 of 128, a count kept as 1 uV.
        values, rate_hz = values[::5], 200.0
        values = 1e-6 * np.round(100.0 * values / np.abs(values).max(axis=0))
    for look in looks(stream.channels, values, rate_hz):
        assert [each.advice for each in look if not each.good] == []


@pytest.mark.parametrize("number", PEOPLE)
def test_nothing_is_said_of_sound_imus(number):
    done, _ = performance(number)
    for name, stream in done.recording.streams.items():
        if name.startswith("imu"):
            for look in looks(stream.channels, stream.data, stream.rate_hz):
                assert [each.advice for each in look if not each.good] == []


def spoilt(number, spoil):
    """The last look at EMG of which the first channel was spoilt."""
    stream = worn_emg(number)
    values = stream.data[:6000, :4].copy()
    times = np.arange(len(values)) / stream.rate_hz
    values[:, 0] = spoil(values[:, 0], times)
    monitor = QualityMonitor(stream.channels[:4], stream.rate_hz)
    monitor.push(values, np.ones(len(values), bool))
    return monitor.look()


def hum(frequency_hz, size_v, harmonics=0.0):
    def spoil(values, times):
        phase = 2.0 * np.pi * frequency_hz * times
        return values + size_v * (np.sin(phase) + harmonics * np.sin(3.0 * phase))

    return spoil


def clipped(values, _times):
    most = np.quantile(np.abs(values), 0.9)
    return np.clip(values, -most, most)


def in_the_air(values, times):
    return values + 8e-3 * np.sin(2.0 * np.pi * 31.0 * times + 3.0 * np.sin(7.0 * times))


@pytest.mark.parametrize("number", PEOPLE)
@pytest.mark.parametrize(
    ("spoil", "fault"),
    [
        (lambda values, _: 0.0 * values, Fault.FLAT),
        (lambda values, _: 0.0 * values + 1.65, Fault.FLAT),
        (lambda values, times: np.where(times % 3.0 < 0.8, 0.0, values), Fault.FLAT),
        (in_the_air, Fault.HUGE),
        (hum(50.0, 1e-3), Fault.HUM),
        (hum(60.0, 1e-3), Fault.HUM),
        (hum(49.8, 7e-4, harmonics=0.7), Fault.HUM),
        (clipped, Fault.SATURATED),
    ],
)
def test_a_fault_of_an_electrode_is_found_and_its_neighbours_stay_good(number, spoil, fault):
    look = spoilt(number, spoil)
    assert look[0].faults[0] is fault
    assert look[0].advice.startswith(look[0].channel)
    assert all(each.good for each in look[1:])


@pytest.mark.parametrize(("rest_s", "faults"), [(1.2, ()), (2.4, (Fault.FLAT,))])
def test_a_muscle_that_rests_below_the_steps_of_a_coarse_converter_is_no_fault(rest_s, faults):
    """8 bits of 16 uV: between contractions such an armband gives one and the same count."""
    times = np.arange(3000) / 1000.0
    effort = 1e-4 * np.random.default_rng(0).standard_normal(3000)
    counts = np.round(np.where(times < rest_s, 3e-6, effort) / 16e-6)
    monitor = QualityMonitor(("emg.soleus.r",), 1000.0)
    monitor.push(16e-6 * counts[:, None], np.ones(3000, bool))
    (found,) = monitor.look()
    assert found.faults == faults


def test_hum_that_does_no_harm_is_not_said_but_measured():
    look = spoilt(0, lambda _, times: hum(50.0, 5e-6)(0.0 * times, times))
    assert look[0].good
    assert look[0].hum_share > 0.9
    assert look[0].rms == pytest.approx(5e-6 / np.sqrt(2.0), rel=0.05)


def imu(place="shank.r"):
    done, _ = performance(0)
    return done.recording.find(f"acc.{place}.x")


def test_a_stuck_imu_is_found_within_a_second_and_only_while_it_is():
    stream = imu()
    values = stream.data[2000:2600].copy()
    values[300:420, :3] = values[299, :3]
    monitor = QualityMonitor(stream.channels, 100.0)
    said = []
    for row in values:
        monitor.push(row[None], np.ones(1, bool))
        said.append({each.channel[:3] for each in monitor.look() if Fault.STUCK in each.faults})
    assert np.flatnonzero(said).tolist() == list(range(398, 420))
    assert said[410] == {"acc"}


@pytest.mark.parametrize(("kind", "end"), [("acc", 2 * 9.80665), ("gyro", np.deg2rad(250.0))])
def test_a_range_that_is_too_small_is_found(kind, end):
    stream = imu("foot.r")
    values = stream.data[2500:].copy()
    columns = [i for i, name in enumerate(stream.channels) if name.startswith(kind)]
    values[:, columns] = np.clip(values[:, columns], -end, end)
    look = looks(stream.channels, values, 100.0)[-1]
    ended = {each.channel for each in look if each.faults == (Fault.SATURATED,)}
    assert f"{kind}.foot.r.{'z' if kind == 'acc' else 'y'}" in ended
    assert all(name.startswith(kind) for name in ended)


def test_lost_samples_are_counted_and_do_not_look_stuck():
    stream = imu()
    values, valid = stream.data[2000:2600].copy(), np.ones(600, bool)
    for first in range(310, 600, 40):
        valid[first : first + 15] = False
        values[first : first + 15] = values[first - 1]
    look = looks(stream.channels, values, 100.0, valid)[-1]
    assert {each.faults for each in look} == {(Fault.LOST,)}
    assert look[0].lost_share == pytest.approx(0.375, abs=0.03)
    # A sensor that is away is said to lose samples, and nothing else.
    valid[300:] = False
    assert {each.faults for each in looks(stream.channels, values, 100.0, valid)[-1]} == {
        (Fault.LOST,)
    }


def test_nothing_is_said_before_there_is_anything():
    monitor = QualityMonitor(("emg.soleus.r",), 1000.0)
    assert monitor.look()[0].good
    monitor.push(np.zeros((500, 1)), np.ones(500, bool))
    assert monitor.look()[0].good
    monitor.push(np.zeros((500, 1)), np.ones(500, bool))
    assert monitor.look()[0].faults == (Fault.FLAT,)
    with pytest.raises(UsageError, match="window"):
        QualityMonitor(("emg.soleus.r",), 1000.0, 0.5)
