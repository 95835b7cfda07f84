"""The ``edf`` format: EDF, EDF+C, BDF and BDF+C files, those of `kinefed.datasets.edf` whole.

In other programs' files a signal is taken whose label names a channel of the table or a muscle and
a side (``EMG L Tib Ant``), or which a TOML file names::

    [signals]
    "EMG1" = "emg.tibialis_anterior.l"
    "ACC X" = "acc.shank.l.x"

Units are those of the header. Annotations of other programs are left out: they are free text.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from kinefed.datasets import edf as layout
from kinefed.datasets.channels import KINDS, ChannelName
from kinefed.datasets.errors import DataError, DataReason
from kinefed.datasets.importers._build import make_stream
from kinefed.datasets.importers._edf import EdfFile, factor, own_recording, read_edf
from kinefed.datasets.importers._emg_names import muscle_of
from kinefed.datasets.importers._read import need_file, reading
from kinefed.datasets.importers._registry import Imported, ImportOptions
from kinefed.datasets.quality import with_emg_quality
from kinefed.datasets.types import (
    DatasetInfo,
    FloatArray,
    Recording,
    RecordingRef,
    Stream,
    Subject,
    check_name,
)

_HELP = "Write it as at the top of datasets/importers/edf.py"


def read(src: Path, options: ImportOptions) -> Imported:
    """Read EDF and BDF files; of other programs' the folder names the person, the stem the task.

    Parameters
    ----------
    src
        A file, or a folder with ``**/*.edf`` and ``**/*.bdf``.
    options
        ``mapping`` names signals; ``mass_kg`` is of the person where the file has none.
    """
    root = src.parent if src.is_file() else src
    files = [src] if src.is_file() else _find(src)
    names = _mapping(options.mapping) if options.mapping else {}
    people: dict[str, Subject] = {}
    counts: dict[tuple[str, str], int] = {}
    plan: list[tuple[Path, RecordingRef]] = []
    for path in files:
        file = read_edf(path)
        head = file.head()
        if head is None:
            folders = path.relative_to(root).parts[:-1]
            who = check_name(folders[0] if folders else "S01", "subject ID", path)
            task = re.sub(r"[^a-z0-9-]+", "-", path.stem.lower().rstrip("0123456789_- "))
            task = check_name(task.strip("-") or "task", "task", path)
            counts[who, task] = counts.get((who, task), 0) + 1
            ref = RecordingRef(who, "s01", task, counts[who, task])
            subject = Subject(who, sex=file.sex.lower() or None, mass_kg=options.mass_kg)
        else:
            with reading(path, "kinefed EDF"):
                ref = RecordingRef.parse(head["recording"])
                subject = _subject(head["subject"], ref.subject, options)
        people.setdefault(ref.subject, subject)
        plan.append((path, ref))

    def recordings() -> Iterator[Recording]:
        for path, ref in plan:
            yield _recording(read_edf(path), ref, names)

    info = DatasetInfo(
        name=re.sub(r"[^A-Za-z0-9]+", "-", src.stem).strip("-") or "edf",
        notes="From EDF or BDF files: values are off by up to half a step of their 16 or 24 bits.",
    )
    return Imported(info, tuple(people.values()), recordings())


def _find(src: Path) -> list[Path]:
    found = sorted(
        path
        for path in src.glob("**/*")
        if path.suffix.lower() in layout.FORMATS and path.is_file()
    )
    if not found:
        raise DataError(
            DataReason.NOT_FOUND,
            "no file ends in .edf or .bdf",
            where=src,
            next_step="Give the folder that holds them",
        )
    return found


def _recording(file: EdfFile, ref: RecordingRef, names: Mapping[str, str]) -> Recording:
    head = file.head()
    if head is None:
        return with_emg_quality(Recording(ref, _foreign(file, names)))
    with reading(file.path, "kinefed EDF"):
        return own_recording(file, ref, head)


def _foreign(file: EdfFile, names: Mapping[str, str]) -> dict[str, Stream]:
    groups: dict[tuple[str, float], dict[str, FloatArray]] = {}
    for signal in file.signals:
        channel = names.get(signal.label) or _named(signal.label)
        if channel is None:
            continue
        group = "emg" if channel.startswith("emg.") else "signals"
        columns = groups.setdefault((group, signal.rate_hz), {})
        if channel in columns:
            raise DataError(
                DataReason.DUPLICATE,
                f"two signals are {channel}",
                where=file.path,
                next_step="Name the one that is wanted with a mapping",
            )
        columns[channel] = signal.values * factor(channel, signal.unit)
    if not groups:
        labels = ", ".join(signal.label for signal in file.signals[:20]) or "none"
        raise DataError(
            DataReason.EMPTY,
            f"no signal names a channel or a muscle; there are {labels}",
            where=file.path,
            next_step='Name them in a mapping: [signals], then "LABEL" = "emg.soleus.r"',
        )
    streams: dict[str, Stream] = {}
    for (group, rate_hz), columns in groups.items():
        name = group if group not in streams else f"{group}-{len(streams)}"
        streams[name] = make_stream(name, rate_hz, 0.0, columns)
    return streams


def _named(label: str) -> str | None:
    """Find the channel that a label names."""
    if label.partition(".")[0] in KINDS:
        try:
            return str(ChannelName.parse(label))
        except DataError:
            return None
    muscle = muscle_of(label)
    return None if muscle is None else f"emg.{muscle[1]}.{muscle[0]}"


def _subject(told: Any, who: str, options: ImportOptions) -> Subject:
    if told is None:
        return Subject(who, mass_kg=options.mass_kg)
    subject = Subject(**told)
    if subject.id != who:
        raise ValueError(f"it is of {who} and of {subject.id}")
    return subject


def _mapping(path: Path) -> dict[str, str]:
    try:
        body = tomllib.loads(need_file(path).read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise DataError(
            DataReason.BAD_FORMAT, f"it is no TOML: {error}", where=path, next_step=_HELP
        ) from error
    signals = body.get("signals")
    if set(body) != {"signals"} or not isinstance(signals, dict):
        raise DataError(
            DataReason.BAD_FORMAT, "it has no table [signals]", where=path, next_step=_HELP
        )
    return {str(label): str(ChannelName.parse(str(name))) for label, name in signals.items()}
