"""The live view of worn sensors on standard error."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Self

from rich import box
from rich.console import Console
from rich.live import Live
from rich.table import Table

from kinefed.cli.output import figure, plain

if TYPE_CHECKING:
    from kinefed.sensors.streaming import State
    from kinefed.sensors.worn import Worn


class SensorView:
    """A table of the sensors that follows them; without a terminal, a line where one changes.

    Parameters
    ----------
    worn
        Which.
    seconds
        How long it lasts, None until Ctrl-C.
    """

    def __init__(self, worn: Sequence[Worn], seconds: float | None) -> None:
        self._console = Console(stderr=True, markup=False, highlight=False, soft_wrap=True)
        self._titles = {each.name: each.driver().title for each in worn}
        self._seconds = seconds
        self._connected: dict[str, bool] = {}
        self._live = Live(
            f"Connecting {len(self._titles)} sensors, one after the other",
            console=self._console,
            auto_refresh=False,
            transient=True,
        )

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._live.start()
        else:
            self._console.print(f"connecting {', '.join(plain(name) for name in self._titles)}")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._console.is_terminal:
            self._live.stop()

    def show(self, state: State) -> None:
        """Follow the state; the farewells at the end are no news."""
        if state.stopped:
            return
        if self._console.is_terminal:
            self._live.update(self._table(state), refresh=True)
            return
        for name, on in state.connected.items():
            if self._connected.get(name, False) != on:
                self._console.print(f"{plain(name)}: {'connected' if on else 'not connected'}")
        self._connected = dict(state.connected)

    def _table(self, state: State) -> Table:
        on = sum(state.connected.values())
        left = "Ctrl-C ends it" if self._seconds is None else f"of {self._seconds:.0f} s"
        title = f"{state.seconds:.0f} s {left}, {on} of {len(state.connected)} connected"
        if state.age_s > 1.0:
            title += f"; this program is {state.age_s:.1f} s behind"
        table = Table(title=title, title_justify="left", box=box.SIMPLE, pad_edge=False)
        for head in ("sensor", "kind", "stream", "rate (Hz)", "lost (%)", "battery (%)", ""):
            table.add_column(head)
        for (sensor, name), flow in state.flows.items():
            battery = state.health[sensor].battery
            table.add_row(
                plain(sensor),
                self._titles[sensor],
                name,
                figure(flow.measured_hz, 1),
                figure(100.0 * flow.lost / max(1, flow.lost + flow.received), 2),
                figure(None if battery is None else battery.percent, 0),
                "" if state.connected[sensor] else "not connected",
            )
        return table
