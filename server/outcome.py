"""What a federation ends with, and the scores that its clients report."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from kinefed.server.checkpoint import State
from kinefed.server.exchange import Dropped


@dataclass(frozen=True, slots=True)
class FederationResult:
    """What a federation ends with.

    Attributes
    ----------
    state
        Weights of the pooled model and of each cluster's, scaling, centres, history.
    personal
        Rows of the personalising clients' scores, each with the client's ``key``.
    schema
        Hash of the network's tensor names and shapes.
    """

    state: State
    personal: list[dict[str, Any]]
    schema: str


def score_rows(
    key: str, text: str, report: Callable[[str, Sequence[Dropped]], None]
) -> list[dict[str, Any]]:
    """Read the rows of one client's reply; one that cannot be read is reported and has none."""
    try:
        rows = json.loads(text)
        return [{**{str(k): v for k, v in row.items()}, "key": key} for row in rows]
    except (ValueError, TypeError, AttributeError) as error:
        report("personalise", [Dropped(key, f"unreadable scores: {error}")])
        return []
