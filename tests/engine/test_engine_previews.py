"""A draft tried on the log: what it would have answered, and that it is watched, cancelled and kept."""

from __future__ import annotations

import multiprocessing

import msgspec
import pytest

from benchmarks.checks.preview_log import create_plan, make_log, store_log
from engine.clock import now_ms
from engine.model.actor import Actor
from engine.model.errors import Conflict, Invalid, NotFound
from engine.model.timestamps import DAY
from engine.previews.previews import MOST_DECISIONS, Period
from engine.store import previews
from tests.factories import rule
from tests.marks import SQLITE_FIRST

pytestmark = pytest.mark.anyio

DECISIONS = 600
IN_GERMANY = {"==": [{"var": "geo.country"}, "DE"]}
NO_SEPA = rule({"exclude": ["sepa_debit"]}, id="draft", name="No SEPA")


@pytest.fixture
async def merchant(engine):
    item, _ = await engine.accounts.add_merchant("shop", "Shop")
    return item.id


@pytest.fixture
async def log(engine, merchant):
    made = make_log(await create_plan(engine, merchant), merchant, count=DECISIONS, seed=4, until=now_ms() - DAY)
    await store_log(engine.database, made)
    return made


async def start(engine, merchant, *rules, since=None, until=None, limit=MOST_DECISIONS, **changes):
    for item in rules:
        await engine.drafts.save(Actor(merchant, "tester"), "payment_methods", item, revision=None)
    now = now_ms()
    period = Period(now - 30 * DAY if since is None else since, now if until is None else until, limit)
    return await engine.previews.start_draft(Actor(merchant, "tester"), "payment_methods", period, **changes)


async def tried(engine, merchant, *rules, **changes):
    preview = await start(engine, merchant, *rules, **changes)
    preview = await engine.previews.finish(merchant, preview.id)
    assert (preview.state, preview.problem) == ("done", "")
    return preview.result


def counts_of(result, id):
    return next(candidate for candidate in result.position_counts if candidate.id == id)


@SQLITE_FIRST
async def test_preview_of_the_published_plan_changes_nothing(engine, merchant, log):
    result = await tried(engine, merchant)
    assert (result.read, result.changed, result.lost, result.fallback) == (DECISIONS, 0, 0, 0)
    assert (result.effect.touched, result.effect.value, result.effect.refused) == (0, 0.0, "")
    matches = {item.id: item for item in result.rules}
    assert matches["big-carts"].fired == matches["big-carts"].fired_before > 0
    assert all(
        candidate.first[0] == candidate.first[1] and candidate.shown[0] == candidate.shown[1]
        for candidate in result.position_counts
    )


@SQLITE_FIRST
async def test_draft_is_counted_where_its_rule_fires(engine, merchant, log):
    germans = [decision for decision in log.decisions if decision.facts.values["geo.country"] == "DE"]
    result = await tried(engine, merchant, rule({"exclude": ["card"]}, id="draft", name="No card", when=IN_GERMANY))
    assert result.changed == result.effect.touched == len(germans)
    card = counts_of(result, "card")
    assert card.shown[0] - card.shown[1] == len(germans)
    assert sum(candidate.first[1] for candidate in result.position_counts) == DECISIONS
    assert next(item for item in result.rules if item.id == "draft").fired == len(germans)
    assert {example.decision_id for example in result.examples} <= {german.row.id for german in germans}
    assert all("card" in example.before and "card" not in example.after for example in result.examples)


@SQLITE_FIRST
@pytest.mark.parametrize(("reward", "share"), [("revenue", 1.0), ("margin", 0.3)])
async def test_money_is_counted_in_minor_units(engine, merchant, log, reward, share):
    """A purchase without a reported amount counts as its cart."""
    money = msgspec.structs.replace(log.plan.placement, reward=reward, margin_percent=100 * share)
    result = await tried(engine, merchant, NO_SEPA, money)
    carts = [decision.facts.values["cart.total"] if decision.bought else 0 for decision in log.decisions]
    assert (result.reward, result.effect.touched) == (reward, DECISIONS)
    assert result.effect.earned == pytest.approx(share * sum(carts) / DECISIONS)
    assert result.effect.low < result.effect.value < result.effect.high


@SQLITE_FIRST
async def test_answers_left_empty_are_counted(engine, merchant, log):
    everyone = ["card", "paypal", "klarna", "ideal", "sepa_debit", "apple_pay"]
    result = await tried(engine, merchant, rule({"exclude": everyone}, id="draft", when=IN_GERMANY))
    assert result.emptied == result.changed > 0
    assert result.examples[0].kind == "emptied"


@SQLITE_FIRST
async def test_effect_of_new_values_is_unknown(engine, merchant, log):
    result = await tried(engine, merchant, rule({"set": {"name": "banner", "value": True}}, id="draft"))
    assert result.changed == DECISIONS
    assert result.effect.refused.startswith("the change sets other values")


@SQLITE_FIRST
async def test_effect_uses_only_closed_decisions(engine, merchant, log):
    late = make_log(log.plan, merchant, count=100, seed=9, until=now_ms())
    open_rows = [msgspec.structs.replace(decision.row, closes_at=now_ms() + DAY) for decision in late.decisions]
    late.decisions[:] = [item._replace(row=row) for item, row in zip(late.decisions, open_rows, strict=True)]
    late.snapshots.clear()
    await store_log(engine.database, late)
    result = await tried(engine, merchant, NO_SEPA)
    assert result.read == DECISIONS + 100
    assert result.effect.counted <= DECISIONS


@SQLITE_FIRST
async def test_only_the_newest_of_the_period_are_read(engine, merchant, log):
    result = await tried(engine, merchant, NO_SEPA, limit=200)
    assert result.read == 200
    assert result.first_at == log.decisions[-200].row.decided_at
    assert result.last_at == log.decisions[-1].row.decided_at
    empty_preview = await tried(engine, merchant, NO_SEPA, since=1, until=2)
    assert (empty_preview.read, empty_preview.effect.refused) == (0, "there is no decision in this period")


@SQLITE_FIRST
async def test_future_rule_is_previewed_as_active(engine, merchant, log):
    later = msgspec.structs.replace(NO_SEPA, active_from="2999-01-01T00:00:00Z")
    assert (await tried(engine, merchant, later)).changed == DECISIONS


@SQLITE_FIRST
async def test_draft_that_cannot_be_compiled_has_a_reason(engine, merchant, log):
    _, document = await engine.drafts.plan(merchant, "payment_methods")
    broken = rule({"exclude": ["card"]}, id="draft", when={"==": [{"var": "no"}, 1]})
    draft = msgspec.structs.replace(document, rules=(broken,))
    preview = await engine.previews.start(Actor(merchant, "tester"), draft, Period(0, now_ms()))
    preview = await engine.previews.finish(merchant, preview.id)
    assert preview.state == "failed"
    assert "the draft cannot be tried" in preview.problem


async def test_cancelled_preview_leaves_no_process(engine, merchant, log):
    running = await start(engine, merchant, NO_SEPA)
    with pytest.raises(Conflict):
        await start(engine, merchant, NO_SEPA)
    ended = await engine.previews.cancel(merchant, running.id)
    assert (ended.state, ended.result) == ("cancelled", None)
    assert "preview" not in [process.name for process in multiprocessing.active_children()]
    assert (await start(engine, merchant, NO_SEPA)).running
    assert (await engine.previews.get(merchant, running.id)).state == "cancelled"


async def test_another_process_reads_and_cancels_a_preview(engine, merchant, log, start_engine):
    other = await start_engine()
    running = await start(engine, merchant, NO_SEPA)
    assert (await other.previews.newest(merchant, "payment_methods")).id == running.id
    await other.previews.cancel(merchant, running.id)
    assert (await engine.previews.finish(merchant, running.id)).state == "cancelled"


async def test_preview_is_interrupted_if_its_process_dies(engine, merchant, log):
    stale = now_ms() - DAY
    row = previews.PreviewRow(
        id="pre_lost", merchant_id=merchant, placement="payment_methods", draft="{}", since=0, until=1,
        started_by="me", started_at=stale, seen_at=stale, done=5, total=9,
    )  # fmt: skip
    async with engine.database.write() as connection:
        await previews.add(connection, row)
    assert (await engine.previews.get(merchant, "pre_lost")).state == "interrupted"
    assert (await start(engine, merchant, NO_SEPA)).running


async def test_server_stop_ends_a_preview(start_engine):
    engine = await start_engine()
    item, _ = await engine.accounts.add_merchant("shop", "Shop")
    await create_plan(engine, item.id)
    running = await start(engine, item.id, NO_SEPA)
    await engine.previews.stop()
    assert (await engine.previews.get(item.id, running.id)).state == "interrupted"


@SQLITE_FIRST
async def test_given_rules_replace_the_draft(engine, merchant, log):
    result = await tried(engine, merchant, rules=[NO_SEPA])
    assert result.changed > 0.9 * DECISIONS
    assert [item.id for item in result.rules if item.fired] == ["draft"]
    with pytest.raises(Invalid, match="candidate"):
        await start(engine, merchant, rules=[rule({"exclude": ["nobody"]}, id="draft")])


@SQLITE_FIRST
async def test_merchants_see_only_their_own_previews(engine, merchant, log):
    other, _ = await engine.accounts.add_merchant("other", "Other")
    await create_plan(engine, other.id)
    mine, theirs = await start(engine, merchant, NO_SEPA), await start(engine, other.id)
    for actor, preview in ((merchant, theirs), (other.id, mine)):
        for act in (engine.previews.get, engine.previews.cancel, engine.previews.finish):
            with pytest.raises(NotFound):
                await act(actor, preview.id)
    ended = [await engine.previews.finish(actor, item.id) for actor, item in ((merchant, mine), (other.id, theirs))]
    assert [(item.state, item.result.read) for item in ended] == [("done", DECISIONS), ("done", 0)]
    newest = [await engine.previews.newest(actor, "payment_methods") for actor in (merchant, other.id)]
    assert [item.id for item in newest] == [mine.id, theirs.id]


async def test_invalid_preview_names_the_field(engine, merchant, log):
    with pytest.raises(Invalid, match="until"):
        await start(engine, merchant, since=5, until=5)
    with pytest.raises(Invalid, match="limit"):
        await start(engine, merchant, limit=0)
