"""Forgetting a customer's decisions in segments takes out their entries, and no others."""

from __future__ import annotations

from typing import Any

import pytest

from engine.store.log import customer_segments
from engine.store.log.customer_segments import Segment, rows_of

pytestmark = pytest.mark.anyio

BEGINS = 1_700_000_000_000
ANNA, BEN, OTHER_SHARD = "aa" + "11" * 15, "aa" + "22" * 15, "bb" + "11" * 15


def decision(number: int, customer: str) -> tuple[bytes, bytes]:
    return (BEGINS + number).to_bytes(6) + bytes([number]) * 10, bytes.fromhex(customer)


async def store(shop: Any, *decisions: tuple[bytes, bytes]) -> None:
    segment = Segment(shop.id, BEGINS + 1_000, decisions)
    async with shop.engine.database.write() as connection:
        await customer_segments.add(connection, segment, rows_of(segment), begins_at=0)


async def forget(shop: Any, customer: str, *numbers: int) -> None:
    async with shop.engine.database.write() as connection:
        await customer_segments.forget(connection, shop.id, customer, [BEGINS + number for number in numbers])


async def moments(shop: Any, customer: str) -> list[int]:
    """Return the times after the first decision at which a customer is looked for, without what is in no segment."""
    async with shop.engine.database.read() as connection:
        spans = [span async for span in customer_segments.spans(connection, shop.id, customer, before_id=None)]
    return sorted(int(span.first[4:16], 16) - BEGINS for span in spans[1:])


async def test_only_the_named_decisions_are_forgotten(shop):
    await store(
        shop, decision(0, ANNA), decision(1, BEN), decision(2, ANNA), decision(3, ANNA), decision(4, OTHER_SHARD)
    )
    await forget(shop, ANNA, 0, 3)
    assert await moments(shop, ANNA) == [2]
    assert await moments(shop, BEN) == [1]
    assert await moments(shop, OTHER_SHARD) == [4]


async def test_empty_row_is_deleted(shop):
    await store(shop, decision(0, ANNA), decision(1, OTHER_SHARD))
    await forget(shop, ANNA, 0)
    assert (await moments(shop, ANNA), await moments(shop, OTHER_SHARD)) == ([], [1])


async def test_removing_an_unknown_entry_changes_nothing(shop):
    await store(shop, decision(0, ANNA), decision(5, BEN))
    for numbers in ((), (7,), (5,), (-3,)):
        await forget(shop, ANNA, *numbers)
    assert (await moments(shop, ANNA), await moments(shop, BEN)) == ([0], [5])
