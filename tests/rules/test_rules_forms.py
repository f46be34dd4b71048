"""Test that every operator takes what it is made for, and refuses the rest with its path and an example."""

from __future__ import annotations

import pytest

from rules import Field, RuleError, Vocabulary, parse_condition
from tests.rules.rule_cases import LISTS, VOCABULARY

TOTAL, ITEMS, COUNTRY = {"var": "cart.total"}, {"var": "cart.items"}, {"var": "geo.country"}
NOW, BORN, TAGS, ID = {"var": "time.now"}, {"var": "customer.born"}, {"var": "customer.tags"}, {"var": "customer.id"}
VERSION, LOCATION, NEW = {"var": "app.version"}, {"var": "geo.location"}, {"var": "customer.is_new"}


def problems(when: object, vocabulary: Vocabulary = VOCABULARY) -> list[tuple[str, str]]:
    with pytest.raises(RuleError) as caught:
        parse_condition(when, vocabulary, LISTS)
    return [(problem.path, problem.message) for problem in caught.value.problems]


ACCEPTED: list[object] = [
    True,
    False,
    NEW,
    {"var": ["customer.is_new", True]},
    {"!": NEW},
    {"!": [NEW]},
    {"!!": [NEW]},
    {"and": [NEW]},
    {"or": [NEW, {"and": [NEW, True]}]},
    {"if": [NEW, True, False]},
    {"?:": [NEW, True, False]},
    {"if": [NEW, True, {"exists": [TOTAL]}, False, NEW]},
    {"==": [NEW, True]},
    {"==": [True, NEW]},
    {"===": [COUNTRY, "DE"]},
    {"!==": [COUNTRY, "DE"]},
    {"<": [0, TOTAL, 5_000]},
    {"<=": [BORN, "2000-01-01"]},
    {"==": [COUNTRY, {"var": "customer.country"}]},
    {"in": [COUNTRY, ["DE"]]},
    {"in": ["x", ID]},
    {"in": ["vip", TAGS]},
    {">": [{"+": [TOTAL, 100, ITEMS]}, 5]},
    {">": [{"-": [TOTAL]}, 5]},
    {"+": [TOTAL, 1]},
    TOTAL,
    {"==": [{"cat": [ID, "-", COUNTRY]}, "a-DE"]},
    {"==": [{"substr": [ID, 0, 3]}, "abc"]},
    {"missing": ["cart.total", "geo.country"]},
    {"missing_some": [1, ["cart.total", "geo.country"]]},
    {"some": [TAGS, {"==": [{"var": ""}, "vip"]}]},
    {"between": [TOTAL, 5, 5]},
    {"between": [BORN, "2000-01-01", "2000-12-31"]},
    {"before": [NOW, "2026-11-27T00:00:00Z"]},
    {"after": [BORN, "2000-01-01"]},
    {"between_dates": [NOW, "2026-11-27T00:00:00Z", "2026-11-28T00:00:00Z"]},
    {"between_dates": [NOW, "2026-11-27", "2026-11-27", "Europe/Berlin"]},
    {"weekday_in": [NOW, ["mon", "sun"], "UTC"]},
    {"time_between": [NOW, "00:00", "23:59", "UTC"]},
    {"starts_with": [ID, "Ab"]},
    {"any_of": [TAGS, ["vip"]]},
    {"in_list": [ID, "blocked"]},
    {"exists": [TAGS]},
    {"exists": TOTAL},
    {"within_km": [LOCATION, [0, 0], 0]},
    {"within_km": [LOCATION, [90, 180], 20_100]},
    {"percent_bucket": [ID, "salt", 0, 100]},
    {"percent_bucket": [ID, "salt", 99.5, 100]},
    *({"sem_ver": [VERSION, operator, "2.1.0"]} for operator in ("=", "==", "!=", "<", "<=", ">", ">=")),
]


@pytest.mark.parametrize("when", ACCEPTED)
def test_a_well_formed_condition_is_accepted(when: object) -> None:
    assert parse_condition(when, VOCABULARY, LISTS)


REFUSED: list[tuple[object, str, str]] = [
    # between
    ({"between": [TOTAL, 5]}, "/between", 'it has 2'),
    ({"between": [NOW, 1, 2]}, "/between/0", "for moments use between_dates"),
    ({"between": [TAGS, 1, 2]}, "/between/0", "a number or a day"),
    ({"between": [TOTAL, 2_000, 1_000]}, "/between/2", "must not be less than 2000, or the condition is never true"),
    ({"between": [BORN, "2001-01-01", "2000-01-01"]}, "/between/2", "must not be less than 2001-01-01"),
    ({"between": [TOTAL, "a", 5]}, "/between/1", "must be a number"),
    # before, after, between_dates
    ({"before": [TOTAL, 5]}, "/before/0", "a date or datetime field"),
    ({"after": [BORN, "2000-01-01T00:00:00Z"]}, "/after/1", 'a day, such as "2026-11-27"'),
    ({"before": [NOW]}, "/before", "it has 1"),
    ({"between_dates": [NOW, "2026-11-27T00:00:00Z"]}, "/between_dates", "it has 2"),
    ({"between_dates": [NOW, "2026-11-28", "2026-11-27", "UTC"]}, "/between_dates/2", "not be less than 2026-11-28"),
    ({"between_dates": [NOW, "2026-11-27", "2026-11-28", "Mars"]}, "/between_dates/3", "timezone of the IANA database"),
    ({"between_dates": [BORN, "2026-11-27", "2026-11-28", "UTC"]}, "/between_dates/3", "a day has no timezone"),
    ({"between_dates": [ID, "2026-11-27", "2026-11-28"]}, "/between_dates/0", "a date or datetime field"),
    # weekday_in, time_between
    ({"weekday_in": [NOW, [], "UTC"]}, "/weekday_in/1", "must be a list of days out of mon, tue, wed"),
    ({"weekday_in": [NOW, "mon", "UTC"]}, "/weekday_in/1", "must be a list of days"),
    ({"weekday_in": [BORN, ["mon"], "UTC"]}, "/weekday_in/0", "a datetime field"),
    ({"weekday_in": [NOW, ["mon"], 5]}, "/weekday_in/2", "a timezone"),
    *(
        ({"time_between": [NOW, clock, "06:00", "UTC"]}, "/time_between/1", 'a time of day, such as "22:00"')
        for clock in ("6:00", "24:00", "12:60", "noon", "12-00", 12, "１２:00")
    ),
    # texts
    ({"contains": [ID, 5]}, "/contains/1", "a text that is not empty"),
    ({"ends_with": [TOTAL, "x"]}, "/ends_with/0", "a text"),
    ({"any_of": [ID, ["x"]]}, "/any_of/0", "for a single text use in"),
    ({"all_of": [TAGS, []]}, "/all_of/1", "at least one value"),
    ({"none_of": [TAGS, ["x", 5]]}, "/none_of/1/1", "must be a text"),
    ({"in_list": [TAGS, "blocked"]}, "/in_list/0", "a text"),
    ({"in_list": [ID, 5]}, "/in_list/1", "must be the name of one of the merchant's lists"),
    # exists, within_km, percent_bucket, sem_ver
    ({"exists": [5]}, "/exists/0", "must be a field"),
    ({"some": [TAGS, {"exists": [{"var": ""}]}]}, "/some/1/exists/0", "is the element, which is always there"),
    ({"within_km": [COUNTRY, [0, 0], 5]}, "/within_km/0", "a location field"),
    ({"within_km": [LOCATION, [0, 0], -1]}, "/within_km/2", "a distance in kilometres, from 0 to 20100"),
    ({"within_km": [LOCATION, [0, 0], True]}, "/within_km/2", "a distance in kilometres"),
    ({"percent_bucket": [TOTAL, "s", 0, 10]}, "/percent_bucket/0", "a text field"),
    ({"percent_bucket": [ID, 5, 0, 10]}, "/percent_bucket/1", "must be a text"),
    ({"percent_bucket": [ID, "s", 10, 10]}, "/percent_bucket/3", "must be over the lower end"),
    ({"percent_bucket": [ID, "s", "0", 10]}, "/percent_bucket/2", "a percentage from 0 to 100"),
    ({"sem_ver": [ID, "=", "1.0.0"]}, "/sem_ver/0", "a version field"),
    ({"sem_ver": [VERSION, "=", {"var": "app.version"}]}, "/sem_ver/2", "must be written out, not computed"),
    # standard operators
    ({"var": []}, "/var", "it has 0"),
    ({"var": ["cart.total", "x"]}, "/var/1", "whole number"),
    ({"!": [NEW, NEW]}, "/!", "it has 2"),
    ({"!!": []}, "/!!", "it has 0"),
    ({"or": []}, "/or", "at least 1"),
    ({"if": [NEW, True]}, "/if", "otherwise"),
    ({"==": [COUNTRY, "Germany"]}, "/==/1", "ISO 3166"),
    ({"<": [NEW, True]}, "/</0", "has no order"),
    ({"==": [TAGS, ID]}, "/==/0", "any_of, all_of or none_of"),
    ({"==": [LOCATION, ID]}, "/==/0", "within_km"),
    ({">": [{"+": [TOTAL, "1"]}, 5]}, "/>/0/+/1", "must be a number"),
    ({">": [{"+": [ID, 1]}, 5]}, "/>/0/+/0", "must be a number"),
    ({"missing": []}, "/missing", "at least 1"),
    ({"missing_some": [0, ["cart.total"]]}, "/missing_some/0", "from 1 to 1"),
    ({"some": [ID, True]}, "/some/0", "a list"),
]  # fmt: skip


@pytest.mark.parametrize(("when", "path", "words"), REFUSED)
def test_an_ill_formed_condition_is_refused_with_its_path(when: object, path: str, words: str) -> None:
    [(at_path, message), *_] = problems(when)
    assert at_path == path
    assert words in message


# Amounts

MONEY = Vocabulary([Field("cart.total", "money"), Field("cart.currency", "currency"), Field("cart.items", "integer")],
                   currency="EUR")  # fmt: skip


@pytest.mark.parametrize(("when", "path", "words"), [
    ({"between": [TOTAL, 2_000, 1_000]}, "/between/2", "must not be less than 20.00 EUR"),
    (
        {"between": [TOTAL, {"EUR": 2_000, "JPY": 5}, {"EUR": 1_000, "JPY": 9}]},
        "/between/2",
        "must not be less than 20.00 EUR, 5 JPY",
    ),
    ({"<": [ITEMS, {"EUR": 5}]}, "/</1", "which can only be compared with a fact of money, such as cart.total"),
    ({"<": [TOTAL, {"XXY": 5}]}, "/</1", "is not an operator"),
    ({"<": [TOTAL, {"EUR": 5.5}]}, "/</1", "whole number"),
    ({"<": [TOTAL, {}]}, "/</1", ""),
])  # fmt: skip
def test_amounts_are_refused_in_the_currencys_own_writing(when: object, path: str, words: str) -> None:
    [(at_path, message), *_] = problems(when, MONEY)
    assert at_path.startswith(path)
    assert words in message


def test_amounts_by_currency_need_a_merchants_currency() -> None:
    without = Vocabulary([Field("cart.total", "money")])
    [(_, message)] = problems({"<": [TOTAL, {"EUR": 5}]}, without)
    assert message == "gives amounts by currency, which can only be used in new plans"


@pytest.mark.parametrize("bounds", [
    ({"EUR": 1_000}, {"EUR": 1_000}),
    ({"EUR": 1_000, "JPY": 5}, {"EUR": 2_000}),
    (0, {"EUR": 2_000}),
])  # fmt: skip
def test_bounds_that_rise_in_every_currency_are_accepted(bounds: tuple[object, object]) -> None:
    assert parse_condition({"between": [TOTAL, *bounds]}, MONEY, LISTS)
