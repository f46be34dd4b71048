"""Money, numbers and times as one viewer reads them: their locale, the merchant's timezone.

The words of the pages are English; only figures and dates follow the locale.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from babel import Locale, UnknownLocaleError
from babel.dates import format_date, format_datetime, format_time
from babel.numbers import format_currency, format_decimal, format_percent, get_currency_precision

NOTHING = "–"
ENGLISH = Locale("en")
UNITS_OF_AGE = ((60, 1, "s"), (3600, 60, "min"), (86_400, 3600, "h"), (7 * 86_400, 86_400, "d"))


class Show:
    """Turns stored values into text: minor units, shares of 0 to 1, epoch milliseconds."""

    def __init__(self, *, locale: Locale, timezone: str, now: int) -> None:
        self.locale = locale
        self.zone = _zone(timezone)
        self.now = now

    def money(self, amount: int | None, currency: str) -> str:
        """12900, EUR -> €129.00, with as many decimals as the currency has."""
        if amount is None:
            return NOTHING
        major = Decimal(amount).scaleb(-get_currency_precision(currency))
        return format_currency(major, currency, locale=self.locale)

    def number(self, value: float | None, *, digits: int = 0) -> str:
        """12345.678 -> 12,346, or with as many decimals as asked."""
        if value is None:
            return NOTHING
        pattern = "#,##0." + "0" * digits if digits else "#,##0"
        return format_decimal(value, format=pattern, locale=self.locale)

    def percent(self, share: float | None, *, digits: int = 1) -> str:
        """0.1234 -> 12.3%; what is not zero is never shown as zero."""
        if share is None:
            return NOTHING
        smallest = 10.0 ** -(digits + 2)
        if 0 < share < smallest / 2:
            return "<" + self._percent(smallest, digits)
        if 1 - smallest / 2 < share < 1:
            return ">" + self._percent(1 - smallest, digits)
        return self._percent(share, digits)

    def interval(self, low: float, high: float, *, digits: int = 1) -> str:
        """0.021, 0.063 -> 2.1% to 6.3%."""
        return f"{self._percent(low, digits)} to {self._percent(high, digits)}"

    def change(self, share: float, *, digits: int = 1) -> str:
        """0.021 -> +2.1%; a fall has a minus sign."""
        return ("+" if share > 0 else "") + self._percent(share, digits)

    def moment(self, at: int | None) -> str:
        """The absolute time with its timezone: Nov 21, 2026, 1:05:33 AM CET."""
        if at is None:
            return NOTHING
        when = self._local(at)
        return f"{format_datetime(when, 'medium', locale=self.locale)} {when.tzname()}"

    def day(self, at: int | None) -> str:
        """The day alone: Nov 21, 2026."""
        return NOTHING if at is None else format_date(self._local(at), "medium", locale=self.locale)

    def clock(self, at: int) -> str:
        """The time of day alone: 1:05 AM."""
        return format_time(self._local(at), "short", locale=self.locale)

    def ago(self, at: int | None) -> str:
        """How long ago or how far ahead: 3 min ago, in 2 h; after a week the day itself."""
        if at is None:
            return NOTHING
        seconds = abs(self.now - at) / 1000
        for limit, unit, name in UNITS_OF_AGE:
            if seconds < limit:
                return _relative(int(seconds // unit), name, ahead=at > self.now)
        return self.day(at)

    def iso(self, at: int) -> str:
        """RFC 3339 in UTC, for machines."""
        return datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")

    def wall_clock(self, at: int) -> int:
        """The merchant's wall clock as if it were UTC, in epoch milliseconds, for a chart's time axis."""
        offset = self._local(at).utcoffset()
        return at + (int(offset.total_seconds() * 1000) if offset else 0)

    @property
    def timezone(self) -> str:
        """The timezone's name and its letters now: Europe/Berlin (CET)."""
        letters = self._local(self.now).tzname()
        return self.zone.key if letters == self.zone.key else f"{self.zone.key} ({letters})"

    def country(self, code: str) -> str:
        """DE -> Germany; an unknown code stays itself."""
        return str(ENGLISH.territories.get(code, code))

    def several(self, values: Iterable[str], *, none: str) -> str:
        """A short list in words; `none` where it is empty."""
        return ", ".join(values) or none

    def count(self, number: int, one: str, many: str | None = None) -> str:
        """1 rule, 12 rules."""
        return f"{self.number(number)} {one if number == 1 else many or one + 's'}"

    def _percent(self, share: float, digits: int) -> str:
        pattern = self.locale.percent_formats[None].pattern
        decimals = "." + "0" * digits if digits else ""
        return format_percent(share, format=pattern.replace("##0", "##0" + decimals), locale=self.locale)

    def _local(self, at: int) -> datetime:
        return datetime.fromtimestamp(at / 1000, self.zone)


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
    """The best locale that Accept-Language names and Babel knows, else the fallback, else English."""
    for tag in [*_by_preference(accept_language), fallback]:
        try:
            return Locale.parse(tag.replace("_", "-"), sep="-")
        except (UnknownLocaleError, ValueError, TypeError):
            continue
    return ENGLISH


def _by_preference(accept_language: str) -> list[str]:
    weighted = []
    for part in accept_language[:500].split(","):
        tag, _, weight = part.strip().partition(";q=")
        try:
            weighted.append((float(weight or 1), tag.strip()))
        except ValueError:
            continue
    return [tag for _, tag in sorted(weighted, key=lambda pair: -pair[0]) if tag not in ("", "*")]
