"""What worn sensors make of the truth: IMUs and pressure insoles.

An IMU is placed a little differently in every session, sits on soft tissue and has its own errors;
`radio` loses its packets and bends its time. All is drawn from generators that come in as
arguments.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy import signal
from scipy.spatial.transform import Rotation

from kinefed.datasets.errors import DataError, DataReason
from kinefed.datasets.types import FloatArray
from kinefed.simulations.cohort.radio import refuse_negative


@dataclass(frozen=True, slots=True)
class ImuConfig:
    """Errors of a worn IMU; standard deviations unless said otherwise.

    Attributes
    ----------
    acc_noise, gyro_noise
        White noise density, m/s^2/sqrt(Hz) and rad/s/sqrt(Hz): 120 ug and 0.007 deg/s, as data
        sheets of consumer MEMS sensors give it (Bosch BMI270 and the like).
    acc_bias, gyro_bias
        Bias after switching on, m/s^2 and rad/s.
    acc_walk, gyro_walk
        Random walk of the bias, m/s^2/sqrt(s) and rad/s/sqrt(s).
    scale
        Relative scale error of each axis.
    misalignment_rad
        Rotation between the sensor's axes and its case, each axis.
    placement_rad, placement_m
        Rotation and shift of the case between sessions, each axis; some degrees and centimetres.
    wobble, wobble_hz, wobble_damping
        Soft tissue: the mass of the sensor on its skin answers the acceleration as a damped
        oscillator of this frequency; `wobble` is the share of its motion that is felt.
    """

    acc_noise: float = 1.2e-3
    gyro_noise: float = 1.2e-4
    acc_bias: float = 0.05
    gyro_bias: float = 0.005
    acc_walk: float = 2e-4
    gyro_walk: float = 2e-5
    scale: float = 0.003
    misalignment_rad: float = 0.005
    placement_rad: float = 0.09
    placement_m: float = 0.015
    wobble: float = 0.3
    wobble_hz: float = 10.0
    wobble_damping: float = 0.3

    def __post_init__(self) -> None:
        refuse_negative(self, positive=("wobble_hz", "wobble_damping"))


@dataclass(frozen=True, slots=True)
class InsoleConfig:
    """Errors of a pressure insole.

    Attributes
    ----------
    gain
        Standard deviation of the relative gain between sessions; insoles are some 5..15 % off.
    creep, creep_s
        The reading of a steady load grows by this share, with this time constant.
    noise_n, cop_noise_m
        White noise of force and centre of pressure.
    cop_shift_m
        Standard deviation of the insole's place in the shoe between sessions.
    threshold_n
        Below, the cells read nothing: no force, and no centre of pressure (NaN).
    """

    gain: float = 0.08
    creep: float = 0.05
    creep_s: float = 60.0
    noise_n: float = 5.0
    cop_noise_m: float = 0.002
    cop_shift_m: float = 0.004
    threshold_n: float = 20.0

    def __post_init__(self) -> None:
        refuse_negative(self, positive=("creep_s",))


@dataclass(frozen=True, slots=True)
class Placement:
    """How one IMU sits in one session.

    Attributes
    ----------
    rotation
        (3, 3): takes vectors from the nominal axes of the site to those of the sensor.
    shift_m
        (3,) from the nominal site, in its axes.
    acc_bias, gyro_bias, acc_scale, gyro_scale
        (3,) of this switching-on.
    """

    rotation: FloatArray
    shift_m: FloatArray
    acc_bias: FloatArray
    gyro_bias: FloatArray
    acc_scale: FloatArray
    gyro_scale: FloatArray


def place_imu(session: np.random.Generator, config: ImuConfig | None = None) -> Placement:
    """Put one IMU on for one session."""
    config = config or ImuConfig()
    case = Rotation.from_rotvec(config.placement_rad * session.standard_normal(3))
    axes = Rotation.from_rotvec(config.misalignment_rad * session.standard_normal(3))
    return Placement(
        rotation=np.asarray((axes * case).as_matrix()),
        shift_m=config.placement_m * session.standard_normal(3),
        acc_bias=config.acc_bias * session.standard_normal(3),
        gyro_bias=config.gyro_bias * session.standard_normal(3),
        acc_scale=1.0 + config.scale * session.standard_normal(3),
        gyro_scale=1.0 + config.scale * session.standard_normal(3),
    )


def worn_imu(
    acc: FloatArray,
    gyro: FloatArray,
    rate_hz: float,
    placement: Placement,
    rng: np.random.Generator,
    config: ImuConfig | None = None,
) -> tuple[FloatArray, FloatArray]:
    """Give what the worn IMU measures where an ideal one would measure `acc` and `gyro`.

    Parameters
    ----------
    acc, gyro
        (frames, 3) specific force in m/s^2 and angular velocity in rad/s at the nominal site, in
        its axes.
    rate_hz
        Frames a second.
    placement
        Of this session.
    rng
        Of the recording.
    config
        The errors.

    Returns
    -------
    acc, gyro
        (frames, 3) in the sensor's axes.

    Raises
    ------
    DataError
        ``mismatch`` where the shapes are not (frames, 3), two frames at least.
    """
    config = config or ImuConfig()
    if acc.shape != gyro.shape or acc.shape[1:] != (3,) or len(acc) < 2:
        raise DataError(
            DataReason.MISMATCH,
            f"accelerations {acc.shape} and angular velocities {gyro.shape}",
            where="worn_imu",
            next_step="Give (frames, 3) of both, two frames at least",
        )
    # Frames last in memory, for all runs along them.
    spin, shift = gyro.T, placement.shift_m
    # A point of the same rigid segment: a + alpha x r + omega x (omega x r).
    felt = acc.T - np.cross(np.eye(3), shift) @ np.gradient(spin, 1.0 / rate_hz, axis=1)
    felt += spin * (shift @ spin) - np.einsum("if,if->f", spin, spin) * shift[:, None]
    felt += config.wobble * _tissue(felt, rate_hz, config)
    acc_out, gyro_out = placement.rotation @ felt, placement.rotation @ spin
    # A density d gives samples d sqrt(rate / 2) each: the band ends at half the rate.
    white = math.sqrt(rate_hz / 2.0)
    step = 1.0 / math.sqrt(rate_hz)
    for out, scale, bias, noise, walk in (
        (acc_out, placement.acc_scale, placement.acc_bias, config.acc_noise, config.acc_walk),
        (gyro_out, placement.gyro_scale, placement.gyro_bias, config.gyro_noise, config.gyro_walk),
    ):
        out *= scale[:, None]
        out += bias[:, None]
        out += noise * white * rng.standard_normal(acc.shape).T
        out += walk * step * np.cumsum(rng.standard_normal(acc.shape).T, axis=1)
    return acc_out.T, gyro_out.T


@lru_cache(maxsize=8)
def _tissue_filter(rate_hz: float, config: ImuConfig) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Coefficients of `_tissue`, and its state after standing still under a unit acceleration."""
    omega = 2.0 * np.pi * config.wobble_hz
    below = np.array([1.0, 2.0 * config.wobble_damping * omega, omega**2])
    b, a = signal.bilinear([-1.0, 0.0, 0.0], below, fs=rate_hz)
    return b, a, signal.lfilter_zi(b, a)


def _tissue(acc: FloatArray, rate_hz: float, config: ImuConfig) -> FloatArray:
    """Acceleration of a mass on a spring and damper relative to what shakes it, (3, frames).

    x'' + 2 z w x' + w^2 x = -acc, and x'' is given: nothing for a slow acceleration or gravity.
    """
    b, a, start = _tissue_filter(rate_hz, config)
    relative, _ = signal.lfilter(b, a, acc, zi=acc[:, :1] * start)
    return np.asarray(relative)


@dataclass(frozen=True, slots=True)
class InsolePlacement:
    """How one insole lies in its shoe in one session: gain, and shift (2,) in metres."""

    gain: float
    shift_m: FloatArray


def place_insole(
    session: np.random.Generator, config: InsoleConfig | None = None
) -> InsolePlacement:
    """Put one insole in for one session."""
    config = config or InsoleConfig()
    gain = math.exp(config.gain * session.standard_normal())
    return InsolePlacement(gain, config.cop_shift_m * session.standard_normal(2))


def worn_insole(
    force_n: FloatArray,
    cop_m: FloatArray,
    rate_hz: float,
    placement: InsolePlacement,
    rng: np.random.Generator,
    config: InsoleConfig | None = None,
) -> tuple[FloatArray, FloatArray]:
    """Give what a pressure insole shows of the force on one foot.

    Parameters
    ----------
    force_n
        (frames,) vertical force on the foot.
    cop_m
        (frames, 2) centre of pressure in the foot's own axes, forward and lateral; NaN in the air.
    rate_hz
        Frames a second.
    placement
        Of this session.
    rng
        Of the recording.
    config
        The errors.

    Returns
    -------
    force_n, cop_m
        (frames,) and (frames, 2); NaN where the centre of pressure is not known.

    Raises
    ------
    DataError
        ``mismatch`` where the shapes do not agree.
    """
    config = config or InsoleConfig()
    if force_n.ndim != 1 or cop_m.shape != (len(force_n), 2):
        raise DataError(
            DataReason.MISMATCH,
            f"forces {force_n.shape} and centres of pressure {cop_m.shape}",
            where="worn_insole",
            next_step="Give (frames,) and (frames, 2)",
        )
    keep = math.exp(-1.0 / (rate_hz * config.creep_s))
    crept = signal.lfilter([1.0 - keep], [1.0, -keep], force_n)
    shown = placement.gain * (force_n + config.creep * crept)
    shown = shown + config.noise_n * rng.standard_normal(len(force_n))
    cop = cop_m + placement.shift_m + config.cop_noise_m * rng.standard_normal(cop_m.shape)
    silent = shown < config.threshold_n
    return np.where(silent, 0.0, shown), np.where(silent[:, None], np.nan, cop)
