"""Did adapting help? Gains and harm of the personal models, from the clients' own scores."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from kinefed.simulations.config import StudyConfig

# A person counts as hurt where the test error is more than this share above the global model's.
HURT = 0.01


def personalisation(config: StudyConfig, subjects: Sequence[str]) -> dict[str, Any]:
    """Summarise the personal methods.

    Returns
    -------
    dict
        By method: ``hurt_rate``, ``improved_rate`` and ``median_gain`` without the gate, the
        same under ``gated``, ``adopted_rate``, ``coin_hurt_rate`` (of a gate that adopts as often,
        blindly: what the gate has to beat), and ``people`` with errors averaged over seeds
        and directions. Rates are over (person, direction, seed); gains are shares of the global
        model's error.
    """
    rows: list[dict[str, Any]] = []
    for seed in config.seeds:
        for path in sorted((config.out / "federations" / str(seed)).glob("*/result.json")):
            personal = json.loads(path.read_text(encoding="utf-8"))["personal"]
            rows += [{**row, "seed": seed} for row in personal if row["rmse"] is not None]
    found: dict[str, Any] = {}
    for method in sorted({row["method"] for row in rows}):
        of = [row for row in rows if row["method"] == method]
        adopted, ungated = float(np.mean([row["adopted"] for row in of])), _rates(of, "rmse")
        found[method] = {
            **ungated,
            "gated": _rates(of, "gated_rmse"),
            "adopted_rate": adopted,
            "coin_hurt_rate": adopted * ungated["hurt_rate"],
            "people": [_person(s, of) for s in subjects if any(r["key"] == s for r in of)],
        }
    return found


def _rates(rows: Sequence[dict[str, Any]], name: str) -> dict[str, float]:
    gain = np.array([(r["global_rmse"] - r[name]) / r["global_rmse"] for r in rows])
    return {
        "hurt_rate": float(np.mean(gain < -HURT)),
        "improved_rate": float(np.mean(gain > 0.0)),
        "median_gain": float(np.median(gain)),
        "mean_gain": float(np.mean(gain)),
    }


def _person(subject: str, rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    own = [r for r in rows if r["key"] == subject]
    shared, personal, gated = (
        float(np.mean([r[name] for r in own])) for name in ("global_rmse", "rmse", "gated_rmse")
    )
    return {
        "subject": subject,
        "global_rmse": shared,
        "personal_rmse": personal,
        "gated_rmse": gated,
        "gain": (shared - personal) / shared,
        "gated_gain": (shared - gated) / shared,
        "adopted": float(np.mean([r["adopted"] for r in own])),
    }
