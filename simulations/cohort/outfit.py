"""What a virtual person wears: electrodes on their muscles and IMUs on their segments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from kinefed.biomechanics.anthropometry import BodyParameters
from kinefed.biomechanics.arm import Arm
from kinefed.biomechanics.body import IMU_SITES, Body
from kinefed.biomechanics.geometry import MuscleSet, arm_muscles, leg_muscles
from kinefed.datasets.types import FloatArray
from kinefed.simulations.cohort.electrodes import Electrodes, place_electrodes
from kinefed.simulations.cohort.muscles import HiddenMuscles, draw_muscles, limber
from kinefed.simulations.cohort.semg import mvc_reference, mvc_trial, semg_envelope
from kinefed.simulations.cohort.wear import InsolePlacement, Placement, place_imu, place_insole

SIDES = ("r", "l")
# Channels of the electrodes on each leg.
LEG_EMG = (
    "rectus_femoris",
    "vastus_lateralis",
    "vastus_medialis",
    "hamstrings",
    "gastrocnemius",
    "soleus",
    "tibialis_anterior",
    "gluteus_maximus",
    "gluteus_medius",
    "adductors",
)
ARM_EMG = (
    "biceps_brachii",
    "brachioradialis",
    "triceps_longus",
    "triceps_lateralis",
    "wrist_flexors",
    "wrist_extensors",
)


@dataclass(frozen=True, slots=True)
class Outfit:
    """A person's muscles, and what they wear in one session.

    Attributes
    ----------
    muscles, hidden
        The textbook's leg at the person's size, and what is the person's own.
    electrodes, reference
        Side to electrodes, and to the envelopes' reference (channels,) in volts: that of maximal
        contractions at the start of the session.
    imus
        Site to how the sensor sits.
    insoles
        Side to how the pressure insole lies in the shoe.
    """

    muscles: MuscleSet
    hidden: HiddenMuscles
    electrodes: Mapping[str, Electrodes]
    reference: Mapping[str, FloatArray]
    imus: Mapping[str, Placement]
    insoles: Mapping[str, InsolePlacement]


def dress(body: Body, rate_hz: float, person: Sequence[int], session: int) -> Outfit:
    """Draw a person's muscles and put the sensors on for one session.

    Parameters
    ----------
    body
        The person's.
    rate_hz
        Of the recordings to come.
    person
        Seed words of the person: the same in every session.
    session
        Number of the session.
    """
    p = body.params
    muscles = leg_muscles(p.height_m, p.mass_kg, p.lengths_m["thigh"], p.lengths_m["shank"])
    drawn = draw_muscles(len(muscles.names), np.random.default_rng([*person, 0]))
    hidden = limber(muscles, drawn)
    day = np.random.default_rng([*person, 1, session])
    groups = [[i] for i in range(len(muscles.names))]
    electrodes, reference = {}, {}
    for number, side in enumerate(SIDES):
        skin = np.random.default_rng([*person, 2, number])
        channels = [f"emg.{site}.{side}" for site in LEG_EMG]
        electrodes[side] = place_electrodes(channels, muscles.names, skin, day)
        effort = mvc_trial(len(muscles.names), groups, rate_hz, day)
        envelope = semg_envelope(electrodes[side], effort, rate_hz, day)
        reference[side] = mvc_reference(envelope, rate_hz)
    imus = {site: place_imu(day) for site in IMU_SITES}
    insoles = {side: place_insole(day) for side in SIDES}
    return Outfit(muscles, hidden, electrodes, reference, imus, insoles)


def dress_arm(
    params: BodyParameters, rate_hz: float, person: Sequence[int], session: int
) -> Outfit:
    """Draw the muscles of a person's right arm and put the sensors on it for one session.

    Parameters
    ----------
    params
        Of the person's body.
    rate_hz, person, session
        As of `dress`.
    """
    muscles = arm_muscles(params.height_m, params.mass_kg, params.lengths_m["upper_arm"])
    drawn = draw_muscles(len(muscles.names), np.random.default_rng([*person, 3]))
    hidden = limber(muscles, drawn)
    day = np.random.default_rng([*person, 4, session])
    channels = [f"emg.{site}.r" for site in ARM_EMG]
    electrodes = place_electrodes(channels, muscles.names, np.random.default_rng([*person, 5]), day)
    groups = [[i] for i in range(len(muscles.names))]
    effort = mvc_trial(len(muscles.names), groups, rate_hz, day)
    reference = mvc_reference(semg_envelope(electrodes, effort, rate_hz, day), rate_hz)
    imus = {site: place_imu(day) for site in Arm(params).sites}
    return Outfit(muscles, hidden, {"r": electrodes}, {"r": reference}, imus, {})
