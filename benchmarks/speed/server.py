"""Decisions a second over HTTP, by one process and by two, beside a constant answer, in one interleaved run.

`python -m benchmarks.speed.server [--write]`: about three minutes and 1.2 GB of disk; `--write` puts the table into
docs/performance.md.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import os
import platform
import re
import sqlite3
import sys
import tempfile
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import uvloop
from rich.console import Console
from rich.table import Table

from benchmarks.process import ROOT, Server, free_port
from benchmarks.published import put
from benchmarks.speed import bench_shop
from benchmarks.speed.app import CONSTANT
from benchmarks.speed.load import Measured, Source, Tally, closed_loop

DECIDE = "/v1/personalize/decisions"
CONTENDERS = {
    "(a) constant answer": (CONSTANT, 1),
    "(b) decision, on the disk before it is answered": (DECIDE, 1),
    "(c) the same by two processes": (DECIDE, 2),
}
"""The routes that are called in turn, and how many processes serve each."""
HEADINGS = ("", "requests/s", "p50 ms", "p95 ms", "p99 ms", "server CPU µs", "errors")
DIFFERENT = 20_000
CONNECTIONS, ROUNDS, SECONDS, WARM_UP = 48, 5, 4.0, 2.0
COMMAND = "python -m benchmarks.speed.server"


def uvicorn(port: int) -> list[str]:
    """Return the arguments that serve the benchmark's application as `tap2 serve` does."""
    server = ["-m", "uvicorn", "benchmarks.speed.app:create", "--factory", "--host", "127.0.0.1", "--port", str(port)]
    return [
        *server,
        "--loop",
        "uvloop",
        "--http",
        "web.http.protocol:HttpProtocol",
        "--no-access-log",
        "--log-level",
        "warning",
    ]


@dataclass(frozen=True, slots=True)
class Cost:
    """The result of a route; `cpu` is the server's CPU time in microseconds per request."""

    seen: Measured
    cpu: float


@dataclass(frozen=True, slots=True)
class Contender:
    """A route of a running server, and a source of requests for it."""

    server: Server
    source: Source


@contextmanager
def serving(processes: int, customers: int, decisions: int) -> Iterator[tuple[Server, str]]:
    """A running server over a full database, and a key."""
    with tempfile.TemporaryDirectory(prefix="tap2-bench-") as name:
        folder, port = Path(name), free_port()
        key = asyncio.run(bench_shop.prepare(folder, customers=customers, decisions=decisions))
        with Server([*uvicorn(port), "--workers", str(processes)], folder, port, {}) as server:
            yield server, key


@contextmanager
def contending(customers: int, decisions: int) -> Iterator[dict[str, Contender]]:
    """All contenders, by name: a server for each number of processes, with a database of its own."""
    with ExitStack() as stack:
        servers = {
            processes: stack.enter_context(serving(processes, customers, decisions))
            for processes in sorted({processes for _, processes in CONTENDERS.values()})
        }
        yield {
            name: Contender(servers[processes][0], requests(path, servers[processes][1], customers))
            for name, (path, processes) in CONTENDERS.items()
        }


def requests(path: str, key: str, customers: int) -> Source:
    """Return an endless source of different requests."""
    return itertools.cycle(bench_shop.requests(path, key, DIFFERENT, customers=customers)).__next__


async def measure(
    contenders: Mapping[str, Contender], *, connections: int, rounds: int, seconds: float
) -> dict[str, Cost]:
    """Return the costs of all contenders, called in turn, so that whatever else the machine does hits all alike."""
    for contender in contenders.values():
        port = contender.server.port
        await closed_loop(port, contender.source, connections=connections, seconds=min(WARM_UP, seconds))
    tallies, cpu = dict.fromkeys(contenders, Tally()), dict.fromkeys(contenders, 0.0)
    for _ in range(rounds):
        for name, contender in contenders.items():
            server = contender.server
            before = server.cpu_seconds()
            tallies[name] += await closed_loop(server.port, contender.source, connections=connections, seconds=seconds)
            cpu[name] += server.cpu_seconds() - before
    results = {name: tally.measured for name, tally in tallies.items()}
    return {name: Cost(result, 1e6 * cpu[name] / max(result.count, 1)) for name, result in results.items()}


def fell_back(port: int) -> int:
    """Count decisions in the fallback order, which are fast but not to be measured."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        match = re.search(rb"^tap2_fallbacks_total ([0-9.]+)", answer.read(), re.MULTILINE)
    return int(float(match[1])) if match else 0


def ratio(costs: Mapping[str, Cost]) -> float:
    """Return the most decisions over constant answers, a second."""
    constant, *decisions = (cost.seen.rate for cost in costs.values())
    return max(decisions) / constant


def rows(costs: Mapping[str, Cost]) -> list[tuple[str, ...]]:
    """In the order of HEADINGS."""
    return [
        (
            name,
            f"{cost.seen.rate:,.0f}",
            f"{cost.seen.p50:.1f}",
            f"{cost.seen.p95:.1f}",
            f"{cost.seen.p99:.1f}",
            f"{cost.cpu:.0f}",
            str(sum(cost.seen.errors.values())),
        )
        for name, cost in costs.items()
    ]


def machine() -> str:
    """Return a description of the machine."""
    parts = [f"Python {platform.python_version()}", f"SQLite {sqlite3.sqlite_version}"]
    parts += [f"{name} {version(name)}" for name in ("litestar", "uvicorn", "uvloop", "httptools", "sqlalchemy")]
    return ", ".join(parts)


def markdown(costs: Mapping[str, Cost], setting: str) -> str:
    lines = [
        f"`{COMMAND}`, {datetime.now(UTC):%Y-%m-%d}; {machine()}.",
        setting,
        "",
        f"| {' | '.join(HEADINGS)} |",
        f"|---|{'---:|' * (len(HEADINGS) - 1)}",
    ]
    lines += [f"| {' | '.join(row)} |" for row in rows(costs)]
    return "\n".join([*lines, "", f"The faster of (b) and (c) over (a): **{ratio(costs):.2f}**"])


def show(costs: Mapping[str, Cost], setting: str) -> None:
    table = Table(*HEADINGS, title="Decisions over HTTP")
    for row in rows(costs):
        table.add_row(*row)
    console = Console()
    console.print(table)
    console.print(f"best of b and c over a: {ratio(costs):.2f}")
    console.print(setting)


def options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog=COMMAND)
    parser.add_argument("--customers", type=int, default=bench_shop.CUSTOMERS)
    parser.add_argument("--decisions", type=int, default=bench_shop.DECISIONS)
    parser.add_argument("--connections", type=int, default=CONNECTIONS)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--seconds", type=float, default=SECONDS)
    parser.add_argument("--write", action="store_true", help="put the table into docs/performance.md")
    return parser.parse_args(arguments)


def main(arguments: list[str]) -> None:
    chosen = options(arguments)
    with contending(chosen.customers, chosen.decisions) as contenders:
        costs = uvloop.run(
            measure(contenders, connections=chosen.connections, rounds=chosen.rounds, seconds=chosen.seconds)
        )
        fallbacks = sum(fell_back(port) for port in {each.server.port for each in contenders.values()})
    setting = (
        f"8 methods, 50 rules, 40 facts, half of the customers with a history; {chosen.customers:,} customers and "
        f"{chosen.decisions:,} decisions stored; {chosen.connections} connections, {chosen.rounds} rounds of "
        f"{chosen.seconds:g} s each, in turn; the server and the load generator on the same {os.cpu_count()} "
        f"cores; {fallbacks} answers in the fallback order."
    )
    show(costs, setting)
    if chosen.write:
        put(ROOT / "docs" / "performance.md", "server", markdown(costs, setting))


if __name__ == "__main__":
    main(sys.argv[1:])
