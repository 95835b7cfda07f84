"""What a leg gives to a model: which channels (`LegSpec`), and their samples (`LegSeries`).

The leg is the unit, so one network serves both sides: a recording gives at most two series.
`kinefed.signals.leg_series` makes them from a recording.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kinefed.datasets.channels import ChannelName
from kinefed.signals._codec import Plain, decode, encode
from kinefed.signals.errors import SignalError, SignalReason

FloatArray = NDArray[np.float32]
BoolArray = NDArray[np.bool_]
IntArray = NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class LegSpec:
    """Channels that a model reads and predicts, named without a side.

    Attributes
    ----------
    inputs
        Channels every leg must have, for example ``("angle.hip_flexion", "velocity.hip_flexion")``.
    outputs
        Torques, for example ``("torque.hip", "torque.knee", "torque.ankle")``.
    optional
        Channels that may be missing, for example ``("envelope.rectus_femoris",)``.
    rate_hz
        Rate of the series.
    velocity_cutoff_hz
        Cut-off of the second-order low-pass of velocities and accelerations that are derived
        from angles; None where the angles come filtered and need no second filter. Lower is
        smoother and later: a velocity at 100 Hz is 19 ms late with 15 Hz (see `Differentiate`).
        15 Hz keeps the fifteenth harmonic of a stride of 1 s; gait angles hold 99 % of their power
        below 6 Hz (Winter, Biomechanics and Motor Control of Human Movement, 4th ed., 2009).

    Raises
    ------
    SignalError
        ``out_of_range`` or ``wrong_channels``.
    DataError
        ``unknown_channel``.
    """

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    optional: tuple[str, ...] = ()
    rate_hz: float = 100.0
    velocity_cutoff_hz: float | None = 15.0

    def __post_init__(self) -> None:
        for name in ("inputs", "outputs", "optional"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        every = self.inputs + self.optional + self.outputs
        if not self.inputs or not self.outputs:
            raise _bad_channels("a leg needs inputs and outputs", "spec")
        for channel in every:
            if ChannelName.parse(channel).side is not None:
                raise _bad_channels(f"{channel!r} names a side; a leg's channels have none", "spec")
        if len(set(every)) != len(every):
            raise _bad_channels("a channel is named twice", "spec")
        for name in ("rate_hz", "velocity_cutoff_hz"):
            value = getattr(self, name)
            if value is not None and not (math.isfinite(value) and value > 0.0):
                raise SignalError(
                    SignalReason.OUT_OF_RANGE, f"{value} is not above 0", where=f"spec.{name}"
                )

    @property
    def n_channels(self) -> int:
        """Channels of x as a network sees it: inputs, optional values, their availability."""
        return len(self.inputs) + 2 * len(self.optional)

    @property
    def channels(self) -> tuple[str, ...]:
        """Columns of `LegSeries.x`: inputs, then optional."""
        return self.inputs + self.optional

    def to_dict(self) -> dict[str, Plain]:
        """Give the fields as JSON-ready data."""
        return encode(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, object], path: str = "spec") -> LegSpec:
        """Read `to_dict` back.

        Raises
        ------
        SignalError
            With the path of the bad field.
        """
        return decode(cls, data, path)


@dataclass(frozen=True, slots=True)
class LegSeries:
    """One leg in one recording, at one rate.

    Attributes
    ----------
    subject, group, session, task
        Whose and what it is; `group` is the unit of splitting.
    side
        ``"l"`` or ``"r"``.
    key
        The recording's key; both legs of a recording share it.
    rate_hz
        Frames a second.
    x
        (frames, channels) float32: inputs, then optional channels, in their stored units.
        Columns that are not available hold zeros.
    available
        (channels,) bool.
    y
        (frames, outputs) float32, N m/kg; finite wherever `mask` is true.
    mask
        (frames,) bool: the label of this frame may be learnt from and scored.
    contact
        (frames,) int32: number of the contiguous run of valid frames, -1 outside: the unit of
        cross-fitting.
    n_optional
        How many of the last columns of `x` are optional.

    Raises
    ------
    SignalError
        ``wrong_shape``, ``not_finite`` or ``wrong_channels``.
    """

    subject: str
    group: str
    session: str
    task: str
    side: str
    key: str
    rate_hz: float
    x: FloatArray
    available: BoolArray
    y: FloatArray
    mask: BoolArray
    contact: IntArray
    n_optional: int = 0

    def __post_init__(self) -> None:
        for name, kind in (
            ("x", np.float32),
            ("available", np.bool_),
            ("y", np.float32),
            ("mask", np.bool_),
            ("contact", np.int32),
        ):
            array = np.asarray(getattr(self, name), dtype=kind).view()
            array.flags.writeable = False
            object.__setattr__(self, name, array)
        where = f"{self.key} leg {self.side}"
        frames = self.x.shape[0]
        fits = (
            self.x.ndim == 2
            and self.y.ndim == 2
            and self.available.shape == (self.x.shape[1],)
            and self.y.shape[0] == frames
            and self.mask.shape == (frames,)
            and self.contact.shape == (frames,)
        )
        if not fits:
            raise SignalError(
                SignalReason.WRONG_SHAPE,
                f"x {self.x.shape}, available {self.available.shape}, y {self.y.shape}, "
                f"mask {self.mask.shape} and contact {self.contact.shape} do not belong together",
                where=where,
            )
        if not 0 <= self.n_optional < self.x.shape[1] + 1:
            raise _bad_channels(f"{self.n_optional} optional of {self.x.shape[1]} channels", where)
        required = self.x.shape[1] - self.n_optional
        if not self.available[:required].all():
            raise _bad_channels("a channel that is not optional is marked as missing", where)
        if not np.isfinite(self.x).all():
            raise SignalError(SignalReason.NOT_FINITE, "x holds NaN or infinity", where=where)
        if not np.isfinite(self.y[self.mask]).all():
            raise SignalError(SignalReason.NOT_FINITE, "a valid label is not finite", where=where)

    @property
    def n_frames(self) -> int:
        """Number of frames."""
        return int(self.x.shape[0])


def contacts_of(mask: BoolArray) -> IntArray:
    """Give each contiguous run of true frames its number.

    Parameters
    ----------
    mask
        (frames,) bool.

    Returns
    -------
    contact
        (frames,) int32: 0, 1, ... inside the runs, -1 outside.
    """
    flags = np.asarray(mask, dtype=bool)
    starts = flags & ~np.concatenate(([False], flags[:-1]))
    return np.where(flags, np.cumsum(starts) - 1, -1).astype(np.int32)


def _bad_channels(what: str, where: str) -> SignalError:
    return SignalError(SignalReason.WRONG_CHANNELS, what, where=where)
