"""Steps that are fitted on people: standardisation and principal components.

Fitting takes the people by name, so that a person held out cannot slip in.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from kinefed.datasets.types import Stream
from kinefed.signals.errors import SignalError, SignalReason
from kinefed.signals.scaling import Sums
from kinefed.signals.steps import (
    Layout,
    Pointwise,
    Samples,
    Step,
    StepSession,
    register,
    same_channels,
)

# What rounding leaves of a constant channel, as a share of its mean.
_CONSTANT = 1e-12

People = Mapping[str, Sequence[Stream]]


@register("z_score")
@dataclass(frozen=True)
class ZScore(Step):
    """Centre each channel and divide by its standard deviation over the training people.

    Attributes
    ----------
    channels
        What it was fitted on, in order.
    mean, std
        One value a channel, in its unit. A constant channel has deviation 1.
    """

    channels: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __post_init__(self) -> None:
        if not len(self.channels) == len(self.mean) == len(self.std):
            raise _lengths(self.kind)
        if min(self.std, default=1.0) <= 0.0:
            raise SignalError(
                SignalReason.OUT_OF_RANGE, "a deviation is not above 0", where=f"{self.kind}.std"
            )

    @classmethod
    def fit(cls, people: People, train: Collection[str]) -> Self:
        """Fit on training people only.

        Parameters
        ----------
        people
            Streams of each person; those not in `train` are not looked at.
        train
            Who is used.

        Raises
        ------
        SignalError
            ``wrong_channels`` or ``too_short``.
        """
        streams = _training_streams(cls.kind, people, train)
        sums = Sums.zeros(len(streams[0].channels))
        for stream in streams:
            sums = sums.merge(Sums.of(stream.data))
        std = np.sqrt(sums.variance)
        std[std <= _CONSTANT * np.abs(sums.mean)] = 1.0
        return cls(streams[0].channels, tuple(sums.mean.tolist()), tuple(std.tolist()))

    def _begin(self, layout: Layout) -> StepSession:
        same_channels(self.kind, self.channels, layout.channels)
        mean, std = np.array(self.mean), np.array(self.std)
        out = replace(layout, units=("1",) * len(layout.units))
        return Pointwise(out, lambda samples: np.asarray((samples - mean) / std))


@register("pca")
@dataclass(frozen=True)
class PCA(Step):
    """Project on the principal components of the training people (Hotelling, 1933).

    Attributes
    ----------
    channels
        What it was fitted on, in order.
    mean
        One value a channel.
    components
        One row of loadings a component, of unit length, largest variance first; the largest
        loading of each is positive, so that the sign is settled. They come out as ``pc.1``, ...
    """

    channels: tuple[str, ...]
    mean: tuple[float, ...]
    components: tuple[tuple[float, ...], ...]

    def __post_init__(self) -> None:
        width = len(self.channels)
        if len(self.mean) != width or any(len(row) != width for row in self.components):
            raise _lengths(self.kind)

    @classmethod
    def fit(cls, people: People, train: Collection[str], n_components: int) -> Self:
        """Fit on training people only.

        Parameters
        ----------
        people
            Streams of each person; those not in `train` are not looked at.
        train
            Who is used.
        n_components
            How many components, at most the number of channels.

        Raises
        ------
        SignalError
            ``wrong_channels``, ``too_short`` or ``out_of_range``.
        """
        streams = _training_streams(cls.kind, people, train)
        channels = streams[0].channels
        if not 1 <= n_components <= len(channels):
            raise SignalError(
                SignalReason.OUT_OF_RANGE,
                f"{n_components} is not in 1..{len(channels)}",
                where=f"{cls.kind}.n_components",
            )
        data = np.concatenate([stream.data for stream in streams])
        if len(data) < n_components:
            raise SignalError(
                SignalReason.TOO_SHORT,
                f"{len(data)} samples for {n_components} components",
                where=cls.kind,
            )
        mean = data.mean(axis=0)
        _, _, rows = np.linalg.svd(data - mean, full_matrices=False)
        rows = rows[:n_components]
        largest = rows[np.arange(len(rows)), np.abs(rows).argmax(axis=1)]
        rows = rows * np.where(largest < 0, -1.0, 1.0)[:, None]
        return cls(channels, tuple(mean.tolist()), tuple(tuple(row) for row in rows.tolist()))

    def _begin(self, layout: Layout) -> StepSession:
        same_channels(self.kind, self.channels, layout.channels)
        count = len(self.components)
        mean = np.array(self.mean)
        loadings = np.array(self.components).reshape(count, len(self.mean)).T

        def project(samples: Samples) -> Samples:
            # einsum without BLAS: the same sum for one row as for many, so that live equals
            # offline bit for bit; the matrices are small.
            return np.asarray(np.einsum("nc,ck->nk", samples - mean, loadings))

        units = set(layout.units)
        out = replace(
            layout,
            channels=tuple(f"pc.{i + 1}" for i in range(count)),
            units=(units.pop() if len(units) == 1 else "1",) * count,
        )
        return Pointwise(out, project)


def _training_streams(kind: str, people: People, train: Collection[str]) -> list[Stream]:
    missing = sorted(set(train) - set(people))
    if missing:
        raise SignalError(
            SignalReason.TOO_SHORT, f"no streams of {', '.join(missing)}", where=f"{kind}.fit"
        )
    # Sorted, so that the same people give the same bits in whatever order they came.
    streams = [s for person in sorted(set(train)) for s in people[person] if len(s.data)]
    if not streams:
        raise SignalError(
            SignalReason.TOO_SHORT, "the training people have no samples", where=f"{kind}.fit"
        )
    for stream in streams:
        same_channels(kind, streams[0].channels, stream.channels)
        if not np.isfinite(stream.data).all():
            raise SignalError(
                SignalReason.NOT_FINITE, "NaN or infinity in a stream", where=f"{kind}.fit"
            )
    return streams


def _lengths(kind: str) -> SignalError:
    return SignalError(
        SignalReason.WRONG_SHAPE, "fields do not have one value a channel", where=kind
    )
