"""Muscles of a researcher's own OpenSim model as a `MuscleSet`, which the EMG-driven model takes.

The model is asked for lengths and moment arms in postures spread over the range of daily life;
polynomials of the joint angles are fitted to both at once, so that an arm stays minus the
derivative of the length. Lines of action of one muscle are merged as in `muscle_data`: their forces
add up, the rest is their mean weighted by force.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from kinefed.biomechanics import muscle_data as data
from kinefed.biomechanics.geometry import MuscleSet, Paths
from kinefed.biomechanics.hill import HillParameters
from kinefed.biomechanics.opensim_model import OpenSimModel
from kinefed.datasets.errors import DataError, DataReason, UsageError, UsageReason
from kinefed.datasets.types import FloatArray

# Lines of action of the leg's muscles, without their side: those of Rajagopal et al. 2016 (and Lai
# et al. 2017, and OpenCap's models), then those of gait2392.
LEG_LINES: Mapping[str, tuple[str, ...]] = {
    "gluteus_maximus": ("glmax1 glmax2 glmax3", "glut_max1 glut_max2 glut_max3"),
    "gluteus_medius": ("glmed1 glmed2 glmed3", "glut_med1 glut_med2 glut_med3"),
    "gluteus_minimus": ("glmin1 glmin2 glmin3", "glut_min1 glut_min2 glut_min3"),
    "tensor_fasciae_latae": ("tfl",),
    "iliopsoas": ("iliacus psoas",),
    "adductor_longus": ("addlong addbrev", "add_long add_brev"),
    "adductor_magnus": (
        "addmagDist addmagIsch addmagMid addmagProx",
        "add_mag1 add_mag2 add_mag3",
    ),
    "rectus_femoris": ("recfem", "rect_fem"),
    "vastus_lateralis": ("vaslat", "vas_lat"),
    "vastus_medialis": ("vasmed", "vas_med"),
    "vastus_intermedius": ("vasint", "vas_int"),
    "biceps_femoris": ("bflh", "bifemlh"),
    "biceps_femoris_short": ("bfsh", "bifemsh"),
    "semitendinosus": ("semiten",),
    "semimembranosus": ("semimem",),
    "gastrocnemius_lateralis": ("gaslat", "lat_gas"),
    "gastrocnemius_medialis": ("gasmed", "med_gas"),
    "soleus": ("soleus",),
    "tibialis_anterior": ("tibant", "tib_ant"),
}
_COORDINATES = dict(
    zip(
        data.LEG_COORDINATES,
        ("hip_flexion", "hip_adduction", "knee_angle", "ankle_angle"),
        strict=True,
    )
)
# Order of the polynomials, as of those of `muscle_data`; powers below that in sum.
_ORDER = 5
# Postures to fit on, and as many to check on; a polynomial of four angles has 126 terms, and every
# posture gives an equation for the length and one for each arm.
_POSTURES = 256
# A joint about which the arm is never longer is not one of the muscle's, m.
_LEAST_ARM_M = 1e-4


@dataclass(frozen=True, slots=True)
class FittedMuscles:
    """Muscles of one leg of a model, and how well the polynomials follow it.

    Look at the errors: OpenSim's length and moment arm of a path over a wrapping surface can
    contradict each other, and then the polynomial lies between them. Where they agree, a length is
    good to 0.1 mm and an arm to 1 mm (on the model of OpenCap's recordings).

    Attributes
    ----------
    muscles
        For `kinefed.biomechanics.NmsModel.nominal`.
    length_rms_m
        (muscles,): root mean square error of the length over other postures than the fitted.
    arm_rms_m
        (muscles, coordinates): of the moment arms.
    """

    muscles: MuscleSet
    length_rms_m: FloatArray
    arm_rms_m: FloatArray


def fit_lengths(
    angles_rad: FloatArray, lengths_m: FloatArray, arms_m: FloatArray, order: int = _ORDER
) -> data.Polynomial:
    """Fit a muscle's length by a polynomial whose derivatives are its arms with the other sign.

    Parameters
    ----------
    angles_rad
        (postures, coordinates).
    lengths_m
        (postures,).
    arms_m
        (postures, coordinates). Coordinates about which all are below 0.1 mm are left out.
    order
        Largest sum of powers.

    Returns
    -------
    Polynomial
        Powers to metres; least squares over lengths and arms, a metre of each counting alike.

    Raises
    ------
    DataError
        ``mismatch`` for shapes, ``empty`` for fewer equations than terms.
    """
    shape = (len(lengths_m), angles_rad.shape[-1])
    if angles_rad.shape != shape or arms_m.shape != shape:
        raise DataError(
            DataReason.MISMATCH,
            f"angles {angles_rad.shape}, lengths {lengths_m.shape}, arms {arms_m.shape}",
            where="fit_lengths",
            next_step="Give (postures, coordinates), (postures,), (postures, coordinates)",
        )
    spanned = np.flatnonzero(np.abs(arms_m).max(axis=0, initial=0.0) > _LEAST_ARM_M)
    powers = [
        power
        for power in itertools.product(range(order + 1), repeat=len(spanned))
        if sum(power) <= order
    ]
    if len(lengths_m) * (1 + len(spanned)) < len(powers):
        raise DataError(
            DataReason.EMPTY,
            f"{len(lengths_m)} postures cannot tell {len(powers)} terms apart",
            where="fit_lengths",
            next_step="Give more postures, or a lower order",
        )
    x, exponents = angles_rad[:, spanned], np.array(powers, dtype=np.int64)
    rows, wanted = [_monomials(x, exponents)], [lengths_m]
    for c, coordinate in enumerate(spanned):
        lower = np.maximum(exponents - (np.arange(len(spanned)) == c), 0)
        rows.append(-exponents[:, c] * _monomials(x, lower))
        wanted.append(arms_m[:, coordinate])
    found = np.linalg.lstsq(np.concatenate(rows), np.concatenate(wanted), rcond=None)[0]
    polynomial: data.Polynomial = {}
    for power, value in zip(powers, found, strict=True):
        whole = np.zeros(angles_rad.shape[1], dtype=np.int64)
        whole[spanned] = power
        polynomial[tuple(int(k) for k in whole)] = float(value)
    return polynomial


def opensim_leg_muscles(
    model: OpenSimModel,
    side: str,
    lines: Mapping[str, Sequence[str]] | None = None,
    seed: int = 0,
) -> FittedMuscles:
    """Make the muscles of one leg of a model.

    Parameters
    ----------
    model
        With hip, knee and ankle named as in OpenSim's models (``knee_angle_r``).
    side
        ``"r"`` or ``"l"``.
    lines
        Muscle to its lines of action in the model, without side; names that are EMG sites let an
        electrode drive the muscle. By default those of `LEG_LINES` that the model has.
    seed
        Of the postures. Everything else in the model stays at its default.

    Returns
    -------
    FittedMuscles
        Angles and arms as in `leg_muscles`, parameters the model's. Tendons keep their slack
        length, which goes with an elastic tendon: let `NmsModel.calibrate` fit it.

    Raises
    ------
    UsageError
        ``unknown_name`` for a joint or line of action that the model lacks, ``impossible`` where it
        has none of the default ones.
    """
    here = _lines(model, side) if lines is None else dict(lines)
    names = [f"{_COORDINATES[joint]}_{side}" for joint in data.LEG_COORDINATES]
    every = [f"{line}_{side}" for group in here.values() for line in group]
    low, high = np.radians(np.array(data.LEG_RANGE_DEG)).T
    angles = np.random.default_rng(seed).uniform(low, high, (2 * _POSTURES, len(low)))
    hill = model.hill(every)
    channels = {
        f"angle.{joint}.{side}": angles[:, j] for j, joint in enumerate(data.LEG_COORDINATES)
    }
    geometry = model.muscle_geometry(model.q(channels), every, names)
    arms_m = geometry.arms_m * np.array([model.signs[name] for name in names])
    # (muscles, lines): share of each line in its muscle.
    owner = np.repeat(np.arange(len(here)), [len(group) for group in here.values()])
    share = (np.arange(len(here))[:, None] == owner) * hill.max_force_n
    force = share.sum(axis=1)
    share = share / force[:, None]
    lengths, arms = geometry.lengths_m @ share.T, np.einsum("plc,ml->pmc", arms_m, share)
    fit, check = slice(None, _POSTURES), slice(_POSTURES, None)
    fitted = [fit_lengths(angles[fit], lengths[fit, m], arms[fit, m]) for m in range(len(here))]
    paths = Paths.of(fitted, low, high)
    got_lengths, got_arms = paths.evaluate(angles[check])
    means = (hill.optimal_length_m, hill.slack_length_m, hill.pennation_rad, hill.max_velocity)
    return FittedMuscles(
        MuscleSet(
            tuple(here),
            data.LEG_COORDINATES,
            paths,
            HillParameters(force, *(share @ each for each in means)),
        ),
        np.sqrt(np.mean((got_lengths - lengths[check]) ** 2, axis=0)),
        np.sqrt(np.mean((got_arms - arms[check]) ** 2, axis=0)),
    )


def _lines(model: OpenSimModel, side: str) -> dict[str, list[str]]:
    found = {}
    for muscle, spellings in LEG_LINES.items():
        for spelling in spellings:
            group = [line for line in spelling.split() if f"{line}_{side}" in model.muscles]
            if group:
                found[muscle] = group
                break
    if not found:
        raise UsageError(
            UsageReason.IMPOSSIBLE,
            f"none of the known leg muscles is in the model with the side {side!r}",
            where="opensim_leg_muscles",
            next_step=f"Give lines, of {', '.join(model.muscles) or 'a model with muscles'}",
        )
    return found


def _monomials(x: FloatArray, exponents: np.ndarray) -> FloatArray:
    """(postures, terms) of (postures, coordinates) and (terms, coordinates)."""
    values = np.ones((len(x), len(exponents)))
    for c in range(x.shape[1]):
        values *= x[:, c : c + 1] ** exponents[:, c]
    return values
