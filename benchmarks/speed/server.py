"""Decisions a second over HTTP, beside a constant answer of the same server, in one interleaved run.

`python -m benchmarks.speed.server [--write]`: about a minute and 600 MB of disk; `--write` puts the table into
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
from collections.abc import Iterator
from contextlib import contextmanager
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
from benchmarks.speed.load import Measured, Tally, closed_loop

DECIDE = "/v1/personalize/decisions"
NAMES = {CONSTANT: "(a) constant answer", DECIDE: "(b) decision, on the disk before it is answered"}
HEADINGS = ("", "requests/s", "p50 ms", "p95 ms", "p99 ms", "server CPU µs", "errors")
DIFFERENT = 20_000
CONNECTIONS, ROUNDS, SECONDS, WARM_UP = 48, 5, 4.0, 2.0
COMMAND = "python -m benchmarks.speed.server"


def uvicorn(port: int) -> list[str]:
    """Return the arguments that serve the benchmark's application as `tap2 serve` does."""
    server = ["-m", "uvicorn", "benchmarks.speed.app:create", "--factory", "--host", "127.0.0.1", "--port", str(port)]
    return [*server, "--loop", "uvloop", "--http", "httptools", "--no-access-log", "--log-level", "warning"]


@dataclass(frozen=True, slots=True)
class Cost:
    """The result of a route; `cpu` is the server's CPU time in microseconds per request."""

    seen: Measured
    cpu: float


@contextmanager
def serving(customers: int, decisions: int) -> Iterator[tuple[Server, str]]:
    """A running server over a full database, and a key."""
    with tempfile.TemporaryDirectory(prefix="tap2-bench-") as name:
        folder, port = Path(name), free_port()
        key = asyncio.run(bench_shop.prepare(folder, customers=customers, decisions=decisions))
        with Server(uvicorn(port), folder, port, {}) as server:
            yield server, key


async def measure(
    server: Server,
    key: str,
    *,
    customers: int,
    connections: int,
    rounds: int,
    seconds: float,
) -> dict[str, Cost]:
    """Both routes in turn, `rounds` times, so that whatever else the machine does hits both alike."""
    sources = {
        path: itertools.cycle(bench_shop.requests(path, key, DIFFERENT, customers=customers)).__next__ for path in NAMES
    }
    for source in sources.values():
        await closed_loop(server.port, source, connections=connections, seconds=min(WARM_UP, seconds))
    tallies, cpu = dict.fromkeys(NAMES, Tally()), dict.fromkeys(NAMES, 0.0)
    for _ in range(rounds):
        for path, source in sources.items():
            before = server.cpu_seconds()
            tallies[path] += await closed_loop(server.port, source, connections=connections, seconds=seconds)
            cpu[path] += server.cpu_seconds() - before
    results = {path: tally.measured for path, tally in tallies.items()}
    return {path: Cost(result, 1e6 * cpu[path] / max(result.count, 1)) for path, result in results.items()}


def fell_back(port: int) -> int:
    """Count decisions in the fallback order, which are fast but not to be measured."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        match = re.search(rb"^tap2_fallbacks_total ([0-9.]+)", answer.read(), re.MULTILINE)
    return int(float(match[1])) if match else 0


def ratio(costs: dict[str, Cost]) -> float:
    return costs[DECIDE].seen.rate / costs[CONSTANT].seen.rate


def rows(costs: dict[str, Cost]) -> list[tuple[str, ...]]:
    """In the order of HEADINGS."""
    return [
        (
            NAMES[path],
            f"{cost.seen.rate:,.0f}",
            f"{cost.seen.p50:.1f}",
            f"{cost.seen.p95:.1f}",
            f"{cost.seen.p99:.1f}",
            f"{cost.cpu:.0f}",
            str(sum(cost.seen.errors.values())),
        )
        for path, cost in costs.items()
    ]


def figures(
    *, customers: int = bench_shop.CUSTOMERS, decisions: int = bench_shop.DECISIONS
) -> list[tuple[str, str, str]]:
    """(what, goal, measured) for the table of docs/verification.md."""
    with serving(customers, decisions) as (server, key):
        costs = uvloop.run(
            measure(server, key, customers=customers, connections=CONNECTIONS, rounds=ROUNDS, seconds=SECONDS)
        )
    constant, real = costs[CONSTANT].seen, costs[DECIDE].seen
    return [
        ("decisions/s over HTTP, durable", "at least 5,000", f"{real.rate:,.0f}"),
        ("p99 of a decision", "under 25 ms", f"{real.p99:.1f} ms"),
        ("ratio to a constant answer", "0.5", f"{ratio(costs):.2f} of {constant.rate:,.0f}/s"),
    ]


def machine() -> str:
    """Return a description of the machine."""
    parts = [f"Python {platform.python_version()}", f"SQLite {sqlite3.sqlite_version}"]
    parts += [f"{name} {version(name)}" for name in ("litestar", "uvicorn", "uvloop", "httptools", "sqlalchemy")]
    return ", ".join(parts)


def markdown(costs: dict[str, Cost], setting: str) -> str:
    lines = [
        f"`{COMMAND}`, {datetime.now(UTC):%Y-%m-%d}; {machine()}.",
        setting,
        "",
        f"| {' | '.join(HEADINGS)} |",
        f"|---|{'---:|' * (len(HEADINGS) - 1)}",
    ]
    lines += [f"| {' | '.join(row)} |" for row in rows(costs)]
    return "\n".join([*lines, "", f"Ratio b/a: **{ratio(costs):.2f}**"])


def show(costs: dict[str, Cost], setting: str) -> None:
    table = Table(*HEADINGS, title="Decisions over HTTP")
    for row in rows(costs):
        table.add_row(*row)
    console = Console()
    console.print(table)
    console.print(f"ratio b/a {ratio(costs):.2f}")
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
    with serving(chosen.customers, chosen.decisions) as (server, key):
        costs = uvloop.run(
            measure(
                server,
                key,
                customers=chosen.customers,
                connections=chosen.connections,
                rounds=chosen.rounds,
                seconds=chosen.seconds,
            )
        )
        fallbacks = fell_back(server.port)
    setting = (
        f"8 methods, 50 rules, 40 facts, half of the customers with a history; {chosen.customers:,} customers and "
        f"{chosen.decisions:,} decisions stored; {chosen.connections} connections, {chosen.rounds} rounds of "
        f"{chosen.seconds:g} s each, in turn; one server process and the load generator on the same {os.cpu_count()} "
        f"cores; {fallbacks} answers in the fallback order."
    )
    show(costs, setting)
    if chosen.write:
        put(ROOT / "docs" / "performance.md", "server", markdown(costs, setting))


if __name__ == "__main__":
    main(sys.argv[1:])
