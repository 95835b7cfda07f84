"""The EMG-driven muscle model as a control: calibrated to each person, no network at all.

It reads what a client reads: joint angles, their velocities, and every envelope that the recording
has, scaled by the peaks of the adaptation recordings. Nothing of how virtual people were made is
within its reach: it sees a dataset folder.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kinefed.biomechanics.anthropometry import body_parameters
from kinefed.biomechanics.geometry import MuscleSet, leg_muscles
from kinefed.biomechanics.nms import NmsModel, leg_sources, leg_trial
from kinefed.client.data import LocalData, local_data
from kinefed.client.directions import directions
from kinefed.client.errors import NothingToLearnError
from kinefed.datasets import Dataset
from kinefed.personalization.setup import ModelSetup
from kinefed.server import FederationConfig
from kinefed.signals import LegSpec

# Wherever an electrode may be; those that a recording lacks are not used.
SITES = (
    "rectus_femoris",
    "vastus_lateralis",
    "vastus_medialis",
    "hamstrings",
    "biceps_femoris",
    "semitendinosus",
    "gastrocnemius",
    "gastrocnemius_medialis",
    "gastrocnemius_lateralis",
    "soleus",
    "tibialis_anterior",
    "gluteus_maximus",
    "gluteus_medius",
    "adductors",
)
# Coordinates of the muscles beside the outputs of a leg.
_COORDINATE = {
    "torque.hip": "hip_flexion",
    "torque.hip_abduction": "hip_adduction",
    "torque.knee": "knee_flexion",
    "torque.ankle": "ankle_dorsiflexion",
}


def nms(data: Path, subject: str, config: FederationConfig) -> NDArray[np.float32] | None:
    """Calibrate to a person's adaptation recordings, for each direction in turn, and estimate.

    One model serves both legs: where a leg was hardly recorded, the other's strength is the best
    guess at its own.

    Parameters
    ----------
    data, subject, config
        As for `kinefed.simulations.jobs.local`; of the settings only inputs, outputs, window and
        protocol matter.

    Returns
    -------
    (windows, outputs) or None
        N m/kg, NaN for windows that are in no test part. None where the person has no usable EMG,
        no mass or stature, or outputs that no muscle moves.
    """
    setup = ModelSetup.from_json(config.setup)
    spec = LegSpec.from_dict(setup.spec)
    spec = replace(spec, optional=tuple(f"envelope.{site}" for site in SITES))
    who = Dataset.open(data).subjects[subject]
    if who.mass_kg is None or who.height_m is None or not set(spec.outputs) <= set(_COORDINATE):
        return None
    widened = json.dumps({**json.loads(config.setup), "spec": spec.to_dict()})
    try:
        person = local_data(data, subject, widened)
    except NothingToLearnError:
        return None
    muscles = _muscles(who.height_m, who.mass_kg, who.segment_lengths_m or {})
    columns = [muscles.coordinates.index(_COORDINATE[name]) for name in spec.outputs]
    estimate = np.full((len(person.windows), len(columns)), np.nan, dtype=np.float32)
    for direction in directions(person.windows, config.protocol):
        own = person.referenced(direction.adapt)
        model = _calibrated(own, direction.adapt, spec, muscles, who.mass_kg)
        if model is None:
            return None
        test = own.windows.subset(direction.test)
        for leg in np.unique(test.leg):
            rows = np.flatnonzero(test.leg == leg)
            torque = model.predict(leg_trial(own.series[leg], spec, muscles))
            estimate[direction.test[rows]] = torque[test.frame[rows]][:, columns]
    return estimate


def _muscles(height_m: float, mass_kg: float, measured_m: Mapping[str, float]) -> MuscleSet:
    """The textbook's leg at this person's size."""
    known = {**body_parameters("x", height_m, mass_kg).lengths_m, **measured_m}
    return leg_muscles(height_m, mass_kg, known["thigh"], known["shank"])


def _calibrated(
    own: LocalData, adapt: NDArray[np.intp], spec: LegSpec, muscles: MuscleSet, mass_kg: float
) -> NmsModel | None:
    """Fit the model to the adaptation part; None where no leg of it has an electrode."""
    legs = [own.series[leg] for leg in np.unique(own.windows.subset(adapt).leg)]
    if not legs:
        return None
    # Only what all of them have: a gain cannot be learnt where the channel is silent.
    available = np.all([leg.available for leg in legs], axis=0)
    sources = leg_sources(muscles, spec, available.tolist())
    if not sources.any():
        return None
    trials = [leg_trial(leg, spec, muscles) for leg in legs]
    return NmsModel.nominal(muscles, mass_kg, sources).calibrate(trials)
