"""From a recording to the legs in it, at one rate, with everything causal that a model reads."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from kinefed.datasets.channels import SIDES, ChannelName
from kinefed.datasets.types import Recording, Stream, Subject
from kinefed.signals.envelopes import envelope_steps
from kinefed.signals.errors import SignalError, SignalReason
from kinefed.signals.legs import BoolArray, LegSeries, LegSpec, contacts_of
from kinefed.signals.mirror import mirror_sign
from kinefed.signals.pipeline import Pipeline
from kinefed.signals.sources import Source, grouped, leg_sources, stored_source
from kinefed.signals.steps import Samples

# Verdicts that are no complaint; any other verdict takes the channel out.
_GOOD = ("", "good", "ok")
# Times agree if they differ by less than this share of a sample: rounding of start times.
_SAME_SAMPLE = 1e-6


def leg_series(
    recording: Recording,
    subject: Subject,
    spec: LegSpec,
    emg_reference: Mapping[str, float] | None = None,
) -> list[LegSeries]:
    """Make the legs of a recording.

    A channel is taken from whichever stream holds it (of the leg's side, else of the midline).
    One that no stream holds is derived: velocities and accelerations from the angle by a causal
    `Differentiate`; envelopes from EMG by `envelope_steps` and the reference. Streams at other
    rates are resampled causally; a frame takes the latest sample at or before it. Labels alone
    are interpolated without delay. What is in sensor or laboratory axes is mirrored on the left
    (`mirror_sign`).

    A channel with a bad verdict in ``recording.quality``, or without one finite sample, does not
    exist. An optional channel with samples that are not finite does not either; a required one
    holds its last value there and those frames are not valid. Frames are those that all used
    streams cover; frames in a gap of a used stream are not valid.

    Parameters
    ----------
    recording
        With torques (stream ``torque``) for a leg to come out.
    subject
        Whose it is; gives the group.
    spec
        The channels.
    emg_reference
        ``emg.<muscle>.<side>`` to the wearer's reference in volts, from a calibration or
        adaptation recording (`emg_reference_of`), never from this one. A muscle that is not in
        it has no envelope; an empty mapping takes part without EMG. Frames do not depend on it.

    Returns
    -------
    legs
        Left then right, those that have every input and output: 0 to 2.

    Raises
    ------
    SignalError
        ``no_reference`` where an envelope would have to come from EMG and `emg_reference` is
        None; ``wrong_channels`` where the recording is another person's.
    """
    if recording.ref.subject != subject.id:
        raise SignalError(
            SignalReason.WRONG_CHANNELS,
            f"the recording is of {recording.ref.subject}, the subject is {subject.id}",
            where=recording.ref.key,
        )
    legs = (_leg(recording, subject, spec, side, emg_reference) for side in SIDES)
    return [leg for leg in legs if leg is not None]


def emg_reference_of(recordings: Iterable[Recording]) -> dict[str, float]:
    """Take each EMG channel's reference from calibration or adaptation recordings.

    It is the peak of the envelope (`envelope_steps`) over all of them: the usual choice where a
    maximal voluntary contraction cannot be had.

    Parameters
    ----------
    recordings
        Of one wearer and one placement of electrodes; never a test recording.

    Returns
    -------
    reference
        ``emg.<muscle>.<side>`` to volts; channels that are bad, flat or not finite are left out.
    """
    peaks: dict[str, float] = {}
    for recording in recordings:
        for stream in recording.streams.values():
            emg = [c for c in stream.channels if c.startswith("emg.") and _good(recording, c)]
            columns = [c for c in emg if np.isfinite(stream.column(c)).all()]
            if not columns or not len(stream.data):
                continue
            envelopes = Pipeline(envelope_steps()).apply(_part(stream, columns)).data
            for channel, peak in zip(columns, envelopes.max(axis=0).tolist(), strict=True):
                peaks[channel] = max(peak, peaks.get(channel, 0.0))
    return {channel: peak for channel, peak in peaks.items() if peak > 0.0}


def _leg(
    recording: Recording,
    subject: Subject,
    spec: LegSpec,
    side: str,
    emg_reference: Mapping[str, float] | None,
) -> LegSeries | None:
    def stored(name: str) -> tuple[str, float] | None:
        stream = recording.find(name)
        if stream is None or not _good(recording, name):
            return None
        return (stream.name, stream.rate_hz) if np.isfinite(stream.column(name)).any() else None

    labels = [stored_source(stored, ChannelName.parse(c), side) for c in spec.outputs]
    sources = leg_sources(stored, spec, side, emg_reference, recording.ref.key)
    n_inputs = len(spec.inputs)
    for i, source in enumerate(sources[n_inputs:], start=n_inputs):
        if source is not None and not np.isfinite(_raw(recording, source)).all():
            sources[i] = None
    if None in labels or any(s is None or not s.scaled for s in sources[:n_inputs]):
        return None
    # EMG without a reference counts here, so that two references give the same frames.
    used = {s.stream for s in [*labels, *sources] if s is not None}
    sources = [s if s is None or s.scaled else None for s in sources]
    start_s = max(recording.streams[name].start_s for name in used)
    end_s = min(_last_s(recording.streams[name]) for name in used)
    frames = int(np.floor((end_s - start_s) * spec.rate_hz + _SAME_SAMPLE)) + 1
    if frames < 1:
        return None
    time_s = start_s + np.arange(frames) / spec.rate_hz
    x = np.zeros((frames, len(sources)), np.float32)
    for (stream, steps), wanted in grouped(sources).items():
        names = [str(column) for _, column in wanted]
        out = Pipeline(steps).apply(_held(_part(recording.streams[stream], names)))
        at = np.floor((time_s - out.start_s) * out.rate_hz + _SAME_SAMPLE).astype(np.int64)
        at = np.clip(at, 0, len(out.data) - 1)
        signs = [mirror_sign(column) if side == "l" else 1.0 for _, column in wanted]
        x[:, [place for place, _ in wanted]] = out.data[at] * np.array(signs)
    mask = np.ones(frames, bool)
    for source in sources[:n_inputs]:
        if source is not None:
            finite = np.isfinite(_raw(recording, source))
            mask &= _at(recording.streams[source.stream], finite.astype(float), time_s) == 1.0
    y = np.empty((frames, len(labels)))
    for i, label in enumerate(labels):
        if label is not None:
            y[:, i] = _at(recording.streams[label.stream], _raw(recording, label), time_s)
    valid = recording.find(f"valid.torque.{side}")
    if valid is not None:
        mask &= _at(valid, valid.column(f"valid.torque.{side}"), time_s) >= 1.0
    mask &= np.isfinite(y).all(axis=1)
    mask &= ~_in_gap(recording, used, time_s)
    ref = recording.ref
    return LegSeries(
        subject=subject.id,
        group=subject.group,
        session=ref.session,
        task=ref.task,
        side=side,
        key=ref.key,
        rate_hz=spec.rate_hz,
        x=x,
        available=np.array([source is not None for source in sources]),
        y=y.astype(np.float32),
        mask=mask,
        contact=contacts_of(mask),
        n_optional=len(spec.optional),
    )


def _good(recording: Recording, channel: str) -> bool:
    return recording.quality.get(channel, "") in _GOOD


def _raw(recording: Recording, source: Source) -> Samples:
    return recording.streams[source.stream].column(str(source.column))


def _part(stream: Stream, names: list[str]) -> Stream:
    columns = [stream.channels.index(name) for name in names]
    units = tuple(stream.units[i] for i in columns)
    return replace(stream, channels=tuple(names), units=units, data=stream.data[:, columns])


def _held(stream: Stream) -> Stream:
    """Fill samples that are not finite with the last one that is, leading ones with the first."""
    finite = np.isfinite(stream.data)
    if finite.all():
        return stream
    row = np.where(finite, np.arange(len(finite))[:, None], -1)
    last = np.maximum.accumulate(row, axis=0)
    last = np.where(last < 0, finite.argmax(axis=0), last)
    return replace(stream, data=np.take_along_axis(stream.data, last, axis=0))


def _last_s(stream: Stream) -> float:
    return stream.start_s + (len(stream.data) - 1) / stream.rate_hz


def _at(stream: Stream, values: Samples, time_s: Samples) -> NDArray[np.float64]:
    """Interpolate linearly; on a sample, take it alone, whatever its neighbours hold."""
    position = (time_s - stream.start_s) * stream.rate_hz
    before = np.clip(np.floor(position + _SAME_SAMPLE).astype(np.int64), 0, len(values) - 1)
    after = np.minimum(before + 1, len(values) - 1)
    weight = np.clip(position - before, 0.0, 1.0)
    blend = values[before] * (1.0 - weight) + values[after] * weight
    return np.where(weight <= _SAME_SAMPLE, values[before], blend)


def _in_gap(recording: Recording, used: set[str], time_s: Samples) -> BoolArray:
    inside = np.zeros(len(time_s), bool)
    for gap in (gap for gap in recording.gaps if gap.stream in used):
        inside |= (time_s >= gap.start_s) & (time_s <= gap.end_s)
    return inside
