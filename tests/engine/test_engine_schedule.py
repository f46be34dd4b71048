"""Schedules of rules: in force from a moment on and before another, then as now as when replayed."""

from __future__ import annotations

import pytest

from engine.clock import now_ms
from engine.configuration.configuration import Configuration
from engine.configuration.validation import Surroundings, problems_of
from engine.model.errors import Invalid
from engine.model.resource import Resource
from engine.model.schedule import document_pointer, scheduled
from engine.model.timestamps import rfc3339
from tests.factories import answer, candidates, order, placement, plan, rule

FROM, TO = "2026-11-27T00:00:00+01:00", "2026-12-01T00:00:00+01:00"
WEEKEND = rule({"exclude": ["card"]}, active_from=FROM, active_to=TO)


def is_hidden(tested_plan, moment):
    return "card" not in order(answer(tested_plan, time_now=moment))


@pytest.mark.parametrize(
    ("moment", "hidden"),
    [
        ("2026-11-26T22:59:59.999Z", False),
        ("2026-11-26T23:00:00.000Z", True),
        ("2026-11-30T22:59:59.999Z", True),
        ("2026-11-30T23:00:00.000Z", False),
    ],
)
def test_rule_is_active_from_its_start_until_before_its_end(moment, hidden):
    assert is_hidden(plan(WEEKEND), moment) is hidden


def test_either_end_may_be_left_open():
    since = plan(rule({"exclude": ["card"]}, active_from=FROM))
    until = plan(rule({"exclude": ["card"]}, active_to=TO))
    early, late = "2020-01-01T00:00:00Z", "2030-01-01T00:00:00Z"
    assert (is_hidden(since, early), is_hidden(since, late)) == (False, True)
    assert (is_hidden(until, early), is_hidden(until, late)) == (True, False)


def test_a_rule_without_a_schedule_is_compiled_as_it_is_written():
    always = rule({"exclude": ["card"]})
    assert scheduled(always) is always.when


def problems(document):
    resources = [Resource("placement", "", "payment_methods", 1, placement(), 0)]
    resources += [Resource("candidate", "payment_methods", candidate.id, 1, candidate, 0) for candidate in candidates()]
    item = Resource("rule", "payment_methods", "r1", 1, document, 0)
    return {
        problem.field: problem.message
        for problem in problems_of(Surroundings(Configuration([*resources, item], 1)), item)
    }


def test_mistakes_have_their_path_with_any_schedule():
    wrong = {"and": [{"==": [1, 1]}, {"frobnicate": [1]}]}
    for ends in ({}, {"active_from": FROM}, {"active_to": TO}, {"active_from": FROM, "active_to": TO}):
        assert list(problems(rule({"exclude": ["card"]}, when=wrong, **ends))) == ["/when/and/1/frobnicate"]


def test_invalid_schedule_names_its_field():
    assert list(problems(rule({"exclude": ["card"]}, active_from="2026-02-30T00:00:00Z"))) == ["/active_from"]
    assert list(problems(rule({"exclude": ["card"]}, active_to="2026-13-01T00:00:00Z"))) == ["/active_to"]
    backwards = problems(rule({"exclude": ["card"]}, active_from=TO, active_to=FROM))
    assert "after active_from" in backwards["/active_to"]


def test_a_pointer_into_the_condition_is_not_mistaken_for_one_into_the_schedule():
    assert document_pointer(WEEKEND, "/when/and/2/and/0/==") == "/when/and/0/=="
    assert document_pointer(rule(when={"and": [1]}), "/when/and/0") == "/when/and/0"
    assert document_pointer(WEEKEND, "/effects/0") == "/effects/0"


@pytest.mark.anyio
async def test_decision_is_replayed_at_its_own_time(shop):
    soon = rfc3339(now_ms() + 400)
    await shop.create("rule", rule({"exclude": ["card"]}, active_from=soon))
    early = await shop.decide()
    assert "card" in order(early.decision)
    while rfc3339(now_ms()) <= soon:
        pass
    late = await shop.decide()
    assert "card" not in order(late.decision)
    for item in (early, late):
        assert (await shop.engine.logbook.replay(shop.id, item.decision.decision_id)).same


@pytest.mark.anyio
async def test_rule_with_an_invalid_day_is_not_stored(shop):
    with pytest.raises(Invalid, match="active_from"):
        await shop.create("rule", rule({"exclude": ["card"]}, active_from="2026-02-30T00:00:00Z"))
