"""Where EMG electrodes sit on a virtual person, and what they pick up there.

An electrode shows its own muscle and, by crosstalk, the neighbours. Every day it is put on a little
differently: it moves towards one neighbour and its gain changes. In a session sweat changes the
gain slowly.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kinefed.datasets.channels import ChannelName
from kinefed.datasets.errors import UsageError, UsageReason
from kinefed.datasets.types import FloatArray
from kinefed.simulations.cohort.radio import refuse_negative

# Muscle to compartment; a deep muscle counts as one compartment further from the skin.
_COMPARTMENTS = {
    "gluteus_maximus": "buttock",
    "gluteus_medius": "hip_side",
    "gluteus_minimus": "hip_side",
    "tensor_fasciae_latae": "hip_side",
    "iliopsoas": "groin",
    "adductor_longus": "inner_thigh",
    "adductor_magnus": "inner_thigh",
    "rectus_femoris": "front_thigh",
    "vastus_lateralis": "front_thigh",
    "vastus_medialis": "front_thigh",
    "vastus_intermedius": "front_thigh",
    "biceps_femoris": "back_thigh",
    "biceps_femoris_short": "back_thigh",
    "semitendinosus": "back_thigh",
    "semimembranosus": "back_thigh",
    "gastrocnemius_lateralis": "calf",
    "gastrocnemius_medialis": "calf",
    "soleus": "calf",
    "tibialis_anterior": "shin",
    "biceps_brachii": "front_arm",
    "brachialis": "front_arm",
    "brachioradialis": "outer_forearm",
    "triceps_longus": "back_arm",
    "triceps_lateralis": "back_arm",
    "triceps_medialis": "back_arm",
    "wrist_flexors": "inner_forearm",
    "wrist_extensors": "outer_forearm",
}
_DEEP = {"gluteus_minimus", "iliopsoas", "vastus_intermedius", "triceps_medialis"}
_ADJACENT = {
    frozenset(pair)
    for pair in (
        ("buttock", "hip_side"),
        ("buttock", "back_thigh"),
        ("hip_side", "front_thigh"),
        ("groin", "front_thigh"),
        ("groin", "inner_thigh"),
        ("inner_thigh", "front_thigh"),
        ("inner_thigh", "back_thigh"),
        ("calf", "shin"),
        ("front_arm", "back_arm"),
        ("front_arm", "outer_forearm"),
        ("inner_forearm", "outer_forearm"),
    )
}
# Channels that stand for several muscles.
_GROUPS = {
    "hamstrings": ("biceps_femoris", "semitendinosus", "semimembranosus"),
    "biceps_femoris": ("biceps_femoris", "biceps_femoris_short"),
    "gastrocnemius": ("gastrocnemius_lateralis", "gastrocnemius_medialis"),
    "adductors": ("adductor_longus", "adductor_magnus"),
    "triceps_brachii": ("triceps_longus", "triceps_lateralis"),
}


def muscles_under(site: str, muscles: Sequence[str]) -> tuple[int, ...]:
    """Give the places in `muscles` that a channel of this site shows.

    Raises
    ------
    UsageError
        ``unknown_name`` for a site with no muscle under it.
    """
    own = tuple(muscles.index(name) for name in _GROUPS.get(site, (site,)) if name in muscles)
    if not own:
        raise UsageError(
            UsageReason.UNKNOWN_NAME,
            f"no muscle lies under an electrode at {site!r}",
            where="electrodes",
            next_step=f"There are {', '.join(muscles)}",
        )
    return own


def distances(muscles: Sequence[str]) -> FloatArray:
    """Give how far muscles are from one another, (muscles, muscles), in compartments.

    0 for itself, 1 in the same compartment, 2 in the next, infinite beyond; 1 more for a deep one.
    """
    count = len(muscles)
    away = np.full((count, count), np.inf)
    for i, one in enumerate(muscles):
        for j, other in enumerate(muscles):
            pair = frozenset((_COMPARTMENTS[one], _COMPARTMENTS[other]))
            if i == j:
                away[i, j] = 0.0
            elif len(pair) == 1 or pair in _ADJACENT:
                away[i, j] = len(pair) + (other in _DEEP)
    return away


@dataclass(frozen=True, slots=True)
class ElectrodeConfig:
    """How electrodes differ between people and days.

    Attributes
    ----------
    amplitude_v
        RMS over a fully active muscle. 0.3..1 mV are usual on the thigh and calf.
    amplitude_spread
        Standard deviation of the logarithm of that amplitude between channels and people: skin and
        fat.
    crosstalk
        Amplitude of a neighbour in the same compartment over its own; falls by e per compartment.
        De Luca and Merletti (Electroencephalogr Clin Neurophysiol 69, 1988) measured up to 0.17.
    shift
        Standard deviation of the share by which a day's placement moves towards a neighbour.
    gain_spread
        Standard deviation of the logarithm of the gain between days.
    drift, drift_s
        Standard deviation of the relative gain that sweat has changed once `drift_s` are long past.
    """

    amplitude_v: float = 5e-4
    amplitude_spread: float = 0.4
    crosstalk: float = 0.10
    shift: float = 0.10
    gain_spread: float = 0.20
    drift: float = 0.15
    drift_s: float = 900.0

    def __post_init__(self) -> None:
        refuse_negative(self, positive=("amplitude_v", "drift_s"))


@dataclass(frozen=True, slots=True)
class Electrodes:
    """The electrodes of one limb in one session.

    Attributes
    ----------
    channels
        Names without kind, for example ``vastus_lateralis.r``.
    mixing
        (channels, muscles): volts RMS of each muscle at full activity.
    drift
        (channels,): relative change of gain that sweat ends at.
    drift_s
        Time constant of the drift.
    """

    channels: tuple[str, ...]
    mixing: FloatArray
    drift: FloatArray
    drift_s: float

    def gain(self, elapsed_s: FloatArray) -> FloatArray:
        """Give the gain of each channel at times since the start of the session, (times, n)."""
        progress = 1.0 - np.exp(-np.asarray(elapsed_s) / self.drift_s)
        return np.asarray(1.0 + progress[:, None] * self.drift)


def place_electrodes(
    channels: Sequence[str],
    muscles: Sequence[str],
    person: np.random.Generator,
    session: np.random.Generator,
    config: ElectrodeConfig | None = None,
) -> Electrodes:
    """Put electrodes on for one session.

    Parameters
    ----------
    channels
        EMG channels such as ``emg.soleus.r``.
    muscles
        The limb's muscles in order.
    person
        A generator in the same state for every session of this person: the skin stays.
    session
        A generator of the session.
    config
        How much placements differ.

    Raises
    ------
    UsageError
        ``unknown_name`` for a channel with no muscle under it.
    """
    config = config or ElectrodeConfig()
    names = [ChannelName.parse(channel) for channel in channels]
    away = distances(muscles)
    # exp(1 - d): the nearest neighbours show with `crosstalk`, each compartment further e less.
    pickup = np.where(away == 0.0, 1.0, config.crosstalk * np.exp(1.0 - away))
    skin = np.exp(config.amplitude_spread * person.standard_normal(len(names)))
    mixing = np.empty((len(names), len(muscles)))
    for row, name in enumerate(names):
        own = list(muscles_under(name.site, muscles))
        here = pickup[own].max(axis=0)
        near = np.flatnonzero((away[own].min(axis=0) > 0.0) & (away[own].min(axis=0) <= 2.0))
        share = min(abs(config.shift * session.standard_normal()), 0.5)
        # Drawn even where there is no neighbour, so that channels do not change each other's luck.
        pick = session.random()
        if len(near):
            here = (1.0 - share) * here + share * pickup[near[int(pick * len(near))]]
        mixing[row] = here
    day = np.exp(config.gain_spread * session.standard_normal(len(names)))
    drift = np.maximum(config.drift * session.standard_normal(len(names)), -0.9)
    labels = tuple(str(name).partition(".")[2] for name in names)
    scale = (config.amplitude_v * skin * day)[:, None]
    return Electrodes(labels, mixing * scale, drift, config.drift_s)
