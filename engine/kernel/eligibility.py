"""The limits on a candidate that no rule sets: country, currency, device, amount, and the customer's refusal. Pure."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping
from typing import Any

from engine.model.facts import REFUSED, REPORTED, UNAVAILABLE
from engine.model.placement import Candidate
from rules.language.values import read_currency

MOST_CACHED = 4096


class Eligibility:
    """Find the candidates that the catalogue, their availability or the customer excludes.

    A fact that was not sent excludes none.
    """

    def __init__(self, candidates: tuple[Candidate, ...], own_currency: str | None) -> None:
        self._candidates = candidates
        self._index = {candidate.id: number for number, candidate in enumerate(candidates)}
        self._own_currency = own_currency
        self._has_limits = any(candidate.min_amount or candidate.max_amount is not None for candidate in candidates)
        self._has_lists = any(
            candidate.countries or candidate.currencies or candidate.devices for candidate in candidates
        )
        self._limits: dict[str | None, AmountLimits] = {}
        self._cache: dict[tuple[object, object, object], dict[int, str]] = {}

    @property
    def reads_facts(self) -> bool:
        """Return whether a candidate is limited to some requests."""
        return self._has_limits or self._has_lists

    def exclusions(self, values: Mapping[str, Any]) -> dict[int, str]:
        """Return the reason for each excluded candidate, by number."""
        reasons = dict(self._listed_exclusions(values)) if self._has_lists else {}
        total = values.get("cart.total")
        if self._has_limits and type(total) is int:
            limits = self._limits_in(read_currency(values.get("cart.currency")))
            reasons = {**limits.exclusions(total), **reasons}
        for name in (REPORTED, UNAVAILABLE, REFUSED):
            named = values.get(name)
            if type(named) is dict and named:
                index = self._index
                reasons = {index[id]: reason for id, reason in named.items() if id in index} | reasons
        return reasons

    def _limits_in(self, currency: str | None) -> AmountLimits:
        """Return the limits of the candidates on carts in a currency."""
        limits = self._limits.get(currency)
        if limits is None:
            limits = self._limits[currency] = AmountLimits(self._candidates, currency, self._own_currency)
        return limits

    def _listed_exclusions(self, values: Mapping[str, Any]) -> dict[int, str]:
        """Return exclusions by country, currency and device; cached, as many requests share these."""
        key = (
            _text(values.get("geo.country")),
            _text(values.get("cart.currency")),
            _text(values.get("device.type")),
        )
        exclusions = self._cache.get(key)
        if exclusions is None:
            if len(self._cache) >= MOST_CACHED:
                self._cache.clear()
            exclusions = self._cache[key] = dict(self._find_exclusions(*key))
        return exclusions

    def _find_exclusions(self, country: str | None, currency: str | None, device: str | None) -> list[tuple[int, str]]:
        exclusions = []
        for number, candidate in enumerate(self._candidates):
            if country and candidate.countries and country not in candidate.countries:
                exclusions.append((number, f"not offered in {country}"))
            elif currency and candidate.currencies and currency not in candidate.currencies:
                exclusions.append((number, f"not offered in {currency}"))
            elif device and candidate.devices and device not in candidate.devices:
                exclusions.append((number, f"not offered on {device}"))
        return exclusions


class AmountLimits:
    """The limits of candidates on a cart's total in one currency.

    Totals between two neighbouring limits exclude the same candidates, so what they exclude is kept.
    """

    def __init__(self, candidates: tuple[Candidate, ...], currency: str | None, own_currency: str | None) -> None:
        self._limits = [
            (number, least or 0, most)
            for number, candidate in enumerate(candidates)
            for least in [limit_in(candidate.min_amount, currency, own_currency)]
            for most in [limit_in(candidate.max_amount, currency, own_currency)]
            if least or most is not None
        ]
        steps = {least for _, least, _ in self._limits} | {most + 1 for *_, most in self._limits if most is not None}
        self._steps = sorted(steps)
        self._cache: dict[int, dict[int, str]] = {}

    def exclusions(self, total: int) -> dict[int, str]:
        """Return the reason for each candidate that a total excludes, by number; not to be changed."""
        step = bisect_right(self._steps, total)
        reasons = self._cache.get(step)
        if reasons is None:
            reasons = self._cache[step] = dict(self._find(total))
        return reasons

    def _find(self, total: int) -> Iterator[tuple[int, str]]:
        for number, least, most in self._limits:
            if total < least:
                yield number, "the amount is below its minimum"
            elif most is not None and total > most:
                yield number, "the amount is above its maximum"


def limit_in(limit: int | dict[str, int] | None, currency: str | None, own: str | None = None) -> int | None:
    """Return a limit for carts in a currency, None where there is none; a missing currency is the merchant's `own`.

    Without `own`, a single amount holds for every currency.
    """
    if isinstance(limit, dict):
        return limit.get(currency or own or "")
    return limit if own is None or (currency or own) == own else None


def currencies_of(candidate: Candidate) -> list[str | None]:
    """Return the currencies in which the candidate's limits differ, None for the merchant's own."""
    limits = (candidate.min_amount, candidate.max_amount)
    named = {currency for limit in limits if isinstance(limit, dict) for currency in limit}
    return [*sorted(named)] if named else [None]


def _text(value: object) -> str | None:
    return value[:64] if isinstance(value, str) else None
