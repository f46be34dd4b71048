"""Check that an amount is stored as it was meant, or refused, in every currency and locale."""

from collections.abc import Iterator
from decimal import Decimal

import pytest
from babel import Locale
from babel.numbers import format_decimal, get_currency_symbol, get_decimal_symbol, get_group_symbol

from rules.language.codes import decimals_of
from web.format import Show
from web.typed_money import NotAnAmount, amounts_text, read_amount, read_amounts

CURRENCIES = """
    EUR GBP USD JPY CHF SEK NOK DKK PLN CZK HUF RON BGN TRY RSD ALL MKD BAM UAH GEL ISK KWD BHD JOD TND IQD LBP AED
    SAR EGP INR PKR MMK KRW VND CLP COP BRL MXN IDR
""".split()  # noqa: SIM905
LOCALES = [
    Locale.parse(tag, sep="-")
    for tag in ["en", "en-IN", "de", "de-CH", "fr", "nl", "es", "it", "pl", "sv", "ja", "ar-EG"]
]
AMOUNTS = (0, 1, 5, 99, 100, 1_000, 1_050, 10_000, 12_345, 100_000, 1_234_567, 5_000_000, 123_456_789)
EN, DE, JA = Locale("en"), Locale("de"), Locale("ja")
ARABIC, WIDE = str.maketrans("0123456789", "٠١٢٣٤٥٦٧٨٩"), str.maketrans("0123456789.,", "０１２３４５６７８９．，")


def spellings(minor: int, currency: str, locale: Locale) -> Iterator[str]:
    """Yield ten ways in which a person of the locale writes an amount."""
    decimals = decimals_of(currency)
    major = Decimal(minor).scaleb(-decimals)
    grouped = format_decimal(major, "#,##0." + "0" * decimals if decimals else "#,##0", locale=locale)
    plain = grouped.replace(get_group_symbol(locale), "")
    whole = grouped.partition(get_decimal_symbol(locale))[0] if major == int(major) else plain
    yield from (plain, grouped, whole, f"{grouped} {currency}", f"{currency} {plain}")
    yield f"{get_currency_symbol(currency, locale)} {grouped}"
    yield grouped.replace(get_group_symbol(locale), "\u202f")
    yield plain.translate(ARABIC)
    yield grouped.translate(WIDE)
    yield Show(locale=locale, timezone="UTC", now=0).money(minor, currency)


@pytest.mark.parametrize("currency", CURRENCIES)
def test_typed_amounts_are_parsed_correctly_or_refused(currency: str) -> None:
    stored = refused = 0
    for locale in LOCALES:
        for minor in AMOUNTS:
            assert read_amount(amounts_text(minor, currency, locale), currency, locale) == minor
            for text in spellings(minor, currency, locale):
                try:
                    assert read_amount(text, currency, locale) == minor, (text, str(locale))
                    stored += 1
                except NotAnAmount:
                    refused += 1
    assert stored + refused == len(LOCALES) * len(AMOUNTS) * 10
    assert refused <= stored * (0.05 if decimals_of(currency) == 3 else 0)


@pytest.mark.parametrize(
    ("text", "currency", "locale", "minor"),
    [
        ("10,000", "JPY", JA, 10_000),
        ("10,000", "EUR", JA, 1_000_000),
        ("1,000", "EUR", EN, 100_000),
        ("1.000", "EUR", DE, 100_000),
        ("1.000,50", "EUR", EN, 100_050),
        ("1,000.50", "EUR", DE, 100_050),
        ("500 EUR", "EUR", EN, 50_000),
        ("€ 500", "EUR", EN, 50_000),
        ("kr. 1.000,00", "DKK", Locale("da"), 100_000),
        ("kr.500", "DKK", Locale("da"), 50_000),
        ("50,00", "EUR", EN, 5_000),
        ("1,5", "EUR", EN, 150),
        (".5", "EUR", EN, 50),
        ("−5", "EUR", EN, -500),
        ("-€5", "EUR", EN, -500),
        ("5000", "RSD", EN, 500_000),
        ("5000", "LBP", EN, 500_000),
        ("1,00,000", "INR", Locale("hi"), 10_000_000),
        ("1’000.50", "CHF", Locale("de", "CH"), 100_050),
        ("١٬٠٠٠٫٥٠", "EGP", Locale("ar"), 100_050),
    ],
)
def test_amounts_are_parsed_in_common_notations(text: str, currency: str, locale: Locale, minor: int) -> None:
    assert read_amount(text, currency, locale) == minor


@pytest.mark.parametrize(
    ("text", "currency", "locale", "message"),
    [
        ("1.000", "EUR", EN, "“1.000” could be 1.00 EUR or 1,000.00 EUR: type 1.00 or 1000.00"),
        ("10,000", "EUR", DE, "“10,000” could be 10,00 EUR or 10.000,00 EUR: type 10,00 or 10000,00"),
        ("12,345", "EUR", DE, "“12,345” is not clear: type 12345,00 if you mean 12.345,00 EUR"),
        ("1,234", "KWD", EN, "“1,234” could be 1.234 KWD or 1,234.000 KWD: type 1.234 or 1234.000"),
        ("5.5", "JPY", EN, "JPY has no smaller unit than 1"),
        ("5 GBP", "EUR", EN, "must be in EUR, not in GBP"),
        ("5; EUR 6", "EUR", EN, "gives two amounts in EUR"),
        ("many", "EUR", DE, "must be an amount in EUR, such as 50,00"),
        ("1 50", "EUR", EN, "must be an amount in EUR, such as 50.00"),
        ("9" * 20, "EUR", EN, "is too large an amount"),
    ],
)
def test_ambiguous_amount_is_refused_with_its_interpretations(
    text: str, currency: str, locale: Locale, message: str
) -> None:
    with pytest.raises(NotAnAmount) as refused:
        read_amount(text, currency, locale)
    assert str(refused.value) == message


def test_amounts_by_currency_are_typed_and_shown_alike() -> None:
    amounts = {"EUR": 50_000, "GBP": 43_000, "JPY": 80_000}
    for text in ("500; GBP 430; JPY 80,000", "€500.00; £430.00; ¥80,000", "EUR 500.00\nGBP 430.00\n80000 JPY"):
        assert read_amounts(text, "EUR", EN) == amounts
    for locale in LOCALES:
        assert read_amounts(amounts_text(amounts, "EUR", locale), "EUR", locale) == amounts
