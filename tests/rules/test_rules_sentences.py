"""Test the sentence of every operator, as it holds and as it does not, and the words for values and effects."""

from __future__ import annotations

import pytest

from rules import Field, Vocabulary, Wording, describe, parse_condition, parse_effects
from rules.wording.describe import value_in_words
from rules.wording.terms import as_day, as_moment, as_weekday, describe_effect, listed, plain, plain_money
from tests.rules.rule_cases import LISTS, VOCABULARY

TOTAL = {"var": "cart.total"}
NOW = {"var": "time.now"}
ITEMS = {"var": "cart.items"}
TAGS = {"var": "customer.tags"}
COUNTRY = {"var": "geo.country"}
CUSTOMER = {"var": "customer.id"}
IS_NEW = {"var": "customer.is_new"}
BORN = {"var": "customer.born"}
VERSION = {"var": "app.version"}
LOCATION = {"var": "geo.location"}
RISK = {"var": "risk.score"}
ITEM = {"var": ""}

# A condition, its sentence, and the sentence of its opposite.
SENTENCES: list[tuple[object, str, str]] = [
    ({"==": [TOTAL, 5000]}, "cart.total is EUR 50.00", "cart.total is not EUR 50.00"),
    ({"!=": [COUNTRY, "DE"]}, "geo.country is not DE", "geo.country is DE"),
    ({"<": [TOTAL, 5000]}, "cart.total is under EUR 50.00", "cart.total is at least EUR 50.00"),
    ({"<=": [TOTAL, 5000]}, "cart.total is at most EUR 50.00", "cart.total is over EUR 50.00"),
    ({">": [ITEMS, 3]}, "cart.items is over 3", "cart.items is at most 3"),
    ({">=": [RISK, 0.5]}, "risk.score is at least 0.5", "risk.score is under 0.5"),
    ({"in": [COUNTRY, ["DE"]]}, "geo.country is DE", "geo.country is not DE"),
    ({"in": ["vip", CUSTOMER]}, "vip is part of customer.id", "vip is not part of customer.id"),
    ({"starts_with": [CUSTOMER, "a"]}, "customer.id starts with a", "customer.id does not start with a"),
    ({"ends_with": [CUSTOMER, "z"]}, "customer.id ends with z", "customer.id does not end with z"),
    ({"contains": [CUSTOMER, "mid"]}, "customer.id contains mid", "customer.id does not contain mid"),
    (
        {"any_of": [TAGS, ["vip", "staff"]]},
        "customer.tags has any of vip or staff",
        "customer.tags has none of vip or staff",
    ),
    (
        {"all_of": [TAGS, ["vip", "staff"]]},
        "customer.tags has all of vip and staff",
        "customer.tags does not have all of vip and staff",
    ),
    (
        {"none_of": [TAGS, ["vip", "staff"]]},
        "customer.tags has none of vip or staff",
        "customer.tags has any of vip or staff",
    ),
    ({"before": [BORN, "2000-01-01"]}, "customer.born is before 1 Jan 2000", "customer.born is not before 1 Jan 2000"),
    ({"after": [BORN, "2000-01-01"]}, "customer.born is after 1 Jan 2000", "customer.born is not after 1 Jan 2000"),
    (
        {"between": [BORN, "2000-01-01", "2001-01-01"]},
        "customer.born is between 1 Jan 2000 and 1 Jan 2001",
        "customer.born is not between 1 Jan 2000 and 1 Jan 2001",
    ),
    ({"<=": [BORN, "2000-01-01"]}, "customer.born is not after 1 Jan 2000", "customer.born is after 1 Jan 2000"),
    ({">=": [BORN, "2000-01-01"]}, "customer.born is not before 1 Jan 2000", "customer.born is before 1 Jan 2000"),
    (
        {"between_dates": [NOW, "2026-11-27T00:00:00Z", "2026-11-28T00:00:00Z"]},
        "time.now is between 27 Nov 2026 at 00:00 (UTC) and 28 Nov 2026 at 00:00 (UTC)",
        "time.now is not between 27 Nov 2026 at 00:00 (UTC) and 28 Nov 2026 at 00:00 (UTC)",
    ),
    (
        {"between_dates": [NOW, "2026-11-27", "2026-11-30", "UTC"]},
        "time.now is from 27 Nov 2026 to 30 Nov 2026 (UTC)",
        "time.now is not from 27 Nov 2026 to 30 Nov 2026 (UTC)",
    ),
    (
        {"weekday_in": [NOW, ["mon", "fri", "sun"], "Europe/Berlin"]},
        "time.now is on Monday, Friday or Sunday (Europe/Berlin)",
        "time.now is not on Monday, Friday or Sunday (Europe/Berlin)",
    ),
    (
        {"time_between": [NOW, "22:00", "06:00", "UTC"]},
        "time.now is from 22:00 to 06:00 (UTC)",
        "time.now is not from 22:00 to 06:00 (UTC)",
    ),
    (
        {"in_list": [CUSTOMER, "blocked"]},
        "customer.id is on the list “blocked”",
        "customer.id is not on the list “blocked”",
    ),
    ({"exists": [TOTAL]}, "cart.total is known", "cart.total is not known"),
    ({"missing": ["cart.total"]}, "cart.total is missing", "cart.total is not missing"),
    (
        {"missing": ["cart.total", "geo.country"]},
        "some of cart.total and geo.country are missing",
        "not (some of cart.total and geo.country are missing)",
    ),
    (
        {"missing_some": [1, ["cart.total", "geo.country"]]},
        "all of cart.total and geo.country are missing",
        "not (all of cart.total and geo.country are missing)",
    ),
    (
        {"missing_some": [2, ["cart.total", "geo.country", "customer.id"]]},
        "fewer than 2 of cart.total, geo.country and customer.id are known",
        "at least 2 of cart.total, geo.country and customer.id are known",
    ),
    (
        {"within_km": [LOCATION, [52.52, 13.405], 50]},
        "geo.location is within 50 km of [52.52, 13.405]",
        "geo.location is not within 50 km of [52.52, 13.405]",
    ),
    (
        {"percent_bucket": [CUSTOMER, "new", 0, 10]},
        "customer.id is in 0 to 10 percent of “new”",
        "customer.id is not in 0 to 10 percent of “new”",
    ),
    ({"sem_ver": [VERSION, ">=", "2.1.0"]}, "app.version is at least 2.1.0", "app.version is under 2.1.0"),
    ({"sem_ver": [VERSION, "=", "2.1.0"]}, "app.version is 2.1.0", "app.version is not 2.1.0"),
    ({"sem_ver": [VERSION, "!=", "2.1.0"]}, "app.version is not 2.1.0", "app.version is 2.1.0"),
    (
        {"some": [TAGS, {"==": [ITEM, "vip"]}]},
        "for some element of customer.tags: the element is vip",
        "not for some element of customer.tags: the element is vip",
    ),
    (
        {"all": [TAGS, {"==": [ITEM, "vip"]}]},
        "for every element of customer.tags: the element is vip",
        "not for every element of customer.tags: the element is vip",
    ),
    (
        {"none": [TAGS, {"==": [ITEM, "vip"]}]},
        "for no element of customer.tags: the element is vip",
        "not for no element of customer.tags: the element is vip",
    ),
    (
        {"if": [IS_NEW, {"<": [TOTAL, 100]}, {">": [TOTAL, 100]}]},
        "cart.total is under EUR 1.00 if customer.is_new is yes, else cart.total is over EUR 1.00",
        "not (cart.total is under EUR 1.00 if customer.is_new is yes, else cart.total is over EUR 1.00)",
    ),
    ({"!!": [IS_NEW]}, "customer.is_new is yes", "customer.is_new is no"),
    ({"and": [IS_NEW]}, "customer.is_new is yes", "customer.is_new is no"),
    (
        {"and": [IS_NEW, {"or": [{"exists": [TOTAL]}, {"exists": [COUNTRY]}]}]},
        "customer.is_new is yes and (cart.total is known or geo.country is known)",
        "not (customer.is_new is yes and (cart.total is known or geo.country is known))",
    ),
    (
        {"or": [IS_NEW, {"and": [{"exists": [TOTAL]}, {"exists": [COUNTRY]}]}]},
        "customer.is_new is yes or (cart.total is known and geo.country is known)",
        "not (customer.is_new is yes or (cart.total is known and geo.country is known))",
    ),
    (
        {"and": [IS_NEW, {"and": [{"exists": [TOTAL]}, {"exists": [COUNTRY]}]}]},
        "customer.is_new is yes and cart.total is known and geo.country is known",
        "not (customer.is_new is yes and cart.total is known and geo.country is known)",
    ),
    (
        {"<": [{"+": [TOTAL, 100]}, 5000]},
        "cart.total plus EUR 1.00 is under EUR 50.00",
        "cart.total plus EUR 1.00 is at least EUR 50.00",
    ),
    (
        {"<": [{"-": [TOTAL, 100]}, 5000]},
        "cart.total minus EUR 1.00 is under EUR 50.00",
        "cart.total minus EUR 1.00 is at least EUR 50.00",
    ),
    ({"<": [{"*": [ITEMS, 2]}, 10]}, "cart.items times 2 is under 10", "cart.items times 2 is at least 10"),
    ({"==": [{"%": [ITEMS, 2]}, 0]}, "cart.items modulo 2 is 0", "cart.items modulo 2 is not 0"),
    (
        {"<": [{"min": [TOTAL, 9000]}, 5000]},
        "the least of cart.total and EUR 90.00 is under EUR 50.00",
        "the least of cart.total and EUR 90.00 is at least EUR 50.00",
    ),
    (
        {"<": [{"max": [ITEMS, 3]}, 5]},
        "the greatest of cart.items and 3 is under 5",
        "the greatest of cart.items and 3 is at least 5",
    ),
    (
        {"==": [{"cat": [CUSTOMER, "-x"]}, "a-x"]},
        "customer.id followed by -x is a-x",
        "customer.id followed by -x is not a-x",
    ),
    (
        {"==": [{"substr": [CUSTOMER, 1, 2]}, "ab"]},
        "the part of customer.id from character 1 of length 2 is ab",
        "the part of customer.id from character 1 of length 2 is not ab",
    ),
    (
        {"==": [{"substr": [CUSTOMER, -3]}, "abc"]},
        "the part of customer.id from character -3 is abc",
        "the part of customer.id from character -3 is not abc",
    ),
    (
        {"==": [{"-": [{"+": [TOTAL, 100]}, {"max": [TOTAL, 200]}]}, 5000]},
        "cart.total plus EUR 1.00 minus the greatest of cart.total and EUR 2.00 is EUR 50.00",
        "cart.total plus EUR 1.00 minus the greatest of cart.total and EUR 2.00 is not EUR 50.00",
    ),
    (
        {"==": [{"%": [TOTAL, 100]}, 99]},
        "cart.total modulo EUR 1.00 is EUR 0.99",
        "cart.total modulo EUR 1.00 is not EUR 0.99",
    ),
    ({">": [{"*": [TOTAL, 2]}, 100]}, "cart.total times 2 is over 100", "cart.total times 2 is at most 100"),
    ({"<": [1, ITEMS, 5]}, "cart.items is over 1 and under 5", "not (cart.items is over 1 and under 5)"),
    ({"<=": [1, ITEMS, 5]}, "cart.items is between 1 and 5", "not (cart.items is between 1 and 5)"),
    (
        {"==": [{"var": ["customer.id", "guest"]}, "guest"]},
        "customer.id (guest if missing) is guest",
        "customer.id (guest if missing) is not guest",
    ),
    (
        {"var": ["customer.is_new", False]},
        "customer.is_new (no if missing) is yes",
        "customer.is_new (no if missing) is no",
    ),
    (
        {"==": [COUNTRY, {"var": "customer.country"}]},
        "geo.country is customer.country",
        "geo.country is not customer.country",
    ),
    ({"<": [ITEMS, RISK]}, "cart.items is under risk.score", "cart.items is at least risk.score"),
    (
        {"in": [COUNTRY, ["DE", "AT", "CH", "FR", "IT", "ES"]]},
        "geo.country is DE, AT, CH, FR, IT or ES",
        "geo.country is not DE, AT, CH, FR, IT or ES",
    ),
    (
        {"in": [COUNTRY, ["DE", "AT", "CH", "FR", "IT", "ES", "PT"]]},
        "geo.country is DE, AT, CH, FR, IT or 2 more",
        "geo.country is not DE, AT, CH, FR, IT or 2 more",
    ),
    (True, "always", "never"),
    (False, "never", "always"),
]


@pytest.mark.parametrize(("when", "sentence", "opposite"), SENTENCES)
def test_an_operator_has_a_sentence_and_its_opposite_another(when: object, sentence: str, opposite: str) -> None:
    assert describe(parse_condition(when, VOCABULARY, LISTS), VOCABULARY) == sentence
    assert describe(parse_condition({"!": when}, VOCABULARY, LISTS), VOCABULARY) == opposite


@pytest.mark.parametrize(("when", "sentence", "opposite"), SENTENCES)
def test_double_negation_reads_as_the_condition(when: object, sentence: str, opposite: str) -> None:
    assert describe(parse_condition({"!": {"!": when}}, VOCABULARY, LISTS), VOCABULARY) == sentence
    assert sentence != opposite


def test_amounts_by_currency_are_all_named() -> None:
    vocabulary = Vocabulary([Field("cart.total", "money"), Field("cart.currency", "currency")], currency="EUR")
    condition = parse_condition({">": [TOTAL, {"EUR": 50_000, "JPY": 8_000}]}, vocabulary, {})
    assert describe(condition, vocabulary) == "cart.total is over EUR 500.00; JPY 8,000"


@pytest.mark.parametrize(("raw", "type_", "unit", "words"), [
    (5_000, "money", "EUR", "EUR 50.00"),
    (5_000, "money", "JPY", "JPY 5,000"),
    (5_000, "money", "BHD", "BHD 5.000"),
    (-5_000, "money", "EUR", "EUR -50.00"),
    (123_456_789, "money", "EUR", "EUR 1,234,567.89"),
    (5_000, "money", None, "50.00"),
    (True, "money", "EUR", "yes"),
    ("50", "money", "EUR", "50"),
    (5_000, "integer", None, "5000"),
    (0.5, "number", None, "0.5"),
    ("DE", "country", None, "DE"),
    ("", "country", None, "empty"),
    ("2026-11-01", "date", None, "1 Nov 2026"),
    ("2026-11-27T18:30:15Z", "datetime", None, "27 Nov 2026 at 18:30:15 (UTC)"),
    ("wed", "days", None, "Wednesday"),
    ("web", "string", None, "web"),
    (["a", "b"], "list", None, "a or b"),
    (False, "boolean", None, "no"),
    (None, "string", None, "None"),
])  # fmt: skip
def test_a_value_reads_by_its_type(raw: object, type_: str, unit: str | None, words: str) -> None:
    assert value_in_words(raw, type_, unit) == words


GERMAN = Wording(
    candidates={"klarna": "Klarna", "sepa_debit": "SEPA"},
    currency="EUR",
    money=lambda minor, currency: f"{minor / 100:.2f} {currency}".replace(".", ","),
    country={"DE": "Deutschland", "AT": "Österreich"}.__getitem__,
)


@pytest.mark.parametrize(("raw", "type_", "unit", "words"), [
    (5_000, "money", None, "50,00 EUR"),
    (5_000, "money", "CHF", "50,00 CHF"),
    ("AT", "country", None, "Österreich"),
])  # fmt: skip
def test_a_merchants_own_wording_is_used(raw: object, type_: str, unit: str | None, words: str) -> None:
    assert value_in_words(raw, type_, unit, GERMAN) == words


@pytest.mark.parametrize(("document", "sentence"), [
    ({"exclude": ["klarna"]}, "Klarna is hidden"),
    ({"exclude": ["klarna", "sepa_debit"]}, "Klarna and SEPA are hidden"),
    ({"exclude": ["klarna", "sepa_debit", "wero"]}, "Klarna, SEPA and wero are hidden"),
    ({"exclude": list("abcdefg")}, "a, b, c, d, e and 2 more are hidden"),
    ({"require": ["klarna"]}, "only Klarna is shown"),
    ({"require": ["klarna", "wero"]}, "only Klarna and wero are shown"),
    ({"pin": {"candidate": "klarna", "slot": 1}}, "Klarna is shown first"),
    ({"pin": {"candidate": "wero", "slot": 3}}, "wero is shown in position 3"),
    ({"boost": {"candidates": ["klarna"], "factor": 0.5}}, "the score of Klarna is multiplied by 0.5"),
    ({"boost": {"candidates": ["a", "b"], "factor": 2}}, "the score of a and b is multiplied by 2"),
    ({"set": {"name": "show_cvv", "value": True}}, "show_cvv is set to yes"),
    ({"set": {"name": "show_cvv", "value": False}}, "show_cvv is set to no"),
    ({"set": {"name": "limit", "value": 3}}, "limit is set to 3"),
    ({"set": {"name": "headline", "value": ""}}, "headline is set to empty"),
])  # fmt: skip
def test_an_effect_has_a_sentence(document: object, sentence: str) -> None:
    [effect] = parse_effects([document])
    assert describe_effect(effect, GERMAN) == sentence


@pytest.mark.parametrize(("texts", "joined"), [
    (["a"], "a"),
    (["a", "b"], "a or b"),
    (["a", "b", "c"], "a, b or c"),
    (list("abcdef"), "a, b, c, d, e or f"),
    (list("abcdefg"), "a, b, c, d, e or 2 more"),
])  # fmt: skip
def test_the_end_of_a_long_list_is_counted(texts: list[str], joined: str) -> None:
    assert listed(texts, "or") == joined


@pytest.mark.parametrize(("value", "text"), [
    (True, "yes"), (False, "no"), ("", "empty"), ("x", "x"), (1.5, "1.5"), (["x", True], "x or yes"),
])  # fmt: skip
def test_plain_values_have_common_notation(value: object, text: str) -> None:
    assert plain(value) == text


@pytest.mark.parametrize(("text", "words"), [
    ("2026-01-05T00:00:00Z", "5 Jan 2026 at 00:00 (UTC)"),
    ("2026-12-31T23:59:59+05:30", "31 Dec 2026 at 23:59:59 (UTC+05:30)"),
    ("2026-12-31t23:59:00z", "31 Dec 2026 at 23:59 (UTC)"),
])  # fmt: skip
def test_time_has_its_offset(text: str, words: str) -> None:
    assert as_moment(text) == words


def test_days_and_weekdays_have_names() -> None:
    assert [as_day(f"2026-{month:02}-09") for month in (1, 5, 12)] == ["9 Jan 2026", "9 May 2026", "9 Dec 2026"]
    assert [as_weekday(day) for day in ("mon", "tue", "wed", "thu", "fri", "sat", "sun")] == [
        "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday",
    ]  # fmt: skip


@pytest.mark.parametrize(("minor", "currency", "text"), [
    (0, "EUR", "EUR 0.00"), (5, "EUR", "EUR 0.05"), (1_000, "JPY", "JPY 1,000"), (1_234, "KWD", "KWD 1.234"),
    (100, "", "1.00"),
])  # fmt: skip
def test_plain_money_has_the_currencys_decimals(minor: int, currency: str, text: str) -> None:
    assert plain_money(minor, currency) == text
