"""A frozen list of steps that runs alike on whole recordings and on live samples."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from kinefed.datasets.channels import unit_of
from kinefed.datasets.errors import DataError
from kinefed.datasets.types import Stream

# Importing the modules of the steps enters them in the registry.
from kinefed.signals import (  # noqa: F401
    differentiate,
    envelopes,
    features,
    filters,
    fitted,
    resample,
)
from kinefed.signals._codec import Plain
from kinefed.signals.errors import SignalError, SignalReason
from kinefed.signals.steps import Layout, Samples, Step, StepSession, step_from_dict


class PipelineSession:
    """One live stream through a pipeline; made by `Pipeline.open`.

    Attributes
    ----------
    layout
        What comes out: rate, channels, units and the time of the first sample.
    """

    def __init__(self, steps: Iterable[Step], layout: Layout) -> None:
        self._channels = layout.channels
        self._sessions: list[StepSession] = []
        for step in steps:
            self._sessions.append(step.open(layout))
            layout = self._sessions[-1].layout
        self.layout = layout

    def push(self, samples: ArrayLike) -> Samples:
        """Take the next samples and give what is ready.

        Parameters
        ----------
        samples
            (n, channels), n >= 0, of any number type; integers are cast before anything else.

        Returns
        -------
        samples
            (m, channels out) float64.

        Raises
        ------
        SignalError
            ``wrong_shape``, ``wrong_channels`` or ``not_finite``; the session is as before, so
            a stream may go on after the bad chunk.
        """
        values = checked(samples, self._channels)
        for session in self._sessions:
            values = session.push(values)
        return values


@dataclass(frozen=True, slots=True)
class Pipeline:
    """Steps in order, causal unless one of them is ``zero_phase``.

    Attributes
    ----------
    steps
        The steps; none at all gives the signal back.
    """

    steps: tuple[Step, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "steps", tuple(self.steps))

    @property
    def causal(self) -> bool:
        """Say whether the pipeline can run live."""
        return all(step.causal for step in self.steps)

    def open(
        self,
        rate_hz: float,
        channels: Iterable[str],
        units: Iterable[str] | None = None,
        start_s: float = 0.0,
    ) -> PipelineSession:
        """Begin a live stream.

        Parameters
        ----------
        rate_hz
            Of the samples that will come.
        channels
            Their names.
        units
            Their units; by default those of the table of channels.
        start_s
            Time of the first sample.

        Raises
        ------
        SignalError
            ``not_causal``, or where a step does not fit the rate or the channels.
        """
        names = tuple(channels)
        if units is None:
            units = (_unit(name) for name in names)
        return PipelineSession(self.steps, Layout(rate_hz, names, tuple(units), start_s))

    def apply(self, stream: Stream) -> Stream:
        """Work on a whole stream; equal to pushing it through `open`, in chunks of any size.

        Parameters
        ----------
        stream
            (samples, channels).

        Returns
        -------
        stream
            Of the same name, at the rate and with the channels that the steps give.

        Raises
        ------
        SignalError
            ``not_finite``, or where a step does not fit the stream.
        """
        layout = Layout(stream.rate_hz, stream.channels, stream.units, stream.start_s)
        samples = checked(stream.data, stream.channels)
        for step in self.steps:
            samples, layout = step.apply(samples, layout)
        return Stream(
            stream.name, layout.rate_hz, layout.start_s, layout.channels, layout.units, samples
        )

    def to_dict(self) -> dict[str, Plain]:
        """Give ``{"steps": [...]}``, JSON-ready."""
        return {"steps": [step.to_dict() for step in self.steps]}

    @classmethod
    def from_dict(cls, data: Mapping[str, object], path: str = "pipeline") -> Pipeline:
        """Read `to_dict` back.

        Raises
        ------
        SignalError
            With the path of the bad field, for example ``pipeline.steps[2].cutoff_hz``.
        """
        for name in data:
            if name != "steps":
                raise SignalError(
                    SignalReason.UNKNOWN_FIELD, f"unknown argument {name!r}", where=f"{path}.{name}"
                )
        steps = data.get("steps")
        if not isinstance(steps, list | tuple):
            raise SignalError(
                SignalReason.WRONG_TYPE, "expected a list of steps", where=f"{path}.steps"
            )
        return cls(tuple(step_from_dict(s, f"{path}.steps[{i}]") for i, s in enumerate(steps)))


def checked(samples: ArrayLike, channels: tuple[str, ...]) -> Samples:
    """Give samples as float64 (n, channels), or refuse them."""
    values = np.asarray(samples, dtype=np.float64)
    if values.ndim != 2:
        raise SignalError(
            SignalReason.WRONG_SHAPE,
            f"samples are {values.shape}",
            where="pipeline",
            next_step="Give (samples, channels)",
        )
    if values.shape[1] != len(channels):
        raise SignalError(
            SignalReason.WRONG_CHANNELS,
            f"{values.shape[1]} columns for {len(channels)} channels",
            where="pipeline",
        )
    finite = np.isfinite(values)
    if not finite.all():
        row, column = (int(i) for i in np.argwhere(~finite)[0])
        raise SignalError(
            SignalReason.NOT_FINITE,
            f"sample {row} is NaN or infinite",
            where=channels[column],
            next_step="Fill or mask the gap before filtering: a filter would spread it",
        )
    return values


def _unit(channel: str) -> str:
    try:
        return unit_of(channel)
    except DataError:
        # A pipeline may work on names of its own, such as features; those carry no unit.
        return ""
