"""The sums of metrics by hour: they are those of the log, whatever was reported, late, twice or taken back."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
from sqlalchemy import text

from engine.clock import now_ms, simulated_time
from engine.decisions.rebuild import compare, rebuild
from engine.decisions.retract import retract
from engine.model.outcome import Retraction
from engine.model.placement import Fixed, Holdback
from engine.model.timestamps import DAY, HOUR
from engine.statistics.metric_totals import MetricTotals
from engine.store.metrics import hours
from engine.store.metrics.hours import Dimension, HourSpan
from tests import factories
from tests.shop import Shop

PLACEMENT = "payment_methods"
ALL_HOURS = HourSpan(0, PLACEMENT, 0, 10**9)


async def totals(shop: Shop, dimension: Dimension = "") -> dict[tuple[str, str], MetricTotals]:
    """Return the non-zero sums of all hours by arm and value."""
    async with shop.engine.database.read() as connection:
        rows = await hours.totals(connection, ALL_HOURS._replace(merchant_id=shop.id), dimension)
    return {(row.arm, row.value): row.totals for row in rows if any(row.totals)}


async def total(shop: Shop) -> MetricTotals:
    sums = MetricTotals()
    for each in (await totals(shop)).values():
        sums += each
    return sums


async def open_shop(shop: Shop, **changes: Any) -> None:
    """Sell with a card that costs 1% and 10 cents, at a margin of 30%."""
    methods = [factories.candidate("card", fee_percent=1.0, fee_fixed=10), factories.candidate("paypal")]
    await shop.add_placement(factories.placement(policy=Fixed(), margin_percent=30.0, **changes), *methods)


@pytest.mark.anyio
async def test_a_checkout_counts_once_in_each_dimension(empty_shop: Shop) -> None:
    await open_shop(empty_shop)
    now = now_ms()
    answer = await empty_shop.decide("ada", device_type="mobile", geo_country="NL")
    await empty_shop.report(answer, "shown", "card", occurred_at=now)
    await empty_shop.report(answer, "selected", "paypal", occurred_at=now)
    await empty_shop.report(answer, "converted", "paypal", amount=10_000, occurred_at=now + 40_000)
    bought = MetricTotals(
        decisions=1, shown=1, selected=1, converted=1, revenue=10_000, margin=3_000, timed=1, time_ms=40_000
    )
    assert await totals(empty_shop) == {("", ""): bought}
    assert await totals(empty_shop, "device") == {("", "mobile"): bought}
    assert await totals(empty_shop, "country") == {("", "NL"): bought}
    assert await totals(empty_shop, "visit") == {("", "new"): bought}
    assert await totals(empty_shop, "cluster") == {}
    assert await totals(empty_shop, "currency") == {("", "EUR"): MetricTotals(converted=1, revenue=10_000)}
    assert await totals(empty_shop, "candidate") == {
        ("", "card"): MetricTotals(decisions=1, shown=1),
        ("", "paypal"): MetricTotals(selected=1, converted=1, revenue=10_000, margin=3_000),
    }


@pytest.mark.anyio
async def test_customers_are_new_returning_or_guests(empty_shop: Shop) -> None:
    await open_shop(empty_shop)
    first = await empty_shop.decide("ada")
    await empty_shop.report(first, "converted", "card", amount=500)
    await empty_shop.decide("ada")
    await empty_shop.decide()
    await empty_shop.decide(customer_returning=True)
    visits = {value: each.decisions for (_, value), each in (await totals(empty_shop, "visit")).items()}
    assert visits == {"new": 1, "guest": 1, "returning": 2}


@pytest.mark.anyio
async def test_facts_of_browsers_create_no_rows(empty_shop: Shop) -> None:
    await open_shop(empty_shop)
    for number in range(5):
        await empty_shop.decide(device_type=f"device {number}", geo_country=f"Country {number}")
    assert set(await totals(empty_shop, "device")) == {("", "")}
    assert set(await totals(empty_shop, "country")) == {("", "")}


@pytest.mark.anyio
async def test_refund_subtracts_its_amount(empty_shop: Shop) -> None:
    await open_shop(empty_shop)
    answer = await empty_shop.decide("ada")
    await empty_shop.report(answer, "converted", "card", amount=10_000)
    assert (await total(empty_shop))[:9] == (1, 0, 0, 0, 1, 0, 0, 10_000, 2_890)
    await empty_shop.report(answer, "refunded", "card", amount=4_000)
    part = await total(empty_shop)
    assert (part.converted, part.refunded, part.revenue, part.margin) == (1, 1, 6_000, 1_730)
    await empty_shop.report(answer, "refunded", "card", amount=6_000)
    whole = await total(empty_shop)
    assert (whole.converted, whole.refunded, whole.revenue, whole.margin) == (0, 1, 0, 0)


@pytest.mark.anyio
async def test_refund_returns_its_share_of_the_discount(empty_shop: Shop) -> None:
    await open_shop(empty_shop)
    answer = await empty_shop.decide("ada")
    await empty_shop.report(answer, "redeemed", "card", amount=701)
    await empty_shop.report(answer, "converted", "card", amount=10_000)
    # 30% of 100.00 is 30.00; the card costs 1.10, and the offer 7.01.
    assert (await total(empty_shop))[7:10] == (10_000, 3_000 - 110 - 701, 701)
    await empty_shop.report(answer, "refunded", "card", amount=4_000)
    # 40% of 7.01 come back, rounded down as in the ledger: 2.80. 30% of 60.00 is 18.00, and the card costs 0.70.
    assert (await total(empty_shop))[7:10] == (6_000, 1_800 - 70 - 421, 421)
    candidates = await totals(empty_shop, "candidate")
    assert candidates["", "card"][7:10] == (6_000, 1_309, 421)
    assert await compare(empty_shop.engine.database) == []
    await empty_shop.report(answer, "refunded", "card", amount=6_000)
    assert (await total(empty_shop))[7:10] == (0, 0, 0)
    assert await compare(empty_shop.engine.database) == []


@pytest.mark.anyio
async def test_purchases_in_other_currencies_are_separate(empty_shop: Shop) -> None:
    await open_shop(empty_shop)
    for currency, amount in (("EUR", 5_000), ("GBP", 3_000)):
        answer = await empty_shop.decide()
        await empty_shop.report(answer, "converted", "card", amount=amount, currency=currency)
    both = await total(empty_shop)
    assert (both.converted, both.revenue) == (2, 5_000)
    revenue = {value: each.revenue for (_, value), each in (await totals(empty_shop, "currency")).items()}
    assert revenue == {"EUR": 5_000, "GBP": 3_000}


@pytest.mark.anyio
async def test_a_fallback_counts_with_its_outcomes_but_once(empty_shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    await open_shop(empty_shop)
    decider = empty_shop.engine.decider

    def broken(*_: Any) -> Any:
        raise RuntimeError("broken")

    with monkeypatch.context() as patch:
        patch.setattr(decider, "_answer", broken)
        answer = await empty_shop.decide("ada")
    assert answer.decision.fallback
    # Fallbacks are recorded after the answer, without a waiting request.
    await empty_shop.report(answer, "converted", "card", amount=700)
    sums = await total(empty_shop)
    assert (sums.decisions, sums.fallbacks, sums.converted, sums.revenue) == (1, 1, 1, 700)
    assert await compare(empty_shop.engine.database) == []


@pytest.mark.anyio
async def test_retracted_outcomes_leave_the_metrics(empty_shop: Shop) -> None:
    await open_shop(empty_shop)
    answer = await empty_shop.decide("ada")
    before = await total(empty_shop)
    await empty_shop.report(answer, "converted", "card", amount=700)
    retraction = Retraction(empty_shop.id, "server", 0, now_ms() + DAY)
    assert await retract(empty_shop.engine.database, retraction, actor_name="tester") == 1
    assert await total(empty_shop) == before


async def _checkouts(shop: Shop, random: np.random.Generator, count: int) -> None:
    """Let customers check out over some days, with refunds, other currencies, and reports that come late or twice."""
    start = now_ms() - 3 * DAY
    for number in range(count):
        time = start + int(random.integers(3 * DAY))
        with simulated_time(lambda time=time: time):
            customer = f"c{random.integers(count // 3)}" if random.random() < 0.8 else None
            country, device = random.choice(["NL", "DE", "BE"]), random.choice(["mobile", "desktop"])
            answer = await shop.decide(customer, geo_country=str(country), device_type=str(device))
        rows = [shop.outcome(answer, "shown", "card", occurred_at=time)]
        if random.random() < 0.6:
            method, amount = str(random.choice(["card", "paypal"])), int(random.integers(100, 20_000))
            currency = "EUR" if random.random() < 0.8 else "GBP"
            bought: dict[str, Any] = {
                "amount": amount,
                "currency": currency,
                "occurred_at": time + int(random.integers(90_000)),
            }
            rows.append(shop.outcome(answer, "selected", method, occurred_at=time + 1_000))
            rows.append(shop.outcome(answer, "converted", method, event=f"buy-{number}", **bought))
            if number % 3 == 0:
                rows.append(shop.outcome(answer, "redeemed", method, **(bought | {"amount": amount // 7})))
            if random.random() < 0.2:
                part = amount if random.random() < 0.5 else amount // 2
                rows.append(
                    shop.outcome(answer, "refunded", method, amount=part, currency=currency, occurred_at=time + HOUR)
                )
            if random.random() < 0.2:
                rows.append(shop.outcome(answer, "converted", method, event=f"buy-{number}", **bought))
        for index in random.permutation(len(rows)):
            await shop.engine.recorder.outcomes([rows[index]])


async def _from_log(shop: Shop) -> Counter[str]:
    """Count what a person would with SQL: decisions, and purchases less refunds by decision."""
    purchases = """
        WITH bought AS (
            SELECT decision_id, MAX(currency) AS currency, MAX(amount) AS amount FROM outcomes
            WHERE type = 'converted' AND merchant_id = :m GROUP BY decision_id
        ), refunds AS (
            SELECT decision_id, SUM(amount) AS amount FROM outcomes
            WHERE type = 'refunded' AND merchant_id = :m GROUP BY decision_id
        ), rest AS (
            SELECT bought.currency, bought.amount - COALESCE(refunds.amount, 0) AS amount
            FROM bought LEFT JOIN refunds ON refunds.decision_id = bought.decision_id
        )
        SELECT COUNT(*), SUM(CASE WHEN currency = 'EUR' THEN amount ELSE 0 END),
            SUM(CASE WHEN currency = 'GBP' THEN amount ELSE 0 END)
        FROM rest WHERE amount > 0
    """
    discounts = """
        WITH bought AS (
            SELECT decision_id, MAX(amount) AS amount FROM outcomes
            WHERE type = 'converted' AND merchant_id = :m GROUP BY decision_id
        ), refunds AS (
            SELECT decision_id, CAST(SUM(amount) AS BIGINT) AS amount FROM outcomes
            WHERE type = 'refunded' AND merchant_id = :m GROUP BY decision_id
        )
        SELECT SUM(used.amount - used.amount * COALESCE(refunds.amount, 0) / bought.amount)
        FROM outcomes AS used JOIN bought ON bought.decision_id = used.decision_id
        LEFT JOIN refunds ON refunds.decision_id = used.decision_id
        WHERE used.type = 'redeemed' AND used.currency = 'EUR' AND used.merchant_id = :m
    """
    types = "SELECT type, COUNT(DISTINCT decision_id) FROM outcomes WHERE merchant_id = :m GROUP BY type"
    async with shop.engine.database.read() as connection:
        count = text("SELECT COUNT(*) FROM decisions WHERE merchant_id = :m")
        decided = await connection.execute(count, {"m": shop.id})
        counts = Counter({"decisions": int(decided.scalar_one())})
        bought, euros, pounds = (await connection.execute(text(purchases), {"m": shop.id})).one()
        counts |= Counter({"converted": int(bought), "revenue": int(euros), "GBP": int(pounds)})
        counts["cost"] = int((await connection.execute(text(discounts), {"m": shop.id})).scalar_one())
        for type, number in await connection.execute(text(types), {"m": shop.id}):
            counts[type] = int(number) if type != "converted" else counts["converted"]
    return counts


@pytest.mark.anyio
async def test_every_sum_equals_a_sql_query_of_the_log(empty_shop: Shop) -> None:
    await open_shop(empty_shop, holdback=Holdback(share=0.3))
    await _checkouts(empty_shop, np.random.default_rng(16), 150)
    for _ in ("as kept", "as rebuilt"):
        log, sums = await _from_log(empty_shop), await total(empty_shop)
        for name in ("decisions", "shown", "selected", "converted", "refunded", "redeemed", "revenue", "cost"):
            assert getattr(sums, name) == log[name], name
        currencies = await totals(empty_shop, "currency")
        pounds = sum(each.revenue for (_, value), each in currencies.items() if value == "GBP")
        assert pounds == log["GBP"]
        for dimension in ("device", "country", "visit"):
            parts = MetricTotals()
            for each in (await totals(empty_shop, dimension)).values():
                parts += each
            assert parts == sums, dimension
        assert await compare(empty_shop.engine.database) == []
        await rebuild(empty_shop.engine.database)


@pytest.mark.anyio
async def test_customers_of_an_arm_are_spread_over_clusters(empty_shop: Shop) -> None:
    await open_shop(empty_shop, holdback=Holdback(share=0.5))
    for number in range(60):
        await empty_shop.decide(f"c{number}")
        await empty_shop.decide(f"c{number}")
    clusters, arms = await totals(empty_shop, "cluster"), await totals(empty_shop)
    assert {arm for arm, _ in clusters} == {"personalized", "not_personalized"}
    assert len({value for _, value in clusters}) > 15
    for arm in ("personalized", "not_personalized"):
        assert sum(each.decisions for (name, _), each in clusters.items() if name == arm) == arms[arm, ""].decisions
    assert all(each.decisions % 2 == 0 for each in clusters.values())
