"""The catalogue's own limits on a candidate: country, currency, device and amount. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.model.placement import Candidate

MOST_CACHED = 4096


class Eligibility:
    """Find the candidates that the catalogue excludes; a fact that was not sent excludes none."""

    def __init__(self, candidates: tuple[Candidate, ...]) -> None:
        self._candidates = candidates
        self._limited = tuple(
            (number, candidate.min_amount or 0, candidate.max_amount)
            for number, candidate in enumerate(candidates)
            if candidate.min_amount or candidate.max_amount is not None
        )
        self._cache: dict[tuple[object, object, object], dict[int, str]] = {}

    def exclusions(self, values: Mapping[str, Any]) -> dict[int, str]:
        """Return the reason for each excluded candidate, by number."""
        reasons = dict(self._listed_exclusions(values))
        total = values.get("cart.total")
        if self._limited and type(total) is int:
            for number, least, most in self._limited:
                if total < least:
                    reasons.setdefault(number, "the amount is below its minimum")
                elif most is not None and total > most:
                    reasons.setdefault(number, "the amount is above its maximum")
        return reasons

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


def _text(value: object) -> str | None:
    return value[:64] if isinstance(value, str) else None
