"""Counts of fired rules and sent fields, each decision once."""

from __future__ import annotations

import asyncio

import pytest

from engine.clock import now_ms
from engine.decisions.recorder import Overloaded
from engine.model.timestamps import DAY
from engine.store import rollups
from tests.factories import rule
from tests.shop import Shop

pytestmark = pytest.mark.anyio


async def stored(shop):
    async with shop.engine.database.read() as connection:
        uses = await rollups.rule_uses(connection, shop.id, "payment_methods", since_day=0)
        return (
            {(use.rule, use.lacked): use.times for use in uses},
            await rollups.field_uses(connection, shop.id, since_day=0),
            await rollups.last_fired(connection, shop.id, "payment_methods"),
        )


async def counted(shop):
    await shop.engine.use_counter.flush()
    return await stored(shop)


async def test_rule_is_counted_when_it_fires_and_when_a_field_is_missing(shop):
    await shop.create("rule", rule({"exclude": ["ideal"]}, when={"<": [{"var": "cart.total"}, 5000]}, id="small"))
    for total in (100, 200, 9_000):
        await shop.decide(cart_total=total)
    await shop.decide(geo_country="DE")
    rules, fields, last = await counted(shop)
    assert rules == {("small", ""): 2, ("small", "cart.total"): 1}
    assert fields[""] == 4
    assert (fields["cart.total"], fields["geo.country"]) == (3, 1)
    assert now_ms() - last["small"] < DAY


async def test_a_decision_is_counted_once_however_often_counts_are_written(shop):
    await shop.decide(cart_total=1)
    await counted(shop)
    await shop.decide(cart_total=1)
    for _ in range(2):
        _, fields, _ = await counted(shop)
    assert fields[""] == 2


async def test_counts_are_kept_until_they_can_be_written(shop, monkeypatch):
    await shop.create("rule", rule({"exclude": ["ideal"]}, when={"<": [{"var": "cart.total"}, 5000]}, id="small"))
    await shop.decide(cart_total=1)
    with monkeypatch.context() as patch:
        patch.setattr(type(shop.engine.database), "write", broken)
        with pytest.raises(OSError, match="away"):
            await shop.engine.use_counter.flush()
    await shop.decide(cart_total=1)
    rules, fields, last = await counted(shop)
    assert (rules, fields[""]) == ({("small", ""): 2}, 2)
    assert set(last) == {"small"}


async def test_a_stop_writes_the_last_counts(shop, start_engine):
    other = Shop(await start_engine(), shop.merchant)
    await other.decide(cart_total=1)
    await other.engine.stop()
    assert (await stored(shop))[1][""] == 1


async def test_each_fallback_answer_of_a_request_is_counted_once(shop, monkeypatch):
    append, refused = shop.engine.recorder.append, asyncio.get_running_loop().create_future()
    refused.set_exception(OSError("the database is away"))
    writes = iter((append, lambda *_arguments: refused))
    monkeypatch.setattr(shop.engine.recorder, "append", lambda *arguments: next(writes)(*arguments))
    answers = await shop.engine.decider.decide(shop.id, ["payment_methods"] * 2, None, {})
    assert all(answer.decision.fallback for answer in answers)
    _, fields, _ = await counted(shop)
    assert fields[""] == 2


async def test_an_answer_that_is_not_logged_is_not_counted(shop, monkeypatch):
    def refuse(*_arguments):
        raise Overloaded

    monkeypatch.setattr(shop.engine.recorder, "append", refuse)
    monkeypatch.setattr(shop.engine.recorder, "replace", refuse)
    (answer,) = await shop.engine.decider.decide(shop.id, ["payment_methods"], None, {})
    assert answer.decision.fallback
    _, fields, _ = await counted(shop)
    assert fields == {}


async def test_counts_of_a_cancelled_write_wait_for_the_next(shop, monkeypatch):
    await shop.decide(cart_total=1)
    began = asyncio.Event()

    async def never_ends(*_arguments):
        began.set()
        await asyncio.Event().wait()

    with monkeypatch.context() as patch:
        patch.setattr(rollups, "add", never_ends)
        writing = asyncio.create_task(shop.engine.use_counter.flush())
        await began.wait()
        writing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await writing
    _, fields, _ = await counted(shop)
    assert fields[""] == 1


def broken(_database):
    raise OSError("the database is away")
