"""What a jump's centre of mass and trunk have to do, each from one linear system.

The vertical force is the smoothest that reaches given heights and speeds; the centre of mass sways
on a given pressure; the trunk's lean takes up what moment is left.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.integrate import cumulative_trapezoid
from scipy.interpolate import CubicSpline
from scipy.linalg import solve_banded, solveh_banded

from kinefed.datasets.types import FloatArray
from kinefed.simulations.cohort.contact import GRAVITY

# A lean of the trunk beside what is meant costs as much as a moment that is all that is allowed.
_LEAN_RAD = 0.2
# Knots of the force are this far apart.
_KNOT_S = 0.04
# It may bend about as quickly within this time of a flight: the peak at landing on the ball of the
# foot comes after some 60 ms.
_QUICK_S = 0.03


def drawn_force(
    ends: tuple[float, float],
    duration_s: float,
    conditions: Sequence[tuple[float, float, float]],
    step_s: float,
) -> FloatArray:
    """Smoothest force that takes a mass through given heights and speeds, (steps + 1,).

    In body weights; level at both ends, one of which is in the air. Of all cubic splines it has the
    least ``sum(w f''^2)``; the weight w grows with the time from flight, for the force is quickest
    where it ends and begins.

    Parameters
    ----------
    ends
        Its first and its last value.
    duration_s
        A multiple of `step_s`.
    conditions
        Time, and the change of height and of speed from the start that it takes.
    step_s
        Of the result.
    """
    t = step_s * np.arange(round(duration_s / step_s) + 1)
    knots = np.linspace(0.0, t[-1], max(round(duration_s / _KNOT_S), 8) + 1)
    spline = CubicSpline(knots, np.eye(len(knots)), bc_type="clamped")
    basis = spline(t)
    speed = cumulative_trapezoid(basis, dx=step_s, axis=0, initial=0.0)
    way = cumulative_trapezoid(speed, dx=step_s, axis=0, initial=0.0)
    rows, wanted = [basis[0], basis[-1]], list(ends)
    for time, change, rate in conditions:
        i = round(time / step_s)
        rows += [way[i], speed[i]]
        wanted += [change / GRAVITY + 0.5 * t[i] ** 2, rate / GRAVITY + t[i]]
    bend = spline(t, 2)
    weight = (np.abs(t - t[-1 if ends[1] == 0.0 else 0]) + _QUICK_S) ** 3
    energy = bend.T @ (weight[:, None] * bend) * step_s
    fixed = np.array(rows)
    none = np.zeros((len(rows), len(rows)))
    system = np.block([[energy, fixed.T], [fixed, none]])
    right = np.concatenate([np.zeros(len(knots)), wanted])
    return np.asarray(basis @ np.linalg.solve(system, right)[: len(knots)])


def sway(
    force: FloatArray,
    height: FloatArray,
    pressure: FloatArray,
    moment: FloatArray,
    mass_kg: float,
    step_s: float,
) -> FloatArray:
    """Forward position of the centre of mass whose pressure is given, (frames,).

    Solves ``m z x'' = (x - p) F - M``, standing still over the pressure at both ends: what a person
    does who foresees the whole movement.

    Parameters
    ----------
    force
        Vertical, in body weights.
    height
        Of the centre of mass above the ground.
    pressure
        Where it is meant to be.
    moment
        About the centre of mass, N m.
    mass_kg, step_s
        Of the person, and of time.
    """
    stiff = step_s**2 * GRAVITY * force / height
    band = np.ones((3, len(force)))
    band[1] = -2.0 - stiff
    right = -stiff * pressure - step_s**2 * moment / (mass_kg * height)
    band[1, [0, -1]], band[0, 1], band[2, -2] = 1.0, 0.0, 0.0
    right[[0, -1]] = pressure[[0, -1]]
    return np.asarray(solve_banded((1, 1), band, right))


def balance(
    inertia: FloatArray,
    excess: FloatArray,
    allowed: FloatArray,
    lean: FloatArray,
    step_s: float,
) -> FloatArray:
    """Change of the trunk's lean, (frames,), that takes an excess of moment away.

    Minimises ``sum(((J d')' + excess)^2 / allowed^2 + (lean + d)^2 / 0.2^2)`` over d.

    Parameters
    ----------
    inertia
        J, (frames,): angular momentum per rate of the lean.
    excess
        Moment about the centre of mass beyond what is meant, N m.
    allowed
        What of it does not matter, N m.
    lean
        By how much the trunk already departs from what is meant, rad.
    step_s
        Of time.
    """
    # (J d')' is a matrix with three diagonals times d; the equations to solve have five.
    between = 0.5 * (inertia[1:] + inertia[:-1]) / step_s**2
    middle = -np.append(between, 0.0) - np.append(0.0, between)
    weight = allowed**-2
    band = np.zeros((3, len(inertia)))
    band[0] = middle**2 * weight + _LEAN_RAD**-2
    band[0, 1:] += between**2 * weight[:-1]
    band[0, :-1] += between**2 * weight[1:]
    band[1, :-1] = between * (middle[:-1] * weight[:-1] + middle[1:] * weight[1:])
    band[2, :-2] = between[:-1] * weight[1:-1] * between[1:]
    missed = weight * excess
    right = -middle * missed - lean / _LEAN_RAD**2
    right[1:] -= between * missed[:-1]
    right[:-1] -= between * missed[1:]
    return np.asarray(solveh_banded(band, right, lower=True))
