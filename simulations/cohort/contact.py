"""Contact forces that a movement implies, shared between feet and seat.

The force and the moment that the surroundings exert on a person follow from the movement alone
(the root rows of its inverse dynamics). Here they are shared between the contacts:

1. each contact takes its share of the total force (Ren, Jones and Howard 2008, J Biomech 41:2750);
2. feet push against one another along the line that joins their centres of pressure, so that the
   trailing foot propels and the leading foot brakes: ``w_r w_l F_z (c_r - c_l) / h``;
3. in double support they also push sideways against one another, which takes up the moment about
   the vertical as a couple of forces rather than as twisting of a foot;
4. one shift common to all centres of pressure and one moment about the vertical close the balance
   exactly.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from kinefed.biomechanics.segments import cosine_sine
from kinefed.datasets.types import FloatArray
from kinefed.simulations.cohort.curves import smoothstep

GRAVITY = 9.80665
# Below this force in newtons nothing is touched: no centre of pressure, no friction.
TOUCH_N = 1.0
# Corrections of the pelvis fade out between these frequencies. The mass filter leaves micrometres
# of them, which is how the trunk of a person, too, absorbs the jolt of a foot.
_FADE_HZ = (20.0, 35.0)
# Share of the error that one pass corrects; the whole would overshoot, for the legs move along.
_GAIN = 0.9
# Within this time of either end of the margins nothing is corrected.
_EDGE_S = 0.5
# The pelvis answers moments about the vertical from the second to the third harmonic of a stride.
_TURN_HZ = (2.5, 4.5)
# Where next to nothing bears, shift and twist are a division by next to nothing: no correction
# answers more than this.
_MOST_SHIFT_M, _MOST_TWIST_NM = 0.3, 60.0
# Radius of gyration of a standing person about the vertical (Chandler et al. 1975: 0.13 to 0.16 m).
_YAW_RADIUS_M = 0.22


@dataclass(frozen=True, slots=True)
class Support:
    """How contacts are meant to share the load.

    Attributes
    ----------
    share
        (frames, contacts): share of the total force; right foot, left foot, then a seat if there
        is one. Rows add up to 1, or to 0 in flight.
    point
        (frames, contacts, 3): intended centres of pressure.
    slope
        (frames,): inclination of the ground along x.
    """

    share: FloatArray
    point: FloatArray
    slope: FloatArray

    @property
    def along(self) -> FloatArray:
        """Direction up the slope, (frames, 3)."""
        cosine, sine = cosine_sine(self.slope)
        return np.stack([cosine, np.zeros_like(sine), sine]).T

    @property
    def normal(self) -> FloatArray:
        """Normal of the ground, (frames, 3)."""
        x, y, z = self.along.T
        return np.stack([-z, y, x]).T


@dataclass(frozen=True, slots=True)
class Contacts:
    """Forces on the person.

    Attributes
    ----------
    force, point
        (frames, contacts, 3): force, and where it acts.
    free_moment
        (frames, contacts): moment about the vertical at that point.
    shift
        (frames, 2): by how much the centres of pressure had to move, up the slope and left.
    """

    force: FloatArray
    point: FloatArray
    free_moment: FloatArray
    shift: FloatArray


def share_wrench(
    force: FloatArray, moment: FloatArray, about: FloatArray, support: Support, height_m: float
) -> Contacts:
    """Share the total force and moment between the contacts so that they add up exactly.

    Parameters
    ----------
    force, moment
        (frames, 3): total external force, and its moment about `about`.
    about
        (frames, 3): the reference point.
    support
        How to share.
    height_m
        Of the centre of mass above the ground, for the push of foot against foot.
    """
    w = support.share
    parts = w[:, :, None] * force[:, None, :]
    both = w[:, 0] * w[:, 1]
    apart = support.point[:, 0] - support.point[:, 1]
    _push(parts, (both * force[:, 2] / height_m)[:, None] * -apart)
    arm = support.point - about[:, None, :]
    _, twist = _close(force, moment - turning(arm, parts), support)
    across = np.stack([-apart[:, 1], apart[:, 0], np.zeros(len(w))], axis=1)
    reach2 = np.maximum(np.einsum("fi,fi->f", across, across), 1e-4)
    # The vertical part of apart x across is the squared distance: a moment of 4 w_r w_l twist.
    _push(parts, (4.0 * both * twist / reach2)[:, None] * across)
    shift, twist = _close(force, moment - turning(arm, parts), support)
    point = support.point + _moved(shift, support)[:, None, :]
    return Contacts(parts, point, w * twist[:, None], shift)


def share_seat(
    force: FloatArray, moment: FloatArray, about: FloatArray, support: Support, most: FloatArray
) -> Support:
    """Let a seat bear what the feet cannot for the body not to fall over forward or backward.

    The seat's share w is that for which the moment about the left-right axis balances with the
    planned centres of pressure: the lever rule.

    Parameters
    ----------
    force, moment, about
        As for `share_wrench`.
    support
        Right foot, left foot and seat; the feet's shares add up to 1.
    most
        (frames,): the greatest share of the seat.
    """
    arm = support.point - about[:, None, :]
    turn = arm[:, :, 2] * force[:, None, 0] - arm[:, :, 0] * force[:, None, 2]
    feet = np.einsum("fc,fc->f", support.share[:, :2], turn[:, :2])
    lever = turn[:, 2] - feet
    steep = np.abs(lever) > TOUCH_N
    seat = np.where(steep, (moment[:, 1] - feet) / np.where(steep, lever, 1.0), 0.0)
    seat = np.clip(seat, 0.0, most)
    share = np.concatenate([support.share[:, :2] * (1.0 - seat)[:, None], seat[:, None]], axis=1)
    return Support(share, support.point, support.slope)


def turning(arm: FloatArray, force: FloatArray) -> FloatArray:
    """Moment of all forces, (frames, 3); both are (frames, contacts, 3)."""
    # Frames last in memory: np.cross would run along the three axes.
    (x, y, z), (fx, fy, fz) = arm.T, force.T
    each = np.stack([y * fz - z * fy, z * fx - x * fz, x * fy - y * fx])
    return np.asarray(each.sum(axis=1)).T


def _push(parts: FloatArray, extra: FloatArray) -> None:
    """Add a force to the right foot and its opposite to the left, in place."""
    parts[:, 0] += extra
    parts[:, 1] -= extra


def _moved(shift: FloatArray, support: Support) -> FloatArray:
    """Shift within the plane of the ground as a vector, (frames, 3)."""
    left = np.array([0.0, 1.0, 0.0])
    return np.asarray(shift[:, :1] * support.along + shift[:, 1:] * left)


def _close(force: FloatArray, rest: FloatArray, support: Support) -> tuple[FloatArray, FloatArray]:
    """Shift s and twist m that make up a moment: ``rest = s x force + m z``."""
    along = support.along
    touching = force[:, 2] > TOUCH_N
    deny = np.where(touching, along[:, 2] * force[:, 0] - along[:, 0] * force[:, 2], 1.0)
    up = np.where(touching, force[:, 2], 1.0)
    ahead = np.where(touching, rest[:, 1] / deny, 0.0)
    left = np.where(touching, (rest[:, 0] + ahead * along[:, 2] * force[:, 1]) / up, 0.0)
    shift = np.stack([ahead, left]).T
    moved = _moved(shift, support)
    return shift, rest[:, 2] - (moved[:, 0] * force[:, 1] - moved[:, 1] * force[:, 0])


def follow_pressure(pressure: FloatArray, height_m: float, rate_hz: float) -> FloatArray:
    """Path of a centre of mass whose centre of pressure is given, (frames, columns).

    A mass at constant height h obeys ``c = x - (h/g) x''``; solved by Fourier transform, with the
    path continued point-symmetrically beyond both ends.

    Parameters
    ----------
    pressure
        (frames, columns): centre of pressure of all contacts together.
    height_m
        Of the centre of mass.
    rate_hz
        Sampling rate.
    """
    frames = len(pressure)
    line = np.linspace(0.0, 1.0, frames)[:, None] * (pressure[-1] - pressure[0]) + pressure[0]
    rest = pressure - line
    padded = np.concatenate([rest, -rest[-2:0:-1]])
    omega = 2.0 * np.pi * np.fft.rfftfreq(len(padded), 1.0 / rate_hz)
    spectrum = np.fft.rfft(padded, axis=0) / (1.0 + height_m * omega**2 / GRAVITY)[:, None]
    return np.asarray(line + np.fft.irfft(spectrum, len(padded), axis=0)[:frames])


def pelvis_correction(
    contacts: Contacts, weight_n: float, height_m: float, rate_hz: float
) -> FloatArray:
    """Movement of the pelvis that brings the centre of pressure to where it was meant to be.

    A centre of mass that moves by d moves its centre of pressure by ``d - (h/g) d''``, so each
    frequency w of the error E is answered by ``-0.9 E / (1 + h w^2 / g)`` (the dynamics filter of
    Kajita et al. 2003). The error is weighted by the load it acts on: it is a moment that is to
    vanish, and where nothing bears there is none.

    Parameters
    ----------
    contacts
        As shared.
    weight_n
        Of the person.
    height_m
        Of the centre of mass.
    rate_hz
        Sampling rate.

    Returns
    -------
    FloatArray
        (frames, 2): forward and left.
    """
    load = contacts.force[:, :, 2].sum(axis=1) / weight_n

    def gain(hertz: FloatArray) -> FloatArray:
        fade = 1.0 - _rise(hertz, *_FADE_HZ)
        return -_GAIN * fade / (1.0 + height_m * (2.0 * np.pi * hertz) ** 2 / GRAVITY)

    error = np.clip(contacts.shift * load[:, None], -_MOST_SHIFT_M, _MOST_SHIFT_M)
    return _filtered(error, gain, rate_hz)


def yaw_correction(contacts: Contacts, mass_kg: float, rate_hz: float) -> FloatArray:
    """Turning of the pelvis that takes up quick moments about the vertical, (frames,).

    A body of moment of inertia I that turns by a needs the moment ``I a''`` from the ground, so
    each frequency w of the moment M is answered by ``0.9 M / (I w^2)``. Slow parts are left to
    the ground: to take them up the foot would have to turn visibly.

    Parameters
    ----------
    contacts
        As shared.
    mass_kg
        Of the person.
    rate_hz
        Sampling rate.
    """
    inertia = mass_kg * _YAW_RADIUS_M**2

    def gain(hertz: FloatArray) -> FloatArray:
        omega = 2.0 * np.pi * np.maximum(hertz, _TURN_HZ[0])
        band = _rise(hertz, *_TURN_HZ) * (1.0 - _rise(hertz, *_FADE_HZ))
        return _GAIN * band / (inertia * omega**2)

    twist = contacts.free_moment.sum(axis=1, keepdims=True)
    return _filtered(np.clip(twist, -_MOST_TWIST_NM, _MOST_TWIST_NM), gain, rate_hz)[:, 0]


def away_from_ends(frames: int, rate_hz: float, after_s: float = 0.0) -> FloatArray:
    """From 0 at either end of the margins, and `after_s` beyond, to 1 within, (frames,)."""
    number = np.arange(frames) - after_s * rate_hz
    return smoothstep(np.minimum(number, number[::-1]) / (_EDGE_S * rate_hz))


def _rise(hertz: FloatArray, low: float, high: float) -> FloatArray:
    """From 0 below one frequency to 1 above another, as a raised cosine."""
    share = np.clip((hertz - low) / (high - low), 0.0, 1.0)
    return np.asarray(0.5 * (1.0 - np.cos(np.pi * share)))


def _filtered(
    error: FloatArray, gain: Callable[[FloatArray], FloatArray], rate_hz: float
) -> FloatArray:
    """Columns after a zero-phase filter, (frames, columns)."""
    # At the ends accelerations are extrapolated; correcting by them would feed on itself.
    error = error * away_from_ends(len(error), rate_hz)[:, None]
    # Mirrored ends: the transform sees no jump where the recording is cut.
    padded = np.concatenate([error, error[::-1]])
    weight = gain(np.asarray(np.fft.rfftfreq(len(padded), 1.0 / rate_hz), dtype=np.float64))
    spectrum = np.fft.rfft(padded, axis=0) * weight[:, None]
    return np.asarray(np.fft.irfft(spectrum, len(padded), axis=0)[: len(error)])
