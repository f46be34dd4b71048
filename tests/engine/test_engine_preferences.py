"""Preferences of a customer apply at once, are encrypted, replayed, previewed, and give no credit."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from sqlalchemy import text

from engine.clock import now_ms
from engine.customers.changes import Changer
from engine.decisions import rebuild
from engine.decisions.replay import replay
from engine.model.actor import Actor
from engine.model.documents.preferences import (
    NO_PREFERENCES,
    PreferenceChange,
    PreferenceDefaults,
    Preferences,
    inherited,
    merged,
)
from engine.model.errors import Invalid
from engine.model.facts import PREFERRED, REFUSED
from engine.model.history import AuditFilter
from engine.model.timestamps import DAY
from engine.previews.previews import Period
from engine.store.connection.database import Database
from engine.store.tables import metadata
from tests import factories
from tests.marks import SQLITE_FIRST

pytestmark = pytest.mark.anyio

SERVER = Changer("server", "key 1")


async def say(shop: Any, customer: str = "anna", **fields: Any) -> Any:
    return await shop.engine.preferences.change(shop.id, customer, PreferenceChange(**fields), SERVER)


def order(answer: Any) -> list[str]:
    return [ranked.id for ranked in answer.decision.ranking]


async def rows(database: Database, query: str) -> list[Any]:
    async with database.read() as connection:
        return list((await connection.execute(text(query))).all())


async def logged(shop: Any, answer: Any) -> Any:
    return (await shop.engine.logbook.get(shop.id, answer.decision.decision_id)).row


# Merging


def test_a_change_keeps_what_it_does_not_name():
    before = Preferences(default_method="paypal", language="de", notifications={"email": True, "sms": False})
    after = merged(before, PreferenceChange(language=None, notifications={"sms": None, "push": True}))
    assert after == Preferences(default_method="paypal", notifications={"email": True, "push": True})


def test_null_takes_back_a_whole_object():
    assert merged(Preferences(categories={"size": "M"}), PreferenceChange(categories=None)) == NO_PREFERENCES


def test_defaults_fill_in_field_by_field():
    own = Preferences(language="fr", categories={"size": "M"})
    defaults = PreferenceDefaults(language="de", theme="dark", categories={"size": "L", "gift": True})
    in_force, names = inherited(own, defaults)
    assert in_force == Preferences(language="fr", theme="dark", categories={"size": "M", "gift": True})
    assert names == ["theme", "categories.gift"]


def test_refusal_is_not_overridden_by_a_default():
    own = Preferences(personalization_enabled=False)
    assert inherited(own, PreferenceDefaults(personalization_enabled=True)) == (own, [])


# Decisions


async def test_default_and_favorites_are_first_with_reasons(shop):
    await say(shop, default_method="sepa_debit", favorites=("klarna", "sepa_debit"))
    answer = await shop.decide("anna")
    first, second, *others = answer.decision.ranking
    assert (first.id, first.chance, first.reasons) == ("sepa_debit", 1.0, ["your default method"])
    assert (second.id, second.reasons) == ("klarna", ["one of your favorites"])
    assert all("favorite" not in str(ranked.reasons) for ranked in others)
    assert "your default method" not in str((await shop.decide("ben")).decision.ranking)


async def test_an_excluded_method_is_never_shown(shop):
    await say(shop, excluded=("card", "paypal"))
    for _ in range(20):
        answer = await shop.decide("anna")
        assert not {"card", "paypal"} & set(order(answer))
    reasons = {excluded.id: excluded.reason for excluded in answer.decision.excluded}
    assert reasons["card"] == "excluded by the customer's preferences"


async def test_rule_has_priority_over_a_preference(shop):
    await shop.create("rule", factories.rule({"pin": {"candidate": "card", "slot": 1}}, id="first"))
    await shop.create("rule", factories.rule({"exclude": ["klarna"]}, id="never"))
    await say(shop, default_method="paypal", favorites=("klarna",))
    assert order(await shop.decide("anna"))[:2] == ["card", "paypal"]


async def test_preference_has_priority_over_history(shop):
    for _ in range(9):
        await shop.report(None, "converted", "card", customer="anna")
    await say(shop, default_method="klarna")
    answer = await shop.decide("anna")
    assert order(answer)[0] == "klarna"
    assert "chosen in 9 of this customer's last 9 purchases" in str(answer.decision.ranking)


async def test_change_applies_to_the_next_decision_of_every_process(shop, start_engine):
    other = await start_engine()
    for method in ("paypal", "klarna", "sepa_debit"):
        await say(shop, default_method=method)
        (answer,) = await other.decider.decide(shop.id, ["payment_methods"], "anna", {})
        assert order(answer)[0] == method


async def test_preferences_are_replayed_exactly(shop):
    await say(shop, default_method="paypal", favorites=("klarna",), excluded=("card",))
    answer = await shop.decide("anna", cart_total=100, cart_currency="EUR")
    row = await logged(shop, answer)
    await say(shop, default_method="sepa_debit", excluded=())
    assert (PREFERRED in row.facts, REFUSED in row.facts) == (True, True)
    assert (await replay(shop.engine.database, row)).same


async def test_customer_without_preferences_is_decided_as_before(shop):
    await say(shop, language="de", theme="dark")
    answer = await shop.decide("anna")
    assert not {PREFERRED, REFUSED} & answer.facts.values.keys()


async def test_other_placement_ignores_preferences_about_methods(shop):
    await shop.add_placement(factories.placement(key="content"), *factories.candidates())
    await say(shop, excluded=("card",))
    assert "card" in order(await shop.decide("anna", placement="content"))


@pytest.mark.parametrize("credit", ["choice", "cascade", "position"])
async def test_preferred_candidate_gets_no_credit(empty_shop, credit):
    shop = empty_shop
    await shop.add_placement(factories.placement(credit=credit))
    await say(shop, default_method="paypal")
    before = await shop.counts()
    for _ in range(3):
        await shop.report(await shop.decide("anna"), "converted", "paypal", amount=500)
    await shop.engine.recorder.close_due(now_ms() + 10**9)
    assert await shop.counts() == before
    for table in ("waiting", "lessons", "delays", "arrivals", "minutes"):
        assert await rows(shop.engine.database, f"SELECT * FROM {table}") == [], table
    assert await rebuild.compare(shop.engine.database) == []
    await say(shop, default_method=None)
    assert "chosen in 3 of this customer's last 3 purchases" in str((await shop.decide("anna")).decision.ranking)


@SQLITE_FIRST
async def test_preview_uses_logged_preferences(shop):
    """Anna does not want the card, and Ben wants it first: a rule that pins it changes nothing for them."""
    await say(shop, "anna", excluded=("card",))
    await say(shop, "ben", default_method="card")
    for customer in ("anna", "ben", "clara"):
        for _ in range(6):
            await shop.decide(customer)
    actor, now = shop.actor(), now_ms()
    pinned = factories.rule({"pin": {"candidate": "card", "slot": 1}}, id="draft")
    await shop.engine.drafts.save(actor, "payment_methods", pinned, revision=None)
    preview = await shop.engine.previews.start_draft(actor, "payment_methods", Period(now - DAY, now + DAY, 1000))
    result = (await shop.engine.previews.finish(shop.id, preview.id)).result
    card = next(candidate for candidate in result.position_counts if candidate.id == "card")
    assert (result.read, card.shown[1], card.first[1]) == (18, 12, 12)
    # Ben's answers and Anna's stay as they were, whatever chance did with Clara's.
    assert result.changed <= 6


# Refusing personalization


async def test_opted_out_customer_gets_the_fixed_order_without_a_log(shop):
    await shop.create("rule", factories.rule({"pin": {"candidate": "klarna", "slot": 1}}, id="pinned"))
    await shop.create("rule", factories.rule({"exclude": ["ideal"]}, id="hidden"))
    await say(shop, default_method="paypal", excluded=("card",), personalization_enabled=False)
    kept = [candidate.id for candidate in factories.candidates() if candidate.id not in ("card", "ideal")]
    usage = await counted(shop)
    for _ in range(5):
        answer = await shop.decide("anna")
        assert (order(answer), answer.is_personal, answer.facts.customer) == (kept, False, None)
        assert (await shop.report(answer, "converted", kept[0])).status == "unknown_decision"
    await shop.engine.run_jobs()
    assert await counted(shop) == usage


async def test_opt_in_restores_personalization(shop):
    await say(shop, personalization_enabled=False)
    await say(shop, personalization_enabled=True)
    answer = await shop.decide("anna")
    assert answer.is_personal
    assert await logged(shop, answer)


async def test_a_merchant_may_personalize_only_those_who_opt_in(shop, start_engine):
    actor = Actor(shop.id, "tester")
    await shop.engine.preferences.set_defaults(actor, PreferenceDefaults(personalization_enabled=False))
    other = await start_engine()
    await say(shop, "willing", personalization_enabled=True)
    for engine in (shop.engine, other):
        answers = [
            (await engine.decider.decide(shop.id, ["payment_methods"], customer, {}))[0]
            for customer in ("willing", "anna", None)
        ]
        assert [answer.is_personal for answer in answers] == [True, False, False]
    entries = await shop.engine.catalogue.audit(shop.id, narrowed=AuditFilter(subject="preference defaults"))
    assert [entry.actor for entry in entries] == ["tester"]


async def test_early_fallback_has_no_customer(shop, monkeypatch):
    await say(shop, personalization_enabled=False)

    async def away(*_: Any) -> Any:
        raise RuntimeError("nothing works")

    monkeypatch.setattr(shop.engine.customers, "read", away)
    answer = await shop.decide("anna")
    assert (answer.decision.fallback, answer.facts.customer) == (True, None)


async def test_undecryptable_preferences_count_as_a_refusal(shop):
    await say(shop, default_method="paypal")
    async with shop.engine.database.write() as connection:
        await connection.execute(text(f"UPDATE customer_settings SET sealed = '{'A' * 40}'"))
    answer = await shop.decide("anna")
    assert (answer.is_personal, answer.decision.fallback) == (False, False)


async def counted(shop: Any) -> dict[str, int]:
    """Return how many rows each table has."""
    return {
        name: (await rows(shop.engine.database, f"SELECT count(*) FROM {name}"))[0][0]
        for name in sorted(metadata.tables)
        # The job that fits strengths notes that it ran.
        if name != "fits"
    }


# Stored data


async def test_every_version_is_kept_with_actor_and_time(shop):
    began = now_ms()
    await say(shop, default_method="paypal")
    await say(shop, language="de")
    await shop.engine.preferences.reset(shop.id, "anna", Changer("customer", "the customer's browser"))
    versions = await shop.engine.preferences.versions(shop.id, "anna", limit=10)
    assert [version.version for version in versions] == [3, 2, 1]
    assert [version.changer.source for version in versions] == ["customer", "server", "server"]
    assert versions[0].preferences == NO_PREFERENCES
    assert versions[1].preferences == Preferences(default_method="paypal", language="de")
    assert all(began <= version.changed_at <= now_ms() for version in versions)
    assert await shop.engine.preferences.versions(shop.id, "anna", before=2, limit=10) == versions[2:]


async def test_the_same_again_makes_no_version(shop):
    await say(shop, language="de")
    assert (await say(shop, language="de")).version == 1


async def test_changes_at_the_same_time_all_count(shop, start_engine):
    other = await start_engine()
    services = [shop.engine.preferences, other.preferences]
    names = [f"c{number}" for number in range(12)]
    await asyncio.gather(
        *(
            services[number % 2].change(shop.id, "anna", PreferenceChange(categories={name: True}), SERVER)
            for number, name in enumerate(names)
        )
    )
    in_force = await shop.engine.preferences.get(shop.id, "anna")
    assert (in_force.version, set(in_force.preferences.categories)) == (12, set(names))


async def test_preferences_are_encrypted_in_the_database(shop):
    await say(shop, "anna@example.com", default_method="paypal", categories={"team": "rotweiss"})
    stored = str(
        await rows(shop.engine.database, "SELECT * FROM customer_settings")
        + await rows(shop.engine.database, "SELECT * FROM customer_setting_versions")
    )
    assert not any(word in stored for word in ("anna", "paypal", "rotweiss"))


async def test_preferences_are_separate_for_each_merchant(shop):
    other, _ = await shop.engine.accounts.add_merchant("other", "Other")
    await say(shop, default_method="paypal")
    assert (await shop.engine.preferences.get(other.id, "anna")).version == 0


# Mistakes


@SQLITE_FIRST
@pytest.mark.parametrize(("fields", "field", "words"), [
    ({"default_method": "paypa"}, "default_method", "did you mean paypal?"),
    ({"favorites": ("card", "bitcoin")}, "favorites", "“bitcoin” is not one of your payment methods"),
    ({"excluded": ("nothing",)}, "excluded", "“nothing” is not one of your payment methods"),
    ({"favorites": ("card", "card")}, "favorites", "twice"),
    ({"default_method": "card", "excluded": ("card",)}, "excluded", "also the default method or a favorite"),
    ({"currency": "EUX"}, "currency", "is not a currency"),
])  # fmt: skip
async def test_invalid_preference_is_named_and_not_stored(shop, fields, field, words):
    await say(shop, language="de")
    with pytest.raises(Invalid, match=words) as caught:
        await say(shop, theme="dark", **fields)
    assert caught.value.field == field
    in_force = await shop.engine.preferences.get(shop.id, "anna")
    assert (in_force.version, in_force.preferences) == (1, Preferences(language="de"))


async def test_contradiction_with_stored_preferences_is_refused(shop):
    await say(shop, default_method="card")
    with pytest.raises(Invalid, match="also the default method"):
        await say(shop, excluded=("card",))


async def test_deleted_method_in_preferences_is_ignored(shop):
    await say(shop, default_method="klarna")
    await shop.engine.catalogue.delete(shop.actor(), "candidate", "payment_methods", "klarna", version=None)
    assert "klarna" not in order(await shop.decide("anna"))
    await say(shop, language="de")
