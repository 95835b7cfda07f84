"""Which movement is under way: linear discriminant analysis of what worn sensors felt lately.

Each channel's mean and spread over the last 1.5 seconds are compared with those of people who did
the known tasks (Fisher 1936; covariance shrunk towards its diagonal, Friedman 1989, J Am Stat Assoc
84:165). A task has to lead for half a second before it is believed, so that models do not flicker.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kinefed.client.live.tasks import ANY, TaskGuess
from kinefed.datasets import DataError, DataReason, Recording
from kinefed.datasets.types import FloatArray
from kinefed.sensors import Even

FORMAT = 1
WINDOW_S, HOP_S = 1.5, 0.5
# Looks while live, and how long another task has to lead.
_EVERY_S, _LEADS_S = 0.1, 0.5
_SHRINK = 0.2
# A window with more of it lost says nothing.
_MOST_LOST = 0.3
# Far from all that was learnt, no task is likely: mean squared distance of a feature, in variances.
_FAR = 9.0
_LEAST = 1e-3


@dataclass(frozen=True, slots=True)
class TaskModel:
    """What was learnt of tasks.

    Attributes
    ----------
    channels
        Read, in their order.
    tasks
        Names.
    centre, scale
        (features,): means first, then the logarithms of the spreads, of `channels`.
    means
        (tasks, features), scaled.
    precision
        (features, features), scaled: inverse of the covariance within tasks.
    """

    channels: tuple[str, ...]
    tasks: tuple[str, ...]
    centre: FloatArray
    scale: FloatArray
    means: FloatArray
    precision: FloatArray

    def posterior(self, features: FloatArray) -> tuple[FloatArray, float]:
        """Probability of each task, (tasks,), and mean squared distance to the likeliest."""
        away = (features - self.centre) / self.scale - self.means
        distance = np.einsum("tf,fg,tg->t", away, self.precision, away)
        weight = np.exp(-0.5 * (distance - distance.min()))
        return np.asarray(weight / weight.sum()), float(distance.min()) / len(features)

    def save(self, path: Path) -> None:
        """Write it as JSON."""
        arrays = {n: getattr(self, n).tolist() for n in ("centre", "scale", "means", "precision")}
        body = {"format": FORMAT, "channels": self.channels, "tasks": self.tasks, **arrays}
        path.write_text(json.dumps(body), encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> TaskModel:
        """Read one, from anybody.

        Raises
        ------
        DataError
            ``bad_format`` with what is wrong.
        """
        try:
            body = json.loads(path.read_text(encoding="utf-8"))
            channels, tasks = (tuple(map(str, body[name])) for name in ("channels", "tasks"))
            n, m = 2 * len(channels), len(tasks)
            arrays = {}
            for name, shape in (
                ("centre", (n,)), ("scale", (n,)), ("means", (m, n)), ("precision", (n, n))
            ):  # fmt: skip
                arrays[name] = np.array(body[name], dtype=np.float64)
                if arrays[name].shape != shape or not np.isfinite(arrays[name]).all():
                    raise ValueError(f"{name} has another shape, or no finite numbers")
            if body["format"] != FORMAT or m < 2 or not (arrays["scale"] > 0.0).all():
                raise ValueError("another format, fewer than two tasks, or a scale of 0")
        except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
            raise DataError(
                DataReason.BAD_FORMAT,
                "there is no such file"
                if isinstance(error, FileNotFoundError)
                else f"it holds no tasks: {error}",
                where=path,
                next_step="Make it with `kinefed tasks`",
            ) from None
        return cls(channels, tasks, **arrays)


def features_of(values: FloatArray) -> FloatArray:
    """Features of a window, (2 channels,), from its samples, (samples, channels)."""
    return np.concatenate([values.mean(axis=0), np.log(np.maximum(values.std(axis=0), _LEAST))])


def windows_of_recording(recording: Recording, channels: Sequence[str]) -> FloatArray:
    """Features of all windows of a recording, (windows, features).

    Raises
    ------
    DataError
        ``missing_column`` where it lacks a channel.
    """
    streams = []
    for channel in channels:
        stream = recording.find(channel)
        if stream is None:
            raise DataError(
                DataReason.MISSING_COLUMN,
                f"it lacks {channel}",
                where=recording.ref.key,
                next_step="Leave the channel out, or record it",
            )
        streams.append(stream)
    start = max(stream.start_s for stream in streams)
    end = min(stream.start_s + stream.duration_s for stream in streams)
    found = []
    for begin in np.arange(start, end - WINDOW_S, HOP_S):
        columns = []
        for stream, channel in zip(streams, channels, strict=True):
            first = round((begin - stream.start_s) * stream.rate_hz)
            part = stream.column(channel)[first : first + round(WINDOW_S * stream.rate_hz)]
            columns.append(features_of(part[:, None]))
        found.append(np.stack(columns, axis=1).ravel())
    return np.array(found).reshape(-1, 2 * len(channels))


def fit_tasks(windows: Mapping[str, Iterable[FloatArray]], channels: Sequence[str]) -> TaskModel:
    """Learn tasks.

    Parameters
    ----------
    windows
        Task to features of its windows, (windows, features) of each recording.
    channels
        That the features are of.

    Raises
    ------
    DataError
        ``empty`` with fewer than two tasks that have windows.
    """
    lists = {task: [*parts] for task, parts in windows.items()}
    each = {task: np.concatenate(parts) for task, parts in lists.items() if parts}
    each = {task: part for task, part in each.items() if len(part)}
    if len(each) < 2:
        raise DataError(
            DataReason.EMPTY,
            f"windows of {len(each)} tasks; telling tasks apart takes two",
            next_step="Bring recordings of more tasks, of 2 s or longer",
        )
    every = np.concatenate([*each.values()])
    centre, scale = every.mean(axis=0), np.maximum(every.std(axis=0), _LEAST)
    scaled = {task: (part - centre) / scale for task, part in each.items()}
    # Every task counts alike, however long it was recorded.
    spread = np.mean([np.cov(part.T) if len(part) > 1 else 0.0 * np.eye(len(centre))
                      for part in scaled.values()], axis=0)  # fmt: skip
    shrunk = (1.0 - _SHRINK) * spread + _SHRINK * np.diag(np.diag(spread))
    shrunk += _LEAST * np.eye(len(centre))
    means = np.array([part.mean(axis=0) for part in scaled.values()])
    return TaskModel(tuple(channels), tuple(each), centre, scale, means, np.linalg.inv(shrunk))


class LearntTasks:
    """Recognises tasks that were learnt, live.

    Parameters
    ----------
    model
        What was learnt.
    rates_hz
        Stream to samples a second.
    channels
        Stream to its channels.

    Raises
    ------
    DataError
        ``missing_column`` where nothing worn gives a channel that the model reads.
    """

    def __init__(
        self,
        model: TaskModel,
        rates_hz: Mapping[str, float],
        channels: Mapping[str, Sequence[str]],
    ) -> None:
        there = {name: (s, i) for s, names in channels.items() for i, name in enumerate(names)}
        if missing := [name for name in model.channels if name not in there]:
            raise DataError(
                DataReason.MISSING_COLUMN,
                f"tasks are told by {', '.join(missing)}, which nothing worn gives",
                next_step="Wear that sensor, or learn tasks from what is worn",
            )
        self._model = model
        self._places = [there[name] for name in model.channels]
        self._rates = dict(rates_hz)
        used = {stream for stream, _ in self._places}
        self._values = {
            s: np.zeros((round(WINDOW_S * rates_hz[s]), len(channels[s]))) for s in used
        }
        self._valid = {s: np.zeros(len(v), dtype=np.bool_) for s, v in self._values.items()}
        self._newest_s = dict.fromkeys(used, -math.inf)
        self._looked_s = -math.inf
        self._guess, self._rival, self._since_s = TaskGuess(ANY, 0.0), ANY, -math.inf

    def take(self, stream: str, even: Even) -> None:
        """Take the next samples of a stream, in the units of recordings."""
        if stream not in self._values or not len(even.values):
            return
        for kept, new in (
            (self._values[stream], even.values), (self._valid[stream], even.valid)
        ):  # fmt: skip
            n = min(len(new), len(kept))
            kept[:-n] = kept[n:]
            kept[len(kept) - n :] = new[len(new) - n :]
        self._newest_s[stream] = (even.first + len(even.values) - 1) / self._rates[stream]

    def guess(self, now_s: float) -> TaskGuess:
        """Say what is done: `ANY` with confidence 0 while that cannot be told."""
        if now_s - self._looked_s < _EVERY_S - 1e-9:
            return self._guess
        self._looked_s = now_s
        task, confidence = self._look(now_s)
        if task != self._rival:
            self._rival, self._since_s = task, now_s
        at_once = ANY in (task, self._guess.task) or task == self._guess.task
        if at_once or now_s - self._since_s >= _LEADS_S:
            self._guess = TaskGuess(task, confidence)
        return self._guess

    def _look(self, now_s: float) -> tuple[str, float]:
        lost = max(1.0 - float(valid.mean()) for valid in self._valid.values())
        if lost > _MOST_LOST or now_s - min(self._newest_s.values()) > _MOST_LOST * WINDOW_S:
            return ANY, 0.0
        seen = {stream: features_of(values) for stream, values in self._values.items()}
        halves = [
            [seen[s][i + half * self._values[s].shape[1]] for s, i in self._places]
            for half in (0, 1)
        ]
        share, far = self._model.posterior(np.ravel(halves))
        if far > _FAR:
            return ANY, 0.0
        best = int(np.argmax(share))
        return self._model.tasks[best], float(share[best])
