"""The radio and the clock of a worn sensor: lost packets, and a time of its own."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kinefed.datasets.errors import UsageError, UsageReason
from kinefed.datasets.types import FloatArray

BoolArray = NDArray[np.bool_]


def refuse_negative(config: Any, positive: tuple[str, ...] = ()) -> None:
    """Refuse a config of numbers with one that is negative, not finite, or 0 where named.

    Raises
    ------
    UsageError
        ``bad_argument``.
    """
    for name in config.__dataclass_fields__:
        value = getattr(config, name)
        if not 0.0 <= value < math.inf or (name in positive and value == 0.0):
            raise UsageError(
                UsageReason.BAD_ARGUMENT, f"{name} is {value}", where=type(config).__name__
            )


@dataclass(frozen=True, slots=True)
class LinkConfig:
    """Radio and clock of a worn sensor.

    Attributes
    ----------
    loss
        Share of packets lost in the long run.
    burst
        Mean number of packets lost together (Gilbert, Bell Syst Tech J 39, 1960).
    packet
        Samples a packet.
    skew_ppm
        Standard deviation of the clock's rate error; crystals are within some 20 ppm.
    offset_s
        Standard deviation of the clock's error at the start, after synchronisation.
    """

    loss: float = 0.01
    burst: float = 3.0
    packet: int = 4
    skew_ppm: float = 20.0
    offset_s: float = 0.005

    def __post_init__(self) -> None:
        refuse_negative(self, positive=("packet",))
        if self.loss >= 1.0 or self.burst < 1.0:
            raise UsageError(
                UsageReason.BAD_ARGUMENT,
                f"loss {self.loss} is not below 1, or burst {self.burst} is below 1",
                where="LinkConfig",
            )


@dataclass(frozen=True, slots=True)
class Received:
    """What arrived of a sensor's stream.

    Attributes
    ----------
    samples
        (frames, channels): as measured at the sensor's own times; lost ones are NaN.
    arrived
        (frames,) bool.
    time_s
        (frames,): the true time of each sample, which nobody knows; the sensor claims
        ``frame / rate``.
    """

    samples: FloatArray
    arrived: BoolArray
    time_s: FloatArray


def transmit(
    samples: FloatArray,
    rate_hz: float,
    rng: np.random.Generator,
    config: LinkConfig | None = None,
) -> Received:
    """Send a stream through the sensor's clock and radio.

    Parameters
    ----------
    samples
        (frames, channels) at true times ``frame / rate_hz``.
    rate_hz
        Frames a second, as the sensor claims.
    rng
        Of the recording and the sensor.
    config
        Radio and clock.

    Returns
    -------
    received
        As many frames; the clock's error moves each sample, between the true ones in straight
        lines, and the ends are held.
    """
    config = config or LinkConfig()
    claimed = np.arange(len(samples)) / rate_hz
    skew = 1e-6 * config.skew_ppm * rng.standard_normal()
    time_s = claimed * (1.0 + skew) + config.offset_s * rng.standard_normal()
    place = np.clip(time_s * rate_hz, 0.0, len(samples) - 1.0)
    below = np.minimum(place.astype(np.intp), max(len(samples) - 2, 0))
    # Channel by channel in memory, as they are stored.
    x = np.ascontiguousarray(samples.T)
    moved = x[:, below]
    moved += (place - below) * (x[:, np.minimum(below + 1, len(samples) - 1)] - moved)
    packets = -(-len(samples) // config.packet)
    arrived = np.repeat(~_lost(packets, rng, config), config.packet)[: len(samples)]
    moved[:, ~arrived] = np.nan
    return Received(moved.T, arrived, time_s)


def _lost(packets: int, rng: np.random.Generator, config: LinkConfig) -> BoolArray:
    """Draw which packets are lost: a two-state chain whose bad state loses all."""
    lost = np.zeros(packets, dtype=bool)
    if config.loss == 0.0:
        return lost
    at = 0
    # Mean lengths of good and bad runs in the ratio that gives the loss.
    good = config.burst * (1.0 - config.loss) / config.loss
    bad = bool(rng.random() < config.loss)
    while at < packets:
        run = int(rng.geometric(1.0 / config.burst if bad else min(1.0, 1.0 / good)))
        lost[at : at + run] = bad
        at, bad = at + run, not bad
    return lost
