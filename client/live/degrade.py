"""What happens when a sensor drops: a model that needs less, then hold, then stop with a flag."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import dataclass

from kinefed.datasets.errors import UsageError, UsageReason


class Status(enum.StrEnum):
    """How far a torque can be relied on."""

    STARTING = "starting"
    """No model has had its channels yet: there is no torque."""
    OK = "ok"
    """The model of the task, with all that it reads."""
    REDUCED = "reduced"
    """A model that needs less, or the same one without an optional channel."""
    HELD = "held"
    """The last torque again: for a stated time, no longer."""
    STOPPED = "stopped"
    """No model has its channels: there is no torque."""


@dataclass(frozen=True, slots=True)
class DegradeRules:
    """When a stream counts as dropped, and what is done then.

    Attributes
    ----------
    stale_s
        A model whose newest common sample is older is not used. The default bears the pauses of
        a sound link: at a connection interval of 50 ms with 10 % of the events missed the
        longest was 165 ms.
    hold_s
        How long the last torque is held where no model can be used. With the default a torque
        ends half a second after its sensor, as the link's own watchdog does.
    max_bridged
        A model is not used while more than this share of its window is held values of a gap:
        filters ring and velocities jump where a stream comes back. Of a window of 50 frames the
        default bears 10, a loss of 100 ms at 100 Hz.

    Raises
    ------
    UsageError
        ``bad_argument``.
    """

    stale_s: float = 0.2
    hold_s: float = 0.3
    max_bridged: float = 0.2

    def __post_init__(self) -> None:
        for name, value, least in (
            ("stale_s", self.stale_s, 1e-3),
            ("hold_s", self.hold_s, 0.0),
            ("max_bridged", self.max_bridged, 0.0),
        ):
            if not least <= value < float("inf"):
                raise UsageError(
                    UsageReason.BAD_ARGUMENT,
                    f"{value} is below {least:g} or not finite",
                    where=f"rules.{name}",
                )


@dataclass(frozen=True, slots=True)
class Supply:
    """What a model would have to work with now.

    Attributes
    ----------
    age_s
        Of the newest sample that all its required streams have; infinite before the first.
    bridged
        Share of its window that is held values of a gap.
    whole
        Whether the optional channels that are worn are there too.
    """

    age_s: float
    bridged: float
    whole: bool = True


@dataclass(frozen=True, slots=True)
class Choice:
    """What to do at one moment.

    Attributes
    ----------
    status
        The flag.
    model
        Place of the model to run; None: run none.
    trust
        1 while a model runs, falling to 0 over the hold, 0 without torque.
    """

    status: Status
    model: int | None
    trust: float


class Degrader:
    """Chooses, moment by moment, for one leg.

    Parameters
    ----------
    rules
        The times.
    """

    def __init__(self, rules: DegradeRules) -> None:
        self._rules = rules
        self._last_s: float | None = None

    def choose(self, now_s: float, supplies: Iterable[Supply]) -> Choice:
        """Choose among models.

        Parameters
        ----------
        now_s
            Never before that of the last call.
        supplies
            Of each model, the wanted one first, those that need less behind it; asked for in
            this order, up to the first that is usable.
        """
        for place, supply in enumerate(supplies):
            if self._usable(supply):
                self._last_s = now_s
                full = place == 0 and supply.whole
                return Choice(Status.OK if full else Status.REDUCED, place, 1.0)
        if self._last_s is None:
            return Choice(Status.STARTING, None, 0.0)
        held_s = now_s - self._last_s
        if held_s <= self._rules.hold_s:
            return Choice(Status.HELD, None, 1.0 - held_s / self._rules.hold_s)
        return Choice(Status.STOPPED, None, 0.0)

    def _usable(self, supply: Supply) -> bool:
        rules = self._rules
        return supply.age_s <= rules.stale_s and supply.bridged <= rules.max_bridged
