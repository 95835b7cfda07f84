"""Joint angles of the wearer as one more stream of the live engine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from kinefed.client.live.columns import StreamLayout
from kinefed.datasets.types import FloatArray
from kinefed.sensors import Even
from kinefed.sensors.alignment import Alignment
from kinefed.sensors.grid import BoolArray
from kinefed.sensors.joint_angles import JointAngles


class LiveAngles:
    """Makes joint angles of aligned IMUs as their samples come.

    Angles only: velocities are derived from them as they were where the model learnt, filter and
    delay included.

    Parameters
    ----------
    sits
        Place to alignment, `kinefed.sensors.calibration.Calibration.alignments`.
    streams
        What is worn; streams without acceleration and angular velocity are passed over.

    Attributes
    ----------
    layouts
        The streams that come out, ``joint-knee.r``: one for each joint with both of its sensors.

    Raises
    ------
    UsageError
        ``bad_argument`` where the two sensors of a joint have different rates.
    """

    def __init__(self, sits: Mapping[str, Alignment], streams: Sequence[StreamLayout]) -> None:
        self._imus = {s.name: found for s in streams if (found := _imu(s)) is not None}
        rates = {self._imus[s.name][0]: s.rate_hz for s in streams if s.name in self._imus}
        self._angles = JointAngles(sits, rates)
        self._last: dict[str, FloatArray] = {}
        self.layouts = tuple(
            StreamLayout(
                f"joint-{joint.name}.{joint.side}",
                rates[joint.proximal],
                joint.channels[: len(joint.angles)],
            )
            for joint in self._angles.joints
        )

    def push(self, stream: str, even: Even) -> list[tuple[str, Even]]:
        """Take the next samples of a stream; give the angles that can be told now.

        Parameters
        ----------
        stream
            Its name.
        even
            Its samples.

        Returns
        -------
        list
            Stream and samples, as for `LiveEngine.push`.
        """
        if stream not in self._imus:
            return []
        place, acc, gyro = self._imus[stream]
        found = []
        ready = self._angles.push(
            place, even.first, even.values[:, acc], even.values[:, gyro], even.valid
        )
        for joint, first, frames in ready:
            name = f"joint-{joint.name}.{joint.side}"
            angles, known = frames.values[:, : len(joint.angles)], frames.known
            if name not in self._last:
                # There is none to hold yet, and an invented one would count as a short gap.
                if not known.any():
                    continue
                begin = int(np.argmax(known))
                first, angles, known = first + begin, angles[begin:], known[begin:]
            found.append((name, Even(first, self._held(name, angles, known), known)))
        return found

    def _held(self, name: str, angles: FloatArray, known: BoolArray) -> FloatArray:
        """Hold the last angle that was known."""
        before = self._last.get(name, np.zeros(angles.shape[1]))
        at = np.maximum.accumulate(np.where(known, np.arange(1, len(known) + 1), 0))
        values = np.vstack([before, angles])[at]
        if len(values):
            self._last[name] = values[-1]
        return values


def _imu(stream: StreamLayout) -> tuple[str, list[int], list[int]] | None:
    """Place of an IMU, and its columns of acceleration and angular velocity."""
    place = next((c[4:-2] for c in stream.channels if c.startswith("acc.")), None)
    wanted = [[f"{kind}.{place}.{axis}" for axis in "xyz"] for kind in ("acc", "gyro")]
    if place is None or not {name for each in wanted for name in each} <= set(stream.channels):
        return None
    acc, gyro = ([stream.channels.index(name) for name in each] for each in wanted)
    return place, acc, gyro
