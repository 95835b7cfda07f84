"""A D-Bus of one's own, so that a stand-in for the Bluetooth service needs no rights."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

from kinefed.datasets.errors import OutsideError, OutsideReason

ADDRESS_VARIABLE = "DBUS_SYSTEM_BUS_ADDRESS"
_CONFIG = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-BUS Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>system</type>
  <listen>unix:path={socket}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
</busconfig>
"""


@contextlib.asynccontextmanager
async def private_bus() -> AsyncIterator[str]:
    """Run a ``dbus-daemon`` and make it this process's system bus for as long.

    Yields
    ------
    str
        Its address.

    Raises
    ------
    OutsideError
        ``process`` where there is no ``dbus-daemon``, or it does not start.
    """
    program = shutil.which("dbus-daemon")
    if program is None:
        raise OutsideError(
            OutsideReason.PROCESS,
            "there is no dbus-daemon",
            next_step="Install the system's package dbus, or use the bleak backend",
        )
    with tempfile.TemporaryDirectory(prefix="kinefed-bus-") as folder:
        socket = Path(folder) / "bus"
        config = Path(folder) / "bus.conf"
        config.write_text(_CONFIG.format(socket=socket), encoding="utf-8")
        process = await asyncio.create_subprocess_exec(
            program,
            f"--config-file={config}",
            "--nofork",
            "--nopidfile",
            "--print-address",
            stdout=asyncio.subprocess.PIPE,
        )
        before = os.environ.get(ADDRESS_VARIABLE)
        try:
            assert process.stdout is not None
            address = (await process.stdout.readline()).decode().strip()
            if not address:
                raise OutsideError(OutsideReason.PROCESS, "dbus-daemon does not start")
            os.environ[ADDRESS_VARIABLE] = address
            yield address
        finally:
            if before is None:
                os.environ.pop(ADDRESS_VARIABLE, None)
            else:
                os.environ[ADDRESS_VARIABLE] = before
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            await process.wait()
