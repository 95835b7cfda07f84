"""The shape of an importer, and the list of them."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from kinefed.datasets.errors import DataError, DataReason, UsageError, UsageReason
from kinefed.datasets.store import Dataset, write_dataset
from kinefed.datasets.types import DatasetInfo, Recording, Subject


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """What a source may not say itself.

    Attributes
    ----------
    mass_kg
        Body mass, for a source of one person that does not give it.
    torque
        False: leave the torque out where no mass is known, instead of refusing the source.
    mapping
        TOML file for the ``table`` format, by default ``mapping.toml`` in the source folder, or
        for the ``edf`` format.
    """

    mass_kg: float | None = None
    torque: bool = True
    mapping: Path | None = None

    def __post_init__(self) -> None:
        if self.mass_kg is not None and not 0.0 < self.mass_kg <= 400.0:
            raise UsageError(
                UsageReason.BAD_ARGUMENT,
                f"mass_kg is {self.mass_kg}, not in (0, 400]",
                next_step="Give the body mass in kilograms",
            )


@dataclass(frozen=True, slots=True)
class Imported:
    """What an importer makes of a source: recordings may come lazily."""

    info: DatasetInfo
    subjects: tuple[Subject, ...]
    recordings: Iterable[Recording]


@dataclass(frozen=True, slots=True)
class Importer:
    """One format.

    Attributes
    ----------
    format
        Its name on the command line.
    about
        One line for people.
    module
        Where its function ``read(src, options) -> Imported`` lives; imported when first used.
    """

    format: str
    about: str
    module: str

    def read(self, src: Path, options: ImportOptions) -> Imported:
        """Read a source."""
        function: Callable[[Path, ImportOptions], Imported]
        function = importlib.import_module(f"kinefed.datasets.importers.{self.module}").read
        return function(src, options)


_ALL = (
    Importer("c3d", "a folder <subject>/*.c3d with Plug-in-Gait or plain markers and EMG", "c3d"),
    Importer("cmu", "CMU walking: worn IMUs and ground forces, 7 people", "cmu"),
    Importer("edf", "EDF+ and BDF+ files, those of `kinefed data export` whole", "edf"),
    Importer("elderly_isometric", "isometric leg contractions, EMG and force", "elderly"),
    Importer("kuleuven", "KU Leuven gait: one adult, 11 strides", "kuleuven"),
    Importer("mcgill", "McGill children's gait: C3D with EMG and joint moments", "mcgill"),
    Importer("opencap", "OpenCap movements with OpenSim inverse dynamics as CSV", "opencap"),
    Importer("opensim", "a folder of OpenSim .mot and .sto files with subject.toml", "opensim"),
    Importer("perturbed_ankle", "one perturbed treadmill walk, ankle moment", "perturbed"),
    Importer("table", "CSV or Parquet tables with a TOML mapping", "table"),
)
IMPORTERS: dict[str, Importer] = {importer.format: importer for importer in _ALL}


def import_dataset(
    format: str, src: str | Path, dest: str | Path, options: ImportOptions | None = None
) -> Dataset:
    """Bring recordings of another format into a new dataset folder.

    Parameters
    ----------
    format
        A key of `IMPORTERS`.
    src
        The source's folder or file; it is only read.
    dest
        The new dataset folder.
    options
        What the source does not say.

    Returns
    -------
    Dataset
        The folder, opened.

    Raises
    ------
    UsageError
        ``unknown_name`` for the format, ``missing_extra`` where a library is not installed.
    DataError
        Where the source is damaged or `dest` exists; nothing is written then.
    """
    if format not in IMPORTERS:
        raise UsageError(
            UsageReason.UNKNOWN_NAME,
            f"there is no importer {format!r}",
            next_step=f"Choose one of {', '.join(IMPORTERS)}",
        )
    source, target = Path(src), Path(dest)
    if not source.exists():
        raise DataError(
            DataReason.NOT_FOUND, "no such file or folder", where=source, next_step="Check SRC"
        )
    if target.exists() or target.is_symlink():  # before minutes of reading, not after
        raise DataError(
            DataReason.EXISTS,
            "it is there already",
            where=target,
            next_step="Choose another name or remove it first",
        )
    found = IMPORTERS[format].read(source, options or ImportOptions())
    return write_dataset(target, found.info, found.subjects, found.recordings)
