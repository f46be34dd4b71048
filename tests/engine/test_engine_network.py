"""What merchants learn from each other: from customers who agreed alone, and only what three of them know."""

from __future__ import annotations

import msgspec
import pytest

from engine import jobs
from engine.network import UsageSum, network_priors
from tests.factories import candidates, order
from tests.shop import Shop

pytestmark = pytest.mark.anyio
CARD = ("payment_methods", "card")


def usage(merchants, *, successes=30, customer="c"):
    return [UsageSum(merchant, customer, "payment_methods", "a", 100, successes) for merchant in merchants]


def priors(rows, consents=lambda *_: True):
    return network_priors(rows, {(row.merchant_id, "payment_methods", "a"): "card" for row in rows}, consents)


def test_what_three_merchants_know_of_a_type_is_where_a_new_merchant_begins():
    assert priors(usage([1, 2, 3]))[CARD].mean == pytest.approx(0.3, abs=0.02)


def test_what_two_merchants_know_stays_theirs():
    assert priors(usage([1, 2])) == {}


def test_of_customers_who_did_not_agree_nothing_is_used():
    assert priors(usage([1, 2, 3]), lambda *_: False) == {}
    assert priors(usage([1, 2, 3]), lambda merchant, _: merchant < 3) == {}


async def _merchant_with_buyers(engine, name, *, buyers):
    merchant, _ = await engine.accounts.add_merchant(name, name.title())
    shop = Shop(engine, merchant)
    await shop.place(None, *(msgspec.structs.replace(one, type=one.id) for one in candidates()))
    for number in range(buyers):
        answer = await shop.decide(f"{name} {number}")
        await shop.report(answer, "converted", order(answer.decision)[0])
    return shop


async def test_while_nobody_can_agree_a_new_merchant_begins_with_nothing(engine):
    for name in ("one", "two", "three"):
        await _merchant_with_buyers(engine, name, buyers=5)
    await jobs.fit_all(engine)
    new = await _merchant_with_buyers(engine, "new", buyers=0)
    assert {one.score for one in (await new.decide()).decision.ranking} == {0.5}


async def test_once_they_agree_a_new_merchant_begins_with_what_the_others_know(engine):
    engine.consents = lambda *_: True
    for name in ("one", "two", "three"):
        await _merchant_with_buyers(engine, name, buyers=12)
    await jobs.fit_all(engine)
    new = await _merchant_with_buyers(engine, "new", buyers=1)
    await engine.live.refresh(at_once=True)
    assert any(one.score not in (0.5, 1 / 3, 2 / 3) for one in (await new.decide()).decision.ranking)
