"""Settings of the live engine."""

from __future__ import annotations

from dataclasses import dataclass, field

from kinefed.client.live.degrade import DegradeRules
from kinefed.datasets import UsageError, UsageReason
from kinefed.datasets.channels import SIDES
from kinefed.models.export import Form
from kinefed.models.runner import Backend


@dataclass(frozen=True, slots=True)
class LiveConfig:
    """How the engine runs.

    Attributes
    ----------
    rate_hz
        Outputs a second, for each leg.
    mass_kg
        Of the wearer: torque in N m as well.
    sides
        Legs to estimate; those that no model fits are left out.
    form
        ``stateful`` runs recurrent networks frame by frame: faster, but another estimator than
        the one that was trained and scored (`kinefed.models.TorqueNetwork.step`). Networks that
        have no such form run on windows.
    backend
        None: ONNX Runtime where it is installed, else torch.
    rules
        What happens when a sensor drops.
    least_task_confidence
        Below it the models of `ANY` are used.

    Raises
    ------
    UsageError
        ``bad_argument``.
    """

    rate_hz: float = 100.0
    mass_kg: float | None = None
    sides: tuple[str, ...] = SIDES
    form: Form = Form.WINDOW
    backend: Backend | None = None
    rules: DegradeRules = field(default_factory=DegradeRules)
    least_task_confidence: float = 0.5

    def __post_init__(self) -> None:
        if not 0.0 < self.rate_hz <= 10_000.0:
            raise _bad("rate_hz", f"{self.rate_hz} is not in (0, 10000]")
        if self.mass_kg is not None and not 0.0 < self.mass_kg < 1000.0:
            raise _bad("mass_kg", f"{self.mass_kg} kg is no person's mass")
        if not self.sides or not set(self.sides) <= set(SIDES):
            raise _bad("sides", f"{self.sides} are not of {SIDES}")


def _bad(where: str, what: str) -> UsageError:
    return UsageError(UsageReason.BAD_ARGUMENT, what, where=f"live.{where}")
