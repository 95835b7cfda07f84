"""The networks by name, each with a card that parts the paper's facts from our defaults."""

from __future__ import annotations

import enum
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import torch

from kinefed.models.base import NetworkArg, TorqueNetwork
from kinefed.models.errors import ModelReason, NetworkError

COMMON_ARGS = ("n_channels", "n_outputs", "n_times", "sample_rate_hz")


class Source(enum.StrEnum):
    """Where a fact about a network comes from."""

    PAPER = "paper"
    """The paper's own abstract or first page."""
    REVIEW = "review"
    """Perera et al., Pertanika JST 33(1), 2025, doi 10.47836/pjst.33.1.06."""
    OURS = "ours"
    """Open in both: our default, never to be presented as the paper's value."""


@dataclass(frozen=True, slots=True)
class Fact:
    """One detail of a network, its value, and who says so."""

    detail: str
    value: str
    source: Source


@dataclass(frozen=True, slots=True)
class NetworkCard:
    """What is known about a network.

    Attributes
    ----------
    network_id
        Name in the registry.
    summary
        One line for a list.
    citation, doi
        The paper; `doi` is empty where there is none.
    n_times, sample_rate_hz
        Default window in frames and its rate. Ordinary defaults: a caller may choose others.
    facts
        Every detail of the architecture with its source.
    """

    network_id: str
    summary: str
    citation: str
    doi: str
    n_times: int
    sample_rate_hz: float
    facts: tuple[Fact, ...]


@dataclass(frozen=True, slots=True)
class ParameterRow:
    """Exact number of weights of one network at one size, and its upload in float32."""

    network_id: str
    n_channels: int
    n_outputs: int
    n_times: int
    parameters: int
    bytes_float32: int


_CLASSES: dict[str, type[TorqueNetwork]] = {}
_CARDS: dict[str, NetworkCard] = {}

N = TypeVar("N", bound=type[TorqueNetwork])


def register(
    network_id: str,
    *,
    summary: str,
    citation: str,
    facts: tuple[Fact, ...],
    n_times: int,
    sample_rate_hz: float,
    doi: str = "",
) -> Callable[[N], N]:
    """Enter a network class under a name; the arguments become its `NetworkCard`."""

    def enter(cls: N) -> N:
        if network_id in _CLASSES:
            raise NetworkError(
                ModelReason.BAD_ARGUMENT, f"network {network_id!r} is registered twice"
            )
        cls.network_id = network_id
        _CLASSES[network_id] = cls
        _CARDS[network_id] = NetworkCard(
            network_id, summary, citation, doi, n_times, sample_rate_hz, facts
        )
        return cls

    return enter


def available() -> tuple[str, ...]:
    """Return the ids of all networks, sorted."""
    return tuple(sorted(_CLASSES))


def card(network_id: str) -> NetworkCard:
    """Return what is known about a network.

    Raises
    ------
    NetworkError
        ``unknown_network``.
    """
    _class_of(network_id)
    return _CARDS[network_id]


def own_args(network_id: str) -> dict[str, NetworkArg]:
    """Return a network's own keyword arguments with their defaults.

    Raises
    ------
    NetworkError
        ``unknown_network``.
    """
    parameters = inspect.signature(_class_of(network_id)).parameters
    return {name: p.default for name, p in parameters.items() if name not in COMMON_ARGS}


def build(
    network_id: str,
    *,
    n_channels: int,
    n_outputs: int,
    n_times: int,
    sample_rate_hz: float,
    **args: NetworkArg,
) -> TorqueNetwork:
    """Make a network with fresh random weights (see `seeded` for the same ones again).

    Parameters
    ----------
    network_id
        One of `available`.
    n_channels, n_outputs, n_times, sample_rate_hz
        As in `TorqueNetwork`.
    **args
        The network's own arguments (`own_args`).

    Raises
    ------
    NetworkError
        ``unknown_network`` or ``bad_argument``.
    """
    cls = _class_of(network_id)
    known = own_args(network_id)
    for name, value in args.items():
        if name not in known:
            raise NetworkError(
                ModelReason.BAD_ARGUMENT,
                f"{network_id} has no argument {name!r}",
                where="network_args",
                next_step=f"It has: {', '.join(sorted(known)) or 'none'}",
            )
        if not _alike(value, known[name]):
            raise NetworkError(
                ModelReason.BAD_ARGUMENT,
                f"{value!r} is not {type(known[name]).__name__}",
                where=f"network_args.{name}",
            )
    module = cls(n_channels, n_outputs, n_times, sample_rate_hz, **args)
    module.network_args = dict(args)
    return module


def parameter_table(n_channels: int = 17, n_outputs: int = 4) -> tuple[ParameterRow, ...]:
    """Count the weights of every network at its default window.

    Parameters
    ----------
    n_channels, n_outputs
        As in `TorqueNetwork`; 17 and 4 are those of `zhang2023lstm`'s paper.
    """
    rows = []
    for network_id in available():
        known = card(network_id)
        # The meta device counts without drawing or holding a single weight.
        with torch.device("meta"):
            module = build(
                network_id,
                n_channels=n_channels,
                n_outputs=n_outputs,
                n_times=known.n_times,
                sample_rate_hz=known.sample_rate_hz,
            )
        count = module.n_parameters
        rows.append(
            ParameterRow(network_id, n_channels, n_outputs, known.n_times, count, 4 * count)
        )
    return tuple(rows)


def _class_of(network_id: str) -> type[TorqueNetwork]:
    if network_id not in _CLASSES:
        raise NetworkError(
            ModelReason.UNKNOWN_NETWORK,
            f"no network {network_id!r}",
            next_step=f"Choose one of {', '.join(available())}",
        )
    return _CLASSES[network_id]


def _alike(value: NetworkArg, default: NetworkArg) -> bool:
    if isinstance(default, float):
        return isinstance(value, int | float) and not isinstance(value, bool)
    return type(value) is type(default)
