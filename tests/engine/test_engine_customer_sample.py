"""The sample of customers that the strength of the customer level is fitted to."""

from __future__ import annotations

import hashlib
from collections import Counter

import pytest

from engine.store import folds
from engine.store.folds import USAGE, Sums, UsageCell

CANDIDATES = ("card", "klarna", "paypal")
pytestmark = pytest.mark.anyio


async def sample(shop, most):
    async with shop.engine.database.read() as connection:
        return await folds.customers(connection, shop.id, "payment_methods", most=most)


@pytest.fixture
async def customers(shop):
    """Three hundred customers with two tries of each candidate, in two placements."""
    names = [hashlib.sha256(str(number).encode()).hexdigest()[:32] for number in range(300)]
    sums = Sums()
    for name in names:
        for candidate in CANDIDATES:
            for placement in ("payment_methods", "offers"):
                sums.add(USAGE, UsageCell(shop.id, name, placement, candidate, 20_000), 2, 1)
    async with shop.engine.database.write() as connection:
        await folds.add(connection, sums)
    return sorted(names)


async def test_a_sample_represents_every_candidate(shop, customers):
    rows = await sample(shop, most=90)
    assert Counter(row.candidate for row in rows) == dict.fromkeys(CANDIDATES, 30)


async def test_a_sample_is_the_first_customers_by_hash(shop, customers):
    rows = await sample(shop, most=90)
    assert {row.sibling for row in rows} == set(customers[:30])
    assert rows == await sample(shop, most=90)


async def test_below_the_limit_all_customers_count(shop, customers):
    rows = await sample(shop, most=10_000)
    assert len(rows) == 300 * len(CANDIDATES)
    assert rows == sorted(rows)
    assert {(row.trials, row.successes) for row in rows} == {(2, 1)}


async def test_candidates_tried_once_are_left_out(shop):
    sums = Sums()
    sums.add(USAGE, UsageCell(shop.id, "a" * 32, "payment_methods", "card", 20_000), 1, 1)
    async with shop.engine.database.write() as connection:
        await folds.add(connection, sums)
    assert await sample(shop, most=10) == []
