"""Joint angles of a wearer from aligned IMUs, live and of recordings alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from kinefed.datasets.channels import unit_of
from kinefed.datasets.errors import DataError, DataReason, UsageError, UsageReason
from kinefed.datasets.types import FloatArray, Gap, Recording, Stream
from kinefed.sensors.alignment import Alignment
from kinefed.sensors.grid import BoolArray
from kinefed.sensors.joint_session import Joint, JointFrames, JointSession, joints_of
from kinefed.sensors.orientation import OrientationSession, Oriented, imus_of


class JointAngles:
    """Angles of all joints of a wearer, as samples of their IMUs come.

    Parameters
    ----------
    sits
        Place to alignment.
    rates_hz
        Place to samples a second.

    Attributes
    ----------
    joints
        That both segments of are worn and aligned.

    Raises
    ------
    UsageError
        ``bad_argument`` where the two sensors of a joint have different rates.
    """

    def __init__(self, sits: Mapping[str, Alignment], rates_hz: Mapping[str, float]) -> None:
        there = {place: sits[place] for place in rates_hz if place in sits}
        self.joints = joints_of(there)
        self._imus = {place: OrientationSession(rates_hz[place]) for place in there}
        self._waiting: dict[tuple[Joint, str], list[tuple[int, Oriented]]] = {}
        self._sessions: dict[Joint, JointSession] = {}
        for joint in self.joints:
            rate_hz, other = rates_hz[joint.proximal], rates_hz[joint.distal]
            if rate_hz != other:
                raise UsageError(
                    UsageReason.BAD_ARGUMENT,
                    f"{joint.proximal} sends {rate_hz:g} Hz and {joint.distal} {other:g} Hz",
                    where=f"{joint.name}.{joint.side}",
                    next_step="Set one rate for both sensors",
                )
            self._sessions[joint] = JointSession(
                joint, there[joint.proximal], there[joint.distal], rate_hz
            )
            for place in (joint.proximal, joint.distal):
                self._waiting[joint, place] = []

    def push(
        self, place: str, first: int, acc: FloatArray, gyro: FloatArray, valid: BoolArray
    ) -> list[tuple[Joint, int, JointFrames]]:
        """Take the next samples of one IMU.

        Parameters
        ----------
        place
            Of the sensor; one that is not aligned gives nothing.
        first
            Number of the first sample since the grid's start, as in `Even`.
        acc, gyro, valid
            As in `ImuSamples`.

        Returns
        -------
        list
            Joint, number of the first frame, and frames: as far as both of its sensors have come.
        """
        if place not in self._imus or not len(acc):
            return []
        oriented = self._imus[place].push(acc, gyro, valid)
        found = []
        for joint in self.joints:
            if place in (joint.proximal, joint.distal):
                self._waiting[joint, place].append((first, oriented))
                found += self._ready(joint)
        return found

    def _ready(self, joint: Joint) -> list[tuple[Joint, int, JointFrames]]:
        above, below = (self._waiting[joint, p] for p in (joint.proximal, joint.distal))
        found = []
        while above and below:
            first = max(above[0][0], below[0][0])
            last = min(_end(above[0]), _end(below[0]))
            if last > first:
                pair = [_part(queue[0], first, last) for queue in (above, below)]
                found.append((joint, first, self._sessions[joint].push(*pair)))
            for queue in (above, below):
                head = queue.pop(0)
                if _end(head) > last:
                    rest = max(last, head[0])
                    queue.insert(0, (rest, _part(head, rest, _end(head))))
        return found


def joint_angles(recording: Recording, sits: Mapping[str, Alignment]) -> Recording:
    """Add the joint angles to a recording, as `JointAngles` gives them live.

    Parameters
    ----------
    recording
        With the IMUs.
    sits
        Place to alignment.

    Returns
    -------
    Recording
        With a stream more for each joint (``joint-knee.r``) and gaps where its angles are not
        known.

    Raises
    ------
    DataError
        ``missing_column`` where no joint has both of its sensors.
    UsageError
        As `JointAngles`.
    """
    imus = imus_of(recording)
    session = JointAngles(sits, {place: each.rate_hz for place, each in imus.items()})
    if not session.joints:
        raise DataError(
            DataReason.MISSING_COLUMN,
            "no joint has an aligned IMU on both of its segments",
            where=recording.ref.key,
            next_step=f"It has {', '.join(imus) or 'no IMU'}; aligned are {', '.join(sits)}",
        )
    streams, gaps = dict(recording.streams), list(recording.gaps)
    for place, each in imus.items():
        first = round(each.start_s * each.rate_hz)
        for joint, start, frames in session.push(place, first, each.acc, each.gyro, each.valid):
            name = f"joint-{joint.name}.{joint.side}"
            units = tuple(unit_of(channel) for channel in joint.channels)
            stream = Stream(
                name, each.rate_hz, start / each.rate_hz, joint.channels, units, frames.values
            )
            streams[name] = stream
            edges = np.flatnonzero(np.diff(np.concatenate(([True], frames.known, [True]))))
            gaps += [
                Gap(name, float(stream.time_s[a]), float(stream.time_s[b - 1]))
                for a, b in edges.reshape(-1, 2)
            ]
    return replace(recording, streams=streams, gaps=tuple(sorted(gaps)))


def _end(item: tuple[int, Oriented]) -> int:
    return item[0] + len(item[1].known)


def _part(item: tuple[int, Oriented], first: int, last: int) -> Oriented:
    """Samples from one number to another."""
    start, o = item
    if (first, last) == (start, _end(item)):
        return o
    part = slice(first - start, last - start)
    return Oriented(o.quat[part], o.gyro[part], o.known[part], o.run[part])
