"""What a virtual person wears: electrodes on their muscles and IMUs on their segments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

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

# What is contracted together in a maximal effort against a fixed resistance, a joint and direction
# at a time as in manual muscle testing; each muscle is in one of them at least.
LEG_MVC: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "hip_extension": (
            "gluteus_maximus",
            "adductor_magnus",
            "biceps_femoris",
            "semitendinosus",
            "semimembranosus",
        ),
        "hip_flexion": ("iliopsoas", "rectus_femoris", "tensor_fasciae_latae"),
        "hip_abduction": ("gluteus_medius", "gluteus_minimus", "tensor_fasciae_latae"),
        "hip_adduction": ("adductor_longus", "adductor_magnus"),
        "knee_extension": (
            "rectus_femoris",
            "vastus_lateralis",
            "vastus_medialis",
            "vastus_intermedius",
        ),
        "knee_flexion": (
            "biceps_femoris",
            "biceps_femoris_short",
            "semitendinosus",
            "semimembranosus",
        ),
        "plantarflexion": ("gastrocnemius_lateralis", "gastrocnemius_medialis", "soleus"),
        "dorsiflexion": ("tibialis_anterior",),
    }
)
ARM_MVC: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "elbow_flexion": ("biceps_brachii", "brachialis", "brachioradialis"),
        "elbow_extension": ("triceps_longus", "triceps_lateralis", "triceps_medialis"),
        "wrist_flexion": ("wrist_flexors",),
        "wrist_extension": ("wrist_extensors",),
    }
)


@dataclass(frozen=True, slots=True)
class Maximal:
    """The maximal contractions of one limb at the start of a session.

    Attributes
    ----------
    excitation
        (frames, muscles).
    envelope_v
        (frames, channels): what the electrodes show of it, in volts.
    """

    excitation: FloatArray
    envelope_v: FloatArray


@dataclass(frozen=True, slots=True)
class Outfit:
    """A person's muscles, and what they wear in one session.

    Attributes
    ----------
    muscles, hidden
        The textbook's leg at the person's size, and what is the person's own.
    efforts
        Names of the maximal contractions, in their order.
    electrodes, maximal, reference
        Side to electrodes, to what they showed of the maximal contractions at the start of the
        session, and to the envelopes' reference (channels,) in volts that these gave.
    imus
        Site to how the sensor sits.
    insoles
        Side to how the pressure insole lies in the shoe.
    """

    muscles: MuscleSet
    hidden: HiddenMuscles
    efforts: tuple[str, ...]
    electrodes: Mapping[str, Electrodes]
    maximal: Mapping[str, Maximal]
    reference: Mapping[str, FloatArray]
    imus: Mapping[str, Placement]
    insoles: Mapping[str, InsolePlacement]

    def maximal_s(self, rate_hz: float) -> float:
        """How long the maximal contractions took; those of both legs ran side by side."""
        return max(len(each.excitation) for each in self.maximal.values()) / rate_hz


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
    # Not the word 0: a seed is padded with zeros, and the person's alone draws age and size.
    drawn = draw_muscles(len(muscles.names), np.random.default_rng([*person, 6]))
    hidden = limber(muscles, drawn)
    day = np.random.default_rng([*person, 1, session])
    electrodes, maximal = {}, {}
    for number, side in enumerate(SIDES):
        skin = np.random.default_rng([*person, 2, number])
        channels = [f"emg.{site}.{side}" for site in LEG_EMG]
        electrodes[side] = place_electrodes(channels, muscles.names, skin, day)
        maximal[side] = _contract(muscles, LEG_MVC, electrodes[side], rate_hz, day)
    imus = {site: place_imu(day) for site in IMU_SITES}
    insoles = {side: place_insole(day) for side in SIDES}
    reference = {side: mvc_reference(m.envelope_v, rate_hz) for side, m in maximal.items()}
    efforts = tuple(LEG_MVC)
    return Outfit(muscles, hidden, efforts, electrodes, maximal, reference, imus, insoles)


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
    maximal = _contract(muscles, ARM_MVC, electrodes, rate_hz, day)
    reference = {"r": mvc_reference(maximal.envelope_v, rate_hz)}
    imus = {site: place_imu(day) for site in Arm(params).sites}
    sleeve = {"r": electrodes}
    return Outfit(
        muscles, hidden, tuple(ARM_MVC), sleeve, {"r": maximal}, reference, imus, insoles={}
    )


def _contract(
    muscles: MuscleSet,
    efforts: Mapping[str, Sequence[str]],
    electrodes: Electrodes,
    rate_hz: float,
    day: np.random.Generator,
) -> Maximal:
    """Contract all muscles of a limb as hard as the person can, one effort after the other."""
    groups = [[muscles.index(name) for name in together] for together in efforts.values()]
    excitation = mvc_trial(len(muscles.names), groups, rate_hz, day)
    return Maximal(excitation, semg_envelope(electrodes, excitation, rate_hz, day))
