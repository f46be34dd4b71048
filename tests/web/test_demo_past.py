"""The demo's past: a month of shopping and work, written with the clock set back."""

from __future__ import annotations

import asyncio
import sqlite3
from collections import Counter
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec
import pytest
from numpy.random import default_rng

from benchmarks.process import TAP2, Server, free_port
from engine.clock import now_ms, simulated_time
from engine.model.placement import Holdback
from engine.model.timestamps import DAY
from engine.service import SQLITE_FILE, Engine, open_engine
from engine.settings import Settings
from simulation.worlds.month import CAMPAIGN_DAYS, OUTAGE_DAY, OUTAGE_HOURS, OUTAGE_METHOD, Month
from web.demo import catalogue, offer_catalogue, past, story
from web.demo.past import SimulatedClock, needs_past, write_past
from web.demo.seed import add_colleague, seed

BEGINS = datetime(2026, 10, 5, tzinfo=ZoneInfo(catalogue.TIMEZONE))
"""A Monday."""


def month(seed: int = 1) -> Month:
    return Month(BEGINS, daily=2_400, random=default_rng(seed))


def shopped(month: Month, day: int, hours: range) -> Counter[str]:
    """Return how often each action was taken in some hours, those of the failing method by its name too."""
    actions: Counter[str] = Counter()
    for hour in hours:
        begin = BEGINS + timedelta(days=day, hours=hour)
        for timed in month.visits(begin, begin + timedelta(hours=1)):
            actions["visit"] += 1
            for action in month.reaction(timed, [method.id for method in catalogue.METHODS]):
                actions[action.type] += 1
                actions[f"{action.type} {action.method}"] += 1
    return actions


def test_the_same_seed_makes_the_same_month():
    assert shopped(month(), 3, range(8, 12)) == shopped(month(), 3, range(8, 12))


def test_weekends_are_busier_than_other_days():
    whole_day = range(24)
    assert shopped(month(), 5, whole_day)["visit"] > 1.15 * shopped(month(), 1, whole_day)["visit"]


def test_no_payment_succeeds_during_the_outage():
    during = shopped(month(), OUTAGE_DAY, OUTAGE_HOURS)
    assert during[f"declined {OUTAGE_METHOD}"] > 0
    assert during[f"converted {OUTAGE_METHOD}"] == 0
    assert shopped(month(), OUTAGE_DAY + 1, OUTAGE_HOURS)[f"converted {OUTAGE_METHOD}"] > 0


def test_the_campaign_moves_french_customers():
    def favour_paypal(day: int) -> float:
        begin = BEGINS + timedelta(days=day, hours=12)
        timed = list(month().visits(begin, begin + timedelta(hours=8)))
        tastes = [each.visit.acceptance for each in timed if each.visit.shopper.country == "FR"]
        return sum(max(taste, key=lambda method: taste[method]) == "paypal" for taste in tastes) / len(tastes)

    assert favour_paypal(CAMPAIGN_DAYS[0]) > favour_paypal(CAMPAIGN_DAYS[0] - 1) + 0.2


def settings_of(folder: Path, *, days: int) -> Settings:
    return Settings(data=str(folder), demo=True, demo_days=days)


def test_new_demo_has_past_days_that_replay(tmp_path: Path):
    settings, progress = settings_of(tmp_path, days=2), list[int]()
    asyncio.run(write_past(settings, daily=60, progress=progress.append))
    assert progress[-1] == 2
    assert not needs_past(settings)

    async def read() -> None:
        engine = await open_engine(settings)
        merchant = await engine.accounts.merchant(catalogue.SLUG)
        log = await engine.logbook.search(merchant.id, limit=1_000)
        moments = [entry.row.decided_at for entry in log]
        assert len(moments) > 60
        assert max(moments) <= now_ms()
        assert min(moments) < now_ms() - 1.5 * DAY
        for entry in log[:: max(len(log) // 10, 1)]:
            replayed = await engine.logbook.replay(merchant.id, entry.row.id)
            assert replayed.same
        await engine.stop()

    asyncio.run(read())


@pytest.mark.long
def test_the_past_shows_redeems_and_refunds_offers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    # Few of the redeemed offers of five days would be refunded otherwise, and sometimes none.
    monkeypatch.setattr(past, "REFUNDED", 1.0)
    monkeypatch.setattr(past, "REFUND_AFTER", timedelta(days=1))
    settings = settings_of(tmp_path, days=5)
    asyncio.run(write_past(settings, daily=150, progress=lambda _days: None))

    async def read() -> None:
        engine = await open_engine(settings)
        await engine.start(with_jobs=False)
        merchant = await engine.accounts.merchant(catalogue.SLUG)
        entries = await engine.budgets.ledger(merchant.id, limit=2_000)
        assert {entry.entry.kind for entry in entries} == {"hold", "commit", "release", "refund"}
        assert len({entry.entry.recorded_at // DAY for entry in entries}) >= 5
        verification = await engine.budgets.verify(merchant.id)
        assert verification.balances
        assert verification.differences == verification.over_cap == ()
        offers = offer_catalogue.PLACEMENT.key
        result = await engine.incrementality.effects(merchant.id, offers, days=30, lift=0.1, now=now_ms())
        assert [effect.offer for effect in result.effects if effect.shown] == [
            offer.id for offer in offer_catalogue.OFFERS
        ]
        assert any(effect.held_back for effect in result.effects)
        assert (await engine.codes.counts(merchant.id, offers, offer_catalogue.POOL)).used
        await engine.stop()

    asyncio.run(read())


def test_interrupted_past_leaves_no_data(tmp_path: Path):
    settings = settings_of(tmp_path, days=1)

    def cut_off(_days: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        asyncio.run(write_past(settings, daily=24, progress=cut_off))
    assert needs_past(settings)
    assert abs(now_ms() - datetime.now(UTC).timestamp() * 1000) < 5_000


@pytest.mark.parametrize(
    "changes", [{"demo": False}, {"demo_days": 0}, {"database_url": "postgresql://localhost/shop"}], ids=str
)
def test_past_is_simulated_only_on_sqlite(tmp_path: Path, changes: dict[str, object]):
    assert needs_past(settings_of(tmp_path, days=30))
    assert not needs_past(msgspec.structs.replace(settings_of(tmp_path, days=30), **changes))


def decisions_before(folder: Path, moment: int) -> int:
    with closing(sqlite3.connect(folder / SQLITE_FILE)) as connection:
        (count,) = connection.execute("select count(*) from decisions where id < ?", (moment.to_bytes(6),)).fetchone()
    return int(count)


def test_only_the_first_start_simulates_the_past(tmp_path: Path):
    demo = {"TAP2_DEMO": "1", "TAP2_DEMO_DAYS": "1", "TAP2_DEMO_RATE": "1", "TAP2_LOG_LEVEL": "info"}
    server = Server((*TAP2, "serve"), tmp_path, free_port(), demo)
    an_hour_ago = now_ms() - DAY // 24
    server.start()
    server.stop()
    first = server.log()
    assert (tmp_path / "demo-login").read_text() in first
    assert first.index('"event": "ready"') < first.index('"event": "stopped"')
    assert "Simulating the past 1 days" in first
    lines = [line for line in first.splitlines() if "log compressed" in line or "leads the jobs" in line]
    assert all(line.startswith("{") for line in lines), "logs are JSON from the first line on"
    old = decisions_before(tmp_path, an_hour_ago)
    assert old > 50
    key = (tmp_path / "customer.key").read_bytes()
    server.start()
    server.stop()
    second = server.log().removeprefix(first)
    assert (tmp_path / "demo-login").read_text() in second
    assert "Simulating" not in second
    assert decisions_before(tmp_path, an_hour_ago) == old
    assert (tmp_path / "customer.key").read_bytes() == key


async def take_all_steps(engine: Engine, clock: SimulatedClock) -> int:
    merchant = await engine.accounts.merchant(catalogue.SLUG)
    for step in story.STEPS:
        clock.now = BEGINS + timedelta(days=step.day, hours=step.hour)
        await step.run(engine, merchant.id)
    return merchant.id


def test_simulated_people_do_not_change_the_placement(tmp_path: Path):
    clock = SimulatedClock(BEGINS)

    async def work() -> None:
        engine = await open_engine(settings_of(tmp_path, days=30))
        await engine.start(with_jobs=False)
        await seed(engine)
        await add_colleague(engine)
        merchant_id = await take_all_steps(engine, clock)
        configuration = await engine.catalogue.configuration(merchant_id)
        assert all(method.enabled for method in configuration.documents("candidate", story.KEY))
        rules = {rule.id: rule.enabled for rule in configuration.documents("rule", story.KEY)}
        assert not rules.pop(story.WEEKEND_RULE.id)
        assert all(rules.values())
        assert configuration.get("placement", "", story.KEY).document.holdback == Holdback(share=0.05)
        (experiment,) = configuration.documents("experiment", story.KEY)
        assert experiment.status.state == "concluded"
        assert all(outcome.holds for outcome in await engine.scenarios.try_live(merchant_id, story.KEY))
        assert not await engine.emergencies.unseen(merchant_id)
        await engine.stop()

    with simulated_time(clock.read):
        asyncio.run(work())
