"""Candidates are compared over the customers who could have been shown both, and whole checkouts beside each other."""

from __future__ import annotations

import asyncio
import random

import numpy as np
import pytest

from engine.clock import now_ms
from engine.insights import decision_sample
from engine.model.errors import NotFound
from engine.model.timestamps import DAY, MINUTE
from engine.statistics.checkouts import checkout_figures
from engine.statistics.like_for_like import SampledDecision, SampleTable, compare_groups
from tests.factories import candidate, order, placement

NAMES = ("card", "paypal", "ideal", "bancontact")
EUROPE, DUTCH, BELGIAN = (frozenset(ids) for ids in (NAMES[:2], NAMES[:3], ("card", "paypal", "bancontact")))
OFFERED = {"DE": EUROPE, "NL": DUTCH, "BE": BELGIAN}


def decision(bucket, rates, luck, *, day=20_000, customer=None, **changes):
    """All that are offered are seen; each is chosen by its rate."""
    seen = {name: bool(luck.random() < rates.get(name, 0.1)) for name in OFFERED[bucket]}
    fields = {
        "decided_at": day * DAY,
        "bucket": bucket,
        "customer": customer or f"guest-{luck.random()}",
        "offered": OFFERED[bucket],
        "rules": frozenset(),
        "favourite": "",
        "impressions": seen,
        "bought": any(seen.values()),
        "revenue": 0,
        "held_back": None,
    }
    return SampledDecision(**(fields | changes))


def compared(decisions, *buckets):
    return compare_groups(SampleTable.of(decisions, NAMES), buckets or [None])


def test_a_mix_of_customers_makes_no_leader():
    luck = np.random.default_rng(5)
    # Germans choose card less, and are shown PayPal as often; the Dutch buy much and mostly see card.
    german = [decision("DE", {"card": 0.3, "paypal": 0.4}, luck) for _ in range(900)]
    dutch = [decision("NL", {"card": 0.7, "paypal": 0.8}, luck) for _ in range(900)]
    dutch = [
        each._replace(impressions={"card": each.impressions["card"]}) if number % 6 else each
        for number, each in enumerate(dutch)
    ]
    [all_customers] = compared([*german, *dutch])
    assert all_customers.rates["card"].rate > all_customers.rates["paypal"].rate
    assert (all_customers.lead.leader, all_customers.lead.rival, all_customers.lead.sure) == ("paypal", "card", True)
    assert all_customers.lead.difference.low < 0.1 < all_customers.lead.difference.high


def test_candidates_of_different_customers_are_not_compared():
    luck = np.random.default_rng(6)
    rows = [decision(bucket, {"ideal": 0.9, "bancontact": 0.2}, luck) for bucket in ("NL", "BE") for _ in range(300)]
    table = SampleTable.of(rows, NAMES)
    assert table.difference("ideal", "bancontact") is None
    all_customers, dutch = compare_groups(table, [None, "NL"])
    # A candidate like iDEAL, which only some customers see, cannot be the best for all.
    assert all_customers.lead.leader != "ideal"
    assert all_customers.beside["ideal"].value > 0.5
    assert (dutch.lead.leader, dutch.lead.share, dutch.rates["ideal"].offered) == ("ideal", 1.0, 1.0)


def test_the_rival_of_a_clear_leader_is_the_next_best_and_not_the_least_shown():
    luck = np.random.default_rng(11)
    rows = [decision("NL", {"card": 0.3, "paypal": 0.05, "ideal": 0.7}, luck) for _ in range(1_500)]
    rows = [
        each._replace(
            impressions={
                name: each.impressions[name] for name in (NAMES[:3] if number % 15 == 0 else ("card", "ideal"))
            }
        )
        for number, each in enumerate(rows)
    ]
    [dutch] = compared(rows, "NL")
    assert (dutch.lead.leader, dutch.lead.rival, dutch.lead.sure) == ("ideal", "card", True)


def test_change_point_is_found_and_earlier_days_are_excluded():
    luck = np.random.default_rng(7)
    rates = [{"card": 0.5, "paypal": 0.3}] * 12 + [{"card": 0.3, "paypal": 0.5}] * 8
    rows = [
        decision("DE", rates_of_day, luck, day=20_000 + day)
        for day, rates_of_day in enumerate(rates)
        for _ in range(120)
    ]
    [germans] = compared(rows, "DE")
    assert (germans.lead.leader, germans.lead.rival, germans.lead.since, germans.lead.sure) == (
        "paypal", "card", 20_012, True,
    )  # fmt: skip
    # Over all days it is -0.04.
    assert 0.1 < germans.lead.difference.value < 0.3
    assert germans.beside["card"].value < -0.1
    [steady] = compared([row for row in rows if row.day >= 20_012], "DE")
    assert steady.lead.since is None


@pytest.mark.long
def test_equal_candidates_are_rarely_significant():
    false = 0
    for seed in range(100):
        luck = np.random.default_rng(9_000 + seed)
        people = [f"customer-{number}" for number in range(60)]
        rows = [
            decision(bucket, {}, luck, customer=f"{bucket}-{people[int(luck.integers(60))]}")
            for bucket in OFFERED
            for _ in range(200)
        ]
        false += any(group.lead and group.lead.sure for group in compared(rows, "DE", "NL", "BE"))
    # At most 10% of pages, and three standard errors of that.
    assert false <= 19


def test_too_few_choices_or_customers_make_no_leader():
    luck = np.random.default_rng(8)
    rows = [decision("DE", {"card": 0.6}, luck) for _ in range(400)]
    assert compared(rows)[0].lead is not None
    assert compared(rows[:30])[0].lead is None
    assert compared([row._replace(customer=f"c{number % 5}") for number, row in enumerate(rows)])[0].lead is None
    assert compared([row._replace(impressions=dict.fromkeys(row.impressions, False)) for row in rows])[0].lead is None
    assert compared([], None, "DE")[0].lead is None


def test_checkouts_are_held_beside_the_time_before_and_the_holdback():
    luck = np.random.default_rng(10)
    rows = [
        decision("DE", {"card": 0.5, "paypal": 0.2}, luck, day=20_000 + number % 10, customer=f"c{number}")
        for number in range(1_200)
    ]
    rows = [row._replace(held_back=number % 10 == 0, revenue=5_000 * row.bought) for number, row in enumerate(rows)]
    worse = [decision("DE", {"card": 0.3, "paypal": 0.1}, luck, day=19_995) for _ in range(800)]
    figures = checkout_figures(rows, worse, begin=20_000 * DAY, end=20_010 * DAY)
    assert figures.share.low < 0.6 < figures.share.high
    assert figures.before.low > 0.1
    assert figures.held_back.low < 0 < figures.held_back.high
    assert (figures.amount, figures.is_choice) == (5_000, False)
    assert figures.personalized == pytest.approx(0.9)
    assert 3 <= len(figures.bins) <= 12
    assert sum(each.share.decisions for each in figures.bins) == 1_200
    none = checkout_figures([row._replace(bought=False) for row in rows[:40]], [], begin=0, end=1)
    assert (none.share, none.before, none.held_back, none.bins, none.is_choice) == (None, None, None, [], True)


# In the engine


async def shopped(shop, count=300):
    await shop.add_placement(placement(credit="cascade"), candidate("card"), candidate("paypal", position=1))
    luck = random.Random(3)
    answers = await asyncio.gather(*(shop.decide() for _ in range(count)))
    rows = []
    for made in answers:
        names = order(made.decision)
        bought = next((name for name in names if luck.random() < {"card": 0.2, "paypal": 0.6}[name]), None)
        rows.append(shop.outcome(made, "converted" if bought else "abandoned", bought or names[0]))
    await shop.engine.recorder.outcomes(rows)


@pytest.mark.anyio
@pytest.mark.usefixtures("reproducible_draws")
async def test_only_complete_decisions_are_compared(empty_shop, monkeypatch):
    await shopped(empty_shop)
    comparisons = empty_shop.engine.comparisons
    assert (await comparisons.of(empty_shop.id, "payment_methods", days=30)).sampled == 0
    await empty_shop.engine.recorder.close_due(now_ms() + 2 * placement().window_minutes * MINUTE)
    monkeypatch.setattr(decision_sample, "KEPT_WHILE_OPEN_MS", 0)
    again = empty_shop.engine.comparisons = type(comparisons)(empty_shop.engine.database, empty_shop.engine.live)
    performance = await again.of(empty_shop.id, "payment_methods", days=30)
    # A placement that began today is looked at in finer slices.
    assert (performance.days, performance.sampled, performance.total) == (1, 300, 300)
    [all_customers] = performance.groups
    assert (all_customers.lead.leader, all_customers.lead.sure) == ("paypal", True)
    assert performance.checkouts.share.low < 0.68 < performance.checkouts.share.high
    with pytest.raises(NotFound):
        await again.of(empty_shop.id, "nowhere", days=30)
