"""Consent is a history that nothing overwrites, and facts for refused purposes are neither used nor stored."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from engine.clock import now_ms
from engine.customers.changes import Changer
from engine.decisions.replay import replay
from engine.model.documents.consent import (
    AssumedPurpose,
    ConsentNotice,
    ConsentPolicy,
    ConsentRecord,
    purposes_of,
    refused_purposes,
)
from engine.model.documents.preferences import PreferenceChange
from engine.model.errors import Invalid
from engine.model.placement import Contextual, FieldDocument
from tests import factories
from tests.marks import SQLITE_FIRST

pytestmark = pytest.mark.anyio

BROWSER = Changer("customer", "the customer's browser")
FIELDS = (
    FieldDocument(name="customer.age", type="integer", purpose="analytics"),
    FieldDocument(name="customer.mood", type="string", purpose="mood study", allowed=("good", "bad")),
    FieldDocument(name="customer.plan", type="string"),
)
FACTS: dict[str, Any] = {"customer_age": 41, "customer_mood": "good", "customer_plan": "gold", "cart_total": 5000}


@pytest.fixture
async def consent_shop(shop: Any) -> Any:
    """The shop, with facts for purposes of their own."""
    await shop.create("field", *FIELDS)
    return shop


async def record_consents(shop: Any, customer: str = "anna", *, method: Any = "save", **purposes: bool) -> Any:
    record = ConsentRecord(method=method, purposes={name.replace("_", " "): value for name, value in purposes.items()})
    return await shop.engine.consents.record(shop.id, customer, record, BROWSER)


def states(in_force: Any) -> dict[str, tuple[str, bool]]:
    return {state.purpose: (state.state, state.allowed) for state in in_force.purposes}


async def stored(shop: Any) -> str:
    """Return everything that the database holds, compressed records of decisions decoded."""
    engine, parts = shop.engine, []
    async with engine.database.read() as connection:
        for table in ("outcomes", "usage", "lessons", "statistics", "field_days", "experiment_exposures"):
            parts += [str(row) for row in await connection.execute(text(f"SELECT * FROM {table}"))]
    for row in await engine.logbook.search(shop.id, limit=200):
        parts.append(str(row))
    return "\n".join(parts)


# Active consents


def test_purposes_are_the_standard_ones_and_those_of_facts():
    names = purposes_of(field.purpose for field in FIELDS)
    assert names == ["personalization", "analytics", "cross_merchant", "mood study"]


def test_silence_counts_as_the_merchant_assumes():
    policy = ConsentPolicy(purposes={"analytics": AssumedPurpose(allowed=False), "mood study": AssumedPurpose()})
    assert refused_purposes({}, policy) == {"analytics"}
    assert refused_purposes({"analytics": True, "mood study": False}, policy) == {"mood study"}


async def test_each_purpose_has_a_state(consent_shop):
    in_force = await record_consents(consent_shop, analytics=True, mood_study=False)
    assert states(in_force) == {
        "personalization": ("unknown", True),
        "analytics": ("accepted", True),
        "cross_merchant": ("unknown", True),
        "mood study": ("refused", False),
    }


async def test_buttons_are_about_all_purposes(consent_shop):
    assert {allowed for _, allowed in states(await record_consents(consent_shop, method="reject")).values()} == {False}
    assert {state for state, _ in states(await record_consents(consent_shop, method="accept")).values()} == {"accepted"}
    assert {state for state, _ in states(await record_consents(consent_shop, method="gpc")).values()} == {"refused"}


async def test_closing_the_prompt_keeps_consents(consent_shop):
    before = await record_consents(consent_shop, analytics=False)
    after = await record_consents(consent_shop, method="dismiss")
    assert (states(after), after.version) == (states(before), 2)
    history = await consent_shop.engine.consents.history(consent_shop.id, "anna", limit=10)
    assert [entry.record.method for entry in history] == ["dismiss", "save"]


async def test_the_history_keeps_method_notice_and_address(consent_shop):
    began = now_ms()
    record = ConsentRecord(
        method="save",
        purposes={"analytics": True},
        notice=ConsentNotice(version="7", text="May we count?"),
        served_at="https://shop.example/checkout",
    )
    await consent_shop.engine.consents.record(consent_shop.id, "anna", record, BROWSER)
    await record_consents(consent_shop, analytics=True)
    newest, first = await consent_shop.engine.consents.history(consent_shop.id, "anna", limit=10)
    assert (first.record, first.changer) == (record, BROWSER)
    assert began <= first.recorded_at <= newest.recorded_at
    assert await consent_shop.engine.consents.history(consent_shop.id, "anna", before=2, limit=10) == [first]


@SQLITE_FIRST
@pytest.mark.parametrize(("record", "field"), [
    (ConsentRecord(method="save"), "purposes"),
    (ConsentRecord(method="dismiss", purposes={"analytics": True}), "purposes"),
    (ConsentRecord(method="save", purposes={"analytic": True}), "purposes/analytic"),
    (ConsentRecord(method="save", purposes={"checkout": False}), "purposes/checkout"),
    (ConsentRecord(method="gpc", purposes={"analytics": True}), "purposes/analytics"),
    (ConsentRecord(method="accept", purposes={"analytics": False}), "purposes/analytics"),
])  # fmt: skip
async def test_invalid_consent_is_named_and_not_stored(consent_shop, record, field):
    with pytest.raises(Invalid) as caught:
        await consent_shop.engine.consents.record(consent_shop.id, "anna", record, BROWSER)
    assert caught.value.field == field
    assert await consent_shop.engine.consents.history(consent_shop.id, "anna", limit=10) == []


# Decisions


async def test_a_refused_fact_is_not_used_logged_or_learned_from(consent_shop):
    await consent_shop.create(
        "rule", factories.rule({"pin": {"candidate": "klarna", "slot": 1}}, when={"==": [{"var": "customer.age"}, 41]})
    )
    assert (await consent_shop.decide("ben", **FACTS)).decision.ranking[0].id == "klarna"
    await record_consents(consent_shop, analytics=False)
    answer = await consent_shop.decide("anna", **FACTS)
    assert "customer.age" not in answer.facts.values
    assert answer.facts.values["customer.mood"] == "good"
    assert [skipped.field for skipped in answer.decision.skipped] == ["customer.age"]
    logged = await consent_shop.engine.logbook.get(consent_shop.id, answer.decision.decision_id)
    assert "customer.age" not in logged.row.facts
    assert (await replay(consent_shop.engine.database, logged.row)).same


async def test_a_purpose_that_must_be_accepted_is_refused_before(consent_shop):
    policy = ConsentPolicy(purposes={"mood study": AssumedPurpose(allowed=False)}, prompt=True)
    await consent_shop.engine.consents.set_policy(consent_shop.actor(), policy)
    before = await consent_shop.decide("anna", **FACTS)
    assert ("customer.mood" in before.facts.values, before.prompts) == (False, True)
    await record_consents(consent_shop, mood_study=True)
    after = await consent_shop.decide("anna", **FACTS)
    assert ("customer.mood" in after.facts.values, after.prompts) == (True, False)
    assert not (await consent_shop.decide(None, **FACTS)).prompts


async def test_refused_personalization_stores_nothing(consent_shop):
    await record_consents(consent_shop, personalization=False)
    answer = await consent_shop.decide("anna", **FACTS)
    assert (answer.is_personal, answer.facts.customer) == (False, None)
    assert await stored(consent_shop) == ""


async def test_the_last_word_on_personalization_is_a_refusal(consent_shop):
    await record_consents(consent_shop, personalization=True)
    change = PreferenceChange(personalization_enabled=False)
    await consent_shop.engine.preferences.change(consent_shop.id, "anna", change, BROWSER)
    assert not (await consent_shop.decide("anna")).is_personal
    assert not (await consent_shop.engine.consents.get(consent_shop.id, "anna")).personalized


async def test_opt_in_merchant_personalizes_only_after_consent(consent_shop):
    policy = ConsentPolicy(purposes={"personalization": AssumedPurpose(allowed=False)})
    await consent_shop.engine.consents.set_policy(consent_shop.actor(), policy)
    await record_consents(consent_shop, personalization=True)
    assert [(await consent_shop.decide(name)).is_personal for name in ("anna", "ben", None)] == [True, False, False]


async def test_request_can_opt_out(consent_shop):
    (refused,) = await consent_shop.engine.decider.decide(
        consent_shop.id, ["payment_methods"], "anna", {}, personal=False
    )
    assert (refused.is_personal, await stored(consent_shop)) == (False, "")


@SQLITE_FIRST
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(refusing=st.sets(st.sampled_from(["analytics", "mood study"])), contextual=st.booleans(), way=st.integers(0, 3))
@pytest.mark.anyio
async def test_a_refused_purpose_leaves_no_trace_of_its_facts(consent_shop, refusing, contextual, way):
    """On every route: decisions, batches, looks and variants; with every policy that reads facts."""
    key = f"p{now_ms()}{way}"
    policy = Contextual(features=("customer.mood",)) if contextual else factories.placement().policy
    await consent_shop.add_placement(
        factories.placement(key=key, policy=policy, credit="cascade"), *factories.candidates()
    )
    customer, context = f"anna {key}", {"customer": {"age": 41, "mood": "good", "plan": "gold"}}
    if refusing:
        await record_consents(consent_shop, customer, **{name.replace(" ", "_"): False for name in refusing})
    decider = consent_shop.engine.decider
    if way == 0:
        facts = (await decider.decide(consent_shop.id, [key], customer, context))[0].facts
    elif way == 1:
        facts = (await decider.decide_each(consent_shop.id, [key, "payment_methods"], customer, context))[0].facts  # type: ignore[union-attr]
    elif way == 2:
        facts = (await decider.look(consent_shop.id, key, customer, context))[1]
    else:
        facts = (await decider.decide_offers(consent_shop.id, key, customer, context)).answer.facts
    kept = {"customer.age": "analytics", "customer.mood": "mood study", "customer.plan": "checkout"}
    assert kept.keys() & facts.values.keys() == {name for name, purpose in kept.items() if purpose not in refusing}
