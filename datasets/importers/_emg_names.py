"""Muscle names as laboratories write them on EMG channels, to the names of the table."""

from __future__ import annotations

import re

from kinefed.datasets.channels import KINDS

_ALIASES = {
    "rect": "rectus_femoris",
    "rf": "rectus_femoris",
    "rectus": "rectus_femoris",
    "hams": "hamstrings",
    "ham": "hamstrings",
    "gast": "gastrocnemius",
    "gastroc": "gastrocnemius",
    "tib_ant": "tibialis_anterior",
    "ta": "tibialis_anterior",
    "tib_post": "tibialis_posterior",
    "vl": "vastus_lateralis",
    "vm": "vastus_medialis",
    "vi": "vastus_intermedius",
    "bf": "biceps_femoris",
    "st": "semitendinosus",
    "sm": "semimembranosus",
    "gl": "gastrocnemius_lateralis",
    "lg": "gastrocnemius_lateralis",
    "gm": "gastrocnemius_medialis",
    "mg": "gastrocnemius_medialis",
    "sol": "soleus",
    "gmax": "gluteus_maximus",
    "gmed": "gluteus_medius",
    "per_long": "peroneus_longus",
    "per_brev": "peroneus_brevis",
    "tfl": "tensor_fasciae_latae",
    "hamstrings_lateralis": "biceps_femoris",
    "hamstrings_medialis": "semitendinosus",
    "gluteus_medialis": "gluteus_medius",
    "bic": "biceps_brachii",
    "tri": "triceps_brachii",
}
_MUSCLES = KINDS["emg"].sites


def muscle_of(label: str) -> tuple[str, str] | None:
    """Read side and muscle from an analog channel's label.

    Parameters
    ----------
    label
        Such as ``"Voltage.L Tib Ant"``, ``"R_VL"``, ``"EMG soleus r"``.

    Returns
    -------
    tuple of str or None
        Side and muscle, or None where the label names no muscle of one side.
    """
    words = [w for w in re.split(r"[^a-z0-9]+", label.lower()) if w]
    words = [w for w in words if w not in ("emg", "voltage", "v")]
    sides = {"l": "l", "r": "r", "left": "l", "right": "r"}
    if len(words) < 2:
        return None
    if words[0] in sides:
        side, name = sides[words[0]], "_".join(words[1:])
    elif words[-1] in sides:
        side, name = sides[words[-1]], "_".join(words[:-1])
    else:
        return None
    name = _ALIASES.get(name, name)
    return (side, name) if name in _MUSCLES else None


def muscle_site(label: str) -> str | None:
    """Read a muscle from a label without a side."""
    name = "_".join(w for w in re.split(r"[^a-z0-9]+", label.lower()) if w)
    name = _ALIASES.get(name, name)
    return name if name in _MUSCLES else None
