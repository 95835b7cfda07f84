"""Recordings as windows for one model: shared by train, evaluate and personalize."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from kinefed.cli.progress import Bars
from kinefed.datasets import (
    DataError,
    DataReason,
    Dataset,
    RecordingRef,
    UsageError,
    UsageReason,
    with_side,
)
from kinefed.datasets.channels import SIDES, ChannelName
from kinefed.models import ModelBundle
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


@dataclass(frozen=True, slots=True)
class EmgScale:
    """What EMG envelopes are a fraction of; never of the recording that is scored.

    Attributes
    ----------
    own
        Each person's own recordings, all of them: right only where none is a test, as for people
        that a model learns from (the more recordings, the steadier the peak) or adapts to.
    named
        Task, or recording (``task_nn``), whose recordings give each person's reference and are
        left out of what is read; "" for none.
    volts
        A frozen reference by subject, as a personal model holds it.
    """

    own: bool = False
    named: str = ""
    volts: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    def gives(self, ref: RecordingRef) -> bool:
        """Say whether a recording is one of the named."""
        return bool(self.named) and self.named in (ref.task, ref.key.rpartition("/")[2])

    def reference(self, dataset: Dataset, subject: str) -> Mapping[str, float]:
        """Return ``emg.<muscle>.<side>`` to volts; empty where there is no reference."""
        if subject in self.volts:
            return self.volts[subject]
        refs = [ref for ref in dataset.select(subject=subject) if self.own or self.gives(ref)]
        return emg_reference_of(dataset.load(ref) for ref in refs)


def scale_of_tested(
    dataset: Dataset, model: ModelBundle, named: str | None, tested: Sequence[str], bars: Bars
) -> EmgScale:
    """Say what the EMG of people who are tested is a fraction of.

    Parameters
    ----------
    dataset, model, tested
        Who is tested with what.
    named
        Task or recording that the user set aside for it; goes before what the model holds.
    bars
        Takes the note that EMG is left out for want of both.

    Raises
    ------
    UsageError
        ``unknown_name`` where there is no such recording; ``bad_argument`` where the model holds
        one wearer's reference and several people are tested.
    """
    if named is not None:
        scale = EmgScale(named=named)
        if not any(scale.gives(ref) for ref in dataset.refs):
            raise UsageError(
                UsageReason.UNKNOWN_NAME,
                f"no task or recording {named!r}",
                where=dataset.path,
                next_step=f"It has the tasks {', '.join(dataset.tasks)[:200]}",
            )
        return scale
    if model.emg_reference:
        if len(tested) != 1:
            raise UsageError(
                UsageReason.BAD_ARGUMENT,
                "the model holds one wearer's EMG reference, and several people are to be tested",
                where=dataset.path,
                next_step="Name the wearer with --subjects, or recordings with --reference",
            )
        return EmgScale(volts={tested[0]: model.emg_reference})
    if model.spec.optional:
        bars.note("EMG is left out; --reference TASK names recordings to scale it by")
    return EmgScale()


def legs_of(
    dataset: Dataset,
    subjects: Sequence[str],
    spec: LegSpec,
    bars: Bars,
    scale: EmgScale,
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
    scale
        What EMG envelopes are a fraction of; the recordings that it names are left out.

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
    volts: dict[str, Mapping[str, float]] = {}
    for ref in refs:
        if spec.optional and ref.subject not in volts:
            volts[ref.subject] = scale.reference(dataset, ref.subject)
        if not scale.gives(ref):
            person = dataset.subjects[ref.subject]
            legs = leg_series(dataset.load(ref), person, spec, volts.get(ref.subject, {}))
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
