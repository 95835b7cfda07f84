"""What a live session shows: sensors, task and torque meanwhile, a tally of outputs at its end."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from kinefed.cli.output import figure, plain
from kinefed.cli.sensor_screen import SensorScreen
from kinefed.client.live.tasks import ANY

if TYPE_CHECKING:
    from kinefed.client.live import Output
    from kinefed.sensors.streaming import State
    from kinefed.sensors.worn import Worn

# Half a bar is this much: the peaks of walking are between 0.5 and 1.6 N m/kg.
_FULL_NM_PER_KG = 2.0
_HALF = 12
_LEGS = {"l": "left", "r": "right"}
# Below it there is no place for bars.
_WIDE = 80
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


class LiveView(SensorScreen):
    """Shows the newest outputs and the sensors; without a terminal, a line each second.

    Parameters
    ----------
    worn, seconds, shown
        As of `SensorScreen`.
    """

    def __init__(self, worn: Sequence[Worn], seconds: float | None, *, shown: bool = True) -> None:
        places = [each.place or "" for each in worn]
        super().__init__(worn, seconds, places, "worn on", shown=shown)
        self._newest: dict[str, Output] = {}
        self._told_s = 0.0

    def send(self, output: Output) -> None:
        """Keep the newest output of each leg: it is drawn later, not in the engine's time."""
        self._newest[output.side] = output

    def close(self) -> None:
        """Hold nothing."""

    def _drawn(self, state: State) -> Group:
        torques, below = self._torques(), self._below(state, self._silent())
        # The heading, heads of the torques, an empty line before each table, the cursor's line.
        room = self._console.height - 6 - torques.row_count - len(below)
        heading = Text(f"{self._heading(state)}; {self._task()}", no_wrap=True, overflow="ellipsis")
        return Group(heading, "", torques, "", self._sensors(state, room), *below)

    def _task(self) -> str:
        output = next(iter(self._newest.values()), None)
        if output is None or output.task == ANY:
            return "task not known"
        return f"task {plain(output.task)} ({100 * output.task_confidence:.0f} %)"

    def _torques(self) -> Table:
        wide = self._console.width >= _WIDE
        table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
        heads = ("torque", "N m/kg", *(("",) if wide else ()), "status", "sure (%)", "sample (ms)")
        for head in heads:
            table.add_column(head, no_wrap=True)
        for side in sorted(self._newest):
            output = self._newest[side]
            style = _STYLES.get(str(output.status), "bold red")
            for joint, torque in zip(output.joints, output.torque_nm_per_kg, strict=True):
                table.add_row(
                    joint.removeprefix("torque."),
                    f"{figure(torque, 2):>6}",
                    *((bar(torque),) if wide else ()),
                    Text(str(output.status), style=style),
                    figure(100.0 * output.confidence, 0),
                    figure(1e3 * output.age_s, 0),
                )
        return table

    def _silent(self) -> str:
        """Say what each leg lacks."""
        lines = []
        for side in sorted(self._newest):
            output = self._newest[side]
            if output.silent:
                verb = "waits for" if str(output.status) == "starting" else "is without"
                names = ", ".join(plain(name) for name in output.silent)
                lines.append(f"{_LEGS[side]} leg {verb} {names}")
        return "\n".join(lines)

    def _lines(self, state: State) -> list[str]:
        if state.seconds < self._told_s + 1.0:
            return []
        self._told_s = state.seconds
        on = sum(state.connected.values())
        words = [f"{state.seconds:.0f} s", f"{on} of {len(state.connected)} connected"]
        for side in sorted(self._newest):
            output = self._newest[side]
            pairs = zip(output.joints, output.torque_nm_per_kg, strict=True)
            told = ", ".join(f"{j.removeprefix('torque.')} {figure(t, 2)}" for j, t in pairs)
            words.append(f"{output.status}: {told} N m/kg")
        return ["; ".join(words)]


def bar(torque_nm_per_kg: float) -> str:
    """Draw a torque to the right of a middle line, or to the left of it below zero."""
    if not math.isfinite(torque_nm_per_kg):
        return ""
    share = max(-1.0, min(1.0, torque_nm_per_kg / _FULL_NM_PER_KG))
    length = round(abs(share) * _HALF)
    left, right = ("█" * length, "") if share < 0.0 else ("", "█" * length)
    return f"{left:>{_HALF}}│{right:<{_HALF}}"
