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
async def asking(shop: Any) -> Any:
    """The shop, with facts for purposes of their own."""
    await shop.create("field", *FIELDS)
    return shop


async def said(shop: Any, customer: str = "anna", *, method: Any = "save", **purposes: bool) -> Any:
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


# What is in force


def test_purposes_are_the_standard_ones_and_those_of_facts():
    names = purposes_of(field.purpose for field in FIELDS)
    assert names == ["personalization", "analytics", "cross_merchant", "mood study"]


def test_silence_counts_as_the_merchant_assumes():
    policy = ConsentPolicy(purposes={"analytics": AssumedPurpose(allowed=False), "mood study": AssumedPurpose()})
    assert refused_purposes({}, policy) == {"analytics"}
    assert refused_purposes({"analytics": True, "mood study": False}, policy) == {"mood study"}


async def test_each_purpose_has_a_state(asking):
    in_force = await said(asking, analytics=True, mood_study=False)
    assert states(in_force) == {
        "personalization": ("unknown", True),
        "analytics": ("accepted", True),
        "cross_merchant": ("unknown", True),
        "mood study": ("refused", False),
    }


async def test_buttons_are_about_all_purposes(asking):
    assert {allowed for _, allowed in states(await said(asking, method="reject")).values()} == {False}
    assert {state for state, _ in states(await said(asking, method="accept")).values()} == {"accepted"}
    assert {state for state, _ in states(await said(asking, method="gpc")).values()} == {"refused"}


async def test_closing_the_prompt_keeps_consents(asking):
    before = await said(asking, analytics=False)
    after = await said(asking, method="dismiss")
    assert (states(after), after.version) == (states(before), 2)
    history = await asking.engine.consents.history(asking.id, "anna", limit=10)
    assert [entry.record.method for entry in history] == ["dismiss", "save"]


async def test_the_history_keeps_method_notice_and_address(asking):
    began = now_ms()
    record = ConsentRecord(
        method="save",
        purposes={"analytics": True},
        notice=ConsentNotice(version="7", text="May we count?"),
        served_at="https://shop.example/checkout",
    )
    await asking.engine.consents.record(asking.id, "anna", record, BROWSER)
    await said(asking, analytics=True)
    newest, first = await asking.engine.consents.history(asking.id, "anna", limit=10)
    assert (first.record, first.changer) == (record, BROWSER)
    assert began <= first.recorded_at <= newest.recorded_at
    assert await asking.engine.consents.history(asking.id, "anna", before=2, limit=10) == [first]


@SQLITE_FIRST
@pytest.mark.parametrize(("record", "field"), [
    (ConsentRecord(method="save"), "purposes"),
    (ConsentRecord(method="dismiss", purposes={"analytics": True}), "purposes"),
    (ConsentRecord(method="save", purposes={"analytic": True}), "purposes/analytic"),
    (ConsentRecord(method="save", purposes={"checkout": False}), "purposes/checkout"),
    (ConsentRecord(method="gpc", purposes={"analytics": True}), "purposes/analytics"),
    (ConsentRecord(method="accept", purposes={"analytics": False}), "purposes/analytics"),
])  # fmt: skip
async def test_invalid_consent_is_named_and_not_stored(asking, record, field):
    with pytest.raises(Invalid) as caught:
        await asking.engine.consents.record(asking.id, "anna", record, BROWSER)
    assert caught.value.field == field
    assert await asking.engine.consents.history(asking.id, "anna", limit=10) == []


# Decisions


async def test_a_refused_fact_is_not_used_logged_or_learned_from(asking):
    await asking.create(
        "rule", factories.rule({"pin": {"candidate": "klarna", "slot": 1}}, when={"==": [{"var": "customer.age"}, 41]})
    )
    assert (await asking.decide("ben", **FACTS)).decision.ranking[0].id == "klarna"
    await said(asking, analytics=False)
    answer = await asking.decide("anna", **FACTS)
    assert "customer.age" not in answer.facts.values
    assert answer.facts.values["customer.mood"] == "good"
    assert [skipped.field for skipped in answer.decision.skipped] == ["customer.age"]
    logged = await asking.engine.logbook.get(asking.id, answer.decision.decision_id)
    assert "customer.age" not in logged.row.facts
    assert (await replay(asking.engine.database, logged.row)).same


async def test_a_purpose_that_must_be_accepted_is_refused_before(asking):
    policy = ConsentPolicy(purposes={"mood study": AssumedPurpose(allowed=False)}, prompt=True)
    await asking.engine.consents.set_policy(asking.actor(), policy)
    before = await asking.decide("anna", **FACTS)
    assert ("customer.mood" in before.facts.values, before.prompts) == (False, True)
    await said(asking, mood_study=True)
    after = await asking.decide("anna", **FACTS)
    assert ("customer.mood" in after.facts.values, after.prompts) == (True, False)
    assert not (await asking.decide(None, **FACTS)).prompts


async def test_refused_personalization_stores_nothing(asking):
    await said(asking, personalization=False)
    answer = await asking.decide("anna", **FACTS)
    assert (answer.is_personal, answer.facts.customer) == (False, None)
    assert await stored(asking) == ""


async def test_the_last_word_on_personalization_is_a_refusal(asking):
    await said(asking, personalization=True)
    change = PreferenceChange(personalization_enabled=False)
    await asking.engine.preferences.change(asking.id, "anna", change, BROWSER)
    assert not (await asking.decide("anna")).is_personal
    assert not (await asking.engine.consents.get(asking.id, "anna")).personalized


async def test_opt_in_merchant_personalizes_only_after_consent(asking):
    policy = ConsentPolicy(purposes={"personalization": AssumedPurpose(allowed=False)})
    await asking.engine.consents.set_policy(asking.actor(), policy)
    await said(asking, personalization=True)
    assert [(await asking.decide(name)).is_personal for name in ("anna", "ben", None)] == [True, False, False]


async def test_request_can_opt_out(asking):
    (refused,) = await asking.engine.decider.decide(asking.id, ["payment_methods"], "anna", {}, personal=False)
    assert (refused.is_personal, await stored(asking)) == (False, "")


@SQLITE_FIRST
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(refusing=st.sets(st.sampled_from(["analytics", "mood study"])), contextual=st.booleans(), way=st.integers(0, 3))
@pytest.mark.anyio
async def test_a_refused_purpose_leaves_no_trace_of_its_facts(asking, refusing, contextual, way):
    """On every route: decisions, batches, looks and variants; with every policy that reads facts."""
    key = f"p{now_ms()}{way}"
    policy = Contextual(features=("customer.mood",)) if contextual else factories.placement().policy
    await asking.add_placement(factories.placement(key=key, policy=policy, credit="cascade"), *factories.candidates())
    customer, context = f"anna {key}", {"customer": {"age": 41, "mood": "good", "plan": "gold"}}
    if refusing:
        await said(asking, customer, **{name.replace(" ", "_"): False for name in refusing})
    decider = asking.engine.decider
    if way == 0:
        facts = (await decider.decide(asking.id, [key], customer, context))[0].facts
    elif way == 1:
        facts = (await decider.decide_each(asking.id, [key, "payment_methods"], customer, context))[0].facts  # type: ignore[union-attr]
    elif way == 2:
        facts = (await decider.look(asking.id, key, customer, context))[1]
    else:
        facts = (await decider.decide_offers(asking.id, key, customer, context)).answer.facts
    kept = {"customer.age": "analytics", "customer.mood": "mood study", "customer.plan": "checkout"}
    assert kept.keys() & facts.values.keys() == {name for name, purpose in kept.items() if purpose not in refusing}
