"""The session of a calibration: who is told what when, and the recording that comes of it."""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from kinefed.cli.output import note
from kinefed.cli.sensor_kept import from_log
from kinefed.cli.sensor_source import Source, need

if TYPE_CHECKING:
    from kinefed.datasets import Recording
    from kinefed.sensors.radio import Radio
    from kinefed.sensors.streaming import State
    from kinefed.sensors.worn import Worn

# Time to read what comes next and begin it.
READY_S = 3.0
# At both ends of a phase somebody may be early or late.
_EDGE_S = 0.5
_PROMPTS = {
    "stand": "Stand still and upright: knees straight, feet parallel, looking ahead",
    "bend": "Bend your knees as if to sit down, chest forward, feet flat; again and again",
    "walk": "Walk straight ahead at your usual pace; turn where you must",
    "mvc": "Tense one muscle after the other as hard as you can, three seconds each",
}


@dataclass(frozen=True, slots=True)
class Phase:
    """A stretch of the session, in seconds of the host's monotonic clock."""

    name: str
    begin_s: float
    end_s: float


class Guide:
    """Tells what to do when; in a simulation, what the virtual person does when.

    Parameters
    ----------
    lengths_s
        Phase to seconds, in their order.
    phases
        Of a person who does not listen; None: the first begins when all sensors are connected.
    """

    def __init__(
        self, lengths_s: dict[str, float], phases: tuple[Phase, ...] | None = None
    ) -> None:
        self._lengths = lengths_s
        self.phases = phases or ()
        self._connected_s: float | None = None
        self._told: set[str] = set()

    @property
    def seconds(self) -> float:
        """How long the session lasts from the time at which all are connected."""
        if self.phases:
            return max(1.0, self.phases[-1].end_s - time.monotonic())
        return sum(length + READY_S for length in self._lengths.values())

    def watch(self, state: State) -> None:
        """Follow the session."""
        now = time.monotonic()
        if self._connected_s is None:
            self._connected_s = now
            if not self.phases:
                begin, phases = now, []
                for name, length in self._lengths.items():
                    phases.append(Phase(name, begin + READY_S, begin + READY_S + length))
                    begin += READY_S + length
                self.phases = tuple(phases)
        for phase in self.phases:
            if phase.name not in self._told and phase.begin_s - READY_S <= now < phase.end_s:
                self._told.add(phase.name)
                note(f"{_PROMPTS[phase.name]} ({phase.end_s - phase.begin_s:.0f} s)")

    def spans(self, zero_ns: int) -> dict[str, tuple[float, float]]:
        """Phase to first and last second of the recording that began at a time."""
        zero_s = zero_ns * 1e-9
        connected_s = self._connected_s or 0.0
        return {
            each.name: (
                max(each.begin_s, connected_s) + _EDGE_S - zero_s,
                each.end_s - _EDGE_S - zero_s,
            )
            for each in self.phases
        }


async def measured(
    source: Source, lengths_s: dict[str, float], simulate: bool
) -> tuple[tuple[Worn, ...], Recording, dict[str, tuple[float, float]]]:
    """Let the session happen.

    Parameters
    ----------
    source
        Of the sensors.
    lengths_s
        Phase, one of the prompts', to seconds.
    simulate
        On a virtual person, with the sensors of `source` or, where it names none, all there are.

    Returns
    -------
    worn
        With their addresses.
    recording
        Of all of it.
    spans
        Phase to first and last second of the recording.

    Raises
    ------
    SensorError
        Where a sensor was not found, or stayed away.
    """
    from kinefed.datasets import RecordingRef
    from kinefed.sensors.packet_log import read_log
    from kinefed.sensors.streaming import stream

    opened = _simulated(source, lengths_s) if simulate else _real(source, lengths_s)
    with tempfile.TemporaryDirectory(prefix="kinefed-calibrate-") as folder:
        log = Path(folder) / "session.kfpl"
        async with opened as (radio, worn, guide):
            note(f"Connecting {len(worn)} sensors, one after the other")
            state = await stream(radio, worn, seconds=guide.seconds, log=log, watch=guide.watch)
        if isinstance(state.stopped, Exception):
            raise state.stopped
        if state.stopped == "interrupted":
            raise typer.Abort
        recording, _, _ = from_log(log, RecordingRef("S01", "s01", "calibration", 1))
        spans = guide.spans(read_log(log).records[0].arrival_ns)
    return worn, recording, spans


@contextlib.asynccontextmanager
async def _real(
    source: Source, lengths_s: dict[str, float]
) -> AsyncIterator[tuple[Radio, tuple[Worn, ...], Guide]]:
    async with source.open() as (radio, worn):
        yield radio, worn, Guide(lengths_s)


@contextlib.asynccontextmanager
async def _simulated(
    source: Source, lengths_s: dict[str, float]
) -> AsyncIterator[tuple[Radio, tuple[Worn, ...], Guide]]:
    from kinefed.cli.calibration_person import calibration_person
    from kinefed.sensors.virtual.person import default_worn, virtual_person
    from kinefed.sensors.worn_file import read_worn

    need("bumble", "ble-sim")
    worn = None if source.worn is None else read_worn(source.worn)
    # Connecting takes part of a second a sensor, and the person stands meanwhile.
    count = 8 if worn is None else len(worn)
    done = calibration_person(lengths_s["stand"] + 0.7 * count, lengths_s["bend"],
                              lengths_s["walk"], worn or ())  # fmt: skip
    recording = done.recording
    async with virtual_person(
        recording, worn or default_worn(recording), find_s=source.find_s
    ) as there:
        phases = tuple(
            Phase(name, there.begin_s + begin, there.begin_s + end)
            for name, (begin, end) in zip(_PROMPTS, done.phases.values(), strict=False)
        )
        yield there.radio, there.worn, Guide(lengths_s, phases)
