"""A server in a process of its own, which a test freezes, kills and starts again in the middle of checkouts."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from benchmarks.process import TAP2, Server, free_port
from engine.service import open_engine
from engine.settings import Settings

FROZEN_SECONDS = 1.0
METHODS = [{"id": "card", "label": "Card"}, {"id": "paypal", "label": "PayPal"}]


@dataclass
class Killable:
    """A running server with the placement `payment_methods`, and a secret key."""

    process: Server
    key: str

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.process.port}"

    def fail_and_return(self) -> None:
        """Be silent for a second, then gone, then there again."""
        self.process.freeze()
        time.sleep(FROZEN_SECONDS)
        self.process.kill()
        self.process.start()

    def outcomes(self) -> list[tuple[str, str]]:
        """All stored outcomes as pairs of decision and event."""
        with closing(sqlite3.connect(f"file:{self.process.folder / 'tap2.sqlite'}?mode=ro", uri=True)) as database:
            return database.execute("SELECT decision_id, event_id FROM outcomes").fetchall()


@contextmanager
def killable(folder: Path) -> Iterator[Killable]:
    with ThreadPoolExecutor(1) as thread:  # beside the browser's driver, this thread has an event loop already
        key = thread.submit(asyncio.run, _new_key(folder)).result()
    with Server([*TAP2, "serve"], folder, free_port(), {"TAP2_DEMO": "0"}) as process:
        running = Killable(process, key)
        with httpx.Client(base_url=running.url, headers={"Authorization": f"Bearer {key}"}, timeout=20) as client:
            client.post("/v1/placements", json={"key": "payment_methods", "name": "Methods"}).raise_for_status()
            client.post("/v1/placements/payment_methods/candidates", json=METHODS).raise_for_status()
        yield running


async def _new_key(folder: Path) -> str:
    engine = await open_engine(Settings(data=str(folder)))
    try:
        merchant, _ = await engine.accounts.add_merchant("shop", "Shop")
        return (await engine.accounts.create_key(merchant, "secret", "tests", actor_name="tester"))[1]
    finally:
        await engine.database.close()
