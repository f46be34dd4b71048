"""Say in words which settings of a candidate, placement, offer or budget differ, with the labels of their forms."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from engine.configuration.plan_difference import Difference
from web.admin.shell.json_text import pretty
from web.format import Show

LABELS = {
    "active_from": "Only from",
    "active_to": "Only until",
    "affinity": "The customer's own past counts",
    "buckets": "Learn separately by",
    "cooldown_hours": "Not again for",
    "credit": "What an outcome is credited to",
    "drawn": "Positions that vary",
    "enabled": "In use",
    "ends_at": "Ends",
    "examination": "How often positions are seen",
    "fee_fixed": "Fee, fixed",
    "fee_percent": "Fee, share",
    "floor": "Keep trying everything",
    "half_life_days": "Old results count half after",
    "history": "The customer's own past counts",
    "hold_minutes": "Held for",
    "limit": "At most",
    "margin_percent": "Margin before fees",
    "max_amount": "Largest amount",
    "maximum": "Most off",
    "min_amount": "Smallest amount",
    "most_off": "Most off one order",
    "same_answer_minutes": "Same offers for",
    "share": "Share of customers",
    "stackable": "May be combined",
    "starts_at": "Starts",
    "typical_amount": "Typical cart",
    "uses": "Largest number of uses",
    "window_minutes": "Wait for results",
}
"""The labels of settings whose names say too little."""
AMOUNTS = {
    "amount",
    "fee_fixed",
    "max_amount",
    "maximum",
    "min_amount",
    "most_off",
    "typical_amount",
}
PERCENTAGES = {"fee_percent", "margin_percent", "percent"}
SHARES = {"floor", "share"}
MOMENTS = {"active_from", "active_to", "ends_at", "starts_at"}
UNITS = {"half_life_days": "day", "window_minutes": "minute", "hold_minutes": "minute", "same_answer_minutes": "minute"}
UNITS |= {"cooldown_hours": "hour"}
NONE = "none"
LONGEST = 200

Detail = tuple[str, str, str]
"""The label of a setting, and its value before and after."""


def details_of(difference: Difference, show: Show, currency: str) -> list[Detail]:
    """Return the settings that differ besides a rule's sentence; amounts are in `currency` or in the offer's own."""
    words = _SettingWords(show, _currency_of(difference, currency))
    rows = [
        (_label(path), words.short_text(path[-1], before), words.short_text(path[-1], after))
        for detail in difference.details
        for path, before, after in _leaves((detail.field,), detail.before, detail.after)
    ]
    return [(label, before, after) for label, before, after in rows if before != after]


def _currency_of(difference: Difference, otherwise: str) -> str:
    document = difference.after or difference.before
    return getattr(getattr(document, "offer", None) or document, "currency", None) or otherwise


def _leaves(path: tuple[str, ...], before: Any, after: Any) -> Iterator[tuple[tuple[str, ...], Any, Any]]:
    """Go down into objects, which may begin or end; amounts by currency are a setting by themselves."""
    both = before or {}, after or {}
    if path[-1] in AMOUNTS or not all(isinstance(each, Mapping) for each in both):
        yield path, before, after
        return
    for name in dict.fromkeys(name for each in both for name in each):
        yield from _leaves((*path, name), *(each.get(name) for each in both))


def _label(path: tuple[str, ...]) -> str:
    *outer, name = path
    label = LABELS.get(name, name.replace("_", " ").capitalize())
    return ": ".join([*(each.replace("_", " ").capitalize() for each in outer), label])


class _SettingWords:
    """Says values of settings, with the units that their names imply."""

    def __init__(self, show: Show, currency: str) -> None:
        self._show, self._currency = show, currency

    def short_text(self, name: str, value: Any) -> str:
        """Return a value as one line of at most 200 characters."""
        text = self._text(name, value)
        return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"

    def _text(self, name: str, value: Any) -> str:
        if value is None or value in ("", [], {}):
            return NONE
        if isinstance(value, bool):
            return "yes" if value else "no"
        if isinstance(value, str):
            return value
        if isinstance(value, int | float):
            return self._number(name, value)
        if name in AMOUNTS and isinstance(value, Mapping):
            return "; ".join(self._show.money(amount, currency) for currency, amount in value.items())
        if isinstance(value, list) and all(isinstance(each, str | int | float) for each in value):
            return ", ".join(map(str, value))
        return " ".join(pretty(value).split())

    def _number(self, name: str, value: float) -> str:
        if name in AMOUNTS:
            return self._show.money(int(value), self._currency)
        if name in MOMENTS:
            return self._show.moment(int(value))
        if name in SHARES:
            value *= 100
        digits = 0 if float(value).is_integer() else 2
        if name in PERCENTAGES | SHARES:
            return self._show.percent(value / 100, digits=digits)
        number = self._show.number(value, digits=digits)
        if name in UNITS:
            return f"{number} {UNITS[name]}" if value == 1 else f"{number} {UNITS[name]}s"
        return number
