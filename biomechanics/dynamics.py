"""Joint torques from measured or made motion and the forces on the person.

Inverse dynamics gives generalised forces; what the surroundings exert is subtracted; the rest at a
joint is the moment that muscles (and ligaments) make there. At the root nothing acts, so that
what is left there, the residual, says how well motion, forces and body agree.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from scipy.interpolate import make_interp_spline

from kinefed.biomechanics.engine import Dynamics, Engine, external
from kinefed.biomechanics.mjcf import Model
from kinefed.datasets.errors import UsageError, UsageReason
from kinefed.datasets.types import FloatArray
from kinefed.signals.errors import SignalError, SignalReason
from kinefed.signals.filters import forward_backward, low_pass_sos

# Coordinate to the moment's name and sign. Labels are positive for extension, plantarflexion and
# abduction; rotation and lumbar bending are positive as their coordinates are.
_MOMENTS: dict[str, tuple[str, float]] = {
    "hip_flexion": ("hip", -1.0),
    "hip_adduction": ("hip_abduction", -1.0),
    "hip_rotation": ("hip_rotation", 1.0),
    "knee_flexion": ("knee", -1.0),
    "ankle_dorsiflexion": ("ankle", -1.0),
    "lumbar_flexion": ("lumbar", -1.0),
    "lumbar_bend": ("lumbar_bending", 1.0),
    "shoulder_flexion": ("shoulder", -1.0),
    "elbow_flexion": ("elbow", -1.0),
    "wrist_flexion": ("wrist", -1.0),
}
# Of the spline: a quintic, so that the second derivative is smooth.
_DEGREE = 5


@dataclass(frozen=True, slots=True)
class Wrench:
    """An external force on the person over time.

    Attributes
    ----------
    on
        A key of the model's chains: for a body the ``"r"`` or ``"l"`` foot, the ``"pelvis"`` or
        the ``"trunk"``; for an arm the ``"hand"``.
    force
        (frames, 3) N, world axes (x forward, y left, z up).
    point
        (frames, 3) m: where it acts; not read where the force is zero.
    free_moment
        N m: (frames,) about the vertical or (frames, 3), or None.

    Raises
    ------
    UsageError
        ``bad_argument`` for other shapes, for a force or moment that is not finite, and for a
        point that is not where there is a force.
    """

    on: str
    force: FloatArray
    point: FloatArray
    free_moment: FloatArray | None = None

    def __post_init__(self) -> None:
        force, point = (np.asarray(x, dtype=np.float64) for x in (self.force, self.point))
        moment = np.zeros(len(force)) if self.free_moment is None else np.asarray(self.free_moment)
        if force.ndim != 2 or force.shape != (len(force), 3) or point.shape != force.shape:
            raise _bad(f"force of {force.shape} at points of {point.shape}", self.on)
        if moment.shape not in (force.shape, force.shape[:1]):
            raise _bad(f"free moment of {moment.shape} with force of {force.shape}", self.on)
        loaded = np.any(force != 0.0, axis=1)
        for what, x in (("force", force), ("free moment", moment), ("point", point[loaded])):
            if not np.isfinite(x).all():
                raise _bad(f"the {what} is not finite in some frames", self.on)
        object.__setattr__(self, "force", force)
        object.__setattr__(self, "point", np.where(loaded[:, None], point, 0.0))


@dataclass(frozen=True, slots=True)
class Torques:
    """Joint torques of a motion.

    Attributes
    ----------
    channels
        Names of the columns of `labels`, such as ``torque.knee.r``; without a side for an arm.
    labels
        (frames, channels) N m/kg: internal moments; extension, plantarflexion and hip abduction
        positive, hip rotation inward and lumbar bending to the right.
    tau
        (frames, coordinates): generalised forces less the external ones, N and N m, towards the
        coordinates.
    residual_force, residual_moment
        (frames, 3) N and N m: what the given forces fail to explain, at the pelvis origin; empty
        (0, 3) for a model without a floating root.
    dynamics
        What the engine computed, IMUs included.
    """

    channels: tuple[str, ...]
    labels: FloatArray
    tau: FloatArray
    residual_force: FloatArray
    residual_moment: FloatArray
    dynamics: Dynamics

    def label(self, channel: str) -> FloatArray:
        """Return one column of the labels, (frames,).

        Raises
        ------
        UsageError
            ``unknown_name``.
        """
        if channel not in self.channels:
            raise UsageError(
                UsageReason.UNKNOWN_NAME,
                f"no torque {channel!r}",
                next_step=f"It has {', '.join(self.channels)}",
            )
        column: FloatArray = self.labels[:, self.channels.index(channel)]
        return column


def differentiate(
    q: FloatArray, rate_hz: float, cutoff_hz: float | None = 6.0
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Smooth coordinates and differentiate them twice.

    A second-order Butterworth low-pass runs forwards and backwards (no delay, fourth order, -6 dB
    at the cut-off); then a quintic spline through the samples gives the derivatives, so that an
    acceleration is a smooth cubic and no difference of neighbours.

    Parameters
    ----------
    q
        (frames, coordinates).
    rate_hz
        Sampling rate.
    cutoff_hz
        6 Hz is usual for walking, 15 Hz for jumps (Winter 2009, ch. 3); None for motion without
        noise.

    Returns
    -------
    tuple
        q, q', q'', each (frames, coordinates).

    Raises
    ------
    SignalError
        ``rate_too_low`` for the cut-off, ``too_short`` or ``not_finite`` for the filter.
    """
    smooth = np.asarray(q, dtype=np.float64)
    if len(smooth) <= _DEGREE or not np.isfinite(smooth).all():
        short = len(smooth) <= _DEGREE
        raise SignalError(
            SignalReason.TOO_SHORT if short else SignalReason.NOT_FINITE,
            f"{len(smooth)} frames" if short else "some coordinates are not finite",
            where="differentiate",
            next_step=f"Give more than {_DEGREE} frames, and fill gaps first",
        )
    if cutoff_hz is not None:
        sos = low_pass_sos("joint_torques", cutoff_hz, 2, rate_hz)
        smooth = forward_backward(sos, smooth, "joint_torques")
    time_s = np.arange(len(smooth)) / rate_hz
    spline = make_interp_spline(time_s, smooth, k=_DEGREE)
    return smooth, np.asarray(spline(time_s, 1)), np.asarray(spline(time_s, 2))


def torques_of(dynamics: Dynamics, wrenches: Iterable[Wrench], mass_kg: float) -> Torques:
    """Subtract external forces from the engine's generalised forces.

    Parameters
    ----------
    dynamics
        Of the motion.
    wrenches
        All forces of the surroundings but gravity.
    mass_kg
        Body mass, by which labels are divided.
    """
    tau = dynamics.tau.copy()
    for wrench in wrenches:
        tau -= external(dynamics, wrench.on, wrench.force, wrench.point, wrench.free_moment)
    names = {
        j: label
        for j, name in enumerate(dynamics.coordinates)
        if (label := _label(name)) is not None
    }
    labels = tau[:, list(names)] * np.array([sign for _, sign in names.values()]) / mass_kg
    channels = tuple(channel for channel, _ in names.values())
    empty = np.empty((0, 3))
    floats = "pelvis" in dynamics.chains
    force, moment = dynamics.root_wrench(tau) if floats else (empty, empty)
    return Torques(channels, labels, tau, force, moment, dynamics)


def joint_torques(
    body: Model | Engine,
    q: FloatArray,
    rate_hz: float,
    wrenches: Iterable[Wrench],
    cutoff_hz: float | None = 6.0,
) -> Torques:
    """Inverse dynamics of a measured motion.

    Parameters
    ----------
    body
        The person's body or arm; an `Engine` saves compiling the same body again.
    q
        (frames, coordinates): in the order of the model's coordinates, m and rad.
    rate_hz
        Sampling rate.
    wrenches
        All forces on the person but gravity (and, for an arm, those at the shoulder), on the same
        frames.
    cutoff_hz
        See `differentiate`.

    Returns
    -------
    Torques
        Where no wrench is given for a loaded foot, residuals are of the order of body weight and
        the labels of that leg are wrong: look at `Torques.residual_force`.

    Raises
    ------
    UsageError
        ``bad_argument`` for shapes or values that are not finite, ``missing_extra`` without MuJoCo.
    SignalError
        See `differentiate`.
    """
    if not rate_hz > 0.0:
        raise UsageError(
            UsageReason.BAD_ARGUMENT,
            f"a rate of {rate_hz} Hz",
            where="joint_torques",
            next_step="Give the sampling rate of q in Hz",
        )
    engine = body if isinstance(body, Engine) else Engine(body)
    dynamics = engine.inverse(*differentiate(q, rate_hz, cutoff_hz))
    return torques_of(dynamics, wrenches, engine.body.params.mass_kg)


def _bad(what: str, on: str) -> UsageError:
    return UsageError(
        UsageReason.BAD_ARGUMENT,
        what,
        where=f"force on {on!r}",
        next_step="Give (frames, 3) N and m, zero force where there is no contact",
    )


def _label(coordinate: str) -> tuple[str, float] | None:
    """Channel and sign of a coordinate's moment; the root has none."""
    name, _, side = coordinate.rpartition("_")
    if side not in ("r", "l"):
        name, side = coordinate, ""
    if name not in _MOMENTS:
        return None
    moment, sign = _MOMENTS[name]
    return f"torque.{moment}.{side}" if side else f"torque.{moment}", sign
