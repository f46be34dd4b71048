"""Searching the log: what passes, how far it looked, and that the work of a page is bounded."""

from __future__ import annotations

import msgspec
import pytest

from engine.clock import now_ms
from engine.insights.log_search import NOTHING, LogFilter
from engine.model.decision import Decision, Excluded, Ranked
from engine.model.timestamps import MINUTE, first_id_of
from engine.store import decisions
from engine.store.decisions import DecisionRow
from tests.marks import SQLITE_FIRST

pytestmark = pytest.mark.anyio

DECISIONS = 2_400
KEY = "payment_methods"


def row(merchant_id, number, moment):
    """One decision a minute: every second in Germany, every hundredth a fallback, every thousandth in Brazil."""
    id = f"{first_id_of(moment)}{number:08x}"
    country = "BR" if number % 1_000 == 999 else ("DE", "NL")[number % 2]
    first, last = ("card", "paypal") if number % 3 else ("paypal", "card")
    answer = Decision(
        decision_id=id,
        placement=KEY,
        plan_version=1,
        beliefs_version=0,
        ranking=[Ranked(first, 1, first.title(), 0.5, 0.5, 0.5, []), Ranked(last, 2, last.title(), 0.5, 0.5, 0.5, [])],
        excluded=[Excluded("ideal", "not offered in DE")] if country == "DE" else [],
        values={},
        rules=["large"] if number % 10 == 0 else [],
        skipped=[],
        experiments=[],
        propensity=0.5,
        fallback=number % 100 == 0,
        expires_at="2026-11-21T09:30:00.000Z",
    )
    facts = {"geo.country": country, "cart.total": 100 * number, "cart.currency": "EUR" if number % 7 else "GBP"}
    texts = [msgspec.json.encode(part).decode() for part in (facts, {}, answer)]
    return DecisionRow(id, merchant_id, KEY if number % 5 else "offers", None, moment, None, 1, 0, "", *texts)


@pytest.fixture
async def log(engine):
    item, _ = await engine.accounts.add_merchant("shop", "Shop")
    start = now_ms() - DECISIONS * MINUTE
    rows = [row(item.id, number, start + number * MINUTE) for number in range(DECISIONS)]
    async with engine.database.write() as connection:
        await decisions.append(connection, rows)
    return item.id, rows


async def search_all(engine, merchant_id, narrowed, *, limit=25, most_read=1_000):
    """Follow the pages to the end of the log; return the ids and how many decisions each page looked at."""
    ids, reads, before = [], [], ""
    while True:
        page = await engine.log_search.page(merchant_id, narrowed, before_id=before, limit=limit, most_read=most_read)
        assert len(page.hits) <= limit
        assert page.read <= most_read
        ids += [hit.logged.row.id for hit in page.hits]
        reads.append(page.read)
        if not page.next_id:
            return ids, reads
        before = page.next_id


@SQLITE_FIRST
@pytest.mark.parametrize(
    ("narrowed", "passes"),
    [
        (LogFilter(), lambda n: True),
        (LogFilter(placement="offers"), lambda n: n % 5 == 0),
        (LogFilter(country="BR"), lambda n: n % 1_000 == 999),
        (LogFilter(first="paypal"), lambda n: n % 3 == 0),
        (LogFilter(left_out="ideal"), lambda n: n % 2 == 0),
        (LogFilter(rule="large"), lambda n: n % 10 == 0),
        (LogFilter(fallback=True), lambda n: n % 100 == 0),
        (LogFilter(fallback=False, country="BR"), lambda n: n % 1_000 == 999),
        (LogFilter(least=100_000, most=101_000, currency="EUR"), lambda n: 1_000 <= n <= 1_010 and n % 7),
        (LogFilter(outcome="converted"), lambda n: False),
        (LogFilter(outcome=NOTHING, rule="large"), lambda n: n % 10 == 0),
    ],
)
async def test_pages_together_are_all_that_passes_once(engine, log, narrowed, passes):
    merchant_id, rows = log
    ids, reads = await search_all(engine, merchant_id, narrowed)
    assert ids == [rows[number].id for number in reversed(range(DECISIONS)) if passes(number)]
    assert sum(reads) == DECISIONS


async def test_search_for_rare_decisions_returns_its_progress(engine, log):
    merchant_id, rows = log
    page = await engine.log_search.page(merchant_id, LogFilter(country="FR"), limit=25, most_read=500)
    assert (page.hits, page.read) == ([], 500)
    assert page.read_to == rows[DECISIONS - 500].decided_at
    assert page.next_id == rows[DECISIONS - 500].id


async def test_a_period_ends_the_search(engine, log):
    merchant_id, rows = log
    since, until = rows[1_000].decided_at, rows[1_010].decided_at
    page = await engine.log_search.page(merchant_id, LogFilter(since=since, until=until), limit=25)
    assert [hit.logged.row.id for hit in page.hits] == [each.id for each in reversed(rows[1_000:1_010])]
    assert page.next_id == ""
    assert page.read == 10


async def test_empty_log_has_no_results(engine):
    item, _ = await engine.accounts.add_merchant("empty", "Empty")
    page = await engine.log_search.page(item.id, LogFilter(country="DE"), limit=25)
    assert (page.hits, page.read, page.read_to, page.next_id) == ([], 0, None, "")


async def test_merchants_find_their_own_decisions_only(engine, log):
    item, _ = await engine.accounts.add_merchant("other", "Other")
    assert (await engine.log_search.page(item.id, LogFilter(), limit=25)).hits == []
