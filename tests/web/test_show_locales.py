"""Check figures, amounts and times as people of other countries read them, and odd values that pages may meet."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from babel import Locale

from web.countries import problem_of_countries, read_countries
from web.format import Show, viewer_locale

NOW = int(datetime(2026, 7, 21, 12, 0, tzinfo=UTC).timestamp() * 1000)
SECOND, MINUTE, HOUR, DAY = 1_000, 60_000, 3_600_000, 86_400_000


def show(language: str = "en", timezone: str = "Europe/Berlin") -> Show:
    return Show(locale=viewer_locale(language), timezone=timezone, now=NOW)


def plain(text: str) -> str:
    """Return the text with ordinary blanks, and without marks of direction."""
    for mark in "\xa0\u202f":
        text = text.replace(mark, " ")
    return "".join(letter for letter in text if letter not in "\u200e\u200f\u061c")


@pytest.mark.parametrize(("language", "amount", "currency", "text"), [
    ("en", 123_456, "EUR", "€1,234.56"),
    ("en-GB", 123_456, "GBP", "£1,234.56"),
    ("de", 123_456, "EUR", "1.234,56 €"),
    ("de-AT", 123_456, "EUR", "€ 1.234,56"),
    ("de-CH", 123_456, "CHF", "CHF 1’234.56"),
    ("fr", 123_456, "EUR", "1 234,56 €"),
    ("nl", 123_456, "EUR", "€ 1.234,56"),
    ("sv", 123_456, "SEK", "1 234,56 kr"),
    ("pl", 123_456, "PLN", "1 234,56 zł"),
    ("ja", 123_456, "JPY", "￥123,456"),
    ("hi", 12_345_678, "INR", "₹1,23,456.78"),
    ("en", 5, "EUR", "€0.05"),
    ("en", 0, "EUR", "€0.00"),
    ("en", -500, "EUR", "-€5.00"),
    ("en", 10**14, "EUR", "€1,000,000,000,000.00"),
    ("en", 1_500, "CLP", "CLP1,500"),
    ("en", 1_500, "BHD", "BHD1.500"),
    ("he", 12_300, "ILS", "123.00 ₪"),
])  # fmt: skip
def test_money_follows_the_viewers_locale(language: str, amount: int, currency: str, text: str) -> None:
    assert plain(show(language).money(amount, currency)) == text


def test_money_has_the_symbol_of_the_locale() -> None:
    assert plain(show("ar-EG").money(100, "EGP")).endswith("ج.م.")


@pytest.mark.parametrize(("language", "number", "digits", "text"), [
    ("en", 1_234_567, 0, "1,234,567"),
    ("de", 1_234_567, 0, "1.234.567"),
    ("fr", 1_234_567.891, 1, "1 234 567,9"),
    ("en", 0, 0, "0"),
    ("en", 0.5, 0, "0"),
    ("en", 1.5, 0, "2"),
    ("en", -12.345, 2, "-12.34"),
    ("en", None, 2, "–"),
])  # fmt: skip
def test_numbers_follow_the_viewers_locale(language: str, number: float | None, digits: int, text: str) -> None:
    assert plain(show(language).number(number, digits=digits)) == text


@pytest.mark.parametrize(("language", "share", "digits", "text"), [
    ("en", 0.1234, 1, "12.3%"),
    ("en", 0.1234, 0, "12%"),
    ("de", 0.1234, 2, "12,34 %"),
    ("tr", 0.5, 0, "%50"),
    ("en", 1, 0, "100%"),
    ("en", 0, 0, "0%"),
    ("en", 0.0004, 1, "<0.1%"),
    ("en", 0.0006, 1, "0.1%"),
    ("en", 0.004, 0, "<1%"),
    ("en", 0.996, 0, ">99%"),
    ("en", 0.9994, 1, "99.9%"),
    ("en", 0.9996, 1, ">99.9%"),
    ("en", 1.5, 0, "150%"),
    ("en", -0.05, 1, "-5.0%"),
    ("en", None, 1, "–"),
])  # fmt: skip
def test_shares_follow_the_viewers_locale(language: str, share: float | None, digits: int, text: str) -> None:
    assert plain(show(language).percent(share, digits=digits)) == text


@pytest.mark.parametrize(("share", "text"), [
    (0.021, "+2.1%"), (-0.021, "-2.1%"), (0.0, "0.0%"), (0.0004, "+0.0%"), (2.5, "+250.0%"),
])  # fmt: skip
def test_change_has_a_sign(share: float, text: str) -> None:
    assert show().change(share) == text


@pytest.mark.parametrize(("language", "timezone", "text"), [
    ("en-US", "Europe/Berlin", "Jul 21, 2026, 2:00:00 PM CEST"),
    ("en-GB", "Europe/London", "21 Jul 2026, 13:00:00 BST"),
    ("de", "Europe/Berlin", "21.07.2026, 14:00:00 CEST"),
    ("ja", "Asia/Tokyo", "2026/07/21 21:00:00 JST"),
    ("en-US", "Asia/Kathmandu", "Jul 21, 2026, 5:45:00 PM +0545"),
    ("en-US", "nonsense", "Jul 21, 2026, 12:00:00 PM UTC"),
])  # fmt: skip
def test_time_is_in_the_merchants_timezone(language: str, timezone: str, text: str) -> None:
    assert plain(show(language, timezone).moment(NOW)) == text


@pytest.mark.parametrize(("language", "day", "clock"), [
    ("en-US", "Jul 21, 2026", "2:00 PM"), ("de", "21.07.2026", "14:00"), ("fr", "21 juil. 2026", "14:00"),
])  # fmt: skip
def test_days_and_times_follow_the_viewers_locale(language: str, day: str, clock: str) -> None:
    assert plain(show(language).day(NOW)) == day
    assert plain(show(language).clock(NOW)) == clock


@pytest.mark.parametrize(("distance", "text"), [
    (0, "now"),
    (4 * SECOND, "now"),
    (5 * SECOND, "5 s ago"),
    (59 * SECOND, "59 s ago"),
    (MINUTE, "1 min ago"),
    (59 * MINUTE + 59 * SECOND, "59 min ago"),
    (HOUR, "1 h ago"),
    (23 * HOUR + 59 * MINUTE, "23 h ago"),
    (DAY, "1 d ago"),
    (7 * DAY - 1, "6 d ago"),
    (7 * DAY, "Jul 14, 2026"),
    (-4 * SECOND, "now"),
    (-MINUTE, "in 1 min"),
    (-3 * DAY, "in 3 d"),
    (-8 * DAY, "Jul 29, 2026"),
])  # fmt: skip
def test_age_is_in_its_largest_unit(distance: int, text: str) -> None:
    assert show("en-US").ago(NOW - distance) == text


def test_missing_time_is_a_dash() -> None:
    shown = show()
    assert {shown.money(None, "EUR"), shown.moment(None), shown.day(None), shown.ago(None)} == {"–"}


def test_times_for_machines_are_utc_to_the_millisecond() -> None:
    assert show().iso(NOW + 7) == "2026-07-21T12:00:00.007Z"


@pytest.mark.parametrize(("timezone", "hours"), [("Europe/Berlin", 2), ("America/New_York", -4), ("UTC", 0)])
def test_chart_axis_is_in_the_merchants_timezone(timezone: str, hours: int) -> None:
    assert show(timezone=timezone).wall_clock(NOW) - NOW == hours * HOUR


@pytest.mark.parametrize(("timezone", "text"), [
    ("Europe/Berlin", "Europe/Berlin (CEST)"), ("UTC", "UTC"), ("Asia/Tokyo", "Asia/Tokyo (JST)"),
])  # fmt: skip
def test_timezone_has_its_abbreviation(timezone: str, text: str) -> None:
    assert show(timezone=timezone).timezone == text


@pytest.mark.parametrize(("code", "name"), [("DE", "Germany"), ("XK", "Kosovo"), ("ZZZ", "ZZZ"), ("", "")])
def test_a_country_is_named_in_english(code: str, name: str) -> None:
    assert show("de").country(code) == name


@pytest.mark.parametrize(("number", "text"), [(0, "0 rules"), (1, "1 rule"), (2, "2 rules"), (1_234, "1,234 rules")])
def test_a_count_agrees_with_its_noun(number: int, text: str) -> None:
    assert show().count(number, "rule") == text


def test_a_short_list_is_joined_and_an_empty_one_named() -> None:
    assert show().several(["a", "b"], none="everywhere") == "a, b"
    assert show().several([], none="everywhere") == "everywhere"


@pytest.mark.parametrize(("header", "language"), [
    ("de", "de"),
    ("de-CH, de;q=0.9, en;q=0.5", "de_CH"),
    ("en;q=0.5, fr;q=0.9", "fr"),
    ("xx, nl", "nl"),
    ("*", "en"),
    ("de;q=x, nl", "nl"),
    ("zh-Hant-TW", "zh_Hant_TW"),
    ("pt_BR", "pt_BR"),
    ("a" * 600 + ", de", "en"),
])  # fmt: skip
def test_the_preferred_language_that_exists_is_taken(header: str, language: str) -> None:
    assert str(viewer_locale(header)) == language


def test_without_a_known_fallback_pages_are_english() -> None:
    assert viewer_locale("", "xx-Nowhere") == Locale("en")


# Countries as people type them

EU = 27


@pytest.mark.parametrize(("text", "language", "codes"), [
    ("Germany", "en", ["DE"]),
    ("deutschland", "en", ["DE"]),
    ("Allemagne, Autriche", "en", ["DE", "AT"]),
    ("DE AT ch", "en", ["DE", "AT", "CH"]),
    ("DE;AT\nCH", "en", ["DE", "AT", "CH"]),
    ("Holland", "en", ["NL"]),
    ("UK", "en", ["GB"]),
    ("England, Great Britain", "en", ["GB"]),
    ("USA, America", "en", ["US"]),
    ("Czech Republic", "en", ["CZ"]),
    ("Türkei, Turkey", "en", ["TR"]),
    ("  côte d’ivoire ", "fr", ["CI"]),
    ("ドイツ", "ja", ["DE"]),
    ("United States", "en", ["US"]),
    ("Mars", "en", ["Mars"]),
    ("DE, Mars, DE", "en", ["DE", "Mars"]),
    ("", "en", []),
    (" , ; ", "en", []),
])  # fmt: skip
def test_countries_are_read_by_common_names(text: str, language: str, codes: list[str]) -> None:
    assert read_countries(text, Locale.parse(language)) == codes


@pytest.mark.parametrize("text", ["EU", "eu", "European Union", "Europäische Union"])
def test_the_union_stands_for_its_members(text: str) -> None:
    codes = read_countries(text, Locale("en"))
    assert len(codes) == EU
    assert {"DE", "FR", "HR"} <= set(codes)
    assert "GB" not in codes


def test_the_union_and_others_may_be_named_together() -> None:
    assert read_countries("EU, Switzerland, DE", Locale("en"))[-1] == "CH"
    assert len(read_countries("EU, Switzerland, DE", Locale("en"))) == EU + 1


@pytest.mark.parametrize(("codes", "problem"), [
    ([], ""),
    (["DE", "AT"], ""),
    (["DE", "Germny"], "“Germny” is not a country that we know. Did you mean Germany?"),
    (["Qqqq"], "“Qqqq” is not a country that we know."),
])  # fmt: skip
def test_a_name_that_is_no_country_gets_the_likeliest(codes: list[str], problem: str) -> None:
    assert problem_of_countries(codes, Locale("en")) == problem
