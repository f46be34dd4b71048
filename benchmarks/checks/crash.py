"""Kill a server with SIGKILL under load, repeatedly: no acknowledged request may be lost or counted twice.

`python -m benchmarks.checks.crash [ROUNDS]`; a hundred rounds take over twenty minutes on a slow machine.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
import sys
import tempfile
from collections import deque
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from numpy.random import default_rng
from rich.console import Console
from rich.table import Table

from benchmarks.process import TAP2, Server, free_port
from benchmarks.speed.load import closed_loop, request
from engine.decisions.rebuild import compare
from engine.service import database_url, open_engine
from engine.settings import Settings
from engine.store.connection.database import open_database
from simulation.worlds.shoppers import ShopperWorld
from web.demo.seed import seed, shoppers_key
from web.demo.shoppers import PLACEMENT

DECIDE, FEEDBACK = "/v1/personalize/decisions", "/v1/personalize/feedback"
ROUNDS = 100
CONNECTIONS = 16
KEPT = ("recorded", "duplicate")


@dataclass(slots=True)
class Crashes:
    """The result; everything from `lost_decisions` on must be zero."""

    rounds: int = 0
    decisions: int = 0
    outcomes: int = 0
    cut_off: int = 0
    slowest_start: float = 0.0
    lost_decisions: int = 0
    lost_outcomes: int = 0
    counted_twice: int = 0
    wrong_sums: int = 0
    refused: int = 0

    @property
    def wrong(self) -> int:
        return self.lost_decisions + self.lost_outcomes + self.counted_twice + self.wrong_sums + self.refused


@dataclass(slots=True)
class Client:
    """A checkout that remembers what was acknowledged, and what it must send again."""

    key: str
    random: Random
    world: ShopperWorld
    decisions: set[str] = field(default_factory=set)
    kept: set[str] = field(default_factory=set)
    unanswered: dict[str, dict[str, Any]] = field(default_factory=dict)
    due: deque[list[dict[str, Any]]] = field(default_factory=deque)
    refused: list[str] = field(default_factory=list)

    def next_request(self) -> bytes:
        """Return feedback if some is due, sometimes an old one again, otherwise the next decision."""
        if self.due:
            return request("POST", FEEDBACK, self.due.popleft(), key=self.key)
        visit = self.world.visit(0.0)
        body = {"placement": PLACEMENT, "customer_id": visit.shopper.customer_id, "context": visit.context}
        return request("POST", DECIDE, body, key=self.key)

    def answered(self, status: int, body: bytes) -> None:
        document = json.loads(body)
        if status == 200:
            self._decided(document)
        elif status == 202:
            self._acknowledged(document["results"])
        else:
            self.refused.append(f"{status} {document.get('detail')}")

    def _decided(self, answer: dict[str, Any]) -> None:
        # A fallback is answered before it is logged, so that it is not guaranteed to be kept.
        if answer["fallback"]:
            return
        self.decisions.add(answer["decision_id"])
        first = answer["ranking"][0]["id"]
        last = {"type": "converted", "candidate_id": first} if self.random.random() < 0.4 else {"type": "abandoned"}
        outcomes = [
            {"event_id": f"{answer['decision_id']}.{outcome['type']}", "decision_id": answer["decision_id"], **outcome}
            for outcome in ({"type": "shown"}, last)
        ]
        self.unanswered |= {outcome["event_id"]: outcome for outcome in outcomes}
        self.due.append(outcomes)
        if self.random.random() < 0.1:
            self.due.append(outcomes)

    def _acknowledged(self, results: list[dict[str, str]]) -> None:
        for receipt in results:
            if receipt["status"] in KEPT:
                self.kept.add(receipt["event_id"])
                self.unanswered.pop(receipt["event_id"], None)
            else:
                self.refused.append(f"{receipt['event_id']}: {receipt['status']} {receipt.get('message')}")

    def send_again(self) -> Iterator[bytes]:
        """Return the requests that got no answer before the crash, as a client with retries would."""
        self.due.clear()
        outcomes = list(self.unanswered.values())
        for start in range(0, len(outcomes), 200):
            yield request("POST", FEEDBACK, outcomes[start : start + 200], key=self.key)


async def prepare(folder: Path) -> str:
    """Create a demo merchant in `folder`; return a key."""
    engine = await open_engine(Settings(data=str(folder)))
    try:
        await seed(engine)
        return await shoppers_key(engine)
    finally:
        await engine.database.close()


async def wrong_sums(folder: Path) -> int:
    """Return the sums of the folds that differ from the log."""
    database = open_database(database_url(Settings(data=str(folder))))
    try:
        return len(await compare(database))
    finally:
        await database.close()


async def load_until_killed(server: Server, client: Client, seconds: float) -> int:
    """Return the number of requests that were cut off."""
    asyncio.get_running_loop().call_later(seconds, server.kill)
    tally = await closed_loop(server.port, client.next_request, connections=CONNECTIONS, sink=client.answered)
    return tally.errors[0]


async def retry(server: Server, client: Client) -> None:
    again = client.send_again()
    await closed_loop(server.port, lambda: next(again, None), connections=1, sink=client.answered)


def missing(folder: Path, client: Client) -> tuple[int, int, int]:
    """Count acknowledged decisions and outcomes that are missing, and events that are stored twice."""
    with closing(sqlite3.connect(f"file:{folder / 'tap2.sqlite'}?mode=ro", uri=True)) as database:
        decisions = {row[0] for row in database.execute("SELECT 'dec_' || lower(hex(id)) FROM decisions")}
        events = [row[0] for row in database.execute("SELECT event_id FROM outcomes")]
    return len(client.decisions - decisions), len(client.kept - set(events)), len(events) - len(set(events))


def crash(rounds: int, *, seconds: tuple[float, float] = (0.7, 2.0), chance: int = 1) -> Crashes:
    """Repeat `rounds` times: start, load, kill, verify, start again on the same database, retry."""
    random, crashes = Random(chance), Crashes()
    with tempfile.TemporaryDirectory(prefix="tap2-crash-") as name:
        folder = Path(name)
        client = Client(asyncio.run(prepare(folder)), random, ShopperWorld(default_rng(chance)))
        server = Server([*TAP2, "serve"], folder, free_port(), {})
        try:
            for _ in range(rounds):
                _one_round(server, client, crashes, random.uniform(*seconds))
            crashes.slowest_start = max(crashes.slowest_start, server.start())
            asyncio.run(retry(server, client))
        finally:
            server.kill()
        _verify(folder, client, crashes)
    crashes.decisions, crashes.outcomes = len(client.decisions), len(client.kept)
    crashes.refused = len(client.refused) + len(client.unanswered)
    return crashes


def _one_round(server: Server, client: Client, crashes: Crashes, seconds: float) -> None:
    crashes.slowest_start = max(crashes.slowest_start, server.start())
    asyncio.run(retry(server, client))
    crashes.cut_off += asyncio.run(load_until_killed(server, client, seconds))
    _verify(server.folder, client, crashes)
    crashes.rounds += 1


def _verify(folder: Path, client: Client, crashes: Crashes) -> None:
    """Verify the database while no server runs: nothing is missing, and the sums are those of the log."""
    crashes.lost_decisions, crashes.lost_outcomes, crashes.counted_twice = missing(folder, client)
    crashes.wrong_sums += asyncio.run(wrong_sums(folder))


def figures(rounds: int = ROUNDS) -> list[tuple[str, str, str]]:
    """Return (subject, goal, measured) for the table of docs/verification.md."""
    crashes = crash(rounds)
    load = f"{crashes.decisions:,} decisions, {crashes.outcomes:,} outcomes, {crashes.cut_off:,} requests cut off"
    return [
        (f"kill -9 in {crashes.rounds} loads: answered decisions lost", "0", f"{crashes.lost_decisions} ({load})"),
        ("acknowledged outcomes lost", "0", str(crashes.lost_outcomes)),
        ("outcomes counted twice, retries included", "0", str(crashes.counted_twice)),
        ("sums that a rebuild from the log changes", "0", str(crashes.wrong_sums)),
        ("requests refused after the restart", "0", f"{crashes.refused} (slowest start {crashes.slowest_start:.1f} s)"),
    ]


def main() -> None:
    table = Table("what", "goal", "measured")
    for figure in figures(int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS):
        table.add_row(*figure)
    Console().print(table)


if __name__ == "__main__":
    main()
