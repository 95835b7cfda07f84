"""The controls of a study, each one job for a worker: what federation is measured against."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kinefed.client.data import LocalData, local_data
from kinefed.client.directions import directions, each_direction
from kinefed.client.errors import NothingToLearnError
from kinefed.models import predict, train_steps
from kinefed.models.baselines import MeanProfile, Trees, contact_phase
from kinefed.personalization.setup import ModelSetup, build_network
from kinefed.server import FederationConfig
from kinefed.signals import LegSeries, Scaling, Windows, leg_sums

Predictions = dict[str, NDArray[np.float32]]

# Frames that the taps of the trees need at 100 Hz: the present one and 100 ms before it.
TREE_WINDOW = 11


def truth_of(data: Path, subject: str, setup: str) -> dict[str, NDArray[Any]] | None:
    """Return labels and where they are from, one row a window, in the order of every method.

    Returns
    -------
    dict or None
        ``y`` (n, outputs) N m/kg, ``task``, ``recording``, ``side``, ``contact``, ``frame`` and
        ``phase`` (0 to 1 within the contact), each (n,); None for a person without usable data.
    """
    try:
        windows = local_data(data, subject, setup).windows
    except NothingToLearnError:
        return None
    if not len(windows):
        return None
    _, y, _ = windows.gather(np.arange(len(windows)))
    return {
        "y": y,
        "task": windows.task,
        "recording": windows.recording,
        "side": windows.side,
        "contact": windows.contact.astype(np.int64),
        "frame": windows.frame,
        "phase": contact_phase(windows),
        "outputs": np.array(ModelSetup.from_json(setup).spec["outputs"]),
    }


def _people(data: Path, subjects: Sequence[str], setup: str) -> dict[str, LocalData]:
    people = {}
    for subject in subjects:
        try:
            people[subject] = local_data(data, subject, setup)
        except NothingToLearnError:
            continue
    return people


def _pool(people: dict[str, LocalData]) -> list[LegSeries]:
    return [leg for person in people.values() for leg in person.series]


def _scaling(series: Sequence[LegSeries], n_optional: int) -> Scaling:
    x, y = leg_sums(series)
    return Scaling.from_sums(x, y, n_optional)


def pooled(
    data: Path, train: Sequence[str], test: Sequence[str], config: FederationConfig
) -> Predictions:
    """Train one model on all training people's data in one place.

    It has the federation's first weights, sees as many windows in all as the federation's
    clients together, at the same rates, and so differs in nothing but the place.
    """
    setup = config.model_setup
    people = _people(data, train, config.setup)
    series = _pool(people)
    scaling = _scaling(series, setup.n_optional)
    windows = Windows(series, setup.window)
    module = build_network(setup, config.seed)
    rng = np.random.default_rng(np.random.SeedSequence([config.seed, len(windows)]))
    for round_ in range(1, config.rounds + 1):
        train_steps(
            module,
            windows,
            scaling,
            steps=config.steps * len(people),
            batch=config.batch,
            rate=config.rate_of(round_, config.rounds),
            weight_decay=config.weight_decay,
            augment=setup.augment(config.noise, config.offset),
            rng=rng,
        )
    return {
        subject: each_direction(
            person, config.protocol, lambda own: predict(module, own.windows, scaling)
        )
        for subject, person in _people(data, test, config.setup).items()
    }


def local(data: Path, subject: str, config: FederationConfig) -> NDArray[np.float32] | None:
    """Train on this person's own adaptation recordings alone, for each direction in turn.

    Returns
    -------
    (windows, outputs) or None
        N m/kg; NaN for windows that are in no test part.
    """
    setup = config.model_setup
    person = _people(data, [subject], config.setup).get(subject)
    if person is None:
        return None
    estimate = np.full((len(person.windows), setup.n_outputs), np.nan, dtype=np.float32)
    for direction in directions(person.windows, config.protocol):
        own = person.referenced(direction.adapt)
        mine = own.windows.subset(direction.adapt)
        used = [own.series[i] for i in np.unique(mine.leg)]
        scaling = _scaling(used, setup.n_optional)
        module = build_network(setup, config.seed)
        rng = np.random.default_rng(np.random.SeedSequence([config.seed, len(mine)]))
        for round_ in range(1, config.rounds + 1):
            train_steps(
                module,
                mine,
                scaling,
                steps=config.steps,
                batch=config.batch,
                rate=config.rate_of(round_, config.rounds),
                weight_decay=config.weight_decay,
                augment=setup.augment(config.noise, config.offset),
                rng=rng,
            )
        estimate[direction.test] = predict(module, own.windows.subset(direction.test), scaling)
    return estimate


def trees(
    data: Path, train: Sequence[str], test: Sequence[str], config: FederationConfig
) -> Predictions:
    """Fit extremely randomised trees on three taps of the inputs."""
    # The taps reach back further than a short network window may.
    model = Trees(seed=config.seed)
    model.fit(Windows(_pool(_people(data, train, config.setup)), TREE_WINDOW))
    return {
        s: each_direction(
            p, config.protocol, lambda own: model.predict(Windows(own.series, TREE_WINDOW))
        )
        for s, p in _people(data, test, config.setup).items()
    }


def mean_profile(data: Path, train: Sequence[str], test: Sequence[str], setup: str) -> Predictions:
    """Fit the mean torque over the phase of a contact: the dullest estimate there is."""
    window = ModelSetup.from_json(setup).window
    model = MeanProfile()
    model.fit(Windows(_pool(_people(data, train, setup)), window))
    return {s: model.predict(p.windows) for s, p in _people(data, test, setup).items()}
