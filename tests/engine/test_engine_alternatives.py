"""One change of the plan in force, tried on the log by itself: what a rule brings, and what if."""

from __future__ import annotations

import msgspec
import pytest

from benchmarks.checks.preview_log import create_plan, make_log, store_log
from engine.clock import now_ms
from engine.model.actor import Actor
from engine.model.errors import Invalid, NotFound
from engine.model.timestamps import DAY
from engine.previews.alternatives import Alternative
from engine.previews.previews import Period
from tests.factories import rule
from tests.marks import SQLITE, SQLITE_FIRST

pytestmark = pytest.mark.anyio

DECISIONS = 600
KEY = "payment_methods"
NO_SEPA = rule({"exclude": ["sepa_debit"]}, id="no-sepa", name="No SEPA")


@pytest.fixture
async def actor(engine):
    item, _ = await engine.accounts.add_merchant("shop", "Shop")
    return Actor(item.id, "tester")


@pytest.fixture
async def log(engine, actor):
    plan = await create_plan(engine, actor.merchant_id)
    made = make_log(plan, actor.merchant_id, count=DECISIONS, seed=4, until=now_ms() - DAY)
    await store_log(engine.database, made)
    return made


def last_30_days():
    return Period(now_ms() - 30 * DAY, now_ms())


async def finished(engine, actor, preview):
    preview = await engine.previews.finish(actor.merchant_id, preview.id)
    assert (preview.state, preview.problem) == ("done", "")
    return preview.result


async def previewed(engine, actor, change, id="", amount=0):
    question = Alternative(change, id, amount)
    return await finished(engine, actor, await engine.previews.start_alternative(actor, KEY, last_30_days(), question))


async def drafted_plan(engine, actor):
    return await finished(engine, actor, await engine.previews.start_draft(actor, KEY, last_30_days()))


def counts_of(result, id):
    return next(candidate for candidate in result.position_counts if candidate.id == id)


def change(pair):
    return pair[1] - pair[0]


@SQLITE_FIRST
async def test_rule_is_compared_with_the_plan_without_it(engine, actor, log):
    """Other changes in the draft do not enter, and the sign is what the rule brings."""
    await engine.drafts.save(actor, KEY, NO_SEPA, revision=None)
    result = await previewed(engine, actor, "off", "no-klarna-in-norway")
    norwegians = sum(decision.facts.values["geo.country"] == "NO" for decision in log.decisions)
    assert change(counts_of(result, "klarna").shown) == -norwegians
    assert change(counts_of(result, "sepa_debit").shown) == 0
    fired = {each.id: (each.fired, each.fired_before) for each in result.rules}
    assert fired["no-klarna-in-norway"] == (norwegians, 0)
    assert fired["big-carts"][0] == fired["big-carts"][1] > 0
    assert result.effect.touched == norwegians


@SQLITE
async def test_answers_of_older_versions_are_not_used(engine, actor, log):
    """The log is of a version without the rule that is in force now, and of one more candidate."""
    await engine.catalogue.create(actor, "rule", KEY, [NO_SEPA])
    await engine.catalogue.switch(actor, KEY, "apple_pay", enabled=False, reason="")
    result = await previewed(engine, actor, "off", "big-carts")
    # The rule boosts Klarna, which is hidden in Norway: it changes nothing there.
    facts = [decision.facts.values for decision in log.decisions]
    matters = sum(values["cart.total"] > 20_000 and values["geo.country"] != "NO" for values in facts)
    assert result.effect.touched == matters
    assert change(counts_of(result, "sepa_debit").shown) == 0
    assert change(counts_of(result, "apple_pay").shown) == 0


@SQLITE
async def test_estimate_agrees_with_the_log_of_the_active_plan(engine, actor, log):
    """The draft beside the log, and the same change beside the plan in force."""
    alone = await previewed(engine, actor, "paused", "klarna")
    await engine.previews.put_in_draft(actor, KEY, Alternative("paused", "klarna"))
    with_draft = await drafted_plan(engine, actor)
    for name in ("touched", "value", "low", "high", "effective_sample", "unknown", "bounded"):
        assert getattr(alone.effect, name) == pytest.approx(getattr(with_draft.effect, name)), name
    assert alone.position_counts == with_draft.position_counts
    assert counts_of(alone, "klarna").shown[1] == 0
    assert alone.effect.touched > 0
    chose = sum(decision.bought == "klarna" for decision in log.decisions)
    assert alone.withdrawn == with_draft.withdrawn == {"klarna": chose}


@SQLITE
async def test_preview_does_not_change_the_draft(engine, actor, log):
    await previewed(engine, actor, "minimum", "klarna", 15_000)
    assert not (await engine.drafts.get(actor.merchant_id, KEY)).changes
    await engine.previews.put_in_draft(actor, KEY, Alternative("minimum", "klarna", 15_000))
    [item] = (await engine.drafts.get(actor.merchant_id, KEY)).changes
    assert (item.id, item.after.min_amount) == ("klarna", 15_000)


@SQLITE
async def test_a_minimum_matters_only_below_it(engine, actor, log):
    result = await previewed(engine, actor, "minimum", "sepa_debit", 10_000)
    small = sum(decision.facts.values["cart.total"] < 10_000 for decision in log.decisions)
    assert result.effect.touched == small
    assert change(counts_of(result, "sepa_debit").shown) == -small


@SQLITE
async def test_first_slot_is_fixed_in_every_learned_order(engine, actor, log):
    result = await previewed(engine, actor, "first", "paypal")
    assert counts_of(result, "paypal").first[1] == DECISIONS
    await engine.previews.put_in_draft(actor, KEY, Alternative("first", "paypal"))
    [item] = (await engine.drafts.get(actor.merchant_id, KEY)).changes
    assert item.after.effects == ({"pin": {"candidate": "paypal", "slot": 1}},)


@SQLITE
async def test_rule_of_the_draft_can_be_previewed(engine, actor, log):
    await engine.drafts.save(actor, KEY, NO_SEPA, revision=None)
    result = await previewed(engine, actor, "off", "no-sepa")
    assert counts_of(result, "sepa_debit").shown[1] == 0


@SQLITE
async def test_names_and_order_do_not_change_learned_answers(engine, actor, log):
    """The catalogue's bookkeeping cannot change an answer that is drawn."""
    candidates = {each.id: each.document for each in await engine.catalogue.page(actor.merchant_id, "candidate", KEY)}
    await engine.catalogue.reorder(actor, KEY, list(reversed(candidates)), reason="")
    renamed = msgspec.structs.replace(
        (await engine.catalogue.get(actor.merchant_id, "candidate", KEY, "card")).document, label="Credit card"
    )
    await engine.catalogue.update(actor, "candidate", KEY, "card", renamed, version=None)
    result = await drafted_plan(engine, actor)
    assert (result.effect.touched, result.changed) == (0, 0)


@SQLITE_FIRST
async def test_each_preview_keeps_its_own_result(engine, actor, log):
    await previewed(engine, actor, "paused", "klarna")
    await previewed(engine, actor, "paused", "paypal")
    merchant_id, previews = actor.merchant_id, engine.previews
    kept = await previews.newest(merchant_id, KEY, alternative=Alternative("paused", "klarna"))
    assert kept is not None
    assert counts_of(kept.result, "klarna").shown[1] == 0
    assert await previews.newest(merchant_id, KEY) is None


@SQLITE
async def test_missing_or_disabled_candidate_cannot_be_previewed(engine, actor, log):
    with pytest.raises(NotFound):
        await previewed(engine, actor, "off", "no-such-rule")
    with pytest.raises(NotFound):
        await previewed(engine, actor, "paused", "no-such-method")
    await engine.catalogue.switch(actor, KEY, "klarna", enabled=False, reason="")
    with pytest.raises(Invalid, match="off already"):
        await previewed(engine, actor, "paused", "klarna")
