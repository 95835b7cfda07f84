"""What a step of a pipeline is, and the registry of all steps.

A step is a frozen dataclass: its fields are all there is to know about it. Opened on a layout it
gives a session, which holds the state of one stream. Offline and live run the same session:
offline is one push of everything.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import ClassVar, TypeVar

import numpy as np
from numpy.typing import NDArray

from kinefed.datasets.channels import ChannelName
from kinefed.datasets.errors import DataError
from kinefed.signals._codec import Plain, decode, encode
from kinefed.signals.errors import SignalError, SignalReason

Samples = NDArray[np.float64]
S = TypeVar("S", bound="type[Step]")

STEPS: dict[str, type[Step]] = {}


@dataclass(frozen=True, slots=True)
class Layout:
    """What a stream looks like between two steps.

    Attributes
    ----------
    rate_hz
        Samples a second.
    channels, units
        A name and a unit for each column.
    start_s
        Time of the first sample.
    """

    rate_hz: float
    channels: tuple[str, ...]
    units: tuple[str, ...]
    start_s: float = 0.0

    def renamed(self, kinds: Mapping[str, str]) -> Layout:
        """Give the layout with other kinds of channel, for example ``emg`` -> ``envelope``.

        Units stay. Names that are not in the table of channels are left as they are.
        """
        return replace(self, channels=tuple(_rename(c, kinds) for c in self.channels))


class StepSession(ABC):
    """One stream running through one step.

    Attributes
    ----------
    layout
        What comes out.
    """

    layout: Layout

    @abstractmethod
    def push(self, samples: Samples) -> Samples:
        """Take the next samples, (n, channels), n >= 0; give what is ready, (m, channels out)."""


class Step(ABC):
    """A declared, frozen operation on a stream."""

    kind: ClassVar[str]
    # Steps with a twin that looks both ways have a field of this name.
    zero_phase: bool = False

    @property
    def causal(self) -> bool:
        """Say whether the step can run live: no output needs a sample that comes after it."""
        return not self.zero_phase

    def open(self, layout: Layout) -> StepSession:
        """Begin a stream.

        Raises
        ------
        SignalError
            ``not_causal``, or another where the step does not fit the stream's rate or channels.
        """
        if not self.causal:
            raise SignalError(
                SignalReason.NOT_CAUSAL,
                "zero_phase needs samples that have not come yet, so it cannot run live",
                where=self.kind,
                next_step="Set zero_phase = false, or apply the pipeline to a whole recording",
            )
        return self._begin(layout)

    @abstractmethod
    def _begin(self, layout: Layout) -> StepSession:
        """Make the session of the causal step."""

    def _whole(self, samples: Samples, layout: Layout) -> tuple[Samples, Layout]:
        """Do what `apply` does for the zero-phase twin."""
        raise NotImplementedError(self.kind)

    def apply(self, samples: Samples, layout: Layout) -> tuple[Samples, Layout]:
        """Work on a whole stream at once.

        Parameters
        ----------
        samples
            (samples, channels).
        layout
            What they are.

        Returns
        -------
        samples
            (samples out, channels out).
        layout
            What those are.
        """
        if not self.causal:
            return self._whole(samples, layout)
        session = self.open(layout)
        return session.push(samples), session.layout

    def to_dict(self) -> dict[str, Plain]:
        """Give ``{"kind": ..., field: value, ...}``, JSON-ready."""
        return {"kind": self.kind, **encode(self)}


def register(kind: str) -> Callable[[S], S]:
    """Enter a step class in the registry under its name on disk."""

    def enter(cls: S) -> S:
        if kind in STEPS:
            raise ValueError(f"two steps are named {kind!r}")
        cls.kind = kind
        STEPS[kind] = cls
        return cls

    return enter


def step_from_dict(data: object, path: str = "step") -> Step:
    """Read `Step.to_dict` back.

    Parameters
    ----------
    data
        A mapping with ``kind`` and the step's arguments.
    path
        Where it lies, for messages.

    Raises
    ------
    SignalError
        ``unknown_step``, or the reasons of a bad field, with its path.
    """
    if not isinstance(data, Mapping):
        raise SignalError(SignalReason.WRONG_TYPE, "expected a table of fields", where=path)
    kind = data.get("kind")
    if not isinstance(kind, str) or kind not in STEPS:
        raise SignalError(
            SignalReason.UNKNOWN_STEP,
            f"no step is named {kind!r}"[:200],
            where=f"{path}.kind",
            next_step=f"Known: {', '.join(sorted(STEPS))}",
        )
    return decode(STEPS[kind], {k: v for k, v in data.items() if k != "kind"}, path)


class Pointwise(StepSession):
    """A session without memory: one function of each sample."""

    def __init__(self, layout: Layout, function: Callable[[Samples], Samples]) -> None:
        self.layout = layout
        self._function = function

    def push(self, samples: Samples) -> Samples:
        """Apply the function, (n, channels) -> (n, channels out)."""
        return self._function(samples)


def above_zero(kind: str, field: str, value: float) -> None:
    """Refuse a value that is not above 0."""
    if not (np.isfinite(value) and value > 0):
        raise SignalError(
            SignalReason.OUT_OF_RANGE, f"{value} is not above 0", where=f"{kind}.{field}"
        )


def same_channels(kind: str, known: tuple[str, ...], found: tuple[str, ...]) -> None:
    """Refuse a stream whose channels are not those a step was fitted on, in order."""
    if known != found:
        raise SignalError(
            SignalReason.WRONG_CHANNELS,
            f"fitted on {', '.join(known)}, given {', '.join(found)}",
            where=kind,
        )


def _rename(channel: str, kinds: Mapping[str, str]) -> str:
    try:
        name = ChannelName.parse(channel)
    except DataError:
        return channel
    return str(replace(name, kind=kinds.get(name.kind, name.kind)))
