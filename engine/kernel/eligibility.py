"""The catalogue's own limits on a candidate: country, currency, device and amount. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.model.facts import UNAVAILABLE
from engine.model.placement import Candidate
from rules.language.values import read_currency

MOST_CACHED = 4096


class Eligibility:
    """Find the candidates that the catalogue or their availability excludes; a fact that was not sent excludes none."""

    def __init__(self, candidates: tuple[Candidate, ...], own_currency: str | None) -> None:
        self._candidates = candidates
        self._index = {candidate.id: number for number, candidate in enumerate(candidates)}
        self._own_currency = own_currency
        self._has_limits = any(candidate.min_amount or candidate.max_amount is not None for candidate in candidates)
        self._has_lists = any(
            candidate.countries or candidate.currencies or candidate.devices for candidate in candidates
        )
        self._limits: dict[str | None, list[tuple[int, int, int | None]]] = {}
        self._cache: dict[tuple[object, object, object], dict[int, str]] = {}

    def exclusions(self, values: Mapping[str, Any]) -> dict[int, str]:
        """Return the reason for each excluded candidate, by number."""
        reasons = dict(self._listed_exclusions(values)) if self._has_lists else {}
        total = values.get("cart.total")
        if self._has_limits and type(total) is int:
            for number, least, most in self._limits_in(read_currency(values.get("cart.currency"))):
                if total < least:
                    reasons.setdefault(number, "the amount is below its minimum")
                elif most is not None and total > most:
                    reasons.setdefault(number, "the amount is above its maximum")
        unavailable = values.get(UNAVAILABLE)
        if type(unavailable) is dict:
            for id, reason in unavailable.items():
                if id in self._index:
                    reasons.setdefault(self._index[id], reason)
        return reasons

    def _limits_in(self, currency: str | None) -> list[tuple[int, int, int | None]]:
        """Return the number, least and most amount of each candidate that is limited in the cart's currency."""
        if currency not in self._limits:
            self._limits[currency] = [
                (number, least or 0, most)
                for number, candidate in enumerate(self._candidates)
                for least in [limit_in(candidate.min_amount, currency, self._own_currency)]
                for most in [limit_in(candidate.max_amount, currency, self._own_currency)]
                if least or most is not None
            ]
        return self._limits[currency]

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
