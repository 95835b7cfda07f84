"""Tasks are told by what sensors felt; what cannot be told is said."""

import json

import numpy as np
import pytest

from kinefed.client.live import ANY
from kinefed.client.live.recogniser import (
    LearntTasks,
    TaskModel,
    fit_tasks,
    windows_of_recording,
)
from kinefed.datasets import DataError, DataReason, Recording, RecordingRef, Stream
from kinefed.sensors import Even

CHANNELS = ("gyro.thigh.r.y", "gyro.shank.r.y")
RATE_HZ = 60.0
# Hertz and size of a sine: thigh, shank.
MOVES = {
    "walk": ((1.0, 2.0), (1.0, 3.0)),
    "squat": ((0.4, 0.8), (0.4, 0.5)),
    "rest": ((1, 0), (1, 0)),
}


def moving(task, seconds=12.0, seed=0):
    rng = np.random.default_rng(seed)
    t = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    columns = [size * (1 + 0.1 * rng.standard_normal()) * np.sin(2 * np.pi * hertz * t + i + seed)
               for i, (hertz, size) in enumerate(MOVES[task])]  # fmt: skip
    return np.column_stack(columns) + 0.02 * rng.standard_normal((len(t), 2))


def recording(task, seed):
    stream = Stream("imu", RATE_HZ, 0.0, CHANNELS, ("rad/s",) * 2, moving(task, seed=seed))
    return Recording(RecordingRef("S01", "s01", task, seed + 1), {"imu": stream})


@pytest.fixture(scope="module")
def model():
    return fit_tasks(
        {t: [windows_of_recording(recording(t, s), CHANNELS) for s in range(6)] for t in MOVES},
        CHANNELS,
    )


def play(tasks, parts, chunk=3):
    """Guesses every 0.01 s, with their times."""
    first, guesses = 0, []
    for values, valid in parts:
        for i in range(0, len(values), chunk):
            rows = values[i : i + chunk]
            tasks.take("imu", Even(first, rows, np.full(len(rows), valid)))
            first += len(rows)
            now = first / RATE_HZ
            guesses += [(now + k / 100, tasks.guess(now + k / 100)) for k in range(5)]
    return guesses


def learnt(model):
    return LearntTasks(model, {"imu": RATE_HZ}, {"imu": CHANNELS})


def test_a_movement_is_told_and_a_change_of_it_soon_after(model):
    guesses = play(learnt(model), [(moving(t, 6.0, seed=9), True) for t in ("walk", "squat")])
    walking = [g.task for t, g in guesses if 2.0 < t < 6.0]
    assert set(walking) == {"walk"}
    squatting = [g.task for t, g in guesses if t > 8.5]
    assert set(squatting) == {"squat"}
    assert all(0.0 <= g.confidence <= 1.0 for _, g in guesses)


def test_the_same_packets_give_the_same_guesses(model):
    parts = [(moving(t, 4.0, seed=3), True) for t in ("rest", "walk")]
    assert play(learnt(model), parts) == play(learnt(model), parts)


def test_another_task_must_lead_for_a_while(model):
    """A stumble of a quarter of a second changes no model."""
    walk = moving("walk", 8.0, seed=9)
    walk[240:255] = 0.0
    guesses = play(learnt(model), [(walk, True)])
    assert {g.task for t, g in guesses if t > 2.0} == {"walk"}


def test_what_is_lost_or_strange_is_no_task(model):
    walk = moving("walk", 6.0, seed=9)
    tasks = learnt(model)
    guesses = play(tasks, [(walk, True), (walk[:120], False)])
    assert guesses[-1][1].task == ANY
    assert guesses[-1][1].confidence == 0.0
    assert tasks.guess(100.0).task == ANY
    strange = play(learnt(model), [(50.0 + 30.0 * walk, True)])
    assert {g.task for t, g in strange if t > 2.0} == {ANY}


def test_a_saved_model_is_the_same_and_a_broken_one_is_refused(model, tmp_path):
    path = tmp_path / "tasks.json"
    model.save(path)
    again = TaskModel.load(path)
    x = windows_of_recording(recording("walk", 7), CHANNELS)[0]
    assert again.posterior(x)[0].tolist() == model.posterior(x)[0].tolist()
    body = json.loads(path.read_text())
    for change in (
        {"format": 2},
        {"means": [[1.0]]},
        {"scale": [0.0] * 4},
        {"centre": [float("nan")] * 4},
        {"tasks": None},
    ):
        path.write_text(json.dumps(body | change))
        with pytest.raises(DataError, match="it holds no tasks"):
            TaskModel.load(path)
    path.write_text("[" * 100_000)
    with pytest.raises(DataError) as caught:
        TaskModel.load(path)
    assert caught.value.reason is DataReason.BAD_FORMAT


def test_what_is_not_worn_and_too_few_tasks_are_refused(model):
    with pytest.raises(DataError, match=r"gyro\.shank\.r\.y, which nothing worn"):
        LearntTasks(model, {"imu": RATE_HZ}, {"imu": CHANNELS[:1]})
    one = [windows_of_recording(recording("walk", 0), CHANNELS)]
    with pytest.raises(DataError, match="windows of 1 tasks"):
        fit_tasks({"walk": one, "squat": []}, CHANNELS)
    with pytest.raises(DataError, match=r"lacks gyro\.foot"):
        windows_of_recording(recording("walk", 0), ("gyro.foot.r.y",))
