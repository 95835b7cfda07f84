"""The ``elderly_isometric`` format: isometric contractions of the leg, EMG and force.

Source: github.com/hermescb/Electromyography-and-Dynamometry-of-the-Lower-Limb-of-the-Elderly, one
``ID<nn>.npz`` a participant with the arrays of the published workbook. Force only: the lever arm
was not published, so there is no torque. Plantarflexion is left out: its EMG has nothing to do
with its force (median correlation 0.02).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from kinefed.datasets.errors import DataError, DataReason
from kinefed.datasets.importers._build import GRAVITY_M_S2, make_stream, streams_by_name
from kinefed.datasets.importers._read import find_files, read_npz, read_xlsx
from kinefed.datasets.importers._registry import Imported, ImportOptions
from kinefed.datasets.quality import with_emg_quality
from kinefed.datasets.types import DatasetInfo, Recording, RecordingRef, Subject, Trial

RATE_HZ = 2000.0
# task -> (column of the load cell, array of the EMG, its misspelling in one file)
_TASKS = {
    "knee-extension": (0, ("EMG_VL",)),
    "knee-flexion": (1, ("EMG_BF",)),
    "dorsiflexion": (2, ("EMG_TA", "EMB_TA")),
}
_MUSCLES = ("vastus_lateralis", "biceps_femoris", "tibialis_anterior", "gastrocnemius_lateralis")
# IDs that look like one person twice: near-identical demographics, equal Berg score, nearest EMG
# and force fingerprint. They share a group, so that no split separates them.
PAIRS = (
    (1, 2),
    (3, 4),
    (5, 6),
    (9, 10),
    (11, 12),
    (13, 14),
    (15, 16),
    (20, 21),
    (22, 23),
    (26, 27),
)
# A load cell of 200 kgf that never shows this much was not pulled.
_PULLED_KGF = 2.2
INFO = DatasetInfo(
    name="elderly-isometric",
    version="f35f0d17",
    licence="CC0-1.0",
    citation="Da Silva et al. 2024, Biomed Signal Process Control 88:105635",
    notes="Load-cell force in N (published in kgf, from the cell's range) and EMG in V (published "
    "in uV, about). The dominant leg, filed as right. IDs in pairs that look like one person "
    "share a group: split by group. No torque: the lever arm is not published.",
)


def read(src: Path, options: ImportOptions) -> Imported:
    """Read the set: three recordings a participant, those without force marked in quality.

    Parameters
    ----------
    src
        The folder with ``ID*.npz`` and, if it is there, ``Demographics.xlsx``.
    options
        Nothing is needed.
    """
    rows = read_xlsx(src / "Demographics.xlsx") if (src / "Demographics.xlsx").is_file() else []
    files: dict[int, Path] = {}
    for path in find_files(src, "ID*.npz"):
        match = re.fullmatch(r"ID(\d{1,3})", path.stem)
        if match is None:
            raise DataError(
                DataReason.BAD_NAME, "not named ID<number>.npz", where=path, next_step="Rename it"
            )
        if int(match[1]) in files:
            raise DataError(
                DataReason.DUPLICATE,
                f"ID {int(match[1])} appears twice",
                where=path,
                next_step="Keep one file a participant",
            )
        files[int(match[1])] = path
    partner = {number: f"pair{a:02d}-{b:02d}" for a, b in PAIRS for number in (a, b)}
    people = {
        number: _subject(number, partner.get(number, ""), rows, src / "Demographics.xlsx")
        for number in files
    }

    def recordings() -> Iterator[Recording]:
        for number, path in files.items():
            arrays = read_npz(path, ("DNM",))
            for task, (column, names) in _TASKS.items():
                ref = RecordingRef(people[number].id, "s01", task, 1)
                yield _recording(arrays, ref, column, names, path)

    return Imported(INFO, tuple(people.values()), recordings())


def _recording(
    arrays: dict[str, Any], ref: RecordingRef, column: int, names: tuple[str, ...], path: Path
) -> Recording:
    emg = next((arrays[name] for name in names if name in arrays), None)
    if emg is None:
        raise DataError(
            DataReason.MISSING_COLUMN,
            f"no array {names[0]}",
            where=path,
            next_step="Download it again",
        )
    force = arrays["DNM"]
    for name, array, width in (("DNM", force, 4), (names[0], emg, 4)):
        if array.ndim != 2 or array.shape[1] != width or array.dtype.kind != "f":
            raise DataError(
                DataReason.BAD_FORMAT,
                f"{name} is {array.dtype} of {array.shape}, not real of (samples, {width})",
                where=path,
                next_step="Download it again",
            )
    # The shorter tasks of two participants are padded with NaN at the end of the load cell.
    whole = np.isfinite(force[:, column])
    n = min(int(whole.sum()), len(emg))
    kgf = force[:n, column].astype(np.float64)
    channel = "force.load_cell.r"
    streams = streams_by_name(
        (
            make_stream("force", RATE_HZ, 0.0, {channel: kgf * GRAVITY_M_S2}),
            make_stream(
                "emg",
                RATE_HZ,
                0.0,
                {f"emg.{m}.r": emg[:n, i] * 1e-6 for i, m in enumerate(_MUSCLES)},
            ),
        )
    )
    # A percentile, for a single sample on the way up is no pull.
    pulled = kgf.size > 0 and bool(np.percentile(kgf, 99.0) >= _PULLED_KGF)
    recording = Recording(
        ref,
        streams,
        trials=(Trial(0, 0.0, n / RATE_HZ),),
        sensors={"force.load_cell.r": "load cell of 200 kgf, strapped to ankle or foot"},
        quality={} if pulled else {channel: "dead"},
    )
    return with_emg_quality(recording)


def _subject(number: int, group: str, rows: list[dict[str, str]], where: Path) -> Subject:
    name = f"ID{number:02d}"
    if not 1 <= number <= len(rows):  # the workbook's rows are the IDs in order
        return Subject(name, group=group)
    row = rows[number - 1]
    try:
        return Subject(
            name,
            group=group,
            age_years=float(row["Age"]),
            mass_kg=float(row["Weight"]),
            height_m=float(row["Height"]) / 100.0,
        )
    except (KeyError, ValueError) as error:
        raise DataError(
            DataReason.BAD_FORMAT,
            f"row {number + 1} has no number for {error}",
            where=where,
            next_step="Download it again",
        ) from error
