"""Check what a form reads from typed texts, what it says of the rest, and how values are typed into rules."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest
from babel import Locale

from engine.model.errors import FieldProblem, Invalid
from engine.model.placement import FieldDocument
from engine.model.standard_vocabulary import STANDARD
from web.admin.rules.builder.texts import Terms, all_from_text, from_text, missing, to_text
from web.admin.shell.forms import Form, Reader, number_text, sentence
from web.typed_money import NotAnAmount, amounts_text, is_by_currency, read_amount, read_amounts

EN, DE = Locale("en"), Locale("de")
KATHMANDU = ZoneInfo("Asia/Kathmandu")


def reader(language: Locale = EN, **texts: str) -> Reader:
    return Reader(texts, language)


def problems(read: Reader) -> list[tuple[str, str]]:
    return [(problem.field, problem.message) for problem in read.problems]


# Reading


@pytest.mark.parametrize(("typed", "text"), [("  Hi  ", "Hi"), ("", ""), ("\tx\n", "x"), ("مرحبا ", "مرحبا")])
def test_a_text_is_read_without_outer_blanks(typed: str, text: str) -> None:
    assert reader(name=typed).text("name") == text


def test_missing_required_text_is_reported() -> None:
    read = reader(name="  ")
    assert read.text("name", required="give it a name") == ""
    assert problems(read) == [("name", "give it a name")]
    assert reader().text("name") == ""


@pytest.mark.parametrize(("typed", "ticked"), [("on", True), ("true", True), ("", False), ("off", False), ("1", False)])
def test_a_box_is_ticked_or_not(typed: str, ticked: bool) -> None:
    assert reader(box=typed).flag("box") == ticked
    assert not reader().flag("box")


@pytest.mark.parametrize(("typed", "number"), [("10", 10), (" -3 ", -3), ("", 7), ("0", 0), ("١٢", 12)])
def test_a_whole_number_is_read(typed: str, number: int) -> None:
    read = reader(n=typed)
    assert (read.integer("n", default=7), problems(read)) == (number, [])


@pytest.mark.parametrize("typed", ["1.5", "ten", "1e3", "--1", "1 000"])
def test_invalid_integer_is_reported(typed: str) -> None:
    read = reader(n=typed)
    assert read.integer("n", default=7) == 7
    assert problems(read) == [("n", "must be a whole number, such as 10")]


@pytest.mark.parametrize(("typed", "number"), [("1.4", 1.4), ("1,4", 1.4), ("", 2.0), ("-0.5", -0.5), ("3", 3.0)])
def test_a_number_is_read_with_point_or_comma(typed: str, number: float) -> None:
    read = reader(n=typed)
    assert (read.decimal("n", default=2.0), problems(read)) == (number, [])


@pytest.mark.parametrize("typed", ["1.000,5", "much", "1..2"])
def test_invalid_number_is_reported(typed: str) -> None:
    read = reader(n=typed)
    read.decimal("n")
    assert problems(read) == [("n", "must be a number, such as 1.4")]


def test_amounts_are_read_in_minor_units() -> None:
    read = reader(DE, one="1.234,50", none=" ", several="500; GBP 430")
    assert read.money("one", "EUR") == 123_450
    assert read.money("none", "EUR") is None
    assert read.amounts("several", "EUR") == {"EUR": 50_000, "GBP": 43_000}
    assert read.money("several", "EUR") is None
    assert problems(read) == [("several", "must be in EUR, not in GBP")]


@pytest.mark.parametrize(("typed", "words"), [
    ("a, b;c  d", ("a", "b", "c", "d")), ("a,a , A", ("a", "A")), ("", ()), (" ,; ", ()), ("x\ny", ("x", "y")),
])  # fmt: skip
def test_codes_are_read_each_once(typed: str, words: tuple[str, ...]) -> None:
    assert reader(w=typed).words("w") == words


def test_codes_may_be_read_in_capitals() -> None:
    assert reader(w="eur, Eur usd").words("w", upper=True) == ("EUR", "USD")


def test_countries_are_read_by_name_and_unknown_names_reported() -> None:
    read = reader(c="Deutschland, Austria, Germny")
    assert read.countries("c") == ("DE", "AT", "Germny")
    assert problems(read) == [("c", "“Germny” is not a country that we know. Did you mean Germany?")]


@pytest.mark.parametrize(
    ("typed", "moment"),
    [
        ("2028-02-29T00:00", "2028-02-29T00:00:00+05:45"),
        ("9998-12-31T23:59", "9998-12-31T23:59:00+05:45"),
        ("", None),
    ],
)
def test_a_day_and_a_time_are_read_in_a_timezone(typed: str, moment: str | None) -> None:
    assert reader(start=typed).moment("start", KATHMANDU, old=None) == moment


@pytest.mark.parametrize("typed", ["2027-02-29T00:00", "tomorrow", "9999-12-31T23:59", "0001-01-01T00:00"])
def test_a_time_that_cannot_be_stored_is_refused_in_words(typed: str) -> None:
    read = reader(start=typed)
    assert read.moment("start", KATHMANDU, old=None) is None
    assert problems(read)[0][1].startswith("must be a day and a time")


@pytest.mark.parametrize(
    ("zone", "skipped"),
    [("Europe/Berlin", "2027-03-28T02:30"), ("Pacific/Apia", "2011-12-30T12:00"), ("Africa/Cairo", "2027-04-30T00:00")],
)
def test_a_time_that_clocks_skip_is_refused(zone: str, skipped: str) -> None:
    read = reader(start=skipped)
    assert read.moment("start", ZoneInfo(zone), old=None) is None
    assert problems(read) == [("start", f"does not exist in {zone}: clocks go forward then")]
    terms = Terms(fields={}, lists=(), candidates={}, currency="EUR", timezone=zone)
    assert missing("datetime", from_text("datetime", skipped, terms), "") != ""


def test_the_earlier_of_two_times_is_meant() -> None:
    assert (
        reader(start="2027-10-31T02:30").moment("start", ZoneInfo("Europe/Berlin"), old=None)
        == "2027-10-31T02:30:00+02:00"
    )


def test_lines_are_read_one_value_each() -> None:
    assert reader(v=" a \n\nb c\na\r\n").lines("v") == ("a", "b c")


def test_all_problems_are_reported_together() -> None:
    read = reader(n="x", m="y")
    read.integer("n")
    read.decimal("m")
    with pytest.raises(Invalid) as caught:
        read.check()
    assert [problem.field for problem in caught.value.problems] == ["n", "m"]
    reader().check()


# Forms


def test_a_form_shows_the_first_problem_of_each_field() -> None:
    form = Form({"name": "x"}).with_problems(
        [FieldProblem("name", "is too long"), FieldProblem("name", "is odd"), FieldProblem("n", "must be 1")]
    )
    assert (form.value("name"), form.value("other")) == ("x", "")
    assert (form.problem("name"), form.problem("n"), form.problem("other")) == ("Is too long.", "Must be 1.", "")


@pytest.mark.parametrize(("message", "text"), [
    ("is wrong", "Is wrong."), ("Done.", "Done."), ("why?", "Why?"), ("“x” is odd", "“x” is odd."), ("", "."),
])  # fmt: skip
def test_a_message_becomes_a_sentence(message: str, text: str) -> None:
    assert sentence(message) == text


@pytest.mark.parametrize(("value", "text"), [
    (1.0, "1"), (1.5, "1.5"), (0.0, "0"), (0.123456789, "0.123457"), (100.0, "100"), (-2.50, "-2.5"),
])  # fmt: skip
def test_number_is_shown_as_typed(value: float, text: str) -> None:
    assert number_text(value) == text


# Values of rules

TERMS = Terms(
    fields={field.name: field for field in (*STANDARD, FieldDocument(name="cart.fee", type="money", unit="JPY"))},
    lists=("blocked",),
    candidates={"card": "Card", "pay_later": "Pay later"},
    currency="EUR",
    timezone="Europe/Berlin",
)
GERMAN = Terms(TERMS.fields, TERMS.lists, TERMS.candidates, "EUR", "Europe/Berlin", DE)


@pytest.mark.parametrize(("kind", "text", "value"), [
    ("money", "500", 50_000),
    ("money", "€ 1,234.50", 123_450),
    ("money", "500; £430", {"EUR": 50_000, "GBP": 43_000}),
    ("money", "lots", "lots"),
    ("integer", "3", 3),
    ("integer", "3.5", 3.5),
    ("number", "2,5", 2.5),
    ("number", "1e3", 1000.0),
    ("number", "true", "true"),
    ("number", "[1]", "[1]"),
    ("number", "99999999999999999999", "99999999999999999999"),
    ("percent", "12", 12),
    ("country", "Germany", "DE"),
    ("country", "de", "DE"),
    ("country", "Atlantis", "Atlantis"),
    ("currency", "eur", "EUR"),
    ("currency", "Euro", "Euro"),
    ("currency", "qqq", "QQQ"),
    ("datetime", "2026-11-27T18:30", "2026-11-27T18:30:00+01:00"),
    ("datetime", "2026-07-27T18:30:05", "2026-07-27T18:30:05+02:00"),
    ("datetime", "2026-13-27T18:30", "2026-13-27T18:30"),
    ("datetime", "tomorrow", "tomorrow"),
    ("candidate", "Pay Later", "pay_later"),
    ("candidate", "card", "card"),
    ("candidate", "bitcoin", "bitcoin"),
    ("string", " web ", "web"),
    ("date", "2026-11-27", "2026-11-27"),
    ("money", "", ""),
])  # fmt: skip
def test_typed_value_becomes_the_value_of_the_rule(kind: str, text: str, value: object) -> None:
    assert from_text(kind, text, TERMS) == value


@pytest.mark.parametrize(("kind", "value", "english", "german"), [
    ("money", 123_450, "1234.50", "1234,50"),
    ("money", {"EUR": 5_000, "JPY": 80}, "EUR 50.00; JPY 80", "EUR 50,00; JPY 80"),
    ("money", "lots", "lots", "lots"),
    ("money", 5.5, "5.5", "5.5"),
    ("integer", 3, "3", "3"),
    ("number", 2.5, "2.5", "2.5"),
    ("country", "DE", "Germany", "Germany"),
    ("country", "XX", "XX", "XX"),
    ("datetime", "2026-11-27T18:30:00+01:00", "2026-11-27T18:30", "2026-11-27T18:30"),
    ("datetime", "2026-11-27T17:30:05Z", "2026-11-27T18:30:05", "2026-11-27T18:30:05"),
    ("datetime", "2026-11-27T18:30:00", "2026-11-27T18:30:00", "2026-11-27T18:30:00"),
    ("datetime", "soon", "soon", "soon"),
    ("string", "ünï", "ünï", "ünï"),
    ("string", ["a", 1], '["a", 1]', '["a", 1]'),
    ("boolean", True, "true", "true"),
    ("string", None, "null", "null"),
])  # fmt: skip
def test_value_of_a_rule_is_shown_as_typed(kind: str, value: object, english: str, german: str) -> None:
    assert to_text(kind, value, TERMS) == english
    assert to_text(kind, value, GERMAN) == german


@pytest.mark.parametrize(("kind", "value"), [
    ("money", 123_450), ("money", 0), ("money", {"EUR": 5_000, "JPY": 80}), ("integer", -3), ("number", 0.25),
    ("country", "DE"), ("currency", "JPY"), ("datetime", "2026-11-27T18:30:00+01:00"), ("string", "web"),
])  # fmt: skip
@pytest.mark.parametrize("terms", [TERMS, GERMAN], ids=["en", "de"])
def test_shown_value_is_read_unchanged(kind: str, value: object, terms: Terms) -> None:
    assert from_text(kind, to_text(kind, value, terms), terms) == value


def test_an_amount_is_typed_in_the_currency_of_its_field() -> None:
    assert TERMS.unit_of("cart.fee") == "JPY"
    assert TERMS.unit_of("cart.total") == TERMS.unit_of("cart.nothing") == "EUR"
    assert from_text("money", "500", TERMS, "cart.fee") == 500
    assert to_text("money", 500, TERMS, "cart.fee") == "500"


@pytest.mark.parametrize(("slot", "field", "kind"), [
    ("value", "cart.total", "money"), ("many", "geo.country", "country"), ("value", "cart.categories", "string"),
    ("value", "cart.nothing", "string"), ("zone", "time.now", "zone"),
])  # fmt: skip
def test_an_input_is_of_its_fields_kind(slot: str, field: str, kind: str) -> None:
    assert TERMS.kind_of(slot, field) == kind


def test_several_countries_may_be_typed_at_once() -> None:
    assert all_from_text("country", "Germany, Austria", TERMS) == ["DE", "AT"]
    assert all_from_text("string", "a, b", TERMS) == ["a, b"]


@pytest.mark.parametrize(("kind", "value", "message"), [
    ("money", "", "Type an amount."),
    ("country", "", "Choose a country."),
    ("country", [], "Choose a country."),
    ("country", ["DE"], ""),
    ("candidates", [], "Choose at least one."),
    ("weekdays", [], "Choose at least one day."),
    ("string", "", "Type a value."),
    ("string", "x", ""),
    ("integer", "ten", "Must be a number, such as 10."),
    ("integer", 10, ""),
    ("money", "lots", "Must be an amount in EUR, such as 50.00."),
    ("money", 5.5, "EUR has no smaller unit than 0.01."),
    ("money", 550, ""),
    ("money", {"EUR": 5}, ""),
    ("version", "", "Type a version, such as 2.1.0."),
])  # fmt: skip
def test_missing_value_is_reported(kind: str, value: object, message: str) -> None:
    assert missing(kind, value, "EUR") == message


# Amounts by currency


@pytest.mark.parametrize(("value", "is_one"), [
    ({"EUR": 5}, True), ({"EUR": 5, "GBP": 4}, True), ({}, False), ({"EUR": 5.0}, False), ({"EUR": True}, False),
    ({"XXY": 5}, False), ([5], False), (5, False), ({"var": "cart.total"}, False),
])  # fmt: skip
def test_amounts_by_currency_are_recognised(value: object, is_one: bool) -> None:
    assert is_by_currency(value) == is_one


@pytest.mark.parametrize(("text", "amounts"), [
    ("500", 50_000),
    ("EUR 500", 50_000),
    ("GBP 430", {"GBP": 43_000}),
    ("500; GBP 430", {"EUR": 50_000, "GBP": 43_000}),
    ("500;\nJPY 80000", {"EUR": 50_000, "JPY": 80_000}),
    ("500;;", 50_000),
    ("\u200f500\u200e", 50_000),
    ("500,-", None),
    ("0", 0),
    ("-5", -500),
    ("(5)", None),
    ("5 5", None),
    ("EUR", None),
    (";", None),
    ("5 EUR USD", None),
])  # fmt: skip
def test_amounts_are_read_by_currency_or_refused(text: str, amounts: object) -> None:
    if amounts is None:
        with pytest.raises(NotAnAmount):
            read_amounts(text, "EUR", EN)
    else:
        assert read_amounts(text, "EUR", EN) == amounts


def test_amount_in_another_currency_is_refused() -> None:
    with pytest.raises(NotAnAmount, match="must be in EUR, not in GBP"):
        read_amount("£5", "EUR", EN)


@pytest.mark.parametrize(("amounts", "currency", "language", "text"), [
    (None, "EUR", EN, ""), (0, "EUR", EN, "0.00"), (5, "EUR", DE, "0,05"), (-5, "EUR", EN, "-0.05"),
    (5, "JPY", EN, "5"), (5, "KWD", EN, "0.005"), ({"EUR": 5, "JPY": 5}, "EUR", EN, "EUR 0.05; JPY 5"),
])  # fmt: skip
def test_written_amounts_can_be_typed_again(
    amounts: int | dict[str, int] | None, currency: str, language: Locale, text: str
) -> None:
    assert amounts_text(amounts, currency, language) == text
