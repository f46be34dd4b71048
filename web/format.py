"""Format money, numbers and times in the viewer's locale and the merchant's timezone.

The words of the pages are English; only figures and dates follow the locale.
"""

import re
from collections.abc import Iterable
from datetime import UTC, date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from babel import Locale, UnknownLocaleError
from babel.dates import format_date, format_datetime, format_time
from babel.numbers import format_currency, format_decimal, format_percent

from rules.language.codes import decimals_of

NOTHING = "–"
_FRACTION = re.compile(r"\.0+")
"""The decimals in a CLDR pattern: how many there are is for ISO 4217 to say."""
ENGLISH = Locale("en")
UNITS_OF_AGE = ((60, 1, "s"), (3600, 60, "min"), (86_400, 3600, "h"), (7 * 86_400, 86_400, "d"))


class Show:
    """Turns stored values into text: minor units, shares of 0 to 1, epoch milliseconds."""

    def __init__(self, *, locale: Locale, timezone: str, now: int) -> None:
        self.locale = locale
        self.zone = _zone(timezone)
        self.now = now

    def money(self, amount: int | None, currency: str) -> str:
        """Format an amount with the decimals of its currency: 12900, EUR -> €129.00."""
        return NOTHING if amount is None else self._money(amount, currency, digits=decimals_of(currency))

    def rounded_money(self, amount: float, currency: str) -> str:
        """Format an amount as `money`, without its decimals from a thousand on: 1234567, EUR -> €12,346."""
        decimals = decimals_of(currency)
        is_large = abs(amount) >= 1_000 * 10**decimals
        return self._money(round(amount), currency, digits=0 if is_large else decimals)

    def _money(self, amount: int, currency: str, *, digits: int) -> str:
        pattern = _FRACTION.sub("." + "0" * digits if digits else "", self.locale.currency_formats["standard"].pattern)
        major = Decimal(amount).scaleb(-decimals_of(currency))
        return format_currency(major, currency, pattern, locale=self.locale, currency_digits=False)

    def number(self, value: float | None, *, digits: int = 0) -> str:
        """Format a number with `digits` decimals: 12345.678 -> 12,346."""
        if value is None:
            return NOTHING
        pattern = "#,##0." + "0" * digits if digits else "#,##0"
        return format_decimal(value, format=pattern, locale=self.locale)

    def percent(self, share: float | None, *, digits: int = 1) -> str:
        """Format a share: 0.1234 -> 12.3%. A share above zero is never shown as zero."""
        if share is None:
            return NOTHING
        smallest = 10.0 ** -(digits + 2)
        if 0 < share < smallest / 2:
            return "<" + self._percent(smallest, digits)
        if 1 - smallest / 2 < share < 1:
            return ">" + self._percent(1 - smallest, digits)
        return self._percent(share, digits)

    def interval(self, low: float, high: float, *, digits: int = 1) -> str:
        """Format an interval of shares: 0.021, 0.063 -> 2.1% to 6.3%."""
        return f"{self._percent(low, digits)} to {self._percent(high, digits)}"

    def change(self, share: float, *, digits: int = 1) -> str:
        """Format a change with its sign: 0.021 -> +2.1%."""
        return ("+" if share > 0 else "") + self._percent(share, digits)

    def points(self, share: float) -> str:
        """Format a difference of shares in percentage points, without its unit: 0.0214 -> 2.1."""
        return self.number(100 * share, digits=1)

    def points_between(self, low: float, high: float) -> str:
        """Format an interval of percentage points: -0.003, 0.039 -> -0.3 to 3.9."""
        return f"{self.points(low)} to {self.points(high)}"

    def moment(self, milliseconds: int | None) -> str:
        """Format an absolute time with its timezone: Nov 21, 2026, 1:05:33 AM CET."""
        if milliseconds is None:
            return NOTHING
        when = self._local(milliseconds)
        return f"{format_datetime(when, 'medium', locale=self.locale)} {when.tzname()}"

    def day(self, milliseconds: int | None) -> str:
        """Format the day: Nov 21, 2026."""
        return NOTHING if milliseconds is None else format_date(self._local(milliseconds), "medium", locale=self.locale)

    def clock(self, milliseconds: int) -> str:
        """Format the time of day: 1:05 AM."""
        return format_time(self._local(milliseconds), "short", locale=self.locale)

    def ago(self, milliseconds: int | None) -> str:
        """Format a distance in time: 3 min ago, in 2 h; beyond a week the day."""
        if milliseconds is None:
            return NOTHING
        seconds = abs(self.now - milliseconds) / 1000
        for limit, unit, name in UNITS_OF_AGE:
            if seconds < limit:
                return _relative(int(seconds // unit), name, ahead=milliseconds > self.now)
        return self.day(milliseconds)

    def length(self, milliseconds: int) -> str:
        """Format a length of time: 25 s, 3 min, 2 h, 4 d."""
        seconds = milliseconds / 1000
        _, unit, name = next((each for each in UNITS_OF_AGE if seconds < each[0]), UNITS_OF_AGE[-1])
        return f"{int(seconds // unit)} {name}"

    def iso(self, milliseconds: int) -> str:
        """Format a time as RFC 3339 in UTC, for machines."""
        return (
            datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        )

    def midnight(self, day: date) -> int:
        """Return the instant at which a day begins here, in epoch milliseconds."""
        return round(1000 * datetime(day.year, day.month, day.day, tzinfo=self.zone).timestamp())

    def date_of(self, milliseconds: int) -> date:
        """Return the day of an instant (epoch milliseconds) here."""
        return self._local(milliseconds).date()

    def wall_clock(self, milliseconds: int) -> int:
        """Return the merchant's wall clock as if it were UTC, in epoch milliseconds, for a chart's time axis."""
        offset = self._local(milliseconds).utcoffset()
        return milliseconds + (int(offset.total_seconds() * 1000) if offset else 0)

    @property
    def timezone(self) -> str:
        """Return the timezone's name and its current letters: Europe/Berlin (CET)."""
        letters = self._local(self.now).tzname()
        return self.zone.key if letters == self.zone.key else f"{self.zone.key} ({letters})"

    def country(self, code: str) -> str:
        """Return the name of a country: DE -> Germany. An unknown code stays as it is."""
        return str(ENGLISH.territories.get(code, code))

    def several(self, values: Iterable[str], *, none: str) -> str:
        """Join a short list; return `none` where it is empty."""
        return ", ".join(values) or none

    def count(self, number: int, singular: str, plural: str | None = None) -> str:
        """Format a count: 1 rule, 12 rules."""
        return f"{self.number(number)} {singular if number == 1 else plural or singular + 's'}"

    def _percent(self, share: float, digits: int) -> str:
        pattern = self.locale.percent_formats[None].pattern
        decimals = "." + "0" * digits if digits else ""
        return format_percent(share, format=pattern.replace("##0", "##0" + decimals), locale=self.locale)

    def _local(self, milliseconds: int) -> datetime:
        return datetime.fromtimestamp(milliseconds / 1000, self.zone)


def _relative(number: int, unit: str, *, ahead: bool) -> str:
    if unit == "s" and number < 5:
        return "now"
    return f"in {number} {unit}" if ahead else f"{number} {unit} ago"


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        return ZoneInfo("UTC")


def viewer_locale(accept_language: str, fallback: str = "en") -> Locale:
    """Return the preferred locale of Accept-Language that Babel knows, else the fallback, else English."""
    for tag in [*by_preference(accept_language), fallback]:
        try:
            return Locale.parse(tag.replace("_", "-"), sep="-")
        except (UnknownLocaleError, ValueError, TypeError):
            continue
    return ENGLISH


def by_preference(accept_language: str) -> list[str]:
    """Return the tags of Accept-Language, the preferred one first."""
    weighted = []
    for part in accept_language[:500].split(","):
        tag, _, weight = part.strip().partition(";q=")
        try:
            weighted.append((float(weight or 1), tag.strip()))
        except ValueError:
            continue
    return [tag for _, tag in sorted(weighted, key=lambda pair: -pair[0]) if tag not in ("", "*")]
