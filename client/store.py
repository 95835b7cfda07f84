"""What a client keeps to itself: personal models, predictions, gate decisions."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Protocol

from kinefed.client.errors import ClientError, ClientReason

# Names are paths of plain words: nothing that could climb out of the store.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]*(/[A-Za-z0-9][A-Za-z0-9_.+-]*)*")


class ClientStore(Protocol):
    """A small key-value store on the device.

    Names carry the round (``personal/round-15/straight.safetensors``): what round r writes, only
    a later round reads, so that a round that is run again changes nothing.
    """

    def write(self, name: str, data: bytes) -> None:
        """Keep ``data`` under ``name``, replacing what was there, all or nothing."""

    def read(self, name: str) -> bytes | None:
        """Return what is kept under ``name``, or None."""

    def names(self, prefix: str = "") -> list[str]:
        """Return the sorted names that start with ``prefix``."""


class FolderStore:
    """A :class:`ClientStore` in a plain folder, for simulations.

    Parameters
    ----------
    folder
        Made at the first write.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def _path(self, name: str) -> Path:
        if not _NAME.fullmatch(name) or name.endswith(".new"):
            raise ClientError(ClientReason.STORE, f"{name!r} is not a name for the store")
        return self.folder / name

    def write(self, name: str, data: bytes) -> None:
        """Write to a neighbour, then rename: a reader sees the old or the new, never a part."""
        path = self._path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_name(f"{path.name}.{os.getpid()}.new")
        fresh.write_bytes(data)
        fresh.replace(path)

    def read(self, name: str) -> bytes | None:
        """Return the bytes, or None where the name is unknown."""
        path = self._path(name)
        return path.read_bytes() if path.is_file() else None

    def names(self, prefix: str = "") -> list[str]:
        """Return the sorted names that start with ``prefix``."""
        files = (p for p in self.folder.rglob("*") if p.is_file() and p.suffix != ".new")
        names = (p.relative_to(self.folder).as_posix() for p in files)
        return sorted(n for n in names if n.startswith(prefix))
