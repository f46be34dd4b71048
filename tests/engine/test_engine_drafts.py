"""Drafts: rules are changed together, reviewed and published, and of two who edit at once neither loses anything."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from engine.clock import now_ms
from engine.configuration.drafts import ChangedMeanwhile
from engine.model.errors import Conflict, Invalid, NotFound, Stale
from tests.draft_editor import HIDE_CARD, PLACEMENT, DraftEditor, version_of
from tests.factories import order, rule

pytestmark = pytest.mark.anyio


@pytest.fixture
def ada(shop):
    return DraftEditor(shop, "ada@example.com")


@pytest.fixture
def bob(shop):
    return DraftEditor(shop, "bob@example.com")


async def test_a_draft_changes_nothing_until_it_is_published(shop, ada):
    await shop.create("rule", rule({"exclude": ["ideal"]}, id="old"), rule({"exclude": ["paypal"]}, id="going"))
    before = version_of(shop)
    await ada.save(HIDE_CARD)
    await ada.save(rule({"exclude": ["klarna"]}, id="old"))
    await ada.remove("going")
    assert await ada.marks() == {"r1": "new", "old": "changed", "going": "deleted"}
    assert {"card", "klarna"} <= set(order((await shop.decide()).decision))
    version = await ada.publish("spring cleaning")
    assert (version_of(shop), version) == (before + 1, before + 1)
    shown = set(order((await shop.decide()).decision))
    assert shown == {"ideal", "paypal", "sepa_debit", "apple_pay"}
    assert await ada.marks() == {"r1": "live", "old": "live"}
    newest = (await shop.engine.versions.page(shop.id, PLACEMENT))[0]
    assert (newest.published_by, newest.reason) == ("ada@example.com", "spring cleaning")


async def test_plan_of_an_unpublished_draft_is_returned(shop, ada):
    await shop.create("rule", rule({"exclude": ["ideal"]}, id="going"))
    await ada.save(HIDE_CARD)
    await ada.save(rule({"exclude": ["klarna"]}, id="off", enabled=False))
    await ada.remove("going")
    _, document = await shop.engine.drafts.plan(shop.id, PLACEMENT)
    assert [item.id for item in document.rules] == ["r1"]
    await ada.publish()
    assert document == shop.engine.live.get(shop.id, PLACEMENT).plan.document


async def test_second_editor_of_a_rule_gets_the_first_editors_version(shop, ada, bob):
    await shop.create("rule", HIDE_CARD)
    seen = await shop.engine.drafts.rule(shop.id, PLACEMENT, "r1")
    mine, theirs = (msgspec.structs.replace(HIDE_CARD, name=name) for name in ("Mine", "Theirs"))
    saved = await ada.save(mine, seen.revision)
    with pytest.raises(ChangedMeanwhile) as refused:
        await bob.save(theirs, seen.revision)
    assert refused.value.current == saved
    assert refused.value.current.after == mine
    assert refused.value.current.changed_by == "ada@example.com"
    with pytest.raises(ChangedMeanwhile):
        await bob.remove("r1", seen.revision)
    assert (await bob.save(theirs, refused.value.current.revision)).after == theirs


async def test_revision_is_not_reused_after_discarding(shop, ada, bob):
    await shop.create("rule", HIDE_CARD)
    first = await ada.save(msgspec.structs.replace(HIDE_CARD, name="First"))
    await shop.engine.drafts.discard(shop.actor("ada"), PLACEMENT, ["r1"], revision=None)
    second = await ada.save(msgspec.structs.replace(HIDE_CARD, name="Second"))
    assert second.revision != first.revision
    with pytest.raises(ChangedMeanwhile):
        await bob.save(HIDE_CARD, first.revision)


async def test_editor_gets_a_conflict_if_the_rule_was_published_again(shop, ada):
    await shop.create("rule", HIDE_CARD)
    seen = await shop.engine.drafts.rule(shop.id, PLACEMENT, "r1")
    theirs = msgspec.structs.replace(HIDE_CARD, name="Published meanwhile")
    await shop.engine.catalogue.update(shop.actor("key"), "rule", PLACEMENT, "r1", theirs, version=1)
    with pytest.raises(ChangedMeanwhile) as refused:
        await ada.save(msgspec.structs.replace(HIDE_CARD, name="Mine"), seen.revision)
    assert refused.value.current.after == theirs


async def test_only_one_of_concurrent_saves_of_a_revision_succeeds(shop, start_engine):
    await shop.create("rule", HIDE_CARD)
    engines = [shop.engine, await start_engine()]
    seen = await shop.engine.drafts.rule(shop.id, PLACEMENT, "r1")

    async def save(number):
        changed = msgspec.structs.replace(HIDE_CARD, name=f"Rule {number}")
        return await engines[number % 2].drafts.save(
            shop.actor(f"e{number}"), PLACEMENT, changed, revision=seen.revision
        )

    results = await asyncio.gather(*(save(number) for number in range(6)), return_exceptions=True)
    won = [result for result in results if not isinstance(result, Exception)]
    assert len(won) == 1
    assert all(result.current == won[0] for result in results if isinstance(result, ChangedMeanwhile))
    assert sum(isinstance(result, ChangedMeanwhile) for result in results) == 5


async def test_conflicting_draft_is_not_published_until_resolved(shop, ada, bob):
    await shop.create("rule", HIDE_CARD, rule({"exclude": ["ideal"]}, id="r2"))
    await ada.save(msgspec.structs.replace(HIDE_CARD, name="Mine"))
    await ada.remove("r2")
    catalogue = shop.engine.catalogue
    theirs = msgspec.structs.replace(HIDE_CARD, name="Theirs")
    await catalogue.update(shop.actor("key"), "rule", PLACEMENT, "r1", theirs, version=None)
    await catalogue.update(
        shop.actor("key"), "rule", PLACEMENT, "r2", rule({"exclude": ["klarna"]}, id="r2"), version=None
    )
    assert [item.id for item in (await ada.draft()).moved] == ["r1", "r2"]
    before = version_of(shop)
    with pytest.raises(Stale, match="r1"):
        await ada.publish()
    assert version_of(shop) == before
    await shop.engine.drafts.discard(shop.actor("ada"), PLACEMENT, ["r2"], revision=None)
    kept = await shop.engine.drafts.keep(shop.actor("ada"), PLACEMENT, "r1", revision=None)
    assert (kept.moved, kept.before.name, kept.after.name) == (False, "Theirs", "Mine")
    await ada.publish()
    configuration = await catalogue.configuration(shop.id)
    assert configuration.get("rule", PLACEMENT, "r1").document.name == "Mine"
    assert configuration.get("rule", PLACEMENT, "r2").document.effects == ({"exclude": ["klarna"]},)


async def test_invalid_rule_is_not_added_to_a_draft(shop, ada):
    with pytest.raises(Invalid, match="bitcoin"):
        await ada.save(rule({"exclude": ["bitcoin"]}))
    with pytest.raises(Invalid, match="frobnicate"):
        await ada.save(rule({"exclude": ["card"]}, when={"frobnicate": [1]}))
    with pytest.raises(NotFound):
        await ada.remove("r1")
    with pytest.raises(NotFound):
        await shop.engine.drafts.get(shop.id, "nowhere")
    assert (await ada.draft()).rules == ()
    with pytest.raises(Conflict, match="changes nothing"):
        await ada.publish()


async def test_draft_broken_by_other_changes_is_refused_with_its_rule(shop, ada):
    await ada.save(HIDE_CARD)
    await shop.engine.catalogue.delete(shop.actor("key"), "candidate", PLACEMENT, "card", version=None)
    with pytest.raises(Invalid, match="card"):
        await ada.publish()
    assert await ada.marks() == {"r1": "new"}


async def test_rule_restored_to_its_published_state_is_no_change(shop, ada):
    await shop.create("rule", HIDE_CARD)
    await ada.save(msgspec.structs.replace(HIDE_CARD, name="Other"))
    await ada.save(HIDE_CARD)
    assert await ada.marks() == {"r1": "live"}


async def test_replacing_1_by_true_is_a_change(shop, ada):
    await shop.create("rule", rule({"set": {"name": "show_cvv", "value": 1}}))
    await ada.save(rule({"set": {"name": "show_cvv", "value": True}}))
    assert await ada.marks() == {"r1": "changed"}


async def test_discarded_changes_can_be_restored(shop, ada):
    await shop.create("rule", HIDE_CARD, rule({"exclude": ["ideal"]}, id="r2"))
    await ada.save(msgspec.structs.replace(HIDE_CARD, name="Mine"))
    await ada.remove("r2")
    entry = await shop.engine.drafts.discard(shop.actor("ada"), PLACEMENT, revision=None)
    assert await ada.marks() == {"r1": "live", "r2": "live"}
    await ada.save(msgspec.structs.replace(HIDE_CARD, name="Since"))
    assert await shop.engine.drafts.bring_back(shop.actor("ada"), PLACEMENT, entry) == 1
    draft = await ada.draft()
    assert {item.id: (item.mark, item.shown.name) for item in draft.rules} == {
        "r1": ("changed", "Since"),
        "r2": ("deleted", "The rule"),
    }
    assert await shop.engine.drafts.discard(shop.actor("ada"), PLACEMENT, ["nothing"], revision=None) is None


async def test_rules_are_put_in_another_order_with_few_changes(shop, ada):
    await shop.create("rule", *(rule({"exclude": ["card"]}, id=f"r{n}", priority=100 - 10 * n) for n in range(6)))
    draft = await ada.draft()
    expected = ["r0", "r5", "r1", "r2", "r3", "r4"]
    draft = await shop.engine.drafts.reorder(shop.actor("ada"), PLACEMENT, expected, revision=draft.head.revision)
    assert [item.id for item in draft.rules] == expected
    assert [change.id for change in draft.changes] == ["r5"]
    with pytest.raises(Conflict):
        await shop.engine.drafts.reorder(shop.actor("ada"), PLACEMENT, expected[1:], revision=None)


async def test_complete_rule_set_replaces_another(shop, ada):
    await shop.create("rule", HIDE_CARD, rule({"exclude": ["ideal"]}, id="r2"), rule({"exclude": ["paypal"]}, id="r3"))
    expected = [HIDE_CARD, rule({"exclude": ["klarna"]}, id="r3"), rule({"exclude": ["apple_pay"]}, id="r4")]
    draft = await shop.engine.drafts.replace(shop.actor("ci"), PLACEMENT, expected, revision=None)
    assert {item.id: item.mark for item in draft.rules} == {"r1": "live", "r2": "deleted", "r3": "changed", "r4": "new"}
    with pytest.raises(Stale):
        await shop.engine.drafts.replace(shop.actor("ci"), PLACEMENT, expected, revision=draft.head.revision - 1)
    with pytest.raises(Invalid) as refused:
        await shop.engine.drafts.replace(
            shop.actor("ci"), PLACEMENT, [HIDE_CARD, rule({"exclude": ["bitcoin"]}, id="r9")], revision=None
        )
    assert refused.value.problems[0].field == "1/effects/0"


async def test_scheduled_draft_is_published_once_by_many_processes(shop, ada, start_engine):
    other, moment = await start_engine(), now_ms() + 60_000
    await ada.save(HIDE_CARD)
    before = version_of(shop)
    await ada.release("schedule", reason="black friday", publish_at=moment)
    with pytest.raises(Invalid, match="future"):
        await ada.release("schedule", reason="", publish_at=now_ms() - 1)
    await shop.engine.releases.publish_due(moment - 1)
    assert version_of(shop) == before
    await asyncio.gather(*(item.releases.publish_due(moment) for item in (shop.engine, other)))
    await shop.engine.follow()
    assert version_of(shop) == before + 1
    newest = (await shop.engine.versions.page(shop.id, PLACEMENT))[0]
    assert (newest.version, newest.published_by, newest.reason) == (before + 1, "ada@example.com", "black friday")
    assert (await ada.draft()).head.problem == ""


async def test_failed_scheduled_draft_has_a_reason_and_is_not_retried(shop, ada):
    await shop.create("rule", HIDE_CARD)
    await ada.save(msgspec.structs.replace(HIDE_CARD, name="Mine"))
    moment = now_ms() + 60_000
    await ada.release("schedule", reason="", publish_at=moment)
    theirs = msgspec.structs.replace(HIDE_CARD, name="Theirs")
    await shop.engine.catalogue.update(shop.actor("key"), "rule", PLACEMENT, "r1", theirs, version=None)
    await shop.engine.releases.publish_due(moment)
    draft = await ada.draft()
    assert draft.head.publish_at is None
    assert "r1" in draft.head.problem
    assert await ada.marks() == {"r1": "changed"}


async def test_change_cancels_the_schedule_of_a_draft(shop, ada):
    await ada.save(HIDE_CARD)
    await ada.release("schedule", reason="", publish_at=now_ms() + 60_000)
    await ada.save(rule({"exclude": ["ideal"]}, id="r2"))
    assert (await ada.draft()).head.publish_at is None


async def test_drafts_of_other_merchants_are_not_found(shop, ada):
    await ada.save(HIDE_CARD)
    other, _ = await shop.engine.accounts.add_merchant("other", "Other")
    with pytest.raises(NotFound):
        await shop.engine.drafts.get(other.id, PLACEMENT)
    await type(shop)(shop.engine, other).add_placement()
    assert (await shop.engine.drafts.get(other.id, PLACEMENT)).rules == ()
