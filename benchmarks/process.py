"""Run a server in its own process, for benchmarks and for tests that kill it."""

from __future__ import annotations

import math
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType

ROOT = Path(__file__).parent.parent
TAP2 = ("-c", "from web.cli import main; main()")
"""The command `tap2` of these sources, as arguments of Python."""
STARTS_WITHIN = 60.0
ENDS_WITHIN = 90.0
"""A server of several processes hears a signal only once a process that it starts again is there."""
UNLIMITED = {"TAP2_DECISION_RATE": "1000000/second", "TAP2_OUTCOME_RATE": "1000000/second"}
"""A benchmark's load comes from one key."""


def free_port() -> int:
    """Return a loopback port that was free a moment ago."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


class Server:
    """`python <arguments>` on `port` with the data in `folder`; its output goes to `server.log` there.

    It must be ready within `starts_within` seconds.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        folder: Path,
        port: int,
        environment: Mapping[str, str],
        *,
        starts_within: float = STARTS_WITHIN,
    ) -> None:
        self.folder, self.port = folder, port
        self._starts_within = starts_within
        self._arguments, self._environment = arguments, environment
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> float:
        """Return the seconds until it was ready. Raises RuntimeError with its log if it never was."""
        own = {name: value for name, value in os.environ.items() if not name.startswith("TAP2_")}
        own |= {"TAP2_DATA": str(self.folder), "TAP2_PORT": str(self.port), "TAP2_LOG_LEVEL": "warning", **UNLIMITED}
        began = time.perf_counter()
        with (self.folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, *self._arguments],
                cwd=ROOT,
                env=own | dict(self._environment),
                stdout=log,
                stderr=log,
            )
        while not self._is_ready():
            if self._process.poll() is not None or time.perf_counter() - began > self._starts_within:
                self.kill()
                raise RuntimeError(f"the server did not start:\n{self.log()[-2000:]}")
            time.sleep(0.02)
        return time.perf_counter() - began

    def _is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/readyz", timeout=2) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def freeze(self) -> None:
        """Send SIGSTOP: connections stay open, and nothing is answered."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Send SIGCONT to a frozen process."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)

    def kill(self) -> None:
        """Send SIGKILL to the process that was started here."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        self._end(signal.SIGTERM)

    def _end(self, how: signal.Signals) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(how)
            self._process.wait(timeout=ENDS_WITHIN)

    def cpu_seconds(self) -> float:
        """Return the CPU seconds of the process and its workers so far; nan where the system does not report them."""
        return _cpu_seconds(self._process.pid if self._process else 0)

    def log(self) -> str:
        return (self.folder / "server.log").read_text(errors="replace")

    def __enter__(self) -> Server:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def _cpu_seconds(process: int) -> float:
    """Return the CPU seconds of a process, its threads and its children so far."""
    folder = Path(f"/proc/{process}")
    if not (folder / "stat").exists():
        return math.nan
    fields = (folder / "stat").read_text().rpartition(")")[2].split()
    children = (folder / "task" / str(process) / "children").read_text().split()
    own = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return own + sum(_cpu_seconds(int(child)) for child in children)
