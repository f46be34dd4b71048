"""Test which raw values are facts of a type, what operators compute with, and what is made of values as sent."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta, timezone

import pytest

from rules import Field, RuleError
from rules.json_logic.javascript import LARGEST_SAFE
from rules.language.values import NUMERIC, READERS, TEXTUAL, WORDS
from rules.language.vocabulary import TYPES, Vocabulary, excerpt
from rules.sent.alpha3 import ALPHA_2
from rules.sent.sent_values import CONVERTERS, LONGEST_TEXT, MOST_ITEMS, composed

# Strict reading: what a rule computes with

READ: list[tuple[str, object, object]] = [
    ("boolean", True, True),
    ("boolean", False, False),
    ("integer", 0, 0),
    ("integer", -3, -3),
    ("integer", LARGEST_SAFE, LARGEST_SAFE),
    ("number", 2.5, 2.5),
    ("number", 3, 3),
    ("number", -1e300, -1e300),
    ("money", 4999, 4999),
    ("string", "", ""),
    ("string", "web", "web"),
    ("country", "DE", "DE"),
    ("currency", "JPY", "JPY"),
    ("date", "2026-11-27", "2026-11-27"),
    ("date", "2024-02-29", "2024-02-29"),
    ("datetime", "2026-11-27T18:30:00Z", datetime(2026, 11, 27, 18, 30, tzinfo=UTC)),
    ("datetime", "2026-11-27t18:30:00z", datetime(2026, 11, 27, 18, 30, tzinfo=UTC)),
    (
        "datetime",
        "2026-11-27T18:30:00.25+01:00",
        datetime(2026, 11, 27, 18, 30, 0, 250_000, tzinfo=timezone(timedelta(hours=1))),
    ),
    ("list", [], []),
    ("list", ["vip", ""], ["vip", ""]),
    ("location", [52.52, 13.405], (52.52, 13.405)),
    ("location", [-90, 180], (-90.0, 180.0)),
    ("version", "2.1.0", (2, 1, 0, 1)),
    ("version", "2.1.0+build.7", (2, 1, 0, 1)),
    ("version", "2.1.0-rc.1", (2, 1, 0, 0, (1, "rc"), (0, 1))),
]

NOT_READ: list[tuple[str, object]] = [
    ("boolean", 1),
    ("boolean", "true"),
    ("boolean", None),
    ("integer", True),
    ("integer", 3.0),
    ("integer", "3"),
    ("integer", LARGEST_SAFE + 1),
    ("integer", -LARGEST_SAFE - 1),
    ("number", False),
    ("number", math.nan),
    ("number", math.inf),
    ("number", "2.5"),
    ("money", 49.99),
    ("money", "4999"),
    ("string", 7),
    ("string", ["web"]),
    ("country", "de"),
    ("country", "UK"),
    ("country", "DEU"),
    ("country", ""),
    ("currency", "eur"),
    ("currency", "XYZ"),
    ("currency", 978),
    ("date", "2026-11-31"),
    ("date", "2025-02-29"),
    ("date", "27.11.2026"),
    ("date", "20261127"),
    ("date", "2026-11-27T00:00:00Z"),
    ("datetime", "2026-11-27"),
    ("datetime", "2026-11-27T18:30:00"),
    ("datetime", "2026-11-27 18:30:00Z"),
    ("datetime", "2026-11-27T25:00:00Z"),
    ("datetime", "2026-11-27T18:30:00+99:00"),
    ("datetime", "0001-01-01T00:00:00+14:00"),
    ("datetime", "9999-12-31T23:59:59Z"),
    ("datetime", 1_790_000_000),
    ("list", "vip"),
    ("list", ["vip", 1]),
    ("list", {"vip": True}),
    ("location", [52.52]),
    ("location", [52.52, 13.4, 30]),
    ("location", [90.1, 0]),
    ("location", [0, -180.1]),
    ("location", ["52.52", "13.4"]),
    ("location", {"lat": 52.52, "lon": 13.4}),
    ("version", "2.1"),
    ("version", "v2.1.0"),
    ("version", "02.1.0"),
    ("version", "2.1.0-01"),
    ("version", "1.0.0-" + "a" * 200),
    ("version", 2),
]


@pytest.mark.parametrize(("type_", "raw", "value"), READ)
def test_a_value_of_its_type_is_read(type_: str, raw: object, value: object) -> None:
    assert READERS[type_](raw) == value


@pytest.mark.parametrize(("type_", "raw"), NOT_READ)
def test_a_value_of_another_type_is_not_read(type_: str, raw: object) -> None:
    assert READERS[type_](raw) is None


def test_every_type_is_described_in_words() -> None:
    assert set(WORDS) == set(READERS) == set(TYPES)
    assert set(TYPES) >= NUMERIC | TEXTUAL


# The order of the Semantic Versioning 2.0.0 specification, section 11.
PRECEDENCE = (
    "1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta", "1.0.0-beta", "1.0.0-beta.2", "1.0.0-beta.11", "1.0.0-rc.1",
    "1.0.0", "1.0.1", "1.2.0", "1.10.0", "2.0.0-0", "2.0.0",
)  # fmt: skip


def test_versions_sort_by_their_precedence() -> None:
    read = READERS["version"]
    falling = PRECEDENCE[::-1]
    assert sorted(falling, key=read) == list(PRECEDENCE)  # type: ignore[arg-type]
    assert read("1.0.0+a") == read("1.0.0+b")


# Lenient conversion of values that a checkout sends

CONVERTED: list[tuple[str, object, object]] = [
    ("boolean", True, True),
    ("integer", 6000.0, 6000),
    ("integer", -0.0, 0),
    ("money", 4999, 4999),
    ("number", 2.5, 2.5),
    ("number", 7, 7),
    ("string", "cafe\u0301", "café"),
    ("string", "x" * LONGEST_TEXT, "x" * LONGEST_TEXT),
    ("country", "de", "DE"),
    ("country", " DE ", "DE"),
    ("country", "DEU", "DE"),
    ("country", "gbr", "GB"),
    ("country", "UK", "GB"),
    ("country", "el", "GR"),
    ("currency", " eur", "EUR"),
    ("date", " 2026-11-27 ", "2026-11-27"),
    ("datetime", "2026-11-27T18:30:00Z\n", "2026-11-27T18:30:00Z"),
    ("version", "2", "2.0.0"),
    ("version", "2.1", "2.1.0"),
    ("version", "v2.1.0", "2.1.0"),
    ("version", "V2.1.0-rc.1", "2.1.0-rc.1"),
    ("version", "10.0.19045.3693", "10.0.19045"),
    ("version", " 1.2.3+build ", "1.2.3+build"),
    ("list", [], []),
    ("list", ["vip", "e\u0301"], ["vip", "é"]),
    ("location", [52.52, 13.405], [52.52, 13.405]),
]

NOT_CONVERTED: list[tuple[str, object]] = [
    ("boolean", "true"),
    ("boolean", 1),
    ("integer", 6000.5),
    ("integer", "6000"),
    ("integer", True),
    ("integer", 1e300),
    ("integer", math.inf),
    ("money", "49.99"),
    ("number", math.nan),
    ("number", "2.5"),
    ("number", 2**60),
    ("string", 5),
    ("string", "x" * (LONGEST_TEXT + 1)),
    ("string", "half \ud800"),
    ("country", "Germany"),
    ("country", "XX"),
    ("country", "D" * 300),
    ("country", 276),
    ("currency", "euro"),
    ("currency", "€"),
    ("currency", None),
    ("date", "2026-13-01"),
    ("date", 20261127),
    ("date", " " * 300),
    ("datetime", "2026-11-27"),
    ("version", "latest"),
    ("version", "2.01"),
    ("version", ""),
    ("version", 2.1),
    ("version", "1." * 200),
    ("list", "vip"),
    ("list", ["vip", 5]),
    ("list", ["x"] * (MOST_ITEMS + 1)),
    ("location", [91, 0]),
    ("location", "52.52,13.405"),
]


@pytest.mark.parametrize(("type_", "sent", "value"), CONVERTED)
def test_a_sent_value_with_a_single_meaning_is_converted(type_: str, sent: object, value: object) -> None:
    converted = CONVERTERS[type_](sent)
    assert converted == value
    assert type(converted) is type(value)


@pytest.mark.parametrize(("type_", "sent"), NOT_CONVERTED)
def test_a_sent_value_without_a_clear_meaning_is_left_out(type_: str, sent: object) -> None:
    assert CONVERTERS[type_](sent) is None


@pytest.mark.parametrize(("type_", "sent", "value"), CONVERTED)
def test_a_converted_value_is_a_fact_and_stays_the_same(type_: str, sent: object, value: object) -> None:
    assert READERS[type_](value) is not None
    assert CONVERTERS[type_](value) == value


def test_every_type_of_facts_is_converted() -> None:
    assert set(CONVERTERS) == set(READERS)


def test_alpha_3_codes_lead_to_countries_that_exist() -> None:
    assert len(set(ALPHA_2.values())) == len(ALPHA_2) == 250
    assert all(len(code) == 3 and READERS["country"](ALPHA_2[code]) for code in ALPHA_2)


def test_plain_text_is_not_composed_again() -> None:
    for text in ("plain", "größe", ""):
        assert composed(text) is text


# Messages about a value of another type


@pytest.mark.parametrize(("field", "value", "message"), [
    (Field("a.b", "integer"), "3", 'must be a whole number, such as 3; got "3"'),
    (Field("a.b", "integer"), 2.5, "must be a whole number, such as 3; got 2.5"),
    (Field("a.b", "boolean"), "yes", 'must be true or false; got "yes"'),
    (Field("a.b", "boolean"), None, "must be true or false; got null"),
    (Field("a.b", "string"), ["x"], 'must be a text, such as "web"; got a list'),
    (Field("a.b", "string"), {"x": 1}, 'must be a text, such as "web"; got an object'),
    (
        Field("a.b", "country"),
        "uk",
        'must be an ISO 3166 country code in capitals, such as "DE"; got "uk"; did you mean GB?',
    ),
    (
        Field("a.b", "currency"),
        "eur",
        'must be an ISO 4217 currency code in capitals, such as "EUR"; got "eur"; did you mean EUR?',
    ),
    (
        Field("a.b", "string", allowed=("mobile", "desktop")),
        "mobil",
        'must be one of mobile, desktop; got "mobil"; did you mean mobile?',
    ),
    (Field("a.b", "string", allowed=("mobile", "desktop")), 5, 'must be a text, such as "web"; got 5'),
    (Field("a.b", "list", allowed=("vip", "staff")), ["vip", "x"], "must be made of vip, staff; got a list"),
    (
        Field("a.b", "money"),
        10**40,
        "must be a whole number of minor units, such as 4999 for 49.99; got a number of too many digits",
    ),
])  # fmt: skip
def test_invalid_value_is_described_with_the_expected_type(field: Field, value: object, message: str) -> None:
    assert field.problem_with(value) == message


@pytest.mark.parametrize(("field", "value"), [
    (Field("a.b", "list", allowed=("vip", "staff")), ["vip"]),
    (Field("a.b", "list", allowed=("vip", "staff")), []),
    (Field("a.b", "country", allowed=("DE", "AT")), "AT"),
    (Field("a.b", "number"), 2.5),
])  # fmt: skip
def test_a_right_value_has_no_problem(field: Field, value: object) -> None:
    assert field.problem_with(value) is None


@pytest.mark.parametrize("type_", sorted(set(TYPES) - {"string", "country", "currency", "list"}))
def test_only_texts_can_have_allowed_values(type_: str) -> None:
    with pytest.raises(RuleError, match="only fields of text"):
        Field("a.b", type_, allowed=("x",))


def test_a_field_of_an_unknown_type_is_refused() -> None:
    with pytest.raises(RuleError, match="'text' is not a type; it must be one of"):
        Field("a.b", "text")


@pytest.mark.parametrize(("value", "text"), [
    ("x", '"x"'), (5, "5"), (None, "null"), (True, "true"), ([], "a list"), ({}, "an object"), (b"x", "bytes"),
])  # fmt: skip
def test_values_in_messages_are_short(value: object, text: str) -> None:
    assert excerpt(value) == text
    assert len(excerpt("x" * 10_000)) < 200


# The currency of an amount

CURRENCY = Field("cart.currency", "currency")


@pytest.mark.parametrize(("fields", "currency_field", "own"), [
    ([Field("cart.total", "money")], None, "EUR"),
    ([Field("cart.total", "money"), CURRENCY], "cart.currency", "EUR"),
    ([Field("cart.total", "money", unit="USD"), CURRENCY], "cart.currency", "USD"),
    ([Field("cart.total", "money", unit="USD")], None, "USD"),
    ([Field("cart.total", "money", unit="cents")], None, "EUR"),
    ([Field("cart.total", "money"), Field("cart.currency", "string")], None, "EUR"),
])  # fmt: skip
def test_currency_of_an_amount_is_a_sibling_field(fields: list[Field], currency_field: str | None, own: str) -> None:
    vocabulary = Vocabulary(fields, currency="EUR")
    assert vocabulary.currency_field("cart.total") == currency_field
    assert vocabulary.own_currency("cart.total") == own


@pytest.mark.parametrize(("unit", "currency_field"), [("", "cart.currency"), ("USD", None)])
def test_an_amount_outside_the_cart_has_the_carts_currency(unit: str, currency_field: str | None) -> None:
    vocabulary = Vocabulary([Field("history.spent", "money", unit=unit), CURRENCY], currency="EUR")
    assert vocabulary.currency_field("history.spent") == currency_field


def test_without_a_merchants_currency_amounts_have_none() -> None:
    assert Vocabulary([Field("cart.total", "money")]).own_currency("cart.total") == ""


def test_a_vocabulary_is_a_mapping_by_name() -> None:
    vocabulary = Vocabulary([Field("cart.total", "money"), CURRENCY])
    assert (list(vocabulary), len(vocabulary)) == (["cart.total", "cart.currency"], 2)
    assert vocabulary["cart.currency"] is CURRENCY
    assert "cart.nothing" not in vocabulary
