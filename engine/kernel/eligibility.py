"""Whether the catalogue itself offers a candidate: country, currency, device and amount."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.model.placement import Candidate

MOST_REMEMBERED = 4096


class Eligibility:
    """`why_not(facts)` -> reason by candidate number. A fact that was not sent excludes nobody."""

    def __init__(self, candidates: tuple[Candidate, ...]) -> None:
        self._candidates = candidates
        self._limited = tuple(
            (number, candidate.min_amount or 0, candidate.max_amount)
            for number, candidate in enumerate(candidates)
            if candidate.min_amount or candidate.max_amount is not None
        )
        self._remembered: dict[tuple[object, object, object], dict[int, str]] = {}

    def why_not(self, values: Mapping[str, Any]) -> dict[int, str]:
        reasons = dict(self._by_place(values))
        total = values.get("cart.total")
        if self._limited and type(total) is int:
            for number, least, most in self._limited:
                if total < least:
                    reasons.setdefault(number, "the amount is below its minimum")
                elif most is not None and total > most:
                    reasons.setdefault(number, "the amount is above its maximum")
        return reasons

    def _by_place(self, values: Mapping[str, Any]) -> dict[int, str]:
        place = (
            _text(values.get("geo.country")),
            _text(values.get("cart.currency")),
            _text(values.get("device.type")),
        )
        known = self._remembered.get(place)
        if known is None:
            if len(self._remembered) >= MOST_REMEMBERED:
                self._remembered.clear()
            known = self._remembered[place] = dict(self._refusals(*place))
        return known

    def _refusals(self, country: str | None, currency: str | None, device: str | None) -> list[tuple[int, str]]:
        refusals = []
        for number, candidate in enumerate(self._candidates):
            if country and candidate.countries and country not in candidate.countries:
                refusals.append((number, f"not offered in {country}"))
            elif currency and candidate.currencies and currency not in candidate.currencies:
                refusals.append((number, f"not offered in {currency}"))
            elif device and candidate.devices and device not in candidate.devices:
                refusals.append((number, f"not offered on {device}"))
        return refusals


def _text(value: object) -> str | None:
    return value[:64] if isinstance(value, str) else None
