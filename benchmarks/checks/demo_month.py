"""Start the demo on an empty folder, wait for a full overview, and replay and rebuild its month.

`python -m benchmarks.verify demo`, some minutes. tests/web/test_demo_past.py runs a small version.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import httpx

from benchmarks.checks.metric_shop import logged_in, tap2
from benchmarks.process import TAP2, Server, free_port
from engine.decisions.replay import replay
from engine.service import open_engine
from engine.settings import Settings
from engine.store import decisions
from web.demo.background import LOGIN_FILE
from web.demo.catalogue import USER_EMAIL

GOAL_SECONDS, STARTS_WITHIN = 60, 1_800.0
OPEN = ("No holdback", "Too early", "Too little")
"""Verdicts of a card that has nothing to say yet."""
CHUNK = 2_000


def figures() -> Iterator[tuple[str, ...]]:
    """Yield (what, goal, measured)."""
    with tempfile.TemporaryDirectory(prefix="tap2-demo-") as name:
        folder = Path(name)
        server = Server((*TAP2, "serve"), folder, free_port(), {"TAP2_DEMO": "1"}, starts_within=STARTS_WITHIN)
        yield "`tap2 serve` with the demo on an empty folder: until `/readyz`", "", f"{server.start():.0f} s"
        try:
            with logged_in(server.port, USER_EMAIL, (folder / LOGIN_FILE).read_text().strip()) as browser:
                seconds, message = _until_full(browser)
        finally:
            server.stop()
        yield "from `/readyz` until all cards of the overview are full", f"< {GOAL_SECONDS} s", f"{seconds:.1f} s"
        yield "what it says", "", message
        count, different = asyncio.run(_replayed(folder))
        yield f"{count:,} decisions of the month and since: replays that differ by a byte", "0", str(different)
        checked = json.loads(tap2(folder, "beliefs", "rebuild", "--check"))
        yield "sums that differ from the log", "0", str(len(checked["differences"]))


def _until_full(browser: httpx.Client) -> tuple[float, str]:
    """Return the seconds until no card lacks a value or a verdict, and the headline."""
    began = time.monotonic()
    while True:
        report = browser.get("/admin/live/dashboard/summary.json").raise_for_status().json()
        cards = report["figures"]
        is_full = all(card["value"] is not None and card["verdict"] not in OPEN for card in cards)
        if is_full or time.monotonic() - began > 2 * GOAL_SECONDS:
            return time.monotonic() - began if is_full else float("inf"), report["headline"]
        time.sleep(0.5)


async def _replayed(folder: Path) -> tuple[int, int]:
    """Return how many decisions the log has, and how many answers differ when they are made again."""
    engine = await open_engine(Settings(data=str(folder)))
    count = different = 0
    last = None
    try:
        while True:
            async with engine.database.read() as connection:
                rows = await decisions.chunk(connection, after=last, limit=CHUNK)
            if not rows:
                return count, different
            count, last = count + len(rows), rows[-1]
            different += sum([not (await replay(engine.database, row)).same for row in rows])
    finally:
        await engine.stop()
