"""Test the JSON form of effects, and rules in plain words."""

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
    Wording,
    candidates_of,
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
    ("effect", "ids"),
    [
        (Exclude(("klarna", "card")), ("klarna", "card")),
        (Require(("card",)), ("card",)),
        (Pin("paypal", 2), ("paypal",)),
        (Boost(("ideal", "card"), 2.0), ("ideal", "card")),
        (Set("card", "paypal"), ()),
    ],
)
def test_an_effect_names_its_candidates(effect: Effect, ids: tuple[str, ...]) -> None:
    assert candidates_of(effect) == ids


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
def test_a_wrong_effect_is_refused_with_its_path(documents: object, path: str) -> None:
    with pytest.raises(RuleError) as caught:
        parse_effects(documents)
    assert [problem.path for problem in caught.value.problems] == [path]


TOTAL = {"var": "cart.total"}
NOW = {"var": "time.now"}


@pytest.mark.parametrize(
    ("when", "sentence"),
    [
        ({">": [TOTAL, 123456]}, "cart.total is over EUR 1,234.56"),
        ({"<": [5000, TOTAL]}, "cart.total is over EUR 50.00"),
        ({"between": [TOTAL, 0, 5000]}, "cart.total is between EUR 0.00 and EUR 50.00"),
        ({"<": [100, TOTAL, 200]}, "cart.total is over EUR 1.00 and under EUR 2.00"),
        ({"<": [{"var": ["cart.total", 0]}, 500]}, "cart.total (EUR 0.00 if missing) is under EUR 5.00"),
        ({"<=": [{"var": "cart.items"}, 3]}, "cart.items is at most 3"),
        ({">": [{"/": [TOTAL, {"var": "cart.items"}]}, 10]}, "cart.total divided by cart.items is over 10"),
        ({"==": [{"var": "customer.is_new"}, True]}, "customer.is_new is yes"),
        ({"==": [{"var": "customer.id"}, ""]}, "customer.id is empty"),
        (
            {"or": [{"and": [{"var": "customer.is_new"}, {"exists": [TOTAL]}]}, {"missing": ["geo.country"]}]},
            "(customer.is_new is yes and cart.total is known) or geo.country is missing",
        ),
        ({"before": [{"var": "customer.born"}, "2000-01-01"]}, "customer.born is before 1 Jan 2000"),
        ({"after": [NOW, "2026-11-27T18:30:00+01:00"]}, "time.now is after 27 Nov 2026 at 18:30 (UTC+01:00)"),
        (
            {"between_dates": [NOW, "2026-11-27", "2026-11-30", "UTC"]},
            "time.now is from 27 Nov 2026 to 30 Nov 2026 (UTC)",
        ),
        ({"weekday_in": [NOW, ["sat", "sun"], "Europe/Berlin"]}, "time.now is on Saturday or Sunday (Europe/Berlin)"),
        ({"time_between": [NOW, "22:00", "06:00", "UTC"]}, "time.now is from 22:00 to 06:00 (UTC)"),
        ({"in_list": [{"var": "customer.id"}, "blocked"]}, "customer.id is on the list “blocked”"),
        (
            {"in": [{"var": "geo.country"}, ["DE", "AT", "CH", "FR", "IT", "ES", "PT", "NL"]]},
            "geo.country is DE, AT, CH, FR, IT or 3 more",
        ),
        ({"in": ["vip", {"var": "customer.tags"}]}, "customer.tags has vip"),
        (
            {"within_km": [{"var": "geo.location"}, [52.52, 13.405], 50]},
            "geo.location is within 50 km of [52.52, 13.405]",
        ),
        (
            {"percent_bucket": [{"var": "customer.id"}, "new", 0, 10]},
            "customer.id is in 0 to 10 percent of “new”",
        ),
        (
            {"some": [{"var": "customer.tags"}, {"==": [{"var": ""}, "vip"]}]},
            "for some element of customer.tags: the element is vip",
        ),
    ],
)
def test_a_condition_reads_as_a_sentence(when: object, sentence: str) -> None:
    assert describe(parse_condition(when, VOCABULARY, LISTS), VOCABULARY) == sentence


@pytest.mark.parametrize(
    ("what", "sentence"),
    [
        ({"in": [{"var": "geo.country"}, ["DE", "AT", "CH"]]}, "geo.country is not DE, AT or CH"),
        ({"==": [{"var": "geo.country"}, "DE"]}, "geo.country is not DE"),
        ({"<": [TOTAL, 5000]}, "cart.total is at least EUR 50.00"),
        ({">=": [TOTAL, 5000]}, "cart.total is under EUR 50.00"),
        ({"between": [TOTAL, 0, 5000]}, "cart.total is not between EUR 0.00 and EUR 50.00"),
        ({"var": "customer.is_new"}, "customer.is_new is no"),
        ({"!": {"var": "customer.is_new"}}, "customer.is_new is yes"),
        ({"exists": [TOTAL]}, "cart.total is not known"),
        ({"missing": ["cart.total"]}, "cart.total is not missing"),
        ({"in_list": [{"var": "customer.id"}, "blocked"]}, "customer.id is not on the list “blocked”"),
        ({"any_of": [{"var": "customer.tags"}, ["vip"]]}, "customer.tags has none of vip"),
        ({"starts_with": [{"var": "customer.id"}, "a"]}, "customer.id does not start with a"),
        ({"weekday_in": [NOW, ["sat"], "UTC"]}, "time.now is not on Saturday (UTC)"),
        ({"before": [NOW, "2026-11-27T18:30:00Z"]}, "time.now is not before 27 Nov 2026 at 18:30 (UTC)"),
        (
            {"or": [{"var": "customer.is_new"}, {"exists": [TOTAL]}]},
            "not (customer.is_new is yes or cart.total is known)",
        ),
    ],
)
def test_a_negation_reads_naturally(what: object, sentence: str) -> None:
    assert describe(parse_condition({"!": what}, VOCABULARY, LISTS), VOCABULARY) == sentence


def test_a_rule_reads_as_a_condition_and_its_effects() -> None:
    effects = [document for document, _ in BOTH_WAYS[:5]]
    rule = parse_rule({"id": "r", "when": {"<": [TOTAL, 100]}, "effects": effects}, VOCABULARY, LISTS)
    assert describe(rule, VOCABULARY, Wording({"klarna": "Klarna", "paypal": "PayPal"})) == (
        "cart.total is under EUR 1.00 → Klarna is hidden, only card and PayPal are shown, PayPal is shown first, "
        "the score of ideal is multiplied by 2, show_cvv is set to yes"
    )


def test_a_rule_without_a_condition_reads_always() -> None:
    rule = parse_rule({"id": "r", "when": True, "effects": [{"exclude": ["a", "b"]}]}, VOCABULARY, LISTS)
    assert describe(rule, VOCABULARY) == "always → a and b are hidden"


def test_labels_and_currencies_without_cents_are_shown() -> None:
    vocabulary = Vocabulary([Field("cart.total", "money", unit="JPY", label="Cart total")])
    condition = parse_condition({">=": [TOTAL, 5000]}, vocabulary, {})
    assert describe(condition, vocabulary) == "Cart total is at least JPY 5,000"


def test_amounts_and_countries_follow_the_merchants_locale() -> None:
    vocabulary = Vocabulary([Field("cart.total", "money"), Field("geo.country", "country")])
    condition = parse_condition({"and": [{"<": [TOTAL, 5000]}, {"==": [{"var": "geo.country"}, "DE"]}]}, vocabulary, {})
    wording = Wording(
        currency="EUR", money=lambda minor, _: f"{minor / 100:.2f} €", country={"DE": "Germany"}.__getitem__
    )
    assert describe(condition, vocabulary) == "cart.total is under 50.00 and geo.country is DE"
    assert describe(condition, vocabulary, Wording(currency="USD")).startswith("cart.total is under USD 50.00")
    assert describe(condition, vocabulary, wording) == "cart.total is under 50.00 € and geo.country is Germany"
