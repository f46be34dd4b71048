"""Test that invalid rules are refused with messages that name the path and say what is expected."""

import json
import time

import pytest
from hypothesis import example, given, settings

from rules import Problem, RuleError, Vocabulary, loads, parse_rule, parse_rules
from tests.rules import hostile
from tests.rules.rule_cases import LISTS, VOCABULARY

TOTAL = {"var": "cart.total"}
COUNTRY = {"var": "geo.country"}
NOW = {"var": "time.now"}
TAGS = {"var": "customer.tags"}
EFFECTS = [{"exclude": ["klarna"]}]
CPU_SECONDS = 5
"""Ten times what the dearest document takes on a slow machine; one that grows without bounds takes minutes."""


def rule(when: object, **more: object) -> dict[str, object]:
    return {"id": "r1", "when": when, "effects": EFFECTS, **more}


def problems_of(document: object) -> tuple[Problem, ...]:
    with pytest.raises(RuleError) as caught:
        parse_rule(document, VOCABULARY, LISTS)
    return caught.value.problems


def the_problem(when: object) -> Problem:
    (problem,) = problems_of(rule(when))
    return problem


@pytest.mark.parametrize(
    ("when", "path", "words"),
    [
        ({"and": [{"<": [TOTAL, 1]}, {"=<": [TOTAL, 1]}]}, "/when/and/1/=<", "did you mean"),
        ({"methd": [TOTAL, "x"]}, "/when/methd", "is not an operator"),
        ({"<": [{"var": "cart.totl"}, 1]}, "/when/</0/var", "did you mean cart.total?"),
        ({"<": [COUNTRY, 5]}, "/when/</0", "has no order"),
        ({"==": [COUNTRY, 5]}, "/when/==/1", "ISO 3166 country code"),
        ({"==": [COUNTRY, "UK"]}, "/when/==/1", "did you mean GB?"),
        ({"==": [COUNTRY, "de"]}, "/when/==/1", "did you mean DE?"),
        ({"in": [COUNTRY, ["DE", "XX"]]}, "/when/in/1/1", "ISO 3166 country code"),
        ({"==": [{"var": "device.type"}, "mobil"]}, "/when/==/1", "did you mean mobile?"),
        ({"==": [COUNTRY, {"var": "cart.currency"}]}, "/when/==", "cannot compare"),
        ({"<": [TOTAL, "5000"]}, "/when/</1", "must be a number"),
        ({"<": [TOTAL, 49.99]}, "/when/</1", "whole number of minor units"),
        ({"<": [TOTAL, True]}, "/when/</1", "has no order"),
        ({"==": [TOTAL, None]}, "/when/==/1", "use exists"),
        ({"<": [NOW, "2026-11-27T00:00:00Z"]}, "/when/</0", "use before, after or between_dates"),
        ({"before": [NOW, "2026-11-27"]}, "/when/before/1", "with its offset"),
        ({"==": [{"var": "app.version"}, "1.0.0"]}, "/when/==/0", "use sem_ver"),
        ({"sem_ver": [{"var": "app.version"}, "~", "1.0.0"]}, "/when/sem_ver/1", "must be one of"),
        ({"sem_ver": [{"var": "app.version"}, ">", "1.x"]}, "/when/sem_ver/2", "semantic version"),
        ({"weekday_in": [NOW, ["sat"], "Europe/Berln"]}, "/when/weekday_in/2", "did you mean Europe/Berlin?"),
        ({"weekday_in": [NOW, ["saturday"], "UTC"]}, "/when/weekday_in/1", "mon, tue"),
        ({"time_between": [NOW, "22:00", "24:00", "UTC"]}, "/when/time_between/2", "time of day"),
        ({"time_between": [NOW, "22:00", "22:00", "UTC"]}, "/when/time_between/2", "must differ"),
        ({"between": [TOTAL, 5, 1]}, "/when/between/2", "never true"),
        ({"in_list": [{"var": "customer.id"}, "bloked"]}, "/when/in_list/1", "did you mean blocked?"),
        ({"starts_with": [{"var": "customer.email"}, ""]}, "/when/starts_with/1", "not empty"),
        ({"starts_with": [TAGS, "v"]}, "/when/starts_with/0", "use any_of"),
        ({"any_of": [COUNTRY, ["DE"]]}, "/when/any_of/0", "use in"),
        ({"within_km": [{"var": "geo.location"}, [95, 1], 5]}, "/when/within_km/1", "degrees"),
        ({"percent_bucket": [{"var": "customer.id"}, "s", 50, 20]}, "/when/percent_bucket/3", "lower end"),
        ({"percent_bucket": [{"var": "customer.id"}, "s", 0, 101]}, "/when/percent_bucket/3", "percentage"),
        ({"exists": ["cart.total"]}, "/when/exists/0", "must be a field"),
        ({"missing": ["cart.totl"]}, "/when/missing/0", "did you mean cart.total?"),
        ({"missing_some": [3, ["cart.total"]]}, "/when/missing_some/0", "from 1 to 1"),
        ({"some": [TAGS, {"==": [COUNTRY, "DE"]}]}, "/when/some/1/==/0/var", "out of reach"),
        ({"map": [TAGS, {"var": ""}]}, "/when/map", "use some, all, none"),
        ({"log": [TOTAL]}, "/when/log", "explanation"),
        ({"if": [True, True]}, "/when/if", "otherwise"),
        ({"and": []}, "/when/and", "at least 1"),
        ({"<": [TOTAL]}, "/when/<", "it has 1"),
        ({">": [TOTAL, 1, 2]}, "/when/>", "it has 3"),
        ({"in": [COUNTRY, []]}, "/when/in/1", "at least one value"),
        ({"a": 1, "b": 2}, "/when", "exactly one operator"),
        ("DE", "/when", "must be a condition"),
        ([], "/when", "cannot be a list"),
        ({"in": [COUNTRY, ["DE"] * 1001]}, "/when/in/1", "at most 1000"),
    ],
)
def test_problem_has_its_path_and_the_expected_value(when: object, path: str, words: str) -> None:
    problem = the_problem(when)
    assert problem.path == path
    assert words in problem.message


def test_all_mistakes_of_a_rule_are_reported_at_once() -> None:
    document = rule(
        {"and": [{"<": [{"var": "nope"}, 1]}, {"==": [COUNTRY, 5]}]},
        effects=[{"pin": {"candidate": "", "slot": 0}}],
        priority="high",
        extra=1,
    )
    assert {problem.path for problem in problems_of(document)} == {
        *("/extra", "/priority", "/when/and/0/</0/var", "/when/and/1/==/1"),
        *("/effects/0/pin/candidate", "/effects/0/pin/slot"),
    }


def test_rules_keep_their_documents_and_are_sorted() -> None:
    documents = [rule(True, id="b"), rule(True, id="c", priority=5), rule(True, id="a", name="First")]
    rules = parse_rules(documents, VOCABULARY, LISTS)
    assert [parsed.id for parsed in rules] == ["c", "a", "b"]
    assert rules[1].name == "First"
    assert rules[1].document is documents[2]


def test_rules_cannot_share_an_id() -> None:
    with pytest.raises(RuleError) as caught:
        parse_rules([rule(True), rule(True)], VOCABULARY, LISTS)
    assert caught.value.problems[0].path == "/1/id"


def test_a_rule_with_an_unchanged_document_is_reused() -> None:
    first, second = before = parse_rules([rule(True), rule(False, id="r2")], VOCABULARY, LISTS)
    again = parse_rules([rule(True), rule(True, id="r2"), rule(True, id="r3")], VOCABULARY, LISTS, previous=before)
    assert again[0] is first
    assert again[1] is not second
    assert [parsed.condition.value for parsed in again] == [True, True, True]


@pytest.mark.parametrize(("was", "now"), [(1, True), (1, 1.0), (0, False), (0.0, -0.0)])
def test_equal_but_differently_written_rules_are_not_reused(was: object, now: object) -> None:
    (before,) = parse_rules([rule(True, effects=[{"set": {"name": "x", "value": was}}])], VOCABULARY, LISTS)
    document = rule(True, effects=[{"set": {"name": "x", "value": now}}])
    (after,) = parse_rules([document], VOCABULARY, LISTS, previous=[before])
    assert repr(after.effects[0].value) == repr(now)


def test_repeated_ids_are_reported_also_with_previous_rules() -> None:
    before = parse_rules([rule(True)], VOCABULARY, LISTS)
    with pytest.raises(RuleError, match="another rule"):
        parse_rules([rule(True), rule(True)], VOCABULARY, LISTS, previous=before)


def test_problems_of_a_list_of_rules_begin_with_the_rule() -> None:
    with pytest.raises(RuleError) as caught:
        parse_rules([rule(True), rule({"<": [TOTAL, "x"]}, id="r2")], VOCABULARY, LISTS)
    assert caught.value.problems[0].path == "/1/when/</1"


def _nested(levels: int) -> object:
    when: object = True
    for _ in range(levels):
        when = {"!": [when]}
    return when


def test_32_operators_may_be_nested_and_no_more() -> None:
    text = json.dumps(rule(_nested(32)))
    assert parse_rule(loads(text), VOCABULARY, LISTS)
    assert "32 operators deep" in the_problem(_nested(33)).message


def test_a_rule_may_have_500_nodes_and_no_more() -> None:
    clauses: list[object] = [True] * 499
    assert parse_rule(rule({"and": clauses}), VOCABULARY, LISTS)
    problem = the_problem({"and": [*clauses, True]})
    assert problem == Problem(
        "/when/and/499", "is beyond the 500 nodes that a rule may have; split the rule or use a list"
    )


@pytest.mark.parametrize("name", hostile.REFUSED)
def test_hostile_text_is_refused_quickly_with_its_path(name: str) -> None:
    text, words = hostile.REFUSED[name]
    begun = time.process_time()
    with pytest.raises(RuleError) as caught:
        loads(text)
    assert time.process_time() - begun < CPU_SECONDS
    assert words in str(caught.value)
    assert len(str(caught.value)) < 2_000


@pytest.mark.parametrize(
    "when",
    [
        {"and": [{f"{'x' * 50}{number}": 1} for number in range(400)]},
        {"in": [COUNTRY, ["XX"] * 1_000]},
        {"and": [{"weekday_in": [NOW, ["sat"], f"Europe/Berlin{number}"]} for number in range(100)]},
        {"and": [*({"in": [{"var": "customer.id"}, [f"c{i}" for i in range(1_000)]]} for _ in range(13)), {"no": 1}]},
        {"in": [COUNTRY, ["DE"] * 100_000]},
        {"==": [COUNTRY, "x" * 60_000]},
        {"x" * 60_000: 1},
        {"var": "x" * 60_000},
        {"==": [TOTAL, 10**400]},
        {"==": [TOTAL, float("inf")]},
        {"==": [COUNTRY, "\0"]},
        _nested(10_000),
    ],
)
def test_hostile_documents_that_were_decoded_elsewhere_are_refused(when: object) -> None:
    begun = time.process_time()
    problems = problems_of(rule(when))
    assert time.process_time() - begun < CPU_SECONDS
    assert len(problems) <= 20
    json.dumps([problem.message for problem in problems]).encode()


@settings(max_examples=500, deadline=None)
@given(hostile.CONDITIONS)
@example({"before": [NOW, "0001-01-01T00:00:00+14:00"]})
def test_any_condition_is_parsed_or_refused(when: object) -> None:
    hostile.check_condition(when)


@settings(max_examples=500, deadline=None)
@given(hostile.TEXTS)
def test_any_text_is_decoded_or_refused(raw: bytes | str) -> None:
    hostile.check_text(raw)


def test_vocabulary_names_the_mistake_of_a_fact() -> None:
    assert VOCABULARY.problem_with("cart.total", 4999) is None
    assert VOCABULARY.problem_with("cart.total", "12,50") == (
        'must be a whole number of minor units, such as 4999 for 49.99; got "12,50"'
    )
    assert "did you mean cart.total?" in str(VOCABULARY.problem_with("cart.totl", 1))
    assert "one of mobile, tablet, desktop" in str(VOCABULARY.problem_with("device.type", "tv"))
    with pytest.raises(RuleError, match="twice"):
        Vocabulary([VOCABULARY["cart.total"], VOCABULARY["cart.total"]])
