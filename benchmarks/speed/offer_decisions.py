"""The cost of offers beside decisions about payment methods: one shop with both, in turns, with 8 and with 200 offers.

`python -m benchmarks.speed.offer_decisions [--profile]`. It writes docs/performance.md; `--profile` prints where the
time goes instead. Both are asked for in process, 32 at once, and stored, offers with their holds. A turn is measured by
CPU time, which other processes on the machine do not change much.
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import gc
import pstats
import statistics
import tempfile
import time
from collections.abc import Awaitable
from datetime import UTC, datetime
from random import Random
from typing import Any, NamedTuple

from rich.console import Console

from benchmarks.process import ROOT
from benchmarks.published import put
from benchmarks.speed import bench_shop
from engine.model.actor import Actor
from engine.model.documents.offer import Benefit, FixedAmount, FreeShipping, Offer, OfferBudget, OfferText, Percentage
from engine.model.placement import Candidate, FieldDocument, Placement, RuleDocument, Subset
from engine.service import Engine, open_engine
from engine.settings import Settings

COUNTS, SHOWN = (8, 200), 3
WARM_UP, TURNS, DECISIONS, AT_ONCE = 5, 30, 128, 32
CUSTOMERS = 100_000
BUDGETS = (
    *(OfferBudget(id=f"c{n}", name=f"Campaign {n}", currency="EUR", amount=10**12) for n in range(8)),
    OfferBudget(id="day", name="Day", currency="EUR", amount=10**12, period="day"),
    OfferBudget(id="customer", name="Customer", currency="EUR", uses=100, scope="customer"),
)
GOAL = "at least .60"


class Cost(NamedTuple):
    """CPU seconds of a decision about payment methods, and of an answer with offers that are held."""

    methods: float
    offers: float


def offer(number: int) -> Candidate:
    """Return one of many offers: all kinds of benefits, half with a window or a least cart, one to three budgets."""
    benefit: Benefit = (
        Percentage(percent=5 + number % 20, maximum=2_000),
        FixedAmount(amount=100 + 10 * number),
        FreeShipping(maximum=590),
    )[number % 3]
    document = Offer(
        currency="EUR",
        benefit=benefit,
        budgets=(f"c{number % 8}", "day", "customer")[: 1 + number % 3],
        texts={"en": OfferText(f"Offer {number}")},
        starts_at="2026-01-01T00:00:00Z" if number % 4 == 0 else None,
        # One in twenty is over, one in four needs a cart that most do not have.
        ends_at="2026-02-01T00:00:00Z" if number % 20 == 0 else None,
    )
    least = 30_000 if number % 4 == 1 else None
    return Candidate(id=f"offer-{number}", label=f"Offer {number}", position=number, offer=document, min_amount=least)


def rule(number: int, offers: int) -> RuleDocument:
    """Return a rule of the shop's, about offers."""
    document = bench_shop.rule(number)
    candidate = f"offer-{number % offers}"
    effect: dict[str, Any] = {"boost": {"candidates": [candidate], "factor": 1.1}}
    if number % 10 == 0:
        effect = {"exclude": [candidate]}
    return RuleDocument(
        id=document.id, name=document.name, priority=document.priority, when=document.when, effects=(effect,)
    )


def placement_of(offers: int) -> str:
    return f"offers-{offers}"


async def _open_shop(engine: Engine) -> int:
    """Add a merchant with payment methods and the offers; return its id."""
    merchant, _ = await engine.accounts.add_merchant("offers", "Offers")
    actor, create = Actor(merchant.id, "bench"), engine.catalogue.create
    await bench_shop.configure(engine, merchant.id)
    await create(actor, "field", "", [FieldDocument(name="cart.shipping", type="money")])
    await create(actor, "budget", "", list(BUDGETS))
    for count in COUNTS:
        key = placement_of(count)
        placement = Placement(key=key, name=key, shape=Subset(SHOWN), buckets=("device.type", "geo.country"))
        await create(actor, "placement", "", [placement])
        await create(actor, "candidate", key, [offer(number) for number in range(count)])
        await create(actor, "rule", key, [rule(number, count) for number in range(bench_shop.RULES)])
    return merchant.id


class Shop(NamedTuple):
    """The measured shop, with its random requests."""

    engine: Engine
    merchant_id: int
    random: Random

    def question(self) -> tuple[str, dict[str, Any]]:
        """Return a customer and the context of a checkout."""
        context = bench_shop.context(self.random)
        context["cart"]["shipping"] = self.random.choice([0, 490, 990])
        return f"c{self.random.randrange(CUSTOMERS)}", context

    def decide(self, placement: str, customer: str, context: dict[str, Any]) -> Awaitable[Any]:
        """Ask for an answer that is stored, offers with their holds."""
        decider = self.engine.decider
        if placement == bench_shop.PLACEMENT:
            return decider.decide(self.merchant_id, (placement,), customer, context)
        return decider.decide_offers(self.merchant_id, placement, customer, context)

    async def turn(self, placement: str) -> float:
        """Return the CPU seconds of an answer."""
        questions = [self.question() for _ in range(DECISIONS)]
        gc.collect()
        began = time.process_time()
        for first in range(0, DECISIONS, AT_ONCE):
            batch = questions[first : first + AT_ONCE]
            await asyncio.gather(*(self.decide(placement, customer, context) for customer, context in batch))
        return (time.process_time() - began) / DECISIONS


async def _costs(shop: Shop) -> dict[int, list[Cost]]:
    """Return the cost of both in each turn, by the number of offers; their order alternates."""
    costs: dict[int, list[Cost]] = {count: [] for count in COUNTS}
    for number in range(WARM_UP + TURNS):
        for count in COUNTS:
            order = (bench_shop.PLACEMENT, placement_of(count))
            took = {key: await shop.turn(key) for key in (order if number % 2 else reversed(order))}
            costs[count].append(Cost(*(took[key] for key in order)))
    return {count: turns[WARM_UP:] for count, turns in costs.items()}


async def _profile(shop: Shop) -> None:
    """Print the functions that answers with many offers spend their CPU time in."""
    key = placement_of(COUNTS[-1])
    for _ in range(WARM_UP):
        await shop.turn(key)
    with cProfile.Profile(time.thread_time) as profile:
        for _ in range(WARM_UP):
            await shop.turn(key)
    pstats.Stats(profile).sort_stats("tottime").print_stats(30)


async def measure(folder: str, *, profile: bool = False) -> dict[int, list[Cost]]:
    """Return the costs by the number of offers, or print a profile."""
    engine = await open_engine(Settings(data=folder, decision_timeout_ms=10_000))
    await engine.follow()
    engine.recorder.start()
    try:
        shop = Shop(engine, await _open_shop(engine), Random(7))
        if not profile:
            return await _costs(shop)
        await _profile(shop)
        return {}
    finally:
        await engine.recorder.stop()
        await engine.database.close()


def table(costs: dict[int, list[Cost]]) -> str:
    """Return the measured ratios of throughputs as a table."""
    head = f"`python -m benchmarks.speed.offer_decisions`, {datetime.now(UTC):%Y-%m-%d}; medians of {TURNS} turns."
    lines = [head, "", "| what | goal | measured |", "|---|---|---|"]
    for count, turns in costs.items():
        ratio = statistics.median(turn.methods / turn.offers for turn in turns)
        methods, offers = (1e6 * statistics.median(column) for column in zip(*turns, strict=True))
        what = f"{count} active offers, {bench_shop.RULES} rules and a durable hold, over decisions about methods"
        lines.append(f"| {what} | {GOAL} | {ratio:.2f} ({offers:,.0f} and {methods:,.0f} µs of CPU an answer) |")
    return "\n".join(lines)


def main() -> None:
    """Print the table and write it, or print a profile."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--profile", action="store_true", help="print where the time goes; write nothing")
    profile = parser.parse_args().profile
    with tempfile.TemporaryDirectory(prefix="tap2-offers-") as folder:
        costs = asyncio.run(measure(folder, profile=profile))
    if costs:
        text = table(costs)
        Console().print(text, markup=False)
        put(ROOT / "docs" / "performance.md", "offer-decisions", text)


if __name__ == "__main__":
    main()
