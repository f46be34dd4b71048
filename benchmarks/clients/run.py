"""Check the clients: no answer later than its timeout, no outcome lost or doubled, whatever breaks.

`python -m benchmarks.verify clients`; takes a few minutes and needs Node, the packages of sdks/javascript, and PHP with
pcntl and pcov (Debian: php-cli and php-pcov).
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.clients.fault_proxy import faulty
from benchmarks.clients.killable import Killable, killable
from benchmarks.clients.php_coverage import covered
from benchmarks.process import ROOT

CHECKOUTS = 1_000
EVENTS = 10_000
JAVASCRIPT = ROOT / "sdks" / "javascript"
LANGUAGES = ("JavaScript", "Python", "PHP")


class Driver(NamedTuple):
    """A program that checks out with a client; all take the same variables and print the same."""

    command: Sequence[str]
    folder: Path

    def start(self, url: str, key: str, **numbers: str) -> subprocess.Popen[str]:
        """Run it against a server; `TAP2_CHECKOUTS` or `TAP2_EVENTS` says how much it does."""
        path = os.pathsep.join((str(ROOT), str(ROOT / "sdks" / "python" / "src")))
        environment = {**os.environ, "TAP2_URL": url, "TAP2_KEY": key, "PYTHONPATH": path, **numbers}
        return subprocess.Popen(self.command, cwd=self.folder, env=environment, stdout=subprocess.PIPE, text=True)


def driver_of(language: str, javascript: Path = JAVASCRIPT) -> Driver:
    """Return the driver of a language; `javascript` is the folder of the built package."""
    if language == "JavaScript":
        return Driver(("node", "test/checkouts.mjs"), javascript)
    if language == "PHP":
        return Driver(("php", "benchmarks/clients/php_checkouts.php"), ROOT)
    return Driver((sys.executable, "-m", "benchmarks.clients.python_checkouts"), ROOT)


@dataclass
class Result:
    """The results of checkouts; all but `codes` and `sent` must be zero."""

    late: int
    wrong: int
    left: int
    lost: int
    doubled: int
    sent: int
    codes: dict[str, int] = field(default_factory=dict)


def while_the_server_dies(driver: Driver, server: Killable, count: int) -> Result:
    """Run checkouts; in their middle the server is silent for a second, killed and started again."""
    with driver.start(server.url, server.key, TAP2_CHECKOUTS=str(count)) as process:
        assert process.stdout is not None
        begun = process.stdout.readline()
        assert begun == "begun\n", begun
        server.fail_and_return()
        summary = json.loads(process.stdout.read())
    sent = {event for events in summary["events"].values() for event in events}
    return _result(server, summary, sent)


def over_a_faulty_network(driver: Driver, server: Killable, count: int) -> tuple[Result, dict[str, int]]:
    """Report so many purchases while half of all requests fail; return also what became of the requests."""
    with faulty(server.process.port) as proxy:
        with driver.start(proxy.url, server.key, TAP2_EVENTS=str(count)) as process:
            assert process.stdout is not None
            summary = json.loads(process.stdout.read())
        return _result(server, summary, {f"event-{number}" for number in range(count)}), dict(proxy.faults)


def _result(server: Killable, summary: dict[str, Any], sent: set[str]) -> Result:
    stored = [event for _, event in server.outcomes()]
    doubled = len(stored) - len(set(stored)) + len(set(stored) - sent)
    lost = len(sent - set(stored))
    return Result(
        summary["late"], summary["wrong"], summary["left"], lost, doubled, len(sent), summary.get("codes", {})
    )


def figures() -> list[tuple[str, str, str]]:
    """Return (subject, goal, measured) for the table of docs/verification.md."""
    if shutil.which("node") is None or shutil.which("php") is None:
        raise SystemExit("this check needs Node, and PHP with pcov")
    subprocess.run(["node", "build.mjs"], cwd=JAVASCRIPT, check=True)
    rows = []
    for language in LANGUAGES:
        driver = driver_of(language)
        with tempfile.TemporaryDirectory(prefix="tap2-clients-") as name, killable(Path(name)) as server:
            died = while_the_server_dies(driver, server, CHECKOUTS)
        with tempfile.TemporaryDirectory(prefix="tap2-clients-") as name, killable(Path(name)) as server:
            broken, faults = over_a_faulty_network(driver, server, EVENTS)
        rows += _rows(language, died, broken, faults)
    return [*rows, _coverage_row()]


def _coverage_row() -> tuple[str, str, str]:
    lines, executed, worst = covered()
    measured = f"{executed / lines:.1%} ({executed} of {lines}; least: {worst})"
    return "PHP: lines of the client that its tests execute", "> 80%", measured


def _rows(language: str, died: Result, broken: Result, faults: dict[str, int]) -> list[tuple[str, str, str]]:
    codes = ", ".join(f"{count} {code}" for code, count in sorted(died.codes.items()))
    failed = sum(faults.values()) - faults["pass"]
    return [
        (
            f"{language}: of {CHECKOUTS:,} checkouts while the server dies, later than the timeout + 50 ms",
            "0",
            f"{died.late} (fallbacks: {codes})",
        ),
        (f"{language}: fallbacks in another than the shop's own order", "0", str(died.wrong)),
        (f"{language}: outcomes lost, doubled", "0, 0", f"{died.lost}, {died.doubled} of {died.sent:,}"),
        (
            f"{language}: of {EVENTS:,} purchases over a faulty network, lost, doubled",
            "0, 0",
            f"{broken.lost}, {broken.doubled} ({failed} of {sum(faults.values())} requests failed)",
        ),
    ]
