"""From samples to torque at a fixed rate: the logic of the live engine, without a clock of its own.

Time passes by what the engine is given: the arrival of samples, and `LiveEngine.advance`. At each
tick of its rate it looks at what had arrived before, and at nothing else; so what it gives follows
from the arrivals alone, and a replay of a packet log gives the same bits as the session did.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from kinefed.client.live.columns import StreamLayout
from kinefed.client.live.config import LiveConfig
from kinefed.client.live.leg import LegBuilder
from kinefed.client.live.output import Output
from kinefed.client.live.tasks import ANY, ConstantTask, TaskRecogniser
from kinefed.datasets import DataError, DataReason, UsageError, UsageReason
from kinefed.models import BundleError, BundleReason, ModelBundle
from kinefed.sensors import Even

NS = 1_000_000_000


class LiveEngine:
    """Estimates the torque of a wearer's legs.

    Parameters
    ----------
    streams
        What is worn.
    models
        By task, those that are wanted first and those that need less behind them; `ANY` serves
        every other task. A bundle may stand in several places.
    config
        How it runs.
    recogniser
        By default nothing is known of the task.
    emg_reference
        The wearer's, in volts by channel; a bundle's own comes before it.

    Attributes
    ----------
    sides
        The legs that are estimated.
    joints
        By side: the channels of an output.
    unfit
        What kept models from legs, as sentences.

    Raises
    ------
    UsageError
        ``bad_argument`` where `ANY` has no model.
    BundleError
        ``channel_mismatch`` where no model fits what is worn, ``unit_mismatch``, or ``bad_field``
        for a bundle with a preparation of its own, which a leg's frames do not have.
    DataError
        ``duplicate`` where two streams hold one channel.
    """

    def __init__(
        self,
        streams: Sequence[StreamLayout],
        models: Mapping[str, Sequence[ModelBundle]],
        config: LiveConfig | None = None,
        recogniser: TaskRecogniser | None = None,
        emg_reference: Mapping[str, float] | None = None,
    ) -> None:
        self._config = config or LiveConfig()
        self._recogniser = recogniser or ConstantTask()
        self._streams = _by_name(streams)
        if not models.get(ANY):
            raise UsageError(
                UsageReason.BAD_ARGUMENT,
                f"no model for the task {ANY!r}, which serves all others",
                where="live.models",
            )
        _check(models)
        build = LegBuilder(self._streams, models, self._config, dict(emg_reference or {}))
        self._legs = [leg for side in self._config.sides if (leg := build.leg(side)) is not None]
        self.unfit = tuple(dict.fromkeys(build.unfit))
        if not self._legs:
            raise BundleError(
                BundleReason.CHANNEL_MISMATCH,
                "no model fits what is worn: " + "; ".join(self.unfit),
                next_step="Wear the sensors that it needs, or take another model",
            )
        self.sides = tuple(leg.side for leg in self._legs)
        self.joints = {leg.side: leg.joints for leg in self._legs}
        self._start_ns: int | None = None
        self._ticks = 0

    @property
    def next_tick_ns(self) -> int | None:
        """Time of the next output, which `advance` gives after it; None before an arrival."""
        return None if self._start_ns is None else self._tick_ns(self._ticks + 1)

    def push(self, stream: str, even: Even, start_ns: int, arrival_ns: int) -> list[Output]:
        """Take samples of a stream, in order of arrival.

        Parameters
        ----------
        stream
            Its name.
        even
            Its next samples.
        start_ns
            Time zero of all streams on the host's monotonic clock; the first call sets it.
        arrival_ns
            When they came, on the same clock.

        Returns
        -------
        outputs
            Of the ticks before the arrival, in order.
        """
        if self._start_ns is None:
            self._start_ns = start_ns
        outputs = self.advance(arrival_ns)
        self._recogniser.take(stream, even)
        for leg in self._legs:
            leg.push(stream, even)
        return outputs

    def advance(self, now_ns: int) -> list[Output]:
        """Let time pass where nothing arrives.

        Parameters
        ----------
        now_ns
            Present time on the host's monotonic clock. Everything that arrived before it must
            have been pushed.

        Returns
        -------
        outputs
            Of the ticks before it, in order; none before the first arrival.
        """
        outputs: list[Output] = []
        if self._start_ns is None:
            return outputs
        while (tick_ns := self._tick_ns(self._ticks + 1)) < now_ns:
            self._ticks += 1
            now_s = (tick_ns - self._start_ns) / NS
            guess = self._recogniser.guess(now_s)
            sure = guess.confidence >= self._config.least_task_confidence
            task = guess.task if sure else ANY
            outputs += [leg.output(tick_ns, now_s, guess, task) for leg in self._legs]
        return outputs

    def _tick_ns(self, tick: int) -> int:
        assert self._start_ns is not None
        return self._start_ns + round(tick * (NS / self._config.rate_hz))


def _by_name(streams: Sequence[StreamLayout]) -> dict[str, StreamLayout]:
    holders: dict[str, str] = {}
    for stream in streams:
        for channel in stream.channels:
            if channel in holders:
                raise DataError(
                    DataReason.DUPLICATE,
                    f"{channel} comes from {holders[channel]} and {stream.name}",
                    next_step="Give each sensor its own place",
                )
            holders[channel] = stream.name
    return {stream.name: stream for stream in streams}


def _check(models: Mapping[str, Sequence[ModelBundle]]) -> None:
    for task, bundles in models.items():
        for place, bundle in enumerate(bundles):
            bundle.require(bundle.spec)  # its units are those of the table, as the streams' are
            if bundle.pipeline:
                raise BundleError(
                    BundleReason.BAD_FIELD,
                    "it has a preparation of its own, which live frames do not go through",
                    where=f"model {place + 1} of {task!r}: pipeline",
                )
