"""A logged decision comes out the same, bit for bit, whatever happened since."""

from __future__ import annotations

import asyncio

import msgspec
import pytest
from sqlalchemy import delete

from benchmarks.checks import engine as engine_checks
from engine.clock import now_ms
from engine.model.errors import NotFound
from engine.model.placement import RuleDocument
from engine.store import decisions
from engine.store.tables import beliefs
from tests.factories import METHODS, order, placement, rule
from tests.marks import SQLITE, SQLITE_FIRST

pytestmark = pytest.mark.anyio


async def replay(shop, answer):
    return await shop.engine.logbook.replay(shop.id, answer.decision.decision_id)


@SQLITE_FIRST
async def test_a_decision_replays_after_beliefs_moved_on(shop):
    await shop.update_state(card=(40, 20), paypal=(50, 24))
    answers = [await shop.decide(f"c{number}", cart_total=5_000) for number in range(10)]
    versions = {answer.decision.beliefs_version for answer in answers}
    await shop.update_state(klarna=(500, 499))
    assert (await shop.decide()).decision.beliefs_version not in versions
    for answer in answers:
        again = await replay(shop, answer)
        assert again.same
        assert msgspec.json.encode(again.replayed) == msgspec.json.encode(msgspec.json.decode(answer.body))


async def test_a_decision_replays_though_the_customers_past_has_changed(shop):
    await shop.report(None, "converted", "ideal", customer="c1")
    answer = await shop.decide("c1")
    for _ in range(5):
        await shop.report(None, "converted", "klarna", customer="c1")
    assert "klarna" not in answer.facts.history
    assert (await replay(shop, answer)).same


@SQLITE_FIRST
async def test_a_decision_replays_after_the_plan_changed_and_was_rolled_back(shop):
    before = await shop.decide(cart_total=1)
    await shop.create("rule", rule({"exclude": ["card", "paypal"]}, {"pin": {"candidate": "ideal", "slot": 1}}))
    during = await shop.decide(cart_total=1)
    await shop.engine.versions.roll_back(shop.actor(), "payment_methods", before.decision.plan_version)
    after = await shop.decide(cart_total=1)
    assert [len(item.decision.ranking) for item in (before, during, after)] == [6, 4, 6]
    assert before.decision.plan_version < during.decision.plan_version < after.decision.plan_version
    assert [(await replay(shop, item)).same for item in (before, during, after)] == [True] * 3


async def test_a_decision_replays_after_its_placement_was_deleted(shop):
    answer = await shop.decide()
    await shop.engine.catalogue.delete(shop.actor(), "placement", "", "payment_methods", version=None)
    with pytest.raises(NotFound, match="payment_methods"):
        await shop.decide()
    assert (await replay(shop, answer)).same


async def test_a_fallback_replays(shop):
    shop.engine.recorder.append = lambda *_: (_ for _ in ()).throw(OSError("no disk"))
    answer = await shop.decide("c1", cart_total=5)
    assert answer.decision.fallback
    async with asyncio.timeout(5):
        while not await shop.engine.logbook.search(shop.id):
            await asyncio.sleep(0.02)
    again = await replay(shop, answer)
    assert again.same
    assert again.logged["fallback"] is True


@SQLITE_FIRST
@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("facts", '{"cart.total":1}'),
        ("history", '{"sepa_debit":[90.0,90.0,90]}'),
        ("beliefs_version", 0),
        ("plan_version", 2),
    ],
)
async def test_a_row_that_was_tampered_with_does_not_replay(shop, column, value):
    await shop.update_state(card=(400, 20), paypal=(500, 240))
    await shop.create("rule", rule({"exclude": ["klarna"]}, when={"<": [{"var": "cart.total"}, 10]}))
    answer = await shop.decide("c1", cart_total=900)
    assert (await replay(shop, answer)).same
    async with shop.engine.database.write() as connection:
        row = await decisions.find(connection, shop.id, answer.decision.decision_id)
        await decisions.replace(connection, [msgspec.structs.replace(row, **{column: value})])
    assert not (await replay(shop, answer)).same


async def test_decision_without_its_beliefs_has_a_reason(shop):
    await shop.update_state(card=(40, 20))
    answer = await shop.decide()
    async with shop.engine.database.write() as connection:
        await connection.execute(delete(beliefs))
    with pytest.raises(NotFound, match=f"beliefs version {answer.decision.beliefs_version} .* no longer kept"):
        await replay(shop, answer)


@SQLITE
async def test_any_decision_replays_here_and_in_a_new_process(engine):
    shops = await engine_checks.open_shops(engine)
    await engine_checks.play(shops, decision_count=200, outcome_count=300, seed=4)
    in_this_process = await engine_checks.replay_log(engine.database)
    in_a_new_process = await asyncio.to_thread(engine_checks.replay_in_a_new_process, engine.settings)
    assert in_this_process == in_a_new_process
    assert in_this_process["decisions"] >= 200
    assert in_this_process["different"] == []


async def test_explanation_has_the_facts_read_by_each_rule(shop):
    documents: list[RuleDocument] = [
        rule({"exclude": ["klarna"]}, id="fires", name="Big", when={">": [{"var": "cart.total"}, 10_000]}, priority=3),
        rule({"exclude": ["card"]}, id="not_met", when={"==": [{"var": "geo.country"}, "NL"]}, priority=2),
        rule({"exclude": ["ideal"]}, id="skipped", when={"<": [{"var": "risk.score"}, 5]}, priority=1),
    ]
    await shop.create("rule", *documents)
    answer = await shop.decide("c1", cart_total=12_900, geo_country="DE")
    first = order(answer.decision)[0]
    await shop.report(answer, "converted", first)
    explained = await shop.engine.logbook.explain(shop.id, answer.decision.decision_id)
    assert [(item.id, item.verdict, item.missing) for item in explained.trace.rules] == [
        ("fires", "fired", None), ("not_met", "not met", None), ("skipped", "skipped", "risk.score"),
    ]  # fmt: skip
    assert explained.trace.facts["cart.total"] == 12_900
    assert "Klarna is hidden" in explained.trace.rules[0].sentence
    assert [(outcome.type, outcome.candidate) for outcome in explained.outcomes] == [("converted", first)]
    assert explained.decision == answer.decision


async def test_decisions_are_found_by_id_customer_and_placement_of_one_merchant_only(shop):
    await shop.create("placement", placement(key="offers"))
    mine = [await shop.decide("c1"), await shop.decide("c2"), await shop.decide("c1", placement="offers")]
    newest_first = [answer.decision.decision_id for answer in reversed(mine)]
    logbook = shop.engine.logbook

    async def search(**by):
        return [item.decision.decision_id for item in await logbook.search(shop.id, **by)]

    assert sorted(await search()) == sorted(newest_first)
    assert set(await search(customer_id="c1")) == {newest_first[0], newest_first[2]}
    assert await search(placement="offers") == newest_first[:1]
    pages = await search(limit=2)
    assert sorted(pages + await search(limit=2, before_id=pages[-1])) == sorted(newest_first)
    other, _ = await shop.engine.accounts.add_merchant("other", "Other")
    assert await logbook.search(other.id) == []
    for read in (logbook.get, logbook.replay, logbook.explain):
        with pytest.raises(NotFound, match="there is no decision"):
            await read(other.id, newest_first[0])


async def test_decision_id_contains_its_time(shop):
    before = now_ms()
    answer = await shop.decide()
    stamp = int(answer.decision.decision_id[4:16], 16)
    assert before <= stamp <= now_ms()
    assert len(METHODS) == len(answer.decision.ranking)
