"""Test the findings of the checks of rules, and that there are no false alarms."""

from __future__ import annotations

import statistics
from collections import Counter
from itertools import pairwise
from random import Random

import pytest

from benchmarks.checks import rule_checks
from rules import Field, Vocabulary, Wording, parse_rule, parse_rules
from rules.analysis.check import CheckContext, RuleFinding, check_rule, check_rules, schedule_findings, unused_lists
from tests.rules import rule_sets
from tests.rules.rule_sets import CHECK_CONTEXT, LISTS, VOCABULARY

TOTAL, COUNTRY, NOW = {"var": "cart.total"}, {"var": "geo.country"}, {"var": "time.now"}
TAGS, VERSION, SEGMENT = {"var": "customer.tags"}, {"var": "app.version"}, {"var": "customer.segment"}
HIDE = [{"exclude": ["klarna"]}]


def rule(when: object, *effects: dict[str, object], id: str = "r", priority: int = 0) -> dict[str, object]:
    return {"id": id, "priority": priority, "when": when, "effects": list(effects) or HIDE}


def check(*documents: dict[str, object], context: CheckContext = CHECK_CONTEXT) -> list[RuleFinding]:
    return check_rules(parse_rules(list(documents), context.vocabulary, LISTS), context)


def kinds(*documents: dict[str, object]) -> list[tuple[str, str]]:
    return [(finding.rule, finding.kind) for finding in check(*documents)]


def is_(country: str) -> dict[str, object]:
    return {"==": [COUNTRY, country]}


IMPOSSIBLE: list[tuple[object, str]] = [
    ({"and": [is_("DE"), is_("US")]}, "/when/and"),
    ({"and": [{"in": [COUNTRY, ["DE", "AT"]]}, {"in": [COUNTRY, ["US", "FR"]]}]}, "/when/and"),
    ({"and": [{"var": "customer.returning"}, is_("DE"), {"!": {"var": "customer.returning"}}]}, "/when/and"),
    ({"and": [{"<": [TOTAL, 100]}, {">": [TOTAL, 100]}]}, "/when/and"),
    ({"and": [{">": [TOTAL, 100]}, {"<": [TOTAL, 101]}]}, "/when/and"),
    ({"<": [200, TOTAL, 100]}, "/when/<"),
    ({"and": [{"missing": ["cart.total"]}, {"<": [TOTAL, 100]}]}, "/when/and"),
    ({"!": {"or": [{"exists": TOTAL}, {"missing": ["cart.total"]}]}}, "/when/!/or"),
    ({"and": [{"weekday_in": [NOW, ["sat", "sun"], "UTC"]}, {"weekday_in": [NOW, ["mon"], "UTC"]}]}, "/when/and"),
    (
        {"and": [{"time_between": [NOW, "22:00", "06:00", "UTC"]}, {"time_between": [NOW, "08:00", "20:00", "UTC"]}]},
        "/when/and",
    ),
    ({"and": [{"any_of": [TAGS, ["vip"]]}, {"none_of": [TAGS, ["vip"]]}]}, "/when/and"),
    ({"and": [{"var": "customer.returning"}, {"or": [{"and": [is_("DE"), is_("US")]}]}]}, "/when/and/1/or/0/and"),
    ({"and": [{"sem_ver": [VERSION, ">", "1.0.0"]}, {"sem_ver": [VERSION, "<", "1.0.1-0"]}]}, "/when/and"),
]  # fmt: skip


@pytest.mark.parametrize(("when", "path"), IMPOSSIBLE)
def test_a_rule_that_never_fires_is_an_error(when: object, path: str) -> None:
    assert [(finding.kind, finding.severity, finding.path) for finding in check(rule(when))] == [
        ("never", "error", path)
    ]


@pytest.mark.parametrize(
    "when",
    [
        {"and": [{">": [{"var": "risk.score"}, 100]}, {"<": [{"var": "risk.score"}, 101]}]},
        {"and": [{"in": [COUNTRY, ["DE", "AT"]]}, {"in": [COUNTRY, ["AT", "FR"]]}]},
        {"or": [is_("DE"), is_("US")]},
        {"and": [{"weekday_in": [NOW, ["sat"], "UTC"]}, {"weekday_in": [NOW, ["sun"], "Asia/Tokyo"]}]},
        {"and": [{"starts_with": [SEGMENT, "a"]}, {"ends_with": [SEGMENT, "b"]}]},
        {"and": [{"in_list": [SEGMENT, "blocked"]}, {"==": [SEGMENT, "b"]}]},
        {"and": [{"<": [TOTAL, {"var": "risk.score"}]}, {">": [{"*": [TOTAL, 2]}, 5]}]},
    ],
)  # fmt: skip
def test_a_rule_that_may_fire_has_no_finding(when: object) -> None:
    assert check(rule(when)) == []


def test_a_rule_on_an_empty_list_is_a_warning() -> None:
    [finding] = check(rule({"and": [is_("DE"), {"in_list": [SEGMENT, "nobody"]}]}))
    assert (finding.kind, finding.severity, finding.path) == ("never", "warning", "/when/and/1/in_list")
    assert finding.message == "The list “nobody” is empty, so the rule cannot fire until the list has a value."


def test_the_message_names_the_clauses_that_exclude_each_other() -> None:
    [finding] = check(rule({"and": [{"var": "customer.returning"}, is_("DE"), is_("US")]}))
    assert (
        finding.message
        == "“geo.country is DE” and “geo.country is US” can never both be true, so the rule never fires."
    )


def test_a_part_that_is_never_true_is_a_warning() -> None:
    [finding] = check(rule({"or": [is_("FR"), {"and": [is_("DE"), is_("US")]}]}))
    assert (finding.kind, finding.severity, finding.path) == ("dead part", "warning", "/when/or/1/and")


def test_a_rule_true_whenever_fields_are_sent_is_noted() -> None:
    [finding] = check(rule({"or": [{"<": [TOTAL, 100]}, {">=": [TOTAL, 100]}]}))
    assert (finding.kind, finding.severity) == ("always", "note")
    assert "every checkout that sends cart.total" in finding.message


def test_a_rule_without_fields_is_not_noted() -> None:
    assert check(rule(True)) == []


# --- interactions of rules

WIDE, NARROW = {"in": [COUNTRY, ["DE", "AT"]]}, {"and": [is_("DE"), {"<": [TOTAL, 100]}]}
PIN = {"pin": {"candidate": "paypal", "slot": 1}}
SHADOWED: list[tuple[dict[str, object], dict[str, object]]] = [
    ({"exclude": ["klarna"]}, {"exclude": ["klarna"]}),
    ({"require": ["card"]}, {"exclude": ["klarna"]}),
    ({"exclude": ["klarna", "card"]}, {"require": ["paypal"]}),
    (PIN, PIN),
    ({"exclude": ["paypal"]}, PIN),
    ({"exclude": ["paypal"]}, {"boost": {"candidates": ["paypal"], "factor": 2}}),
    ({"set": {"name": "cvv", "value": True}}, {"set": {"name": "cvv", "value": False}}),
]


@pytest.mark.parametrize(("first", "second"), SHADOWED)
def test_wider_earlier_rule_shadows_a_rule(first: dict[str, object], second: dict[str, object]) -> None:
    before, after = rule(WIDE, first, id="a", priority=1), rule(NARROW, second, id="b")
    [finding] = check(before, after)
    assert (finding.rule, finding.kind, finding.other) == ("b", "shadowed", "a")


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (rule(NARROW, id="a", priority=1), rule(WIDE, id="b")),
        (rule(WIDE, id="a"), rule(NARROW, id="b", priority=1)),
        (rule(WIDE, id="a", priority=1), rule(NARROW, *HIDE, {"set": {"name": "cvv", "value": True}}, id="b")),
        (rule(WIDE, {"boost": {"candidates": ["card"], "factor": 2}}, id="a", priority=1),
         rule(NARROW, {"boost": {"candidates": ["card"], "factor": 2}}, id="b")),
        (rule({"!=": [COUNTRY, "US"]}, id="a", priority=1), rule({"!": {"==": [TOTAL, 5]}}, id="b")),
    ],
)  # fmt: skip
def test_a_rule_that_may_matter_is_not_shadowed(first: dict[str, object], second: dict[str, object]) -> None:
    assert kinds(first, second) == []


def test_a_fact_that_may_be_missing_prevents_shadowing() -> None:
    always_known = rule({"or": [{"<": [TOTAL, 100]}, {">=": [TOTAL, 100]}]}, id="a", priority=1)
    assert ("b", "shadowed") not in kinds(always_known, rule(is_("DE"), id="b"))


def test_pinning_a_hidden_candidate_is_a_fight_with_an_example() -> None:
    [finding] = check(
        rule(is_("DE"), PIN, id="a", priority=5), rule({"<": [TOTAL, 100]}, {"exclude": ["paypal"]}, id="b")
    )
    assert (finding.rule, finding.kind, finding.other) == ("a", "fight", "b")
    assert finding.example == {"geo.country": "DE", "cart.total": 0}
    assert finding.message == "This rule shows PayPal first, but if “b” also fires, it is hidden."


def test_rules_that_can_not_fire_together_do_not_fight() -> None:
    assert kinds(rule(is_("DE"), PIN, id="a"), rule(is_("US"), {"exclude": ["paypal"]}, id="b")) == []


def test_rival_pins_of_a_slot_or_a_candidate_fight() -> None:
    card_first, paypal_second = {"pin": {"candidate": "card", "slot": 1}}, {"pin": {"candidate": "paypal", "slot": 2}}
    before = rule(is_("DE"), PIN, id="a", priority=1)
    assert kinds(before, rule({"<": [TOTAL, 9]}, card_first, id="b")) == [("b", "fight")]
    assert kinds(before, rule({"<": [TOTAL, 9]}, paypal_second, id="b")) == [("b", "fight")]


def test_rule_that_pins_a_hidden_candidate_conflicts_with_itself() -> None:
    [finding] = check(rule(is_("DE"), {"exclude": ["paypal"]}, PIN))
    assert (finding.kind, finding.path, finding.other) == ("fight", "/effects/1", None)


def test_requirements_without_a_candidate_in_common_are_a_fight() -> None:
    first, second = (
        rule(is_("DE"), {"require": ["card"]}, id="a"),
        rule({"<": [TOTAL, 9]}, {"require": ["paypal"]}, id="b"),
    )
    assert kinds(first, second) == [("b", "fight")]


def test_rules_that_together_hide_everything_are_found_with_an_example() -> None:
    first = rule({">": [TOTAL, 100]}, {"exclude": ["klarna", "paypal"]}, id="a")
    [finding] = check(first, rule(is_("DE"), {"exclude": ["card"]}, id="b"))
    assert (finding.rule, finding.kind, finding.others) == ("b", "may be empty", ("a",))
    assert finding.example == {"geo.country": "DE", "cart.total": 101}


def test_rules_that_never_hide_everything_together_are_valid() -> None:
    first = rule(is_("US"), {"exclude": ["klarna", "paypal"]}, id="a")
    assert kinds(first, rule(is_("DE"), {"exclude": ["card"]}, id="b")) == []


def test_candidates_and_slots_that_do_not_exist_are_ignored() -> None:
    few = CheckContext(VOCABULARY, LISTS, {"card": "Card", "paypal": "PayPal"}, slots=1)
    away = rule(is_("DE"), {"exclude": ["klarna"]}, {"pin": {"candidate": "paypal", "slot": 2}}, id="a")
    assert check(away, rule(is_("DE"), {"exclude": ["paypal"]}, id="b"), context=few) == []


def test_rules_with_separate_schedules_do_not_interact() -> None:
    """A schedule is part of the condition when rules are checked."""
    until, since = {"before": [NOW, "2026-12-01T00:00:00Z"]}, {"!": {"before": [NOW, "2026-12-01T00:00:00Z"]}}
    later = rule({"and": [since, NARROW]}, id="b")
    assert kinds(rule({"and": [until, WIDE]}, id="a", priority=1), later) == []
    assert kinds(rule({"and": [{"after": [NOW, "2026-11-01T00:00:00Z"]}, WIDE]}, id="a", priority=1), later) == [
        ("b", "shadowed")
    ]


def test_messages_use_the_merchants_labels() -> None:
    wording = Wording(currency="CHF", country={"DE": "Germany", "US": "the US"}.get)
    context = CheckContext(VOCABULARY, LISTS, CHECK_CONTEXT.candidates, wording=wording)
    [finding] = check(rule({"and": [is_("DE"), is_("US")]}), context=context)
    assert finding.message.startswith("“geo.country is Germany” and “geo.country is the US” can never")


def test_ended_or_empty_schedules_are_found() -> None:
    spans = {"fine": (10, 30), "over": (None, 20), "empty": (30, 30), "open": (10, None)}
    assert [(finding.rule, finding.kind) for finding in schedule_findings(spans, 20)] == [
        ("over", "schedule over"),
        ("empty", "schedule empty"),
    ]


def test_unused_lists_are_reported() -> None:
    using = parse_rule(rule({"!": {"in_list": [SEGMENT, "blocked"]}}), VOCABULARY, LISTS)
    assert [(finding.rule, finding.kind) for finding in unused_lists([using], LISTS)] == [("nobody", "unused list")]


# --- against brute force


@pytest.mark.parametrize("plain", [True, False])
def test_brute_force_finds_no_false_or_missing_finding(plain: bool) -> None:
    counts, wrong = rule_checks.compare(120, plain=plain, seed=5)
    assert wrong == []
    assert min(counts[kind] for kind in ("never", "always", "shadowed", "fight", "may be empty")) >= 4


def test_brute_force_detects_mistakes() -> None:
    """The oracle detects a false finding and a missing one."""
    generated = rule_sets.rule_set(Random(1), plain=True)
    expected = rule_sets.ExpectedFindings(generated)
    healthy = next(rule.id for rule in generated.rules if rule.id not in expected.never())
    assert list(rule_sets.false_alarms(expected, [RuleFinding(healthy, "/when", "never", "error", "")]))
    assert list(rule_sets.missed(rule_sets.ExpectedFindings(_contradiction()), []))


def _contradiction() -> rule_sets.GeneratedRules:
    rules = parse_rules([rule({"and": [is_("DE"), is_("US")]})], VOCABULARY, LISTS)
    return rule_sets.GeneratedRules(rules, tuple(rule_sets.worlds(["geo.country"])))


def test_checking_a_rule_gives_the_findings_of_the_set() -> None:
    random, seen = Random(9), Counter[str]()
    for _ in range(60):
        rules = rule_sets.rule_set(random, plain=True).rules
        whole = check_rules(rules, CHECK_CONTEXT)
        for rule in rules:
            alone = check_rule(rule, [other for other in rules if other is not rule], CHECK_CONTEXT)
            expected = {
                _of_pair(finding) for finding in whole if finding.rule == rule.id and finding.kind != "may be empty"
            }
            assert expected <= {_of_pair(finding) for finding in alone}
            assert all(rule.id in (finding.rule, *finding.others) for finding in alone)
            seen.update(finding.kind for finding in alone)
    assert min(seen[kind] for kind in ("never", "shadowed", "fight", "may be empty")) > 5


def _of_pair(finding: RuleFinding) -> tuple[str, str, str, tuple[str, ...]]:
    return finding.rule, finding.kind, finding.message, finding.others


def test_messages_call_the_checked_rule_this_rule() -> None:
    documents = [rule(is_("DE"), PIN, id="a", priority=5), rule({"<": [TOTAL, 100]}, {"exclude": ["paypal"]}, id="b")]
    first, second = parse_rules(documents, VOCABULARY, LISTS)
    [of_first] = check_rule(first, [second], CHECK_CONTEXT)
    [of_second] = check_rule(second, [first], CHECK_CONTEXT)
    assert of_first.message == "This rule shows PayPal first, but if “b” also fires, it is hidden."
    assert of_second.message == "“a” shows PayPal first, but if this rule also fires, it is hidden."
    assert (of_first.rule, of_second.rule) == ("a", "a")


def test_a_large_set_is_checked_in_time() -> None:
    rules = rule_checks.large_set(200, seed=3)
    assert rule_checks.seconds_for_a_set(rules) < 2
    assert statistics.median(rule_checks.seconds_for_a_rule(rules)) < 0.1


def test_a_condition_with_too_many_cases_is_skipped() -> None:
    fields = [Field(f"f.a{number}", "integer") for number in range(40)]
    vocabulary = Vocabulary(fields)
    pairs = [{"or": [{"<": [{"var": f.name}, 1]}, {"<": [{"var": g.name}, 2]}]} for f, g in pairwise(fields)]
    context = CheckContext(vocabulary, {}, CHECK_CONTEXT.candidates)
    assert check(rule({"and": pairs}, id="a"), rule({"and": pairs}, id="b"), context=context) == []


def test_findings_have_a_json_form() -> None:
    [finding] = check(rule({"and": [is_("DE"), is_("US")]}))
    assert finding.to_json()["kind"] == "never"
