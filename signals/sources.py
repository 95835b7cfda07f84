"""Where each channel of a leg comes from: which stream holds it, and the steps to the model's rate.

Recordings (`kinefed.signals.leg_series`) and live streams are asked in the same way, so that a
model reads the same while it is trained and while it is worn.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from kinefed.datasets.channels import ChannelName
from kinefed.signals.differentiate import Differentiate
from kinefed.signals.envelopes import Reference, envelope_steps
from kinefed.signals.errors import SignalError, SignalReason
from kinefed.signals.legs import LegSpec
from kinefed.signals.resample import Resample
from kinefed.signals.steps import Step

# What can be derived from an angle: kind to the number of derivatives.
_DERIVED = {"velocity": 1, "acceleration": 2}

Stored = Callable[[str], tuple[str, float] | None]
"""Of a channel's name: the stream that holds it in usable form, and that stream's rate in Hz."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where a channel comes from.

    Attributes
    ----------
    stream, column
        The stream and the channel in it.
    steps
        From there to the model's channel and rate.
    scaled
        False for EMG that lacks its reference.
    """

    stream: str
    column: ChannelName
    steps: tuple[Step, ...] = ()
    scaled: bool = True


def stored_source(stored: Stored, channel: ChannelName, side: str) -> Source | None:
    """Find a channel as it is stored: on the side, else on the midline."""
    for name in (replace(channel, side=side), channel):
        found = stored(str(name))
        if found is not None:
            return Source(found[0], name)
    return None


def leg_sources(
    stored: Stored,
    spec: LegSpec,
    side: str,
    emg_reference: Mapping[str, float] | None,
    where: str,
) -> list[Source | None]:
    """Say where each channel of `LegSpec.channels` comes from.

    Parameters
    ----------
    stored
        What there is.
    spec, side
        Of the leg.
    emg_reference
        As for `kinefed.signals.leg_series`.
    where
        Name of the recording or of what is worn, for messages.

    Returns
    -------
    sources
        None where a channel can be had from nothing.

    Raises
    ------
    SignalError
        ``no_reference`` where an envelope would have to come from EMG and `emg_reference` is
        None.
    """
    channels = (ChannelName.parse(channel) for channel in spec.channels)
    return [_source(stored, channel, side, spec, emg_reference, where) for channel in channels]


def grouped(
    sources: Sequence[Source | None],
) -> dict[tuple[str, tuple[Step, ...]], list[tuple[int, ChannelName]]]:
    """Group columns of x by stream and steps, so that each stream is filtered once."""
    groups: dict[tuple[str, tuple[Step, ...]], list[tuple[int, ChannelName]]] = {}
    for place, source in enumerate(sources):
        if source is not None:
            key = (source.stream, source.steps)
            groups.setdefault(key, []).append((place, source.column))
    return groups


def _source(
    stored: Stored,
    channel: ChannelName,
    side: str,
    spec: LegSpec,
    emg_reference: Mapping[str, float] | None,
    where: str,
) -> Source | None:
    found = stored_source(stored, channel, side)
    steps: tuple[Step, ...] = ()
    smooth = False
    if found is None and channel.kind in _DERIVED:
        found = stored_source(stored, replace(channel, kind="angle"), side)
        steps = (Differentiate(_DERIVED[channel.kind], spec.velocity_cutoff_hz),)
    elif found is None and channel.kind == "envelope":
        found = stored_source(stored, replace(channel, kind="emg"), side)
        if found is None:
            return None
        if emg_reference is None:
            raise SignalError(
                SignalReason.NO_REFERENCE,
                f"{found.column} has no reference to be a fraction of",
                where=where,
                next_step="Give emg_reference from a calibration or adaptation recording "
                "(emg_reference_of), or {} to go without EMG",
            )
        if str(found.column) not in emg_reference:
            return replace(found, scaled=False)
        # All references of the leg in one step, so that its muscles are filtered together.
        references = {
            str(replace(ChannelName.parse(c), kind="envelope")): v for c, v in emg_reference.items()
        }
        steps = (*envelope_steps(), Reference.of(references))
        smooth = True
    if found is None:
        return None
    held = stored(str(found.column))
    assert held is not None
    if held[1] != spec.rate_hz:
        # Envelopes end far below any rate worth having; a second low-pass would only delay.
        steps = (*steps, Resample(spec.rate_hz, anti_alias=not smooth))
    return replace(found, steps=steps)
