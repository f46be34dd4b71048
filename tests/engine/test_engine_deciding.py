"""The main path: a decision is made, logged, credited with its outcome, learned from, and replayed."""

from __future__ import annotations

import msgspec
import pytest

from engine.clock import now_ms
from engine.decisions import rebuild
from engine.model.decision import Decision
from engine.model.errors import NotFound
from engine.model.placement import Thompson
from tests.factories import METHODS, order, placement, rule
from tests.marks import SQLITE_FIRST

WINDOW_MS = 60 * 60_000
pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("reproducible_draws")]


async def ask_and_pay(shop, visits, method):
    """Let customers pay with one method whenever it is shown first, and leave otherwise."""
    for number in range(visits):
        answer = await shop.decide(f"c{number}")
        if order(answer.decision)[0] == method:
            await shop.report(answer, "converted", method)
        else:
            await shop.report(answer, "abandoned")


async def test_an_answer_ranks_every_candidate_with_its_chance(shop):
    decision = (await shop.decide("c1", cart_total=500)).decision
    assert sorted(order(decision)) == sorted(METHODS)
    assert [ranked.rank for ranked in decision.ranking] == [1, 2, 3, 4, 5, 6]
    assert 0 < decision.propensity <= decision.ranking[0].chance <= 1
    assert not decision.fallback


async def test_log_contains_the_sent_bytes(shop):
    answer = await shop.decide("c1", cart_total=500)
    logged = await shop.engine.logbook.get(shop.id, answer.decision.decision_id)
    assert logged.row.answer.encode() == answer.body
    assert logged.decision == answer.decision
    assert logged.row.customer == shop.engine.hasher(shop.id, "c1")
    assert msgspec.json.decode(logged.row.facts)["cart.total"] == 500


async def test_an_outcome_credits_the_candidate_it_names(shop):
    answer = await shop.decide("c1")
    first = order(answer.decision)[0]
    assert (await shop.report(answer, "converted", first)).status == "recorded"
    assert await shop.counts() == {first: (1, 1)}


@SQLITE_FIRST
async def test_learned_beliefs_change_the_next_answers(empty_shop):
    await empty_shop.add_placement(placement(policy=Thompson(floor=0.05)))
    engine, before = empty_shop.engine, (await empty_shop.decide("new")).decision
    await ask_and_pay(empty_shop, 60, "klarna")
    await engine.recorder.close_due(now_ms() + WINDOW_MS + 1)
    await engine.live.refresh(at_once=True)
    after = (await empty_shop.decide("new")).decision
    chance = {ranked.id: ranked.confidence for ranked in after.ranking}
    assert after.beliefs_version > before.beliefs_version
    assert max(chance, key=chance.__getitem__) == "klarna"


async def test_answers_replay_after_beliefs_and_rules_changed(shop):
    first = await shop.decide("c1", cart_total=500)
    await ask_and_pay(shop, 5, order(first.decision)[0])
    await shop.engine.live.refresh(at_once=True)
    await shop.create("rule", rule({"exclude": ["card"]}))
    second = await shop.decide("c1", cart_total=500)
    assert "card" not in order(second.decision)
    for answer in (first, second):
        replay = await shop.engine.logbook.replay(shop.id, answer.decision.decision_id)
        assert replay.same
        assert msgspec.convert(replay.replayed, Decision) == answer.decision
    assert await rebuild.compare(shop.engine.database) == []


async def test_an_unknown_placement_is_named(shop):
    with pytest.raises(NotFound, match="no placement “nowhere”"):
        await shop.decide(placement="nowhere")
