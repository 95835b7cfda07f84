"""Unit conversion at the edge: whatever a laboratory writes, into the table's units."""

from __future__ import annotations

import math

from kinefed.datasets.channels import ChannelName
from kinefed.datasets.errors import DataError, DataReason

_G = 9.80665  # m/s^2, standard gravity; also N per kgf
_DEG = math.pi / 180.0

# unit stored -> {unit given: factor}
_FACTORS: dict[str, dict[str, float]] = {
    "rad": {"deg": _DEG},
    "rad/s": {"deg/s": _DEG, "rpm": math.pi / 30.0},
    "rad/s^2": {"deg/s^2": _DEG},
    "m/s^2": {"g": _G, "mg": _G / 1e3, "mm/s^2": 1e-3},
    "m": {"mm": 1e-3, "cm": 1e-2},
    "V": {"mV": 1e-3, "uV": 1e-6},
    "N": {"kN": 1e3, "kgf": _G},
    "N m": {"N mm": 1e-3},
    "N m/kg": {"N mm/kg": 1e-3},
    "W/kg": {"mW/kg": 1e-3},
    "Pa": {"kPa": 1e3},
    "1": {"%": 1e-2},
}
# The same with the body mass as a further factor (its power: 1 or -1).
_BY_MASS: dict[str, dict[str, tuple[float, int]]] = {
    "N": {"N/kg": (1.0, 1), "BW": (_G, 1), "%BW": (_G / 100.0, 1)},
    "N m/kg": {"N m": (1.0, -1), "N mm": (1e-3, -1)},
    "W/kg": {"W": (1.0, -1)},
}


def factor_to_stored(channel: str, unit: str, mass_kg: float | None = None) -> float:
    """Give the factor from a unit to the one a channel is stored in.

    Parameters
    ----------
    channel
        Name in the table.
    unit
        What the numbers are in, for example ``"deg"``, ``"uV"``, ``"N m"``, ``"%BW"``.
    mass_kg
        Body mass, for units per body mass.

    Raises
    ------
    DataError
        ``wrong_unit`` where there is no way, ``no_mass`` where only the mass is missing.
    """
    stored = ChannelName.parse(channel).unit
    if unit == stored:
        return 1.0
    if unit in _FACTORS.get(stored, {}):
        return _FACTORS[stored][unit]
    if unit not in _BY_MASS.get(stored, {}):
        known = [stored, *_FACTORS.get(stored, {}), *_BY_MASS.get(stored, {})]
        raise DataError(
            DataReason.WRONG_UNIT,
            f"{channel} cannot be made of {unit!r}",
            next_step=f"Give one of {', '.join(known)}",
        )
    if mass_kg is None:
        raise DataError(
            DataReason.NO_MASS,
            f"{channel} in {unit!r} needs the body mass to become {stored!r}",
            next_step="Give mass_kg of the person",
        )
    factor, power = _BY_MASS[stored][unit]
    return factor * mass_kg**power
