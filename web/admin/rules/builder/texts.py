"""Values as people type and read them, and as rules hold them: money in major units, times on the merchant's clock."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from zoneinfo import ZoneInfo

from babel import Locale

from engine.model.placement import FieldDocument
from rules.language.codes import COUNTRIES, CURRENCIES
from web.admin.shell.forms import local_moment, sentence
from web.countries import problem_of_countries, read_countries
from web.typed_money import NotAnAmount, amounts_text, is_by_currency, read_amounts

ENGLISH = Locale("en")
NAMES: Mapping[str, Mapping[str, str]] = {
    "country": {code: str(ENGLISH.territories.get(code, code)) for code in sorted(COUNTRIES)},
    "currency": {code: f"{code} · {ENGLISH.currencies.get(code, code)}" for code in sorted(CURRENCIES)},
}
"""What codes are called."""
MOST = 2**53
LOCAL_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,6})?)?")


@dataclass(frozen=True)
class Terms:
    """The names that a merchant's rules may use: the declared fields by name, lists, candidates' labels by id."""

    fields: Mapping[str, FieldDocument]
    lists: tuple[str, ...]
    candidates: Mapping[str, str]
    currency: str
    timezone: str
    locale: Locale = ENGLISH
    types: Mapping[str, str] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "types", {name: document.type for name, document in self.fields.items()})

    def unit_of(self, name: str) -> str:
        """Return the currency of a field of money: its own, else the merchant's."""
        declared = self.fields.get(name)
        return declared.unit if declared and declared.unit in CURRENCIES else self.currency

    def kind_of(self, slot: str, name: str) -> str:
        """Return the kind of an input: for `value` and `many` the field's type."""
        if slot not in ("value", "many"):
            return slot
        declared = self.fields.get(name)
        return "string" if declared is None or declared.type == "list" else declared.type


def to_text(kind: str, value: object, terms: Terms, name: str = "") -> str:
    """Format a JSON value as its input shows it; a value of another kind is shown as it is."""
    if kind == "money" and (_is_whole(value) or is_by_currency(value)):
        amounts = value if isinstance(value, dict) else int(value)  # type: ignore[call-overload]
        return amounts_text(amounts, terms.unit_of(name), terms.locale)
    if kind == "datetime" and isinstance(value, str):
        return _on_the_clock(value, terms.timezone)
    if kind in NAMES and isinstance(value, str):
        return NAMES[kind].get(value, value)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def from_text(kind: str, text: str, terms: Terms, name: str = "") -> object:
    """Read a typed text as a JSON value; a text that cannot be read stays a text."""
    text = text.strip()
    read = _READERS.get(kind)
    return read(text, terms, name) if read and text else text


def all_from_text(kind: str, text: str, terms: Terms, name: str = "") -> list[object]:
    """Return the JSON values that a text means; of countries it may name several, as in “Germany, Austria”."""
    return [*read_countries(text, terms.locale)] if kind == "country" else [from_text(kind, text, terms, name)]


def missing(kind: str, value: object, unit: str, locale: Locale = ENGLISH) -> str:
    """Return what to ask for where a value is missing or cannot be read; an empty text where it is right."""
    if value in ("", []):
        return _ASKED.get(kind, "Type a value.")
    if kind == "country":
        return problem_of_countries([str(code) for code in (value if isinstance(value, list) else [value])], locale)
    if kind in _NUMERIC and isinstance(value, str):
        return _problem_of_amount(value, unit, locale) if kind == "money" else "Must be a number, such as 10."
    if kind == "datetime" and isinstance(value, str) and LOCAL_TIME.fullmatch(value):
        return "This time does not exist. Where clocks go forward, an hour is left out."
    if kind == "money" and not _is_whole(value) and not is_by_currency(value):
        return f"{unit} has no smaller unit than {amounts_text(1, unit, locale)}."
    return ""


def _problem_of_amount(text: str, unit: str, locale: Locale) -> str:
    try:
        read_amounts(text, unit, locale)
    except NotAnAmount as problem:
        return sentence(str(problem))
    return ""


_NUMERIC = frozenset({"money", "integer", "number", "percent", "km", "latitude", "longitude", "factor", "slot"})
_ASKED = {
    "money": "Type an amount.",
    "country": "Choose a country.",
    "currency": "Choose a currency.",
    "date": "Choose a day.",
    "day": "Choose a day.",
    "datetime": "Choose a moment.",
    "clock": "Choose a time of day.",
    "zone": "Choose a timezone.",
    "weekdays": "Choose at least one day.",
    "list": "Choose a list.",
    "text": "Type a text.",
    "version": "Type a version, such as 2.1.0.",
    "candidates": "Choose at least one.",
    "candidate": "Choose one.",
    "name": "Give the value a name, such as show_cvv.",
}


def _is_whole(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value == int(value)


def _money(text: str, terms: Terms, name: str) -> object:
    try:
        return read_amounts(text, terms.unit_of(name), terms.locale)
    except NotAnAmount:
        return text


def _number(text: str, terms: Terms, name: str) -> object:
    try:
        value = json.loads(text.replace(",", "."))
    except ValueError:
        return text
    if isinstance(value, bool) or not isinstance(value, int | float):
        return text
    return value if -MOST <= value <= MOST or isinstance(value, float) else text


def _moment(text: str, terms: Terms, name: str) -> object:
    """Return a time on the merchant's clock, as RFC 3339 with the offset of that day."""
    if not LOCAL_TIME.fullmatch(text):
        return text
    try:
        return local_moment(text, ZoneInfo(terms.timezone)).isoformat()
    except ValueError:
        return text


def _on_the_clock(value: str, timezone: str) -> str:
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return value
    if moment.tzinfo is None:
        return value
    local = moment.astimezone(ZoneInfo(timezone)).replace(tzinfo=None)
    return local.isoformat(timespec="auto" if local.microsecond or local.second else "minutes")


def _code(text: str, names: Mapping[str, str]) -> object:
    """Return the code for a name or a code. Two or three other letters count as a code."""
    folded = text.casefold()
    match = next((code for code, name in names.items() if folded in (code.casefold(), name.casefold())), None)
    return match or (text.upper() if text.isascii() and text.isalpha() and len(text) in (2, 3) else text)


def _country(text: str, terms: Terms, name: str) -> object:
    codes = read_countries(text, terms.locale)
    return codes[0] if len(codes) == 1 else text


def _currency(text: str, terms: Terms, name: str) -> object:
    return _code(text, NAMES["currency"])


def _candidate(text: str, terms: Terms, name: str) -> object:
    by_label = {label.casefold(): id for id, label in terms.candidates.items()}
    return text if text in terms.candidates else by_label.get(text.casefold(), text)


_READERS: Mapping[str, Callable[[str, Terms, str], object]] = {
    "money": _money,
    **dict.fromkeys(_NUMERIC - {"money"}, _number),
    "datetime": _moment,
    "country": _country,
    "currency": _currency,
    "candidates": _candidate,
    "candidate": _candidate,
}
