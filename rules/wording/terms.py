"""Put values and effects into plain words."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

from rules.language.codes import decimals_of
from rules.language.effects import Boost, Effect, Exclude, Pin, Require, Set

MOST_SHOWN = 5
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_DAYS = {
    "mon": "Monday",
    "tue": "Tuesday",
    "wed": "Wednesday",
    "thu": "Thursday",
    "fri": "Friday",
    "sat": "Saturday",
    "sun": "Sunday",
}


def plain_money(minor: int, currency: str) -> str:
    """Return a text such as "EUR 49.99" for 4999 and EUR."""
    digits = decimals_of(currency)
    return f"{currency} {minor / 10**digits:,.{digits}f}".lstrip()


@dataclass(frozen=True, slots=True)
class Wording:
    """The names and formats for a merchant's candidates, amounts and countries.

    `candidates` are labels by id, `currency` is that of amounts whose field names none, `money` formats minor units and
    a currency, `country` names a country code.
    """

    candidates: Mapping[str, str] = field(default_factory=dict)
    currency: str = ""
    money: Callable[[int, str], str] = plain_money
    country: Callable[[str], str] = str

    def candidate(self, name: str) -> str:
        """Return the merchant's label of the candidate, or its id."""
        return self.candidates.get(name) or name


PLAIN = Wording()


def describe_effect(effect: Effect, wording: Wording = PLAIN) -> str:
    """Describe an effect, such as "Klarna is hidden"."""
    match effect:
        case Exclude(candidates):
            return f"{_named(candidates, wording)} {_is(candidates)} hidden"
        case Require(candidates):
            return f"only {_named(candidates, wording)} {_is(candidates)} shown"
        case Pin(candidate, slot):
            return f"{wording.candidate(candidate)} is shown {'first' if slot == 1 else f'in position {slot}'}"
        case Boost(candidates, factor):
            return f"the score of {_named(candidates, wording)} is multiplied by {factor:g}"
        case Set(name, value):
            return f"{name} is set to {plain(value)}"


def _named(candidates: Sequence[str], wording: Wording) -> str:
    return listed([wording.candidate(name) for name in candidates], "and")


def _is(candidates: Sequence[str]) -> str:
    return "is" if len(candidates) == 1 else "are"


def listed(texts: Sequence[str], last: str) -> str:
    """Join texts as "a, b or c"; the end of a long list is counted instead of named."""
    if len(texts) > MOST_SHOWN + 1:
        return f"{', '.join(texts[:MOST_SHOWN])} {last} {len(texts) - MOST_SHOWN} more"
    return f" {last} ".join(part for part in (", ".join(texts[:-1]), texts[-1]) if part)


def plain(value: object) -> str:
    """Return a value as people read it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return listed([plain(item) for item in value], "or")
    return "empty" if value == "" else f"{value}"


def as_day(text: str) -> str:
    """Return a day such as "27 Nov 2026" for 2026-11-27."""
    day = date.fromisoformat(text)
    return f"{day.day} {_MONTHS[day.month - 1]} {day.year}"


def as_moment(text: str) -> str:
    """Return a text such as "27 Nov 2026 at 18:30 (UTC+01:00)" for 2026-11-27T18:30:00+01:00."""
    moment = datetime.fromisoformat(text.upper())
    clock = f"{moment:%H:%M:%S}".removesuffix(":00")
    return f"{as_day(text[:10])} at {clock} ({moment.tzname()})"


def as_weekday(text: str) -> str:
    """Return the full name of a weekday, such as "Saturday" for sat."""
    return _DAYS[text]
