"""Values and effects in plain words."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

from rules.language.codes import DECIMALS
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
    """4999 and EUR as "EUR 49.99"."""
    digits = DECIMALS.get(currency, 2)
    return f"{currency} {minor / 10**digits:,.{digits}f}".lstrip()


@dataclass(frozen=True, slots=True)
class Wording:
    """How a merchant's things are called.

    `candidates` are labels by id, `currency` is that of amounts whose field names none, `money` makes a text of minor
    units and a currency, `country` one of a code.
    """

    candidates: Mapping[str, str] = field(default_factory=dict)
    currency: str = ""
    money: Callable[[int, str], str] = plain_money
    country: Callable[[str], str] = str

    def candidate(self, name: str) -> str:
        """What the merchant calls the candidate."""
        return self.candidates.get(name) or name


PLAIN = Wording()


def describe_effect(effect: Effect, wording: Wording = PLAIN) -> str:
    """What an effect does, such as "Klarna is hidden"."""
    match effect:
        case Exclude(candidates):
            return f"{_named(candidates, wording)} {_is(candidates)} hidden"
        case Require(candidates):
            return f"only {_named(candidates, wording)} {_is(candidates)} shown"
        case Pin(candidate, slot):
            return f"{wording.candidate(candidate)} is shown {'first' if slot == 1 else f'in place {slot}'}"
        case Boost(candidates, factor):
            return f"the score of {_named(candidates, wording)} is multiplied by {factor:g}"
        case Set(name, value):
            return f"{name} is set to {plain(value)}"


def _named(candidates: Sequence[str], wording: Wording) -> str:
    return listed([wording.candidate(name) for name in candidates], "and")


def _is(candidates: Sequence[str]) -> str:
    return "is" if len(candidates) == 1 else "are"


def listed(texts: Sequence[str], last: str) -> str:
    """ "a, b or c", with the end of long lists counted instead of named."""
    if len(texts) > MOST_SHOWN + 1:
        return f"{', '.join(texts[:MOST_SHOWN])} {last} {len(texts) - MOST_SHOWN} more"
    return f" {last} ".join(part for part in (", ".join(texts[:-1]), texts[-1]) if part)


def plain(value: object) -> str:
    """A value as people read it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return listed([plain(item) for item in value], "or")
    return "empty" if value == "" else f"{value}"


def as_day(text: str) -> str:
    """2026-11-27 as "27 Nov 2026"."""
    day = date.fromisoformat(text)
    return f"{day.day} {_MONTHS[day.month - 1]} {day.year}"


def as_moment(text: str) -> str:
    """2026-11-27T18:30:00+01:00 as "27 Nov 2026 at 18:30 (UTC+01:00)"."""
    moment = datetime.fromisoformat(text.upper())
    clock = f"{moment:%H:%M:%S}".removesuffix(":00")
    return f"{as_day(text[:10])} at {clock} ({moment.tzname()})"


def as_weekday(text: str) -> str:
    """Sat as "Saturday"."""
    return _DAYS[text]
