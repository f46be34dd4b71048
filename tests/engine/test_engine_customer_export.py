"""An export has everything of its customer, and nothing of others; a look-up is audited first."""

from __future__ import annotations

from typing import Any

import pytest

from engine.customers import export
from engine.customers.changes import Changer
from engine.customers.requests import DAYS_TO_ANSWER
from engine.model.actor import Actor
from engine.model.documents.consent import ConsentRecord
from engine.model.documents.preferences import PreferenceChange
from engine.model.errors import Conflict, Invalid, NotFound
from engine.model.history import AuditFilter
from engine.model.timestamps import DAY

pytestmark = pytest.mark.anyio

SERVER = Changer("server", "key 1")


async def sections_of(shop: Any, customer: str = "anna") -> dict[str, Any]:
    return {section.name: section.rows for section in await shop.engine.customer_export.sections(shop.id, customer)}


async def shop_around(shop: Any, customer: str, *, times: int = 2) -> list[str]:
    """Decide and buy; return the ids of the decisions, the newest first."""
    ids = []
    for _ in range(times):
        answer = await shop.decide(customer, cart_total=4_900, cart_currency="EUR")
        await shop.report(answer, "converted", answer.decision.ranking[0].id, amount=4_900)
        ids.append(answer.decision.decision_id)
    return ids[::-1]


async def test_export_contains_all_of_many_decisions(shop, monkeypatch):
    monkeypatch.setattr(export, "PAGE", 3)
    ids = await shop_around(shop, "anna", times=8)
    await shop_around(shop, "ben")
    rows = await sections_of(shop)
    assert sorted(row["decision_id"] for row in rows["decisions"]) == sorted(ids)
    assert len(rows["outcomes"]) == 8
    assert sum(row["successes"] for row in rows["history"]) == 8


async def test_export_contains_derived_data(shop):
    await shop_around(shop, "anna", times=3)
    (row, *_) = (await sections_of(shop))["affinities"]
    assert row["placement"] == "payment_methods"
    assert row["weighted_trials"] > 0
    decision = (await sections_of(shop))["decisions"][0]
    assert len(decision["chances"].split()) == len(decision["scores"].split()) == len(decision["order"].split())


async def test_export_contains_preferences_with_their_history(shop):
    await shop.engine.preferences.change(shop.id, "anna", PreferenceChange(favorites=("card",)), SERVER)
    record = ConsentRecord(method="save", purposes={"analytics": False}, served_at="/checkout")
    await shop.engine.consents.record(shop.id, "anna", record, SERVER)
    rows = await sections_of(shop)
    assert rows["preferences"][0]["favorites"] == '["card"]'
    assert rows["consents"] == [{"purpose": "analytics", "accepted": False}]
    assert "/checkout" in rows["consent_history"][0]["content"]
    assert [row["version"] for row in rows["preference_versions"]] == [1, 2]


async def test_export_contains_no_hash_and_no_other_merchant(shop):
    other, _ = await shop.engine.accounts.add_merchant("other", "Other")
    await shop_around(shop, "anna")
    assert shop.engine.hasher(shop.id, "anna") not in str(await sections_of(shop))
    assert all(
        not section.rows or section.name == "preferences"
        for section in await shop.engine.customer_export.sections(other.id, "anna")
    )


async def test_a_look_up_is_audited_with_its_reason(shop):
    actor = Actor(shop.id, "anna@team.example")
    stored = await shop.engine.customer_look_up.read(actor, "anna", reason="a call")
    assert (stored.preferences.version, stored.consent.personalized) == (0, True)
    (entry,) = await shop.engine.catalogue.audit(shop.id, narrowed=AuditFilter(subject="a customer"))
    assert (entry.actor, entry.action, entry.reason) == ("anna@team.example", "looked up", "a call")


async def test_requests_are_due_in_a_month_and_closed_once(shop):
    register, actor = shop.engine.privacy_requests, shop.actor()
    first = await register.take_in(actor, "anna", "correct")
    assert first.due_at - first.received_at == DAYS_TO_ANSWER * DAY
    assert (await register.take_in(actor, "anna", "correct")).id == first.id
    with pytest.raises(Invalid, match="must say why"):
        await register.close(actor, first.id, "refused", explanation=" ")
    assert (await register.close(actor, first.id, "done")).closed_by == "tester"
    with pytest.raises(Conflict, match="closed already"):
        await register.close(actor, first.id, "done")
    with pytest.raises(NotFound):
        await register.close(Actor(shop.id + 1, "other"), first.id, "done")
    second = await register.take_in(actor, "anna", "correct")
    assert [row.id for row in await register.newest(shop.id, limit=10)] == [second.id, first.id]
