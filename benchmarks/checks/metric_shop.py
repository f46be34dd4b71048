"""A shop that trades through the real engine in simulated time: what the checks of the overview count."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import NamedTuple

import httpx
import numpy as np

from benchmarks.process import ROOT, TAP2
from engine.clock import simulated_time
from engine.decisions.requests.answers import DecisionAnswer
from engine.model.actor import Actor
from engine.model.outcome import OutcomeRow
from engine.model.placement import Candidate, Holdback, Placement, Thompson
from engine.model.timestamps import DAY, HOUR, MINUTE
from engine.service import Engine, open_engine
from engine.settings import Settings

PLACEMENT = "payment_methods"
SETUP = Placement(
    key=PLACEMENT,
    name="Payment methods",
    policy=Thompson(drawn=1, floor=0.1, history=False),
    holdback=Holdback(share=0.05),
    margin_percent=30.0,
    window_minutes=60,
)
METHODS = (
    Candidate(id="card", label="Card", position=0, fee_percent=1.0, fee_fixed=10),
    Candidate(id="paypal", label="PayPal", position=1),
    Candidate(id="klarna", label="Klarna", position=2),
)
BUYS = {"card": 0.45, "paypal": 0.55, "klarna": 0.35}
COUNTRIES, DEVICES, CURRENCIES = ("NL", "DE", "BE", "FR"), ("mobile", "desktop", "tablet"), ("EUR", "GBP")
TOGETHER = 500
LATE = 0.1
"""The share of reports that arrive some batches after those of their time."""
PATIENCE_MS = 60_000
EMAIL, PASSWORD = "owner@shop.example", "correct horse battery staple"
CSRF = re.compile(r'name="csrf" value="([^"]+)"')


class MetricShop(NamedTuple):
    """The engine over a folder, the merchant, and a secret key."""

    engine: Engine
    merchant_id: int
    key: str


class Trade(NamedTuple):
    """The traffic of a shop: `decisions` over `days` up to `until` (epoch ms)."""

    decisions: int
    days: int
    until: int


@asynccontextmanager
async def opened(folder: Path) -> AsyncIterator[MetricShop]:
    """Open a new shop with somebody who may log in."""
    engine = await open_engine(Settings(data=str(folder), decision_timeout_ms=PATIENCE_MS))
    await engine.start(with_jobs=False)
    try:
        live, _ = await engine.accounts.add_merchant("shop", "Shop")
        await engine.team.add_user(EMAIL, "Owner", "shop", "admin", PASSWORD)
        actor = Actor(live.id, "verify")
        await engine.catalogue.create(actor, "placement", "", [SETUP])
        await engine.catalogue.create(actor, "candidate", PLACEMENT, list(METHODS))
        _, key = await engine.accounts.create_key(live, "secret", "verify", actor_name="verify")
        yield MetricShop(engine, live.id, key)
    finally:
        await engine.stop()


async def trade(shop: MetricShop, amount: Trade, *, seed: int) -> None:
    """Let customers decide, buy, redeem and be refunded; some reports come late, twice, or in another currency."""
    random, late = np.random.default_rng(seed), [list[OutcomeRow]()]
    times = np.sort(random.integers(amount.until - amount.days * DAY, amount.until, amount.decisions)).tolist()
    clock = [times[0]]
    with simulated_time(lambda: clock[0]):
        for start in range(0, len(times), TOGETHER):
            batch = times[start : start + TOGETHER]
            answers = await _decide(shop, random, batch, clock, customers=amount.decisions // 3)
            rows = [
                row for answer, time in zip(answers, batch, strict=True) for row in _reports(shop, random, answer, time)
            ]
            is_late = random.random(len(rows)) < LATE
            late.append([row for row, waits in zip(rows, is_late, strict=True) if waits])
            rows = [row for row, waits in zip(rows, is_late, strict=True) if not waits] + late.pop(0)
            await shop.engine.recorder.outcomes([rows[index] for index in random.permutation(len(rows))])
        await shop.engine.recorder.outcomes([row for rows in late for row in rows])
        await shop.engine.recorder.close_due(amount.until + DAY)


async def _decide(
    shop: MetricShop, random: np.random.Generator, times: list[int], clock: list[int], *, customers: int
) -> list[DecisionAnswer]:
    """Return the answers at some times; a fifth of the customers are guests."""
    tasks = []
    for time in times:
        clock[0] = time
        customer = f"c{random.integers(customers)}" if random.random() < 0.8 else None
        context = {
            "geo": {"country": str(random.choice(COUNTRIES))},
            "device": {"type": str(random.choice(DEVICES))},
        }
        tasks.append(asyncio.create_task(shop.engine.decider.decide(shop.merchant_id, [PLACEMENT], customer, context)))
        # The task reads the clock before it first waits.
        await asyncio.sleep(0)
    return [answer for (answer,) in await asyncio.gather(*tasks)]


def _reports(shop: MetricShop, random: np.random.Generator, answer: DecisionAnswer, time: int) -> Iterator[OutcomeRow]:
    """Yield what the shop reports of a checkout: in any order, and now and then the same purchase twice."""
    first, id = answer.decision.ranking[0].id, answer.decision.decision_id

    def row(
        type: str,
        method: str,
        occurred_at: int,
        amount: int | None = None,
        currency: str | None = None,
        event: str = "",
    ) -> OutcomeRow:
        event = event or f"{type}-{id}"
        return OutcomeRow(
            shop.merchant_id, event, id, None, "", type, method, amount, currency, occurred_at, occurred_at
        )

    if random.random() < 0.95:
        yield row("shown", first, time)
    if random.random() >= BUYS[first]:
        return
    method = first if random.random() < 0.8 else str(random.choice(list(BUYS)))
    currency = CURRENCIES[int(random.random() < 0.2)]
    amount, paid_at = int(random.integers(100, 20_000)), time + int(random.integers(1_000, 10 * MINUTE))
    yield row("selected", method, time + 500)
    yield row("converted", method, paid_at, amount, currency)
    if random.random() < 0.1:
        yield row("converted", method, paid_at, amount, currency)
    if random.random() < 0.05:
        yield row("converted", method, paid_at + 1, amount, currency, f"again-{id}")
    if random.random() < 0.2:
        yield row("redeemed", method, paid_at, amount // 7, currency)
    if random.random() < 0.15:
        part = amount if random.random() < 0.5 else amount // 2
        yield row("refunded", method, paid_at + int(random.integers(HOUR, 5 * DAY)), part, currency)


@contextmanager
def logged_in(port: int, email: str = EMAIL, password: str = PASSWORD) -> Iterator[httpx.Client]:
    """Yield a browser in which somebody, usually the shop's owner, is logged in at a server of this machine."""
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE_MS / 1000) as browser:
        csrf = CSRF.search(browser.get("/admin/login").text)
        form = {"csrf": csrf[1] if csrf else "", "email": email, "password": password, "next": ""}
        browser.post("/admin/login", data=form)
        yield browser


def environment_of(folder: Path) -> dict[str, str]:
    """Return the variables of a command on the data in a folder."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("TAP2_")}
    return own | {"TAP2_DATA": str(folder)}


def tap2(folder: Path, *command: str) -> str:
    """Run a command on the data in a folder; return the JSON that it prints, whatever its exit status."""
    arguments = [sys.executable, *TAP2, *command, "--json"]
    ran = subprocess.run(arguments, cwd=ROOT, env=environment_of(folder), capture_output=True, text=True, check=False)
    if not ran.stdout:
        raise RuntimeError(f"tap2 {' '.join(command)}: {ran.stderr[-2000:]}")
    return ran.stdout
