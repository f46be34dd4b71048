"""Editing: each save is a new version for good, or nothing at all."""

from __future__ import annotations

import asyncio

import msgspec
import pytest
from sqlalchemy import func, select

from engine.kernel.plan import PlanDocument
from engine.model.actor import Actor
from engine.model.errors import Conflict, EngineError, Invalid, NotFound
from engine.model.history import AuditFilter
from engine.model.placement import FieldDocument, ListDocument, Ranking, RuleDocument, Split
from engine.store import plans
from engine.store.tables import audit, resources
from engine.store.tables import plans as plans_table
from tests.factories import METHODS, candidate, order, placement, rule
from tests.marks import SQLITE_FIRST

pytestmark = pytest.mark.anyio
PLACEMENT = "payment_methods"


async def document(shop, version):
    async with shop.engine.database.read() as connection:
        return (await plans.get(connection, shop.id, PLACEMENT, version)).document


async def row_counts(shop):
    """Return the number of versions, audit entries and resources."""
    async with shop.engine.database.read() as connection:
        return [(await connection.execute(select(func.count()).select_from(item))).scalar() for item in
                (plans_table, audit, resources)]  # fmt: skip


def version_of(shop):
    return shop.engine.live.get(shop.id, PLACEMENT).plan.version


async def test_each_save_creates_a_version_and_keeps_earlier_ones(shop):
    first = version_of(shop)
    kept = await document(shop, first)
    await shop.create("rule", rule({"exclude": ["card"]}))
    assert version_of(shop) == first + 1
    assert await document(shop, first) == kept
    assert msgspec.json.decode(await document(shop, first + 1), type=PlanDocument).rules[0].id == "r1"
    history = await shop.engine.versions.page(shop.id, PLACEMENT)
    assert [(past.version, past.published_by) for past in history] == [
        (first + 1 - n, "tester") for n in range(first + 1)
    ]


async def test_save_applies_to_the_next_decision(shop):
    await shop.create("rule", rule({"exclude": ["card"]}))
    assert "card" not in order((await shop.decide()).decision)
    catalogue = shop.engine.catalogue
    off = rule({"exclude": ["card"]}, enabled=False)
    await catalogue.update(shop.actor(), "rule", PLACEMENT, "r1", off, version=1)
    assert "card" in order((await shop.decide()).decision)


@SQLITE_FIRST
@pytest.mark.parametrize(
    ("kind", "document", "field", "message"),
    [
        ("rule", rule({"exclude": ["card"]}, when={"frobnicate": [1]}), "/when/frobnicate", ""),
        ("rule", rule({"exclude": ["card"]}, when={">": [{"var": "cart.totl"}, 1]}), "/when", "cart.total"),
        ("rule", rule({"exclude": ["bitcoin"]}), "/effects/0", "bitcoin"),
        ("rule", rule({"explode": []}), "/effects/0/explode", ""),
        ("candidate", candidate("new", min_amount=5, max_amount=4), "max_amount", "below"),
        ("placement", placement(key="new", buckets=("cart.nothing",)), "buckets/0", "cart.nothing"),
        ("placement", placement(key="new", buckets=("customer.segment",)), "buckets/0", "allowed"),
        ("placement", placement(key="new", policy=Split({"a": 0.0})), "policy/weights", "above 0"),
        ("field", FieldDocument(name="time.zone", type="string"), "name", "engine"),
        ("field", FieldDocument(name="a.b", type="number", allowed=("x",)), "allowed", "number"),
    ],
)
async def test_invalid_document_names_its_field_and_is_not_stored(shop, kind, document, field, message):
    before, version = await row_counts(shop), version_of(shop)
    with pytest.raises(Invalid) as refused:
        await shop.create(kind, document)
    problem = refused.value.problems[0]
    assert problem.field.startswith(field)
    assert message in problem.message
    assert await row_counts(shop) == before
    assert version_of(shop) == version


async def test_one_bad_document_of_several_refuses_all(shop):
    before = await row_counts(shop)
    with pytest.raises(Invalid):
        await shop.create("candidate", candidate("good"), candidate("bad", min_amount=2, max_amount=1))
    with pytest.raises(Conflict):
        await shop.create("candidate", candidate("twice"), candidate("twice"))
    assert await row_counts(shop) == before


async def test_change_of_one_rule_keeps_the_others(shop):
    catalogue = shop.engine.catalogue
    marks = [rule({"set": {"name": f"n{n}", "value": n}}, id=f"r{n:03}") for n in range(200)]
    await shop.create("rule", *marks)
    for number, value in ((0, True), (150, False), (199, "new")):
        changed = rule({"set": {"name": f"n{number}", "value": value}}, id=f"r{number:03}")
        await catalogue.update(shop.actor("ada"), "rule", PLACEMENT, f"r{number:03}", changed, version=None)
    await catalogue.delete(shop.actor("ada"), "rule", PLACEMENT, "r100", version=None)
    expected = {f"n{n}": n for n in range(200) if n != 100} | {"n0": True, "n150": False, "n199": "new"}
    values = (await shop.decide()).decision.values
    assert values == expected
    assert values["n0"] is True


async def test_active_plan_equals_the_stored_plan(shop):
    values = [{"name": "n", "value": value} for value in (1, 1.0, True)]
    for number, value in enumerate(values):
        await shop.create("rule", rule({"set": value}, when={"in": [1, [1, 2.0]]}, id=f"r{number}"))
        plan = shop.engine.live.get(shop.id, PLACEMENT).plan
        stored = await document(shop, plan.version)
        assert repr(plan.document) == repr(msgspec.json.decode(stored, type=PlanDocument))
        assert [item.document["effects"][0]["set"] for item in plan.rules] == values[: number + 1]


async def test_changed_list_or_field_applies_to_unchanged_rules(shop):
    catalogue = shop.engine.catalogue
    await shop.create("list", ListDocument(name="vip", values=("gold",)))
    listed = rule({"exclude": ["card"]}, when={"in_list": [{"var": "customer.segment"}, "vip"]})
    await shop.create("rule", listed)
    assert "card" not in order((await shop.decide(customer_segment="gold")).decision)
    silver = ListDocument(name="vip", values=("silver",))
    await catalogue.update(shop.actor("ada"), "list", "", "vip", silver, version=None)
    assert "card" in order((await shop.decide(customer_segment="gold")).decision)
    assert "card" not in order((await shop.decide(customer_segment="silver")).decision)
    only = FieldDocument(name="customer.segment", type="string", allowed=("gold",))
    await catalogue.update(shop.actor("ada"), "field", "", "customer.segment", only, version=None)
    assert "card" in order((await shop.decide(customer_segment="silver")).decision)


async def test_second_of_two_editors_gets_a_conflict(shop):
    catalogue = shop.engine.catalogue
    read = await catalogue.get(shop.id, "candidate", PLACEMENT, "card")
    mine, theirs = (msgspec.structs.replace(read.document, label=label) for label in ("Mine", "Theirs"))
    saved = await catalogue.update(shop.actor("ada"), "candidate", PLACEMENT, "card", mine, version=read.version)
    assert saved.version == read.version + 1
    with pytest.raises(Conflict, match="at version 2, not 1") as refused:
        await catalogue.update(shop.actor("bob"), "candidate", PLACEMENT, "card", theirs, version=read.version)
    assert refused.value.field == "version"
    with pytest.raises(Conflict):
        await catalogue.delete(shop.actor("bob"), "candidate", PLACEMENT, "card", version=read.version)
    assert (await catalogue.get(shop.id, "candidate", PLACEMENT, "card")).document == mine
    assert len([item for item in await catalogue.audit(shop.id) if item.actor == "bob"]) == 0


async def test_only_one_of_concurrent_saves_of_a_version_succeeds(shop, start_engine):
    engines = [shop.engine, await start_engine()]
    read = await shop.engine.catalogue.get(shop.id, "candidate", PLACEMENT, "card")

    async def save(number):
        changed = msgspec.structs.replace(read.document, label=f"Card {number}")
        catalogue = engines[number % 2].catalogue
        return await catalogue.update(
            shop.actor(f"e{number}"), "candidate", PLACEMENT, "card", changed, version=read.version
        )

    results = await asyncio.gather(*(save(number) for number in range(6)), return_exceptions=True)
    won = [result for result in results if not isinstance(result, Exception)]
    assert len(won) == 1
    assert all(isinstance(result, Conflict) for result in results if result not in won)
    now = await shop.engine.catalogue.get(shop.id, "candidate", PLACEMENT, "card")
    assert (now.version, now.document) == (2, won[0].document)


async def test_edits_of_different_documents_do_not_conflict(shop):
    before = version_of(shop)
    await asyncio.gather(*(shop.create("rule", rule({"exclude": ["card"]}, id=f"r{n}")) for n in range(6)))
    assert version_of(shop) == before + 6
    plan = shop.engine.live.get(shop.id, PLACEMENT).plan
    assert {item.id for item in plan.rules} == {f"r{n}" for n in range(6)}


async def test_every_answer_follows_its_named_version_during_publishing(shop):
    catalogue, going, answers = shop.engine.catalogue, True, []
    await shop.create("rule", rule({"require": ["card"]}))

    async def decide_until_published():
        while going:
            answers.append(await shop.decide())

    tasks = [asyncio.ensure_future(decide_until_published()) for _ in range(8)]
    for number in range(12):
        only = rule({"require": [METHODS[number % 6]]})
        await catalogue.update(shop.actor("ada"), "rule", PLACEMENT, "r1", only, version=None)
        await asyncio.sleep(0.01)
    going = False
    await asyncio.gather(*tasks)
    assert len({answer.decision.plan_version for answer in answers}) > 3
    allowed = {}
    for answer in answers:
        version = answer.decision.plan_version
        if version not in allowed:
            kept = msgspec.json.decode(await document(shop, version), type=PlanDocument)
            allowed[version] = kept.rules[0].effects[0]["require"]
        assert order(answer.decision) == allowed[version]
        assert not answer.decision.fallback


@SQLITE_FIRST
@pytest.mark.parametrize(
    ("kind", "placement_key", "id", "message"),
    [
        ("field", "", "customer.mood", "'customer.mood' is not a declared fact"),
        ("list", "", "vip", "must be the name of one of the merchant's lists"),
        ("candidate", PLACEMENT, "card", "there would be no candidate “card”"),
    ],
)
async def test_document_used_by_a_rule_is_not_deleted_and_the_rule_is_named(shop, kind, placement_key, id, message):
    await shop.create("field", FieldDocument(name="customer.mood", type="string"))
    await shop.create("list", ListDocument(name="vip", values=("gold",)))
    both = {"or": [{"==": [{"var": "customer.mood"}, "glad"]}, {"in_list": [{"var": "customer.segment"}, "vip"]}]}
    await shop.create("rule", rule({"exclude": ["card"]}, id="needy", name="Needy", when=both))
    before = await row_counts(shop)
    with pytest.raises(Invalid) as refused:
        await shop.engine.catalogue.delete(shop.actor("ada"), kind, placement_key, id, version=None)
    [problem] = refused.value.problems
    assert problem.field.startswith("rule needy of payment_methods/")
    assert message in problem.message
    assert await row_counts(shop) == before
    await shop.engine.catalogue.delete(shop.actor("ada"), "rule", PLACEMENT, "needy", version=None)
    await shop.engine.catalogue.delete(shop.actor("ada"), kind, placement_key, id, version=None)


async def test_a_field_that_makes_buckets_is_not_deleted_nor_made_boundless(shop):
    catalogue = shop.engine.catalogue
    bucketed = placement(buckets=("device.type",))
    await catalogue.update(shop.actor("ada"), "placement", "", PLACEMENT, bucketed, version=None)
    with pytest.raises(Invalid, match=r"device\.type"):
        await catalogue.delete(shop.actor("ada"), "field", "", "device.type", version=None)
    boundless = FieldDocument(name="device.type", type="string")
    with pytest.raises(Invalid, match="allowed"):
        await catalogue.update(shop.actor("ada"), "field", "", "device.type", boundless, version=None)


async def test_deleted_placement_deletes_its_documents(shop):
    await shop.create("rule", rule({"exclude": ["card"]}))
    await shop.engine.catalogue.delete(shop.actor("ada"), "placement", "", PLACEMENT, version=None)
    assert (await shop.engine.catalogue.configuration(shop.id)).inside(PLACEMENT) == []
    with pytest.raises(NotFound, match="no placement"):
        await shop.decide()
    await shop.add_placement()
    assert len(order((await shop.decide()).decision)) == 6


async def test_every_change_is_in_the_audit_log_with_before_and_after(shop):
    catalogue = shop.engine.catalogue
    await shop.create("rule", rule({"exclude": ["card"]}))
    changed = rule({"exclude": ["ideal"]})
    await catalogue.update(shop.actor("ada"), "rule", PLACEMENT, "r1", changed, version=1)
    await catalogue.delete(shop.actor("bob"), "rule", PLACEMENT, "r1", version=2)
    entries = await catalogue.audit(shop.id, narrowed=AuditFilter(subject="rule r1"))
    assert [(entry.actor, entry.action) for entry in entries] == [
        ("bob", "deleted"),
        ("ada", "changed"),
        ("tester", "created"),
    ]
    deleted, altered, created = entries
    assert (created.before, deleted.after) == (None, None)
    assert altered.after == deleted.before
    assert msgspec.json.decode(altered.before, type=RuleDocument).effects == ({"exclude": ["card"]},)
    assert msgspec.json.decode(altered.after, type=RuleDocument) == changed
    pages = await catalogue.audit(shop.id, limit=2)
    older = await catalogue.audit(shop.id, limit=2, before_id=pages[-1].id)
    assert [item.id for item in pages + older] == sorted((item.id for item in pages + older), reverse=True)


async def test_edit_does_not_change_the_test_side_or_other_merchants(shop):
    test_side = await shop.engine.accounts.merchant("shop", "test")
    other, _ = await shop.engine.accounts.add_merchant("other", "Other")
    for other_merchant in (test_side, other):
        assert await shop.engine.catalogue.page(other_merchant.id, "placement") == []
        with pytest.raises(NotFound):
            await shop.engine.catalogue.get(other_merchant.id, "candidate", PLACEMENT, "card")
        with pytest.raises(NotFound):
            await shop.engine.catalogue.delete(
                Actor(other_merchant.id, "eve"), "candidate", PLACEMENT, "card", version=None
            )
        with pytest.raises(NotFound):
            await type(shop)(shop.engine, other_merchant).decide()


async def test_resources_come_in_pages_by_id(shop):
    catalogue = shop.engine.catalogue
    first = await catalogue.page(shop.id, "candidate", PLACEMENT, limit=4)
    rest = await catalogue.page(shop.id, "candidate", PLACEMENT, after=first[-1].id, limit=4)
    assert [item.id for item in first + rest] == sorted(METHODS)
    with pytest.raises(NotFound):
        await catalogue.page(shop.id, "candidate", "nowhere")


async def test_an_id_stays(shop):
    with pytest.raises(EngineError, match="cannot change"):
        await shop.engine.catalogue.update(
            shop.actor("ada"), "placement", "", PLACEMENT, placement(key="other", shape=Ranking()), version=None
        )
