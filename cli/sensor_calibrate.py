"""``kinefed sensors calibrate``: stand still, bend the knees, walk; and it is remembered."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kinefed.cli.calibration_session import measured
from kinefed.cli.output import JsonFlag, emit, figure, note, only_json, show_table
from kinefed.cli.sensor_source import AdapterOption, FindOption, Source, WornOption

if TYPE_CHECKING:
    from kinefed.datasets import Recording
    from kinefed.sensors.calibration import Calibration
    from kinefed.sensors.placement import Placement
    from kinefed.sensors.worn import Worn


def calibrate(
    out: Annotated[Path, typer.Option(help="File that remembers it; an old one is replaced.")],
    worn: WornOption = None,
    stand_s: Annotated[float, typer.Option(min=3.0, help="Seconds of standing still.")] = 6.0,
    bend_s: Annotated[float, typer.Option(min=5.0, help="Seconds of bending the knees.")] = 12.0,
    walk_s: Annotated[float, typer.Option(min=7.0, help="Seconds of walking.")] = 20.0,
    mvc_s: Annotated[
        float,
        typer.Option(min=0.0, help="Seconds of greatest effort, for the EMG reference; 0: walk."),
    ] = 0.0,
    simulate: Annotated[
        bool, typer.Option("--simulate", help="Emulated sensors on a virtual person.")
    ] = False,
    adapter: AdapterOption = None,
    find_s: FindOption = 10.0,
    json: JsonFlag = False,
) -> None:
    """Find out how the worn sensors sit: stand still, bend the knees, walk.

    Sensors that are swapped or on the wrong side are told, and nothing is written. Exit code 3
    where a movement cannot be used.
    """
    from kinefed.datasets import UsageError, UsageReason

    if simulate and mvc_s > 0.0:
        raise UsageError(
            UsageReason.IMPOSSIBLE,
            "a virtual person has no greatest effort to show",
            where="--mvc-s",
            next_step="Leave it out: walking gives the reference then",
        )
    lengths = {"stand": stand_s, "bend": bend_s, "walk": walk_s}
    if mvc_s > 0.0:
        lengths["mvc"] = mvc_s
    source = Source(worn, None, None, adapter, find_s)
    with only_json(json):
        sensors, recording, spans = asyncio.run(measured(source, lengths, simulate))
        made, placement = _calibrated(sensors, recording, spans)
        ranges = _ranges(recording, made, spans["walk"])
        try:
            made.save(out)
        except OSError as error:
            from kinefed.datasets import OutsideError, OutsideReason

            raise OutsideError(
                OutsideReason.STORAGE, f"cannot be written ({error.strerror})", where=out
            ) from error
    _report(out, made, placement, ranges, json)


def _calibrated(
    worn: tuple[Worn, ...], recording: Recording, spans: dict[str, tuple[float, float]]
) -> tuple[Calibration, Placement]:
    from datetime import UTC, datetime

    from kinefed.sensors.alignment import align
    from kinefed.sensors.calibration import Calibration, calibrated, emg_reference
    from kinefed.sensors.orientation import imus_of
    from kinefed.sensors.placement import check_placement

    imus = imus_of(recording)
    phases = spans["stand"], spans["bend"], spans["walk"]
    placement = check_placement(imus, spans["stand"], spans["walk"])
    source = "mvc" if "mvc" in spans else "walk"
    reference = emg_reference(recording, spans[source])
    made = Calibration(
        datetime.now(UTC).replace(microsecond=0),
        calibrated(worn, align(imus, *phases)),
        reference,
        source if reference else "",
    )
    return made, placement


def _ranges(
    recording: Recording, made: Calibration, walk: tuple[float, float]
) -> dict[str, tuple[float, float]]:
    """Angle to its range in walking, degrees: what somebody can judge by looking at it."""
    import numpy as np

    from kinefed.sensors.joint_angles import joint_angles
    from kinefed.sensors.joint_session import joints_of

    if not joints_of(made.sensors):
        return {}
    found: dict[str, tuple[float, float]] = {}
    for name, stream in joint_angles(recording, made.alignments).streams.items():
        if name.startswith("joint-"):
            times = stream.time_s
            inside = (times >= walk[0]) & (times < walk[1])
            for channel in stream.channels:
                if channel.startswith("angle."):
                    low, high = np.degrees(
                        np.quantile(stream.column(channel)[inside], (0.02, 0.98))
                    )
                    found[channel] = float(low), float(high)
    return found


def _report(
    out: Path,
    made: Calibration,
    placement: Placement,
    ranges: dict[str, tuple[float, float]],
    json: bool,
) -> None:
    import math

    rows: list[dict[str, Any]] = [
        {
            "place": place,
            "sensor": each.name,
            "share": each.alignment.share,
            "range_deg": math.degrees(each.alignment.range_rad),
            "still_deg_s": math.degrees(each.alignment.still_rad_s),
            "pushed": placement.pushed.get(place),
        }
        for place, each in made.sensors.items()
    ]
    if json:
        emit(
            {
                "calibration": str(out),
                "made": made.made.isoformat(),
                "sensors": rows,
                "walking_deg": {name: list(both) for name, both in ranges.items()},
                "emg_from": made.emg_from,
                "emg_reference": dict(made.emg_reference),
            }
        )
        return
    show_table(
        "Sensors",
        ["place", "sensor", "about one axis (%)", "moved (deg)", "still (deg/s)"],
        [
            [r["place"], r["sensor"], figure(100.0 * r["share"], 0), figure(r["range_deg"], 0),
             figure(r["still_deg_s"], 2)]
            for r in rows
        ],
    )  # fmt: skip
    if ranges:
        show_table(
            "Walking",
            ["angle", "from (deg)", "to (deg)"],
            [[name, figure(low, 0), figure(high, 0)] for name, (low, high) in ranges.items()],
        )
    if made.emg_reference:
        note(f"EMG reference of {len(made.emg_reference)} muscles, from {made.emg_from}")
    note(f"{out}: {len(made.sensors)} sensors are calibrated; all are where they were said to be")
