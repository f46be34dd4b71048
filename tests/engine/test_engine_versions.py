"""Versions of a plan: their differences, and rollback without the loss of later documents."""

from __future__ import annotations

import msgspec
import pytest

from engine.model.actor import Actor
from engine.model.errors import Conflict, Invalid, NotFound
from engine.model.history import AuditFilter
from engine.model.placement import FieldDocument, Fixed, ListDocument
from tests.factories import candidate, order, placement, rule

pytestmark = pytest.mark.anyio
PLACEMENT = "payment_methods"


def version_of(shop):
    return shop.engine.live.get(shop.id, PLACEMENT).plan.version


def plan_of(shop):
    return shop.engine.live.get(shop.id, PLACEMENT).plan.document


async def update(shop, kind, document, placement_key=PLACEMENT):
    id = getattr(document, "id", None) or getattr(document, "key", None) or document.name
    await shop.engine.catalogue.update(shop.actor("ada"), kind, placement_key, id, document, version=None)


async def roll_back(shop, version):
    return await shop.engine.versions.roll_back(shop.actor("ada"), PLACEMENT, version)


async def test_rollback_publishes_a_new_version_and_updates_documents(shop):
    await shop.create("rule", rule({"exclude": ["card"]}))
    good, document = version_of(shop), plan_of(shop)
    await update(shop, "rule", rule({"exclude": ["ideal"]}))
    await update(shop, "candidate", candidate("paypal", label="Other", position=1))
    await update(shop, "placement", placement(policy=Fixed()), "")
    assert await roll_back(shop, good) == good + 4
    answer = await shop.decide()
    assert answer.decision.plan_version == good + 4
    assert "card" not in order(answer.decision)
    assert plan_of(shop) == document
    await shop.create("rule", rule({"exclude": ["klarna"]}, id="next"))
    assert {"card", "klarna"}.isdisjoint(order((await shop.decide()).decision))
    assert plan_of(shop).placement == placement()


async def test_rollback_disables_later_documents(shop):
    first, document = version_of(shop), plan_of(shop)
    await shop.create("rule", rule({"exclude": ["card"]}, id="since"))
    await shop.create("candidate", candidate("giropay"))
    await roll_back(shop, first)
    configuration = await shop.engine.catalogue.configuration(shop.id)
    assert configuration.get("rule", PLACEMENT, "since").document == rule(
        {"exclude": ["card"]}, id="since", enabled=False
    )
    assert not configuration.get("candidate", PLACEMENT, "giropay").document.enabled
    shown = order((await shop.decide()).decision)
    assert "card" in shown
    assert "giropay" not in shown
    assert plan_of(shop).rules == document.rules


async def test_rollback_restores_deleted_documents_with_their_fields_and_lists(shop):
    await shop.create("field", FieldDocument(name="customer.mood", type="string"))
    await shop.create("list", ListDocument(name="vip", values=("gold",)))
    both = {"or": [{"==": [{"var": "customer.mood"}, "glad"]}, {"in_list": [{"var": "customer.segment"}, "vip"]}]}
    await shop.create("rule", rule({"exclude": ["klarna"]}, when=both))
    good = version_of(shop)
    klarna = ("candidate", PLACEMENT, "klarna")
    for kind, index, id in (("rule", PLACEMENT, "r1"), klarna, ("field", "", "customer.mood"), ("list", "", "vip")):
        await shop.engine.catalogue.delete(shop.actor("ada"), kind, index, id, version=None)
    await roll_back(shop, good)
    assert "klarna" not in order((await shop.decide(customer_mood="glad")).decision)
    assert "klarna" in order((await shop.decide(customer_mood="grim")).decision)


async def test_a_rule_that_was_switched_off_then_is_so_again(shop):
    await shop.create("rule", rule({"exclude": ["card"]}, enabled=False))
    then = version_of(shop)
    await update(shop, "rule", rule({"exclude": ["card"]}))
    await roll_back(shop, then)
    assert "card" in order((await shop.decide()).decision)


async def test_draft_over_a_rolled_back_document_is_a_conflict(shop):
    await shop.create("rule", rule({"exclude": ["card"]}))
    good = version_of(shop)
    await update(shop, "rule", rule({"exclude": ["ideal"]}))
    mine = rule({"exclude": ["klarna"]})
    await shop.engine.drafts.save(shop.actor("ada"), PLACEMENT, mine, revision=None)
    await roll_back(shop, good)
    assert [item.id for item in (await shop.engine.drafts.get(shop.id, PLACEMENT)).moved] == ["r1"]


async def test_rollback_is_audited_with_a_reason(shop):
    first = version_of(shop)
    await shop.create("rule", rule({"exclude": ["card"]}))
    await roll_back(shop, first)
    entry = (await shop.engine.catalogue.audit(shop.id, narrowed=AuditFilter(subject="placement")))[0]
    assert (entry.actor, entry.action, entry.after) == ("ada", "rolled back", f'{{"version":{first}}}')
    newest = (await shop.engine.versions.page(shop.id, PLACEMENT))[0]
    assert (newest.published_by, newest.reason) == ("ada", f"Rolled back to version {first}")


async def test_rollback_to_a_missing_or_active_version_is_refused(shop):
    with pytest.raises(Invalid, match="99"):
        await roll_back(shop, 99)
    with pytest.raises(Conflict, match="nothing differs"):
        await roll_back(shop, version_of(shop))
    await shop.engine.catalogue.delete(shop.actor("ada"), "placement", "", PLACEMENT, version=None)
    with pytest.raises(NotFound):
        await roll_back(shop, 1)
    assert shop.engine.live.get(shop.id, PLACEMENT) is None


async def test_two_versions_are_compared_in_words_and_as_documents(shop):
    await shop.create("rule", rule({"exclude": ["card"]}, id="stays"), rule({"exclude": ["ideal"]}, id="goes"))
    old = version_of(shop)
    over = {">": [{"var": "cart.total"}, 50_000]}
    changed = rule({"exclude": ["klarna"]}, id="stays", when=over, priority=7)
    await update(shop, "rule", changed)
    await shop.create(
        "rule", rule({"pin": {"candidate": "paypal", "slot": 1}}, id="comes", active_to="2026-12-01T00:00:00Z")
    )
    await shop.engine.catalogue.delete(shop.actor("ada"), "rule", PLACEMENT, "goes", version=None)
    await update(shop, "candidate", candidate("card", label="Karte", position=0))
    result = await shop.engine.versions.compare(shop.id, PLACEMENT, old, version_of(shop))
    assert [(item.kind, item.id, item.mark) for item in result] == [
        ("rule", "comes", "new"),
        ("rule", "goes", "deleted"),
        ("rule", "stays", "changed"),
        ("candidate", "card", "changed"),
    ]
    comes, goes, stays, card = result
    assert comes.now == "1 is 1 → Paypal is shown first, until 1 Dec 2026 at 00:00 (UTC)"
    assert goes.was == "1 is 1 → Ideal is hidden"
    assert (stays.was, stays.now) == ("1 is 1 → Card is hidden", "Cart total is over EUR 500.00 → Klarna is hidden")
    assert [(detail.field, detail.before, detail.after) for detail in stays.details] == [("priority", 0, 7)]
    assert [(detail.field, detail.before, detail.after) for detail in card.details] == [("label", "Card", "Karte")]
    assert stays.after == changed
    assert msgspec.json.decode(msgspec.json.encode(stays))["after"]["priority"] == 7
    backwards = await shop.engine.versions.compare(shop.id, PLACEMENT, version_of(shop), old)
    assert [backward.mark for backward in backwards] == ["deleted", "new", "changed", "changed"]


async def test_versions_of_other_merchants_are_not_found(shop):
    other, _ = await shop.engine.accounts.add_merchant("other", "Other")
    with pytest.raises(NotFound):
        await shop.engine.versions.page(other.id, PLACEMENT)
    with pytest.raises(NotFound):
        await shop.engine.versions.document(other.id, PLACEMENT, 1)
    with pytest.raises(NotFound):
        await shop.engine.versions.roll_back(Actor(other.id, "eve"), PLACEMENT, 1)
