"""What the engine gives at each moment."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from kinefed.client.live.degrade import Status


@dataclass(frozen=True, slots=True)
class Output:
    """Torque of one leg at one moment; never an old value without saying so.

    Attributes
    ----------
    time_ns
        The moment, on the host's monotonic clock.
    time_s
        The same since time zero of the streams.
    side
        ``"l"`` or ``"r"``.
    joints
        Channel of each torque, ``torque.knee.r``.
    torque_nm_per_kg
        N m/kg; NaN where there is none: in ``starting`` and ``stopped``, and for joints that the
        model in use does not estimate.
    torque_nm
        N m; None where the wearer's mass is not known.
    status
        How far to rely on it.
    confidence
        0 to 1, see `Estimator.estimate`; falls to 0 while a torque is held.
    age_s
        Age of the newest sample that all of the model's required sensors have reached, to one
        frame; while a torque is held, of what it was estimated from. Infinite without torque.
    task, task_confidence
        What is done, and how sure that is.
    model
        First 12 hex digits of the digest of the bundle in use; empty where there is none.
    silent
        Streams of the wanted model that have fallen silent.
    """

    time_ns: int
    time_s: float
    side: str
    joints: tuple[str, ...]
    torque_nm_per_kg: tuple[float, ...]
    torque_nm: tuple[float, ...] | None
    status: Status
    confidence: float
    age_s: float
    task: str
    task_confidence: float
    model: str
    silent: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Give the fields JSON-ready; None in the place of what is no number."""

        def numbers(values: tuple[float, ...]) -> list[float | None]:
            return [value if math.isfinite(value) else None for value in values]

        return {
            "time_ns": self.time_ns,
            "time_s": self.time_s,
            "side": self.side,
            "joints": list(self.joints),
            "torque_nm_per_kg": numbers(self.torque_nm_per_kg),
            "torque_nm": None if self.torque_nm is None else numbers(self.torque_nm),
            "status": str(self.status),
            "confidence": self.confidence,
            "age_s": self.age_s if math.isfinite(self.age_s) else None,
            "task": self.task,
            "task_confidence": self.task_confidence,
            "model": self.model,
            "silent": list(self.silent),
        }
