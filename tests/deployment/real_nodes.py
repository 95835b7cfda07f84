"""Start a SuperLink and SuperNodes on loopback, watch every process of theirs, and end them all.

Flower's daemons start helpers, some in sessions of their own, so neither process groups nor the
parent's id finds them all. They inherit the environment, though: a mark in it names them for good.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
import urllib.request
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from node_keys import make_certificates, make_node_key

HOST = "127.0.0.1"
MARK = "KINEFED_TEST_DEPLOYMENT"
# What keeps Flower from reporting to its makers and from installing packages.
QUIET = {
    "FLWR_TELEMETRY_ENABLED": "0",
    "FLWR_DISABLE_UPDATE_CHECK": "1",
    "FLWR_DISABLE_RUNTIME_DEPENDENCY_INSTALLATION": "1",
}
# Asks Linux (PR_SET_PDEATHSIG = 1) to end the program with the tests, were those killed.
LAUNCH = """
import ctypes, os, signal, sys
ctypes.CDLL(None).prctl(1, signal.SIGTERM)
os.execv(sys.argv[1], sys.argv[1:])
"""


class DeploymentFailure(AssertionError):
    """Something did not start, end or answer; the message ends with the logs."""


@dataclass(frozen=True)
class Seen:
    """A process of the deployment: its program and its environment."""

    program: str
    environment: dict[str, str]


class Outside:
    """A proxy that lets nothing through and counts who tries to leave the machine."""

    def __init__(self) -> None:
        self.socket = socket.create_server((HOST, 0))
        self.port = int(self.socket.getsockname()[1])
        self.tried: list[str] = []
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        with contextlib.suppress(OSError):  # closed
            while True:
                connection, _ = self.socket.accept()
                with connection:
                    connection.settimeout(5.0)
                    with contextlib.suppress(OSError):
                        self.tried.append(connection.recv(200).decode("latin-1"))

    def close(self) -> None:
        # A blocked accept() does not notice close(), but it does notice shutdown().
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        self._thread.join(timeout=10.0)


@dataclass
class Deployment:
    """A SuperLink, its SuperNodes and the commands of its operator, all on loopback.

    Use as a context manager: leaving it ends every process, however it is left.
    """

    folder: Path
    daemons: list[subprocess.Popen[bytes]] = field(default_factory=list)
    seen: dict[int, Seen] = field(default_factory=dict)
    outside: Outside = field(default_factory=Outside)
    mark: str = field(default_factory=lambda: uuid.uuid4().hex)
    port: int = 0

    def __enter__(self) -> Deployment:
        make_certificates(self.folder)
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start_link(self) -> None:
        """Start the SuperLink and wait until it answers."""
        self.port = free_port()
        home = self._home("operator")
        (home / "config.toml").write_text(
            f'[superlink]\ndefault = "link"\n\n[superlink.link]\naddress = "{HOST}:{self.port}"\n'
            f'root-certificates = "{self.folder / "ca.crt"}"\n',
            encoding="utf-8",
        )
        link = self._start(
            "link",
            "flower-superlink",
            *self._certificate_flags(),
            "--enable-supernode-auth",
            *("--database", str(self.folder / "state.db")),
            *("--host", HOST, "--port", str(self.port)),
            "--disable-runtime-dependency-installation",
        )
        trusted = ssl.create_default_context(cafile=str(self.folder / "ca.crt"))
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=trusted)
        )

        def answers() -> bool:
            if link.poll() is not None:
                raise self.failure(f"the SuperLink ended with {link.returncode}")
            try:
                opener.open(f"https://{HOST}:{self.port}/health", timeout=5.0).close()
            except OSError:
                return False
            return True

        self.wait_for(answers, 60.0, "the SuperLink to answer")

    def register(self, *names: str) -> None:
        """Make the keys of nodes and tell the SuperLink their public halves."""
        calls = []
        for name in names:
            make_node_key(self.folder / name)
            calls.append(self.flwr("supernode", "register", str(self.folder / f"{name}.pub")))
        for call in calls:
            if call.wait(60.0) != 0:
                raise self.failure(f"a registration ended with {call.returncode}")

    def start_node(self, name: str, **config: str) -> subprocess.Popen[bytes]:
        """Start a SuperNode whose key is the file `name`."""
        return self._start(
            name,
            "flower-supernode",
            *("--root-certificates", str(self.folder / "ca.crt")),
            *("--superlink", f"{HOST}:{self.port}"),
            *("--auth-supernode-private-key", str(self.folder / name)),
            *("--host", HOST, "--port", str(free_port())),
            *self._certificate_flags(),
            *("--node-config", " ".join(f'{key}="{value}"' for key, value in config.items())),
        )

    def flwr(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Start one of the operator's commands."""
        return self._start("operator", "flwr", *arguments)

    def log_of(self, name: str) -> str:
        """Return what the daemon or the operator's commands have printed."""
        return (self.folder / f"{name}.log").read_text(encoding="utf-8", errors="replace")

    def wait_for(self, done: Callable[[], bool], seconds: float, what: str) -> None:
        """Look until it is done, noting every process on the way."""
        end = time.monotonic() + seconds
        while not done():
            if time.monotonic() > end:
                raise self.failure(f"waited {seconds:g} s for {what}")
            self.alive()
            time.sleep(0.2)

    def alive(self) -> dict[int, Seen]:
        """Return the processes of this deployment that live now."""
        now = {}
        for folder in Path("/proc").iterdir():
            if not folder.name.isdecimal():
                continue
            try:
                pairs = (folder / "environ").read_bytes().decode(errors="replace").split("\0")
                words = (folder / "cmdline").read_bytes().decode(errors="replace").split("\0")
            except OSError:  # another user's, or gone
                continue
            environment = dict(pair.split("=", 1) for pair in pairs if "=" in pair)
            if environment.get(MARK) == self.mark:
                # A script's command line starts with its interpreter.
                program = words[1] if Path(words[0]).name.startswith("python") else words[0]
                now[int(folder.name)] = Seen(Path(program).name, environment)
        self.seen |= now
        return now

    def close(self) -> None:
        """End every process: first politely, nodes before the SuperLink, then by force."""
        for daemon in reversed(self.daemons):
            if daemon.poll() is None:
                daemon.terminate()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    daemon.wait(15.0)
        for number in (signal.SIGTERM, signal.SIGKILL):
            end = time.monotonic() + 10.0
            for pid in self.alive():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, number)
            while self.alive() and time.monotonic() < end:
                time.sleep(0.1)
        for daemon in self.daemons:
            daemon.wait(10.0)
        self.outside.close()

    def failure(self, what: str) -> DeploymentFailure:
        """Return an error with the ends of all logs."""
        logs = [f"--- {p.name}\n{self.log_of(p.stem)[-3000:]}" for p in self.folder.glob("*.log")]
        return DeploymentFailure("\n".join([what, *sorted(logs)]))

    def _certificate_flags(self) -> Sequence[str]:
        return (
            *("--ssl-ca-certfile", str(self.folder / "ca.crt")),
            *("--ssl-certfile", str(self.folder / "server.crt")),
            *("--ssl-keyfile", str(self.folder / "server.key")),
        )

    def _home(self, name: str) -> Path:
        home = self.folder / f"{name}.home"
        home.mkdir(exist_ok=True)
        return home

    def _start(self, name: str, program: str, *arguments: str) -> subprocess.Popen[bytes]:
        """Start a program of the environment that runs the tests, in an empty folder."""
        home, scripts = self._home(name), Path(sys.executable).parent
        proxy = f"http://{HOST}:{self.outside.port}"
        kept = ("LANG", "LC_ALL", "LD_LIBRARY_PATH", "TMPDIR")
        environment = {
            **{key: os.environ[key] for key in kept if key in os.environ},
            **QUIET,
            MARK: self.mark,
            "HOME": str(home),
            "FLWR_HOME": str(home),
            "PATH": f"{scripts}{os.pathsep}{os.defpath}",
            "OMP_NUM_THREADS": "1",
            "FLWR_SUPEREXEC_TASK_POLL_INTERVAL": "0.2",
            "http_proxy": proxy,
            "https_proxy": proxy,
            "no_proxy": HOST,
        }
        with (self.folder / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-I", "-c", LAUNCH, str(scripts / program), *arguments],
                cwd=home,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self.daemons.append(process)
        return process


def free_port() -> int:
    """Return a port that nobody listens on, below those that outgoing connections are given."""
    while True:
        port = random.randrange(20_000, 32_000)
        with contextlib.suppress(OSError), socket.create_server((HOST, port)):
            return port
