"""What a live session shows: sensors, task and torque meanwhile, a tally of outputs at its end."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING, Self

from rich import box
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from kinefed.cli.output import figure, plain

if TYPE_CHECKING:
    from kinefed.client.live import Output
    from kinefed.sensors.streaming import State
    from kinefed.sensors.worn import Worn

# Half a bar is this much: the peaks of walking are between 0.5 and 1.6 N m/kg.
_FULL_NM_PER_KG = 2.0
_HALF = 12
_STYLES = {"ok": "green", "reduced": "yellow", "held": "yellow", "starting": "dim"}


@dataclass
class Tally:
    """Counts outputs by status, as one more outlet."""

    statuses: Counter[str] = field(default_factory=Counter)

    def send(self, output: Output) -> None:
        """Count one."""
        self.statuses[str(output.status)] += 1

    def close(self) -> None:
        """Hold nothing."""


class LiveView:
    """Shows the newest outputs and the sensors; without a terminal, a line each second.

    Parameters
    ----------
    worn
        The sensors.
    seconds
        How long it lasts, None until Ctrl-C.
    shown
        False prints nothing.
    """

    def __init__(self, worn: Sequence[Worn], seconds: float | None, *, shown: bool = True) -> None:
        self._console = Console(stderr=True, markup=False, highlight=False, soft_wrap=True)
        self._places = {each.name: each.place or "" for each in worn}
        self._seconds, self._shown = seconds, shown
        self._newest: dict[str, Output] = {}
        self._told_s = 0.0
        self._live = Live(
            f"Connecting {len(self._places)} sensors, one after the other",
            console=self._console,
            auto_refresh=False,
            transient=True,
        )

    def __enter__(self) -> Self:
        if self._shown and self._console.is_terminal:
            self._live.start()
        elif self._shown:
            self._console.print(f"connecting {', '.join(plain(name) for name in self._places)}")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._live.is_started:
            self._live.stop()

    def send(self, output: Output) -> None:
        """Keep the newest output of each leg: it is drawn later, not in the engine's time."""
        self._newest[output.side] = output

    def close(self) -> None:
        """Hold nothing."""

    def show(self, state: State) -> None:
        """Draw."""
        if not self._shown or state.stopped:
            return
        if self._live.is_started:
            self._live.update(Group(self._sensors(state), self._torques()), refresh=True)
        elif state.seconds >= self._told_s + 1.0:
            self._told_s = state.seconds
            self._console.print(self._line(state))

    def _sensors(self, state: State) -> Table:
        on = sum(state.connected.values())
        left = "Ctrl-C ends it" if self._seconds is None else f"of {self._seconds:.0f} s"
        title = f"{state.seconds:.0f} s {left}, {on} of {len(state.connected)} sensors connected"
        table = Table(title=title, title_justify="left", box=box.SIMPLE, pad_edge=False)
        for head in ("sensor", "worn on", "stream", "rate (Hz)", "lost (%)", "battery (%)", ""):
            table.add_column(head)
        for (sensor, name), flow in state.flows.items():
            battery = state.health[sensor].battery
            table.add_row(
                plain(sensor),
                self._places[sensor],
                name,
                figure(flow.measured_hz, 1),
                figure(100.0 * flow.lost / max(1, flow.lost + flow.received), 2),
                figure(None if battery is None else battery.percent, 0),
                "" if state.connected[sensor] else "not connected",
            )
        return table

    def _torques(self) -> Table:
        task = next(iter(self._newest.values()), None)
        title = (
            "" if task is None else f"task {plain(task.task)} ({100 * task.task_confidence:.0f} %)"
        )
        table = Table(title=title, title_justify="left", box=box.SIMPLE, pad_edge=False)
        for head in ("torque", "N m/kg", "", "status", "sure (%)", "sample (ms)"):
            table.add_column(head)
        for side in sorted(self._newest):
            output = self._newest[side]
            style = _STYLES.get(str(output.status), "bold red")
            for joint, torque in zip(output.joints, output.torque_nm_per_kg, strict=True):
                table.add_row(
                    joint.removeprefix("torque."),
                    figure(torque, 2),
                    bar(torque),
                    Text(str(output.status), style=style),
                    figure(100.0 * output.confidence, 0),
                    figure(1e3 * output.age_s, 0),
                )
            if output.silent:
                table.add_row("", "", f"silent: {', '.join(plain(s) for s in output.silent)}")
        return table

    def _line(self, state: State) -> str:
        words = [f"{state.seconds:.0f} s", f"{sum(state.connected.values())} connected"]
        for side in sorted(self._newest):
            output = self._newest[side]
            pairs = zip(output.joints, output.torque_nm_per_kg, strict=True)
            told = ", ".join(f"{j.removeprefix('torque.')} {figure(t, 2)}" for j, t in pairs)
            words.append(f"{output.status}: {told} N m/kg")
        return "; ".join(words)


def bar(torque_nm_per_kg: float) -> str:
    """Draw a torque to the right of a middle line, or to the left of it below zero."""
    if not math.isfinite(torque_nm_per_kg):
        return ""
    share = max(-1.0, min(1.0, torque_nm_per_kg / _FULL_NM_PER_KG))
    length = round(abs(share) * _HALF)
    left, right = ("█" * length, "") if share < 0.0 else ("", "█" * length)
    return f"{left:>{_HALF}}│{right:<{_HALF}}"
