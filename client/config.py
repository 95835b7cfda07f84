"""Where a client finds its person's recordings and keeps what is theirs."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from flwr.app import Context

from kinefed.client.errors import ClientConfigError, ClientReason

RUN_FILE_VARIABLE = "KINEFED_RUN"


@dataclass(frozen=True, slots=True)
class ClientConfig:
    """Settings of one client.

    Attributes
    ----------
    data
        Dataset folder.
    subject
        Whose recordings in it.
    key
        Stable pseudonym towards the server; the subject's id unless set otherwise.
    store
        Folder of the client's own store.
    """

    data: Path
    subject: str
    key: str
    store: Path

    @classmethod
    def from_context(cls, context: Context) -> ClientConfig:
        """Read the node-config, else the run file named by ``KINEFED_RUN`` by partition id.

        A node-config has ``data``, ``subject``, ``store`` and optionally ``key``. The run file
        has a ``[client]`` table with ``data``, ``store`` and the list ``subjects``.
        """
        node: Mapping[str, Any] = context.node_config
        if "data" in node:
            for name in ("subject", "store"):
                if name not in node:
                    raise ClientConfigError(
                        ClientReason.CONFIG, f"node-config has data but no {name}; add {name}=..."
                    )
            subject = str(node["subject"])
            key = str(node.get("key", subject))
            return cls(Path(str(node["data"])), subject, key, Path(str(node["store"])))
        path = os.environ.get(RUN_FILE_VARIABLE)
        if path is None or "partition-id" not in node:
            raise ClientConfigError(
                ClientReason.CONFIG,
                "no data: start the node with --node-config 'data=... subject=... store=...', "
                f"or set {RUN_FILE_VARIABLE} to a run file",
            )
        table = _client_table(path)
        subjects = [str(s) for s in table["subjects"]]
        partition = int(node["partition-id"])
        if not 0 <= partition < len(subjects):
            raise ClientConfigError(
                ClientReason.CONFIG,
                f"partition {partition}: {path} lists {len(subjects)} subjects",
            )
        subject = subjects[partition]
        return cls(Path(table["data"]), subject, subject, Path(table["store"]) / subject)


@lru_cache(maxsize=8)
def _client_table(path: str) -> dict[str, Any]:
    try:
        table = tomllib.loads(Path(path).read_text(encoding="utf-8"))["client"]
        return {k: table[k] for k in ("data", "store", "subjects")}
    except (OSError, ValueError, KeyError) as error:
        raise ClientConfigError(
            ClientReason.CONFIG, f"{path}: no usable [client] table ({error!r})"
        ) from None
