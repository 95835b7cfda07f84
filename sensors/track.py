"""The time line of one stream: gives samples their number, arrival and device time."""

from __future__ import annotations

import numpy as np

from kinefed.sensors.decoder import FloatArray, IntArray, Refusal, Refused, Samples
from kinefed.sensors.loss import ArrivalLoss, Step, TickCounter

NS = 1_000_000_000


class Track:
    """Numbers the samples of one stream and adds what was lost.

    A stream has a clock, or a counter of packets, or neither; its driver calls the method that
    fits. All of them return a `Samples`.

    Parameters
    ----------
    stream
        Name of the `StreamSpec`.
    rate_hz
        Nominal rate; None where it is not known: then nothing is counted from arrivals.
    clock
        The sensor's clock or counter.
    tick_ns
        Length of a tick of `clock` where it is a clock; times are exact where it is an int.
    arrivals
        Counts what neither clock nor counter shows.
    """

    def __init__(
        self,
        stream: str,
        rate_hz: float | None,
        *,
        clock: TickCounter | None = None,
        tick_ns: float = 1,
        arrivals: ArrivalLoss | None = None,
    ) -> None:
        self._stream = stream
        self._period_ns = 0.0 if rate_hz is None else NS / rate_hz
        self._clock = clock
        self._tick_ns = tick_ns
        self._arrivals = arrivals
        self._next = 0
        self._before_ns: int | None = None
        self._anew = False

    def reconnected(self) -> None:
        """A connection was made anew: only a long clock still tells what was lost meanwhile."""
        if self._arrivals is not None:
            self._arrivals.restart()
        self._anew = True
        if self._clock is not None and not self._clock.long:
            self._clock.forget()

    def plain(self, values: FloatArray, arrival_ns: int) -> Samples:
        """Take samples (n, channels) that came with neither clock nor counter."""
        lost = 0 if self._arrivals is None else self._arrivals.step(arrival_ns, len(values))
        return self._samples(values, arrival_ns, lost)

    def counted(self, values: FloatArray, arrival_ns: int, packet: int) -> Samples:
        """Take the samples (n, channels) of the packet with this number."""
        step = self._step(packet, arrival_ns)
        # Packets are of one size, so this one says how many samples a lost one held.
        lost = step.lost * len(values)
        if self._arrivals is not None:
            self._arrivals.found_elsewhere(lost)
            lost += self._arrivals.step(arrival_ns, len(values))
        return self._samples(values, arrival_ns, lost, restarted=step.restarted)

    def clocked(self, values: FloatArray, arrival_ns: int, ticks: list[int]) -> Samples:
        """Take samples (n, channels) that each have a tick of the sensor's clock.

        Raises
        ------
        Refused
            ``out_of_order`` where the ticks of this one packet do not follow one another.
        """
        if self._clock is not None and not self._clock.in_order(ticks):
            raise Refused(Refusal.OUT_OF_ORDER)
        steps = [self._step(tick, arrival_ns) for tick in ticks]
        device = np.array([self._time_ns(step) for step in steps], dtype=np.int64)
        lost = np.cumsum([step.lost for step in steps], dtype=np.int64)
        samples = self._samples(
            values,
            arrival_ns,
            int(lost[-1]),
            device_ns=device,
            restarted=any(step.restarted for step in steps),
        )
        # Each sample's number holds only what was lost before it.
        samples.index[:] -= lost[-1] - lost
        return samples

    def first_clocked(self, values: FloatArray, arrival_ns: int, tick: int, due: int) -> Samples:
        """Take samples (n, channels) of which the first has a tick, `due` after the last tick."""
        step = self._step(tick, arrival_ns, due)
        offsets = np.round(np.arange(len(values)) * self._period_ns).astype(np.int64)
        device = self._time_ns(step) + offsets
        return self._samples(
            values, arrival_ns, step.lost, device_ns=device, restarted=step.restarted
        )

    def last_clocked(self, values: FloatArray, arrival_ns: int, tick: int) -> Samples:
        """Take samples (n, channels) of which the last has a tick of the sensor's clock.

        The others are spread evenly since the last tick, as the true rate is not the nominal
        one; where something was lost, by the nominal period.
        """
        n = len(values)
        step = self._step(tick, arrival_ns, n)
        end = self._time_ns(step)
        period = self._period_ns
        if self._before_ns is not None and not (step.lost or step.restarted):
            period = (end - self._before_ns) / n
        self._before_ns = end
        device = end - np.round(np.arange(n - 1, -1, -1) * period).astype(np.int64)
        return self._samples(
            values, arrival_ns, step.lost, device_ns=device, restarted=step.restarted
        )

    def _step(self, tick: int, arrival_ns: int, due: int = 1) -> Step:
        if self._clock is None:
            return Step(tick)
        if self._clock.long:
            self._anew = False
        return self._clock.step(tick, arrival_ns, due)

    def _time_ns(self, step: Step) -> int:
        return round(step.ticks * self._tick_ns)

    def _samples(
        self,
        values: FloatArray,
        arrival_ns: int,
        lost: int,
        *,
        device_ns: IntArray | None = None,
        restarted: bool = False,
    ) -> Samples:
        n = len(values)
        index = self._next + lost + np.arange(n, dtype=np.int64)
        self._next += lost + n
        restarted, self._anew = restarted or self._anew, False
        back = np.round(np.arange(n - 1, -1, -1) * self._period_ns).astype(np.int64)
        return Samples(self._stream, values, index, arrival_ns - back, device_ns, lost, restarted)
