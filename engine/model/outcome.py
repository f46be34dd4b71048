"""A reported outcome. Pure."""

from __future__ import annotations

from typing import Literal, NamedTuple, get_args

import msgspec

Source = Literal["server", "browser"]
SOURCES: tuple[Source, ...] = get_args(Source)

MOST_OUTCOMES = 50
"""The most outcomes of a decision that each source may report."""
LARGEST_AMOUNT = 10**9
"""The largest amount of an outcome in minor units: what is larger is a mistake, or meant to mislead learning."""
SMALL_UNITS = frozenset(
    ["COP", "GNF", "IDR", "IRR", "KRW", "LAK", "LBP", "MMK", "PYG", "SYP", "TZS", "UGX", "UZS", "VND"]
)
"""Currencies whose minor unit is worth so little that ordinary purchases may have a hundred times as many."""


class OutcomeRow(msgspec.Struct, array_like=True):
    """An event after a decision or, without `decision_id`, a purchase that no decision led to.

    Ids of events are unique within a `space`: empty for a server, the decision for a browser. `learns` is False for
    what a browser reports beyond the limits of a day.
    """

    merchant_id: int
    event_id: str
    decision_id: str | None
    customer: str | None
    placement: str
    type: str
    candidate: str | None
    amount: int | None
    currency: str | None
    occurred_at: int
    recorded_at: int
    source: Source = "server"
    key_id: str = ""
    space: str = ""
    learns: bool = True

    @property
    def key(self) -> EventKey:
        """Return what identifies the event."""
        return self.merchant_id, self.space, self.event_id

    @property
    def content(self) -> tuple[object, ...]:
        """Return what a repetition of the event must say again; times may differ."""
        return self.decision_id, self.customer, self.type, self.candidate, self.amount, self.currency


EventKey = tuple[int, str, str]
"""Merchant, space and event id."""


class Retraction(NamedTuple):
    """Which outcomes are taken out: those of a merchant's source recorded from `since` until before `until`."""

    merchant_id: int
    source: Source
    since: int
    until: int
    key_id: str | None = None


def largest_amount(currency: str | None) -> int:
    """Return the largest amount of an outcome in minor units of a currency."""
    return LARGEST_AMOUNT * 100 if currency in SMALL_UNITS else LARGEST_AMOUNT
