"""Scenarios: saved facts with the answer that must come of them, which no publishing may break."""

from __future__ import annotations

import pytest

from engine.kernel.scenario_check import try_out, unknown_facts
from engine.model.errors import Invalid, NotFound
from engine.model.placement import Expectation, Fixed, One, Pinned, Scenario, Subset
from tests.factories import CART_OVER_100, METHODS, placement, plan, rule

PLACEMENT = "payment_methods"
LARGE = {"cart": {"total": 20_000}}


def scenario(context=LARGE, **expect):
    return Scenario(id="s1", name="Large carts", context=context, expect=Expectation(**expect))


def misses(tested_plan, scenario_document):
    return [miss.text for miss in try_out(tested_plan, scenario_document).misses]


HIDES = plan(rule({"exclude": ["klarna"]}, name="No instalments", when=CART_OVER_100))


@pytest.mark.parametrize(
    ("expect", "missed"),
    [
        ({"hidden": ("klarna",), "shown": ("card", "paypal")}, []),
        ({"shown": ("klarna",)}, ["klarna should be shown, but is hidden (hidden by rule “No instalments”)"]),
        ({"hidden": ("card",)}, ["card should be hidden, but is shown"]),
        ({"shown": ("bitcoin",)}, ["bitcoin should be shown, but is no candidate that is switched on"]),
        ({"hidden": ("bitcoin",)}, []),
    ],
)
def test_scenario_names_wrongly_hidden_and_shown_candidates_with_reasons(expect, missed):
    assert misses(HIDES, scenario(**expect)) == missed


def test_scenario_without_the_fact_skips_the_rule_like_a_checkout():
    assert misses(HIDES, scenario({}, shown=("klarna",))) == []


def test_pinned_slots_are_certain_and_drawn_ones_are_open():
    pinned = plan(rule({"pin": {"candidate": "paypal", "slot": 2}}))
    assert misses(pinned, scenario(pinned=(Pinned("paypal", 2),))) == []
    assert misses(pinned, scenario(pinned=(Pinned("paypal", 1),))) == ["place 1 should be paypal, but is open"]
    assert misses(pinned, scenario(pinned=(Pinned("card", 2),))) == ["place 2 should be card, but is paypal"]


def test_a_fixed_order_and_a_single_candidate_are_certain():
    fixed = plan(rule({"boost": {"candidates": ["ideal"], "factor": 10}}), placement=placement(policy=Fixed()))
    assert misses(fixed, scenario(pinned=(Pinned("ideal", 1), Pinned("card", 2)))) == []
    alone = plan(rule({"require": ["ideal"]}))
    assert misses(alone, scenario(pinned=(Pinned("ideal", 1),))) == []


def test_certain_slots_exclude_other_candidates():
    pin = rule({"pin": {"candidate": "paypal", "slot": 1}})
    item, two = plan(pin, placement=placement(shape=One())), plan(pin, placement=placement(shape=Subset(2)))
    assert misses(item, scenario(shown=("card",))) == ["card should be shown, but is hidden"]
    assert misses(two, scenario(shown=("card",))) == []


def test_values_are_compared_by_kind_too():
    sets = plan(rule({"set": {"name": "show_cvv", "value": True}}, {"set": {"name": "limit", "value": 1}}))
    assert misses(sets, scenario(values={"show_cvv": True, "limit": 1.0})) == []
    assert misses(sets, scenario(values={"show_cvv": 1})) == ["show_cvv should be 1, but is yes"]
    assert misses(sets, scenario(values={"other": "x"})) == ["other should be x, but is not set"]


def test_a_schedule_is_tried_at_the_moment_that_the_scenario_names():
    sale = plan(rule({"exclude": ["card"]}, active_from="2026-11-27T00:00:00Z"))
    for moment, hidden in (("2026-11-26T00:00:00Z", ()), ("2026-11-28T00:00:00Z", ("card",))):
        item = {"time": {"now": moment}}
        assert misses(sale, scenario(item, hidden=hidden)) == []
        assert (misses(sale, scenario(item, shown=("card",))) == []) is (not hidden)


def test_undeclared_facts_are_found_at_any_depth():
    context = {"cart": {"total": 1, "colour": "red"}, "moon": {"phase": {"name": "full"}}, "geo": 5}
    assert list(unknown_facts(context, frozenset({"cart.total"}))) == ["cart.colour", "moon.phase.name", "geo"]


async def save(shop, *rules):
    for document in rules:
        await shop.engine.drafts.save(shop.actor("ada"), PLACEMENT, document, revision=None)


async def publish(shop):
    draft = await shop.engine.drafts.get(shop.id, PLACEMENT)
    return await shop.engine.releases.publish(shop.actor("ada"), PLACEMENT, revision=draft.head.revision, reason="")


def version_of(shop):
    return shop.engine.live.get(shop.id, PLACEMENT).plan.version


@pytest.mark.anyio
async def test_a_draft_that_breaks_a_scenario_is_not_published_and_the_scenario_is_named(shop):
    await shop.create("scenario", scenario(shown=("klarna",)), placement=PLACEMENT)
    before = version_of(shop)
    await save(shop, rule({"exclude": ["klarna"]}, name="No instalments", when=CART_OVER_100))
    [outcome] = await shop.engine.scenarios.try_draft(shop.id, PLACEMENT)
    assert (outcome.id, outcome.holds) == ("s1", False)
    assert [item.holds for item in await shop.engine.scenarios.try_live(shop.id, PLACEMENT)] == [True]
    with pytest.raises(Invalid) as refused:
        await publish(shop)
    [problem] = refused.value.problems
    assert problem.field == "scenario s1 of payment_methods"
    assert problem.message == "“Large carts”: " + outcome.misses[0].text
    assert version_of(shop) == before
    await save(shop, rule({"exclude": ["ideal"]}, when=CART_OVER_100))
    assert await publish(shop) == before + 1


@pytest.mark.anyio
async def test_scenario_of_a_draft_must_pass_when_published(shop):
    await shop.create("scenario", scenario(hidden=("klarna",)), placement=PLACEMENT)
    await save(shop, rule({"exclude": ["ideal"]}))
    with pytest.raises(Invalid, match="klarna should be hidden"):
        await publish(shop)


@pytest.mark.anyio
async def test_edits_must_not_break_passing_scenarios(shop):
    await shop.create("scenario", scenario(shown=("klarna",)), placement=PLACEMENT)
    with pytest.raises(Invalid, match="Large carts"):
        await shop.engine.catalogue.delete(shop.actor("ada"), "candidate", PLACEMENT, "klarna", version=None)
    with pytest.raises(Invalid, match="Large carts"):
        await shop.create("rule", rule({"exclude": ["klarna"]}))
    await shop.engine.catalogue.delete(shop.actor("ada"), "scenario", PLACEMENT, "s1", version=None)
    await shop.create("scenario", scenario(hidden=("klarna",)), placement=PLACEMENT)
    await shop.create("rule", rule({"exclude": ["ideal"]}))


@pytest.mark.anyio
async def test_a_scenario_alone_publishes_nothing(shop):
    before = version_of(shop)
    await shop.create("scenario", scenario(shown=("klarna",)), placement=PLACEMENT)
    assert version_of(shop) == before


@pytest.mark.anyio
async def test_rollback_ignores_scenarios(shop):
    first = version_of(shop)
    await shop.create("rule", rule({"exclude": ["klarna"]}))
    await shop.create("scenario", scenario(hidden=("klarna",)), placement=PLACEMENT)
    await shop.engine.versions.roll_back(shop.actor("ada"), PLACEMENT, first)
    assert [item.holds for item in await shop.engine.scenarios.try_live(shop.id, PLACEMENT)] == [False]


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("scenario_document", "field"),
    [
        (scenario({"moon": {"phase": "full"}}), "context"),
        (scenario(shown=("bitcoin",)), "expect"),
        (scenario(shown=("card",), hidden=("card",)), "expect"),
    ],
)
async def test_a_scenario_that_makes_no_sense_is_refused(shop, scenario_document, field):
    with pytest.raises(Invalid) as refused:
        await shop.create("scenario", scenario_document, placement=PLACEMENT)
    assert refused.value.field == field


@pytest.mark.anyio
async def test_decision_becomes_a_passing_scenario(shop):
    await shop.create(
        "rule",
        rule({"exclude": ["klarna"]}, {"pin": {"candidate": "ideal", "slot": 2}}, when=CART_OVER_100),
        rule({"set": {"name": "show_cvv", "value": True}}, id="r2", active_from="2026-01-01T00:00:00Z"),
    )
    answer = await shop.decide(cart_total=20_000, geo_country="DE")
    key, made = await shop.engine.scenarios.from_decision(shop.id, answer.decision.decision_id)
    assert key == PLACEMENT
    assert made.context["cart"] == {"total": 20_000}
    assert made.expect == Expectation(
        shown=tuple(id for id in METHODS if id != "klarna"),
        hidden=("klarna",),
        pinned=(Pinned("ideal", 2),),
        values={"show_cvv": True},
    )
    await shop.create("scenario", made, placement=PLACEMENT)
    assert [item.holds for item in await shop.engine.scenarios.try_live(shop.id, PLACEMENT)] == [True]


@pytest.mark.anyio
async def test_complete_set_of_scenarios_replaces_another(shop):
    await shop.create("scenario", scenario(shown=("klarna",)), placement=PLACEMENT)
    other = Scenario(id="s2", name="Other", context={}, expect=Expectation(shown=("card",)))
    stored = await shop.engine.catalogue.replace(shop.actor("ci"), "scenario", PLACEMENT, [other])
    assert [(item.id, item.version) for item in stored] == [("s2", 1)]


@pytest.mark.anyio
async def test_scenarios_of_other_merchants_are_not_found(shop):
    await shop.create("scenario", scenario(shown=("klarna",)), placement=PLACEMENT)
    answer = await shop.decide()
    other, _ = await shop.engine.accounts.add_merchant("other", "Other")
    with pytest.raises(NotFound):
        await shop.engine.scenarios.try_live(other.id, PLACEMENT)
    with pytest.raises(NotFound):
        await shop.engine.scenarios.from_decision(other.id, answer.decision.decision_id)
