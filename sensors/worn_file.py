"""``worn.toml``: the sensors of a wearer, what they are and where they sit.

::

    format = 1

    [[sensor]]
    name = "shank.r"
    driver = "movella-dot"
    address = "D4:22:CD:00:00:01"
    place = "shank.r"
    settings = { mode = "custom-5", rate_hz = 60 }

    [[sensor]]
    name = "calf"
    driver = "myo"
    electrodes = { 1 = "tibialis_anterior.r", 4 = "soleus.r" }

`docs/sensors.md` explains it.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Sequence
from pathlib import Path

from kinefed.datasets.errors import DataError, DataReason, KinefedError
from kinefed.sensors.drivers._toml import Table
from kinefed.sensors.worn import Worn

FORMAT = 1
_HELP = "docs/sensors.md shows a whole file"


def read_worn(path: str | Path) -> tuple[Worn, ...]:
    """Read the sensors of a wearer.

    Parameters
    ----------
    path
        The file. Profiles of own firmware (``driver = "imu.toml"``) are looked for beside it.

    Raises
    ------
    DataError
        ``not_found``, ``unreadable``, ``empty``, ``duplicate``, or ``bad_format`` with the
        sensor that is wrong and why.
    """
    file = Path(path)
    try:
        body = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise DataError(
            DataReason.NOT_FOUND,
            "no such file",
            where=file,
            next_step="Make one with 'kinefed sensors scan --write worn.toml'",
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(DataReason.UNREADABLE, str(error), where=file) from error
    except tomllib.TOMLDecodeError as error:
        raise DataError(
            DataReason.BAD_FORMAT, f"it is no TOML: {error}", where=file, next_step=_HELP
        ) from error
    root = Table(body, str(file), _HELP)
    if root.number("format") != FORMAT:
        raise root.bad(f"expected {FORMAT}, the format this kinefed knows", "format")
    tables = root.tables("sensor")
    root.end()
    worn = tuple(_sensor(table, file.parent) for table in tables)
    if not worn:
        raise DataError(DataReason.EMPTY, "it names no sensor", where=file, next_step=_HELP)
    for what in ("name", "address"):
        told = [getattr(each, what) for each in worn if getattr(each, what) is not None]
        if len(set(told)) != len(told):
            raise DataError(
                DataReason.DUPLICATE,
                f"two sensors have one {what}",
                where=file,
                next_step="Give each sensor its own",
            )
    return worn


def write_worn(path: str | Path, worn: Sequence[Worn]) -> Path:
    """Write the sensors of a wearer, as `read_worn` reads them.

    Raises
    ------
    DataError
        ``exists``.
    """
    file = Path(path)
    if file.exists():
        raise DataError(
            DataReason.EXISTS, "it is there already", where=file, next_step="Choose another name"
        )
    lines = ["# Which sensors are worn, and where: docs/sensors.md", f"format = {FORMAT}"]
    for each in worn:
        lines += ["", "[[sensor]]", f"name = {_value(each.name)}"]
        lines.append(f"driver = {_value(each.driver_id)}")
        if each.address is not None:
            lines.append(f"address = {_value(each.address)}")
        if each.place is not None:
            lines.append(f"place = {_value(each.place)}")
        if each.adapter is not None:
            lines.append(f"adapter = {_value(each.adapter)}")
        if each.delay_ms:
            lines.append(f"delay_ms = {_value(each.delay_ms)}")
        if each.settings:
            pairs = (f"{name} = {_value(value)}" for name, value in each.settings.items())
            lines.append(f"settings = {{ {', '.join(pairs)} }}")
        if each.electrodes:
            pairs = (f"{slot} = {_value(muscle)}" for slot, muscle in each.electrodes.items())
            lines.append(f"electrodes = {{ {', '.join(pairs)} }}")
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return file


def _sensor(table: Table, folder: Path) -> Worn:
    name, driver = table.text("name"), table.text("driver")
    address, place, adapter = (
        table.text(key, "") or None for key in ("address", "place", "adapter")
    )
    settings, electrodes = table.values("settings"), table.values("electrodes")
    delay_ms = table.number("delay_ms", 0.0)
    table.end()
    for slot, muscle in electrodes.items():
        if not (slot.isascii() and slot.isdigit()) or not isinstance(muscle, str):
            raise table.bad('expected { 1 = "soleus.r" }', "electrodes")
    slots = {int(slot): str(muscle) for slot, muscle in electrodes.items()}
    if driver.endswith(".toml"):
        driver = str(folder / driver)
    try:
        return Worn(name, driver, settings, address, place, slots, delay_ms, adapter)
    except KinefedError as error:
        raise DataError(
            DataReason.BAD_FORMAT,
            error.what,
            where=f"{table.where} ({name})",
            next_step=error.next_step or _HELP,
        ) from error


def _value(value: object) -> str:
    """Write a value as TOML does, which for text and numbers is as JSON does."""
    return json.dumps(value, ensure_ascii=False)
