"""Check that countries are found by the names that people type."""

import pytest
from babel import Locale

from web.countries import problem_of_countries, read_countries

EN = Locale("en")


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("Holland", ["NL"]),
        ("Deutschland", ["DE"]),
        ("Niederlande", ["NL"]),
        ("germany, Austria", ["DE", "AT"]),
        ("de at", ["DE", "AT"]),
        ("UK", ["GB"]),
        ("United States", ["US"]),
        ("España; Italia", ["ES", "IT"]),
        ("Germny", ["Germny"]),
    ],
)
def test_countries_have_common_names(text: str, codes: list[str]) -> None:
    assert read_countries(text, EN) == codes


def test_viewers_language_and_eu_are_understood() -> None:
    assert read_countries("ドイツ", Locale("ja")) == ["DE"]
    assert len(read_countries("EU", EN)) == 27


def test_an_unknown_country_is_named_with_the_likeliest() -> None:
    assert problem_of_countries(["DE", "Germny"], EN) == "“Germny” is not a country that we know. Did you mean Germany?"
    assert problem_of_countries(["DE"], EN) == ""
