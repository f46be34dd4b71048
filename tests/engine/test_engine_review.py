"""Review by a second person: all changes of decisions go through a draft, and authors do not approve."""

from __future__ import annotations

import msgspec
import pytest

from engine.model.actor import Actor
from engine.model.errors import Conflict, Forbidden, Invalid, ReviewRequired, Stale
from engine.model.history import AuditFilter
from engine.model.placement import Expectation, FieldDocument, Fixed, ListDocument, Scenario
from tests.draft_editor import HIDE_CARD, PLACEMENT, DraftEditor, enable_review, version_of
from tests.factories import candidate, order, placement, rule

pytestmark = pytest.mark.anyio


@pytest.fixture
def ada(shop):
    return DraftEditor(shop, "ada@example.com")


@pytest.fixture
def bob(shop):
    return DraftEditor(shop, "bob@example.com")


async def test_with_review_no_person_publishes_alone(shop, ada, bob):
    await enable_review(shop)
    with pytest.raises(ReviewRequired):
        await shop.create("rule", HIDE_CARD)
    await ada.save(HIDE_CARD)
    with pytest.raises(ReviewRequired):
        await ada.publish()
    with pytest.raises(Conflict, match="not in review"):
        await bob.release("approve")
    await ada.release("ask", reason="no cards in spring")
    with pytest.raises(ReviewRequired):
        await bob.publish()
    with pytest.raises(Forbidden, match="another person"):
        await ada.release("approve")
    await bob.release("approve")
    await ada.publish(reason="")
    assert "card" not in order((await shop.decide()).decision)
    assert (await shop.engine.versions.page(shop.id, PLACEMENT))[0].reason == "no cards in spring"
    sentence = [
        (item.actor, item.action)
        for item in await shop.engine.catalogue.audit(shop.id, narrowed=AuditFilter(subject=f"draft {PLACEMENT}"))
    ]
    assert sentence == [
        ("ada@example.com", "published"),
        ("bob@example.com", "approved"),
        ("ada@example.com", "asked for review"),
    ]


async def test_approval_covers_exactly_the_published_changes(shop, ada, bob):
    await enable_review(shop)
    await ada.save(HIDE_CARD)
    await ada.release("ask", reason="")
    seen = (await bob.draft()).head.revision
    await ada.save(rule({"exclude": ["klarna"]}, id="sneaked-in"))
    with pytest.raises(Stale):
        await bob.release("approve", revision=seen)
    await ada.release("ask", reason="")
    await bob.release("approve")
    await ada.save(rule({"exclude": ["ideal"]}, id="sneaked-in-later"))
    assert (await ada.draft()).head.state == "open"
    with pytest.raises(ReviewRequired):
        await ada.publish()


async def test_with_review_all_changes_go_through_the_draft(shop):
    await shop.create("rule", HIDE_CARD)
    await shop.create("list", ListDocument(name="vip", values=("a",)), placement="")
    await enable_review(shop)
    catalogue, key = shop.engine.catalogue, shop.actor("key")
    before = version_of(shop)
    plan = shop.engine.live.get(shop.id, PLACEMENT).plan.document
    klarna = next(each for each in plan.candidates if each.id == "klarna")
    replace = msgspec.structs.replace
    attempts = [
        catalogue.update(key, "candidate", PLACEMENT, "klarna", replace(klarna, enabled=False), version=None),
        catalogue.create(key, "candidate", PLACEMENT, [replace(klarna, id="new")]),
        catalogue.delete(key, "candidate", PLACEMENT, "ideal", version=None),
        catalogue.reorder(key, PLACEMENT, [each.id for each in reversed(plan.candidates)]),
        catalogue.update(key, "placement", "", PLACEMENT, replace(plan.placement, name="Other"), version=None),
        catalogue.delete(key, "placement", "", PLACEMENT, version=None),
        catalogue.delete(key, "rule", PLACEMENT, "r1", version=None),
        catalogue.create(key, "field", "", [FieldDocument(name="cart.weight", type="number")]),
        catalogue.update(key, "list", "", "vip", ListDocument(name="vip", values=("b",)), version=None),
        shop.engine.versions.roll_back(key, PLACEMENT, 1),
    ]
    for attempt in attempts:
        with pytest.raises(ReviewRequired):
            await attempt
    assert version_of(shop) == before


async def test_with_review_an_empty_placement_is_created_and_deleted(shop):
    await enable_review(shop)
    catalogue, key = shop.engine.catalogue, shop.actor("key")
    await catalogue.create(key, "placement", "", [placement(key="offers")])
    with pytest.raises(ReviewRequired):
        await catalogue.create(key, "candidate", "offers", [candidate("ten_percent")])
    await catalogue.delete(key, "placement", "", "offers", version=None)


async def test_draft_contains_candidates_settings_fields_and_lists(shop, ada, bob):
    await shop.create("list", ListDocument(name="vip", values=("a",)), placement="")
    await enable_review(shop)
    plan = shop.engine.live.get(shop.id, PLACEMENT).plan.document
    klarna = next(each for each in plan.candidates if each.id == "klarna")
    replace = msgspec.structs.replace
    await ada.save(replace(klarna, enabled=False))
    await ada.save(candidate("twint"), 0)
    await shop.engine.drafts.remove(shop.actor("ada@example.com"), PLACEMENT, "ideal", revision=None, kind="candidate")
    await ada.save(replace(plan.placement, policy=Fixed()))
    await ada.save(FieldDocument(name="cart.weight", type="number"))
    await ada.save(ListDocument(name="vip", values=("b",)))
    await ada.save(rule({"exclude": ["card"]}, when={">": [{"var": "cart.weight"}, 5]}))
    draft = await ada.draft()
    assert [(item.kind, item.id, item.mark) for item in draft.changes] == [
        ("rule", "r1", "new"),
        ("candidate", "ideal", "deleted"),
        ("candidate", "klarna", "changed"),
        ("candidate", "twint", "new"),
        ("placement", PLACEMENT, "changed"),
        ("field", "cart.weight", "new"),
        ("list", "vip", "changed"),
    ]
    assert "klarna" in order((await shop.decide()).decision)
    await ada.release("ask", reason="")
    await bob.release("approve")
    await bob.publish()
    assert (await ada.draft()).changes == ()
    shown = order((await shop.decide(cart_weight=9)).decision)
    assert {"klarna", "ideal", "card"}.isdisjoint(shown)
    assert "twint" in shown
    assert shop.engine.live.get(shop.id, PLACEMENT).plan.document.placement.policy == Fixed()


async def test_candidates_are_put_in_order_in_a_draft(shop, ada):
    ids = [each.id for each in shop.engine.live.get(shop.id, PLACEMENT).plan.document.candidates]
    actor, drafts = shop.actor("ada@example.com"), shop.engine.drafts
    draft = await drafts.reorder_candidates(actor, PLACEMENT, [*ids[1:], ids[0]], revision=None)
    assert set(draft.of_kind("candidate")) == set(ids)
    assert (await drafts.reorder_candidates(actor, PLACEMENT, ids, revision=None)).changes == ()
    with pytest.raises(Conflict):
        await drafts.reorder_candidates(actor, PLACEMENT, ids[1:], revision=None)


async def test_a_draft_refuses_scenarios_and_other_placements(shop, ada):
    plan = shop.engine.live.get(shop.id, PLACEMENT).plan.document
    with pytest.raises(Conflict):
        await ada.save(Scenario(id="s", name="S", context={}, expect=Expectation()))
    with pytest.raises(Invalid):
        await ada.save(msgspec.structs.replace(plan.placement, key="other"))
    with pytest.raises(Conflict):
        await shop.engine.drafts.remove(shop.actor("ada"), PLACEMENT, PLACEMENT, revision=None, kind="placement")


async def approval(shop, person, reason="another person"):
    """Expect that this person may not approve."""
    with pytest.raises(Forbidden, match=reason):
        await person.release("approve")
    assert (await person.draft()).head.state == "in_review"


async def test_author_cannot_approve_a_review_requested_by_another(shop, ada, bob):
    await enable_review(shop)
    await ada.save(HIDE_CARD)
    await bob.release("ask", reason="")
    await approval(shop, ada)


async def test_an_earlier_author_of_a_change_does_not_approve_it(shop, ada, bob):
    cyd = DraftEditor(shop, "cyd@example.com")
    await enable_review(shop)
    await ada.save(HIDE_CARD)
    await bob.save(msgspec.structs.replace(HIDE_CARD, name="Better"))
    assert (await ada.draft()).changes[0].authors == ("ada@example.com", "bob@example.com")
    await cyd.release("ask", reason="")
    for author in (ada, bob, cyd):
        await approval(shop, author)
    await DraftEditor(shop, "dan@example.com").release("approve")


async def test_discarding_and_restoring_a_change_keeps_its_authors(shop, ada, bob):
    await shop.create("rule", HIDE_CARD)
    await ada.save(msgspec.structs.replace(HIDE_CARD, name="Mine"))
    await shop.engine.catalogue.update(
        shop.actor("key"), "rule", PLACEMENT, "r1", msgspec.structs.replace(HIDE_CARD, name="Theirs"), version=None
    )
    await enable_review(shop)
    drafts = shop.engine.drafts
    await drafts.keep(shop.actor("bob@example.com"), PLACEMENT, "r1", revision=None)
    entry = await drafts.discard(shop.actor("bob@example.com"), PLACEMENT, revision=None)
    await drafts.bring_back(shop.actor("cyd@example.com"), PLACEMENT, entry)
    assert (await ada.draft()).authors == {"ada@example.com", "bob@example.com", "cyd@example.com"}


async def test_key_edits_and_requests_review_for_its_creator(shop, ada, bob):
    await enable_review(shop)
    key = Actor(shop.id, "key CI (key_1)", on_behalf_of="ada@example.com")
    await shop.engine.drafts.save(key, PLACEMENT, HIDE_CARD, revision=None)
    revision = (await ada.draft()).head.revision
    await shop.engine.releases.ask(key, PLACEMENT, revision=revision, reason="")
    await approval(shop, ada)
    with pytest.raises(Forbidden, match="another person"):
        await shop.engine.releases.approve(key, PLACEMENT, revision=revision)
    await bob.release("approve")


async def test_key_without_a_creator_edits_and_a_person_requests_review(shop, ada, bob):
    await enable_review(shop)
    key = Actor(shop.id, "key old (key_1)", on_behalf_of="")
    await shop.engine.drafts.save(key, PLACEMENT, HIDE_CARD, revision=None)
    with pytest.raises(Forbidden, match="a person must request"):
        await shop.engine.releases.ask(key, PLACEMENT, revision=(await ada.draft()).head.revision, reason="")
    await ada.release("ask", reason="")
    with pytest.raises(Forbidden):
        await shop.engine.releases.approve(key, PLACEMENT, revision=(await ada.draft()).head.revision)
    await approval(shop, ada)
    await bob.release("approve")
