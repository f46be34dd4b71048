"""Check decisions of clients while the server is gone for ten minutes, in a simulated shop with known rates.

`python -m benchmarks.verify offline` takes some minutes, and needs Node and Chromium, in which it times the choice.
tests/sdks/test_offline_shop.py runs a small version.
"""

from __future__ import annotations

import asyncio
import json
import random
import subprocess
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np

from benchmarks.chromium import chromium_path
from benchmarks.process import ROOT
from engine.clock import now_ms
from engine.decisions.offline.intake import OfflineDecision
from engine.decisions.offline.snapshots import SnapshotKey
from engine.model.actor import Actor
from engine.model.outcome import OutcomeRow
from engine.model.placement import Candidate, Placement, Thompson
from engine.model.timestamps import MINUTE
from engine.service import Engine, open_engine
from engine.settings import Settings

Figure = tuple[str, str, str]
PACKAGE = ROOT / "sdks" / "javascript"
PLACEMENT = "payment_methods"
RATES = {"card": 0.30, "paypal": 0.34, "klarna": 0.28, "apple_pay": 0.22, "ideal": 0.38}
"""The chance that a customer buys with the method in the first slot; iDEAL is for the Netherlands."""
LEARNED, CHECKOUTS, SHOPS = 28_800, 200, 5
"""A day of a shop with 20 checkouts a minute, then ten minutes without the server."""
TOGETHER, REFRESHED = 200, 1_000
OUTAGE = 10 * MINUTE
TIMED = 20_000


class Outage(NamedTuple):
    """The results of checkouts during an outage.

    Regret is what the first slot's exact chances lose to the best method of the country, summed over checkouts:
    `offline`, and `online` had the server gone on learning. `same` is how many replay as they were logged.
    """

    ordered: int
    statuses: Counter[str]
    same: int
    offline: float
    online: float
    milliseconds: Sequence[float]


class SimulatedShop:
    """A merchant whose customers buy with the first method or not at all."""

    def __init__(self, engine: Engine, merchant_id: int, seed: int) -> None:
        self.engine = engine
        self.id = merchant_id
        self.luck = random.Random(seed)

    @classmethod
    async def open(cls, engine: Engine, seed: int) -> SimulatedShop:
        merchant, _ = await engine.accounts.add_merchant("shop", "Shop")
        actor = Actor(merchant.id, "verify")
        placement = Placement(key=PLACEMENT, name="Methods", policy=Thompson(floor=0.01))
        await engine.catalogue.create(actor, "placement", "", [placement])
        methods = [
            Candidate(id=name, label=name, position=number, countries=("NL",) if name == "ideal" else ())
            for number, name in enumerate(RATES)
        ]
        await engine.catalogue.create(actor, "candidate", PLACEMENT, methods)
        return cls(engine, merchant.id, seed)

    def visit(self) -> dict[str, Any]:
        cart = {"total": self.luck.randrange(500, 50_000), "currency": "EUR"}
        return {"geo": {"country": self.luck.choice(("DE", "DE", "NL"))}, "cart": cart}

    async def sell(self, visits: Sequence[dict[str, Any]]) -> float:
        """Decide checkouts and report what was bought; return the regret."""
        decider = self.engine.decider
        answers = await asyncio.gather(*(decider.decide(self.id, [PLACEMENT], None, visit) for visit in visits))
        rows, regret, now = [], 0.0, now_ms()
        for (answer,), visit in zip(answers, visits, strict=True):
            ranking, id = answer.decision.ranking, answer.decision.decision_id
            regret += regret_of(((each.id, each.confidence) for each in ranking), visit)
            bought = self.luck.random() < RATES[ranking[0].id]
            kind, method = ("converted", ranking[0].id) if bought else ("abandoned", None)
            rows.append(OutcomeRow(self.id, f"e{id}", id, None, "", kind, method, None, None, now, now))
        await self.engine.recorder.outcomes(rows)
        return regret


def regret_of(chances: Any, visit: dict[str, Any]) -> float:
    """Return what the first slot loses, by its exact chances, to the best method of the country."""
    best = max(rate for name, rate in RATES.items() if name != "ideal" or visit["geo"]["country"] == "NL")
    return sum(chance * (best - RATES[name]) for name, chance in chances)


async def outage(folder: Path, *, learned: int, checkouts: int, seed: int) -> Outage:
    """Let a shop learn, then decide by a snapshot of it and, beside that, online; take over what was decided."""
    settings = Settings(data=str(folder), decision_timeout_ms=60_000, refresh_seconds=3600)
    engine = await open_engine(settings)
    # A day passes in half a minute here: jobs that watch the clock would take that for an outage.
    await engine.start(with_jobs=False)
    try:
        return await _outage(engine, folder, learned=learned, checkouts=checkouts, seed=seed)
    finally:
        await engine.stop()


async def _outage(engine: Engine, folder: Path, *, learned: int, checkouts: int, seed: int) -> Outage:
    shop = await SimulatedShop.open(engine, seed)
    for number in range(0, learned, TOGETHER):
        await shop.sell([shop.visit() for _ in range(TOGETHER)])
        if number % REFRESHED == 0:
            await engine.live.refresh(at_once=True)
    await engine.live.refresh(at_once=True)
    began = now_ms() - OUTAGE - MINUTE
    key = SnapshotKey(shop.id, "key_shop", is_browser=False)
    snapshot, _ = await engine.snapshots.issue(key, PLACEMENT, now=began)
    visits = [shop.visit() for _ in range(checkouts)]
    ids = [
        f"dec_{began + number * OUTAGE // checkouts:012x}{snapshot.id_suffix}{number:06x}"
        for number in range(checkouts)
    ]
    decided = decide_in_javascript(folder, snapshot.plan, ids, visits)
    online = 0.0
    for number in range(0, checkouts, 10):
        online += await shop.sell(visits[number : number + 10])
        await engine.live.refresh(at_once=True)
    sent = [
        OfflineDecision(id, snapshot.token, visit, [each["id"] for each in answer["ranking"]], answer["propensity"])
        for id, visit, (answer, _) in zip(ids, visits, decided, strict=True)
    ]
    receipts = []
    for number in range(0, checkouts, 500):
        part = sent[number : number + 500]
        receipts += await engine.offline_intake.record(shop.id, "key_shop", part, now=now_ms())
    replays = [await engine.logbook.replay(shop.id, id) for id in ids]
    lost = [
        regret_of(((each["id"], each["confidence"]) for each in answer["ranking"]), visit)
        for visit, (answer, _) in zip(visits, decided, strict=True)
    ]
    return Outage(
        sum(answer["source"] == "offline" for answer, _ in decided),
        Counter(receipt.status for receipt in receipts),
        sum(replay.same for replay in replays),
        sum(lost),
        online,
        [milliseconds for _, milliseconds in decided],
    )


def decide_in_javascript(
    folder: Path, plan: Any, ids: Sequence[str], visits: Sequence[dict[str, Any]]
) -> list[tuple[dict[str, Any], float]]:
    """Return the answers of the JavaScript client, each with the milliseconds that it took."""
    requests = [{"id": id, "context": visit} for id, visit in zip(ids, visits, strict=True)]
    file, answers = folder / "requests.json", folder / "answers.json"
    file.write_text(json.dumps({"plan": msgspec.to_builtins(plan), "requests": requests}))
    script = PACKAGE / "test" / "offline_shop.mjs"
    subprocess.run(("node", str(script), str(file), str(answers)), check=True)
    return [(each["answer"], each["milliseconds"]) for each in json.loads(answers.read_text())]


def milliseconds_in_a_page(file: Path) -> list[float]:
    """Return how long choices take in Chromium; `file` has a snapshot and requests."""
    from playwright.sync_api import sync_playwright

    script = "export { SnapshotPlan } from './src/snapshot.js';"
    bundled = subprocess.run(
        ("node_modules/.bin/esbuild", "--bundle", "--format=iife", "--global-name=shop", "--minify"),
        cwd=PACKAGE,
        input=script,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    timed = """([text, count]) => {
        const { plan, requests } = JSON.parse(text), plans = [], times = [];
        for (let number = 0; number < count; number++) {
            const { id, context } = requests[number % requests.length];
            // A new page each hundred choices: the first ones count wins, later ones find the chances again.
            if (number % 100 === 0) plans.push(new shop.SnapshotPlan(plan));
            const began = performance.now();
            plans.at(-1).decide(context, `${id.slice(0, -6)}${number.toString(16).padStart(6, "0")}`, 0);
            times.push(performance.now() - began);
        }
        return times;
    }"""
    with sync_playwright() as playwright:
        path = chromium_path()
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-dev-shm-usage"])
        page = browser.new_page()
        page.add_script_tag(content=bundled)
        times: list[float] = page.evaluate(timed, [file.read_text(), TIMED])
        browser.close()
    return times


def figures() -> list[Figure]:
    """Return the figures of `make verify`."""
    outages = []
    with tempfile.TemporaryDirectory() as parent:
        for seed in range(SHOPS):
            folder = Path(parent) / str(seed)
            folder.mkdir()
            outages.append(asyncio.run(outage(folder, learned=LEARNED, checkouts=CHECKOUTS, seed=seed)))
        times = milliseconds_in_a_page(folder / "requests.json")
    count = SHOPS * CHECKOUTS
    statuses = sum((each.statuses for each in outages), Counter[str]())
    offline, online = (sum(getattr(each, name) for each in outages) for name in ("offline", "online"))
    node = [milliseconds for each in outages for milliseconds in each.milliseconds]
    return [
        ("checkouts ordered by the policy while the server is gone", f"{count}", f"{sum(o.ordered for o in outages)}"),
        ("of these decisions, taken over later", f"{count}", ", ".join(f"{n} {name}" for name, n in statuses.items())),
        ("replayed the same", f"{count}", f"{sum(each.same for each in outages)}"),
        ("first-slot regret a checkout, offline / online", "within 2%",
         f"{offline / count:.5f} / {online / count:.5f}, {offline / online - 1:+.2%}"),
        (f"the choice in Chromium, {TIMED:,} times, p50 / p99 / longest", "p99 2 ms",
         " / ".join(f"{np.quantile(times, q):.2f} ms" for q in (0.5, 0.99, 1))),
        ("the choice in Node, p50 / p99", "", " / ".join(f"{np.quantile(node, q):.2f} ms" for q in (0.5, 0.99))),
    ]  # fmt: skip
