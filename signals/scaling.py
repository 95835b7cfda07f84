"""Means and standard deviations that can be added up over people, and the scaling they give."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kinefed.signals._codec import Plain, decode
from kinefed.signals.errors import SignalError, SignalReason
from kinefed.signals.legs import LegSeries

Float64Array = NDArray[np.float64]
Float32Array = NDArray[np.float32]

# A channel whose spread is below float32's resolution of its mean is constant: dividing by its
# rounding noise would blow it up, so it is only centred.
_CONSTANT = float(np.finfo(np.float32).eps)


@dataclass(frozen=True, slots=True)
class Sums:
    """Count, mean and centred sum of squares of each channel.

    Centred sums lose nothing where the mean is large against the spread, which plain sums of
    squares do.

    Attributes
    ----------
    count, mean, m2
        (channels,) float64 each; ``m2 = sum((x - mean)^2)``.

    Raises
    ------
    SignalError
        ``wrong_shape``, ``not_finite`` or ``out_of_range``.
    """

    count: Float64Array
    mean: Float64Array
    m2: Float64Array

    def __post_init__(self) -> None:
        for name in ("count", "mean", "m2"):
            array = np.array(getattr(self, name), dtype=np.float64)
            array.flags.writeable = False
            object.__setattr__(self, name, array)
        if self.count.ndim != 1 or not self.count.shape == self.mean.shape == self.m2.shape:
            raise _bad(SignalReason.WRONG_SHAPE, "count, mean and m2 need one value a channel")
        if not all(np.isfinite(a).all() for a in (self.count, self.mean, self.m2)):
            raise _bad(SignalReason.NOT_FINITE, "sums hold NaN or infinity")
        if (self.count < 0).any() or (self.m2 < 0).any():
            raise _bad(SignalReason.OUT_OF_RANGE, "a count or a sum of squares is below 0")

    @property
    def variance(self) -> Float64Array:
        """(channels,) population variance; 0 where nothing was counted."""
        return self.m2 / np.maximum(self.count, 1.0)

    @classmethod
    def zeros(cls, channels: int) -> Sums:
        """Give the sums of no samples at all."""
        nothing = np.zeros(channels)
        return cls(nothing, nothing, nothing)

    @classmethod
    def of(cls, values: ArrayLike, use: ArrayLike | None = None) -> Sums:
        """Sum some samples.

        Parameters
        ----------
        values
            (samples, channels).
        use
            (samples, channels) bool, or what broadcasts to it: which values count.
        """
        data = np.asarray(values, dtype=np.float64)
        if data.ndim != 2:
            raise _bad(SignalReason.WRONG_SHAPE, f"values are {data.shape}, not two-dimensional")
        chosen = np.broadcast_to(True if use is None else np.asarray(use, dtype=bool), data.shape)
        count = chosen.sum(axis=0).astype(np.float64)
        data = np.where(chosen, data, 0.0)
        mean = data.sum(axis=0) / np.maximum(count, 1.0)
        centred = np.where(chosen, data - mean, 0.0)
        return cls(count, mean, (centred * centred).sum(axis=0))

    def merge(self, other: Sums) -> Sums:
        """Add two sums (Chan, Golub, LeVeque, The American Statistician 37(3), 1983)."""
        if self.count.shape != other.count.shape:
            raise _bad(
                SignalReason.WRONG_CHANNELS,
                f"sums over {len(self.count)} and {len(other.count)} channels cannot be added",
            )
        count = self.count + other.count
        share = other.count / np.maximum(count, 1.0)
        delta = other.mean - self.mean
        mean = self.mean + delta * share
        return Sums(count, mean, self.m2 + other.m2 + delta * delta * self.count * share)


@dataclass(frozen=True, slots=True)
class Scaling:
    """Centre and spread of each channel of x and each output of y.

    Attributes
    ----------
    x_mean, x_std
        (channels,) float32, for the channels of `Windows`: inputs, optional values,
        availability. Availability has mean 0 and deviation 1: it is not scaled.
    y_mean, y_std
        (outputs,) float32, N m/kg.
    n_optional
        How many optional channels there are; their values are 0 after scaling where they are
        not available.

    Raises
    ------
    SignalError
        ``wrong_shape``, ``not_finite`` or ``out_of_range``.
    """

    x_mean: Float32Array
    x_std: Float32Array
    y_mean: Float32Array
    y_std: Float32Array
    n_optional: int = 0

    def __post_init__(self) -> None:
        for name in ("x_mean", "x_std", "y_mean", "y_std"):
            array = np.array(getattr(self, name), dtype=np.float32)
            array.flags.writeable = False
            object.__setattr__(self, name, array)
            if array.ndim != 1:
                raise _bad(SignalReason.WRONG_SHAPE, f"{name} is {array.shape}")
            if not np.isfinite(array).all():
                raise _bad(SignalReason.NOT_FINITE, f"{name} holds NaN or infinity")
        same = self.x_mean.shape == self.x_std.shape and self.y_mean.shape == self.y_std.shape
        if not same or not 0 <= 2 * self.n_optional <= len(self.x_mean):
            raise _bad(SignalReason.WRONG_SHAPE, "means and deviations differ in length")
        if (self.x_std <= 0).any() or (self.y_std <= 0).any():
            raise _bad(SignalReason.OUT_OF_RANGE, "a standard deviation is not above 0")

    @classmethod
    def from_sums(cls, x: Sums, y: Sums, n_optional: int = 0) -> Scaling:
        """Make a scaling from sums, for example those of all training people.

        Parameters
        ----------
        x
            Sums over inputs and optional values (see `leg_sums`); without availability.
        y
            Sums over outputs.
        n_optional
            How many of the last channels of `x` are optional.
        """
        x_mean = np.concatenate([x.mean, np.zeros(n_optional)])
        x_std = np.concatenate([_deviation(x), np.ones(n_optional)])
        return cls(
            x_mean.astype(np.float32),
            x_std.astype(np.float32),
            y.mean.astype(np.float32),
            _deviation(y).astype(np.float32),
            n_optional,
        )

    def scale_x(self, x: NDArray[np.floating]) -> Float32Array:
        """Scale windows: (windows, channels, times) -> the same shape, float32.

        Optional values that are not available become 0, as every network may rely on.
        """
        if x.shape[-2] != len(self.x_mean):
            raise _bad(
                SignalReason.WRONG_CHANNELS,
                f"x has {x.shape[-2]} channels, the scaling {len(self.x_mean)}",
            )
        scaled: Float32Array = np.subtract(x, self.x_mean[:, None], dtype=np.float32)
        scaled /= self.x_std[:, None]
        if self.n_optional:
            k = self.n_optional
            scaled[..., -2 * k : -k, :] *= scaled[..., -k:, :]
        return scaled

    def scale_y(self, y: NDArray[np.floating]) -> Float32Array:
        """Scale labels: (windows, outputs) or (windows, outputs, times), N m/kg -> 1."""
        shape = (-1,) + (1,) * (y.ndim - 2)
        return ((y - self.y_mean.reshape(shape)) / self.y_std.reshape(shape)).astype(np.float32)

    def unscale_y(self, y: NDArray[np.floating]) -> Float32Array:
        """Undo `scale_y`: a network's output -> N m/kg."""
        shape = (-1,) + (1,) * (y.ndim - 2)
        return (y * self.y_std.reshape(shape) + self.y_mean.reshape(shape)).astype(np.float32)

    def to_dict(self) -> dict[str, Plain]:
        """Give the fields as JSON-ready data; float32 survives the round trip exactly."""
        names = ("x_mean", "x_std", "y_mean", "y_std")
        arrays: dict[str, Plain] = {name: getattr(self, name).tolist() for name in names}
        return arrays | {"n_optional": self.n_optional}

    @classmethod
    def from_dict(cls, data: Mapping[str, object], path: str = "scaling") -> Scaling:
        """Read `to_dict` back.

        Raises
        ------
        SignalError
            With the path of the bad field.
        """
        plain = decode(_Plain, data, path)
        arrays = (plain.x_mean, plain.x_std, plain.y_mean, plain.y_std)
        x_mean, x_std, y_mean, y_std = (np.array(a, np.float32) for a in arrays)
        return cls(x_mean, x_std, y_mean, y_std, plain.n_optional)


@dataclass(frozen=True, slots=True)
class _Plain:
    x_mean: tuple[float, ...]
    x_std: tuple[float, ...]
    y_mean: tuple[float, ...]
    y_std: tuple[float, ...]
    n_optional: int = 0


def leg_sums(series: Iterable[LegSeries]) -> tuple[Sums, Sums]:
    """Sum the frames of some legs, for `Scaling.from_sums`.

    Parameters
    ----------
    series
        Legs of training people, at least one.

    Returns
    -------
    x
        Sums over inputs and optional values; values not available do not count.
    y
        Sums over outputs.

    Notes
    -----
    Both count valid frames alone, those that a network is trained on: a swing phase without
    labels stretches the scale of the knee angle to 2.3 times what stance uses of it in children.
    """
    legs: Sequence[LegSeries] = tuple(series)
    if not legs:
        raise _bad(SignalReason.TOO_SHORT, "no leg to sum")
    x, y = Sums.zeros(legs[0].x.shape[1]), Sums.zeros(legs[0].y.shape[1])
    for leg in legs:
        x = x.merge(Sums.of(leg.x, leg.available & leg.mask[:, None]))
        y = y.merge(Sums.of(leg.y, leg.mask[:, None]))
    return x, y


def _deviation(sums: Sums) -> Float64Array:
    deviation = np.sqrt(sums.variance)
    return np.where(deviation <= _CONSTANT * np.abs(sums.mean), 1.0, deviation)


def _bad(reason: SignalReason, what: str) -> SignalError:
    return SignalError(reason, what, where="scaling")
