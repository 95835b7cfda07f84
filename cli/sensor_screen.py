"""What is shown of worn sensors while they stream: a screen on standard error, or lines."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Self

from rich import box
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from kinefed.cli.output import figure, plain
from kinefed.cli.sensor_kept import LOSS_SHARE

if TYPE_CHECKING:
    from kinefed.sensors.streaming import Flow, State
    from kinefed.sensors.worn import Worn

# At a tenth most sensors have a few minutes left.
_LOW_PERCENT = 10.0
# More are seldom read; the first ones are the worst of their stream.
_ADVICE = 3
# Below it there is no place for words.
_NARROW = 80


class SensorScreen(ABC):
    """Shows sensors being connected, and then what a subclass draws; else prints lines.

    Parameters
    ----------
    worn
        The sensors.
    seconds
        How long it lasts, None until Ctrl-C.
    words
        Of each sensor, one more column: its kind, or where it is worn.
    head
        Above that column.
    shown
        False prints nothing.
    """

    def __init__(
        self,
        worn: Sequence[Worn],
        seconds: float | None,
        words: Sequence[str],
        head: str,
        *,
        shown: bool = True,
    ) -> None:
        self._console = Console(stderr=True, markup=False, highlight=False, soft_wrap=True)
        self._words = {each.name: word for each, word in zip(worn, words, strict=True)}
        # A column that says nothing new is left out.
        told = any(word not in ("", name) for name, word in self._words.items())
        self._head = head if told else ""
        self._seconds, self._shown = seconds, shown
        self._looked_for = 0
        self._advised: set[str] = set()
        self._live = Live(console=self._console, auto_refresh=False, transient=True)

    def __enter__(self) -> Self:
        if self._shown and self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._live.is_started:
            self._live.stop()

    def connecting(self, name: str) -> None:
        """Say which sensor is looked for now."""
        self._looked_for += 1
        line = f"connecting {plain(name)} ({self._looked_for} of {len(self._words)})"
        if self._live.is_started:
            self._live.update(Text(line), refresh=True)
        elif self._shown:
            self._console.print(line)

    def tell(self, text: str) -> None:
        """Print a line, above the screen where there is one."""
        self._console.print(plain(text))

    def show(self, state: State) -> None:
        """Follow the state; the farewells at the end are no news."""
        if not self._shown or state.stopped:
            return
        if self._live.is_started:
            self._live.update(self._drawn(state), refresh=True)
            return
        for line in self._lines(state):
            self._console.print(line)
        advice = {fault.advice for fault in state.quality.faults()}
        for line in sorted(advice - self._advised):
            self._console.print(plain(line))
        self._advised |= advice

    @abstractmethod
    def _drawn(self, state: State) -> RenderableType:
        """Draw all of the screen."""

    @abstractmethod
    def _lines(self, state: State) -> list[str]:
        """Give what is new where there is no terminal."""

    def _heading(self, state: State) -> str:
        on = sum(state.connected.values())
        left = "Ctrl-C ends it" if self._seconds is None else f"of {self._seconds:.0f} s"
        told = f"{state.seconds:.0f} s {left}, {on} of {len(state.connected)} sensors connected"
        return f"{told}; this program is {state.age_s:.1f} s behind" if state.age_s > 1.0 else told

    def _below(self, state: State, before: str = "") -> list[Text]:
        """Give the lines below the tables: what is wrong with channels, the first few."""
        told = [plain(fault.advice) for fault in state.quality.faults()]
        lines = before.splitlines() + told[:_ADVICE]
        if len(told) > _ADVICE:
            lines.append(f"and {len(told) - _ADVICE} more channels")
        return [
            Text(line, style="yellow", no_wrap=True, overflow="ellipsis")
            for line in (("", *lines) if lines else ())
        ]

    def _sensors(self, state: State, room: int) -> Group:
        """Draw the streams, in at most so many lines: those in trouble before others."""
        narrow = self._console.width < _NARROW
        wide = bool(self._head) and not narrow
        table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
        heads = ("Hz", "lost %", "bat. %") if narrow else ("rate (Hz)", "lost (%)", "battery (%)")
        for name in ("sensor", *((self._head,) if wide else ()), "stream", *heads, ""):
            table.add_column(name, no_wrap=True)
        rows = [(key, flow, self._trouble(state, *key, flow)) for key, flow in state.flows.items()]
        most = max(1, room - 2)
        rest = []
        if len(rows) > most:
            rows.sort(key=lambda row: not row[2])
            rows, rest = rows[: most - 1], rows[most - 1 :]
        for (sensor, stream), flow, trouble in rows:
            battery = state.health[sensor].battery
            table.add_row(
                plain(sensor),
                *((self._words[sensor],) if wide else ()),
                stream,
                figure(flow.measured_hz, 1),
                figure(100.0 * flow.lost / max(1, flow.lost + flow.received), 2),
                figure(None if battery is None else battery.percent, 0),
                Text(trouble, style="bold red"),
            )
        bad = sum(bool(trouble) for _, _, trouble in rest)
        told = f"{len(rest)} more streams" + (f", {bad} in trouble" if bad else "")
        return Group(table, told) if rest else Group(table)

    def _trouble(self, state: State, sensor: str, stream: str, flow: Flow) -> str:
        battery = state.health[sensor].battery
        if not state.connected[sensor]:
            return "not connected"
        if flow.lost > LOSS_SHARE * (flow.lost + flow.received):
            return "loses samples"
        if battery is not None and battery.percent is not None and battery.percent <= _LOW_PERCENT:
            return "battery low"
        return "see below" if state.quality.faults(sensor, stream) else ""
