from datetime import UTC, datetime

import pytest

from web.format import Show, viewer_locale

NOW = int(datetime(2026, 11, 21, 12, 0, tzinfo=UTC).timestamp() * 1000)
MINUTE = 60_000


def show(language: str = "en-US", timezone: str = "Europe/Berlin") -> Show:
    return Show(locale=viewer_locale(language), timezone=timezone, now=NOW)


@pytest.mark.parametrize(
    ("amount", "currency", "text"),
    [
        (12900, "EUR", "€129.00"),
        (500, "JPY", "¥500"),
        (1234567, "KWD", "KWD1,234.567"),
        (None, "EUR", "–"),
    ],
)
def test_money_has_as_many_decimals_as_its_currency(amount: int | None, currency: str, text: str) -> None:
    assert show().money(amount, currency) == text


def test_figures_follow_the_viewers_locale() -> None:
    german = show("de-DE,de;q=0.9,en;q=0.8")
    assert german.money(129_900, "EUR") == "1.299,00\xa0€"
    assert german.number(12345.678, digits=2) == "12.345,68"
    assert german.percent(0.1234) == "12,3\xa0%"
    assert show("tr").percent(0.1234) == "%12,3"


def test_share_is_never_rounded_to_0_or_100_percent() -> None:
    assert show().percent(0.00001) == "<0.1%"
    assert show().percent(0.99999) == ">99.9%"
    assert (show().percent(0.0), show().percent(1.0)) == ("0.0%", "100.0%")


def test_an_interval_reads_from_low_to_high() -> None:
    assert show().interval(0.021, 0.063) == "2.1% to 6.3%"
    assert (show().change(0.021), show().change(-0.021)) == ("+2.1%", "-2.1%")


def test_a_time_always_carries_its_timezone() -> None:
    assert show().moment(NOW) == "Nov 21, 2026, 1:00:00\u202fPM CET"
    assert show(timezone="America/New_York").moment(NOW).endswith("7:00:00\u202fAM EST")
    assert show().timezone == "Europe/Berlin (CET)"


@pytest.mark.parametrize(
    ("minutes", "text"),
    [
        (0, "now"),
        (0.5, "30 s ago"),
        (3, "3 min ago"),
        (150, "2 h ago"),
        (3 * 1440, "3 d ago"),
        (-120, "in 2 h"),
        (30 * 1440, "Oct 22, 2026"),
    ],
)
def test_age_is_in_its_largest_unit_and_a_date_after_a_week(minutes: float, text: str) -> None:
    assert show().ago(NOW - int(minutes * MINUTE)) == text


def test_chart_axis_is_in_the_merchants_timezone() -> None:
    assert show().wall_clock(NOW) - NOW == 60 * MINUTE


@pytest.mark.parametrize("header", ["", "*", "xx-YY", "de;q=abc", ";;;,,,", "a" * 5000])
def test_an_unreadable_accept_language_falls_back(header: str) -> None:
    assert str(viewer_locale(header, "fr")) == "fr"


def test_an_unknown_timezone_falls_back_to_utc() -> None:
    assert show(timezone="Mars/Olympus").timezone == "UTC"


def test_counts_agree_with_their_noun() -> None:
    assert (show().count(1, "rule"), show().count(12, "rule"), show().count(0, "reply", "replies")) == (
        "1 rule", "12 rules", "0 replies",
    )  # fmt: skip
