"""Outputs as a CSV file."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

from kinefed.client.live.output import Output
from kinefed.datasets import DataError, DataReason

_HEAD = ("time_s", "side", "status", "confidence", "age_s", "task", "task_confidence", "model")


class CsvOutlet:
    """Writes each output as a row: torques in N m/kg, empty where there is none.

    Parameters
    ----------
    path
        New file.
    joints
        Torques without their side, ``("torque.hip", "torque.knee")``: a column each.

    Raises
    ------
    DataError
        ``exists``.
    OSError
        Where it cannot be written, also later.
    """

    def __init__(self, path: Path, joints: Sequence[str]) -> None:
        try:
            self._file = path.open("x", encoding="utf-8", newline="")
        except FileExistsError:
            raise DataError(
                DataReason.EXISTS, "it is there already", where=path,
                next_step="Choose another name",
            ) from None  # fmt: skip
        self._joints = tuple(joints)
        self._rows = csv.writer(self._file, lineterminator="\n")
        self._rows.writerow([*_HEAD, *(f"{name}_nm_per_kg" for name in self._joints)])

    def send(self, output: Output) -> None:
        """Write one output; every number can be read back to the bit."""
        torque = dict(zip(output.joints, output.torque_nm_per_kg, strict=True))
        values = [torque.get(f"{name}.{output.side}") for name in self._joints]
        row = [getattr(output, name) for name in _HEAD]
        self._rows.writerow([*row, *("" if v is None or v != v else v for v in values)])

    def close(self) -> None:
        """Close the file."""
        self._file.close()
