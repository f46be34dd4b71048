"""Test the changes that would make a rule fire."""

from __future__ import annotations

from random import Random

import pytest

from rules import Field, Need, Vocabulary, Wording, changes_needed, explain, parse_rule
from tests.rules import rule_sets
from tests.rules.rule_sets import LISTS

VOCABULARY = Vocabulary(
    (
        Field("cart.total", "money", unit="EUR", label="Cart total"),
        Field("geo.country", "country", label="Country"),
        Field("customer.returning", "boolean", label="Returning customer"),
        Field("customer.email", "string", label="Email"),
        Field("customer.tags", "list", label="Tags"),
        Field("time.now", "datetime", label="Time"),
        Field("cart.items", "integer", label="Items"),
    )
)
TOTAL, COUNTRY = {"var": "cart.total"}, {"var": "geo.country"}
AT_LEAST_50, NOT_UNDER_50 = {">=": [TOTAL, 5000]}, {"!": {"<": [TOTAL, 5000]}}
RETURNING = {"var": "customer.returning"}


def needs(when: object, **facts: object) -> list[tuple[Need, ...]]:
    rule = parse_rule({"id": "r", "when": when, "effects": [{"exclude": ["a"]}]}, VOCABULARY, {})
    sent = {name.replace("__", "."): value for name, value in facts.items()}
    return changes_needed(rule, sent, VOCABULARY, {}, Wording(country={"DE": "Germany", "US": "the US"}.__getitem__))


def texts(when: object, **facts: object) -> list[list[str]]:
    return [[need.text for need in changes] for changes in needs(when, **facts)]


TAGS, NOW, EMAIL = {"var": "customer.tags"}, {"var": "time.now"}, {"var": "customer.email"}
NOON = "2026-11-27T12:00:00Z"


@pytest.mark.parametrize(
    ("when", "facts", "text"),
    [
        (AT_LEAST_50, {"cart__total": 3200}, "Cart total would have to be at least EUR 50.00; it is EUR 32.00"),
        (NOT_UNDER_50, {"cart__total": 3200}, "Cart total would have to be at least EUR 50.00; it is EUR 32.00"),
        (AT_LEAST_50, {}, "Cart total would have to be at least EUR 50.00; it is missing"),
        ({"==": [COUNTRY, "DE"]}, {"geo__country": "US"}, "Country would have to be Germany; it is the US"),
        ({"!=": [COUNTRY, "DE"]}, {"geo__country": "DE"}, "Country must not be Germany; it is Germany"),
        (RETURNING, {"customer__returning": False}, "Returning customer would have to be yes; it is no"),
        ({"exists": TOTAL}, {}, "Cart total would have to be known; it is missing"),
        (
            {"ends_with": [EMAIL, "example.com"]},
            {"customer__email": "a@b.c"},
            "Email would have to end with example.com; it is a@b.c",
        ),
        ({"any_of": [TAGS, ["vip"]]}, {"customer__tags": ["new"]}, "Tags would have to have any of vip; it has new"),
        (
            {"none_of": [TAGS, ["vip"]]},
            {"customer__tags": ["vip", "new"]},
            "Tags must have none of vip; it has vip and new",
        ),
        (
            {"weekday_in": [NOW, ["sat", "sun"], "Europe/Berlin"]},
            {"time__now": NOON},
            "Time would have to be on Saturday or Sunday (Europe/Berlin); it is Friday there",
        ),
        (
            {"time_between": [NOW, "18:00", "22:00", "Europe/Berlin"]},
            {"time__now": NOON},
            "Time would have to be from 18:00 to 22:00 (Europe/Berlin); it is 13:00 there",
        ),
        (
            {">": [{"/": [TOTAL, {"var": "cart.items"}]}, 100]},
            {"cart__total": 100, "cart__items": 2},
            "“Cart total divided by Items is over 100” would have to be true; Cart total is EUR 1.00 and Items is 2",
        ),
    ],
)
def test_a_failed_clause_names_the_requirement_and_the_value(when: object, facts: dict[str, object], text: str) -> None:
    assert texts(when, **facts) == [[text]]


def test_a_value_of_another_type_is_named() -> None:
    [[need]] = needs(AT_LEAST_50, cart__total="50")
    assert need.text.startswith(
        "Cart total would have to be at least EUR 50.00; it cannot be used: must be a whole number"
    )
    assert (need.path, need.fields) == ("/when/>=", ("cart.total",))


def test_clauses_that_are_met_need_no_change() -> None:
    when = {"and": [AT_LEAST_50, {"==": [COUNTRY, "DE"]}, {"var": "customer.returning"}]}
    ways = needs(when, cart__total=9000, geo__country="US", customer__returning=False)
    assert [[need.path for need in changes] for changes in ways] == [["/when/and/1/==", "/when/and/2/var"]]


def test_the_shortest_change_comes_first_and_none_contains_another() -> None:
    both = {"and": [AT_LEAST_50, {"var": "customer.returning"}]}
    when = {"or": [both, {"==": [COUNTRY, "DE"]}, {"and": [{"==": [COUNTRY, "DE"]}, AT_LEAST_50]}]}
    ways = needs(when, cart__total=100, geo__country="US", customer__returning=False)
    assert [len(changes) for changes in ways] == [1, 2]


def test_contradictory_changes_are_not_offered() -> None:
    impossible = {"and": [{"==": [COUNTRY, "DE"]}, {"==": [COUNTRY, "US"]}]}
    assert needs(impossible, geo__country="DE") == []
    ways = needs({"or": [impossible, AT_LEAST_50]}, geo__country="DE", cart__total=0)
    assert [need.path for changes in ways for need in changes] == ["/when/or/1/>="]


def test_rule_that_fires_needs_no_change() -> None:
    assert needs(AT_LEAST_50, cart__total=5000) == []


def test_making_the_changes_makes_the_rule_fire() -> None:
    """Facts that make the changes and keep all other clauses as they were make the rule fire."""
    random, tried = Random(4), 0
    for _ in range(40):
        generated = rule_sets.rule_set(random, plain=True, rules=1, fields=2)
        [rule] = generated.rules
        facts = random.choice(generated.worlds)
        before = _verdicts(rule, facts)
        for changes in changes_needed(rule, facts, rule_sets.VOCABULARY, LISTS):
            required = {need.path: str(need.required).lower() for need in changes}
            for world in generated.worlds:
                after = _verdicts(rule, world)
                if before | required == {path: after[path] for path in after}:
                    tried += 1
                    assert explain(rule, world, rule_sets.VOCABULARY, LISTS).verdict == "true"
    assert tried > 20


def _verdicts(rule: object, facts: dict[str, object]) -> dict[str, str]:
    clauses = explain(rule, facts, rule_sets.VOCABULARY, LISTS).clauses  # type: ignore[arg-type]
    return {clause.path: clause.verdict for clause in clauses if clause.values}
