"""What emulated sensors measure on a person of a recording: the recording, worn.

Each sensor reads the recording at its own times, in its own axes and limits, and rounds to its own
steps; what a recording does not hold is made of what it does:

- orientation, of angular velocity and acceleration, as a sensor's own filter would make it without
  a magnetometer: the heading begins at 0 and drifts with the gyroscope;
- the field of the Earth and free acceleration, of the orientation;
- raw EMG, where the recording has only envelopes: noise of the band of surface EMG under them.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import signal as dsp
from scipy.spatial.transform import Rotation

from kinefed.datasets.errors import DataError, DataReason, UsageError, UsageReason
from kinefed.datasets.types import FloatArray, Recording, Stream
from kinefed.sensors.virtual import EMULATORS
from kinefed.sensors.virtual.sensor import Quirks, Signal, VirtualSensor
from kinefed.sensors.worn import Worn

# Below it, what a sensor feels over several seconds is gravity (VQF: Laidig and Seel, 2023).
_TILT_HZ = 0.1
# Dip of the field at middle latitudes; its strength counts as 1.
_DIP_RAD = 1.1
_GRAVITY = 9.80665
# A contraction at the envelope's reference gives about this root mean square under the skin.
_FULL_EFFORT_V = 3e-4
# Between contractions an electrode still gives some microvolts, the noise of skin and amplifier:
# one that gives none at all is off.
_REST_SHARE = 0.01
# Counts that the loudest thousandth of the samples reaches on an armband without a scale.
_LOUD_COUNTS = 100.0
_EMG_BAND_HZ = (20.0, 450.0)


@dataclass(frozen=True, slots=True)
class Player:
    """Plays columns at times of the host's clock.

    Attributes
    ----------
    rate_hz, start_s
        Of the columns, on the recording's clock.
    columns
        Label to (samples,).
    begin_s
        Host's time at which the recording begins.
    length_s
        After it the recording begins again.
    """

    rate_hz: float
    start_s: float
    columns: Mapping[str, FloatArray]
    begin_s: float
    length_s: float

    def __call__(self, label: str, times_s: FloatArray) -> FloatArray:
        """Give one channel between its samples, (n,)."""
        column = self.columns[label]
        at = ((times_s - self.begin_s) % self.length_s - self.start_s) * self.rate_hz
        at = np.clip(at, 0.0, len(column) - 1)
        left = np.minimum(at.astype(np.int64), max(0, len(column) - 2))
        right = np.minimum(left + 1, len(column) - 1)
        values: FloatArray = column[left] + (at - left) * (column[right] - column[left])
        return values


def wear(
    recording: Recording, worn: Sequence[Worn], begin_s: float, quirks: Quirks | None = None
) -> dict[str, VirtualSensor]:
    """Put emulated sensors on the person of a recording.

    Parameters
    ----------
    recording
        With acceleration and angular velocity of the places, and EMG or envelopes of the muscles.
    worn
        Which sensors, and where. Electrodes without a muscle feel nothing; an IMU without a
        place lies still.
    begin_s
        Host's monotonic clock at which the recording begins; it begins again at its end.
    quirks
        Of all sensors: clock and battery.

    Returns
    -------
    dict
        Name to sensor, for `kinefed.sensors.virtual.peripheral.Peripheral`.

    Raises
    ------
    UsageError
        ``impossible`` for a driver that has no emulator.
    DataError
        ``missing_column`` where the recording has no such place or muscle.
    """
    length_s = max(s.start_s + s.duration_s for s in recording.streams.values())
    sensors: dict[str, VirtualSensor] = {}
    for each in worn:
        if each.driver_id not in EMULATORS:
            raise UsageError(
                UsageReason.IMPOSSIBLE,
                f"there is no emulated {each.driver_id!r}",
                where=f"sensor {each.name}",
                next_step=f"There are {', '.join(EMULATORS)}",
            )
        players = _players(recording, each, begin_s, length_s)
        sensors[each.name] = EMULATORS[each.driver_id](_together(each, players), quirks)
    return sensors


def _players(
    recording: Recording, worn: Worn, begin_s: float, length_s: float
) -> dict[str, Player]:
    """Make a player of every label that the driver's channels have."""
    wanted = {c.label: c for spec in worn.driver().streams for c in spec.channels}
    players: dict[str, Player] = {}
    if any(label.startswith("emg.") for label in wanted):
        emg = _muscles(recording, worn)
        for label, stream in emg.items():
            column = {label: stream.data[:, 0]}
            players[label] = Player(stream.rate_hz, stream.start_s, column, begin_s, length_s)
    if any(not label.startswith(("emg.", "force")) for label in wanted):
        motion = _motion(recording, worn)
        imu = Player(motion.rate_hz, motion.start_s, _columns(motion), begin_s, length_s)
        players |= dict.fromkeys(imu.columns, imu)
    if "force" in wanted and worn.place is not None:
        name = f"force.{worn.place}"
        force = _need(recording, name, worn)
        columns = {"force": force.column(name)}
        players["force"] = Player(force.rate_hz, force.start_s, columns, begin_s, length_s)
    return players


def _together(worn: Worn, players: Mapping[str, Player]) -> Signal:
    def measured(label: str, times_s: FloatArray) -> FloatArray:
        if label in players:
            return players[label](label, times_s)
        if label.startswith(("emg.", "force")):
            return np.zeros(len(times_s))
        raise UsageError(
            UsageReason.IMPOSSIBLE,
            f"{label} is not emulated on a person",
            where=f"sensor {worn.name}",
            next_step="Choose a mode with orientation, acceleration or angular velocity",
        )

    return measured


def _motion(recording: Recording, worn: Worn) -> Stream:
    """Find acceleration and angular velocity of the place, (samples, 6); at rest without one."""
    labels = tuple(f"{kind}.{axis}" for kind in ("acc", "gyro") for axis in "xyz")
    if worn.place is None:
        rest = np.tile([0.0, 0.0, _GRAVITY, 0.0, 0.0, 0.0], (10, 1))
        return Stream("rest", 10.0, 0.0, labels, ("",) * 6, rest)
    names = [f"{label.split('.')[0]}.{worn.place}.{label[-1]}" for label in labels]
    found = [_need(recording, name, worn) for name in names]
    data = np.column_stack([s.column(n) for s, n in zip(found, names, strict=True)])
    return replace(found[0], channels=labels, units=("",) * 6, data=np.nan_to_num(data))


def _columns(motion: Stream) -> dict[str, FloatArray]:
    # Copied: scipy takes no read-only arrays.
    acc, gyro = np.array(motion.data[:, :3]), np.array(motion.data[:, 3:])
    turn = orientation(acc, gyro, motion.rate_hz)
    quat = turn.as_quat(scalar_first=True)
    # The same rotation has two quaternions; between samples they must not change places.
    flips = np.where((quat[1:] * quat[:-1]).sum(axis=1) < 0.0, -1.0, 1.0)
    quat[1:] *= np.cumprod(flips)[:, None]
    field = turn.inv().apply([np.cos(_DIP_RAD), 0.0, -np.sin(_DIP_RAD)])
    free = turn.apply(acc) - np.array([0.0, 0.0, _GRAVITY])
    euler = turn.as_euler("xyz")
    kinds = {"acc": acc, "gyro": gyro, "mag": field, "free_acc": free, "euler": euler}
    columns = {f"{k}.{a}": v[:, i] for k, v in kinds.items() for i, a in enumerate("xyz")}
    return columns | {f"quat.{a}": quat[:, i] for i, a in enumerate("wxyz")}


def orientation(acc: FloatArray, gyro: FloatArray, rate_hz: float) -> Rotation:
    """Estimate orientations in the world, z up, from a whole recording.

    Angular velocities are summed up; what the acceleration is on average in the axes so found
    is gravity, and its tilt is taken out.

    Parameters
    ----------
    acc, gyro
        (samples, 3) in m/s^2 and rad/s, in the sensor's axes.
    rate_hz
        Of the samples.

    Returns
    -------
    Rotation
        (samples,) from the sensor's axes to the world's; heading 0 at the start.
    """
    turn = _products(Rotation.from_rotvec(gyro / rate_hz))
    felt = turn.apply(acc)
    if len(felt) > rate_hz / _TILT_HZ:
        sos = dsp.butter(1, _TILT_HZ, fs=rate_hz, output="sos")
        felt = dsp.sosfiltfilt(sos, felt, axis=0)
    else:
        felt = np.repeat(felt.mean(axis=0)[None], len(felt), axis=0)
    up = felt / np.linalg.norm(felt, axis=1, keepdims=True)
    # The shortest rotation that takes what is felt to the vertical.
    axis = np.cross(up, [0.0, 0.0, 1.0])
    sine = np.linalg.norm(axis, axis=1, keepdims=True)
    angle = np.arctan2(sine, up[:, 2:])
    tilt = Rotation.from_rotvec(axis / np.where(sine > 0.0, sine, 1.0) * angle)
    return tilt * turn


def _products(steps: Rotation) -> Rotation:
    """Multiply all steps up to each one, the first left out: in doublings, not one by one."""
    turn = Rotation.concatenate([Rotation.identity(1), steps[1:]])
    reach = 1
    while reach < len(turn):
        turn = Rotation.concatenate([turn[:reach], turn[:-reach] * turn[reach:]])
        reach *= 2
    return turn


def _muscles(recording: Recording, worn: Worn) -> dict[str, Stream]:
    """Find the EMG under each electrode, in the sensor's unit at its band."""
    spec = next(s for s in worn.driver().streams if s.channels[0].kind == "emg")
    found: dict[str, Stream] = {}
    for channel in spec.channels:
        muscle = worn.electrodes.get(channel.slot or 0)
        if muscle is not None:
            found[channel.label] = _emg(recording, muscle, worn, spec.rate_hz or 200.0)
    if spec.channels[0].unit == "V" or not found:
        return found
    # One gain for the whole armband, so that muscles keep their proportions.
    loud = max(float(np.quantile(np.abs(s.data), 0.999)) for s in found.values())
    gain = _LOUD_COUNTS / loud if loud > 0.0 else 1.0
    return {label: replace(s, data=s.data * gain) for label, s in found.items()}


def _emg(recording: Recording, muscle: str, worn: Worn, rate_hz: float) -> Stream:
    name = f"emg.{muscle}"
    raw = recording.find(name)
    if raw is not None:
        raw = replace(raw, channels=(name,), units=("V",), data=raw.column(name)[:, None])
    else:
        raw = _under(_need(recording, f"envelope.{muscle}", worn), muscle)
    if raw.rate_hz > 2.0 * rate_hz * 0.45 and len(raw.data) > 30:
        # As the sensor's own filter before it samples.
        sos = dsp.butter(4, 0.45 * rate_hz, fs=raw.rate_hz, output="sos")
        raw = replace(raw, data=dsp.sosfiltfilt(sos, np.nan_to_num(raw.data), axis=0))
    return raw


def _under(envelope: Stream, muscle: str) -> Stream:
    """Make noise of surface EMG under an envelope, at 1000 Hz and always the same."""
    rate_hz = 1000.0
    n = max(1, round(envelope.duration_s * rate_hz))
    rng = np.random.default_rng(zlib.crc32(muscle.encode()))
    sos = dsp.butter(2, _EMG_BAND_HZ, "bandpass", fs=rate_hz, output="sos")
    noise = dsp.sosfilt(sos, rng.standard_normal(n))
    column = np.nan_to_num(envelope.column(f"envelope.{muscle}"))
    height = np.interp(np.arange(n) / rate_hz, np.arange(len(column)) / envelope.rate_hz, column)
    loud = np.hypot(np.maximum(height, 0.0), _REST_SHARE)
    volts = _FULL_EFFORT_V * loud * noise / max(float(noise.std()), 1e-12)
    return Stream("emg", rate_hz, envelope.start_s, (f"emg.{muscle}",), ("V",), volts[:, None])


def _need(recording: Recording, channel: str, worn: Worn) -> Stream:
    stream = recording.find(channel)
    if stream is None:
        raise DataError(
            DataReason.MISSING_COLUMN,
            f"the recording has no {channel} for the sensor {worn.name}",
            where=recording.ref.key,
            next_step="Wear it elsewhere; 'kinefed data inspect' lists the channels",
        )
    return stream
