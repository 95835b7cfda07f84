"""Recordings as windows for one model: shared by train, evaluate and personalize."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from kinefed.cli.progress import Bars
from kinefed.datasets import DataError, DataReason, Dataset, UsageError, UsageReason, with_side
from kinefed.datasets.channels import SIDES, ChannelName
from kinefed.signals import LegSeries, LegSpec, Windows, emg_reference_of, leg_series

# What a leg derives from another channel where the recording has none of its own.
_FROM = {"velocity": "angle", "acceleration": "angle", "envelope": "emg"}


def check_subjects(dataset: Dataset, subjects: Iterable[str]) -> tuple[str, ...]:
    """Return subject ids as they are, or refuse those that the dataset does not have.

    Raises
    ------
    UsageError
        ``unknown_name``.
    """
    asked = tuple(subjects)
    for subject in asked:
        if subject not in dataset.subjects:
            raise UsageError(
                UsageReason.UNKNOWN_NAME,
                f"no subject {subject!r}",
                where=dataset.path,
                next_step=f"It has {', '.join(dataset.subjects)[:200]}",
            )
    return asked


def check_reference(dataset: Dataset, spec: LegSpec, reference: str | None, bars: Bars) -> str:
    """Return the task that scales the EMG of tested people, "" for none.

    Raises
    ------
    UsageError
        ``unknown_name`` where no recording is of that task.
    """
    if reference is None:
        if spec.optional:
            bars.note("EMG is left out; --reference TASK names recordings to scale it by")
        return ""
    if reference not in dataset.tasks:
        raise UsageError(
            UsageReason.UNKNOWN_NAME,
            f"no task {reference!r}",
            where=dataset.path,
            next_step=f"It has {', '.join(dataset.tasks)[:200]}",
        )
    return reference


def legs_of(
    dataset: Dataset,
    subjects: Sequence[str],
    spec: LegSpec,
    bars: Bars,
    reference: str | None = None,
) -> dict[str, list[LegSeries]]:
    """Read the legs of some people that have a model's channels and at least one label.

    Parameters
    ----------
    dataset, subjects
        Whom to read.
    spec
        Channels of the model.
    bars
        Shows the progress.
    reference
        Task whose recordings give the reference of EMG envelopes and are left out of what is
        returned: for people who are tested. "": none, so that legs come without envelopes. None:
        a person's own recordings, all of them, which is right only where none is a test.

    Returns
    -------
    dict
        By subject; people without a usable leg are left out with a note.

    Raises
    ------
    DataError
        ``mismatch`` where nobody has what the model needs, naming the channel.
    """
    refs = [ref for subject in subjects for ref in dataset.select(subject=subject)]
    bars.stage("reading recordings", len(refs))
    found: dict[str, list[LegSeries]] = {subject: [] for subject in subjects}
    peaks: dict[str, dict[str, float]] = {}
    for ref in refs:
        if spec.optional and ref.subject not in peaks:
            own = [r for r in refs if r.subject == ref.subject]
            used = [r for r in own if reference is None or r.task == reference]
            peaks[ref.subject] = emg_reference_of(dataset.load(r) for r in used)
        if reference is None or ref.task != reference:
            person = dataset.subjects[ref.subject]
            legs = leg_series(dataset.load(ref), person, spec, peaks.get(ref.subject, {}))
            found[ref.subject] += [leg for leg in legs if leg.mask.any()]
        bars.advance()
    usable = {subject: legs for subject, legs in found.items() if legs}
    if not usable:
        raise _no_legs(dataset, subjects, spec)
    for subject in subjects:
        if subject not in usable:
            bars.note(f"{subject}: no recording with the model's channels and torque, left out")
    return usable


def windows_of(legs: Iterable[Sequence[LegSeries]], length: int) -> Windows:
    """Return the windows of several people's legs."""
    return Windows([leg for own in legs for leg in own], length)


def _no_legs(dataset: Dataset, subjects: Sequence[str], spec: LegSpec) -> DataError:
    """Say which of the model's channels the recordings lack."""
    seen = {
        channel
        for subject in subjects
        for ref in dataset.select(subject=subject)[:1]
        for stream in dataset.load(ref).streams.values()
        for channel in stream.channels
    }
    lacking = [c for c in (*spec.inputs, *spec.outputs) if not any(n in seen for n in _names(c))]
    what = f"nobody has {lacking[0]}" if lacking else "nobody has a frame with a valid label"
    return DataError(
        DataReason.MISMATCH,
        f"{what}, which the model needs",
        where=dataset.path,
        next_step="See what there is with `kinefed data inspect`",
    )


def _names(channel: str) -> list[str]:
    """Return the names under which a recording could give a sideless channel."""
    name = ChannelName.parse(channel)
    kinds = [name.kind, *([_FROM[name.kind]] if name.kind in _FROM else [])]
    sideless = [channel.replace(name.kind, kind, 1) for kind in kinds]
    return [*sideless, *(with_side(c, side) for c in sideless for side in SIDES)]
