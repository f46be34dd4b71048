"""Emergencies: one person acts alone, says why, and another person gets to see it."""

from __future__ import annotations

import pytest

from engine.clock import now_ms
from engine.configuration import emergencies as emergencies_module
from engine.configuration.emergencies import UNDO_MS
from engine.model.actor import Actor
from engine.model.errors import Conflict, Forbidden, Invalid, NotFound, ReviewRequired
from tests.factories import order

pytestmark = pytest.mark.anyio
PLACEMENT = "payment_methods"


@pytest.fixture
async def reviewed(shop):
    """A shop where a second person must approve changes."""
    await shop.engine.accounts.set_review(shop.merchant, on=True, actor_name="ada@example.com")
    return shop


async def newest_entries(shop, count=1):
    return (await shop.engine.catalogue.audit(shop.id))[:count]


async def test_a_candidate_is_paused_at_once_in_an_emergency(reviewed):
    emergencies, ada = reviewed.engine.emergencies, reviewed.actor("ada@example.com")
    await emergencies.pause(ada, PLACEMENT, "klarna", reason="answers with errors")
    assert "klarna" not in order((await reviewed.decide()).decision)
    [seen] = await emergencies.unseen(reviewed.id)
    assert (seen.action, seen.actor, seen.reason) == ("paused klarna", "ada@example.com", "answers with errors")
    [entry] = await newest_entries(reviewed)
    assert (entry.subject, entry.reason, entry.emergency) == (
        "candidate klarna in payment_methods",
        "answers with errors",
        True,
    )
    with pytest.raises(Conflict):
        await emergencies.pause(ada, PLACEMENT, "klarna", reason="again")


async def test_pause_is_undone_only_by_the_same_person(reviewed):
    emergencies, ada = reviewed.engine.emergencies, reviewed.actor("ada@example.com")
    await emergencies.pause(ada, PLACEMENT, "klarna", reason="the wrong one")
    for actor, id in ((reviewed.actor("ben@example.com"), "klarna"), (ada, "card")):
        with pytest.raises(NotFound):
            await emergencies.undo_pause(actor, PLACEMENT, id)
    await emergencies.undo_pause(ada, PLACEMENT, "klarna")
    assert "klarna" in order((await reviewed.decide()).decision)
    assert [each.action for each in await emergencies.unseen(reviewed.id)] == ["resumed klarna", "paused klarna"]
    [entry] = await newest_entries(reviewed)
    assert (entry.reason, entry.emergency) == ("Undone: the wrong one", True)
    with pytest.raises(Conflict):
        await emergencies.undo_pause(ada, PLACEMENT, "klarna")


async def test_pause_cannot_be_undone_later_or_after_confirmation(reviewed, monkeypatch):
    emergencies, ada = reviewed.engine.emergencies, reviewed.actor("ada@example.com")
    await emergencies.pause(ada, PLACEMENT, "klarna", reason="errors")
    with monkeypatch.context() as patch:
        later = now_ms() + UNDO_MS + 1
        patch.setattr(emergencies_module, "now_ms", lambda: later)
        with pytest.raises(NotFound):
            await emergencies.undo_pause(ada, PLACEMENT, "klarna")
    [pause] = await emergencies.unseen(reviewed.id)
    await emergencies.acknowledge(reviewed.actor("ben@example.com"), pause.id)
    with pytest.raises(NotFound):
        await emergencies.undo_pause(ada, PLACEMENT, "klarna")
    assert "klarna" not in order((await reviewed.decide()).decision)


async def test_an_emergency_needs_a_reason(reviewed):
    ada = reviewed.actor("ada@example.com")
    with pytest.raises(Invalid):
        await reviewed.engine.emergencies.pause(ada, PLACEMENT, "klarna", reason=" ")
    with pytest.raises(Invalid):
        await reviewed.engine.versions.roll_back(ada, PLACEMENT, 1, emergency=True)
    assert await reviewed.engine.emergencies.unseen(reviewed.id) == []


async def test_rollback_under_review_is_an_emergency(reviewed):
    versions, key = reviewed.engine.versions, Actor(reviewed.id, "key CI", on_behalf_of="ada@example.com")
    await reviewed.engine.emergencies.pause(key, PLACEMENT, "klarna", reason="errors")
    now = (await versions.page(reviewed.id, PLACEMENT))[0].version
    with pytest.raises(ReviewRequired, match="emergency"):
        await versions.roll_back(key, PLACEMENT, now - 1)
    await versions.roll_back(key, PLACEMENT, now - 1, reason="paused the wrong one", emergency=True)
    assert "klarna" in order((await reviewed.decide()).decision)
    assert [item.reason for item in await reviewed.engine.emergencies.unseen(reviewed.id)] == [
        "paused the wrong one",
        "errors",
    ]
    entries = await newest_entries(reviewed, 2)
    assert {entry.action for entry in entries} == {"changed", "rolled back"}
    assert all(entry.emergency for entry in entries)


async def test_emergency_is_hidden_after_another_person_confirms_it(reviewed):
    emergencies = reviewed.engine.emergencies
    key = Actor(reviewed.id, "key CI", on_behalf_of="ada@example.com")
    await emergencies.pause(key, PLACEMENT, "klarna", reason="errors")
    [seen] = await emergencies.unseen(reviewed.id)
    with pytest.raises(Forbidden):
        await emergencies.acknowledge(reviewed.actor("ada@example.com"), seen.id)
    assert await emergencies.count_unseen() == 1
    await emergencies.acknowledge(reviewed.actor("bob@example.com"), seen.id)
    assert await emergencies.unseen(reviewed.id) == []
    assert await emergencies.count_unseen() == 0
    with pytest.raises(NotFound):
        await emergencies.acknowledge(reviewed.actor("bob@example.com"), seen.id)


async def test_without_review_a_person_confirms_the_own_emergency(shop):
    ada = shop.actor("ada@example.com")
    await shop.engine.emergencies.pause(ada, PLACEMENT, "klarna", reason="errors")
    [seen] = await shop.engine.emergencies.unseen(shop.id)
    await shop.engine.emergencies.acknowledge(ada, seen.id)
    assert await shop.engine.emergencies.unseen(shop.id) == []
