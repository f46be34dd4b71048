"""Trying a checkout out on a plan that is not published: the likeliest answer, and nothing is left of it."""

from __future__ import annotations

import msgspec
import pytest

from engine.configuration.trial import Trials
from engine.model.facts import Facts
from engine.model.placement import Thompson
from engine.store import decisions
from tests import factories
from tests.factories import rule
from tests.marks import SQLITE_FIRST

pytestmark = pytest.mark.anyio
SMALL = {"<": [{"var": "cart.total"}, 5000]}


async def tried(shop, *rules, **facts):
    _, document = await shop.engine.drafts.plan(shop.id, "payment_methods")
    document = msgspec.structs.replace(document, rules=rules)
    values = {name.replace("_", ".", 1): value for name, value in facts.items()}
    return await shop.engine.trials.answer(shop.id, document, Facts(values))


async def test_unpublished_rule_is_applied(shop):
    trial = await tried(shop, rule({"exclude": ["ideal"]}, when=SMALL), cart_total=4000)
    assert [excluded_candidate.id for excluded_candidate in trial.decision.excluded] == ["ideal"]
    assert trial.decision.rules == ["r1"]
    trial = await tried(shop, rule({"exclude": ["ideal"]}, when=SMALL), cart_total=6000)
    assert not trial.decision.excluded
    trial = await tried(shop, rule({"exclude": ["ideal"]}, when=SMALL))
    assert [(item.rule, item.field) for item in trial.decision.skipped] == [("r1", "cart.total")]


async def test_candidate_with_the_best_mean_is_always_first(shop):
    rest = dict.fromkeys(("klarna", "ideal", "sepa_debit", "apple_pay"), (1000, 300))
    await shop.update_state(paypal=(1000, 700), card=(1000, 500), **rest)
    trials = [await tried(shop) for _ in range(3)]
    assert {tuple(ranked.id for ranked in trial.decision.ranking)[:2] for trial in trials} == {("paypal", "card")}
    first = trials[0].slots[0]
    assert max(first, key=first.__getitem__) == "paypal"
    assert sum(first.values()) == pytest.approx(1)


async def test_the_chances_are_those_that_a_real_answer_names(shop):
    await shop.update_state(paypal=(100, 60), card=(100, 50))
    trial, answer = await tried(shop, cart_total=100), await shop.decide(cart_total=100)
    first = answer.decision.ranking[0]
    assert trial.slots[0][first.id] == pytest.approx(first.chance)


@SQLITE_FIRST
async def test_unpublished_candidates_use_beliefs_of_the_others(shop):
    rest = dict.fromkeys(("klarna", "ideal", "sepa_debit", "apple_pay", "card"), (1000, 100))
    await shop.update_state(paypal=(1000, 700), **rest)
    _, document = await shop.engine.drafts.plan(shop.id, "payment_methods")
    new = (factories.candidate("alipay", position=-1), *document.candidates)
    trial = await Trials(shop.engine.live).answer(shop.id, msgspec.structs.replace(document, candidates=new), Facts({}))
    assert "alipay" in [ranked.id for ranked in trial.decision.ranking]
    assert "paypal" in [ranked.id for ranked in trial.decision.ranking[:2]]


async def test_unpublished_policy_is_tried(shop):
    _, document = await shop.engine.drafts.plan(shop.id, "payment_methods")
    placement = msgspec.structs.replace(document.placement, policy=Thompson(drawn=1))
    trial = await shop.engine.trials.answer(shop.id, msgspec.structs.replace(document, placement=placement), Facts({}))
    assert len(trial.slots) == 1


async def test_trial_is_not_logged(shop):
    await tried(shop, cart_total=1)
    async with shop.engine.database.read() as connection:
        assert await decisions.newest(connection, shop.id, placement=None, customer=None, before_id=None, limit=5) == []
