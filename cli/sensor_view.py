"""The live view of worn sensors while they are checked or recorded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Group

from kinefed.cli.output import plain
from kinefed.cli.sensor_screen import SensorScreen

if TYPE_CHECKING:
    from kinefed.sensors.streaming import State
    from kinefed.sensors.worn import Worn


class SensorView(SensorScreen):
    """A table of the sensors that follows them; without a terminal, a line where one changes.

    Parameters
    ----------
    worn
        Which.
    seconds
        How long it lasts, None until Ctrl-C.
    """

    def __init__(self, worn: Sequence[Worn], seconds: float | None) -> None:
        super().__init__(worn, seconds, [each.driver().title for each in worn], "kind")
        self._connected: dict[str, bool] = {}

    def _drawn(self, state: State) -> Group:
        below = self._below(state)
        # The heading, an empty line, and the line of the cursor.
        room = self._console.height - 3 - len(below)
        return Group(self._heading(state), "", self._sensors(state, room), *below)

    def _lines(self, state: State) -> list[str]:
        changed = [
            f"{plain(name)}: {'connected' if on else 'not connected'}"
            for name, on in state.connected.items()
            if self._connected.get(name, False) != on
        ]
        self._connected = dict(state.connected)
        return changed
