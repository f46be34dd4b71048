"""Effects in both directions, and rules in plain words."""

import pytest

from rules import (
    Boost,
    Effect,
    Exclude,
    Field,
    Pin,
    Require,
    RuleError,
    Set,
    Vocabulary,
    describe,
    parse_condition,
    parse_effects,
    parse_rule,
    to_json,
)
from tests.rules.rule_cases import LISTS, VOCABULARY

BOTH_WAYS: list[tuple[dict[str, object], Effect]] = [
    ({"exclude": ["klarna"]}, Exclude(("klarna",))),
    ({"require": ["card", "paypal"]}, Require(("card", "paypal"))),
    ({"pin": {"candidate": "paypal", "slot": 1}}, Pin("paypal", 1)),
    ({"boost": {"candidates": ["ideal"], "factor": 2.0}}, Boost(("ideal",), 2.0)),
    ({"set": {"name": "show_cvv", "value": True}}, Set("show_cvv", True)),
    ({"set": {"name": "headline", "value": "Hi"}}, Set("headline", "Hi")),
]


@pytest.mark.parametrize(("document", "effect"), BOTH_WAYS)
def test_an_effect_is_read_and_written_in_the_same_form(document: dict[str, object], effect: Effect) -> None:
    assert parse_effects([document]) == (effect,)
    assert to_json(effect) == document


@pytest.mark.parametrize(
    ("documents", "path"),
    [
        ([], "/effects"),
        ({"exclude": ["a"]}, "/effects"),
        ([{"hide": ["a"]}], "/effects/0/hide"),
        ([{"exclude": []}], "/effects/0/exclude"),
        ([{"exclude": "klarna"}], "/effects/0/exclude"),
        ([{"exclude": ["a", "a"]}], "/effects/0/exclude"),
        ([{"exclude": ["a"]}, {"exclude": ["b", 5]}], "/effects/1/exclude/1"),
        ([{"pin": {"candidate": "a", "slot": 0}}], "/effects/0/pin/slot"),
        ([{"pin": {"candidate": "a", "slot": True}}], "/effects/0/pin/slot"),
        ([{"pin": {"candidate": "a"}}], "/effects/0/pin"),
        ([{"boost": {"candidates": ["a"], "factor": 0}}], "/effects/0/boost/factor"),
        ([{"boost": {"candidates": ["a"], "factor": 1001}}], "/effects/0/boost/factor"),
        ([{"boost": {"candidates": ["a"], "factor": float("nan")}}], "/effects/0/boost/factor"),
        ([{"boost": {"candidates": ["a"], "factor": 10**400}}], "/effects/0/boost/factor"),
        ([{"set": {"name": "x", "value": None}}], "/effects/0/set/value"),
        ([{"set": {"name": "x", "value": float("inf")}}], "/effects/0/set/value"),
        ([{"set": {"name": "x", "value": ["a"]}}], "/effects/0/set/value"),
    ],
)
def test_a_wrong_effect_is_refused_with_its_place(documents: object, path: str) -> None:
    with pytest.raises(RuleError) as caught:
        parse_effects(documents)
    assert [problem.path for problem in caught.value.problems] == [path]


TOTAL = {"var": "cart.total"}
NOW = {"var": "time.now"}


@pytest.mark.parametrize(
    ("when", "sentence"),
    [
        ({">": [TOTAL, 123456]}, "cart.total is over 1,234.56 EUR"),
        ({"between": [TOTAL, 0, 5000]}, "cart.total is between 0.00 EUR and 50.00 EUR"),
        ({"<=": [{"var": "cart.items"}, 3]}, "cart.items is at most 3"),
        ({"!": {"in": [{"var": "geo.country"}, ["DE", "AT", "CH"]]}}, "not (geo.country is DE, AT or CH)"),
        ({"==": [{"var": "customer.is_new"}, True]}, "customer.is_new is true"),
        (
            {"or": [{"and": [{"var": "customer.is_new"}, {"exists": [TOTAL]}]}, {"missing": ["geo.country"]}]},
            "(customer.is_new and cart.total is known) or geo.country is missing",
        ),
        ({"before": [{"var": "customer.born"}, "2000-01-01"]}, "customer.born is before 2000-01-01"),
        ({"weekday_in": [NOW, ["sat", "sun"], "Europe/Berlin"]}, "time.now is on sat or sun (Europe/Berlin)"),
        (
            {"time_between": [NOW, "22:00", "06:00", "UTC"]},
            "time.now is from 22:00 to 06:00 (UTC)",
        ),
        (
            {"in": [{"var": "geo.country"}, ["DE", "AT", "CH", "FR", "IT", "ES", "PT", "NL"]]},
            "geo.country is DE, AT, CH, FR, IT or 3 more",
        ),
        (
            {"within_km": [{"var": "geo.location"}, [52.52, 13.405], 50]},
            "geo.location is within 50 km of [52.52, 13.405]",
        ),
        (
            {"percent_bucket": [{"var": "customer.id"}, "new", 0, 10]},
            'customer.id is in 0 to 10 percent of "new"',
        ),
        (
            {"some": [{"var": "customer.tags"}, {"==": [{"var": ""}, "vip"]}]},
            "for some element of customer.tags: the element is vip",
        ),
    ],
)
def test_a_condition_reads_as_a_sentence(when: object, sentence: str) -> None:
    assert describe(parse_condition(when, VOCABULARY, LISTS), VOCABULARY) == sentence


def test_a_rule_reads_as_a_condition_and_what_follows() -> None:
    effects = [document for document, _ in BOTH_WAYS[:5]]
    rule = parse_rule({"id": "r", "when": {"<": [TOTAL, 100]}, "effects": effects}, VOCABULARY, LISTS)
    assert describe(rule, VOCABULARY) == (
        "cart.total is under 1.00 EUR -> hide klarna, show only card and paypal, show paypal in place 1, "
        "multiply the score of ideal by 2, set show_cvv to true"
    )


def test_labels_and_currencies_without_cents_are_shown() -> None:
    vocabulary = Vocabulary([Field("cart.total", "money", unit="JPY", label="Cart total")])
    condition = parse_condition({">=": [TOTAL, 5000]}, vocabulary, {})
    assert describe(condition, vocabulary) == "Cart total is at least 5,000 JPY"
