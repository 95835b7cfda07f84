"""What one person records in one session: sensors are put on, then every task in turn."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise, product

import numpy as np

from kinefed.biomechanics.engine import Engine
from kinefed.datasets import Event, Recording, RecordingRef, Trial
from kinefed.datasets.types import MVC_TASK
from kinefed.simulations.cohort.arm import ARM_TASKS
from kinefed.simulations.cohort.config import MOST_TAKES, CohortConfig
from kinefed.simulations.cohort.outfit import Outfit, dress, dress_arm
from kinefed.simulations.cohort.people import VirtualPerson
from kinefed.simulations.cohort.recording import record, record_arm
from kinefed.simulations.cohort.tasks import TASKS
from kinefed.simulations.cohort.worn import worn_mvc

# Between two recordings the next task is explained and begun; an assumption, which matters to the
# drift of electrodes only, whose time constant is a quarter of an hour.
_PAUSE_S = 60.0


def record_session(
    person: VirtualPerson, engine: Engine, config: CohortConfig, session: int
) -> Iterator[Recording]:
    """Record one person on one day.

    The sensors and their places are that day's own; body, muscles and manner are the person's. The
    day begins with maximal contractions, whether or not they are recordings of the dataset.

    Parameters
    ----------
    person, engine
        Who, and of their body.
    config
        What is recorded.
    session
        Number of the day, from 0.
    """
    seed = (person.seed, person.number)
    legs = [task for task in config.tasks if task in TASKS]
    arms = [task for task in config.tasks if task in ARM_TASKS]
    worn: list[Outfit] = []
    if legs:
        worn.append(dress(person.rigid_body(), config.rate_hz, seed, session))
    if arms:
        worn.append(dress_arm(person.body, config.rate_hz, seed, session))

    def ref(task: str, number: int) -> RecordingRef:
        return RecordingRef(person.subject.id, f"s{session + 1:02d}", task, number)

    def chance(task: str, take: int) -> np.random.Generator:
        # The takes of the first day are those of a cohort with that day only.
        return person.generator(task, take + (MOST_TAKES + 1) * session)

    elapsed_s = 0.0
    for number, outfit in enumerate(worn):
        if config.mvc:
            asked = ref(MVC_TASK, number + 1), config.rate_hz, chance(MVC_TASK, number)
            yield record_mvc(outfit, *asked, raw_emg=config.raw_emg)
        elapsed_s += outfit.maximal_s(config.rate_hz) + _PAUSE_S
    seconds = 60.0 * config.minutes
    for task, take in product(config.tasks, range(config.takes)):
        rng = chance(task, take)
        wanted = person, rng, seconds, config.rate_hz
        if task in ARM_TASKS:
            yield record_arm(
                worn[-1],
                ARM_TASKS[task].generate(*wanted),
                ref(task, take + 1),
                rng,
                raw_emg=config.raw_emg,
                elapsed_s=elapsed_s,
            )
        else:
            yield record(
                engine,
                worn[0],
                TASKS[task].generate(*wanted),
                ref(task, take + 1),
                rng,
                raw_emg=config.raw_emg,
                insoles=config.insoles,
                elapsed_s=elapsed_s,
            )
        elapsed_s += seconds + _PAUSE_S


def record_mvc(
    outfit: Outfit,
    ref: RecordingRef,
    rate_hz: float,
    rng: np.random.Generator,
    *,
    raw_emg: bool = False,
) -> Recording:
    """Turn the maximal contractions of a session into a recording: muscle activity alone.

    Each contraction is a trial, and an event at its start says which joint pushes where; both
    limbs push at once.

    Parameters
    ----------
    outfit
        Of the session.
    ref, rate_hz, rng, raw_emg
        As of `record`. Envelopes are those that the session's reference was taken from, so that
        the largest mean over half a second is 1.
    """
    emg = worn_mvc(outfit, rate_hz, rng, raw=raw_emg)
    edges = np.linspace(0.0, outfit.maximal_s(rate_hz), len(outfit.efforts) + 1).tolist()
    return Recording(
        ref,
        {emg.name: emg},
        trials=tuple(Trial(i, start, end) for i, (start, end) in enumerate(pairwise(edges))),
        events=tuple(
            Event(start, name) for start, name in zip(edges[:-1], outfit.efforts, strict=True)
        ),
    )
