"""Measure the overview over HTTP at two sizes of the log, and show that nothing scans the log.

`python -m benchmarks.verify dashboard-cost`, ten minutes and 3 GB of disk. The sums of metrics and the log are those of
`benchmarks.checks.copied_log`; the servers run with their jobs, as anywhere.
"""

from __future__ import annotations

import asyncio
import re
import shutil
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx

from benchmarks.checks.copied_log import Copies, multiply
from benchmarks.checks.metric_shop import Trade, logged_in, opened, trade
from benchmarks.process import TAP2, Server, free_port
from engine.clock import now_ms
from engine.service import SQLITE_FILE
from engine.settings import Settings
from tests.serving import serving

DECISIONS, DAYS, COPIES = 50_000, 90, Copies(shifts=5, rotations=20)
PAGES = {"30 days": "/admin/live/?range=30", "90 days": "/admin/live/?range=90"}
ROUNDS = 15
STARTS_WITHIN = 300.0
OF_LOG = re.compile(r"(SCAN|SEARCH) (decisions|outcomes)\b(.*)")


def figures(decisions: int = DECISIONS, copies: Copies = COPIES) -> Iterator[tuple[str, ...]]:
    """Yield (what, goal, measured)."""
    with tempfile.TemporaryDirectory(prefix="tap2-overview-") as name:
        small, large = Path(name, "small"), Path(name, "large")
        small.mkdir()
        asyncio.run(_trade(small, decisions))
        shutil.copytree(small, large)
        multiply(large / SQLITE_FILE, copies)
        sizes = [_count(folder) for folder in (small, large)]
        with ExitStack() as stack:
            servers = [
                stack.enter_context(Server((*TAP2, "serve"), each, free_port(), {}, starts_within=STARTS_WITHIN))
                for each in (small, large)
            ]
            browsers = [stack.enter_context(logged_in(server.port)) for server in servers]
            for span, page in PAGES.items():
                few, many = page_times(browsers, page)
                what = f"overview of {span} in one request, {sizes[0]:,} and {sizes[1]:,} decisions in the log"
                measured = f"{many / few:.2f} times ({1000 * few:.0f} ms, {1000 * many:.0f} ms)"
                yield what, "at most 1.5 times", measured
        yield from _reads(small, large)


def page_times(browsers: Sequence[httpx.Client], page: str) -> list[float]:
    """Return the median seconds of a page in each browser, measured in turn."""
    times: list[list[float]] = [[] for _ in browsers]
    for number in range(ROUNDS + 2):
        for browser, own in zip(browsers, times, strict=True):
            began = time.perf_counter()
            browser.get(page).raise_for_status()
            # The first requests fill caches.
            own += [time.perf_counter() - began] if number >= 2 else []
    return [statistics.median(own) for own in times]


def _reads(small: Path, large: Path) -> Iterator[tuple[str, ...]]:
    """Yield how the statements of a page read the large log."""
    statements = statements_of_page(small)
    reads = log_reads(statements, large / SQLITE_FILE)
    scans = [read for read in reads if read.startswith("SCAN")]
    yield f"of {len(statements)} statements of the page, those that scan the log", "0", str(len(scans))
    yield "those that read a part of the log by its key", "", ", ".join(sorted(set(reads) - set(scans))) or "none"


def statements_of_page(folder: Path) -> list[str]:
    """Return the statements that SQLite runs for the page, with their values."""
    settings = Settings(data=str(folder))
    with _traced() as statements, serving(settings) as server, logged_in(httpx.URL(server.url).port or 0) as browser:
        browser.get(PAGES["90 days"])
        statements.clear()
        browser.get(PAGES["90 days"]).raise_for_status()
        return [each for each in statements if each.lstrip().upper().startswith(("SELECT", "WITH"))]


@contextmanager
def _traced() -> Iterator[list[str]]:
    """Yield a list that gets the statements of all connections that are opened meanwhile."""
    statements: list[str] = []

    class Traced(sqlite3.Connection):
        def __init__(self, *arguments: Any, **named: Any) -> None:
            super().__init__(*arguments, **named)
            self.set_trace_callback(statements.append)

    connect = sqlite3.connect
    sqlite3.connect = partial(connect, factory=Traced)  # type: ignore[assignment]
    try:
        yield statements
    finally:
        sqlite3.connect = connect


def log_reads(statements: Sequence[str], path: Path) -> list[str]:
    """Return each step of SQLite's query plans that touches decisions or outcomes."""
    with sqlite3.connect(path) as connection:
        steps = [row[-1] for each in statements for row in connection.execute(f"EXPLAIN QUERY PLAN {each}")]
    return [match[0] for step in steps if (match := OF_LOG.match(step))]


async def _trade(folder: Path, decisions: int) -> None:
    async with opened(folder) as shop:
        await trade(shop, Trade(decisions, DAYS, now_ms()), seed=5)


def _count(folder: Path) -> int:
    with sqlite3.connect(folder / SQLITE_FILE) as connection:
        return int(connection.execute("SELECT COUNT(*) FROM decisions").fetchone()[0])
