"""Streams of what a virtual person wears: electrodes, IMUs and pressure insoles."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from kinefed.biomechanics.engine import Dynamics
from kinefed.datasets import Gap, Stream
from kinefed.datasets.types import FloatArray
from kinefed.simulations.cohort.kinematics import LegGeometry
from kinefed.simulations.cohort.motion import Motion
from kinefed.simulations.cohort.muscles import drive
from kinefed.simulations.cohort.outfit import SIDES, Outfit
from kinefed.simulations.cohort.radio import LinkConfig, Received, transmit
from kinefed.simulations.cohort.semg import raw_semg, semg_envelope
from kinefed.simulations.cohort.wear import worn_imu, worn_insole

RAW_EMG_HZ = 1000.0


@dataclass(frozen=True, slots=True)
class Moved:
    """What the muscles of one limb did.

    Attributes
    ----------
    q, qd, tau_nm
        (frames, coordinates): angles, rates, and torques about the coordinates.
    coordinates
        Names of the columns; the muscles' are among them.
    """

    q: FloatArray
    qd: FloatArray
    tau_nm: FloatArray
    coordinates: tuple[str, ...]

    def of(self, coordinates: tuple[str, ...]) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Angles, rates and torques of some coordinates, in their order."""
        at = [self.coordinates.index(name) for name in coordinates]
        return self.q[:, at], self.qd[:, at], self.tau_nm[:, at]


def stream_of(name: str, rate_hz: float, columns: Mapping[str, FloatArray], unit: str) -> Stream:
    """Make a stream of columns with one unit; those of validity have none."""
    units = tuple("1" if channel.startswith("valid.") else unit for channel in columns)
    # Channel by channel in memory, as they are stored.
    data = np.stack(list(columns.values())).T
    return Stream(name, rate_hz, 0.0, tuple(columns), units, data)


def worn_imus(
    outfit: Outfit,
    dynamics: Dynamics,
    rate_hz: float,
    rng: np.random.Generator,
    link: LinkConfig | None = None,
) -> tuple[list[Stream], list[Gap]]:
    """Return what the IMUs measure, a stream each, and what was lost on the way."""
    streams, gaps = [], []
    for site, placement in outfit.imus.items():
        acc, gyro = worn_imu(*dynamics.imu(site), rate_hz, placement, rng)
        received = transmit(np.concatenate([acc.T, gyro.T]).T, rate_hz, rng, link)
        part = _place(site)
        channels = tuple(f"{kind}.{part}.{axis}" for kind in ("acc", "gyro") for axis in "xyz")
        units = ("m/s^2",) * 3 + ("rad/s",) * 3
        stream = Stream(
            f"imu_{part.replace('.', '_')}", rate_hz, 0.0, channels, units, _held(received)
        )
        streams.append(stream)
        gaps += _gaps(stream.name, received, rate_hz)
    return streams, gaps


def _place(site: str) -> str:
    """Place of an IMU as in channels: ``shank.r``, ``pelvis``; the arm is the right one."""
    segment, _, side = site.removeprefix("imu_").rpartition("_")
    if side in SIDES:
        return f"{segment}.{side}"
    whole = site.removeprefix("imu_").replace("trunk", "torso")
    return whole if whole in ("pelvis", "torso") else f"{whole}.r"


def worn_emg(
    outfit: Outfit,
    limbs: Mapping[str, tuple[Moved, FloatArray]],
    rate_hz: float,
    rng: np.random.Generator,
    *,
    raw: bool = False,
    elapsed_s: float = 0.0,
) -> Stream:
    """Return what the electrodes measure: envelopes, or raw at 1000 Hz.

    Parameters
    ----------
    outfit
        With the electrodes.
    limbs
        Side to what its muscles did, and acceleration (frames, 3) of where they are.
    rate_hz, rng
        Of the recording.
    raw
        Volts instead of envelopes.
    elapsed_s
        Time of the first frame since the start of the session: sweat has changed the gain.
    """
    columns: dict[str, FloatArray] = {}
    for side, (moved, shake) in limbs.items():
        parts = moved.of(outfit.muscles.coordinates)
        activity = drive(outfit.muscles, outfit.hidden, *parts, rate_hz)
        electrodes = outfit.electrodes[side]
        shaken = np.linalg.norm(shake - shake.mean(axis=0), axis=1)
        acceleration = np.repeat(shaken[:, None], len(electrodes.channels), axis=1)
        if raw:
            volts = raw_semg(
                electrodes,
                activity.excitation,
                rate_hz,
                RAW_EMG_HZ,
                rng,
                acceleration=acceleration,
                elapsed_s=elapsed_s,
            )
        else:
            volts = semg_envelope(
                electrodes,
                activity.excitation,
                rate_hz,
                rng,
                acceleration=acceleration,
                elapsed_s=elapsed_s,
            )
        columns |= _channels(outfit, side, volts, raw)
    return _emg(columns, rate_hz, raw)


def worn_mvc(
    outfit: Outfit, rate_hz: float, rng: np.random.Generator, *, raw: bool = False
) -> Stream:
    """Return what the electrodes measured of the maximal contractions; arguments as `worn_emg`."""
    columns: dict[str, FloatArray] = {}
    for side, maximal in outfit.maximal.items():
        volts = maximal.envelope_v
        if raw:
            asked = maximal.excitation, rate_hz, RAW_EMG_HZ, rng
            volts = raw_semg(outfit.electrodes[side], *asked)
        columns |= _channels(outfit, side, volts, raw)
    return _emg(columns, rate_hz, raw)


def _channels(outfit: Outfit, side: str, volts: FloatArray, raw: bool) -> dict[str, FloatArray]:
    """Name the channels of a limb: raw in volts, envelopes as a fraction of their reference."""
    names = outfit.electrodes[side].channels
    if raw:
        return {f"emg.{name}": own for name, own in zip(names, volts.T, strict=True)}
    share = (volts / outfit.reference[side]).T
    return {f"envelope.{name}": own for name, own in zip(names, share, strict=True)}


def _emg(columns: Mapping[str, FloatArray], rate_hz: float, raw: bool) -> Stream:
    return stream_of("emg", RAW_EMG_HZ if raw else rate_hz, columns, "V" if raw else "1")


def worn_insoles(
    outfit: Outfit,
    leg: LegGeometry,
    dynamics: Dynamics,
    motion: Motion,
    rng: np.random.Generator,
) -> Stream:
    """Return what the pressure insoles measure: force, and its centre from the ankle."""
    # Nothing presses beside the sole, whatever little force says of its centre.
    reach = np.array([[-leg.heel, -leg.half_breadth], [leg.toe, leg.half_breadth]])
    columns: dict[str, FloatArray] = {}
    units: list[str] = []
    for i, side in enumerate(SIDES):
        foot = dynamics.orientation[f"foot_{side}"]
        arm = motion.cop[:, i] - dynamics.points[f"ankle_{side}"]
        # Forward and left of the ankle in the foot's own axes.
        where = np.clip(np.einsum("fij,fi->fj", foot, arm)[:, :2], *reach)
        up = np.einsum("fi,fi->f", foot[:, :, 2], motion.force[:, i])
        force_n, cop_m = worn_insole(
            np.maximum(up, 0.0), where, motion.rate_hz, outfit.insoles[side], rng
        )
        columns[f"insole_force.foot.{side}"] = force_n
        columns[f"insole_cop.foot.{side}.anterior"] = cop_m[:, 0]
        columns[f"insole_cop.foot.{side}.lateral"] = -cop_m[:, 1]
        units += ["N", "m", "m"]
    data = np.stack(list(columns.values())).T
    return Stream("insole", motion.rate_hz, 0.0, tuple(columns), tuple(units), data)


def _held(received: Received) -> FloatArray:
    """Hold the last sample that arrived; before the first one, that one."""
    at = np.where(received.arrived, np.arange(len(received.arrived)), -1)
    at = np.maximum.accumulate(at)
    at[at < 0] = int(np.argmax(received.arrived))
    return np.nan_to_num(received.samples.T[:, at], copy=False).T


def _gaps(stream: str, received: Received, rate_hz: float) -> list[Gap]:
    edges = np.flatnonzero(np.diff(np.concatenate([[True], received.arrived, [True]])))
    pairs = edges.reshape(-1, 2)
    return [Gap(stream, float(a) / rate_hz, float(b) / rate_hz) for a, b in pairs]
