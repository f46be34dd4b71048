"""Test the verdict of every operator on facts that are right, at the edge, missing, or of another type.

A rule fires only where its condition is surely true. The explanation and the compiled rule must agree in every case.
"""

from __future__ import annotations

from typing import Any

import pytest

from rules import Field, Vocabulary, compile_rules, explain, parse_rule
from tests.rules.rule_cases import LISTS, VOCABULARY

TOTAL, ITEMS, COUNTRY = {"var": "cart.total"}, {"var": "cart.items"}, {"var": "geo.country"}
NOW, BORN, TAGS, ID = {"var": "time.now"}, {"var": "customer.born"}, {"var": "customer.tags"}, {"var": "customer.id"}
VERSION, LOCATION, NEW = {"var": "app.version"}, {"var": "geo.location"}, {"var": "customer.is_new"}
RISK, MAIL, DEVICE = {"var": "risk.score"}, {"var": "customer.email"}, {"var": "device.type"}
YES, NO, UNKNOWN = "true", "false", "unknown"
BERLIN, POTSDAM, MUNICH = [52.52, 13.405], [52.39, 13.06], [48.14, 11.58]

Facts = dict[str, Any]
CASES: list[tuple[Any, list[tuple[Facts, str]]]] = [
    ({"==": [COUNTRY, "DE"]}, [
        ({"geo.country": "DE"}, YES), ({"geo.country": "AT"}, NO), ({}, UNKNOWN), ({"geo.country": "de"}, UNKNOWN),
        ({"geo.country": None}, UNKNOWN), ({"geo.country": 5}, UNKNOWN),
    ]),
    ({"!=": [COUNTRY, "DE"]}, [({"geo.country": "DE"}, NO), ({"geo.country": "AT"}, YES), ({}, UNKNOWN)]),
    ({"==": [NEW, True]}, [({"customer.is_new": True}, YES), ({"customer.is_new": False}, NO), ({}, UNKNOWN),
                           ({"customer.is_new": 1}, UNKNOWN), ({"customer.is_new": "true"}, UNKNOWN)]),
    (NEW, [({"customer.is_new": True}, YES), ({"customer.is_new": False}, NO), ({}, UNKNOWN)]),
    ({"var": ["customer.is_new", True]}, [({"customer.is_new": False}, NO), ({}, YES),
                                          ({"customer.is_new": "x"}, YES)]),
    ({">": [TOTAL, 5_000]}, [
        ({"cart.total": 5_001}, YES), ({"cart.total": 5_000}, NO), ({}, UNKNOWN), ({"cart.total": "9000"}, UNKNOWN),
        ({"cart.total": 9_000.0}, UNKNOWN), ({"cart.total": True}, UNKNOWN), ({"cart.total": -1}, NO),
    ]),
    ({">=": [TOTAL, 5_000]}, [({"cart.total": 5_000}, YES), ({"cart.total": 4_999}, NO), ({}, UNKNOWN)]),
    ({"<": [TOTAL, 5_000]}, [({"cart.total": 4_999}, YES), ({"cart.total": 5_000}, NO), ({}, UNKNOWN)]),
    ({"<=": [TOTAL, 5_000]}, [({"cart.total": 5_000}, YES), ({"cart.total": 5_001}, NO)]),
    ({"<": [1_000, TOTAL, 5_000]}, [
        ({"cart.total": 1_001}, YES), ({"cart.total": 1_000}, NO), ({"cart.total": 5_000}, NO), ({}, UNKNOWN),
    ]),
    ({"<=": [1_000, TOTAL, 5_000]}, [({"cart.total": 1_000}, YES), ({"cart.total": 5_000}, YES)]),
    ({"between": [TOTAL, 1_000, 5_000]}, [
        ({"cart.total": 1_000}, YES), ({"cart.total": 5_000}, YES), ({"cart.total": 999}, NO), ({}, UNKNOWN),
    ]),
    ({">": [RISK, 0.5]}, [({"risk.score": 0.51}, YES), ({"risk.score": 1}, YES), ({"risk.score": "1"}, UNKNOWN),
                          ({"risk.score": float("nan")}, UNKNOWN)]),
    ({"in": [COUNTRY, ["DE", "AT"]]}, [({"geo.country": "AT"}, YES), ({"geo.country": "CH"}, NO), ({}, UNKNOWN)]),
    ({"in": ["vip", TAGS]}, [({"customer.tags": ["vip"]}, YES), ({"customer.tags": []}, NO), ({}, UNKNOWN),
                             ({"customer.tags": "vip"}, UNKNOWN)]),
    ({"in": ["ann", MAIL]}, [({"customer.email": "joann@x.y"}, YES), ({"customer.email": "Ann@x.y"}, NO),
                             ({}, UNKNOWN)]),
    ({"starts_with": [MAIL, "ann"]}, [({"customer.email": "ANN@x.y"}, YES), ({"customer.email": "joann"}, NO),
                                      ({}, UNKNOWN)]),
    ({"ends_with": [MAIL, "@x.y"]}, [({"customer.email": "ann@X.Y"}, YES), ({"customer.email": "@x.yz"}, NO)]),
    ({"contains": [MAIL, "straße"]}, [({"customer.email": "STRASSE 5"}, YES), ({"customer.email": "gasse"}, NO)]),
    ({"any_of": [TAGS, ["vip", "staff"]]}, [
        ({"customer.tags": ["new", "staff"]}, YES), ({"customer.tags": ["new"]}, NO), ({"customer.tags": []}, NO),
        ({}, UNKNOWN), ({"customer.tags": ["vip", 5]}, UNKNOWN),
    ]),
    ({"all_of": [TAGS, ["vip", "staff"]]}, [({"customer.tags": ["staff", "vip", "x"]}, YES),
                                            ({"customer.tags": ["vip"]}, NO), ({}, UNKNOWN)]),
    ({"none_of": [TAGS, ["vip"]]}, [({"customer.tags": []}, YES), ({"customer.tags": ["vip"]}, NO), ({}, UNKNOWN)]),
    ({"in_list": [ID, "blocked"]}, [({"customer.id": "c1"}, YES), ({"customer.id": "c9"}, NO), ({}, UNKNOWN)]),
    ({"in_list": [ID, "empty"]}, [({"customer.id": "c1"}, NO), ({}, UNKNOWN)]),
    ({"exists": [TOTAL]}, [({"cart.total": 0}, YES), ({}, NO), ({"cart.total": "x"}, NO), ({"cart.total": None}, NO)]),
    ({"missing": ["cart.total"]}, [({"cart.total": 0}, NO), ({}, YES), ({"cart.total": "x"}, YES)]),
    ({"missing": ["customer.id"]}, [({"customer.id": ""}, YES), ({"customer.id": "x"}, NO)]),
    ({"missing_some": [1, ["cart.total", "cart.items"]]}, [
        ({}, YES), ({"cart.total": 5}, NO), ({"cart.items": 5}, NO), ({"cart.total": 5, "cart.items": 5}, NO),
    ]),
    ({"missing_some": [2, ["cart.total", "cart.items"]]}, [({"cart.total": 5}, YES),
                                                           ({"cart.total": 5, "cart.items": 5}, NO)]),
    ({"before": [BORN, "2000-01-01"]}, [({"customer.born": "1999-12-31"}, YES), ({"customer.born": "2000-01-01"}, NO),
                                        ({"customer.born": "2000-02-30"}, UNKNOWN), ({}, UNKNOWN)]),
    ({"after": [NOW, "2026-11-27T12:00:00Z"]}, [
        ({"time.now": "2026-11-27T12:00:01Z"}, YES), ({"time.now": "2026-11-27T13:00:00+01:00"}, NO),
        ({"time.now": "2026-11-27T12:00:00"}, UNKNOWN), ({}, UNKNOWN),
    ]),
    ({"between_dates": [NOW, "2026-11-27", "2026-11-27", "Europe/Berlin"]}, [
        ({"time.now": "2026-11-26T23:00:00Z"}, YES), ({"time.now": "2026-11-26T22:59:59Z"}, NO),
        ({"time.now": "2026-11-27T22:59:59Z"}, YES), ({"time.now": "2026-11-27T23:00:00Z"}, NO), ({}, UNKNOWN),
    ]),
    ({"weekday_in": [NOW, ["sat"], "Asia/Tokyo"]}, [
        ({"time.now": "2026-11-27T15:00:00Z"}, YES), ({"time.now": "2026-11-27T14:59:59Z"}, NO), ({}, UNKNOWN),
    ]),
    ({"time_between": [NOW, "22:00", "06:00", "UTC"]}, [
        ({"time.now": "2026-11-27T22:00:00Z"}, YES), ({"time.now": "2026-11-27T05:59:59Z"}, YES),
        ({"time.now": "2026-11-27T06:00:00Z"}, NO), ({"time.now": "2026-11-27T12:00:00Z"}, NO), ({}, UNKNOWN),
    ]),
    ({"time_between": [NOW, "09:00", "17:00", "Europe/Berlin"]}, [
        ({"time.now": "2026-07-27T07:00:00Z"}, YES), ({"time.now": "2026-11-27T07:00:00Z"}, NO),
        ({"time.now": "2026-11-27T16:00:00Z"}, NO),
    ]),
    ({"within_km": [LOCATION, BERLIN, 30]}, [
        ({"geo.location": POTSDAM}, YES), ({"geo.location": MUNICH}, NO), ({}, UNKNOWN),
        ({"geo.location": [95, 0]}, UNKNOWN),
    ]),
    ({"within_km": [LOCATION, BERLIN, 0]}, [({"geo.location": BERLIN}, YES)]),
    ({"percent_bucket": [ID, "s", 0, 100]}, [({"customer.id": "anyone"}, YES), ({}, UNKNOWN)]),
    ({"sem_ver": [VERSION, ">=", "2.0.0"]}, [
        ({"app.version": "2.0.0"}, YES), ({"app.version": "2.0.0-rc.1"}, NO), ({"app.version": "10.0.0"}, YES),
        ({"app.version": "2.0"}, UNKNOWN), ({}, UNKNOWN),
    ]),
    ({"some": [TAGS, {"==": [{"var": ""}, "vip"]}]}, [({"customer.tags": ["a", "vip"]}, YES),
                                                      ({"customer.tags": []}, NO), ({}, UNKNOWN)]),
    ({"all": [TAGS, {"==": [{"var": ""}, "vip"]}]}, [({"customer.tags": ["vip"]}, YES), ({"customer.tags": []}, NO),
                                                     ({"customer.tags": ["vip", "a"]}, NO)]),
    ({"none": [TAGS, {"==": [{"var": ""}, "vip"]}]}, [({"customer.tags": []}, YES), ({"customer.tags": ["vip"]}, NO)]),
    ({"==": [COUNTRY, {"var": "customer.country"}]}, [
        ({"geo.country": "DE", "customer.country": "DE"}, YES), ({"geo.country": "DE", "customer.country": "FR"}, NO),
        ({"geo.country": "DE"}, UNKNOWN), ({"customer.country": "DE"}, UNKNOWN),
    ]),
    ({">": [{"/": [TOTAL, ITEMS]}, 1_000]}, [
        ({"cart.total": 5_000, "cart.items": 2}, YES), ({"cart.total": 5_000, "cart.items": 5}, NO),
        ({"cart.total": 5_000, "cart.items": 0}, YES), ({"cart.total": 5_000}, UNKNOWN),
    ]),
    ({"==": [{"%": [ITEMS, 2]}, 0]}, [({"cart.items": 4}, YES), ({"cart.items": 3}, NO), ({}, UNKNOWN)]),
    ({"==": [{"cat": [COUNTRY, "-", DEVICE]}, "DE-mobile"]}, [
        ({"geo.country": "DE", "device.type": "mobile"}, YES), ({"geo.country": "DE"}, UNKNOWN),
        ({"geo.country": "DE", "device.type": "fridge"}, UNKNOWN),
    ]),
    # Connectives: known as soon as the unknown does not matter.
    ({"and": [NEW, {">": [TOTAL, 5]}]}, [
        ({"customer.is_new": True, "cart.total": 6}, YES), ({"customer.is_new": False}, NO), ({"cart.total": 5}, NO),
        ({"customer.is_new": True}, UNKNOWN), ({}, UNKNOWN),
    ]),
    ({"or": [NEW, {">": [TOTAL, 5]}]}, [
        ({"customer.is_new": True}, YES), ({"cart.total": 6}, YES), ({"customer.is_new": False}, UNKNOWN),
        ({"customer.is_new": False, "cart.total": 5}, NO), ({}, UNKNOWN),
    ]),
    ({"!": {"and": [NEW, {">": [TOTAL, 5]}]}}, [({"customer.is_new": False}, YES),
                                                ({"customer.is_new": True}, UNKNOWN)]),
    ({"!": {"or": [NEW, {">": [TOTAL, 5]}]}}, [({"customer.is_new": True}, NO), ({"customer.is_new": False}, UNKNOWN)]),
    ({"or": [NEW, {"!": NEW}]}, [({"customer.is_new": True}, YES), ({}, UNKNOWN)]),
    ({"if": [NEW, {">": [TOTAL, 5]}, {">": [ITEMS, 5]}]}, [
        ({"customer.is_new": True, "cart.total": 6}, YES), ({"customer.is_new": False, "cart.items": 6}, YES),
        ({"customer.is_new": True, "cart.items": 6}, UNKNOWN), ({}, UNKNOWN),
    ]),
    ({"or": [{"missing": ["cart.total"]}, {">": [TOTAL, 5]}]}, [({}, YES), ({"cart.total": 6}, YES),
                                                                ({"cart.total": 5}, NO)]),
    (True, [({}, YES)]),
    (False, [({}, NO)]),
]  # fmt: skip

VERDICTS = [(when, facts, verdict) for when, cases in CASES for facts, verdict in cases]


def judged(when: Any, facts: Facts, vocabulary: Vocabulary = VOCABULARY) -> tuple[str, bool, bool]:
    """Return the explained verdict, and whether the compiled rule fires and is skipped."""
    rule = parse_rule({"id": "r", "when": when, "effects": [{"exclude": ["a"]}]}, vocabulary, LISTS)
    firing = compile_rules([rule], vocabulary, LISTS).evaluate(facts)
    return explain(rule, facts, vocabulary, LISTS).verdict, bool(firing.fired), bool(firing.skipped)


@pytest.mark.parametrize(("when", "facts", "verdict"), VERDICTS)
def test_a_condition_is_true_false_or_unknown(when: Any, facts: Facts, verdict: str) -> None:
    assert judged(when, facts) == (verdict, verdict == YES, verdict == UNKNOWN)


@pytest.mark.parametrize(("when", "facts", "verdict"), VERDICTS)
def test_the_opposite_has_the_opposite_verdict(when: Any, facts: Facts, verdict: str) -> None:
    opposite = {YES: NO, NO: YES, UNKNOWN: UNKNOWN}[verdict]
    assert judged({"!": when}, facts)[0] == opposite


@pytest.mark.parametrize(("when", "facts", "verdict"), VERDICTS)
def test_facts_that_a_rule_does_not_read_change_nothing(when: Any, facts: Facts, verdict: str) -> None:
    assert judged(when, {"cart.currency": "nonsense", "x.y": object(), **facts})[0] == verdict


# Money in several currencies

MONEY = Vocabulary([Field("cart.total", "money"), Field("cart.currency", "currency")], currency="EUR")
BY_CURRENCY = {">": [TOTAL, {"EUR": 50_000, "JPY": 80_000}]}


@pytest.mark.parametrize(("when", "facts", "verdict"), [
    ({">": [TOTAL, 50_000]}, {"cart.total": 60_000}, YES),
    ({">": [TOTAL, 50_000]}, {"cart.total": 60_000, "cart.currency": "EUR"}, YES),
    ({">": [TOTAL, 50_000]}, {"cart.total": 60_000, "cart.currency": "JPY"}, UNKNOWN),
    ({">": [TOTAL, 50_000]}, {"cart.total": 40_000, "cart.currency": "JPY"}, UNKNOWN),
    (BY_CURRENCY, {"cart.total": 60_000, "cart.currency": "EUR"}, YES),
    (BY_CURRENCY, {"cart.total": 60_000, "cart.currency": "JPY"}, NO),
    (BY_CURRENCY, {"cart.total": 80_001, "cart.currency": "JPY"}, YES),
    (BY_CURRENCY, {"cart.total": 60_000, "cart.currency": "USD"}, UNKNOWN),
    (BY_CURRENCY, {"cart.total": 60_000}, YES),
    (BY_CURRENCY, {"cart.currency": "EUR"}, UNKNOWN),
    ({"exists": [TOTAL]}, {"cart.total": 5, "cart.currency": "USD"}, YES),
    ({"between": [TOTAL, {"EUR": 1, "JPY": 100}, {"EUR": 2, "JPY": 200}]},
     {"cart.total": 150, "cart.currency": "JPY"}, YES),
    ({"or": [{">": [TOTAL, 50_000]}, {"==": [{"var": "cart.currency"}, "USD"]}]},
     {"cart.total": 1, "cart.currency": "USD"}, YES),
])  # fmt: skip
def test_amount_is_compared_only_in_its_currency(when: Any, facts: Facts, verdict: str) -> None:
    assert judged(when, facts, MONEY) == (verdict, verdict == YES, verdict == UNKNOWN)
